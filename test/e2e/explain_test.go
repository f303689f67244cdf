package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"zorgsluis/internal/demo"
)

// TestExplain: all denials read the same outside; with the id in the answer an operator finds out which one it was, and no patient's identifier.
func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	johanna, milan := demo.Johanna(), demo.Milan()
	asked := []struct {
		about demo.Person
		reply reply
		want  []string
	}{
		{johanna, g.ask(demo.GP(), search("Condition", johanna)).wantStatus(t, http.StatusForbidden, "nothing on file"),
			[]string{"no-consent: refused: the patient did not give consent", "rule 14", "none decided", "Condition?patient.identifier=***", "category      gp"}},
		{milan, g.ask(demo.EmergencyDoctor(), get("/fhir/demo/Patient/"+string(milan.PatientID))).wantStatus(t, http.StatusNotFound, "a refusal on file"),
			[]string{"consent-refused: refused, because the patient refused", "rule 12", "Patient/***", "ura:" + demo.EmergencyDoctor().Claims.OrganizationURA}},
		{johanna, g.ask(demo.Caller{}, searchID("Condition", johanna)).wantStatus(t, http.StatusUnauthorized, "no token"),
			[]string{"token-missing: refused: the request has no token", "not known, at 127.0.0.1"}},
	}
	g.stop() // everything recorded is in the archive then
	for _, tt := range asked {
		out := must(t, "", "explain", tt.reply.header.Get("X-Request-Id"), "--config", file)
		for _, want := range append(tt.want, "outcome       refused", "as in this configuration") {
			if !strings.Contains(out, want) {
				t.Errorf("explain does not say %q:\n%s", want, out)
			}
		}
		for _, canary := range []string{tt.about.BSN, "/" + string(tt.about.PatientID), "=" + string(tt.about.PatientID)} {
			if strings.Contains(out, canary) {
				t.Errorf("explain names the patient:\n%s", out)
			}
		}
	}
	changed, _, _, _ := w.configure("emergency_categories: [gp, hospital]", "emergency_categories: [hospital]")
	if out := must(t, "", "explain", asked[0].reply.id, "--config", changed); !strings.Contains(out, "has changed since") {
		t.Errorf("explain does not say that the policy has changed:\n%s", out)
	}
	if r := command(t, "", "explain", johanna.BSN, "--config", file); r.code != 1 || r.stdout != "" || strings.Contains(r.stderr, johanna.BSN) {
		t.Errorf("an id that is none: got exit code %d, %q and %q", r.code, r.stdout, r.stderr)
	}
}
