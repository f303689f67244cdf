package e2e_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"zorgsluis/internal/demo"
)

// TestPromise5ForwardedIsWhatWasDecided: what the source receives is rendered from the parsed request: bound to the one patient, in our own
// order and spelling, with our own headers, whatever else the caller sent.
func TestPromise5ForwardedIsWhatWasDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	gp, karena := demo.GP(), demo.Karena()
	id := string(karena.PatientID)
	bound := "patient=Patient%2F" + id
	hostile := http.Header{
		"X-Forwarded-For": {"10.0.0.1"}, "X-Forwarded-Host": {marker}, "X-Forwarded-Prefix": {"/" + marker}, "X-Original-Url": {"/" + marker},
		"X-Http-Method-Override": {"DELETE"}, "X-Method-Override": {"PUT"}, "Cookie": {"session=" + marker}, "Range": {"bytes=0-10"},
		"If-None-Match": {`"` + marker + `"`}, "If-Modified-Since": {"Sat, 21 Nov 2026 00:00:00 GMT"}, "Prefer": {"handling=lenient"},
		"Accept-Encoding": {"gzip, br"}, "Accept-Language": {marker}, "User-Agent": {marker}, "Connection": {"Authorization, X-Request-Id"},
		"Via": {marker}, "Forwarded": {"for=" + marker}, "Te": {"trailers"}, "Origin": {"https://" + marker}, "Referer": {"https://" + marker},
	}
	ours := []string{"Accept", "Prefer", "User-Agent", "X-Request-Id", "Content-Type", "Content-Length", "Accept-Encoding"}
	asks := []struct {
		name string
		ask  question
		path string
		want []string // parameters of the query that arrives, exactly
	}{
		{"a read", get("/fhir/demo/Condition/x"), "Condition/x", nil},
		{"a search", get("/fhir/demo/Condition?patient=" + id), "Condition", []string{bound}},
		{"the subject is the patient", get("/fhir/demo/Condition?subject=Patient/" + id), "Condition", []string{bound}},
		{"an identifier becomes the id", search("Condition", karena), "Condition", []string{bound}},
		{"a parameter, escaped in a strange way", get("/fhir/demo/Condition?%70atient=" + id + "&code=%66%6f%6F"), "Condition", []string{bound, "code=foo"}},
		{"a value that tries to add a parameter", get("/fhir/demo/Condition?patient=" + id + "&code=a%26patient%3DPatient%2Fother"), "Condition", []string{bound, "code=a%26patient%3DPatient%2Fother"}},
		{"a value that tries to end the query", get("/fhir/demo/Condition?patient=" + id + "&code=a%23b"), "Condition", []string{bound, "code=a%23b"}},
	}
	for _, tt := range asks {
		g.ask(gp, search("Condition", karena)).wantStatus(t, http.StatusOK, "warm up")
		w.source.Reset()
		q := tt.ask
		q.header = hostile
		r := g.ask(gp, q)
		if r.status != http.StatusOK && r.status != http.StatusNotFound {
			t.Errorf("%s: got status %d", tt.name, r.status)
			continue
		}
		asked := w.source.Requests()
		if len(asked) != 1 {
			t.Errorf("%s: the source was asked %d times, want once", tt.name, len(asked))
			continue
		}
		got := asked[0]
		parts := slices.DeleteFunc(splitQuery(got.Query), func(s string) bool { return s == "" })
		parts = slices.DeleteFunc(parts, func(s string) bool { return strings.HasPrefix(s, "_count=") }) // the gate's page size
		slices.Sort(tt.want)
		if got.Method != http.MethodGet || got.Path != tt.path || len(got.Body) != 0 || !slices.Equal(parts, tt.want) {
			t.Errorf("%s: the source got %s %s?%v, want GET %s?%v", tt.name, got.Method, got.Path, parts, tt.path, tt.want)
		}
		for name, values := range got.Header {
			if !slices.Contains(ours, name) || slices.Contains(values, marker) {
				t.Errorf("%s: the source got the header %s", tt.name, name)
			}
		}
		if got.Header.Get("Prefer") != "handling=strict" || got.Header.Get("Accept") != "application/fhir+json" || got.Header.Get("Accept-Encoding") == "gzip, br" {
			t.Errorf("%s: the source got headers %v", tt.name, got.Header)
		}
		if got.Header.Get("X-Request-Id") != r.header.Get("X-Request-Id") {
			t.Errorf("%s: the source got another request id", tt.name)
		}
	}
	t.Run("another patient cannot be added", func(t *testing.T) {
		other := string(demo.Milan().PatientID)
		for _, more := range []string{
			"&patient=" + other, "&patient=Patient/" + other, "&subject=" + other, "&subject=Patient/" + other, "&patient.identifier=" + demo.SystemBSN + "%7C" + demo.Milan().BSN,
			"&patient:Patient=" + other, "&Patient=" + other, "," + other,
		} {
			w.source.Reset()
			g.ask(gp, get("/fhir/demo/Condition?patient="+id+more)).wantStatus(t, http.StatusBadRequest, more)
			if n := len(w.source.Requests()); n != 0 {
				t.Errorf("%s: the source was asked %d times", more, n)
			}
		}
	})
	t.Run("a page is asked for as the source named it", func(t *testing.T) {
		next := g.ask(gp, search("Observation", karena, "_count", "7")).wantStatus(t, http.StatusOK, "first page").link(g, "next")
		w.source.Reset()
		g.ask(gp, get(next)).wantStatus(t, http.StatusOK, "next page")
		for _, q := range w.source.Requests() {
			if q.Query == "" || q.Method != http.MethodGet {
				t.Errorf("the source got %s %s?%s, want its own link", q.Method, q.Path, q.Query)
			}
			if v, err := url.ParseQuery(q.Query); err != nil || v.Has("_cursor") {
				t.Errorf("our own link reached the source: %v", err)
			}
		}
		g.ask(gp, get(next+"&code=x")).wantStatus(t, http.StatusBadRequest, "a link with more")
	})
}

// splitQuery returns the parameters of a query, sorted, in one spelling.
func splitQuery(query string) []string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return []string{"unparsable"}
	}
	var parts []string
	for name, list := range values {
		for _, v := range list {
			parts = append(parts, url.Values{name: {v}}.Encode())
		}
	}
	slices.Sort(parts)
	return parts
}
