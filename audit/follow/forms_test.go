package follow_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/audit/follow"
	"zorgsluis/consent"
)

// answering is an AuditEvent repository with scripted answers.
type answering struct {
	batch, single func(w http.ResponseWriter)
	singles       int
}

func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.URL.Path == "/fhir" {
		a.batch(w)
		return
	}
	a.singles++
	a.single(w)
}

// TestAnswersToABatch: an event counts as arrived only when its own entry, and all before it, say so.
func TestAnswersToABatch(t *testing.T) {
	a := &answering{single: func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) }}
	way, clientTLS := listen(t, a)
	way.up()
	d := follow.FHIR(follow.FHIROptions{Base: "https://" + way.address + "/fhir", TLS: clientTLS, Timeout: within, Form: form})
	defer d.Close()
	says := func(body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { _, _ = io.WriteString(w, body) }
	}
	entries := func(statuses ...string) func(http.ResponseWriter) {
		var list []string
		for _, s := range statuses {
			list = append(list, fmt.Sprintf(`{"response":{"status":%q}}`, s))
		}
		return says(`{"resourceType":"Bundle","type":"batch-response","entry":[` + strings.Join(list, ",") + `]}`)
	}
	fails := func(status int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(status) }
	}
	for _, tt := range []struct {
		name    string
		answer  func(http.ResponseWriter)
		arrived int
		well    bool
		refused bool
		singles int
	}{
		{"all well", entries("200 OK", "201 Created", "200"), 3, true, false, 0},
		{"the second is refused", entries("200", "422", "201"), 1, false, true, 0},
		{"the second fails", entries("200", "500", "201"), 1, false, false, 0},
		{"the first fails", entries("503", "200", "200"), 0, false, false, 0},
		{"an entry too few", entries("200", "200"), 0, false, false, 0},
		{"an entry without status", entries("200", "", "200"), 1, false, false, 0},
		{"no bundle", says(`{"resourceType":"OperationOutcome"}`), 0, false, false, 0},
		{"no JSON", says(`<html>`), 0, false, false, 0},
		{"nothing", says(``), 0, false, false, 0},
		{"the server fails", fails(500), 0, false, false, 0},
		{"the batch is too large: one by one", fails(413), 1, false, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a.batch, a.singles = tt.answer, 0
			n, err := d.Deliver(t.Context(), []audit.Event{sample(1), sample(2), sample(3)})
			// One event of a batch that was too large has arrived: the next delivery continues after it.
			if tt.singles > 0 {
				if n != 1 || a.singles != 1 {
					t.Errorf("got %d and %d single events, error %v", n, a.singles, err)
				}
				return
			}
			if n != tt.arrived || (err == nil) != tt.well || errors.Is(err, follow.ErrRefused) != tt.refused {
				t.Errorf("got %d and error %v, want %d", n, err, tt.arrived)
			}
		})
	}
}

// TestOtherFormsArrive: the configured forms that an event has are all sent, under their own ids, and it has arrived with the last.
func TestOtherFormsArrive(t *testing.T) {
	r := &repository{t: t}
	refuse := "none" // the AuditEvent on which the server fails
	way, clientTLS := listen(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if strings.HasSuffix(request.URL.Path, "/"+refuse) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		r.ServeHTTP(w, request)
	}))
	way.up()
	for _, create := range []bool{false, true} {
		d := follow.FHIR(follow.FHIROptions{
			Base: "https://" + way.address + "/fhir", Create: create, Header: follow.Header{Name: "Authorization", Value: "Bearer repository"},
			TLS: clientTLS, Timeout: within, Form: form, Also: []audit.Form{audit.FormDisclosure, audit.FormDecision},
		})
		defer d.Close()
		refused := sample(2)
		refused.Outcome, refused.Reason, refused.Disclosed = audit.OutcomeDeny, "consent-refused", nil
		want := []string{"00-000001", "00-000001.decision", "00-000001.disclosure", "00-000002", "00-000002.decision"}
		for _, batch := range []bool{true, false} {
			r.ids = nil
			events := []audit.Event{sample(1), refused}
			for len(events) > 0 {
				delivery := events
				if !batch {
					delivery = events[:1]
				}
				n, err := d.Deliver(t.Context(), delivery)
				if err != nil || n != len(delivery) {
					t.Fatalf("got %d and error %v, want %d", n, err, len(delivery))
				}
				events = events[n:]
			}
			if !slices.Equal(r.ids, want) {
				t.Errorf("create %v, batch %v: got %v, want %v", create, batch, r.ids, want)
			}
		}
		if create {
			continue
		}
		refuse = string(sample(1).ID) + ".disclosure"
		if n, err := d.Deliver(t.Context(), []audit.Event{sample(1)}); n != 0 || err == nil {
			t.Errorf("got %d and error %v for an event whose last form did not arrive, want none", n, err)
		}
		refuse = "none"
	}
}

// TestABatchOfFormsArrivesByEvent: the first form that did not arrive tells which event did not.
func TestABatchOfFormsArrivesByEvent(t *testing.T) {
	statuses := []string{"200", "200", "200", "200", "500", "200"} // three forms of two events
	a := &answering{batch: func(w http.ResponseWriter) {
		var list []string
		for _, s := range statuses {
			list = append(list, fmt.Sprintf(`{"response":{"status":%q}}`, s))
		}
		_, _ = io.WriteString(w, `{"resourceType":"Bundle","type":"batch-response","entry":[`+strings.Join(list, ",")+`]}`)
	}}
	way, clientTLS := listen(t, a)
	way.up()
	d := follow.FHIR(follow.FHIROptions{
		Base: "https://" + way.address + "/fhir", TLS: clientTLS, Timeout: within, Form: form, Also: []audit.Form{audit.FormDecision, audit.FormDisclosure},
	})
	defer d.Close()
	if n, err := d.Deliver(t.Context(), []audit.Event{sample(1), sample(2)}); n != 1 || err == nil {
		t.Errorf("got %d and error %v, want 1: a form of the second event failed", n, err)
	}
	statuses[4] = "200"
	if n, err := d.Deliver(t.Context(), []audit.Event{sample(1), sample(2)}); n != 2 || err != nil {
		t.Errorf("got %d and error %v, want 2", n, err)
	}
}

// TestACollectorThatEndsWithoutANotice: what it read is unknown, unless the operator says otherwise.
func TestACollectorThatEndsWithoutANotice(t *testing.T) {
	serverTLS, clientTLS := newAuthority(t).both(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			conn := tls.Server(raw, serverTLS)
			_, _ = io.Copy(io.Discard, conn) // to its end
			raw.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	for unannounced, want := range map[bool]int{false: 0, true: 1} {
		d := follow.Syslog(follow.SyslogOptions{
			Address: l.Addr().String(), Host: "gateway.example", Unannounced: unannounced, TLS: clientTLS, Timeout: within, Form: form,
		})
		n, err := d.Deliver(t.Context(), []audit.Event{sample(1)})
		if n != want || (err == nil) != unannounced {
			t.Errorf("accepted %v: got %d and error %v, want %d", unannounced, n, err, want)
		}
		d.Close()
	}
}

// TestSyslogMessages: the contents of messages, and that a long one drops what can be long and stays valid.
func TestSyslogMessages(t *testing.T) {
	long := sample(2)
	for i := range 1000 {
		long.Disclosed = append(long.Disclosed, fmt.Sprintf("Observation/with-a-long-id-%d", i))
		long.Records = append(long.Records, consent.RecordID(fmt.Sprintf("00-record-%d", i)))
	}
	long.Disclosed = long.Disclosed[:1000]
	refused := sample(3)
	refused.Outcome, refused.Reason, refused.Disclosed, refused.Records = audit.OutcomeDeny, "no-consent", nil, nil
	for _, json := range []bool{false, true} {
		id := dicomID
		if json {
			id = cloudEventID
		}
		c, clientTLS := newCollector(t, id)
		d := follow.Syslog(follow.SyslogOptions{
			Address: c.listener.Addr().String(), JSON: json, Host: "gateway.example", TLS: clientTLS, Timeout: within, Form: form,
		})
		events := []audit.Event{sample(1), long, refused}
		if n, err := d.Deliver(t.Context(), events); n != 3 || err != nil {
			t.Fatalf("got %d and error %v", n, err)
		}
		c.wantAll(t, numbered(3)) // the parser refuses messages over 8,192 octets
		if json && (strings.Contains(c.all(), secretName) || strings.Contains(c.all(), secretQuery)) {
			t.Error("a CloudEvent holds more than references and categories")
		}
		if want := map[bool]string{true: `"disclosed_total":1000`, false: base64.StdEncoding.EncodeToString([]byte("1000"))}[json]; !strings.Contains(c.raw[1], want) {
			t.Errorf("the long message does not say how much was disclosed: %s", c.raw[1])
		}
	}
}

// TestDICOMSaysWhatTheAuditEventSays, for an event with every member.
func TestDICOMSaysWhatTheAuditEventSays(t *testing.T) {
	c, clientTLS := newCollector(t, dicomID)
	d := follow.Syslog(follow.SyslogOptions{Address: c.listener.Addr().String(), Host: "gateway.example", TLS: clientTLS, Timeout: within, Form: form})
	if _, err := d.Deliver(t.Context(), []audit.Event{sample(1)}); err != nil {
		t.Fatal(err)
	}
	var m auditMessage
	if err := xml.Unmarshal([]byte(strings.TrimPrefix(c.raw[0], "\ufeff")), &m); err != nil {
		t.Fatal(err)
	}
	if e := m.Event; e.Action != "E" || e.Outcome != "0" || e.ID.Code != "rest" || e.Time != "2026-11-20T10:00:01.123456Z" || len(e.Types) == 0 {
		t.Errorf("got event %+v", e)
	}
	if m.Source.ID != gatewayURL+"/gateway" {
		t.Errorf("got source %+v", m.Source)
	}
	users := map[string]bool{}
	for _, p := range m.Participants {
		users[p.ID] = true
		if p.ID == "-" {
			t.Errorf("got a participant without id: %+v", p)
		}
	}
	if !users["u-1"] || !users["his-app"] {
		t.Errorf("got participants %v, want the user and the client", users)
	}
	objects := map[string]string{}
	for _, o := range m.Objects {
		objects[o.ID] = o.Kind.Code
	}
	if objects[person] != "2" || objects["00-000001"] != "event-id" {
		t.Errorf("got objects %v, want the person key as patient number, and the event", objects)
	}
}
