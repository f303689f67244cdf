package e2e_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

var update = flag.Bool("update", false, "write docs/leaks.md anew")

// leak is one row of the leak catalogue as a test against the running gateway. The ids of the catalogue are in testdata/leaks.txt; docs/leaks.md
// shows the text of shows for the row.
type leak struct {
	id    string // RD-1
	shows string // what the gateway does, in one sentence
	test  func(*stage)
}

// leaks are all rows.
func leaks() []leak {
	return slices.Concat(slices.Concat(leaksOfInteractions...), slices.Concat(leaksOfContent...), slices.Concat(leaksOfOperators...))
}

// The patients of the catalogue. A permits gp laboratory results and medication and refuses nothing else; B has nothing on file; C refused
// everything; A2 is a second record that says it replaces A's; D permits gp everything, so that what is hidden of D is hidden for what it is.
var (
	leakA  = demo.Person{Name: "A", BSN: "999911119", PatientID: "leak-a"}
	leakB  = demo.Person{Name: "B", BSN: "999911259", PatientID: "leak-b"}
	leakC  = demo.Person{Name: "C", BSN: "999911120", PatientID: "leak-c"}
	leakA2 = demo.Person{Name: "A2", BSN: "999909587", PatientID: "leak-a2"}
	leakD  = demo.Person{Name: "D", BSN: "999909599", PatientID: "leak-d"}
)

// stage is what the rows run on: one gateway, one source that records its requests, and canaries in everything hidden. A row may change the
// answers of the source (Intercept, Add); the stage restores them.
type stage struct {
	*world
	*testing.T
	g    *gateway
	h    string // the configuration file
	book *ledger
}

// leakResource makes a resource from JSON in which words in capitals stand for the canary, the patients' ids, their numbers and category
// elements.
func leakResource(text string) demo.Resource {
	text = strings.NewReplacer(
		"CANARY", marker, "PATIENT-A2", string(leakA2.PatientID), "PATIENT-A", string(leakA.PatientID),
		"PATIENT-B", string(leakB.PatientID), "PATIENT-C", string(leakC.PatientID), "PATIENT-D", string(leakD.PatientID),
		"BSN-A2", leakA2.BSN, "BSN-A", leakA.BSN, "BSN-B", leakB.BSN, "BSN-C", leakC.BSN, "BSN-D", leakD.BSN,
		"LABORATORY", `"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}]`,
		"SURVEY", `"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"survey"}]}]`,
	).Replace(text)
	if !json.Valid([]byte(text)) {
		panic("fixture is not JSON: " + text)
	}
	return demo.Resource(text)
}

// leakFixtures are the records of leaks.md, "Fixtures used below". What gp may not see contains a canary.
func leakFixtures() []demo.Resource {
	var all []demo.Resource
	for _, text := range []string{
		`{"resourceType":"Patient","id":"PATIENT-A","meta":{"versionId":"3","source":"http://internal.example/#CANARY"},"identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-A"}],"name":[{"family":"CANARY-A"}],"birthDate":"1970-01-01"}`,
		`{"resourceType":"Patient","id":"PATIENT-B","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-B"}],"name":[{"family":"CANARY-B"}],"birthDate":"1971-01-01"}`,
		`{"resourceType":"Patient","id":"PATIENT-C","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-C"}],"name":[{"family":"CANARY-C"}],"birthDate":"1972-01-01"}`,
		`{"resourceType":"Observation","id":"obs-lab-a","status":"final",LABORATORY,"code":{"coding":[{"system":"http://loinc.org","code":"718-7"}],"text":"visible"},"subject":{"reference":"Patient/PATIENT-A"},"effectiveDateTime":"2026-01-02","valueQuantity":{"value":7.20,"unit":"mmol/L"}}`,
		`{"resourceType":"Observation","id":"obs-psy-a","status":"final",SURVEY,"code":{"coding":[{"system":"http://loinc.org","code":"44261-6"}],"text":"CANARY PHQ-9"},"subject":{"reference":"Patient/PATIENT-A"},"effectiveDateTime":"2026-01-03","valueInteger":21}`,
		`{"resourceType":"MedicationRequest","id":"rx-a","status":"active","intent":"order","medicationCodeableConcept":{"text":"visible"},"subject":{"reference":"Patient/PATIENT-A"}}`,
		`{"resourceType":"MedicationRequest","id":"rx-psy-a","status":"active","intent":"order","medicationCodeableConcept":{"coding":[{"system":"http://www.whocc.no/atc","code":"N06AB06"}],"text":"CANARY sertraline"},"subject":{"reference":"Patient/PATIENT-A"}}`,
		`{"resourceType":"Observation","id":"obs-lab-b","status":"final",LABORATORY,"code":{"coding":[{"system":"http://loinc.org","code":"718-7"}],"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-B"}}`,
		`{"resourceType":"DiagnosticReport","id":"dr-a","status":"final","code":{"text":"visible"},"subject":{"reference":"Patient/PATIENT-A"},"result":[{"reference":"Observation/obs-lab-a","display":"visible"},{"reference":"Observation/obs-psy-a","display":"CANARY PHQ-9 score 21"}]}`,
		`{"resourceType":"Condition","id":"cond-a","code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-A"}}`,
		`{"resourceType":"DocumentReference","id":"doc-a","status":"current","subject":{"reference":"Patient/PATIENT-A"},"description":"CANARY","content":[{"attachment":{"contentType":"application/pdf","url":"Binary/binary-a","title":"CANARY.pdf"}}]}`,
		`{"resourceType":"DocumentReference","id":"doc-b","status":"current","subject":{"reference":"Patient/PATIENT-B"},"content":[{"attachment":{"contentType":"application/pdf","url":"Binary/binary-b"}}]}`,
		`{"resourceType":"Binary","id":"binary-a","contentType":"application/pdf","data":"Q0FOQVJZN2YzYSBh"}`,
		`{"resourceType":"Binary","id":"binary-b","contentType":"application/pdf","data":"Q0FOQVJZN2YzYSBi"}`,
		`{"resourceType":"Group","id":"grp-ab","type":"person","actual":true,"name":"CANARY","member":[{"entity":{"reference":"Patient/PATIENT-A"}},{"entity":{"reference":"Patient/PATIENT-B"}}]}`,
		`{"resourceType":"Appointment","id":"app-ab","status":"booked","description":"CANARY","participant":[{"actor":{"reference":"Patient/PATIENT-A"},"status":"accepted"},{"actor":{"reference":"Patient/PATIENT-B"},"status":"accepted"}]}`,
		`{"resourceType":"Coverage","id":"cov-ab","status":"active","beneficiary":{"reference":"Patient/PATIENT-A"},"subscriber":{"reference":"Patient/PATIENT-B"},"subscriberId":"CANARY","payor":[{"reference":"Organization/org-1"}]}`,
		`{"resourceType":"List","id":"list-ab","status":"current","mode":"working","title":"CANARY","subject":{"reference":"Patient/PATIENT-A"},"entry":[{"item":{"reference":"Observation/obs-lab-b"}}]}`,
		`{"resourceType":"Provenance","id":"prov-ab","recorded":"2026-01-01T00:00:00Z","target":[{"reference":"Patient/PATIENT-A"},{"reference":"Patient/PATIENT-B"}],"agent":[{"who":{"display":"CANARY"}}]}`,
		`{"resourceType":"Task","id":"task-a","status":"requested","intent":"order","description":"CANARY","for":{"reference":"Patient/PATIENT-A"}}`,
		`{"resourceType":"Patient","id":"PATIENT-D","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-D"}],"name":[{"family":"visible"}],"birthDate":"1973-01-01"}`,
		`{"resourceType":"Observation","id":"obs-lab-d","meta":{"lastUpdated":"2026-01-02T00:00:00Z"},"status":"final",LABORATORY,"code":{"coding":[{"system":"http://loinc.org","code":"718-7"}],"text":"visible"},"subject":{"reference":"Patient/PATIENT-D"},"effectiveDateTime":"2026-01-02","valueQuantity":{"value":7.20,"unit":"mmol/L"}}`,
		`{"resourceType":"DocumentReference","id":"doc-d","status":"current","subject":{"reference":"Patient/PATIENT-D"},"content":[{"attachment":{"contentType":"application/pdf","url":"Binary/binary-d","title":"letter"}}]}`,
		`{"resourceType":"Binary","id":"binary-d","contentType":"application/pdf","data":"dGhlIGxldHRlcg=="}`,
		`{"resourceType":"Practitioner","id":"pract-1","name":[{"family":"CANARY-P"}]}`,
		`{"resourceType":"Organization","id":"org-1","name":"CANARY-O"}`,
	} {
		all = append(all, leakResource(text))
	}
	return all
}

// newStage starts the gateway that all rows share.
func newStage(t *testing.T, version fhir.Version) *stage {
	w := newWorldOf(t, version, leakFixtures()...)
	w.mustPut(permit(partyGP, "ObservationLaboratory", "MedicationRequest", "DiagnosticReport"), leakA)
	w.mustPut(deny(consent.Side{}), leakC)
	w.mustPut(permit(partyGP), leakD)
	g, file := w.start("{ lookups_per_minute: 100000 }", "{ lookups_per_minute: 100000, response_body: 4MiB }")
	return &stage{world: w, T: t, g: g, h: file, book: &ledger{}}
}

// TestLeaks runs every row of the catalogue.
func TestLeaks(t *testing.T) {
	t.Parallel()
	playLeaks(newStage(t, fhir.R4), leaks())
}

// ofR4 are rows with fixtures of R4: types, parameters and elements that STU3 lacks. stu3_test.go says what STU3 has instead.
var ofR4 = strings.Fields("IN-1 OR-3 BI-1 BI-2 BI-3 BI-4 BI-6 BI-9 BI-12 BI-13 BI-14 RM-6 RM-7 RM-14 RM-17 RM-18 RF-14 CA-1 CA-11 MT-2")

// TestLeaksSTU3 runs the rows about requests and content again with a STU3 source, for which the gateway has other tables but the same promises.
func TestLeaksSTU3(t *testing.T) {
	t.Parallel()
	rows := slices.Concat(slices.Concat(leaksOfInteractions...), modelLeaks, referenceLeaks, categoryLeaks, jsonLeaks, mediaLeaks)
	playLeaks(newStage(t, fhir.STU3), slices.DeleteFunc(rows, func(l leak) bool { return slices.Contains(ofR4, l.id) }))
}

func playLeaks(shared *stage, rows []leak) {
	t := shared.T
	for _, l := range rows {
		t.Run(l.id, func(t *testing.T) {
			shared.source.Intercept(nil)
			shared.source.Reset()
			s := &stage{world: shared.world, T: t, g: shared.g, h: shared.h, book: shared.book}
			defer func() { shared.source.Intercept(nil) }()
			l.test(s)
		})
	}
	shared.balance()
}

// ask sends a request to the shared gateway, and searches everything that comes back for canaries.
func (s *stage) ask(by demo.Caller, q question) reply {
	s.T.Helper()
	r, err := s.g.try(by, q)
	if err != nil {
		s.T.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	s.clean(r)
	return r
}

// clean fails if a canary, the source's address or a number of its bookkeeping is in a reply, as it is or encoded.
func (s *stage) clean(r reply) {
	s.T.Helper()
	var head bytes.Buffer
	_ = r.header.Write(&head)
	_ = r.trailer.Write(&head)
	source, _ := url.Parse(s.source.URL())
	for _, text := range decodings(r.body + "\n" + head.String()) {
		for _, secret := range []string{marker, source.Host} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
				s.T.Errorf("%q left: %d %s %s", secret, r.status, head.String(), r.body)
				return
			}
		}
	}
	for _, name := range []string{"Etag", "Last-Modified", "Set-Cookie", "Server", "X-Powered-By", "Location", "Content-Location", "Link"} {
		if r.header.Get(name) != "" {
			s.T.Errorf("header %s left: %s", name, r.header.Get(name))
		}
	}
	if r.informational > 0 || strings.Contains(r.body, `"total"`) {
		s.T.Errorf("%d informational answers, body %s", r.informational, r.body)
	}
}

var base64Run = regexp.MustCompile(`[A-Za-z0-9+/_-]{12,}={0,2}`)

// decodings returns a text as it is, unescaped as in JSON, URLs and base64, and decompressed.
func decodings(text string) []string {
	all := []string{text, strings.ReplaceAll(text, `\/`, "/")}
	if s, err := url.PathUnescape(strings.ReplaceAll(text, "%", "%25")); err == nil {
		all = append(all, s)
	}
	if s, err := url.QueryUnescape(text); err == nil {
		all = append(all, s)
	}
	var v any
	if json.Unmarshal([]byte(text), &v) == nil {
		all = append(all, fmt.Sprint(v))
	}
	for _, run := range base64Run.FindAllString(text, -1) {
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if raw, err := e.DecodeString(strings.TrimRight(run, "=")); err == nil {
				all = append(all, string(raw))
			}
		}
	}
	if z, err := gzip.NewReader(strings.NewReader(text)); err == nil {
		if raw, err := io.ReadAll(z); err == nil {
			all = append(all, string(raw))
		}
	}
	return all
}

// refused sends a request and wants this status, a fixed OperationOutcome with this issue code, exactly one event, and no request at the source.
func (s *stage) refused(by demo.Caller, q question, status int, issue string) reply {
	s.T.Helper()
	s.source.Reset()
	r := s.ask(by, q)
	if r.status != status || issueCode(r.body) != issue {
		s.T.Errorf("%s %s: got %d %s, want %d %s\n%s", q.method, q.path, r.status, issueCode(r.body), status, issue, r.body)
	}
	for _, asked := range s.source.Requests() {
		s.T.Errorf("the source was asked %s %s?%s", asked.Method, asked.Path, asked.Query)
	}
	return r
}

// issueCode returns OperationOutcome.issue[0].code; "" if the body is no OperationOutcome with one issue.
func issueCode(body string) string {
	var o struct {
		ResourceType string `json:"resourceType"`
		Issue        []struct {
			Code string `json:"code"`
		} `json:"issue"`
	}
	if json.Unmarshal([]byte(body), &o) != nil || o.ResourceType != "OperationOutcome" || len(o.Issue) != 1 {
		return ""
	}
	return o.Issue[0].Code
}

// TestLeakCatalogue keeps the catalogue complete, and docs/leaks.md true: every row has a test, and the page says what the tests show.
func TestLeakCatalogue(t *testing.T) {
	wanted, err := os.ReadFile("testdata/leaks.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]leak{}
	for _, l := range leaks() {
		if rows[l.id].id != "" {
			t.Errorf("%s stands twice", l.id)
		}
		rows[l.id] = l
	}
	page := "# The leak catalogue\n\nEvery way of data to leave that the catalogue knows, the test that plays it against the running gateway, and what the\n" +
		"gateway does. Written by `go test ./test/e2e -run TestLeakCatalogue -update`; do not edit.\n\n| row | test | behaviour |\n|---|---|---|\n"
	for _, id := range strings.Fields(string(wanted)) {
		l, there := rows[id]
		if !there {
			t.Errorf("%s has no test", id)
			continue
		}
		delete(rows, id)
		page += fmt.Sprintf("| %s | `TestLeaks/%s` | %s |\n", id, id, strings.ReplaceAll(l.shows, "|", `\|`))
	}
	for id := range rows {
		t.Errorf("%s is not in the catalogue", id)
	}
	if *update {
		if err := os.WriteFile("../../docs/leaks.md", []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if now, _ := os.ReadFile("../../docs/leaks.md"); string(now) != page {
		t.Error("docs/leaks.md is not what the tests show: run go test ./test/e2e -run TestLeakCatalogue -update")
	}
}
