package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/proxy"
)

func TestHeadIsAGetWithoutBody(t *testing.T) {
	w := newWorld(t)
	w.story()
	got, head := w.get("gp", "/fhir/demo/Observation/lab-A"), w.send("gp", "HEAD", "/fhir/demo/Observation/lab-A", "", "")
	if head.status != 200 || head.body != "" || head.header.Get("Content-Length") != got.header.Get("Content-Length") {
		t.Errorf("RD-13 got %d %q, length %s instead of %s", head.status, head.body, head.header.Get("Content-Length"), got.header.Get("Content-Length"))
	}
	if w.store.count() != 2 {
		t.Errorf("%d events, want one each", w.store.count())
	}
	hidden, absent := w.send("pharmacist", "HEAD", "/fhir/demo/Condition/c-A", "", ""), w.send("pharmacist", "HEAD", "/fhir/demo/Condition/nothing", "", "")
	if hidden.status != 404 || absent.status != 404 || hidden.header.Get("Content-Length") != absent.header.Get("Content-Length") {
		t.Errorf("RD-13 hidden %d, absent %d", hidden.status, absent.status)
	}
}

// TestMethodsFollowFromThePath: OPTIONS and refused methods name the methods of the form of the path, whatever exists there.
func TestMethodsFollowFromThePath(t *testing.T) {
	w := newWorld(t)
	w.story()
	const reads, searches = "GET, HEAD, OPTIONS", "OPTIONS, POST"
	for target, want := range map[string]string{
		"Patient/A": reads, "Patient/nobody": reads, "Nonsense": reads, "Patient/A/$everything": reads, "Observation/$lastn": reads, "metadata": reads,
		"Patient/A/Observation?_count=1": reads, "": searches, "Observation/_search": searches, "Nonsense/_search": searches,
	} {
		got := w.send("", "OPTIONS", strings.TrimSuffix("/fhir/demo/"+target, "/"), "", "")
		if got.status != 204 || got.header.Get("Allow") != want || got.body != "" {
			t.Errorf("MT-13 %s: got %d %v, want %s", target, got.status, got.header, want)
		}
	}
	for _, tt := range []struct{ method, target, want string }{
		{"POST", "/fhir/demo/Observation", reads}, {"PUT", "/fhir/demo/Observation/lab-A", reads}, {"PUT", "/fhir/demo/Observation/nothing", reads},
		{"HEAD", "/fhir/demo/Observation/_search", searches}, {"GET", "/fhir/demo/Observation/_search", searches}, {"DELETE", "/fhir/demo/Patient/A", reads},
		{"GET", "/gateway/$break-glass", "POST"}, {"PUT", "/gateway/AuditEvent", "GET, HEAD"},
	} {
		got := w.send("gp", tt.method, tt.target, "", "")
		if got.status != 405 || got.header.Get("Allow") != tt.want {
			t.Errorf("%s %s: got %d %v, want %s", tt.method, tt.target, got.status, got.header, tt.want)
		}
	}
	if len(w.source.all()) != 0 {
		t.Errorf("the source was asked %v", w.source.all())
	}
}

// rows makes the source return n Observations of patient A in pages of the requested size; hide decides which are withheld.
func (w *world) rows(n int, hide func(int) bool) {
	w.source.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/Observation") && r.URL.Query().Get("_getpages") == "" {
			return false
		}
		q := r.URL.Query()
		from, _ := strconv.Atoi(q.Get("_getpagesoffset"))
		count, _ := strconv.Atoi(q.Get("_count"))
		var entries []string
		for i := from; i < min(n, from+count); i++ {
			category := "laboratory"
			if hide(i) {
				category = "survey"
			}
			id := fmt.Sprintf("row-%03d", i)
			entries = append(entries, fmt.Sprintf(`{"fullUrl":"%s/Observation/%s","resource":{"resourceType":"Observation","id":"%s",`+
				`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"%s"}]}],`+
				`"code":{"coding":[{"system":"http://loinc.org","code":"c%d"}]},"subject":{"reference":"Patient/A"}},"search":{"mode":"match"}}`,
				w.source.base(), id, id, category, i%3))
		}
		link := ""
		if from+count < n {
			link = fmt.Sprintf(`{"relation":"next","url":"%s?_getpages=h&_getpagesoffset=%d&_count=%d"}`, w.source.base(), from+count, count)
		}
		rw.Header().Set("Content-Type", "application/fhir+json")
		fmt.Fprintf(rw, `{"resourceType":"Bundle","type":"searchset","total":%d,"link":[%s],"entry":[%s]}`, n, link, strings.Join(entries, ","))
		return true
	}
}

// walk follows every next link and returns the ids of each page.
func (w *world) walk(caller, target string) (pages [][]string) {
	w.t.Helper()
	for range 100 {
		got := w.get(caller, target)
		if got.status != 200 {
			w.t.Fatalf("got %d %s", got.status, got.body)
		}
		var ids []string
		for _, e := range got.entries() {
			_, id, _ := strings.Cut(e, "/")
			ids = append(ids, id)
		}
		pages = append(pages, ids)
		if target = got.link("next"); target == "" {
			return pages
		}
	}
	w.t.Fatal("the pages do not end")
	return nil
}

// TestPagesAreFilledWithWhatIsPermitted: page sizes and next links reveal nothing of withheld rows; nothing is lost or repeated, and the
// order is the source's (OR-7, PG-7).
func TestPagesAreFilledWithWhatIsPermitted(t *testing.T) {
	patterns := map[string]func(int) bool{
		"none hidden":         func(int) bool { return false },
		"every other one":     func(i int) bool { return i%2 == 0 },
		"the first half":      func(i int) bool { return i < 12 },
		"the last half":       func(i int) bool { return i >= 12 },
		"all but one":         func(i int) bool { return i != 17 },
		"all":                 func(int) bool { return true },
		"one at the page end": func(i int) bool { return i == 4 },
	}
	for name, hide := range patterns {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.put(bsnA, permit("c1", "gp", "ObservationLaboratory"))
			w.rows(24, hide)
			var visible []string
			for i := range 24 {
				if !hide(i) {
					visible = append(visible, fmt.Sprintf("row-%03d", i))
				}
			}
			pages := w.walk("gp", "/fhir/demo/Observation?patient=A&_count=5")
			for i, page := range pages {
				if i < len(pages)-1 && len(page) != 5 {
					t.Errorf("page %d has %d rows, want 5: %v", i, len(page), pages)
				}
			}
			if got := slices.Concat(pages...); !slices.Equal(got, visible) {
				t.Errorf("got %v, want %v", got, visible)
			}
			if want := max(1, (len(visible)+4)/5); len(pages) != want {
				t.Errorf("%d pages, want %d", len(pages), want)
			}
		})
	}
}

// TestNoMorePagesAreFetchedThanNeeded: a page of ours takes pages of the source until it is full and it is known whether a row follows.
func TestNoMorePagesAreFetchedThanNeeded(t *testing.T) {
	for _, tt := range []struct{ hidden, pages int }{{0, 1}, {49, 2}, {120, 3}} {
		w := newWorld(t)
		w.store.put(bsnA, permit("c1", "gp", "ObservationLaboratory"))
		w.rows(300, func(i int) bool { return i < tt.hidden })
		if got := w.get("gp", "/fhir/demo/Observation?patient=A&_count=1"); got.status != 200 || len(got.entries()) != 1 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		isOther := func(asked string) bool {
			return !strings.Contains(asked, "/Observation?") && !strings.Contains(asked, "_getpages=")
		}
		if pages := slices.DeleteFunc(w.source.asked, isOther); len(pages) != tt.pages {
			t.Errorf("%d hidden rows: %d pages were fetched, want %d", tt.hidden, len(pages), tt.pages)
		}
	}
}

// TestSmallPagesTellNothingOfHiddenRows: a caller who asks for pages of one row does not learn of withheld rows from a page that ends early
// (PG-7). After very many of them in a row one does, and the rest is still reachable.
func TestSmallPagesTellNothingOfHiddenRows(t *testing.T) {
	for _, tt := range []struct{ rows, pages int }{{60, 1}, {499, 1}, {600, 2}} {
		w := newWorld(t)
		w.store.put(bsnA, permit("c1", "gp", "ObservationLaboratory"))
		w.rows(tt.rows, func(i int) bool { return i != tt.rows-1 })
		pages := w.walk("gp", "/fhir/demo/Observation?patient=A&_count=1")
		if got := slices.Concat(pages...); !slices.Equal(got, []string{fmt.Sprintf("row-%03d", tt.rows-1)}) || len(pages) != tt.pages {
			t.Errorf("%d rows: got %v, want %d pages", tt.rows, pages, tt.pages)
		}
	}
}

// TestLastNIsOfWhatIsPermitted: a withheld row does not displace another (OP-3).
func TestLastNIsOfWhatIsPermitted(t *testing.T) {
	w := newWorld(t)
	w.store.put(bsnA, permit("c1", "gp", "ObservationLaboratory"))
	w.rows(24, func(i int) bool { return i < 6 })
	got := w.get("gp", "/fhir/demo/Observation/$lastn?patient=A&max=2")
	want := []string{"Observation/row-006", "Observation/row-007", "Observation/row-008", "Observation/row-009", "Observation/row-010", "Observation/row-011"}
	if got.status != 200 || !slices.Equal(got.entries(), want) || w.store.count() != 1 {
		t.Errorf("got %d %v, %d events", got.status, got.entries(), w.store.count())
	}
	for _, asked := range w.source.requests() {
		if strings.Contains(asked, "lastn") {
			t.Errorf("the source's own operation was asked: %s", asked)
		}
	}
}

func TestEverythingIsMadeOfOwnSearches(t *testing.T) {
	w := newWorld(t)
	w.story()
	gp := w.get("gp", "/fhir/demo/Patient/A/$everything")
	want := []string{"Patient/A", "Condition/c-A", "MedicationRequest/rx-A", "Observation/lab-A", "Observation/survey-A", "Medication/m1", "Practitioner/p1"}
	if gp.status != 200 || !slices.Equal(gp.entries(), want) {
		t.Errorf("OP-1 got %d %v, want %v", gp.status, gp.entries(), want)
	}
	pharmacist := w.get("pharmacist", "/fhir/demo/Patient/A/$everything")
	if want := []string{"MedicationRequest/rx-A", "Medication/m1"}; !slices.Equal(pharmacist.entries(), want) || strings.Contains(pharmacist.body, canary) {
		t.Errorf("OP-1 the pharmacist got %v %s", pharmacist.entries(), pharmacist.body)
	}
	for _, asked := range w.source.requests() {
		if strings.Contains(asked, "everything") {
			t.Errorf("the source's own operation was asked: %s", asked)
		}
	}
	if got := w.get("gp", "/fhir/demo/Patient/B/$everything"); got.status != 403 {
		t.Errorf("OP-1 another patient: %d", got.status)
	}
	// Page links belong to the operation: a validator expects Patients on a page of a search for Patients.
	next := w.get("gp", "/fhir/demo/Patient/A/$everything?_count=2").link("next")
	if page := w.get("gp", next); !strings.HasPrefix(next, "/fhir/demo/Patient/$everything?_cursor=") || page.status != 200 || page.link("self") != next {
		t.Errorf("OP-1 a page: %d, at %s, says %s", page.status, next, page.link("self"))
	}
	if got := w.get("gp", strings.Replace(next, "/$everything", "", 1)); got.status != 404 {
		t.Errorf("PG-4 a page of everything as one of a search: %d", got.status)
	}
	paged := w.walk("gp", "/fhir/demo/Patient/A/$everything?_count=2")
	if got := slices.Concat(paged...); !slices.Equal(got, []string{"A", "c-A", "rx-A", "lab-A", "m1", "p1", "survey-A", "p1"}) || len(paged) != 3 {
		t.Errorf("in pages: %v", paged)
	}
}

func (w *world) batch(caller string, urls ...string) reply {
	var entries []string
	for _, u := range urls {
		s, _ := json.Marshal(u)
		entries = append(entries, `{"request":{"method":"GET","url":`+string(s)+`}}`)
	}
	return w.send(caller, "POST", "/fhir/demo", "application/fhir+json", `{"resourceType":"Bundle","type":"batch","entry":[`+strings.Join(entries, ",")+`]}`)
}

// statuses returns the status codes of a batch's entries.
func (r reply) statuses() (codes []string) {
	var b struct {
		Type  string
		Entry []struct{ Response struct{ Status string } }
	}
	_ = json.Unmarshal([]byte(r.body), &b)
	if b.Type != "batch-response" {
		return nil
	}
	for _, e := range b.Entry {
		code, _, _ := strings.Cut(e.Response.Status, " ")
		codes = append(codes, code)
	}
	return codes
}

func TestBatchEntriesGoTheSameWay(t *testing.T) {
	w := newWorld(t)
	w.story()
	got := w.batch("pharmacist",
		"MedicationRequest?patient=A", "Condition/c-A", "Condition/nothing", "Patient/B", "Observation?patient=B",
		"http://hapi:8080/fhir/Patient/B", "../admin", "Patient/A/$everything", "Observation", "MedicationRequest/rx-A")
	want := []string{"200", "404", "404", "404", "403", "404", "404", "501", "400", "200"}
	if got.status != 200 || !slices.Equal(got.statuses(), want) {
		t.Fatalf("got %d %v, want %v\n%s", got.status, got.statuses(), want, got.body)
	}
	if w.store.count() != len(want) {
		t.Errorf("BA-10 %d events, want one for each of %d entries", w.store.count(), len(want))
	}
	w.checkNothingLeaks(got, "pharmacist")
	for _, asked := range w.source.all() {
		if strings.HasPrefix(asked, "POST /fhir ") || strings.Contains(asked, "admin") || strings.Contains(asked, "everything") {
			t.Errorf("the source was asked %s", asked)
		}
	}
}

func TestBatchesThatAreRefused(t *testing.T) {
	ok := `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/A"}}]}`
	tests := []struct {
		name, caller, target, contentType, body string
		status                                  int
	}{
		{"BA-1 nobody", "", "/fhir/demo", "application/fhir+json", ok, 401},
		{"BA-8 a transaction", "gp", "/fhir/demo", "application/fhir+json", strings.Replace(ok, "batch", "transaction", 1), 501},
		{"BA-8 a parameter", "gp", "/fhir/demo?_format=json", "application/fhir+json", ok, 400},
		{"BA-8 below Bundle", "gp", "/fhir/demo/Bundle", "application/fhir+json", ok, 405},
		{"JS-1 a duplicate member", "gp", "/fhir/demo", "application/fhir+json", strings.Replace(ok, `"type"`, `"type":"batch","type"`, 1), 400},
		{"MT-4 a form", "gp", "/fhir/demo", "application/x-www-form-urlencoded", ok, 415},
		{"no JSON", "gp", "/fhir/demo", "application/fhir+json", "entry", 400},
		{"too many", "gp", "/fhir/demo", "application/fhir+json", `{"resourceType":"Bundle","type":"batch","entry":[` + strings.Repeat(`{},`, 100) + `{}]}`, 414},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.story()
			got := w.send(tt.caller, "POST", tt.target, tt.contentType, tt.body)
			if got.status != tt.status || len(w.source.all()) != 0 || w.store.count() != 1 {
				t.Errorf("got %d, source asked %v, %d events; want %d, nothing, one\n%s", got.status, w.source.all(), w.store.count(), tt.status, got.body)
			}
		})
	}
}

// TestABatchRestsOnAllItsCommits: a batch entry that could not be recorded releases nothing, and before a late first byte every entry is
// committed again (promises 2 and 3).
func TestABatchRestsOnAllItsCommits(t *testing.T) {
	w := newWorld(t)
	w.story()
	w.store.onCommit = func(r audit.Release) error {
		if r.Event.Type == "Condition" {
			return audit.ErrUnavailable
		}
		return nil
	}
	got := w.batch("gp", "Observation/lab-A", "Condition/c-A")
	if !slices.Equal(got.statuses(), []string{"200", "503"}) || strings.Contains(got.body, "c-A") {
		t.Errorf("got %v %s", got.statuses(), got.body)
	}
}

// TestNothingIsAnsweredBeforeTheFloor: with a read floor, every answer from a source and every answer that nothing exists is held until it
// has passed. A read in a batch is no quicker than alone (OR-9).
func TestNothingIsAnsweredBeforeTheFloor(t *testing.T) {
	const floor = 30 * time.Millisecond
	begin := time.Now()
	clock := func() time.Time { return epoch.Add(time.Since(begin)) }
	w := newWorld(t, func(p *proxy.Parts) { p.Limits.ReadFloor, p.Now = floor, clock })
	w.store.now = clock
	w.story()
	for _, tt := range []struct {
		name   string
		status int
		least  time.Duration
		ask    func() reply
	}{
		{"an absent read", 404, floor, func() reply { return w.get("gp", "/fhir/demo/Observation/nothing") }},
		{"a hidden read", 404, floor, func() reply { return w.get("gp", "/fhir/demo/Observation/lab-B") }},
		{"a search about somebody of whom nothing may be seen", 403, floor, func() reply { return w.get("gp", "/fhir/demo/Observation?patient=B") }},
		{"a search about nobody", 403, floor, func() reply { return w.get("gp", "/fhir/demo/Observation?patient=nobody") }},
		{"a search that finds nothing", 200, floor, func() reply { return w.get("gp", "/fhir/demo/Observation?patient=A&code=none") }},
		{"a link that does not open", 404, floor, func() reply { return w.get("gp", "/fhir/demo/Observation?_cursor=AAAA") }},
		{"a consent of somebody else", 404, floor, func() reply { return w.get("gp", "/gateway/Consent/s00-0000") }},
		{"a batch of one", 200, floor, func() reply { return w.batch("gp", "Observation/nothing") }},
		{"a batch of five, four of them at a time", 200, 2 * floor, func() reply {
			return w.batch("gp", "Observation/nothing", "Observation/lab-B", "Observation/x", "Observation/y", "Observation/z")
		}},
	} {
		start := time.Now()
		got := tt.ask()
		if took := time.Since(start); got.status != tt.status || took < tt.least {
			t.Errorf("%s: answered %d after %v, want %d after the floor of %v", tt.name, got.status, took, tt.status, tt.least)
		}
	}
}

// TestASourceThatIgnoresAParameterIsNotBelieved is SE-12.
func TestASourceThatIgnoresAParameterIsNotBelieved(t *testing.T) {
	for name, tt := range map[string]struct {
		self   func(*http.Request) string
		status int
	}{
		"as it was asked":       {func(r *http.Request) string { return r.URL.RawQuery }, 200},
		"without the patient":   {func(r *http.Request) string { return "code=" + url.QueryEscape(r.URL.Query().Get("code")) }, 502},
		"without the code":      {func(r *http.Request) string { return "patient=" + url.QueryEscape(r.URL.Query().Get("patient")) }, 502},
		"with another patient":  {func(r *http.Request) string { return strings.Replace(r.URL.RawQuery, "Patient/A", "Patient/B", 1) }, 502},
		"with the id by itself": {func(r *http.Request) string { return strings.Replace(r.URL.RawQuery, "Patient/A", "A", 1) }, 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.story()
			w.source.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/Observation") {
					return false
				}
				rw.Header().Set("Content-Type", "application/fhir+json")
				self, _ := json.Marshal(w.source.base() + "/Observation?" + tt.self(r))
				io.WriteString(rw, `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":`+string(self)+`}]}`)
				return true
			}
			if got := w.get("gp", "/fhir/demo/Observation?patient=A&code=718-7"); got.status != tt.status {
				t.Errorf("got %d, want %d: %s", got.status, tt.status, got.body)
			}
		})
	}
}

// TestASourceMayLeaveOutTheSearchMode: in R4 it is optional; without it the type of an entry says what it is, and every entry is checked.
func TestASourceMayLeaveOutTheSearchMode(t *testing.T) {
	w := newWorld(t)
	w.story()
	w.source.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/Observation") {
			return false
		}
		entry := func(id string) string { return `{"resource":` + w.source.records[id] + `}` }
		rw.Header().Set("Content-Type", "application/fhir+json")
		io.WriteString(rw, `{"resourceType":"Bundle","type":"searchset","entry":[`+
			strings.Join([]string{entry("Observation/lab-A"), entry("Observation/lab-B"), entry("Practitioner/p1"), entry("Practitioner/p2"), entry("Condition/c-A")}, ",")+`]}`)
		return true
	}
	if got := w.get("gp", "/fhir/demo/Observation?patient=A"); !slices.Equal(got.entries(), []string{"Observation/lab-A"}) {
		t.Errorf("got %d %v", got.status, got.entries())
	}
	got := w.get("gp", "/fhir/demo/Observation?patient=A&_include=Observation:performer")
	if want := []string{"Observation/lab-A", "Practitioner/p1"}; !slices.Equal(got.entries(), want) || strings.Contains(got.body, `"mode":""`) {
		t.Errorf("with an include: got %d %v %s", got.status, got.entries(), got.body)
	}
}
