// A public, certified OpenID provider (oidc-provider), for openid_test.go: real discovery, keys and tokens on a loopback address. It reads its
// configuration as a line of JSON on standard input, and prints "listening" once it applies:
//   { "port": 10123, "keys": [ private JWKs, the first signs ], "opaque": "…", "clients": [ { "id", "secret", "claims" } ] }
// Another line replaces it, on the same address, as in a rotation of keys. It exits when standard input ends.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

let answer;
const server = createServer((request, response) => answer(request, response));

function become({ port, keys, opaque, clients }) {
  const claims = Object.fromEntries(clients.map((client) => [client.id, client.claims ?? {}]));
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    jwks: { keys },
    clients: clients.map((client) => ({
      client_id: client.id,
      client_secret: client.secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: keys[0].alg,
    })),
    scopes: ['zorgsluis'],
    ttl: { ClientCredentials: 600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // Access tokens for a resource are JWTs of RFC 9068; those for the other one are opaque.
        getResourceServerInfo: (_, resource) => ({
          audience: resource,
          scope: 'zorgsluis',
          accessTokenTTL: 600,
          accessTokenFormat: resource === opaque ? 'opaque' : 'jwt',
          jwt: { sign: { alg: keys[0].alg } },
        }),
      },
    },
    extraTokenClaims: (_, token) => claims[token.clientId],
  });
  provider.on('server_error', (_, error) => console.error(error));
  answer = provider.callback();
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const settings = JSON.parse(line);
    become(settings);
    if (server.listening) console.log('listening');
    else server.listen(settings.port, '127.0.0.1', () => console.log('listening'));
  })
  .on('close', () => process.exit(0));
