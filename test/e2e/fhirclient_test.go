package e2e_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"reflect"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// kitClient is a public FHIR client library (fhir-client/client.mjs), in its own process.
type kitClient struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Scanner
}

// kitAnswer is the result of a call of the client. For a refusal it has no headers.
type kitAnswer struct {
	Status  int
	Headers map[string]string
	Body    m
}

func newKitClient(t testing.TB) *kitClient {
	t.Helper()
	if err := nodeModules("fhir-client"); err != nil {
		t.Fatalf("the tests need node, npm and the modules of test/e2e/fhir-client: run  make node : %v", err)
	}
	cmd := exec.Command("node", "client.mjs")
	cmd.Dir = "fhir-client"
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	said := &output{}
	cmd.Stderr = said
	var failed error
	done, err := spawn(cmd, &failed)
	if err != nil {
		t.Fatalf("start the FHIR client: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have exited
		<-done
		if t.Failed() {
			t.Logf("the FHIR client said:\n%s", tail(said.String(), 3000))
		}
	})
	c := &kitClient{t: t, in: in, out: bufio.NewScanner(out)}
	c.out.Buffer(nil, 1<<20)
	return c
}

func (c *kitClient) tell(what m) {
	c.t.Helper()
	line, err := json.Marshal(what)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		c.t.Fatalf("tell the FHIR client: %v", err)
	}
}

// at starts anew, at a gateway and as a caller.
func (c *kitClient) at(g *gateway, by demo.Caller) {
	c.t.Helper()
	c.tell(m{"base": g.base + "/gateway", "token": tokenOf(c.t, by)})
}

// call calls a method of the client, and wants this status.
func (c *kitClient) call(want int, name string, args m) kitAnswer {
	c.t.Helper()
	c.tell(m{"call": name, "args": args})
	var a kitAnswer
	if !c.out.Scan() {
		c.t.Fatalf("%s: the FHIR client ended", name)
	}
	if err := json.Unmarshal(c.out.Bytes(), &a); err != nil {
		c.t.Fatal(err)
	}
	if a.Status != want {
		c.t.Fatalf("%s: got status %d, want %d: %v", name, a.Status, want, a.Body)
	}
	return a
}

// entries returns the ids of the resources of a Bundle.
func (a kitAnswer) entries() (ids []string) {
	entries, _ := a.Body["entry"].([]any)
	for _, e := range entries {
		ids = append(ids, e.(m)["resource"].(m)["id"].(string))
	}
	return ids
}

// TestAFHIRClientThatIsNotOurs: a public client library gives, reads, searches, changes and withdraws consents by plain FHIR: whatever it adds
// to requests is accepted, and what it does takes effect at once, on another instance too.
func TestAFHIRClientThatIsNotOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	other, _ := w.start()
	johanna, gp, c := demo.Johanna(), demo.GP(), newKitClient(t)
	patient := demo.Patient("patient-johanna", johanna)
	sees := func(want int, who demo.Caller, when string) reply {
		t.Helper()
		return other.ask(who, search("Condition", johanna)).wantStatus(t, want, when)
	}
	one := m{"resourceType": "Consent"}
	with := func(more m) m {
		args := m{}
		for _, from := range []m{one, more} {
			for name, value := range from {
				args[name] = value
			}
		}
		return args
	}

	c.at(g, patient)
	statement := c.call(http.StatusOK, "capabilityStatement", m{})
	if statement.Body["resourceType"] != "CapabilityStatement" || statement.Body["fhirVersion"] != "4.0.1" {
		t.Errorf("got %v", statement.Body)
	}
	sees(http.StatusForbidden, gp, "before")
	created := c.call(http.StatusCreated, "create", with(m{"body": consentFor(johanna)}))
	id := created.Body["id"].(string)
	one["id"] = id
	sees(http.StatusOK, gp, "given")

	c.at(other, patient)
	read := c.call(http.StatusOK, "read", with(nil))
	if !reflect.DeepEqual(read.Body, created.Body) || read.Headers["etag"] == "" || read.Headers["etag"] != created.Headers["etag"] {
		t.Errorf("what is read is not what was created:\n%v\n%v", read, created)
	}
	second := c.call(http.StatusCreated, "create", m{"resourceType": "Consent", "body": consentFor(johanna, func(c m) {
		c["provision"].(m)["actor"] = []any{actorCategory("lab")}
	})}).Body["id"].(string)
	byForm := c.call(http.StatusOK, "search", m{
		"resourceType": "Consent", "options": m{"postSearch": true},
		"searchParams": m{"patient.identifier": demo.SystemBSN + "|" + johanna.BSN, "status": "active", "_count": 1},
	})
	next := c.call(http.StatusOK, "nextPage", m{"bundle": byForm.Body})
	if got := append(byForm.entries(), next.entries()...); !reflect.DeepEqual(got, []string{second, id}) {
		t.Errorf("got the Consents %v on two pages, want %v", got, []string{second, id})
	}
	byURL := c.call(http.StatusOK, "search", m{"resourceType": "Consent", "searchParams": m{"category": "http://loinc.org|59284-0"}})
	if got := byURL.entries(); len(got) != 2 {
		t.Errorf("got %v by category, want both", got)
	}

	changed := read.Body
	changed["provision"].(m)["actor"] = []any{actorCategory("pharmacy")}
	update := func(want int, etag string) kitAnswer {
		t.Helper()
		return c.call(want, "update", with(m{"body": changed, "options": m{"headers": m{"If-Match": etag}}}))
	}
	c.call(http.StatusPreconditionRequired, "update", with(m{"body": changed}))
	updated := update(http.StatusOK, read.Headers["etag"])
	update(http.StatusPreconditionFailed, read.Headers["etag"])
	sees(http.StatusForbidden, gp, "after the update")
	sees(http.StatusOK, demo.Pharmacist(), "after the update")

	withdrawn := c.call(http.StatusOK, "operation", with(m{"name": "$withdraw"}))
	if withdrawn.Body["status"] != "inactive" {
		t.Errorf("the Consent is %v after it was withdrawn", withdrawn.Body["status"])
	}
	w.wantEvent(sees(http.StatusForbidden, demo.Pharmacist(), "withdrawn"), audit.OutcomeDeny, "consent-withdrawn")
	versions := c.call(http.StatusOK, "resourceHistory", with(nil))
	if got := versions.entries(); len(got) != 3 {
		t.Errorf("the history has %d versions, want 3", len(got))
	}
	version := updated.Body["meta"].(m)["versionId"].(string)
	if old := c.call(http.StatusOK, "vread", with(m{"version": version})); !reflect.DeepEqual(old.Body, updated.Body) {
		t.Errorf("the second version reads differently now:\n%v\n%v", old.Body, updated.Body)
	}

	// Withdrawing by an update, as a client does that knows none of our operations.
	one["id"] = second
	changed = c.call(http.StatusOK, "read", with(nil)).Body
	changed["status"] = "inactive"
	update(http.StatusOK, `W/"`+changed["meta"].(m)["versionId"].(string)+`"`)
	if left := c.call(http.StatusOK, "search", m{"resourceType": "Consent", "searchParams": m{"status": "active"}}).entries(); len(left) != 0 {
		t.Errorf("%v are active after all were withdrawn", left)
	}
	refused := c.call(http.StatusMethodNotAllowed, "delete", with(nil))
	if refused.Body["resourceType"] != "OperationOutcome" {
		t.Errorf("got %v, want an OperationOutcome", refused.Body)
	}
	c.at(g, demo.Patient("patient-milan", demo.Milan()))
	c.call(http.StatusNotFound, "read", with(nil))
}
