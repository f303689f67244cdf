package fhir_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

const (
	systemObservation     = "http://terminology.hl7.org/CodeSystem/observation-category"
	systemConfidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
	systemBSN             = "http://fhir.nl/fhir/NamingSystem/bsn"
	sct                   = "http://snomed.info/sct"
	atc                   = "http://www.whocc.no/atc"
)

// never is a coding that hides the resource that holds it from everybody.
const never = `{"system":"urn:note","code":"own"}`

// newClassifier has rules and codes of every kind.
func newClassifier(tb testing.TB) *fhir.Classifier {
	tb.Helper()
	coding := func(system, code string) fhir.Coding { return fhir.Coding{System: system, Code: code} }
	c, err := fhir.NewClassifier(fhir.R4, []fhir.CategoryRule{
		{Category: "Patient", Type: "Patient"},
		{Category: "Condition", Type: "Condition"},
		{Category: "MedicationRequest", Type: "MedicationRequest"},
		{Category: "DiagnosticReport", Type: "DiagnosticReport"},
		{Category: "Episode", Type: "CarePlan"},
		{Category: "Nursing", Type: "CarePlan"},
		{Category: "Consent", Type: "Consent"},
		{Category: "AdvanceDirective", Type: "Consent", Element: "category", Code: coding(sct, "11341000146107")},
		{Category: "ObservationLaboratory", Type: "Observation", Element: "category", Code: coding(systemObservation, "laboratory")},
		{Category: "ObservationVitalSigns", Type: "Observation", Element: "category", Code: coding(systemObservation, "vital-signs")},
		{Category: "ObservationSocialHistory", Type: "Observation", Element: "code", Code: coding(sct, "228366006")},
		{Category: "ObservationSurvey", Type: "Observation", Element: "category", Code: coding("urn:survey", "")},
	}, []fhir.SensitiveCode{
		{Coding: coding(atc, "N06A"), Prefix: true, Category: "MentalHealth"},
		{Coding: coding(sct, "370143000"), Category: "MentalHealth"},
		{Coding: coding("urn:note", "own"), Category: fhir.NeverDisclosed},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func newReader(tb testing.TB) *fhir.Reader {
	tb.Helper()
	r, err := fhir.NewReader(fhir.ReaderOptions{
		Version: fhir.R4, Base: "http://hapi:8080/fhir", PersonSystems: []string{systemBSN}, Classifier: newClassifier(tb), MaxEntries: 20,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// searchset wraps entries.
func searchset(entries ...string) string {
	return `{"resourceType":"Bundle","type":"searchset","entry":[` + strings.Join(entries, ",") + `]}`
}

// match wraps a resource in an entry.
func match(resource string) string { return `{"resource":` + resource + `,"search":{"mode":"match"}}` }

// readOne reads a single resource as the only entry of a searchset.
func readOne(tb testing.TB, resource string) fhir.Resource {
	tb.Helper()
	var c fhir.Contents
	if err := newReader(tb).Searchset([]byte(searchset(match(resource))), &c); err != nil {
		tb.Fatalf("searchset: %v", err)
	}
	if len(c.Resources) != 1 {
		tb.Fatalf("got %d resources, want 1", len(c.Resources))
	}
	return c.Resources[0]
}

func TestSearchsetRefusesWhatIsNotStrict(t *testing.T) {
	obs := `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/A"}}`
	good := searchset(match(obs))
	deep := strings.Repeat(`[`, 70) + strings.Repeat(`]`, 70)
	inside := func(member string) string {
		return searchset(match(`{"resourceType":"Observation","id":"o",` + member + `}`))
	}
	many := func(n int) string {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf(`"m%d":1`, i))
		}
		return inside(strings.Join(names, ","))
	}
	tests := []struct {
		name, body string
	}{
		{"JS-1 a member twice at the top", `{"resourceType":"Bundle","type":"searchset","type":"searchset"}`},
		{"JS-1 a member twice in a resource", inside(`"subject":{"reference":"Patient/A"},"subject":{"reference":"Patient/B"}`)},
		{"JS-1 a member twice deep down", inside(`"x":[{"y":{"z":1,"z":1}}]`)},
		{"JS-1 a long member twice", inside(`"effectiveDateTime":"2020","effectiveDateTime":"2020"`)},
		{"JS-3 a member twice, once escaped", inside(`"status":"final","st\u0061tus":"final"`)},
		{"JS-3 resourceType twice, once escaped", searchset(match(`{"resourceType":"Observation","\u0072esourceType":"Patient"}`))},
		{"JS-4 a byte order mark", "\xEF\xBB\xBF" + good},
		{"JS-5 invalid UTF-8", inside("\"x\":\"\xFF\"")},
		{"JS-5 an overlong encoding", inside("\"x\":\"\xC0\xAF\"")},
		{"JS-5 invalid UTF-8 in a name", inside("\"\xFF\":1")},
		{"JS-5 a lone high surrogate", inside(`"x":"\ud800"`)},
		{"JS-5 a lone high surrogate before text", inside(`"x":"\ud800abcdef"`)},
		{"JS-5 a lone low surrogate", inside(`"x":"\udc00"`)},
		{"JS-5 two high surrogates", inside(`"x":"\ud800\ud800"`)},
		{"JS-5 an encoded surrogate", inside("\"x\":\"\xED\xA0\x80\"")},
		{"JS-5 NUL in a string", inside(`"x":"\u0000"`)},
		{"JS-5 NUL in a name", inside(`"\u0000":1`)},
		{"JS-5 a control character", inside("\"x\":\"\n\"")},
		{"JS-6 UTF-16", "{\x00\"\x00}\x00"},
		{"JS-7 two values", good + good},
		{"JS-7 garbage after the end", good + " garbage"},
		{"JS-7 two lines of NDJSON", good + "\n" + good},
		{"JS-8 nested too deeply", inside(`"x":` + deep)},
		{"JS-8 a million brackets", strings.Repeat(`{"a":[`, 500_000)},
		{"JS-8 too many members", many(300)},
		{"JS-8 too many entries", searchset(slices.Repeat([]string{match(obs)}, 21)...)},
		{"JS-9 a number with a leading zero", inside(`"x":01`)},
		{"JS-9 NaN", inside(`"x":NaN`)},
		{"JS-9 a number with a plus", inside(`"x":+1`)},
		{"JS-9 a number without digits", inside(`"x":-`)},
		{"JS-9 a fraction without digits", inside(`"x":1.`)},
		{"JS-9 an exponent without digits", inside(`"x":1e+`)},
		{"JS-10 a comment", "/* c */" + good},
		{"JS-10 a trailing comma in an object", `{"resourceType":"Bundle","type":"searchset",}`},
		{"JS-10 a trailing comma in an array", searchset(match(obs) + ",")},
		{"JS-10 single quotes", `{'resourceType':"Bundle"}`},
		{"JS-10 an unquoted name", `{resourceType:"Bundle"}`},
		{"JS-10 an unknown escape", inside(`"x":"\x41"`)},
		{"JS-10 a broken unicode escape", inside(`"x":"\u00g1"`)},
		{"JS-10 a unicode escape that is cut", inside(`"x":"\u00"`)},
		{"JS-10 a literal in capitals", inside(`"x":True`)},
		{"JS-10 a name without colon", inside(`"x" 1`)},
		{"JS-10 members without comma", inside(`"x":1 "y":1`)},
		{"JS-11 no resourceType", searchset(match(`{"id":"o"}`))},
		{"JS-11 resourceType is no string", searchset(match(`{"resourceType":["Observation"],"id":"o"}`))},
		{"JS-11 resourceType in another case", searchset(match(`{"resourceType":"observation","id":"o"}`))},
		{"JS-11 an unknown resourceType", searchset(match(`{"resourceType":"ObservationX","id":"o"}`))},
		{"JS-11 a resourceType with a space", searchset(match(`{"resourceType":"Observation ","id":"o"}`))},
		{"JS-2 resourceType in another case beside none", searchset(match(`{"ResourceType":"Observation","id":"o"}`))},
		{"JS-12 nothing", ""},
		{"JS-12 null", "null"},
		{"JS-12 a string", `"Bundle"`},
		{"JS-12 an array", `[` + good + `]`},
		{"JS-13 entry is null", `{"resourceType":"Bundle","type":"searchset","entry":null}`},
		{"JS-13 entry is an object", `{"resourceType":"Bundle","type":"searchset","entry":{}}`},
		{"JS-13 an entry is null", searchset("null")},
		{"JS-13 an entry is an array", searchset("[[]]")},
		{"JS-13 an entry is empty", searchset("{}")},
		{"JS-13 entry twice", `{"resourceType":"Bundle","type":"searchset","entry":[],"entry":[]}`},
		{"JS-13 resource is null", searchset(`{"resource":null}`)},
		{"JS-13 resource is an array", searchset(`{"resource":[` + obs + `]}`)},
		{"JS-13 search is null", searchset(`{"search":null,"resource":` + obs + `}`)},
		{"JS-13 fullUrl is no string", searchset(`{"fullUrl":1,"resource":` + obs + `}`)},
		{"JS-5 a control character in a fullUrl, behind the base", searchset("{\"fullUrl\":\"http://hapi:8080/fhir/\n\",\"resource\":" + obs + "}")},
		{"JS-5 a lone surrogate in a fullUrl, behind the base", searchset(`{"fullUrl":"http://hapi:8080/fhir\ud800","resource":` + obs + `}`)},
		{"JS-10 an unknown escape in a fullUrl, behind the base", searchset(`{"fullUrl":"http://hapi:8080/fhir\x2f","resource":` + obs + `}`)},
		{"JS-10 a fullUrl without its first quote", searchset(`{"fullUrl":1http://hapi:8080/fhir/Observation/o","resource":` + obs + `}`)},
		{"JS-16 a history", `{"resourceType":"Bundle","type":"history"}`},
		{"JS-16 a collection", `{"resourceType":"Bundle","type":"collection"}`},
		{"JS-16 no type", `{"resourceType":"Bundle"}`},
		{"JS-16 no Bundle", `{"resourceType":"Observation","type":"searchset"}`},
		{"JS-16 type is no string", `{"resourceType":"Bundle","type":["searchset"]}`},
		{"JS-23 cut in the middle of a string", good[:len(good)-30]},
		{"JS-23 cut before the last brace", good[:len(good)-1]},
		{"JS-23 cut at the start of a fullUrl", strings.TrimSuffix(searchset(`{"fullUrl":"`), "]}")},
		{"JS-23 cut behind the base of a fullUrl", strings.TrimSuffix(searchset(`{"fullUrl":"http://hapi:8080/fhir`), "]}")},
		{"JS-23 cut after a backslash", `{"a":"\`},
		{"JS-23 cut in a name", `{"resourceTy`},
		{"PG-8 link is no array", `{"resourceType":"Bundle","type":"searchset","link":{}}`},
		{"PG-8 next twice", `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"a"},{"relation":"next","url":"b"}]}`},
		{"PG-8 next without url", `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next"}]}`},
		{"PG-8 next with a url of another shape", `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":["a"]}]}`},
	}
	r := newReader(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c fhir.Contents
			if err := r.Searchset([]byte(good), &c); err != nil {
				t.Fatalf("the good one: %v", err)
			}
			err := r.Searchset([]byte(tt.body), &c)
			if !errors.Is(err, fhir.ErrContent) {
				t.Fatalf("got %v, want ErrContent", err)
			}
			if len(c.Resources) != 0 || c.Next != "" || c.Self != "" {
				t.Error("something of a refused body, or of the one before, is left")
			}
			if strings.Contains(err.Error(), "Patient/A") {
				t.Errorf("the error has content in it: %v", err)
			}
		})
	}
}

func TestAttribution(t *testing.T) {
	obs := func(member string) string { return `{"resourceType":"Observation","id":"o",` + member + `}` }
	subject := `"subject":{"reference":"Patient/A"}`
	with := func(member string) string { return obs(subject + `,` + member) }
	id64, id65 := strings.Repeat("a", 64), strings.Repeat("a", 65)
	tests := []struct {
		name, resource, patient string // patient "" means not attributed
	}{
		{"a subject", obs(subject), "A"},
		{"JS-3 escaped names and values", obs(`"sub\u006aect":{"referenc\u0065":"Patient\/\u0041"}`), "A"},
		{"JS-11 resourceType last", `{"id":"o",` + subject + `,"resourceType":"Observation"}`, "A"},
		{"JS-2 subject in another case beside it counts", with(`"Subject":{"reference":"Patient/B"}`), ""},
		{"JS-2 only a subject in another case", obs(`"Subject":{"reference":"Patient/A"}`), ""},
		{"JS-17 a second patient in a primitive's twin", with(`"_status":{"extension":[{"url":"x","valueReference":{"reference":"Patient/B"}}]}`), ""},
		{"JS-18 a second patient in an unknown member", with(`"x-debug":{"a":[{"reference":"Patient/B"}]}`), ""},
		{"JS-18 an unknown member without a patient", with(`"x-debug":{"a":[1,null,true]}`), "A"},
		{"JS-19 subject is a string", obs(`"subject":"Patient/A"`), ""},
		{"JS-19 subject is null", obs(`"subject":null`), ""},
		{"JS-19 code is an array", with(`"code":[{}]`), ""},
		{"JS-19 category is a string", with(`"category":"laboratory"`), ""},
		{"JS-19 coding is an object", with(`"category":[{"coding":{"system":"s","code":"c"}}]`), ""},
		{"JS-19 a code is a number", with(`"category":[{"coding":[{"system":"s","code":1}]}]`), ""},
		{"JS-19 an array in an array", with(`"note":[[{"text":"x"}]]`), ""},
		{"JS-19 meta is an array", with(`"meta":[]`), ""},
		{"JS-15 a resource that is not contained", with(`"x":{"resourceType":"Observation"}`), ""},
		{"JS-15 contained in contained", with(`"contained":[{"resourceType":"Condition","contained":[{"resourceType":"Condition"}]}]`), ""},
		{"JS-15 contained is an object", with(`"contained":{"resourceType":"Condition"}`), ""},
		{"JS-15 contained has a string", with(`"contained":["x"]`), ""},
		{"JS-20 no id", `{"resourceType":"Observation",` + subject + `}`, ""},
		{"JS-20 an odd id", `{"resourceType":"Observation","id":"a b",` + subject + `}`, ""},
		{"JS-20 an id that is a number", `{"resourceType":"Observation","id":1,` + subject + `}`, ""},

		{"RF-1 a versioned reference", obs(`"subject":{"reference":"Patient/A/_history/3"}`), "A"},
		{"RF-1 two versions of one patient", with(`"focus":[{"reference":"Patient/A/_history/3"}]`), "A"},
		{"RF-2 absolute on the source's base", obs(`"subject":{"reference":"http://hapi:8080/fhir/Patient/A"}`), "A"},
		{"RF-2 a longer path", obs(`"subject":{"reference":"http://hapi:8080/fhirX/Patient/A"}`), ""},
		{"RF-2 one letter behind the base in place of the slash", obs(`"subject":{"reference":"http://hapi:8080/fhirXPatient/A"}`), ""},
		{"RF-2 a practitioner of a longer path", with(`"performer":[{"reference":"http://hapi:8080/fhir-2/Practitioner/p"}]`), "A"},
		{"RF-2 an at sign behind the base", obs(`"subject":{"reference":"http://hapi:8080/fhir@evil/Patient/A"}`), ""},
		{"RF-2 another port", obs(`"subject":{"reference":"http://hapi:8081/fhir/Patient/A"}`), ""},
		{"RF-2 another scheme", obs(`"subject":{"reference":"https://hapi:8080/fhir/Patient/A"}`), ""},
		{"RF-2 no slash behind the base", obs(`"subject":{"reference":"http://hapi:8080/fhirPatient/A"}`), ""},
		{"RF-3 another base", obs(`"subject":{"reference":"https://other.example/fhir/Patient/A"}`), ""},
		{"RF-3 a patient of another base beside the subject", with(`"focus":[{"reference":"https://other.example/fhir/Patient/A"}]`), ""},
		{"RF-3 a practitioner of another base", with(`"performer":[{"reference":"https://other.example/fhir/Practitioner/p/_history/1"}]`), "A"},
		{"RF-3 a broken version of another base", with(`"performer":[{"reference":"https://other.example/fhir/Practitioner/p/_history/"}]`), ""},
		{"RF-4 only an identifier", obs(`"subject":{"identifier":{"system":"` + systemBSN + `","value":"999999990"}}`), ""},
		{"RF-4 a person's identifier elsewhere without reference", with(`"focus":[{"identifier":{"system":"` + systemBSN + `","value":"999999990"}}]`), ""},
		{"RF-4 a practitioner's identifier elsewhere", with(`"performer":[{"identifier":{"system":"urn:uzi","value":"1"},"type":"Practitioner"}]`), "A"},
		{"RF-6 type contradicts the reference", obs(`"subject":{"reference":"Group/A","type":"Patient"}`), ""},
		{"RF-6 type contradicts the reference the other way", obs(`"subject":{"reference":"Patient/A","type":"Group"}`), ""},
		{"RF-6 type of another shape", obs(`"subject":{"reference":"Patient/A","type":["Patient"]}`), ""},
		{"RF-6 type agrees", obs(`"subject":{"reference":"Patient/A","type":"Patient"}`), "A"},
		{"RF-6 type agrees as a URL", obs(`"subject":{"reference":"Patient/A","type":"http://hl7.org/fhir/StructureDefinition/Patient"}`), "A"},
		{"RF-6 type Patient without a reference", with(`"focus":[{"type":"Patient","display":"Mrs B"}]`), ""},
		{"RF-7 a contained Patient", obs(`"subject":{"reference":"#p1"},"contained":[{"resourceType":"Patient","id":"p1"}]`), ""},
		{"RF-7 a contained Patient beside the subject", with(`"contained":[{"resourceType":"Patient","id":"p1"}]`), ""},
		{"RF-7 a contained Patient with a number", with(`"performer":[{"reference":"#p1"}],"contained":[{"resourceType":"Patient","id":"p1","identifier":[{"system":"` + systemBSN + `","value":"999999990"}]}]`), "A"},
		{"RF-7 as the subject", obs(`"subject":{"reference":"#p1"},"contained":[{"resourceType":"Patient","id":"p1","identifier":[{"system":"` + systemBSN + `","value":"999999990"}]}]`), ""},
		{"RF-7 with a number of somebody beside", with(`"contained":[{"resourceType":"Patient","id":"p1","contact":[{"identifier":[{"system":"` + systemBSN + `","value":"999999990"}]}]}]`), ""},
		{"RF-7 with a number and a link", with(`"contained":[{"resourceType":"Patient","id":"p1","identifier":[{"system":"` + systemBSN + `","value":"999999990"}],"link":[]}]`), ""},
		{"RF-7 two, one without a number", with(`"contained":[{"resourceType":"Patient","id":"p1","identifier":[{"system":"` + systemBSN + `","value":"999999990"}]},{"resourceType":"Patient","id":"p2"}]`), ""},
		{"RF-7 a fragment that leads nowhere", with(`"focus":[{"reference":"#p1"}]`), ""},
		{"RF-7 a contained Practitioner", with(`"performer":[{"reference":"#p1"}],"contained":[{"resourceType":"Practitioner","id":"p1"}]`), "A"},
		{"RF-7 a contained resource points at its container", with(`"contained":[{"resourceType":"Condition","id":"c","evidence":[{"detail":[{"reference":"#"}]}]}]`), "A"},
		{"RF-8 urn:uuid", obs(`"subject":{"reference":"urn:uuid:8f4f5f1e-0000-4000-8000-000000000000"}`), ""},
		{"RF-8 urn:uuid beside the subject", with(`"encounter":{"reference":"urn:uuid:8f4f5f1e-0000-4000-8000-000000000000"}`), ""},
		{"RF-9 conditional", obs(`"subject":{"reference":"Patient?identifier=x|1"}`), ""},
		{"RF-9 a conditional patient beside the subject", with(`"focus":[{"reference":"Patient?identifier=x|1"}]`), ""},
		{"RF-9 a conditional practitioner", with(`"performer":[{"reference":"Practitioner?identifier=x|1"}]`), "A"},
		{"RF-9 conditional of no type", with(`"performer":[{"reference":"Foo?identifier=x|1"}]`), ""},
		{"RF-11 the subject is an array", obs(`"subject":[{"reference":"Patient/A"}]`), ""},
		{"RF-11 the focus is no array", with(`"focus":{"reference":"Patient/A"}`), ""},
		{"RF-11 reference is an array", obs(`"subject":{"reference":["Patient/A"]}`), ""},
		{"RF-11 reference is a number", obs(`"subject":{"reference":1}`), ""},
		{"RF-11 reference is null elsewhere", with(`"focus":[{"reference":null}]`), ""},
		{"RF-11 reference is an empty object", obs(`"subject":{"reference":{}}`), ""},
		{"RF-11 only _reference", obs(`"subject":{"_reference":{"extension":[{"url":"x","valueCode":"unknown"}]}}`), ""},
		{"RF-11 only display", obs(`"subject":{"display":"Mrs B"}`), ""},
		{"RF-11 an empty subject", obs(`"subject":{}`), ""},
		{"RF-15 an extension's reference", with(`"extension":[{"url":"x","extension":[{"url":"y","valueReference":{"reference":"Patient/B"}}]}]`), ""},
		{"RF-15 an annotation's author", with(`"note":[{"authorReference":{"reference":"Patient/B"},"text":"x"}]`), ""},
		{"RF-15 the same patient in an extension", with(`"extension":[{"url":"x","valueReference":{"reference":"Patient/A"}}]`), "A"},
		{"RF-15 only an extension names the patient", obs(`"extension":[{"url":"x","valueReference":{"reference":"Patient/A"}}]`), ""},
		{"RF-15 a uri that names another patient", with(`"extension":[{"url":"x","valueUri":"Patient/B"}]`), ""},
		{"RF-15 a uri of a part of a patient", with(`"extension":[{"url":"x","valueUri":"Patient/B#name"}]`), ""},
		{"RF-15 a canonical of a version of a patient", with(`"extension":[{"url":"x","valueCanonical":"Patient/B|1"}]`), ""},
		{"RF-15 a url of a patient with a query", with(`"extension":[{"url":"x","valueUrl":"http://other.example/fhir/Patient/B?_format=json"}]`), ""},
		{"RF-15 a url of a patient with a slash behind it", with(`"extension":[{"url":"x","valueUrl":"http://other.example/fhir/Patient/B/"}]`), ""},
		{"RF-15 a url of a patient, its scheme in capitals", with(`"extension":[{"url":"x","valueUrl":"HTTP://other.example/fhir/Patient/B"}]`), ""},
		{"RF-15 a url that asks for a patient", with(`"extension":[{"url":"x","valueUrl":"http://other.example/fhir/Patient?identifier=a|b"}]`), ""},
		{"RF-15 a url of a patient, encoded", with(`"extension":[{"url":"x","valueUrl":"http://other.example/open?url=fhir%2FPatient%2FB"}]`), ""},
		{"RF-15 a url of patients in general", with(`"extension":[{"url":"x","valueUrl":"https://other.example/Patient/"},{"url":"y","valueUri":"http://hl7.org/fhir/StructureDefinition/Patient"},{"url":"z","valueUrl":"https://other.example/InPatient/1"}]`), "A"},
		{"RF-15 a url of another base that names a patient", with(`"extension":[{"url":"x","valueUrl":"https://other.example/Patient/B"}]`), ""},
		{"RF-15 a canonical that names nobody", with(`"extension":[{"url":"x","valueCanonical":"http://example.org/x"}]`), "A"},

		{"RM-9 a relative's record in an extension", `{"resourceType":"FamilyMemberHistory","id":"f","patient":{"reference":"Patient/A"},` +
			`"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/familymemberhistory-patient-record","valueReference":{"reference":"Patient/B"}}]}`, ""},
		{"RM-3 an appointment of two", `{"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Patient/A"}},{"actor":{"reference":"Patient/B"}}]}`, ""},
		{"RM-3 an appointment of one", `{"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Patient/A"}},{"actor":{"reference":"Practitioner/p"}}]}`, "A"},
		{"RM-3 an appointment with a practitioner by number", `{"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Patient/A"}},{"actor":{"type":"Practitioner","identifier":{"system":"http://fhir.nl/fhir/NamingSystem/uzi-nr-pers","value":"900000001"}}}]}`, "A"},
		{"RM-3 with somebody by number", `{"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Patient/A"}},{"actor":{"identifier":{"system":"urn:x","value":"1"}}}]}`, ""},
		{"RM-3 with a relative by number", `{"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Patient/A"}},{"actor":{"type":"RelatedPerson","identifier":{"system":"urn:x","value":"1"}}}]}`, ""},
		{"RM-3 with a practitioner by the number of a citizen", `{"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Patient/A"}},{"actor":{"type":"Practitioner","identifier":{"system":"` + systemBSN + `","value":"1"}}}]}`, ""},
		{"RM-3 with a practitioner who is only described", `{"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Patient/A"}},{"actor":{"type":"Practitioner","display":"x"}}]}`, ""},
		{"RM-3 only with a practitioner by number", `{"resourceType":"Appointment","id":"a","participant":[{"actor":{"type":"Practitioner","identifier":{"system":"urn:x","value":"1"}}}]}`, ""},
		{"RM-3 an appointment with somebody who is only described", `{"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Patient/A"}},{"actor":{"display":"Mrs B"}}]}`, ""},
		{"RM-3 an actor in another place", `{"resourceType":"Appointment","id":"a","actor":{"reference":"Patient/A"}}`, ""},
		{"RM-6 a coverage with another subscriber", `{"resourceType":"Coverage","id":"c","beneficiary":{"reference":"Patient/A"},"subscriber":{"reference":"Patient/B"}}`, ""},
		{"RM-6 a coverage of one", `{"resourceType":"Coverage","id":"c","beneficiary":{"reference":"Patient/A"},"subscriber":{"reference":"Patient/A"}}`, "A"},
		{"RM-7 an account with another guarantor", `{"resourceType":"Account","id":"a","subject":[{"reference":"Patient/A"}],"guarantor":[{"party":{"reference":"Patient/B"}}]}`, ""},
		{"RM-7 an account of two", `{"resourceType":"Account","id":"a","subject":[{"reference":"Patient/A"},{"reference":"Patient/B"}]}`, ""},
		{"RM-1 a group", `{"resourceType":"Group","id":"g","member":[{"entity":{"reference":"Patient/A"}}]}`, ""},
		{"RM-2 a list", `{"resourceType":"List","id":"l","subject":{"reference":"Patient/A"}}`, ""},
		{"RM-8 a related person", `{"resourceType":"RelatedPerson","id":"r","patient":{"reference":"Patient/A"}}`, ""},
		{"RM-11 a provenance", `{"resourceType":"Provenance","id":"p","target":[{"reference":"Patient/A"}]}`, ""},
		{"RM-13 a group as subject", obs(`"subject":{"reference":"Group/g"}`), ""},
		{"RM-13 a device as subject, a patient as performer", obs(`"subject":{"reference":"Device/d"},"performer":[{"reference":"Patient/A"}]`), ""},
		{"RM-13 only a performer", obs(`"performer":[{"reference":"Patient/A"}]`), ""},
		{"RM-13 another focus", with(`"focus":[{"reference":"Patient/B"}]`), ""},
		{"RM-13 the patient as performer", with(`"performer":[{"reference":"Patient/A"}]`), "A"},
		{"RM-15 a mother in a newborn's encounter", `{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/child"},"participant":[{"individual":{"reference":"Patient/mother"}}]}`, ""},
		{"RM-4 a schedule", `{"resourceType":"Schedule","id":"s","actor":[{"reference":"Patient/A"}]}`, ""},
		{"RM-4 a slot", `{"resourceType":"Slot","id":"s","schedule":{"reference":"Schedule/s"},"extension":[{"url":"x","valueReference":{"reference":"Patient/A"}}]}`, ""},
		{"RM-5 a mother who writes about her child", `{"resourceType":"Communication","id":"c","subject":{"reference":"Patient/A"},"sender":{"reference":"Patient/B"}}`, ""},
		{"RM-5 what is written to another patient", `{"resourceType":"Communication","id":"c","subject":{"reference":"Patient/A"},"recipient":[{"reference":"Practitioner/p"},{"reference":"Patient/B"}]}`, ""},
		{"RM-5 what is about another patient", `{"resourceType":"CommunicationRequest","id":"c","subject":{"reference":"Patient/A"},"payload":[{"contentReference":{"reference":"Patient/B"}}]}`, ""},
		{"RM-5 a message of one patient", `{"resourceType":"Communication","id":"c","subject":{"reference":"Patient/A"},"sender":{"reference":"Patient/A"}}`, "A"},
		{"RM-12 small-cell counts", `{"resourceType":"MeasureReport","id":"m","subject":{"reference":"Patient/A"}}`, ""},
		{"RM-12 a research subject", `{"resourceType":"ResearchSubject","id":"r","individual":{"reference":"Patient/A"}}`, ""},
		{"RM-14 a donor's specimen", `{"resourceType":"Specimen","id":"s","subject":{"reference":"Patient/A"},"collection":{"collector":{"reference":"Patient/B"}}}`, ""},
		{"RM-14 a procedure by another patient", `{"resourceType":"Procedure","id":"p","subject":{"reference":"Patient/A"},"performer":[{"actor":{"reference":"Patient/B"}}]}`, ""},
		{"RM-14 a picture by another patient", `{"resourceType":"Media","id":"m","subject":{"reference":"Patient/A"},"operator":{"reference":"Patient/B"}}`, ""},
		{"RM-15 an observation on the foetus in the mother's record", `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/mother"},"focus":[{"reference":"Patient/child"}]}`, ""},
		{"RM-16 a document with a section about another", `{"resourceType":"Composition","id":"c","subject":{"reference":"Patient/A"},"section":[{"entry":[{"reference":"Observation/o"}]},{"focus":{"reference":"Patient/B"}}]}`, ""},
		{"RM-16 a document about one", `{"resourceType":"Composition","id":"c","subject":{"reference":"Patient/A"},"section":[{"entry":[{"reference":"Observation/o"},{"reference":"Patient/A"}]}]}`, "A"},
		{"RM-16 a manifest with another's document", `{"resourceType":"DocumentManifest","id":"d","subject":{"reference":"Patient/A"},"content":[{"reference":"DocumentReference/x"}],"recipient":[{"reference":"Patient/B"}]}`, ""},
		{"RM-16 a stored Bundle", `{"resourceType":"Bundle","id":"b","type":"document"}`, ""},
		{"RM-17 a task", `{"resourceType":"Task","id":"t","for":{"reference":"Patient/A"}}`, ""},
		{"RM-24 a patient who is only described", obs(`"subject":{"display":"Doe"}`), ""},
		{"the subject of a contained resource is not the subject", obs(`"contained":[{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/A"}}]`), ""},
		{"CA-13 another patient in a contained resource", with(`"contained":[{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/B"}}]`), ""},
		{"CA-13 a contained resource of a refused type", with(`"contained":[{"resourceType":"Group","id":"c"}]`), ""},
		{"CA-13 a contained resource of no type", with(`"contained":[{"id":"c"}]`), ""},
		{"CA-13 a contained id of another shape", with(`"contained":[{"resourceType":"Medication","id":1}]`), ""},
		{"JS-15 a nested Bundle", `{"resourceType":"Bundle","id":"b","type":"collection","subject":{"reference":"Patient/A"},"entry":[]}`, ""},
		{"JS-15 Parameters", `{"resourceType":"Parameters","id":"p","subject":{"reference":"Patient/A"}}`, ""},

		{"a Patient belongs to itself", `{"resourceType":"Patient","id":"A"}`, "A"},
		{"a Patient that names itself", `{"resourceType":"Patient","id":"A","extension":[{"url":"x","valueReference":{"reference":"Patient/A"}}]}`, "A"},
		{"a Patient that names another", `{"resourceType":"Patient","id":"A","extension":[{"url":"x","valueReference":{"reference":"Patient/B"}}]}`, ""},
		{"RM-10 Patient.link does not count", `{"resourceType":"Patient","id":"A","link":[{"other":{"reference":"Patient/B"},"type":"seealso"}]}`, "A"},
		{"RM-10 nor what is odd in it", `{"resourceType":"Patient","id":"A","link":[{"other":{"reference":"urn:x"},"type":"seealso"}]}`, "A"},
		{"a link of another type counts", with(`"link":[{"other":{"reference":"Patient/B"}}]`), ""},
		{"a link of a contained resource counts", `{"resourceType":"Patient","id":"A","contained":[{"resourceType":"Organization","id":"o","link":{"reference":"Patient/B"}}]}`, ""},
		{"B9 a label that is never disclosed", with(`"meta":{"security":[` + never + `]}`), ""},
		{"B9 behind a label of normal", with(`"meta":{"security":[{"system":"` + systemConfidentiality + `","code":"N"},` + never + `]}`), ""},
		{"B9 a tag", with(`"meta":{"tag":[{"code":"x"},` + never + `]}`), ""},
		{"B9 a tag, escaped", with(`"meta":{"tag":[{"system":"urn:n\u006fte","code":"\u006fwn"}]}`), ""},
		{"B9 a securityLabel", with(`"securityLabel":[{"coding":[` + never + `]}]`), ""},
		{"B9 a label of a contained resource", with(`"contained":[{"resourceType":"Medication","id":"m","meta":{"security":[` + never + `]}}]`), ""},
		{"B9 a tag of a contained resource", with(`"contained":[{"resourceType":"Medication","id":"m","meta":{"tag":[` + never + `]}}]`), ""},
		{"B9 the category", with(`"category":[{"coding":[` + never + `]}]`), ""},
		{"B9 a Patient", `{"resourceType":"Patient","id":"A","meta":{"tag":[` + never + `]}}`, ""},
		{"B9 the code of another system", with(`"meta":{"tag":[{"system":"urn:notes","code":"own"}]}`), "A"},
		{"B9 a longer code", with(`"meta":{"tag":[{"system":"urn:note","code":"owner"}]}`), "A"},

		{"SE-20 a resource that is not whole", with(`"meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}`), ""},
		{"SE-20 nor is a contained one", with(`"contained":[{"resourceType":"Medication","id":"m","meta":{"tag":[{"code":"x"},{"code":"SUBSETTED"}]}}]`), ""},
		{"SE-20 another tag", with(`"meta":{"tag":[{"code":"HTEST"}]},"tag":[{"code":"SUBSETTED"}]`), "A"},
		{"a name with the source's host", with(`"http://hapi/x":1`), ""},
	}
	for _, lenient := range []string{
		"Patient/a%41", "patient/A", "Patient/A/", "/Patient/A", "./Patient/A", "Patient/../Patient/A", "Patient%2FA", "Patient/A?x=1", "Patient/A#f",
		"Patient/Α", "Patient/A\u200b", "Patient/é", "Patient/" + id65, " Patient/A", "Patient/A ", "Patient//A", "Patient/.", "Patient/..", "Patient", "Patient/",
		"", "A", "Patient/A/_history/", "Patient/A/_history/1/2", "Patient/A/_History/1", "FHIR/Patient/A",
	} {
		tests = append(tests, struct{ name, resource, patient string }{"RF-10 the reference " + lenient, obs(`"subject":{"reference":"` + lenient + `"}`), ""})
	}
	tests = append(tests,
		struct{ name, resource, patient string }{"RF-10 an id of 64 characters", obs(`"subject":{"reference":"Patient/` + id64 + `"}`), id64},
		struct{ name, resource, patient string }{"RF-10 another case is another patient", with(`"focus":[{"reference":"Patient/a"}]`), ""})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readOne(t, tt.resource)
			if got.Attributed != (tt.patient != "") || string(got.Patient) != tt.patient {
				t.Errorf("got attributed %v to %q, want %q", got.Attributed, got.Patient, tt.patient)
			}
			if got.Shared {
				t.Error("got shared")
			}
			if !got.Attributed && (got.Categories != nil || got.References != nil || got.Identifiers != nil) {
				t.Errorf("a resource of nobody discloses %+v", got)
			}
			if got.Attributed && len(got.Categories) == 0 {
				t.Error("attributed without a category")
			}
		})
	}
}

func TestSharedResources(t *testing.T) {
	tests := []struct {
		name, resource string
		shared         bool
		categories     []fhir.DataCategory
	}{
		{"RM-19 an Organization", `{"resourceType":"Organization","id":"o"}`, true, nil},
		{"RM-19 a Medication", `{"resourceType":"Medication","id":"m","ingredient":[{"itemReference":{"reference":"Substance/s"}}]}`, true, nil},
		{"RM-19 a Location that names a patient", `{"resourceType":"Location","id":"l","extension":[{"url":"x","valueReference":{"reference":"Patient/A"}}]}`, false, nil},
		{"RM-19 a Location that names two", `{"resourceType":"Location","id":"l","a":{"reference":"Patient/A"},"b":{"reference":"Patient/B"}}`, false, nil},
		{"RM-19 a Location with an unreadable reference", `{"resourceType":"Location","id":"l","a":{"reference":"urn:x"}}`, false, nil},
		{"RM-19 a Practitioner without id", `{"resourceType":"Practitioner"}`, false, nil},
		{"CA-6 a Medication with a sensitive code", `{"resourceType":"Medication","id":"m","code":{"coding":[{"system":"` + atc + `","code":"N06AB06"}]}}`, true, []fhir.DataCategory{"MentalHealth"}},
		{"CA-11 a Practitioner with a label", `{"resourceType":"Practitioner","id":"p","meta":{"security":[{"system":"x","code":"y"}]}}`, true, []fhir.DataCategory{fhir.Restricted}},
		{"B9 a Practitioner that is never disclosed", `{"resourceType":"Practitioner","id":"p","meta":{"tag":[` + never + `]}}`, false, nil},
		{"BI-13 an Endpoint", `{"resourceType":"Endpoint","id":"e"}`, false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readOne(t, tt.resource)
			if got.Shared != tt.shared || got.Attributed || got.Patient != "" {
				t.Errorf("got %+v, want shared %v", got, tt.shared)
			}
			if !slices.Equal(got.Categories, tt.categories) {
				t.Errorf("got categories %v, want %v", got.Categories, tt.categories)
			}
		})
	}
}

func TestReferencesAndIdentifiers(t *testing.T) {
	got := readOne(t, `{"resourceType":"DiagnosticReport","id":"d","subject":{"reference":"Patient/A","identifier":{"system":"`+systemBSN+`","value":"999999990"}},`+
		`"result":[{"reference":"Observation/1/_history/2"},{"reference":"http://hapi:8080/fhir/Observation/2"}],"performer":[{"reference":"Practitioner?x"}],`+
		`"encounter":{"identifier":{"system":"`+systemBSN+`","_value":{"id":"masked"}},"reference":"Encounter/e"}}`)
	if want := []fhir.LocalReference{{Type: "Observation", ID: "1"}, {Type: "Observation", ID: "2"}, {Type: "Encounter", ID: "e"}}; !slices.Equal(got.References, want) {
		t.Errorf("got references %v, want %v", got.References, want)
	}
	if want := []fhir.Identifier{{System: systemBSN, Value: "999999990"}}; !slices.Equal(got.Identifiers, want) {
		t.Errorf("RF-5: got identifiers %v, want %v", got.Identifiers, want)
	}
	patient := readOne(t, `{"resourceType":"Patient","id":"A","identifier":[{"system":"`+systemBSN+`","value":"1"}],`+
		`"link":[{"other":{"reference":"Patient/B","identifier":{"system":"`+systemBSN+`","value":"2"}},"type":"refer"}]}`)
	if want := []fhir.Identifier{{System: systemBSN, Value: "1"}}; !slices.Equal(patient.Identifiers, want) {
		t.Errorf("RM-10: got identifiers %v, want %v", patient.Identifiers, want)
	}
}

// TestOneNumberUnderTwoNames: the BSN is the same number under the OID of its system.
func TestOneNumberUnderTwoNames(t *testing.T) {
	const oid = "urn:oid:2.16.840.1.113883.2.4.6.3"
	body := []byte(`{"resourceType":"Patient","id":"A","identifier":[{"system":"` + oid + `","value":"999999990"}]}`)
	want := []fhir.Identifier{{System: systemBSN, Value: "999999990"}}
	for _, configured := range []string{systemBSN, oid} {
		r, err := fhir.NewReader(fhir.ReaderOptions{
			Version: fhir.R4, Base: "http://hapi:8080/fhir", PersonSystems: []string{configured}, Classifier: newClassifier(t),
		})
		if err != nil {
			t.Fatal(err)
		}
		var c fhir.Contents
		if err := r.Resource(body, fhir.LocalReference{Type: "Patient", ID: "A"}, &c); err != nil {
			t.Fatal(err)
		}
		if got := c.Resources[0].Identifiers; !slices.Equal(got, want) {
			t.Errorf("%s: got identifiers %v, want %v", configured, got, want)
		}
		if got := string(c.AppendResource(nil, 0, fhir.Edits{StripIdentifiers: true})); strings.Contains(got, "999999990") {
			t.Errorf("%s: the number is still in %s", configured, got)
		}
		records, err := r.Patients(body, "2026-06-15")
		if err != nil || len(records) != 1 || !slices.Equal(records[0].Identifiers, want) {
			t.Errorf("%s: got %v %v, want a patient with %v", configured, records, err, want)
		}
	}
}

// TestANumberIsStrippedHoweverItsSystemIsWritten: for stripping, a BSN is recognized in any spelling of its system. Only the exact
// name says whose record it is.
func TestANumberIsStrippedHoweverItsSystemIsWritten(t *testing.T) {
	for _, system := range []string{
		"https://fhir.nl/fhir/NamingSystem/bsn", systemBSN + "/", "http://fhir.nl/fhir/namingsystem/BSN", " " + systemBSN, systemBSN + "|1",
		"2.16.840.1.113883.2.4.6.3", "URN:OID:2.16.840.1.113883.2.4.6.3",
	} {
		body := []byte(`{"resourceType":"Patient","id":"A","birthDate":"1970-01-01","identifier":[{"system":"` + system + `","value":"999999990"}]}`)
		r := newReader(t)
		var c fhir.Contents
		if err := r.Resource(body, fhir.LocalReference{Type: "Patient", ID: "A"}, &c); err != nil {
			t.Fatal(err)
		}
		if got, want := c.Resources[0].Identifiers, []fhir.Identifier{{System: systemBSN, Value: "999999990"}}; !slices.Equal(got, want) {
			t.Errorf("%s: got identifiers %v, want %v", system, got, want)
		}
		if got := string(c.AppendResource(nil, 0, fhir.Edits{StripIdentifiers: true})); strings.Contains(got, "999999990") {
			t.Errorf("%s: the number is still in %s", system, got)
		}
		if records, err := r.Patients(body, "2026-06-15"); err != nil || len(records) != 1 || len(records[0].Identifiers) != 0 {
			t.Errorf("%s: got %v %v, want a patient of whom it does not tell", system, records, err)
		}
	}
}

func TestSearchsetEntries(t *testing.T) {
	obs := func(id string) string {
		return `{"resourceType":"Observation","id":"` + id + `","subject":{"reference":"Patient/A"}}`
	}
	tests := []struct {
		name  string
		entry []string
		want  string // type/id of attributed resources, in order; "-" before those that are not
	}{
		{"a match and an include", []string{match(obs("1")), `{"search":{"mode":"include"},"resource":` + obs("2") + `}`}, "Observation/1 Observation/2"},
		{"IN-9 an outcome", []string{`{"resource":{"resourceType":"OperationOutcome","id":"x","issue":[]},"search":{"mode":"outcome"}}`}, ""},
		{"IN-8 no search mode: its type tells", []string{`{"resource":` + obs("1") + `}`}, "Observation/1"},
		{"IN-8 a search without a mode", []string{`{"resource":` + obs("1") + `,"search":{"score":1}}`}, "Observation/1"},
		{"IN-8 a mode that is no word", []string{`{"resource":` + obs("1") + `,"search":{"mode":1}}`}, ""},
		{"IN-8 another mode", []string{`{"resource":` + obs("1") + `,"search":{"mode":"outcome"}}`}, ""},
		{"IN-8 an unknown search mode", []string{`{"resource":` + obs("1") + `,"search":{"mode":"Match"}}`}, ""},
		{"IN-8 a search mode of another shape", []string{`{"resource":` + obs("1") + `,"search":{"mode":["match"]}}`}, ""},
		{"JS-14 no resource", []string{`{"fullUrl":"http://hapi:8080/fhir/Observation/1","link":[{"url":"x"}],"response":{"location":"Observation/1"}}`}, ""},
		{"UR-1 the fullUrl of the resource", []string{`{"fullUrl":"http://hapi:8080/fhir/Observation/1",` + match(obs("1"))[1:]}, "Observation/1"},
		{"UR-1 the fullUrl escaped", []string{`{"fullUrl":"http:\/\/hapi:8080\/fhir\/Observation\/1",` + match(obs("1"))[1:]}, "Observation/1"},
		{"UR-1 the fullUrl escaped behind the base", []string{`{"fullUrl":"http://hapi:8080/fhir\/Observation\u002f1",` + match(obs("1"))[1:]}, "Observation/1"},
		{"RF-12 a fullUrl of another base", []string{`{"fullUrl":"http://example.org/fhir-2/Observation/1",` + match(obs("1"))[1:]}, "-Observation/1"},
		{"RF-12 a fullUrl that goes on with the base", []string{`{"fullUrl":"http://hapi:8080/fhirX/Observation/1",` + match(obs("1"))[1:]}, "-Observation/1"},
		{"RF-12 a relative fullUrl", []string{`{"fullUrl":"Observation/1",` + match(obs("1"))[1:]}, "-Observation/1"},
		{"RF-8 a urn as fullUrl", []string{`{"fullUrl":"urn:uuid:1",` + match(obs("1"))[1:]}, "-Observation/1"},
		{"UR-1 the fullUrl of another resource", []string{`{"fullUrl":"http://hapi:8080/fhir/Observation/2",` + match(obs("1"))[1:]}, "-Observation/1"},
		{"UR-1 the fullUrl of another type", []string{`{"fullUrl":"http://hapi:8080/fhir/Condition/1",` + match(obs("1"))[1:]}, "-Observation/1"},
		{"JS-24 one resource twice, in two versions", []string{match(obs("1")), match(obs("2")), match(strings.Replace(obs("1"), "}}", `},"status":"final"}`, 1))},
			"-Observation/1 Observation/2 -Observation/1"},
		{"JS-24 one resource twice, the same", []string{match(obs("1")), match(obs("1"))}, "Observation/1 -Observation/1"},
		{"JS-20 two without id", []string{match(`{"resourceType":"Observation"}`), match(`{"resourceType":"Observation"}`)}, "-Observation/ -Observation/"},
		{"PG-6 another patient's in between", []string{match(obs("1")), match(`{"resourceType":"Group","id":"g"}`)}, "Observation/1 -Group/g"},
		{"no entries", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c fhir.Contents
			if err := newReader(t).Searchset([]byte(searchset(tt.entry...)), &c); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range c.Resources {
				name := fhir.LocalReference{Type: r.Type, ID: r.ID}.String()
				if !r.Attributed {
					name = "-" + name
				}
				got = append(got, name)
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func TestSearchsetLinks(t *testing.T) {
	body := `{"link":[{"relation":"self","url":"http://hapi:8080/fhir/x"},{"relation":"first","url":"f"},{"url":"http:\/\/hapi:8080\/fhir?_getpages=\u0031","relation":"next"},` +
		`{"relation":"vendor"}],"total":3,"type":"searchset","resourceType":"Bundle"}`
	var c fhir.Contents
	if err := newReader(t).Searchset([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	if c.Self != "http://hapi:8080/fhir/x" || c.Next != "http://hapi:8080/fhir?_getpages=1" {
		t.Errorf("got self %q, next %q", c.Self, c.Next)
	}
}

func TestResource(t *testing.T) {
	obs := `{"resourceType":"Observation","id":"X","subject":{"reference":"Patient/A"}}`
	want := fhir.LocalReference{Type: "Observation", ID: "X"}
	var c fhir.Contents
	r := newReader(t)
	if err := r.Resource([]byte("\r\n\t "+obs+" \n"), want, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Resources) != 1 || !c.Resources[0].Attributed || c.Resources[0].Mode != fhir.ModeMatch {
		t.Errorf("got %+v", c.Resources)
	}
	for name, body := range map[string]string{
		"JS-20 another id":                     strings.Replace(obs, `"X"`, `"Y"`, 1),
		"JS-20 another type":                   strings.Replace(obs, "Observation", "Condition", 1),
		"JS-20 no id":                          strings.Replace(obs, `"id":"X",`, "", 1),
		"JS-12 null":                           "null",
		"JS-16 a Bundle":                       searchset(match(obs)),
		"JS-7 two resources":                   obs + obs,
		"an OperationOutcome":                  `{"resourceType":"OperationOutcome","id":"X"}`,
		"JS-20 another id in another encoding": strings.Replace(obs, `"X"`, `"\u0058\u0058"`, 1),
	} {
		if err := r.Resource([]byte(body), want, &c); !errors.Is(err, fhir.ErrContent) || len(c.Resources) != 0 {
			t.Errorf("%s: got %v and %d resources, want ErrContent and none", name, err, len(c.Resources))
		}
	}
}

// Strings of Contents do not change when the body's memory is reused: a patient's id ends up in a cache.
func TestStringsOutliveTheBody(t *testing.T) {
	body := []byte(searchset(match(`{"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/A1","identifier":{"system":"` + systemBSN + `","value":"12"}},"encounter":{"reference":"Encounter/e1"}}`)))
	var c fhir.Contents
	if err := newReader(t).Searchset(body, &c); err != nil {
		t.Fatal(err)
	}
	r := c.Resources[0]
	before := fmt.Sprintf("%+v", r)
	for i := range body {
		body[i] = 'x'
	}
	if after := fmt.Sprintf("%+v", r); after != before {
		t.Errorf("got %s, want %s", after, before)
	}
}

// Contents keep nothing of one source when a response of another source is read into them.
func TestContentsGoFromReaderToReader(t *testing.T) {
	classifier, err := fhir.NewClassifier(fhir.R4, []fhir.CategoryRule{{Category: "Other", Type: "Observation"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := fhir.NewReader(fhir.ReaderOptions{
		Version: fhir.R4, Base: "https://other.example/r4", PersonSystems: []string{"urn:other"}, Classifier: classifier, MaxDepth: 200,
	})
	if err != nil {
		t.Fatal(err)
	}
	body := func(base string) []byte {
		return []byte(searchset(match(`{"resourceType":"Observation","id":"o","subject":{"reference":"` + base + `/Patient/A"},` +
			`"identifier":[{"system":"` + systemBSN + `","value":"1"},{"system":"urn:other","value":"2"}]}`)))
	}
	var c fhir.Contents
	one := newReader(t)
	for range 2 {
		for _, tt := range []struct {
			r        *fhir.Reader
			base     string
			owner    bool
			person   string
			category fhir.DataCategory
		}{
			{one, "http://hapi:8080/fhir", true, systemBSN, fhir.Unclassified}, {other, "http://hapi:8080/fhir", false, "", ""},
			{other, "https://other.example/r4", true, "urn:other", "Other"}, {one, "https://other.example/r4", false, "", ""},
		} {
			if err := tt.r.Searchset(body(tt.base), &c); err != nil {
				t.Fatal(err)
			}
			got := c.Resources[0]
			if got.Attributed != tt.owner || tt.owner && (len(got.Identifiers) != 1 || got.Identifiers[0].System != tt.person || got.Categories[0] != tt.category) {
				t.Errorf("%s: got %+v, want attributed %v", tt.base, got, tt.owner)
			}
			if out := c.AppendResource(nil, 0, fhir.Edits{Base: "https://gw.example"}); strings.Contains(string(out), tt.base) {
				t.Errorf("the source is named in %s", out)
			}
		}
	}
}

func TestReadingHardlyAllocates(t *testing.T) {
	body := benchBundle()
	r := benchReader(t)
	var c fhir.Contents
	var dst []byte
	keep := slices.Repeat([]bool{true}, 50)
	edits := fhir.Edits{Base: "https://gw.example/fhir/h", Self: "https://gw.example/x", StripIdentifiers: true}
	allocs := testing.AllocsPerRun(20, func() {
		if err := r.Searchset(body, &c); err != nil {
			t.Fatal(err)
		}
		dst = c.AppendSearchset(dst[:0], keep, edits)
	})
	// One is the copy of all strings, which outlives the body; the other is how the entries of the answer begin.
	if allocs > 2 {
		t.Errorf("got %v allocations, want 2", allocs)
	}
}

func TestNewReaderRefuses(t *testing.T) {
	good := fhir.ReaderOptions{Version: fhir.R4, Base: "http://hapi:8080/fhir", Classifier: newClassifier(t)}
	if _, err := fhir.NewReader(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(o *fhir.ReaderOptions){
		"no version":           func(o *fhir.ReaderOptions) { o.Version = 0 },
		"no classifier":        func(o *fhir.ReaderOptions) { o.Classifier = nil },
		"no base":              func(o *fhir.ReaderOptions) { o.Base = "" },
		"a relative base":      func(o *fhir.ReaderOptions) { o.Base = "/fhir" },
		"another scheme":       func(o *fhir.ReaderOptions) { o.Base = "ftp://hapi/fhir" },
		"a trailing slash":     func(o *fhir.ReaderOptions) { o.Base = "http://hapi:8080/fhir/" },
		"a user in the base":   func(o *fhir.ReaderOptions) { o.Base = "http://u:p@hapi/fhir" },
		"a query in the base":  func(o *fhir.ReaderOptions) { o.Base = "http://hapi/fhir?x=1" },
		"a broken base":        func(o *fhir.ReaderOptions) { o.Base = "http://[::1/fhir" },
		"a negative depth":     func(o *fhir.ReaderOptions) { o.MaxDepth = -1 },
		"an unlimited depth":   func(o *fhir.ReaderOptions) { o.MaxDepth = 1 << 20 },
		"negative entry limit": func(o *fhir.ReaderOptions) { o.MaxEntries = -1 },
	} {
		o := good
		change(&o)
		if _, err := fhir.NewReader(o); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
