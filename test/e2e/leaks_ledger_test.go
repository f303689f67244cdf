package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// ledger keeps the requests of the rows, to compare them with the access events at the end: reading all events for each row would take most of
// the time.
type ledger struct {
	mu      sync.Mutex
	entries []ledgerEntry
}

type ledgerEntry struct {
	row, what, request string
	outcomes           []audit.Outcome // in any order; an empty one is any
}

// booked notes that a request must have left exactly these events.
func (s *stage) booked(what string, r reply, outcomes ...audit.Outcome) reply {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.book.entries = append(s.book.entries, ledgerEntry{s.T.Name(), what, r.id, outcomes})
	return r
}

// balance compares the ledger with the events.
func (s *stage) balance() {
	s.T.Helper()
	found := map[string]map[audit.Outcome]int{}
	total := map[string]int{}
	for _, e := range s.events() {
		if found[e.Request] == nil {
			found[e.Request] = map[audit.Outcome]int{}
		}
		found[e.Request][e.Outcome]++
		total[e.Request]++
	}
	for _, entry := range s.book.entries {
		if got, want := total[entry.request], len(entry.outcomes); got != want {
			s.T.Errorf("%s: %s left %d events, want %d", entry.row, entry.what, got, want)
			continue
		}
		wanted := map[audit.Outcome]int{}
		for _, outcome := range entry.outcomes {
			wanted[outcome]++
		}
		for outcome, n := range wanted {
			if outcome != "" && found[entry.request][outcome] != n {
				s.T.Errorf("%s: %s left the events %v, want %v", entry.row, entry.what, found[entry.request], wanted)
			}
		}
	}
}

// at returns a GET request below the source's FHIR base.
func at(path string) question { return get("/fhir/demo/" + path) }

// sent returns a request by another method, with a body if given.
func sent(method, path, contentType, body string) question {
	return question{method: method, path: "/fhir/demo/" + path, contentType: contentType, body: body}
}

// with adds headers.
func (q question) with(pairs ...string) question {
	q.header = q.header.Clone()
	if q.header == nil {
		q.header = http.Header{}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.header.Add(pairs[i], pairs[i+1])
	}
	return q
}

func (q question) String() string { return q.method + " " + q.path }

// ats returns several GET requests.
func ats(paths ...string) []question {
	var all []question
	for _, path := range paths {
		all = append(all, at(path))
	}
	return all
}

// token returns a token search value of a person, escaped for a query.
func token(p demo.Person) string { return url.QueryEscape(demo.SystemBSN + "|" + p.BSN) }

// turnedAway sends all of these at once, and wants each refused with this status and issue code, recorded, before the source was contacted.
func (s *stage) turnedAway(caller demo.Caller, status int, issue string, questions ...question) {
	s.T.Helper()
	s.source.Reset()
	s.refusedAll(caller, status, issue, questions...)
	if asked := s.asked(); len(asked) > 0 {
		s.T.Errorf("the source was asked %v", asked)
	}
}

// refusedAll is turnedAway for requests whose patient the gateway may look up.
func (s *stage) refusedAll(caller demo.Caller, status int, issue string, questions ...question) {
	s.T.Helper()
	tokenOf(s.T, caller)
	replies := make([]reply, len(questions))
	errs := make([]error, len(questions))
	var work sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, q := range questions {
		work.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			replies[i], errs[i] = s.g.try(caller, q)
		})
	}
	work.Wait()
	outcome := audit.OutcomeDeny
	if status >= 500 && status != http.StatusNotImplemented {
		outcome = audit.OutcomeError
	}
	for i, q := range questions {
		r := replies[i]
		if errs[i] != nil {
			s.T.Errorf("%s: %v", q, errs[i])
			continue
		}
		s.clean(r)
		// A HEAD is answered without a body.
		if r.status != status || q.method != http.MethodHead && issueCode(r.body) != issue {
			s.T.Errorf("%s: got %d %s, want %d %s\n%s", short(q), r.status, issueCode(r.body), status, issue, tail(r.body, 300))
		}
		s.booked(short(q), r, outcome)
	}
}

// short returns a question as messages show it.
func short(q question) string {
	text := q.String()
	if len(text) > 120 {
		text = text[:120] + "…"
	}
	return text
}

// given searches, and wants exactly these entries of a searchset, recorded as permitted.
func (s *stage) given(caller demo.Caller, q question, names ...string) reply {
	s.T.Helper()
	s.source.Reset()
	return s.gets(caller, q, names...)
}

// gets is given for whatever the source is set to do.
func (s *stage) gets(caller demo.Caller, q question, names ...string) reply {
	s.T.Helper()
	r := s.ask(caller, q)
	if got := r.entries(); r.status != http.StatusOK || strings.Join(got, " ") != strings.Join(names, " ") {
		s.T.Errorf("%s: got %d %v, want 200 %v\n%s", short(q), r.status, got, names, tail(r.body, 500))
	}
	return s.booked(short(q), r, "")
}

// permitted sends a request, and wants 200, recorded as permitted.
func (s *stage) permitted(caller demo.Caller, q question) reply {
	s.T.Helper()
	r := s.ask(caller, q)
	if r.status != http.StatusOK {
		s.T.Errorf("%s: got %d, want 200\n%s", short(q), r.status, tail(r.body, 500))
	}
	return s.booked(short(q), r, audit.OutcomePermit)
}

// failing sends a request, and wants 502 with nothing of the source's answer in it, recorded as an error.
func (s *stage) failing(caller demo.Caller, q question) {
	s.T.Helper()
	s.refusedAll(caller, http.StatusBadGateway, "transient", q)
}

// absent requests what must look as if it did not exist: byte for byte like a read of something that never did.
func (s *stage) absent(caller demo.Caller, questions ...question) {
	s.T.Helper()
	never := at("Observation/does-not-exist")
	for _, q := range questions {
		r := s.booked(short(q), s.ask(caller, q), audit.OutcomeDeny)
		never.method = q.method
		s.same(q, r, s.booked("what never was", s.ask(caller, never), audit.OutcomeDeny))
		if r.status != http.StatusNotFound {
			s.T.Errorf("%s: got %d, want 404\n%s", short(q), r.status, tail(r.body, 300))
		}
	}
}

// same wants two indistinguishable answers.
func (s *stage) same(q question, a, b reply) {
	s.T.Helper()
	ha, hb := a.header.Clone(), b.header.Clone()
	for _, h := range []http.Header{ha, hb} {
		h.Del("Date")
		h.Del("X-Request-Id")
	}
	if a.status != b.status || a.body != b.body || fmt.Sprint(ha) != fmt.Sprint(hb) {
		s.T.Errorf("%s can be told apart:\n%d %v\n%s\n%d %v\n%s", short(q), a.status, ha, a.body, b.status, hb, b.body)
	}
}

// asked returns the requests that reached the source: "GET Observation?patient=…", without those that look up a patient.
func (s *stage) asked() []string {
	var all []string
	for _, r := range s.source.Requests() {
		if r.Path == "Patient/_search" && r.Method == http.MethodPost || r.Method == http.MethodGet && r.Query == "" && strings.HasPrefix(r.Path, "Patient/") {
			continue
		}
		all = append(all, strings.TrimSuffix(r.Method+" "+r.Path+"?"+r.Query, "?"))
	}
	return all
}

// wantAsked wants exactly these requests at the source, besides those that look up a patient.
func (s *stage) wantAsked(want ...string) {
	s.T.Helper()
	if got := s.asked(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.T.Errorf("the source was asked %q, want %q", got, want)
	}
}

// wantOwnHeaders wants every request at the source to have only the gateway's own headers.
func (s *stage) wantOwnHeaders() {
	s.T.Helper()
	own := map[string]bool{"Accept": true, "Prefer": true, "User-Agent": true, "X-Request-Id": true, "Content-Type": true, "Content-Length": true}
	requests := s.source.Requests()
	if len(requests) == 0 {
		s.T.Error("the source was not asked")
	}
	for _, r := range requests {
		for name := range r.Header {
			if !own[name] {
				s.T.Errorf("the source got the header %s", name)
			}
		}
		if r.Header.Get("Accept") != "application/fhir+json" || r.Header.Get("Prefer") != "handling=strict" {
			s.T.Errorf("the source got Accept %q, Prefer %q", r.Header.Values("Accept"), r.Header.Values("Prefer"))
		}
	}
}

// has adds resources to the source until the row ends.
func (s *stage) has(texts ...string) {
	s.T.Helper()
	for _, text := range texts {
		resource := leakResource(text)
		if err := s.source.Add(resource); err != nil {
			s.T.Fatal(err)
		}
		var named struct{ ResourceType, ID string }
		if err := json.Unmarshal(resource, &named); err != nil {
			s.T.Fatal(err)
		}
		s.T.Cleanup(func() { s.source.Remove(named.ResourceType + "/" + named.ID) })
	}
}

// beside starts another gateway on the same store and source, with pairs of texts of the configuration replaced.
func (s *stage) beside(replace ...string) *stage {
	s.T.Helper()
	other := *s
	other.g, other.h = s.start(replace...)
	s.T.Cleanup(other.g.kill)
	return &other
}
