package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestWhatNobodyAskedFor: a source that sends two answers for one request. Where net/http carries the request, here the POST, it writes the
// beginning of the second one to the standard log: neither there nor anywhere else may it turn up.
func TestWhatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	gp, ask := demo.GP(), search("Condition", demo.Karena())
	g.ask(gp, ask).wantStatus(t, http.StatusOK, "warm up")
	w.wantEvent(w.answeredTwice(g, http.MethodGet, ask).wantStatus(t, http.StatusOK, "the first answer"), audit.OutcomePermit, "ok-consent")
	w.answeredTwice(g, http.MethodPost, search("Condition", demo.Milan())).wantStatus(t, http.StatusForbidden, "nobody, by the first answer")
	r := g.ask(gp, ask).wantStatus(t, http.StatusOK, "the next request")
	if len(r.entries()) == 0 || strings.Contains(r.body, marker) {
		t.Errorf("got %s", r.body)
	}
	for line := range strings.Lines(g.logged()) {
		if strings.Contains(line, marker) || !strings.HasPrefix(line, "{") {
			t.Errorf("the log says %s", line)
		}
	}
}

// answeredTwice asks as a general practitioner while the source answers requests of one method twice: with nothing, and with a marked Patient.
// It returns when the gateway has ended that connection.
func (w *world) answeredTwice(g *gateway, method string, ask question) reply {
	w.t.Helper()
	ended := make(chan struct{})
	w.source.Intercept(demo.Only(func(r *http.Request) bool { return r.Method == method }, func(rw http.ResponseWriter, _ *http.Request) bool {
		defer close(ended)
		c, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			w.t.Error(err)
			return true
		}
		defer c.Close()
		answer := func(body string) string {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
		_, _ = fmt.Fprint(c, answer(`{"resourceType":"Bundle","type":"searchset"}`), answer(`{"resourceType":"Patient","id":"`+marker+`"}`))
		_ = c.SetReadDeadline(time.Now().Add(endWithin))
		_, _ = c.Read(make([]byte, 1)) // until the gateway ends the connection
		return true
	}))
	defer w.source.Intercept(nil)
	r := g.ask(demo.GP(), ask)
	receive(w.t, ended, "the connection to end")
	return r
}
