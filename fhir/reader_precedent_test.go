package fhir

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Reading along a precedent changes nothing: in searchsets of a few forms, real and made up, in which random values are replaced, mostly by
// ones that mean something, the oracle finds the same, and whatever is recorded about a resource is what is recorded when it is read alone.
func TestReaderAgreesWithOracleOnResourcesOfOneForm(t *testing.T) {
	oracles := [...]*oracle{testOracle(R4), testOracle(STU3)}
	readers := [...]*Reader{testReader(t, oracles[0]), testReader(t, oracles[1])}
	real := slices.DeleteFunc(realResources(t), func(r string) bool { return len(r) > 2000 })
	var c Contents
	var total, along, changed, known, refused int
	for seed := range uint64(600) {
		if seed/2%sweep > 0 {
			continue
		}
		o, r := oracles[seed%2], readers[seed%2]
		g := &similar{Rand: rand.New(rand.NewPCG(seed, 11)), version: o.Version, real: real}
		body := g.searchset(func(form string) bool { return r.Searchset([]byte(asSearchset(form)), &c) == nil })
		if err := compareWithOracle(o, r, &c, body); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, body)
		}
		followed, repeated, err := readBoth(r, &c, body)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, body)
		}
		if followed == nil {
			refused++
		}
		for i, yes := range followed {
			total++
			if yes {
				along++
				if g.nasty[i] {
					changed++
				}
				if repeated[i] {
					known++
				}
			}
		}
	}
	t.Logf("%d resources, %d along a precedent, %d of these with a value that can mean something, %d judged as before; %d bodies were refused",
		total, along, changed, known, refused)
	if along < 900/sweep || changed < 300/sweep || known < 200/sweep || refused < 60/sweep {
		t.Error("too few to show anything")
	}
}

// readBoth reads the resources of a searchset as the reader does, and each of them alone; it returns which were read along a precedent, and
// which of these were judged by what became of another, or nothing if the body is refused, and an error if they are not judged the same.
func readBoth(r *Reader, c *Contents, body []byte) (followed, repeated []bool, err error) {
	if r.Searchset(body, c) != nil {
		return nil, nil, nil
	}
	places := slices.Clone(c.places)
	var other Contents
	c.reset(r, body)
	other.reset(r, body)
	for i, p := range places {
		c.walk.depth, other.walk.depth = 3, 3 // of the Bundle, its entries and an entry
		got := judgement(c, c.entryResource(int(p.at.start), ModeMatch, c.walk.among))
		followed = append(followed, c.walk.precedents.followed != nil)
		repeated = append(repeated, c.walk.parts[0] == part{}) // nothing is recorded about it
		if want := judgement(&other, other.entryResource(int(p.at.start), ModeMatch, other.walk.alone)); got != want {
			return nil, nil, fmt.Errorf("resource %d:\n got %s\nwant %s", i, got, want)
		}
	}
	return followed, repeated, nil
}

// judgement tells all that becomes of the resource that was read last, with each text.
func judgement(c *Contents, end int) string {
	w, last := &c.walk, len(c.Resources)-1
	r, p := c.Resources[last], c.places[last]
	text := func(t textSpan) string { return fmt.Sprintf("%q", c.texts[t.start:t.end]) }
	var b strings.Builder
	fmt.Fprintln(&b, "end", end, w.depth, w.err, r, p.at, "named", text(p.name), "of", text(p.patient))
	for _, f := range c.found.references[p.references[0]:p.references[1]] {
		fmt.Fprintln(&b, "refers to", f.owner, text(f.text))
	}
	for _, f := range c.found.identifiers[p.identifiers[0]:p.identifiers[1]] {
		fmt.Fprintln(&b, "holds", f.owner, text(f.text))
	}
	fmt.Fprintln(&b, c.results.categories[p.categories[0]:p.categories[1]])
	fmt.Fprintln(&b, w.edits[p.edits[0]:p.edits[1]], w.attachments[p.attachments[0]:p.attachments[1]])
	return b.String()
}

// similar makes searchsets of resources that have a few forms.
type similar struct {
	*rand.Rand
	version Version
	real    []string
	nasty   []bool // by resource: is one of its values replaced by one that can mean something
}

// Values with which others are replaced. Each of nastyTexts means something in some place, or is hard to read.
var (
	nastyTexts = []string{
		`"Patient/A"`, `"Patient/B"`, `"Patient/B/_history/1"`, `"Patient\/B"`, `"\u0050atient/B"`, `"http://hapi:8080/fhir/Patient/B"`, `"http://other.example/fhir/Patient/A"`,
		`"Patient?identifier=1"`, `"Group/g"`, `"Practitioner/p"`, `"Encounter/other"`, `"#"`, `"#c1"`, `"#c"`, `"c1"`, `"urn:uuid:1"`, `"Patient"`, `"Practitioner"`, `"Group"`,
		`"http://terminology.hl7.org/CodeSystem/v3-Confidentiality"`, `"http://hl7.org/fhir/v3/Confidentiality"`, `"R"`, `"V"`, `"N"`, `"SUBSETTED"`, `"SUBS\u0045TTED"`,
		`"http://hl7.org/fhir/sid/icd-10"`, `"F32.1"`, `"http://snomed.info/sct"`, `"370143000"`, `" 370143000"`, `"urn:note"`, `"own"`, `"http://fhir.nl/fhir/NamingSystem/bsn"`,
		`"urn:person"`, `"999990019"`, `"laboratory"`, `"vital-signs"`, `"85354-9"`, `"http://loinc.org"`, `"urn:survey"`, `"acd"`, `"Binary/1"`, `"Binary/gone"`,
		`"http://hapi:8080/fhir/Binary/1"`, `"https://bucket.example/x"`, `"application/fhir+json"`, `"see http://hapi:8080/fhir/x"`, `"HTTP://HAPI"`, `"http:\/\/hapi"`,
		`"%2f%2Fhapi%3A8080"`, `"//hapix"`, `""`, `" "`, `"a/b"`, `".."`, `"a\"b"`, `"\ud83d\ude00"`, `"é"`, `"` + strings.Repeat("long ", 200) + `"`,
	}
	nastyOthers = []string{
		`0`, `-0.0`, `12345678901234567890`, `1E+400`, `7`, `true`, `false`, `null`, `{}`, `[]`, `[[]]`, `["Patient/B"]`, `{"reference":"Patient/B"}`,
		`{"system":"urn:person","value":"1"}`, `[{"system":"urn:note","code":"own"}]`, `{"url":"Binary/1","title":"t"}`,
	}
	// The whole response is refused, mostly.
	broken = []string{
		`01`, `-`, `1.`, `.5`, `+1`, `1e`, `1 2`, `1x`, `0x1`, `Infinity`, `1"`, `"`, `"\ud83d"`, `"\u0000"`, `"\x"`, "\"\n\"", "\"\xff\"", `"a"b"`, `nul`, ``, `1,`, `"x","x":1`,
		`1}`, `1]`, `{"a":1,"a":2}`, `{"a":1 "b":2}`, `[1 2]`, `"x"}`, `"x"]}`, strings.Repeat("[", 62) + strings.Repeat("]", 62),
	}
)

// telling are the names of the members whose values are replaced most often.
var telling = slices.Concat(memberNames, []string{"value", "valueUri", "contentType", "versionId", "div"})

// searchset has resources of up to three forms that the reader accepts.
func (g *similar) searchset(accepts func(form string) bool) []byte {
	var forms []string
	for count := max(1, g.IntN(4)); len(forms) < count; {
		if form := g.form(); accepts(form) {
			forms = append(forms, form)
		}
	}
	sameID, damage := g.IntN(6) == 0, -1
	if g.IntN(6) == 0 {
		damage = 2 + g.IntN(5)
	}
	var entries []string
	for i := range 7 {
		form := forms[g.IntN(len(forms))]
		id := fmt.Sprintf(`"r%d"`, i)
		if sameID {
			id = `"A"`
		}
		entries = append(entries, g.entry(g.resource(form, id, i == damage)))
	}
	return []byte(`{"resourceType":"Bundle","type":"searchset","entry":[` + strings.Join(entries, ",") + `]}`)
}

// entry wraps a resource, most of the time as asSearchset does.
func (g *similar) entry(resource string) string {
	switch g.IntN(12) {
	case 0:
		return `{"resource":` + resource + `,"search":{"mode":"include"}}`
	case 1:
		return `{"fullUrl":"http://hapi:8080/fhir/Observation/r3","resource":` + resource + `}`
	}
	return `{"resource":` + resource + `,"search":{"mode":"match","score":1}}`
}

// form is a resource, a real one or one with a meaning somewhere.
func (g *similar) form() string {
	if g.IntN(3) == 0 {
		return g.real[g.IntN(len(g.real))]
	}
	name, snippet := memberNames[g.IntN(len(memberNames))], snippets[g.IntN(len(snippets))]
	member := `"` + name + `":` + snippet
	typ := []string{"Observation", "Patient", "Appointment", "Composition", "Condition", "Consent"}[g.IntN(6)]
	switch g.IntN(6) {
	case 0:
		return within(member)
	case 1:
		one := &returning{Rand: g.Rand, version: g.version, values: []string{snippet, innocent[g.IntN(len(innocent))], snippets[g.IntN(40)]}}
		return one.resource(0)
	case 2: // the same values at the same place of several elements
		value := []string{snippet, `{"reference":"Patient/A"}`, `[{"system":"http://loinc.org","code":"85354-9"}]`}[g.IntN(3)]
		list := `[{"` + name + `":` + value + `},{"` + name + `":` + value + `}]`
		return `{"resourceType":"` + typ + `","id":"A","subject":{"reference":"Patient/A"},"` + []string{"participant", "category", "contained", "x"}[g.IntN(4)] + `":` + list + `}`
	case 3:
		coding := []string{"laboratory", "vital-signs"}[g.IntN(2)]
		coding = `{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"` + coding + `"}],"text":"x"}`
		return `{"resourceType":"Observation","id":"A","category":[` + coding + `,` + coding + `],"subject":{"reference":"Patient/A","display":"x"},` + member + `}`
	}
	return pair(typ, member)[g.IntN(3)]
}

// resource fills in a form: with other values of no meaning, and up to two that may have one.
func (g *similar) resource(form, id string, damage bool) string {
	values := scalars(form)
	replaced := map[int]string{} // by index in values
	for range g.IntN(4) {
		n := g.IntN(len(values))
		switch old := form[values[n].start:values[n].end]; {
		case slices.Contains(telling, values[n].name):
		case old[0] == '"':
			replaced[n] = `"` + strings.Repeat("y", g.IntN(20)) + `"`
		case old[0] < 'a':
			replaced[n] = fmt.Sprint(g.IntN(100000))
		}
	}
	nasty := false
	for range max(0, g.IntN(4)-1) {
		n := g.IntN(len(values))
		for range 3 { // prefer values that tell something
			if !slices.Contains(telling, values[n].name) {
				n = g.IntN(len(values))
			}
		}
		nasty = true
		switch old := form[values[n].start]; {
		case values[n].name == "resourceType":
			replaced[n] = []string{`"Patient"`, `"Practitioner"`, `"Condition"`, `"Observation"`}[g.IntN(4)]
		case old == '"' && g.IntN(8) > 0:
			replaced[n] = nastyTexts[g.IntN(len(nastyTexts))]
		case old != '"' && g.IntN(4) > 0:
			replaced[n] = nastyOthers[g.IntN(len(nastyOthers))]
		default:
			replaced[n] = slices.Concat(nastyTexts, nastyOthers)[g.IntN(len(nastyTexts)+len(nastyOthers))]
		}
	}
	for n, v := range values {
		if v.name == "id" && v.depth == 1 && replaced[n] == "" {
			replaced[n] = id
		}
	}
	if damage {
		replaced[g.IntN(len(values))] = broken[g.IntN(len(broken))]
	}
	g.nasty = append(g.nasty, nasty)
	var b strings.Builder
	done := 0
	for n, v := range values {
		if text, ok := replaced[n]; ok {
			b.WriteString(form[done:v.start] + text)
			done = v.end
		}
	}
	return b.String() + form[done:]
}

// likes are n resources that differ from one in their ids.
func likes(resource string, n int) (all []string) {
	for _, v := range scalars(resource) {
		if v.name != "id" || v.depth != 1 {
			continue
		}
		for i := range n {
			all = append(all, fmt.Sprintf(`%s"r%d"%s`, resource[:v.start], i, resource[v.end:]))
		}
		return all
	}
	return slices.Repeat([]string{resource}, n)
}

// scalar is a string, number or other simple value in JSON.
type scalar struct {
	start, end int
	name       string // of the member that it is the value of, or in the list of
	depth      int    // of its object; 1 is the outermost
}

var jsonTokens = regexp.MustCompile(`("(?:[^"\\]|\\.)*")\s*:|("(?:[^"\\]|\\.)*"|[-0-9][-+.0-9eE]*|true|false|null)|([{}])`)

// scalars finds the simple values of an object.
func scalars(object string) (all []scalar) {
	name, depth := "", 0
	for _, m := range jsonTokens.FindAllStringSubmatchIndex(object, -1) {
		switch {
		case m[2] >= 0:
			name = object[m[2]+1 : m[3]-1]
		case m[4] >= 0:
			all = append(all, scalar{m[4], m[5], name, depth})
		case object[m[6]] == '{':
			depth++
		default:
			depth--
		}
	}
	return all
}

// ordinary is an Observation with something of everything that can have another value. ID is its id.
const ordinary = `{"resourceType":"Observation","id":"ID","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00Z","tag":[{"system":"urn:tag","code":"tagged"}],` +
	`"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]},"text":{"status":"generated","div":"<div>one</div>"},` +
	`"identifier":[{"system":"urn:number","value":"4711"}],"status":"final",` +
	`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],` +
	`"code":{"coding":[{"system":"http://loinc.org","code":"2947-0"}],"text":"Natrium"},` +
	`"subject":{"reference":"Patient/A","type":"Patient","display":"Mrs A"},"encounter":{"reference":"Encounter/e","display":"visit","_display":{"id":"d"}},` +
	`"focus":[{"reference":"#c","display":"inside"}],"performer":[{"reference":"Practitioner/p","display":"dr. P"}],` +
	`"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"84114007"}]}],"confidentiality":"N",` +
	`"extension":[{"url":"urn:e","valueUri":"urn:x"},{"url":"urn:f","valueAttachment":{"url":"https://elsewhere.example/x","contentType":"image/png","data":"AA==","title":"t"}}],` +
	`"contained":[{"resourceType":"Practitioner","id":"c","name":[{"text":"inner"}]}],"note":[{"text":"free"}],"valueQuantity":{"value":138.5,"unit":"mmol/l"}}`

// A value that differs from the precedent's has its effect, and no other: the third resource is like the second except in one place.
func TestReaderNoticesWhatDiffersFromAPrecedent(t *testing.T) {
	const usual = "of A: [ObservationLaboratory] refers to [Encounter/e Practitioner/p]"
	part := func(category string) string { return strings.Replace(usual, "ObservationLaboratory", category, 1) }
	replace := func(old, new string) string { return strings.Replace(ordinary, old, new, 1) }
	const (
		bsn       = `"identifier":[{"system":"urn:person","value":"1"}]`
		actors    = `{"resourceType":"Appointment","id":"ID","participant":[{"actor":{"reference":"Patient/A"}},{"actor":{"reference":"Patient/A"}}]}`
		vital     = `{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}`
		vitals    = `{"resourceType":"Observation","id":"ID","category":[` + vital + `,` + vital + `],"subject":{"reference":"Patient/A"}}`
		condition = `{"resourceType":"Condition","subject":{"reference":"Patient/A"}}`
		patient   = `{"resourceType":"Patient","id":"ID","text":{"div":"free"},"link":[{"other":{"reference":"Patient/B"}}],"_link":[null]}`
		inside    = `{"resourceType":"Observation","id":"ID","contained":[` + condition + `,` + condition + `],"subject":{"reference":"Patient/A"}}`
	)
	tests := []struct {
		name, form, old, new string
		want                 string
		along                bool // the third is read along a precedent as well
	}{
		{"nothing", ordinary, "", "", usual, true},
		{"a number", ordinary, "138.5", "-0.10e+7", usual, true},
		{"a shorter text", ordinary, `"free"`, `""`, usual, true},
		{"a longer text", ordinary, `"free"`, `"` + strings.Repeat("free ", 100) + `"`, usual, true},
		{"the subject is another patient", ordinary, "Patient/A", "Patient/B", strings.Replace(usual, "of A", "of B", 1), true},
		{"the subject is another patient, with an escape", ordinary, "Patient/A", `Patient\/B`, strings.Replace(usual, "of A", "of B", 1), false},
		{"the subject is another patient, by the source's URL", ordinary, "Patient/A", "http://hapi:8080/fhir/Patient/B", strings.Replace(usual, "of A", "of B", 1), false},
		{"the subject is a patient elsewhere", ordinary, "Patient/A", "http://other.example/fhir/Patient/A", "nothing", true},
		{"the subject is a patient in another spelling", ordinary, "Patient/A", "Patient?_id=A", "nothing", true},
		{"the subject is empty", ordinary, "Patient/A", "", "nothing", true},
		{"the subject is no string", ordinary, `"Patient/A"`, "7", "nothing", false},
		{"the subject is of another type than it says", ordinary, `"type":"Patient"`, `"type":"Group"`, "nothing", true},
		{"the encounter is a second patient", ordinary, "Encounter/e", "Patient/B", "nothing", true},
		{"the encounter is another one", ordinary, "Encounter/e", "Encounter/longer", strings.Replace(usual, "Encounter/e", "Encounter/longer", 1), true},
		{"a URL names a second patient", ordinary, `"urn:x"`, `"Patient/B"`, "nothing", true},
		{"a URL contains a patient", ordinary, `"urn:x"`, `"https://a.example/Patient/B"`, "nothing", true},
		{"the links of a patient stand elsewhere", patient, `"free"`, `"less or more"`, "of third: [Patient] refers to []", true},
		{"a display is longer", ordinary, `"visit"`, `"visit of some length"`, usual, true},
		{"a display is shorter", ordinary, `"Mrs A"`, `""`, usual, true},
		{"a display names the source", ordinary, `"visit"`, `"http://hapi:8080/fhir/x"`, usual, false},
		{"a text names the source", ordinary, `"free"`, `"http://hapi:8080/fhir/x"`, usual, false},
		{"a text names the source in an escape", ordinary, `"free"`, `"http:\u002f/hapi"`, usual, false},
		{"a text names the source in percents", ordinary, `"free"`, `"%2F%2fhapi"`, usual, false},
		{"a text almost names the source", ordinary, `"free"`, `"//hapix"`, usual, true},
		{"a text has an escape", ordinary, `"free"`, `"\"free\""`, usual, false},
		{"the version is longer", ordinary, `"versionId":"1"`, `"versionId":"10001"`, usual, true},
		{"the narrative is longer", ordinary, "<div>one</div>", "<div>and more</div>", usual, true},
		{"the label restricts", ordinary, `"code":"N"`, `"code":"R"`, "of A: [ObservationLaboratory Restricted] refers to [Encounter/e Practitioner/p]", false},
		{"the label is of another system", ordinary, "http://terminology.hl7.org/CodeSystem/v3-Conf", "urn:Conf", part("ObservationLaboratory Restricted"), false},
		{"the confidentiality restricts", ordinary, `"confidentiality":"N"`, `"confidentiality":"V"`, part("ObservationLaboratory Restricted"), false},
		{"a sensitive code", ordinary, "84114007", "370143000", part("MentalHealth ObservationLaboratory Restricted"), false},
		{"the system makes a code sensitive", replace("84114007", "F32.1"), "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10", part("ObservationLaboratory Restricted"), false},
		{"a code that hides it", replace(`"urn:number","value":"4711"`, `"urn:number","value":"own"`), "urn:number", "urn:note", "nothing", false},
		{"a tag is a label that restricts", ordinary, "urn:tag", "http://hl7.org/fhir/v3/Confidentiality", part("ObservationLaboratory Restricted"), false},
		{"a number of a person", ordinary, "urn:number", "urn:person", usual + " of urn:person|4711", false},
		{"some elements are left out", ordinary, `"tagged"`, `"SUBSETTED"`, "nothing", false},
		{"another type", ordinary, `"Observation"`, `"Condition"`, part("Condition"), true},
		{"a type that belongs to nobody", ordinary, `"Observation"`, `"Organization"`, "nothing", true},
		{"no type of this version", ordinary, `"Observation"`, `"Observations"`, "an error", true},
		{"a type that is no string", ordinary, `"Observation"`, `1`, "an error", false},
		{"an invalid id", ordinary, `"ID"`, `"a/b"`, "nothing", true},
		{"an empty id", ordinary, `"ID"`, `""`, "nothing", true},
		{"an id that is no string", ordinary, `"ID"`, `3`, "nothing", false},
		{"no id", ordinary, `"id":"ID",`, ``, "nothing", false},
		{"another category", ordinary, `"laboratory"`, `"vital-signs"`, part("ObservationVitalSigns"), true},
		{"an unknown category", ordinary, `"laboratory"`, `"another"`, part("Unclassified"), true},
		{"a category that is no string", ordinary, `"laboratory"`, `1`, "nothing", false},
		{"a category of another system", ordinary, "http://terminology.hl7.org/CodeSystem/observation-category", "urn:survey", part("ObservationSurvey"), false},
		{"a code that classifies", ordinary, "2947-0", "85354-9", part("ObservationLaboratory ObservationVitalSigns"), true},
		{"the contained resource has another id", ordinary, `"id":"c"`, `"id":"d"`, "nothing", true},
		{"the reference is to another contained resource", ordinary, `"#c"`, `"#d"`, "nothing", true},
		{"the reference leaves the resource", ordinary, `"#c"`, `"Device/d"`, strings.Replace(usual, "Encounter/e", "Device/d Encounter/e", 1), true},
		{"the contained resource is a patient", ordinary, `"Practitioner","id":"c"`, `"Patient","id":"c"`, "nothing", true},
		{"the contained resource adds a category", ordinary, `"Practitioner","id":"c"`, `"Condition","id":"c"`, part("Condition ObservationLaboratory"), true},
		{"an attachment is at the source", ordinary, "https://elsewhere.example/x", "Binary/1", usual + " links to [1]", false},
		{"an attachment is elsewhere", ordinary, "https://elsewhere.example/x", "https://elsewhere.example/y", usual, false},
		{"an attachment holds resources", ordinary, "image/png", "application/fhir+json", part("ObservationLaboratory Restricted"), false},
		{"an attachment holds something else", ordinary, "AA==", "AAAAAAAA", usual, true},
		{"one of two actors is another patient, of which the other was a repetition", actors, `Patient/A`, `Patient/B`, "nothing", false},
		{"one of two categories is another, of which the other was a repetition", vitals, `vital-signs`, `laboratory`,
			"of A: [ObservationLaboratory ObservationVitalSigns] refers to []", false},
		{"one of two contained resources is about another patient, of which the other was a repetition", inside, `Patient/A`, `Patient/B`, "nothing", false},
		{"the precedent has a number of a person", replace(`"identifier":[{"system":"urn:number","value":"4711"}]`, bsn), `"value":"1"`, `"value":"2"`, usual + " of urn:person|2", false},
		{"the precedent is restricted", replace(`"code":"N"`, `"code":"R"`), `"code":"R"`, `"code":"N"`, usual, false},
		{"the precedent has a sensitive code", replace("84114007", "370143000"), "370143000", "84114007", usual, false},
		{"the precedent is not understood", replace(`"tagged"`, `"SUBSETTED"`), `"SUBSETTED"`, `"tagged"`, usual, false},
		{"the precedent links to an attachment", replace("https://elsewhere.example/x", "Binary/1"), "Binary/1", "Binary/2", usual + " links to [2]", false},
		{"the precedent links to an attachment and differs elsewhere", replace("https://elsewhere.example/x", "Binary/1"), "138.5", "1", usual + " links to [1]", false},
		{"the precedent has a number of a person and differs elsewhere", replace(`"identifier":[{"system":"urn:number","value":"4711"}]`, bsn), "138.5", "1", usual + " of urn:person|1", false},
		{"the precedent is restricted and differs elsewhere", replace(`"code":"N"`, `"code":"R"`), "138.5", "1", part("ObservationLaboratory Restricted"), false},
		{"the precedent has a sensitive code and differs elsewhere", replace("84114007", "370143000"), "138.5", "1", part("MentalHealth ObservationLaboratory Restricted"), false},
		{"the precedent is not understood and differs elsewhere", replace(`"tagged"`, `"SUBSETTED"`), "138.5", "1", "nothing", false},
		{"the precedent names the source", replace(`"free"`, `"http://hapi/x"`), "http://hapi/x", "free", usual, false},
		{"the precedent has an escape", replace("Patient/A", `Patient\/A`), `Patient\/A`, "Patient/B", strings.Replace(usual, "of A", "of B", 1), false},
		{"a number with a leading zero", ordinary, "138.5", "01", "an error", false},
		{"a number without digits behind the point", ordinary, "138.5", "1.", "an error", false},
		{"a number without digits", ordinary, "138.5", "-", "an error", false},
		{"a number with something behind it", ordinary, "138.5", "1x", "an error", false},
		{"two numbers", ordinary, "138.5", "1 2", "an error", false},
		{"no number", ordinary, "138.5", "", "an error", false},
		{"a text without an end", ordinary, `"mmol/l"`, `"mmol/l`, "an error", false},
		{"a text with something behind it", ordinary, `"mmol/l"`, `"mmol/l"1`, "an error", false},
		{"a text with a line feed", ordinary, `"mmol/l"`, "\"\n\"", "an error", false},
		{"a text with half a character", ordinary, `"mmol/l"`, `"\ud83d"`, "an error", false},
		{"a text that is no UTF-8", ordinary, `"mmol/l"`, "\"\xff\"", "an error", false},
		{"a member twice", ordinary, `"unit":"mmol/l"`, `"unit":"mmol/l","unit":"mmol/l"`, "an error", false},
		{"no comma", ordinary, `,"unit"`, `"unit"`, "an error", false},
		{"a brace too many", ordinary, `"unit":"mmol/l"}`, `"unit":"mmol/l"}}`, "an error", false},
		{"a level too many", replace(`"free"`, strings.Repeat("[", 58)+`"free"`+strings.Repeat("]", 58)), `"free"`, `["free"]`, "an error", false},
	}
	o := testOracle(R4)
	r := testReader(t, o)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id := func(form, id string) string { return strings.Replace(form, `"ID"`, `"`+id+`"`, 1) }
			other := strings.Replace(tt.form, tt.old, tt.new, 1)
			body := []byte(asSearchset(`{"resourceType":"Medication","id":"first"}`, id(tt.form, "second"), id(other, "third"), id(tt.form, "fourth"), id(other, "fifth")))
			var c Contents
			got := "an error"
			if r.Searchset(body, &c) == nil {
				got = disclosed(&c, 2)
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if err := compareWithOracle(o, r, &c, body); err != nil {
				t.Error(err)
			}
			followed, _, err := readBoth(r, &c, body)
			if err != nil {
				t.Error(err)
			}
			if followed != nil && followed[2] != tt.along {
				t.Errorf("read along a precedent: got %v, want %v", followed[2], tt.along)
			}
		})
	}
}

// What is cut out, replaced or kept stands where it stands in the resource itself, whatever is longer or shorter before it.
func TestReaderFindsWhatItCutsAlongAPrecedent(t *testing.T) {
	const (
		form = `{"resourceType":"Observation","id":"%s","meta":{"versionId":"%s","profile":["%[2]s"]},"x":[-%[3]s,{"note":"//hapi/a"},"%[2]s"],` +
			`"subject":{"reference":"Patient/A","display":"%[2]s"},"encounter":{"display":"%[2]s","reference":"Encounter/%[2]s"},"link":[%[3]s],` +
			`"identifier":[{"system":"urn:person","use":"%[2]s"},{"value":"%[2]s"}],"content":{"url":"ftp://a","size":%[3]s},"last":"%[2]s"}`
		want = `{"resourceType":"Observation","id":"%s","meta":{"profile":["%s"]},"x":[-%[3]s,{"note":"//gw.example/a"},"%[2]s"],` +
			`"subject":{"reference":"Patient/A"},"encounter":{"display":"%[2]s","reference":"Encounter/%[2]s"},"link":[%[3]s],` +
			`"identifier":[{"value":"%[2]s"}],"content":{"size":%[3]s},"last":"%[2]s"}`
	)
	var resources, rendered []string
	for i, text := range []string{"v", "very long", "w", "", "v", "x"} {
		id, number := fmt.Sprint("r", strings.Repeat("r", 3*i%4), i), strings.Repeat("7", 1+5*i%7)
		resources = append(resources, fmt.Sprintf(form, id, text, number))
		rendered = append(rendered, fmt.Sprintf(want, id, text, number))
	}
	resources[3], rendered[3] = strings.Replace(resources[3], "Encounter/", "Encounter/e", 1), strings.Replace(rendered[3], "Encounter/", "Encounter/e", 1)
	resources[1], rendered[1] = strings.ReplaceAll(resources[1], "very long", "very-long"), strings.ReplaceAll(rendered[1], "very long", "very-long")
	r := testReader(t, testOracle(R4))
	var c Contents
	body := []byte(asSearchset(resources...))
	followed, _, err := readBoth(r, &c, body)
	if err != nil || !slices.Equal(followed, []bool{false, true, true, true, true, true}) {
		t.Errorf("read along a precedent: got %v, %v", followed, err)
	}
	if err := r.Searchset(body, &c); err != nil {
		t.Fatal(err)
	}
	e := Edits{Base: "https://gw.example/fhir", StripIdentifiers: true, KeepDisplay: func(typ string) bool { return typ == "Encounter" }}
	for i, want := range rendered {
		if got := string(c.AppendResource(nil, i, e)); got != want {
			t.Errorf("resource %d:\n got %s\nwant %s", i, got, want)
		}
	}
}

// A resource is judged as another one if all that is recorded says the same; only the last few judgements are kept.
func TestReaderJudgesAsBefore(t *testing.T) {
	var resources, want []string
	var known []bool
	for i, step := range []struct {
		patient string
		known   bool
	}{
		{"A", false}, {"A", false}, {"B", false}, {"B", true}, {"C", false}, {"D", false}, {"B", true}, {"E", false}, {"D", true}, // four are kept
		{"F", false}, {"B", false}, {"B", true}, {"E", true}, {"C", false}, {"a/b", false}, {"a/b", true}, {"F", true},
	} {
		resource := strings.NewReplacer(`"ID"`, fmt.Sprintf(`"r%d"`, i), "Patient/A", "Patient/"+step.patient, "138.5", fmt.Sprint(i)).Replace(ordinary)
		resources, known = append(resources, resource), append(known, step.known)
		if want = append(want, "of "+step.patient+": [ObservationLaboratory] refers to [Encounter/e Practitioner/p]"); step.patient == "a/b" {
			want[i] = "nothing"
		}
	}
	o := testOracle(R4)
	r := testReader(t, o)
	var c Contents
	body := []byte(asSearchset(resources...))
	if err := compareWithOracle(o, r, &c, body); err != nil {
		t.Error(err)
	}
	if err := r.Searchset(body, &c); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got := disclosed(&c, i); got != want[i] {
			t.Errorf("resource %d: got %s, want %s", i, got, want[i])
		}
	}
	if _, repeated, err := readBoth(r, &c, body); err != nil || !slices.Equal(repeated, known) {
		t.Errorf("judged as before: got %v, %v, want %v", repeated, err, known)
	}
}

// Precedents are those of one body and one reader: another body may have the same resources in the same places, except for a label, and
// another version may understand the same body in another way.
func TestReaderForgetsPrecedents(t *testing.T) {
	resources := func(label string) []byte {
		var all []string
		for _, id := range []string{"first", "second", "third"} {
			all = append(all, strings.NewReplacer(`"ID"`, `"`+id+`"`, `"code":"N"`, `"code":"`+label+`"`).Replace(ordinary))
		}
		return []byte(asSearchset(all...))
	}
	const plain, restricted = "[ObservationLaboratory]", "[ObservationLaboratory Restricted]"
	r4, stu3 := testReader(t, testOracle(R4)), testReader(t, testOracle(STU3))
	var c Contents
	for _, step := range []struct {
		name   string
		reader *Reader
		label  string
		want   string
	}{
		{"not restricted", r4, "N", plain}, {"restricted in the same places", r4, "R", restricted}, {"again not restricted", r4, "N", plain},
		{"in another version, which has another system of labels", stu3, "N", restricted}, {"again in the first version", r4, "N", plain},
		{"refused at the end", r4, "N\"},{\"", ""}, {"restricted after that", r4, "R", restricted},
	} {
		if err := step.reader.Searchset(resources(step.label), &c); (err != nil) != (step.want == "") {
			t.Fatalf("%s: %v", step.name, err)
		}
		for i, r := range c.Resources {
			if got := fmt.Sprint(r.Categories); got != step.want {
				t.Errorf("%s: resource %d: got %s, want %s", step.name, i, got, step.want)
			}
		}
	}
}

// A resource is a precedent whatever becomes of its entry, and nothing of the entry counts for another.
func TestReaderKeepsEntriesApart(t *testing.T) {
	resource := func(id string) string { return `"resource":` + strings.Replace(ordinary, `"ID"`, `"`+id+`"`, 1) }
	body := `{"resourceType":"Bundle","type":"searchset","entry":[{` + resource("a") + `,"search":{"mode":"outcome"}},{"search":{"mode":"include"},` + resource("b") +
		`},{"fullUrl":"http://other.example/fhir/Observation/c",` + resource("c") + `},{"fullUrl":"http://hapi:8080/fhir/Observation/d",` + resource("d") +
		`},{` + resource("b") + `},{` + resource("e") + `}]}`
	const released = "of A: [ObservationLaboratory] refers to [Encounter/e Practitioner/p]"
	o := testOracle(R4)
	r := testReader(t, o)
	var c Contents
	if err := compareWithOracle(o, r, &c, []byte(body)); err != nil {
		t.Error(err)
	}
	if err := r.Searchset([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, r := range c.Resources {
		got = append(got, fmt.Sprint(r.ID, " as ", r.Mode, " ", disclosed(&c, i)))
	}
	want := []string{"b as include " + released, "c as  nothing", "d as  " + released, "b as  nothing", "e as  " + released}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if followed, _, err := readBoth(r, &c, []byte(body)); err != nil || !slices.Equal(followed, []bool{false, true, true, true, true}) {
		t.Errorf("read along a precedent: got %v, %v", followed, err)
	}
	history := strings.NewReplacer(`"searchset"`, `"history"`, `"search":{"mode":"outcome"}`, `"request":{"method":"DELETE"}`, `"search"`, `"request"`).Replace(body)
	history = strings.NewReplacer(`"id":"a"`, `"id":"d"`, `"id":"b"`, `"id":"d"`, `"id":"c"`, `"id":"d"`, `"id":"e"`, `"id":"d"`).Replace(history)
	if err := o.compareHistory(r, &c, []byte(history)); err != nil || len(c.Resources) != 5 {
		t.Errorf("history: got %d resources, %v", len(c.Resources), err)
	}
}

// A resource of too many values, or about which too much is recorded, is no precedent; of a large one hardly anything is noted, so that
// looking at its strings stays cheap.
func TestReaderBoundsPrecedents(t *testing.T) {
	many := func(text string, n int) string { return strings.Repeat(","+text, n)[1:] }
	tests := []struct {
		name, members string // beside type, id and a subject
		want          bool
	}{
		{"as many values as allowed", `"x":[` + many("1", mostFree-3) + `]`, true},
		{"a value too many", `"x":[` + many("1", mostFree-2) + `]`, false},
		{"as many changes as allowed", `"identifier":[` + many(`{"system":"urn:person"}`, mostFree-1) + `]`, true},
		{"a change too many", `"identifier":[` + many(`{"system":"urn:person"}`, mostFree) + `]`, false},
		{"many contained resources", `"contained":[` + many("{}", 300) + `]`, false},
		{"very many values, and things that are looked at behind them", `"x":[` + many("1", 5000) + `],"meta":{"tag":[` + many("{}", 500) + `]}`, false},
	}
	o := testOracle(R4)
	r := testReader(t, o)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var resources []string
			for i := range 3 {
				resources = append(resources, fmt.Sprintf(`{"resourceType":"Observation","id":"r%d","subject":{"reference":"Patient/A"},%s}`, i, tt.members))
			}
			body := []byte(asSearchset(resources...))
			var c Contents
			if err := compareWithOracle(o, r, &c, body); err != nil {
				t.Error(err)
			}
			followed, _, err := readBoth(r, &c, body)
			if err != nil || !slices.Equal(followed, []bool{false, tt.want, tt.want}) {
				t.Errorf("read along a precedent: got %v, %v", followed, err)
			}
			if err := r.Searchset([]byte(asSearchset(resources[0])), &c); err != nil {
				t.Error(err)
			}
			if n := len(c.walk.precedents.free); n > mostFree+1 {
				t.Errorf("%d values are noted", n)
			}
		})
	}
}

// disclosed tells what resource i discloses.
func disclosed(c *Contents, i int) string {
	r := normal(c.Resources[i])
	if !r.Attributed && !r.Shared {
		return "nothing"
	}
	text := fmt.Sprintf("of %s: %v refers to %v", r.Patient, r.Categories, r.References)
	for _, id := range r.Identifiers {
		text += " of " + id.System + "|" + id.Value
	}
	if links := c.Attachments(i); len(links) > 0 {
		text += fmt.Sprintf(" links to %v", links)
	}
	return text
}

// TestEveryStringIsListed: a string in the records that precedents.list left out would be taken from the precedent, whatever the resource
// says there.
func TestEveryStringIsListed(t *testing.T) {
	parts, references, codings := make([]part, 1), make([]reference, 1), make([]classifying, 1)
	var l precedents
	l.list(parts, references, codings)
	want := 0
	for _, record := range []any{&parts[0], &references[0], &codings[0]} {
		v := reflect.ValueOf(record).Elem()
		for i := range v.NumField() {
			field := v.Type().Field(i)
			switch field.Type {
			case reflect.TypeFor[token]():
				want++
				at := v.Field(i).Addr().Pointer()
				if !slices.ContainsFunc(l.strings, func(s *token) bool { return reflect.ValueOf(s).Pointer() == at }) {
					t.Errorf("%s.%s is not listed", v.Type().Name(), field.Name)
				}
			case reflect.TypeFor[span](), reflect.TypeFor[[3]keyword](): // of the precedent until its edits are moved; names
			default:
				if k := field.Type.Kind(); k == reflect.Struct || k == reflect.Slice || k == reflect.String || k == reflect.Pointer || k == reflect.Array {
					t.Errorf("%s.%s: say here whether a %s can hold what a resource says", v.Type().Name(), field.Name, field.Type)
				}
			}
		}
	}
	if len(l.strings) != want {
		t.Errorf("%d strings are listed, want %d", len(l.strings), want)
	}
}
