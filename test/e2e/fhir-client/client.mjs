// A public FHIR client (fhir-kit-client), for fhirclient_test.go. It reads commands as lines of JSON on standard input, and prints the result of
// each as a line on standard output:
//   { "base": "http://…", "token": "…" }          begins anew, as another caller or at another gateway
//   { "call": "update", "args": { … } }           calls that method of the client
//   { "status": 200, "headers": { … }, "body": { … } }
// It exits when standard input ends.
import { createInterface } from 'node:readline';
import Client from 'fhir-kit-client';

let client;

async function call(name, args) {
  try {
    const body = await client[name](args);
    const { response } = Client.httpFor(body);
    return { status: response.status, headers: Object.fromEntries(response.headers), body };
  } catch (error) {
    if (!error.response) throw error;
    return { status: error.response.status, headers: {}, body: error.response.data };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { base, token, call: name, args } = JSON.parse(line);
  if (base) {
    client = new Client({ baseUrl: base, bearerToken: token });
  } else {
    console.log(JSON.stringify(await call(name, args)));
  }
}
