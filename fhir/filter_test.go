package fhir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// versions are the tested versions, with their confidentiality code systems.
var versions = map[Version]string{
	R4: "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", STU3: "http://hl7.org/fhir/v3/Confidentiality",
}

// testOracle is the configuration of the tests: rules and codes of every kind.
func testOracle(v Version) *oracle {
	const (
		observation = "http://terminology.hl7.org/CodeSystem/observation-category"
		consent     = "http://terminology.hl7.org/CodeSystem/consentcategorycodes"
		sct         = "http://snomed.info/sct"
		loinc       = "http://loinc.org"
	)
	rule := func(category DataCategory, typ, element, system, code string) CategoryRule {
		return CategoryRule{Category: category, Type: typ, Element: element, Code: Coding{System: system, Code: code}}
	}
	o := &oracle{
		ReaderOptions: ReaderOptions{
			Version: v, Base: "http://hapi:8080/fhir", PersonSystems: []string{"http://fhir.nl/fhir/NamingSystem/bsn", "urn:person"},
			MaxDepth: 64, MaxEntries: 300,
		},
		rules: []CategoryRule{
			rule("Patient", "Patient", "", "", ""), rule("Condition", "Condition", "", "", ""),
			rule("Consent", "Consent", "", "", ""), rule("AdvanceDirective", "Consent", "category", consent, "acd"),
			rule("AdvanceDirective", "Consent", "category", sct, "11341000146107"),
			rule("ObservationLaboratory", "Observation", "category", observation, "laboratory"),
			rule("ObservationLaboratory", "Observation", "category", sct, "275711006"),
			rule("ObservationVitalSigns", "Observation", "category", observation, "vital-signs"),
			rule("ObservationVitalSigns", "Observation", "code", loinc, "85354-9"),
			rule("ObservationSurvey", "Observation", "category", "urn:survey", ""),
			rule("MedicationRequest", "MedicationRequest", "", "", ""), rule("Encounter", "Encounter", "", "", ""),
			rule("DiagnosticReport", "DiagnosticReport", "", "", ""), rule("Episode", "CarePlan", "", "", ""),
			rule("Nursing", "CarePlan", "", "", ""),
		},
		sensitive: []SensitiveCode{
			{Coding: Coding{System: "http://hl7.org/fhir/sid/icd-10", Code: "F"}, Prefix: true, Category: Restricted},
			{Coding: Coding{System: sct, Code: "370143000"}, Category: "MentalHealth"},
			{Coding: Coding{System: sct, Code: "370143000"}, Category: "Restricted"},
			{Coding: Coding{System: "urn:note", Code: "own"}, Category: NeverDisclosed},
		},
	}
	c, err := NewClassifier(v, o.rules, o.sensitive)
	if err != nil {
		panic(err)
	}
	o.Classifier, o.mention, o.labels = c, mentionOf(o.Base), versions[v]
	return o
}

// compareWithOracle reads and renders a body with reader and oracle, as a searchset and as a resource, and reports differences.
func compareWithOracle(o *oracle, r *Reader, c *Contents, body []byte) error {
	original := bytes.Clone(body)
	want, next, self, refused := o.bundle(body, "searchset")
	err := r.Searchset(body, c)
	if (err != nil) != (refused != nil) {
		return fmt.Errorf("searchset: got error %v, want %v", err, refused)
	}
	if err == nil && (c.Next != next || c.Self != self) {
		return fmt.Errorf("links: got %q %q, want %q %q", c.Next, c.Self, next, self)
	}
	if err := o.compareContents(c, want); err != nil {
		return fmt.Errorf("searchset: %w", err)
	}
	if err := o.compareHistory(r, c, asHistory(body)); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	one, refused := o.read(body)
	err = r.Resource(body, LocalReference{one.Type, one.ID}, c)
	if (err != nil) != (refused != nil) {
		return fmt.Errorf("resource: got error %v, want %v", err, refused)
	}
	if err == nil {
		if err := o.compareContents(c, []oracleResource{one}); err != nil {
			return fmt.Errorf("resource: %w", err)
		}
	}
	if !bytes.Equal(body, original) {
		return fmt.Errorf("the body was changed")
	}
	return nil
}

func (o *oracle) compareContents(c *Contents, want []oracleResource) error {
	if len(c.Resources) != len(want) {
		return fmt.Errorf("got %d resources, want %d", len(c.Resources), len(want))
	}
	keep := make([]bool, len(want))
	for i, got := range c.Resources {
		if g, w := normal(got), normal(want[i].Resource); !reflect.DeepEqual(g, w) {
			return fmt.Errorf("resource %d:\n got %+v\nwant %+v", i, g, w)
		}
		if g, w := c.Attachments(i), o.attachments(want[i]); !slices.Equal(slices.Sorted(slices.Values(g)), w) {
			return fmt.Errorf("resource %d: attachments: got %v, want %v", i, g, w)
		}
		if err := o.compareFollowing(c, i, want[i]); err != nil {
			return fmt.Errorf("resource %d: %w", i, err)
		}
		keep[i] = i%3 != 1
	}
	for i, e := range []Edits{
		{Base: "https://gw.example/fhir/h", Self: "https://gw.example/self?a=\"b\"", Next: "https://gw.example/next", KeepDisplay: func(string) bool { return true }, Attachment: linkTo},
		{Base: "https://gw.example", StripIdentifiers: true, KeepDisplay: func(typ string) bool { return typ == "Patient" || typ == "Encounter" }, Attachment: linkTo},
		{Base: "https://gw.example/fhir", Next: "https://gw.example/next"},
	} {
		if err := o.compareRendering(c, want, keep, e); err != nil {
			return fmt.Errorf("edits %d: %w", i, err)
		}
	}
	return nil
}

func (o *oracle) compareRendering(c *Contents, want []oracleResource, keep []bool, e Edits) error {
	got := c.AppendSearchset([]byte("prefix"), keep, e)[len("prefix"):]
	tree, err := decodeStrictly(got, 100)
	if err != nil {
		return fmt.Errorf("what was written is not strict JSON: %s", got)
	}
	if w := o.searchsetTree(want, keep, e); !sameTree(tree, w) {
		return fmt.Errorf("wrote %s", got)
	}
	if o.namesHost(string(got)) {
		return fmt.Errorf("the source is named in %s", got)
	}
	for i, w := range want {
		got := c.AppendResource(nil, i, e)
		switch {
		case !w.Attributed && !w.Shared:
			if len(got) > 0 {
				return fmt.Errorf("wrote a resource that belongs to nobody: %s", got)
			}
		case sameTree(w.tree, o.rendered(w, e)) && string(got) != w.tree.raw:
			return fmt.Errorf("changed bytes without an edit:\n got %s\nwant %s", got, w.tree.raw)
		}
	}
	return nil
}

// sameTree compares values, including the order of members.
func sameTree(a, b any) bool {
	switch a := a.(type) {
	case *node:
		b, ok := b.(*node)
		if !ok || !slices.Equal(a.names, b.names) {
			return false
		}
		for _, name := range a.names {
			if !sameTree(a.values[name], b.values[name]) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameTree)
	}
	return a == b
}

// normal sorts what has no defined order.
func normal(r Resource) Resource {
	r.Identifiers, r.References, r.Categories = slices.Clone(r.Identifiers), slices.Clone(r.References), slices.Clone(r.Categories)
	slices.SortFunc(r.Identifiers, func(a, b Identifier) int { return strings.Compare(a.System+" "+a.Value, b.System+" "+b.Value) })
	slices.SortFunc(r.References, func(a, b LocalReference) int { return strings.Compare(a.String(), b.String()) })
	if len(r.Identifiers) == 0 {
		r.Identifiers = nil
	}
	if len(r.References) == 0 {
		r.References = nil
	}
	if len(r.Categories) == 0 {
		r.Categories = nil
	}
	return r
}

func testReader(tb testing.TB, o *oracle) *Reader {
	tb.Helper()
	r, err := NewReader(o.ReaderOptions)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// realResources are the resources of testdata/responses.
func realResources(tb testing.TB) (all []string) {
	tb.Helper()
	for _, name := range []string{"synthea", "synthea-bulk", "nl-core", "hl7"} {
		b, err := os.ReadFile("testdata/responses/" + name + ".ndjson")
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, strings.Split(strings.TrimSpace(string(b)), "\n")...)
	}
	return all
}

// asSearchset wraps resources in a searchset as a source does.
func asSearchset(resources ...string) string {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","id":"b","type":"searchset","total":7,"link":[{"relation":"self","url":"http://hapi:8080/fhir/Observation"}],"entry":[`)
	for i, r := range resources {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"resource":%s,"search":{"mode":"match","score":1}}`, r)
	}
	b.WriteString(`]}`)
	return b.String()
}

// Reader and oracle agree on every real resource alone, on all of them in searchsets, and on some of both with other white space.
func TestReaderAgreesWithOracleOnRealRecords(t *testing.T) {
	o := testOracle(R4)
	r := testReader(t, o)
	var c Contents
	resources := realResources(t)
	attributed := 0
	bodies := slices.Clone(resources)
	for part := range slices.Chunk(resources, 50) {
		bodies = append(bodies, asSearchset(part...))
	}
	for i, body := range bodies {
		if err := compareWithOracle(o, r, &c, []byte(body)); err != nil {
			t.Errorf("body %d: %v", i, err)
		}
		if len(c.Resources) == 1 && c.Resources[0].Attributed {
			attributed++
		}
		if i%4 != 0 {
			continue
		}
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, []byte(body), "\t", "\r\n "); err != nil {
			t.Fatal(err)
		}
		if err := compareWithOracle(o, r, &c, spaced.Bytes()); err != nil {
			t.Errorf("body %d, indented: %v", i, err)
		}
	}
	if attributed < len(resources)/2 {
		t.Errorf("attributed %d of %d real resources", attributed, len(resources))
	}
}

// snippets are values that mutations insert; each has a meaning to the reader, or nearly.
var snippets = []string{
	`{"reference":"Patient/B"}`, `{"reference":"Patient/A/_history/3","display":"x"}`, `{"reference":"http://hapi:8080/fhir/Patient/A"}`,
	`{"reference":"http:\/\/hapi:8080\/fhir\/Patient\/A"}`, `{"reference":"http://other.example/fhir/Patient/A"}`,
	`{"reference":"#c1","display":"inside"}`, `{"reference":"#"}`, `{"reference":"urn:uuid:1"}`, `{"reference":"Patient?identifier=1"}`,
	`{"reference":"Practitioner?identifier=1","display":"x","_display":{"id":"1"}}`, `{"reference":["Patient/A"]}`, `{"reference":{"reference":"Patient/A"}}`,
	`{"reference":"Encounter/e","type":"Patient"}`, `{"type":"Patient","display":"Mrs B"}`, `{"display":"only"}`, `{"reference":null}`,
	`{"identifier":{"system":"urn:person","value":"1"},"display":"y"}`, `{"identifier":{"system":"urn:other","value":"1"},"type":"Practitioner","display":"z"}`,
	`[{"system":"urn:person","value":"1"}]`, `[{"system":"urn:person","value":"2"},{"system":"urn:x","value":"3"}]`, `{"system":"urn:person","value":7}`,
	`{"system":"urn:person"}`, `[{"system":"http://hl7.org/fhir/sid/icd-10","code":"F32.1"}]`, `{"coding":[{"system":"http://snomed.info/sct","code":"370143000"}]}`,
	`{"versionId":"1","source":"http://hapi:8080/x"}`, `{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}`,
	`{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}],"versionId":"2"}`,
	`{"security":[{"system":"http://hl7.org/fhir/v3/Confidentiality","code":"N"}]}`, `{"tag":[{"code":"x"},{"code":"SUBSETTED"}]}`, `{"_security":[null]}`,
	`{"tag":[{"code":"own"},{"code":"own","system":"urn:note"}]}`, `{"security":[{"system":"urn:note","code":"own"}]}`, `{"security":[{"system":"urn:note","code":"OWN"}]}`,
	`[{"coding":[{"system":"urn:n\u006fte","code":"own"}]}]`, `{"system":"urn:note","code":["own"]}`,
	`[{"resourceType":"Condition","id":"c1","subject":{"reference":"#"}}]`, `[{"resourceType":"Patient","id":"c1"}]`,
	`[{"resourceType":"Practitioner","id":"c1","meta":{"versionId":"1"},"text":{"div":"x"}}]`, `[{"resourceType":"Group"}]`,
	`[{"resourceType":"Condition","contained":[{"resourceType":"Condition"}]}]`, `{"url":"http://hapi:8080/fhir/Binary/1","contentType":"a"}`,
	`{"attachment":{"url":"https://bucket.example/x"}}`, `[{"attachment":{"url":"Binary/1","_url":{"id":"q"}}},{"attachment":{"data":"AA=="}}]`,
	`{"attachment":{"url":"Binary/gone"}}`, `{"photo":[{"url":"Binary/gone"},{"url":"http:\/\/hapi:8080/fhir/Binary/2"}],"identifier":{"system":"urn:person"}}`,
	`{"extension":[{"valueAttachment":{"url":"Binary/gone"}},{"system":"urn:person","value":"1"}]}`, `{"url":"Binary/1/_history/1","title":"t"}`,
	`[{"content":{"url":{"image":{"url":"Binary/gone"}},"_url":{"system":"urn:person"}}},{"url":"Binary/gone","_url":{"image":{"url":"Binary/1"}},"size":1}]`,
	`"see http://hapi:8080/fhir/Observation/1 and HTTP://HAPI/x or http:\/\/hapi:9090"`, `"http%3A%2F%2fHapi%3A8080%2Ffhir http://hapi:8080/fhirX http://hapix"`,
	`"Patient/A"`, `"Patient/B"`, `"Observation"`, `"Patient"`, `"N"`, `"\ud83d\ude00 \"quoted\""`, `"\ud83d"`, `"\u0000"`, `null`, `true`, `-0.10e+7`, `01`, `[]`, `{}`, `[[{}]]`, `[null]`, `["x"]`,
}

// memberNames are member names that mutations insert.
var memberNames = []string{
	"subject", "subj\\u0065ct", "patient", "reference", "type", "identifier", "display", "system", "code", "category", "meta", "contained",
	"extension", "resourceType", "id", "url", "_url", "link", "text", "valueUri", "valueAttachment", "title", "valueReference", "security", "securityLabel",
	"confidentiality", "tag", "coding", "actor", "participant", "attachment", "content", "entry", "resource", "fullUrl", "search", "mode", "request", "method",
	"http://hapi/x", "versionId", "source", "Subject", "_subject",
}

// mutate changes a body in a few places, most of the time into other valid JSON.
func mutate(body []byte, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	for range 1 + random.IntN(3) {
		starts := regexp.MustCompile(`[:\[,{]`).FindAllIndex(body, -1)
		if len(starts) == 0 {
			return body
		}
		at := starts[random.IntN(len(starts))][1]
		snippet, name := snippets[random.IntN(len(snippets))], memberNames[random.IntN(len(memberNames))]
		switch body[at-1] {
		case ':': // another value
			end := at + valueLength(body[at:])
			body = slices.Concat(body[:at], []byte(snippet), body[end:])
		case '[':
			body = slices.Concat(body[:at], []byte(snippet+","), body[at:])
		default: // another member, or an element
			insert := `"` + name + `":` + snippet + `,`
			if random.IntN(8) == 0 {
				insert = snippet + ","
			}
			body = slices.Concat(body[:at], []byte(insert), body[at:])
		}
		if random.IntN(20) == 0 {
			i := random.IntN(len(body))
			body = slices.Concat(body[:i], body[i+1:])
		}
	}
	return body
}

// valueLength is the length of the JSON value that b begins with, or 0.
func valueLength(b []byte) int {
	d := json.NewDecoder(bytes.NewReader(b))
	var v json.RawMessage
	if d.Decode(&v) != nil {
		return 0
	}
	return int(d.InputOffset())
}

// Reader and oracle agree on whatever a source may answer, in content and in rendering.
func TestReaderAgreesWithOracleOnMutations(t *testing.T) {
	oracles := [...]*oracle{testOracle(R4), testOracle(STU3)}
	readers := [...]*Reader{testReader(t, oracles[0]), testReader(t, oracles[1])}
	var c Contents
	resources := realResources(t)
	for seed := range uint64(800) {
		if seed/4%sweep > 0 {
			continue
		}
		i := int(seed*7) % len(resources)
		body := asSearchset(string(mutate([]byte(resources[i]), seed)), resources[(i+1)%len(resources)])
		switch seed % 4 {
		case 0:
			body = string(mutate([]byte(body), seed))
		case 1: // versions of one resource
			body = asSearchset(resources[i], string(mutate([]byte(resources[i]), seed)), resources[i], string(mutate([]byte(resources[i]), seed+1000)))
		}
		v := seed / (4 * sweep) % 2
		if err := compareWithOracle(oracles[v], readers[v], &c, []byte(body)); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, body)
		}
	}
}

// Reader and oracle agree on every member name with every snippet: at the top, in an element and in a contained resource.
func TestReaderAgreesWithOracleOnEveryPair(t *testing.T) {
	for v := range versions {
		o := testOracle(v)
		r := testReader(t, o)
		var c Contents
		types := []string{"Observation", "Patient", "Appointment", "Composition"}
		for i, name := range memberNames {
			for j, snippet := range snippets {
				if (i+j)%sweep > 0 {
					continue
				}
				for _, body := range pair(types[(i+j)%len(types)], `"`+name+`":`+snippet) {
					if err := compareWithOracle(o, r, &c, []byte(body)); err != nil {
						t.Fatalf("version %d: %v\n%s", v, err, body)
					}
				}
			}
		}
	}
}

// pair puts a member in places where it can have a meaning.
func pair(typ, member string) []string {
	return []string{
		`{"resourceType":"` + typ + `","id":"A","subject":{"reference":"Patient/A"},` + member + `}`,
		`{"patient":{"reference":"Patient/A","display":"p",` + member + `},"resourceType":"` + typ + `","id":"A","note":[{` + member + `}]}`,
		`{"resourceType":"` + typ + `","id":"A","participant":[{"actor":{"reference":"Patient/A"}},{` + member + `}],"subject":{"reference":"Patient/A"},` +
			`"patient":{"reference":"Patient/A"},"contained":[{"resourceType":"Medication","id":"c1","text":{"status":"additional"},` + member + `}]}`,
	}
}

// alikeSeeds is the first seed by which FuzzFilter makes resources like a given one.
const alikeSeeds = 1 << 63

// FuzzFilter compares the reader with the oracle, and reading along precedents with reading alone, on arbitrary bytes, on mutations of them,
// and, for the largest seeds, on Bundles of resources like them.
func FuzzFilter(f *testing.F) {
	oracles := [...]*oracle{testOracle(R4), testOracle(STU3)}
	readers := [...]*Reader{testReader(f, oracles[0]), testReader(f, oracles[1])}
	for i, resource := range realResources(f) {
		if len(resource) < 2000 {
			f.Add([]byte(resource), uint64(0))
			f.Add([]byte(asSearchset(resource)), uint64(i))
		}
		if len(resource) < 1000 { // several of one form
			f.Add([]byte(asSearchset(likes(resource, 4)...)), uint64(i))
			if i%16 == 0 {
				f.Add([]byte(resource), alikeSeeds+uint64(i))
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		switch {
		case seed >= alikeSeeds:
			g := &late{Rand: rand.New(rand.NewPCG(seed, 17)), version: R4, given: []string{string(body[:min(len(body), 5000)])}}
			body = g.bundle()
		case seed > 0:
			body = mutate(body, seed)
		}
		var c, other Contents
		for i, o := range oracles {
			if err := compareWithOracle(o, readers[i], &c, body); err != nil {
				t.Errorf("version %d: %v", o.Version, err)
			}
			if err := compareAlone(readers[i], &c, &other, body, new(tally)); err != nil {
				t.Errorf("version %d: %v", o.Version, err)
			}
		}
	})
}
