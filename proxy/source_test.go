package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fakeSource is a FHIR server with a few records that notes its requests, and misbehaves as a test says.
type fakeSource struct {
	server    *httptest.Server
	mu        sync.Mutex
	asked     []string // "GET /fhir/Observation?patient=A"
	forms     []string
	headers   []http.Header
	records   map[string]string // "Type/id" → JSON
	intercept func(w http.ResponseWriter, r *http.Request) bool
}

// Fixtures of leaks.md: patient A has a laboratory result, a condition and a sertraline prescription; patient B has a canary.
func fixtures() map[string]string {
	patient := func(id, bsn, name string) string {
		return fmt.Sprintf(`{"resourceType":"Patient","id":"%s","meta":{"versionId":"7","source":"#x"},"identifier":[{"system":"%s","value":"%s"}],`+
			`"name":[{"family":"%s"}],"birthDate":"1961-02-03"}`, id, bsnSystem, bsn, name)
	}
	observation := func(id, patient, category, text string) string {
		return fmt.Sprintf(`{"resourceType":"Observation","id":"%s","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"%s"}]}],`+
			`"code":{"coding":[{"system":"http://loinc.org","code":"718-7"}],"text":"%s"},"subject":{"reference":"Patient/%s"},"performer":[{"reference":"Practitioner/p1"}],"valueQuantity":{"value":7.20}}`,
			id, category, text, patient)
	}
	return map[string]string{
		"Patient/A":                 patient("A", bsnA, "Alder"),
		"Patient/B":                 patient("B", bsnB, canary),
		"Observation/lab-A":         observation("lab-A", "A", "laboratory", "Hb"),
		"Observation/survey-A":      observation("survey-A", "A", "survey", canary+"PHQ"),
		"Observation/lab-B":         observation("lab-B", "B", "laboratory", canary),
		"Condition/c-A":             `{"resourceType":"Condition","id":"c-A","code":{"text":"` + canary + `"},"subject":{"reference":"Patient/A"}}`,
		"MedicationRequest/rx-A":    `{"resourceType":"MedicationRequest","id":"rx-A","status":"active","intent":"order","medicationReference":{"reference":"Medication/m1","display":"paracetamol"},"reasonReference":[{"reference":"Condition/c-A","display":"` + canary + `"}],"subject":{"reference":"Patient/A"}}`,
		"MedicationRequest/rxpsy-A": `{"resourceType":"MedicationRequest","id":"rxpsy-A","status":"active","intent":"order","medicationCodeableConcept":{"coding":[{"system":"http://www.whocc.no/atc","code":"N06AB06"}],"text":"` + canary + `"},"subject":{"reference":"Patient/A"}}`,
		"Medication/m1":             `{"resourceType":"Medication","id":"m1","code":{"text":"paracetamol"}}`,
		"Practitioner/p1":           `{"resourceType":"Practitioner","id":"p1","name":[{"family":"Jansen"}]}`,
		"Practitioner/p2":           `{"resourceType":"Practitioner","id":"p2","name":[{"family":"` + canary + `"}]}`,
	}
}

func newFakeSource(t *testing.T) *fakeSource {
	s := &fakeSource{records: fixtures()}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

func (s *fakeSource) base() string { return s.server.URL + "/fhir" }

func (s *fakeSource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	form, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.RequestURI)
	s.forms = append(s.forms, string(form))
	s.headers = append(s.headers, r.Header.Clone())
	intercept := s.intercept
	s.mu.Unlock()
	if intercept != nil && intercept(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/fhir+json")
	w.Header().Set("ETag", `W/"7"`)
	w.Header().Set("X-Powered-By", canary)
	path := strings.TrimPrefix(r.URL.Path, "/fhir/")
	switch {
	case path == "Patient/_search":
		values, _ := url.ParseQuery(string(form))
		io.WriteString(w, s.bundle("Patient", func(id, body string) bool {
			_, bsn, _ := strings.Cut(values.Get("identifier"), "|")
			return strings.HasPrefix(id, "Patient/") && strings.Contains(body, `"value":"`+bsn+`"`)
		}))
	case strings.Contains(path, "/"):
		body, found := s.records[path]
		if !found {
			w.WriteHeader(http.StatusNotFound)
			body = `{"resourceType":"OperationOutcome","issue":[{"diagnostics":"` + canary + `"}]}`
		}
		io.WriteString(w, body)
	default:
		// A careless source: it ignores the patient parameter, and returns everything of the type and everything shared.
		io.WriteString(w, s.bundle(path+"?"+r.URL.RawQuery, func(id, _ string) bool {
			typ, _, _ := strings.Cut(id, "/")
			return typ == path || typ == "Practitioner" || typ == "Medication" || typ == "Patient" && r.URL.Query().Get("_include") != ""
		}))
	}
}

// bundle returns the searchset of what matches, with a total, a self link and the source's own addresses.
func (s *fakeSource) bundle(self string, match func(id, body string) bool) string {
	var entries []string
	for _, id := range slices.Sorted(keys(s.records)) {
		if !match(id, s.records[id]) {
			continue
		}
		mode := "match"
		typ, _, _ := strings.Cut(id, "/")
		searched, _, _ := strings.Cut(self, "?")
		if typ != searched && typ != "Patient" {
			mode = "include"
		}
		entries = append(entries, fmt.Sprintf(`{"fullUrl":"%s/%s","resource":%s,"search":{"mode":"%s","score":0.5}}`, s.base(), id, s.records[id], mode))
	}
	return fmt.Sprintf(`{"resourceType":"Bundle","id":"%s","type":"searchset","total":%d,"link":[{"relation":"self","url":"%s/%s"},{"relation":"%s","url":"%s"}],"entry":[%s]}`,
		canary, len(entries), s.base(), self, canary, canary, strings.Join(entries, ","))
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// requests returns the requests so far, without patient lookups.
func (s *fakeSource) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var data []string
	for _, a := range s.asked {
		if a != "POST /fhir/Patient/_search" && a != "GET /fhir/Patient/A" {
			data = append(data, a)
		}
	}
	return data
}

// all returns all requests so far.
func (s *fakeSource) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}
