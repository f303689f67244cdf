package e2e_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// receiver receives messages: those for the privacy officer, or those for patients.
type receiver struct {
	t      *testing.T
	server *httptest.Server
	secret []byte
	file   string

	mu      sync.Mutex
	status  int           // 0: does not answer before hang is closed
	hang    chan struct{} // closed to release those that hang
	tried   []string      // ids of all tries
	arrived []delivered   // accepted messages
}

// delivered is one message.
type delivered struct {
	ID, Type, Subject string
	Data              struct {
		Person       struct{ System, Value string }
		Reason       string
		Declaration  string
		Organization string
		NL, EN       string
	}
	body string
}

func newReceiver(w *world, name string) *receiver {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	r := &receiver{t: w.t.(*testing.T), secret: secret, status: http.StatusNoContent, hang: make(chan struct{})}
	r.file = w.write(name, base64.StdEncoding.EncodeToString(secret)+"\n")
	r.server = httptest.NewServer(http.HandlerFunc(r.take))
	w.t.Cleanup(r.server.Close)
	w.t.Cleanup(func() { r.become(http.StatusNoContent) })
	return r
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the gateway was killed
	}
	id := req.Header.Get("Webhook-Id")
	mac := hmac.New(sha256.New, r.secret)
	fmt.Fprintf(mac, "%s.%s.%s", id, req.Header.Get("Webhook-Timestamp"), body)
	if req.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		r.t.Errorf("message %s is not signed with the secret", id)
	}
	var m delivered
	if err := json.Unmarshal(body, &m); err != nil || m.ID != id {
		r.t.Errorf("the message %s is no CloudEvent of that id: %v", id, err)
	}
	m.body = string(body)
	r.mu.Lock()
	r.tried = append(r.tried, id)
	status, hang := r.status, r.hang
	if status >= 200 && status < 300 {
		r.arrived = append(r.arrived, m)
	}
	r.mu.Unlock()
	if status == 0 {
		<-hang
		return
	}
	w.WriteHeader(status)
}

// become makes the receiver answer like this from now on, and releases those that hang.
func (r *receiver) become(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status == 0 {
		close(r.hang)
		r.hang = make(chan struct{})
	}
	r.status = status
}

// seen returns the ids of all tries, and what arrived.
func (r *receiver) seen() (tried []string, arrived []delivered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.tried...), append([]delivered(nil), r.arrived...)
}

// waits waits for a message of this declaration and reason.
func (r *receiver) waits(declaration, reason string) delivered {
	r.t.Helper()
	var found delivered
	until(r.t, endWithin, "a message "+reason, func() bool {
		_, arrived := r.seen()
		for _, m := range arrived {
			if m.Data.Reason == reason && m.Data.Declaration == declaration {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// TestMessagesOfAnEmergencySurviveKills: the privacy officer and whoever informs the patient get each declaration at least once, under the id of
// its event, whatever is killed in between: the gateway right after its answer or during a delivery, or the receiver.
func TestMessagesOfAnEmergencySurviveKills(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	officer, letters := newReceiver(w, "alert-secret"), newReceiver(w, "notice-secret")
	g, file := w.start("per_hour: 50", fmt.Sprintf(`per_hour: 3, alert: { url: "%s/alerts", secret_file: alert-secret }, notice: { url: "%s", secret_file: notice-secret }`,
		officer.server.URL, letters.server.URL))
	karena, johanna, doctor := demo.Karena(), demo.Johanna(), demo.EmergencyDoctor()

	declares := func(p demo.Person) (declaration string, e audit.Event) {
		r := g.ask(doctor, declare(p)).wantStatus(t, http.StatusCreated, "a declaration")
		return r.parameter("declaration"), w.wantEvent(r, audit.OutcomePermit, "declared")
	}
	officer.become(0)
	letters.become(http.StatusBadRequest) // a receiver that refuses is misconfigured: nothing is skipped
	first, event := declares(karena)
	until(t, endWithin, "the alert to be on its way", func() bool { tried, _ := officer.seen(); return len(tried) > 0 })
	until(t, endWithin, "the notice to be refused", func() bool { tried, _ := letters.seen(); return len(tried) > 0 })
	// Later messages are no reason to skip a refused one.
	behind := g.ask(demo.GP(), search("Condition", karena)).wantStatus(t, http.StatusOK, "something that nobody is told of")
	until(t, endWithin, "it to be archived", func() bool {
		return slices.ContainsFunc(w.archived(), func(e audit.Event) bool { return e.Request == behind.id })
	})
	before, _ := letters.seen()
	until(t, endWithin, "the notice to be refused again", func() bool { tried, _ := letters.seen(); return len(tried) > len(before)+1 })
	g.kill()
	officer.become(http.StatusServiceUnavailable)
	g = w.again(g, file)
	second, _ := declares(johanna)
	g.kill()
	if _, arrived := officer.seen(); len(arrived) != 0 {
		t.Fatalf("got %+v while nobody took anything", arrived)
	}
	officer.become(http.StatusNoContent)
	letters.become(http.StatusOK)
	g = w.again(g, file)

	alert := officer.waits(first, "declared")
	if alert.ID != string(event.ID) || alert.Subject != string(event.Person) || alert.Data.Organization != "ura:"+doctor.Claims.OrganizationURA {
		t.Errorf("got alert %+v, want that of event %s", alert, event.ID)
	}
	officer.waits(second, "declared")
	notice := letters.waits(first, "declared")
	if notice.ID != string(event.ID) || notice.Data.Person.Value != karena.BSN || notice.Data.Person.System != demo.SystemBSN {
		t.Errorf("got notice %s, want one for the patient", notice.body)
	}
	if !strings.Contains(notice.Data.NL, "bewustzijn") || !strings.Contains(notice.Data.EN, "unconscious") || strings.Contains(notice.body, "Brought in") {
		t.Errorf("got notice %s, want the reason in words that are configured", notice.body)
	}
	letters.waits(second, "declared")
	for _, r := range []*receiver{officer, letters} {
		tried, _ := r.seen()
		for _, id := range tried[:1] {
			if id != string(event.ID) {
				t.Errorf("the first try was %s, want the id %s", id, event.ID)
			}
		}
	}

	counted := func() { // a message has arrived a moment before the gateway knows it
		until(t, endWithin, "the gateway to know that they arrived", func() bool {
			_, metrics := g.admined("/metrics")
			return strings.Contains(metrics, `break-glass-alert"} 2`) && strings.Contains(metrics, `break-glass-notice"} 2`)
		})
	}
	t.Run("a stop and a start repeat nothing, and later ones come", func(t *testing.T) {
		counted() // what arrives while it stops may be sent again
		g.stop()
		_, alerts := officer.seen()
		_, notices := letters.seen()
		g = w.again(g, file)
		must(t, "", "review", "close", "--config", file, "--not-justified", "--by", "officer", "--why", "no emergency", first)
		letters.waits(first, "review-not-justified")
		third, _ := declares(karena)
		officer.waits(third, "declared")
		g.ask(doctor, declare(karena)).wantStatus(t, http.StatusTooManyRequests, "one too many")
		officer.waits("", "declaration-limit")
		letters.waits(third, "declared")
		if _, got := officer.seen(); len(got) != len(alerts)+2 {
			t.Errorf("the officer got %d alerts, and before the stop %d: want two more", len(got), len(alerts))
		}
		if _, got := letters.seen(); len(got) != len(notices)+2 {
			t.Errorf("got %d notices, and before the stop %d: want two more", len(got), len(notices))
		}
	})
	counted()
	w.wantMetric(g, `zorgsluis_messages_total{message="break-glass-alert"} 2`, `zorgsluis_messages_total{message="break-glass-notice"} 2`)
	_, alerts := officer.seen()
	for _, a := range alerts {
		for _, p := range demo.People() {
			if strings.Contains(a.body, p.BSN) || strings.Contains(a.body, string(p.PatientID)) {
				t.Errorf("an alert names a patient: %s", a.body)
			}
		}
	}
	if log := g.out.String(); strings.Contains(log, karena.BSN) || strings.Contains(log, officer.server.URL) {
		t.Error("the log holds a number or a URL")
	}
}
