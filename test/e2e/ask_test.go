package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"zorgsluis/internal/demo"
)

// question is one request of a caller.
type question struct {
	method, path, contentType, body string
	header                          http.Header // more of them
	token                           string      // instead of the caller's own
}

// reply is what the caller received.
type reply struct {
	asked         question
	began         time.Time
	status        int
	header        http.Header
	body          string
	id            string        // the X-Request-Id that was sent
	took          time.Duration // until the last byte
	informational int           // 1xx responses
	trailer       http.Header
}

// get returns a GET request; path is everything after the gateway's address.
func get(path string) question { return question{method: http.MethodGet, path: path} }

// search returns a search by POST that names the person by BSN.
func search(typ string, person demo.Person, more ...string) question {
	form := url.Values{"patient.identifier": {demo.SystemBSN + "|" + person.BSN}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Add(more[i], more[i+1])
	}
	return question{
		method: http.MethodPost, path: "/fhir/demo/" + typ + "/_search",
		contentType: "application/x-www-form-urlencoded", body: form.Encode(),
	}
}

// searchID returns a search by GET that names the person by the source's id.
func searchID(typ string, person demo.Person) question {
	return get("/fhir/demo/" + typ + "?patient=" + string(person.PatientID))
}

// declare returns a break-glass declaration.
func declare(person demo.Person) question {
	body, err := json.Marshal(map[string]any{"resourceType": "Parameters", "parameter": []map[string]any{
		{"name": "patient", "valueIdentifier": person.Identifier()},
		{"name": "reason-code", "valueCode": "unconscious"},
		{"name": "reason", "valueString": "Brought in unconscious after an accident"},
		{"name": "consent-impossible", "valueBoolean": true},
		{"name": "no-alternative", "valueBoolean": true},
	}})
	if err != nil {
		panic(err) // strings and a bool can always be marshalled
	}
	return question{method: http.MethodPost, path: "/gateway/$break-glass", contentType: "application/fhir+json", body: string(body)}
}

// tokens caches the tokens of callers: signing one for each request would be most of the work of a test under load.
var tokens sync.Map

func tokenOf(t testing.TB, by demo.Caller) string {
	t.Helper()
	key := fmt.Sprintf("%+v", by.Claims)
	if token, ok := tokens.Load(key); ok {
		return token.(string)
	}
	token, err := issuer.Token(by.Claims)
	if err != nil {
		t.Fatalf("token of %s: %v", by.ClientID, err)
	}
	tokens.Store(key, token)
	return token
}

// ask sends a question as this caller; it must be answered.
func (g *gateway) ask(by demo.Caller, q question) reply {
	g.t.Helper()
	r, err := g.try(by, q)
	if err != nil {
		g.t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	return r
}

// patiently asks again, under the same request id, while the answer is 503, as callers do. For what is so large that a busy machine can need more
// time for it than the store has.
func (g *gateway) patiently(by demo.Caller, q question) (r reply) {
	g.t.Helper()
	id := uuid()
	q = q.with("X-Request-Id", id)
	until(g.t, endWithin, "another answer than 503", func() bool {
		r = g.ask(by, q)
		return r.status != http.StatusServiceUnavailable
	})
	r.id = id
	return r
}

// try is ask for goroutines, and for gateways that may have gone.
func (g *gateway) try(by demo.Caller, q question) (reply, error) {
	return g.tryIn(g.t.Context(), by, q)
}

// tryIn is try for callers that hang up when the context ends.
func (g *gateway) tryIn(ctx context.Context, by demo.Caller, q question) (reply, error) {
	r := reply{asked: q, id: uuid(), began: time.Now()}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { r.informational++; return nil },
	})
	req, err := g.request(ctx, by, q, r.id)
	if err != nil {
		return r, err
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	r.status, r.header, r.body, r.took, r.trailer = resp.StatusCode, resp.Header, string(body), time.Since(r.began), resp.Trailer
	return r, err
}

func (g *gateway) request(ctx context.Context, by demo.Caller, q question, id string) (*http.Request, error) {
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, g.base+q.path, body)
	if err != nil {
		return nil, err
	}
	token := q.token
	if token == "" && by.ClientID != "" {
		token = tokenOf(g.t, by)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("X-Request-Id", id)
	if q.contentType != "" {
		req.Header.Set("Content-Type", q.contentType)
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	return req, nil
}

// later asks in the background; the channel delivers the answer.
func (g *gateway) later(by demo.Caller, q question) <-chan reply {
	tokenOf(g.t, by)
	answers := make(chan reply, 1)
	go func() {
		r, err := g.try(by, q)
		if err != nil {
			r.status, r.body = 0, err.Error()
		}
		answers <- r
	}()
	return answers
}

// receive waits for a value from elsewhere.
func receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(endWithin):
		t.Fatalf("waited %s for %s", endWithin, what)
		panic("not reached")
	}
}

// entries returns "Type/id" of the entries of a searchset.
func (r reply) entries() []string {
	var b struct {
		Entry []struct {
			Resource struct{ ResourceType, ID string }
		}
	}
	_ = json.Unmarshal([]byte(r.body), &b)
	var ids []string
	for _, e := range b.Entry {
		ids = append(ids, e.Resource.ResourceType+"/"+e.Resource.ID)
	}
	return ids
}

// link returns the target of one of a searchset's links, without the gateway's address.
func (r reply) link(g *gateway, relation string) string {
	var b struct {
		Link []struct{ Relation, URL string }
	}
	_ = json.Unmarshal([]byte(r.body), &b)
	for _, l := range b.Link {
		if l.Relation == relation {
			return strings.TrimPrefix(l.URL, g.base)
		}
	}
	return ""
}

// outcome returns the code and the diagnostics of the OperationOutcome's only issue.
func (r reply) outcome() (code, diagnostics string) {
	var o struct {
		ResourceType string
		Issue        []struct{ Code, Diagnostics string }
	}
	if json.Unmarshal([]byte(r.body), &o) != nil || o.ResourceType != "OperationOutcome" || len(o.Issue) != 1 {
		return "", ""
	}
	return o.Issue[0].Code, o.Issue[0].Diagnostics
}

// wantStatus fails the test if the status differs.
func (r reply) wantStatus(t testing.TB, want int, when string) reply {
	t.Helper()
	if r.status != want {
		t.Fatalf("%s: got status %d, want %d\n%s", when, r.status, want, tail(r.body, 500))
	}
	return r
}

// wantUnavailable wants the answer while something required is unavailable: 503 with Retry-After, soon, and nothing else.
func (r reply) wantUnavailable(t testing.TB, when string) {
	t.Helper()
	r.wantStatus(t, http.StatusServiceUnavailable, when)
	if r.header.Get("Retry-After") == "" {
		t.Errorf("%s: no Retry-After", when)
	}
	if r.took > soon {
		t.Errorf("%s: answered after %s, want a second", when, r.took)
	}
	r.wantNothing(t, when)
}

// wantNothing wants an OperationOutcome of ours with nothing from a source in it.
func (r reply) wantNothing(t testing.TB, when string) {
	t.Helper()
	if code, _ := r.outcome(); code == "" {
		t.Errorf("%s: the body is no OperationOutcome: %s", when, tail(r.body, 300))
	}
	for _, p := range demo.People() {
		for _, secret := range []string{p.BSN, string(p.PatientID), strings.Fields(p.Name)[0], marker} {
			if strings.Contains(r.body, secret) || strings.Contains(fmt.Sprint(r.header, r.trailer), secret) {
				t.Errorf("%s: the answer holds something of a patient", when)
			}
		}
	}
	if r.informational > 0 || len(r.trailer) > 0 {
		t.Errorf("%s: %d informational responses and trailers %v, want none", when, r.informational, r.trailer)
	}
}
