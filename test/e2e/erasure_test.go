package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestAnErasureIsPassedOn: whoever received erased data is notified, at least once and under the id of the event, whatever is killed in between;
// others are not; the patient sees it.
func TestAnErasureIsPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	post := newReceiver(w, "erasure-secret")
	g, file := w.start("break_glass: {", fmt.Sprintf("erasure: { notice: { url: %q, secret_file: erasure-secret } }\nbreak_glass: {", post.server.URL))
	karena := demo.Karena()
	g.ask(demo.GP(), search("Condition", karena)).wantStatus(t, http.StatusOK, "GP")
	g.ask(demo.Pharmacist(), search("MedicationRequest", karena)).wantStatus(t, http.StatusOK, "pharmacist")
	g.ask(demo.Insurer(), search("Condition", karena)).wantStatus(t, http.StatusForbidden, "insurer, who gets nothing")
	last := g.ask(demo.Patient("patient", karena), search("Condition", karena)).wantStatus(t, http.StatusOK, "the patient, who is no organization")
	until(t, endWithin, "it to be archived", func() bool {
		return slices.ContainsFunc(w.archived(), func(e audit.Event) bool { return e.Request == last.id })
	})
	want := []string{"ura:" + demo.GP().Claims.OrganizationURA, "ura:" + demo.Pharmacist().Claims.OrganizationURA}

	ids := map[string]string{} // of the events, by organization
	tell := func(before bool) {
		t.Helper()
		out := must(t, karena.BSN+"\n", "erasure", "tell", "--config", file, "--by", "officer", "--why", "erased on request")
		var report struct {
			Webhook bool
			Told    []struct {
				Organization, Event string
				Before              bool `json:"told_before"`
				Resources           []string
			}
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil || !report.Webhook || strings.Contains(out, karena.BSN) {
			t.Fatalf("got %v, %s", err, out)
		}
		var told []string
		for _, row := range report.Told {
			told = append(told, row.Organization)
			if id := ids[row.Organization]; id != "" && id != row.Event || len(row.Resources) == 0 || row.Before && !before {
				t.Errorf("got %+v, want event %q", row, id)
			}
			ids[row.Organization] = row.Event
		}
		if !slices.Equal(told, want) {
			t.Fatalf("got %q told, want %q", told, want)
		}
	}
	post.become(0)
	tell(false)
	until(t, endWithin, "a message to be on its way", func() bool { tried, _ := post.seen(); return len(tried) > 0 })
	g.kill()
	tell(true) // an operator who does not know how far it got
	post.become(http.StatusServiceUnavailable)
	g = w.again(g, file)
	tell(true)
	post.become(http.StatusNoContent)
	message := map[string]delivered{}
	until(t, endWithin, "both to be told", func() bool {
		_, arrived := post.seen()
		for _, m := range arrived {
			message[m.Data.Organization] = m
		}
		return len(message) == 2
	})
	for organization, id := range ids {
		m := message[organization]
		var data struct {
			Data struct {
				References     []string
				Source, Holder string
			}
		}
		if err := json.Unmarshal([]byte(m.body), &data); err != nil {
			t.Fatal(err)
		}
		if m.ID != id || m.Data.Reason != "erasure-told" || m.Data.Person.Value != karena.BSN || len(data.Data.References) == 0 || data.Data.Source != "demo" ||
			data.Data.Holder != demo.OrganizationSourceHolder || !strings.Contains(m.Data.NL, "Wis elke kopie") || !strings.Contains(m.Data.EN, "every link") {
			t.Errorf("got %s, want event %s", m.body, id)
		}
	}
	tried, _ := post.seen()
	for _, id := range tried {
		if id != ids[want[0]] && id != ids[want[1]] {
			t.Errorf("the message %s is of nobody who received something", id)
		}
	}
	until(t, endWithin, "the gateway to know that they arrived", func() bool {
		_, metrics := g.admined("/metrics")
		return strings.Contains(metrics, `zorgsluis_messages_total{message="erasure-notice"} 2`)
	})
	seen := g.overview(karena, audit.ReasonErasureTold)
	if len(seen) != 2 {
		t.Errorf("the patient sees %d events, want one for each who received something", len(seen))
	}
	for _, e := range seen {
		if !strings.Contains(e.OutcomeDesc, "must erase every copy and link") {
			t.Errorf("the patient reads %q", e.OutcomeDesc)
		}
	}
	_, metrics := g.admined("/metrics")
	for where, text := range map[string]string{"the log": g.logged(), "the metrics": metrics} {
		if strings.Contains(text, karena.BSN) || strings.Contains(text, post.server.URL) {
			t.Errorf("%s: a number or a URL", where)
		}
	}
}
