//go:build !release

package demo_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"zorgsluis/internal/demo"
)

// small is a source whose answers can be counted by hand.
var small = demo.Data{
	demo.Resource(`{"resourceType":"Patient","id":"a","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00Z"},"identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"999991346"},{"system":"urn:x","value":"1,2"}],"name":[{"family":"Jansen","given":["Ada"]}],"birthDate":"1980-05-17","generalPractitioner":[{"reference":"Practitioner/gp"}]}`),
	demo.Resource(`{"resourceType":"Patient","id":"b","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"999993008"}],"name":[{"family":"de Boer"}],"birthDate":"1999"}`),
	demo.Resource(`{"resourceType":"Practitioner","id":"gp","name":[{"family":"Huis"}]}`),
	demo.Resource(`{"resourceType":"Organization","id":"lab","partOf":{"reference":"Organization/hospital"}}`),
	demo.Resource(`{"resourceType":"Organization","id":"hospital"}`),
	demo.Resource(`{"resourceType":"Encounter","id":"e1","status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"type":[{"coding":[{"system":"http://snomed.info/sct","code":"185345009"}]}],"subject":{"reference":"Patient/a"},"period":{"start":"2026-03-01T10:00:00+01:00","end":"2026-03-01T11:00:00+01:00"}}`),
	demo.Resource(`{"resourceType":"Condition","id":"c1","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},"code":{"coding":[{"system":"http://snomed.info/sct","code":"38341003"}]},"subject":{"reference":"Patient/a"},"encounter":{"reference":"Encounter/e1"}}`),
	demo.Resource(`{"resourceType":"Condition","id":"c2","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"resolved"}]},"subject":{"reference":"Patient/b"}}`),
	demo.Resource(`{"resourceType":"Observation","id":"o1","meta":{"lastUpdated":"2026-02-01T00:00:00Z"},"status":"final","category":[{"coding":[{"system":"urn:cat","code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"subject":{"reference":"Patient/a"},"encounter":{"reference":"Encounter/e1"},"effectiveDateTime":"2026-03-01T10:30:00+01:00","performer":[{"reference":"Organization/lab"}],"valueQuantity":{"value":13.50,"system":"http://unitsofmeasure.org","code":"g/dL"}}`),
	demo.Resource(`{"resourceType":"Observation","id":"o2","status":"amended","category":[{"coding":[{"system":"urn:cat","code":"vital-signs"}]}],"code":{"coding":[{"code":"8867-4"}]},"subject":{"reference":"Patient/a"},"effectiveDateTime":"2026-04"}`),
	demo.Resource(`{"resourceType":"Observation","id":"o3","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/b"},"effectivePeriod":{"start":"2025-01-01"}}`),
	demo.Resource(`{"resourceType":"Observation","id":"o4","status":"final","code":{"text":"x"},"subject":{"identifier":{"system":"urn:x","value":"9"}}}`),
	demo.Resource(`{"resourceType":"Observation","id":"o5","status":"final","code":{"text":"x"},"subject":{"reference":"Group/a"}}`),
	demo.Resource(`{"resourceType":"Coverage","id":"cov","status":"active","beneficiary":{"reference":"Patient/a"},"payor":[{"reference":"Organization/hospital"}]}`),
	demo.Resource(`{"resourceType":"Provenance","id":"p1","target":[{"reference":"Observation/o1"}],"recorded":"2026-03-01T10:31:00Z"}`),
	demo.Resource(`{"resourceType":"Provenance","id":"p2","target":[{"reference":"Condition/c1"}],"entity":[{"role":"source","what":{"reference":"Observation/o1"}}]}`),
}

func startSource(t *testing.T, data demo.Data, o demo.SourceOptions) *demo.Source {
	t.Helper()
	s, err := demo.NewSource(data, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// bundle has what the tests check in an answer.
type bundle struct {
	ResourceType string
	Type         string
	Total        int
	Link         []struct{ Relation, URL string }
	Entry        []struct {
		FullURL  string
		Resource json.RawMessage
		Search   struct{ Mode string }
	}
	Issue []struct{ Code, Diagnostics string }
}

func (b bundle) link(relation string) string {
	for _, l := range b.Link {
		if l.Relation == relation {
			return l.URL
		}
	}
	return ""
}

// names returns the ids of the entries, with a plus for included ones.
func (b bundle) names(t *testing.T) string {
	t.Helper()
	var names []string
	for _, e := range b.Entry {
		name, err := nameOf(e.Resource)
		if err != nil {
			t.Fatal(err)
		}
		_, id, _ := strings.Cut(name, "/")
		if e.Search.Mode == "include" {
			id = "+" + id
		}
		names = append(names, id)
	}
	return strings.Join(names, " ")
}

func ask(t *testing.T, r *http.Request) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

func get(t *testing.T, target string) (int, bundle) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, body := ask(t, r)
	var b bundle
	if err := json.Unmarshal(body, &b); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return resp.StatusCode, b
}

func TestSearchFindsWhatR4Says(t *testing.T) {
	s := startSource(t, small, demo.SourceOptions{})
	for _, c := range []struct{ name, query, want string }{
		{"a patient by id alone", "Observation?patient=a", "o1 o2"},
		{"a patient by type and id", "Observation?patient=Patient/a", "o1 o2"},
		{"a patient by absolute reference", "Observation?patient=" + url.QueryEscape(s.URL()) + "/Patient/a", "o1 o2"},
		{"a subject of any type", "Observation?subject=a", "o1 o2 o5"},
		{"patient leaves groups out", "Observation?patient=a,nobody", "o1 o2"},
		{"a subject with its type", "Observation?subject:Patient=a", "o1 o2"},
		{"a subject of another type", "Observation?subject=Group/a", "o5"},
		{"an unknown patient", "Observation?patient=nobody", ""},
		{"beneficiary of a coverage", "Coverage?beneficiary=Patient/a", "cov"},
		{"patient of a coverage", "Coverage?patient=a", "cov"},
		{"an identifier with its system", "Patient?identifier=http://fhir.nl/fhir/NamingSystem/bsn|999991346", "a"},
		{"an identifier of another system", "Patient?identifier=urn:x|999991346", ""},
		{"an identifier without system", "Patient?identifier=999993008", "b"},
		{"an identifier with an escaped comma", `Patient?identifier=urn:x|1\,2`, "a"},
		{"either of two identifiers", "Patient?identifier=999993008,999991346", "a b"},
		{"a chained identifier", "Observation?patient.identifier=http://fhir.nl/fhir/NamingSystem/bsn|999993008", "o3"},
		{"a chain with type", "Observation?subject:Patient.identifier=999993008", "o3"},
		{"a chain that finds nobody", "Observation?patient.identifier=999999999", ""},
		{"a logical reference", "Observation?subject:identifier=urn:x|9", "o4"},
		{"an id", "Observation?_id=o2,o4", "o2 o4"},
		{"a code with its system", "Observation?code=http://loinc.org|718-7", "o1"},
		{"a code without a system, asked so", "Observation?code=|8867-4", "o2"},
		{"any code of a system", "Observation?code=http://loinc.org|", "o1"},
		{"a category", "Observation?category=urn:cat|vital-signs", "o2"},
		{"not a category", "Observation?patient=a&category:not=laboratory", "o2"},
		{"a status", "Observation?status=amended", "o2"},
		{"a clinical status", "Condition?clinical-status=active", "c1"},
		{"a missing element", "Condition?encounter:missing=true", "c2"},
		{"an element that is there", "Condition?encounter:missing=false", "c1"},
		{"a class", "Encounter?class=AMB", "e1"},
		{"a type", "Encounter?type=http://snomed.info/sct|185345009", "e1"},
		{"an encounter", "Observation?encounter=Encounter/e1", "o1"},
		{"a day", "Observation?date=2026-03-01", "o1"},
		{"a month, which a month fits in", "Observation?date=2026-04", "o2"},
		{"a day, which a month does not fit in", "Observation?date=2026-04-03", ""},
		{"from a day on", "Observation?date=ge2026-03-01", "o1 o2 o3"},
		{"before a day", "Observation?date=lt2026-03-01", "o3"},
		{"after a day", "Observation?date=gt2026-03-01", "o2 o3"},
		{"starts after", "Observation?date=sa2026-03-01", "o2"},
		{"ends before", "Observation?date=eb2026-04", "o1"},
		{"between two days", "Observation?date=ge2026-03-01&date=lt2026-04", "o1 o3"},
		{"a period of an encounter", "Encounter?date=2026-03", "e1"},
		{"a birth date", "Patient?birthdate=1980-05-17", "a"},
		{"a birth year", "Patient?birthdate=1999", "b"},
		{"last updated", "Observation?_lastUpdated=gt2026-01-15", "o1"},
		{"the start of a name", "Patient?family=jan", "a"},
		{"the middle of a name", "Patient?family=oer", ""},
		{"contains", "Patient?family:contains=oer", "b"},
		{"exact", "Patient?family:exact=jansen", ""},
		{"any part of a name", "Patient?name=ada", "a"},
		{"a quantity", "Observation?value-quantity=13.5", "o1"},
		{"more than a quantity", "Observation?value-quantity=gt13.5||g/dL", ""},
		{"at least a quantity with its unit", "Observation?value-quantity=ge13|http://unitsofmeasure.org|g/dL", "o1"},
		{"sorted by date", "Observation?patient=a&_sort=date", "o1 o2"},
		{"sorted by date, the newest first", "Observation?patient=a&_sort=-date", "o2 o1"},
		{"sorted by id", "Observation?_sort=-_id&status=final", "o5 o4 o3 o1"},
		{"without a value comes last", "Observation?_sort=-date&_id=o1,o4,o2", "o2 o1 o4"},
		{"include", "Observation?_id=o1&_include=Observation:performer", "o1 +lab"},
		{"include of one type", "Observation?_id=o1&_include=Observation:subject:Group", "o1"},
		{"include that iterates", "Observation?_id=o1&_include=Observation:performer&_include:iterate=Organization:partof", "o1 +lab +hospital"},
		{"include that does not iterate", "Observation?_id=o1&_include=Observation:performer&_include=Organization:partof", "o1 +lab"},
		{"include each once", "Observation?patient=a&_include=Observation:patient", "o1 o2 +a"},
		{"reverse include", "Observation?patient=a&_revinclude=Provenance:target", "o1 o2 +p1"},
		{"include on Patient", "Patient?_id=a&_include=Patient:general-practitioner", "a +gp"},
		{"unknown parameters are passed over", "Observation?_id=o1&colour=blue", "o1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, query, _ := strings.Cut(c.query, "?")
			status, b := get(t, s.URL()+"/"+path+"?"+strings.ReplaceAll(query, "|", "%7C"))
			if status != http.StatusOK || b.Type != "searchset" {
				t.Fatalf("got status %d, type %q", status, b.Type)
			}
			if got := b.names(t); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSearchRefuses(t *testing.T) {
	s := startSource(t, small, demo.SourceOptions{Credential: "Bearer source"})
	for _, c := range []struct {
		name, method, path, contentType, prefer, body string
		credential                                    string
		status                                        int
	}{
		{"an unknown parameter, strictly", "GET", "Observation?colour=blue", "", "handling=strict", "", "Bearer source", 400},
		{"_has, strictly", "GET", "Observation?_has:x:y:z=1", "", "handling=strict", "", "Bearer source", 400},
		{"an unknown modifier", "GET", "Observation?code:above=1", "", "", "", "Bearer source", 400},
		{"a date that is none", "GET", "Observation?date=yesterday", "", "", "", "Bearer source", 400},
		{"a count that is none", "GET", "Observation?_count=many", "", "", "", "Bearer source", 400},
		{"an include without a reference", "GET", "Observation?_include=Observation:status", "", "", "", "Bearer source", 400},
		{"a sort by what is not", "GET", "Observation?_sort=colour", "", "", "", "Bearer source", 400},
		{"an unknown type", "GET", "Unicorn?_id=1", "", "", "", "Bearer source", 404},
		{"a resource that is not there", "GET", "Observation/o9", "", "", "", "Bearer source", 404},
		{"a version that is not there", "GET", "Observation/o1/_history/2", "", "", "", "Bearer source", 404},
		{"a page that is not there", "GET", "?_getpages=x&_getpagesoffset=0", "", "", "", "Bearer source", 410},
		{"a form that is JSON", "POST", "Observation/_search", "application/json", "", "{}", "Bearer source", 415},
		{"a write", "PUT", "Observation/o1", "application/fhir+json", "", "{}", "Bearer source", 405},
		{"no credential", "GET", "Observation/o1", "", "", "", "", 401},
		{"a wrong credential", "GET", "Observation/o1", "", "", "", "Bearer other", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequest(c.method, s.URL()+"/"+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", c.contentType)
			r.Header.Set("Prefer", c.prefer)
			r.Header.Set("Authorization", c.credential)
			resp, body := ask(t, r)
			var b bundle
			if err := json.Unmarshal(body, &b); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status || b.ResourceType != "OperationOutcome" || len(b.Issue) != 1 {
				t.Errorf("got %d with %s, want %d with an OperationOutcome", resp.StatusCode, body, c.status)
			}
		})
	}
}

func TestReadServesTheStoredBytes(t *testing.T) {
	odd := demo.Resource(`{ "resourceType":"Basic", "id":"odd", "n": 1.500, "s":"\u00e9", "link":"a&b<c>" }`)
	s := startSource(t, append(slices.Clone(small), odd), demo.SourceOptions{})
	for _, path := range []string{"Basic/odd", "Basic/odd/_history/1"} {
		r, err := http.NewRequest(http.MethodGet, s.URL()+"/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, body := ask(t, r)
		if string(body) != string(odd) {
			t.Errorf("got %s, want %s", body, odd)
		}
		if got := resp.Header.Get("Content-Type"); got != "application/fhir+json;charset=UTF-8" {
			t.Errorf("got content type %q", got)
		}
	}
	r, err := http.NewRequest(http.MethodGet, s.URL()+"/Basic?_id=odd", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, body := ask(t, r); !strings.Contains(string(body), string(odd)) {
		t.Errorf("the searchset does not hold the stored bytes: %s", body)
	}
}

func TestSearchByPost(t *testing.T) {
	s := startSource(t, small, demo.SourceOptions{})
	form := "patient.identifier=" + url.QueryEscape("http://fhir.nl/fhir/NamingSystem/bsn|999991346")
	r, err := http.NewRequest(http.MethodPost, s.URL()+"/Observation/_search?status=final", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	_, body := ask(t, r)
	var b bundle
	if err := json.Unmarshal(body, &b); err != nil {
		t.Fatal(err)
	}
	if got := b.names(t); got != "o1" {
		t.Errorf("got %q, want o1", got)
	}
	requests := s.Requests()
	if len(requests) != 1 {
		t.Fatalf("got %d requests, want 1", len(requests))
	}
	got := requests[0]
	if got.Method != "POST" || got.Path != "Observation/_search" || got.Query != "status=final" || string(got.Body) != form {
		t.Errorf("recorded %+v", got)
	}
	s.Reset()
	if len(s.Requests()) != 0 {
		t.Error("Reset kept requests")
	}
}

func TestPagesHoldEveryMatchOnce(t *testing.T) {
	s := startSource(t, demo.LoadSynthetic(2, 25), demo.SourceOptions{})
	next := s.URL() + "/Observation?patient=" + string(demo.SyntheticPerson(1).PatientID) + "&_count=10"
	var got, sizes []string
	for next != "" {
		status, b := get(t, next)
		if status != http.StatusOK || b.Total != 25 {
			t.Fatalf("got status %d, total %d", status, b.Total)
		}
		if b.link("self") == "" {
			t.Error("no self link")
		}
		names := strings.Fields(b.names(t))
		got = append(got, names...)
		sizes = append(sizes, strings.Repeat("x", len(names)))
		for _, e := range b.Entry {
			if name, _ := nameOf(e.Resource); e.FullURL != s.URL()+"/"+name {
				t.Errorf("got fullUrl %s for %s", e.FullURL, name)
			}
		}
		next = b.link("next")
		if next != "" && !strings.HasPrefix(next, s.URL()+"?_getpages=") {
			t.Errorf("got next %s", next)
		}
	}
	slices.Sort(got)
	if len(got) != 25 || len(slices.Compact(got)) != 25 || len(sizes) != 3 {
		t.Errorf("got %d entries on %d pages, want 25 on 3", len(got), len(sizes))
	}
}

func TestCountOfNoughtGivesOnlyATotal(t *testing.T) {
	s := startSource(t, small, demo.SourceOptions{})
	for _, query := range []string{"_count=0", "_summary=count"} {
		if _, b := get(t, s.URL()+"/Observation?patient=a&"+query); b.Total != 2 || len(b.Entry) != 0 || b.link("next") != "" {
			t.Errorf("%s: got total %d, %d entries, next %q", query, b.Total, len(b.Entry), b.link("next"))
		}
	}
}

func TestAddReplacesAndRemoveTakesOut(t *testing.T) {
	s := startSource(t, small, demo.SourceOptions{})
	if err := s.Add(demo.Resource(`{"resourceType":"Observation","id":"o1","status":"final","subject":{"reference":"Patient/b"}}`)); err != nil {
		t.Fatal(err)
	}
	s.Remove("Observation/o2")
	if _, b := get(t, s.URL()+"/Observation?patient=a"); len(b.Entry) != 0 {
		t.Errorf("got %s, want nothing", b.names(t))
	}
	if _, b := get(t, s.URL()+"/Observation?patient=b"); b.names(t) != "o3 o1" {
		t.Errorf("got %s, want o3 o1", b.names(t))
	}
	for _, bad := range []string{`{`, `{"resourceType":"Observation"}`, `[]`} {
		if err := s.Add(demo.Resource(bad)); err == nil {
			t.Errorf("%s was stored", bad)
		}
	}
}
