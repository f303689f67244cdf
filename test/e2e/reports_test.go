package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/internal/demo"
)

// told is what the reports have in common, as a privacy officer reads it.
type told struct {
	Organization, Practitioner, Client string
	Times, Emergency                   int
	Patients                           int
	Categories, Resources, Consents    []string
	Recipients                         []struct{ Organization string }
	Person                             consent.PersonKey
	Identifier                         *struct{ Value string }
}

// TestReports: what the archive shows a privacy officer: who received what of one record, which patients an incident concerns, and which
// insurers tried. A report about patients is itself recorded, and in the patient's own view too.
func TestReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	karena, milan, johanna, doctor := demo.Karena(), demo.Milan(), demo.Johanna(), demo.EmergencyDoctor()
	day := func() string { return time.Now().In(consent.Zone()).Format(time.DateOnly) }
	began := day() // midnight may come before today
	conditions := g.ask(demo.GP(), search("Condition", karena)).wantStatus(t, http.StatusOK, "GP")
	g.ask(demo.GP(), search("Observation", karena)).wantStatus(t, http.StatusOK, "GP")
	g.ask(demo.GP(), search("Condition", milan)).wantStatus(t, http.StatusOK, "GP")
	g.ask(demo.Pharmacist(), search("Condition", karena)).wantStatus(t, http.StatusOK, "pharmacist, who gets nothing")
	g.ask(demo.Insurer(), search("Condition", karena)).wantStatus(t, http.StatusForbidden, "insurer")
	g.ask(demo.Insurer(), search("Condition", milan)).wantStatus(t, http.StatusForbidden, "insurer")
	g.ask(doctor, declare(johanna)).wantStatus(t, http.StatusCreated, "declaration")
	g.ask(doctor, get("/fhir/demo/Patient/"+string(johanna.PatientID))).wantStatus(t, http.StatusOK, "emergency")
	g.stop() // everything recorded is in the archive then
	g = w.again(g, file)

	today := day()
	report := func(stdin, list string, args ...string) []told {
		t.Helper()
		out := must(t, stdin, append(append([]string{"report"}, args...), "--config", file)...)
		var got map[string]json.RawMessage
		var rows []told
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("report %v: %v in %s", args, err, out)
		}
		if err := json.Unmarshal(got[list], &rows); err != nil {
			t.Fatalf("report %v: %v in %s", args, err, out)
		}
		if named := strings.Contains(out, karena.BSN) || strings.Contains(out, milan.BSN) || strings.Contains(out, johanna.BSN); named != slices.Contains(args, "--identify") {
			t.Errorf("report %v: names a patient %v", args, named)
		}
		return rows
	}

	rows := report(karena.BSN+"\n", "recipients", "recipients")
	if len(rows) != 1 || rows[0].Organization != "ura:"+demo.GP().Claims.OrganizationURA || rows[0].Times != 2 || len(rows[0].Consents) == 0 {
		t.Errorf("got recipients %+v, want the GP only, twice, under a consent", rows)
	}
	if len(rows) == 1 {
		for _, id := range conditions.entries() {
			if strings.HasPrefix(id, "Condition/") && !slices.Contains(rows[0].Resources, id) {
				t.Errorf("%s was disclosed but is not in the report", id)
			}
		}
	}
	if rows = report(johanna.BSN+"\n", "recipients", "recipients"); len(rows) != 1 || rows[0].Emergency != 1 {
		t.Errorf("got recipients %+v, want the doctor in an emergency", rows)
	}
	if rows = report(milan.BSN+"\n", "recipients", "recipients", "--to", "2020-01-01"); len(rows) != 0 {
		t.Errorf("got recipients %+v of before there were any", rows)
	}

	if rows = report("", "patients", "incident", "--from", began, "--to", today); len(rows) != 3 {
		t.Errorf("got patients %+v, want all three", rows)
	}
	if rows = report("", "patients", "incident", "--from", began, "--to", today, "--organization", "ura:"+doctor.Claims.OrganizationURA); len(rows) != 1 ||
		rows[0].Person != w.store.Key(johanna.Identifier()) || rows[0].Emergency != 1 || len(rows[0].Recipients) != 1 {
		t.Errorf("got patients %+v, want the one of the emergency", rows)
	}
	if rows = report(karena.BSN+"\n", "patients", "incident", "--from", began, "--to", today, "--patient", "--identify"); len(rows) != 1 ||
		rows[0].Identifier == nil || rows[0].Identifier.Value != karena.BSN {
		t.Errorf("got patients %+v, want the one who was asked for, named", rows)
	}
	if rows = report("", "patients", "incident", "--from", began, "--to", today, "--client", "no-such-client"); len(rows) != 0 {
		t.Errorf("got patients %+v for a client that was never there", rows)
	}
	if rows = report("", "attempts", "insurers", "--from", began, "--to", today); len(rows) != 1 || rows[0].Times != 2 || rows[0].Patients != 2 {
		t.Errorf("got attempts %+v, want two of one insurer", rows)
	}
	if got := command(t, "", "report", "incident", "--config", file, "--from", "yesterday", "--to", today); got.code != 2 {
		t.Errorf("a day that is none: exit code %d, want 2", got.code)
	}
	list := g.ask(demo.Patient("patient", karena), get("/gateway/AuditEvent?subtype=search-type")).wantStatus(t, http.StatusOK, "the patient's list")
	if n := strings.Count(list.body, "reported"); n < 2 {
		t.Error("the reports about the patient are not in the patient's list")
	}
}
