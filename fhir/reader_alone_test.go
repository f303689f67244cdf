package fhir

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A response says the same whether its resources are read along precedents or each of them alone: what becomes of every entry, and every
// byte that is written of it. The resources are alike for a while, then differ late and in few values, which begin like the old ones; ids,
// searches, URLs and labels of the wrapper are mixed. One Contents is used for all responses, of both versions.
func TestReaderReadsAlongPrecedentsAsAlone(t *testing.T) {
	oracles := [...]*oracle{testOracle(R4), testOracle(STU3)}
	readers := [...]*Reader{testReader(t, oracles[0]), testReader(t, oracles[1])}
	real := slices.DeleteFunc(realResources(t), func(r string) bool { return len(r) > 2000 })
	var c, other Contents
	var said tally
	for seed := range uint64(800) {
		if seed/2%sweep > 0 {
			continue
		}
		g := &late{Rand: rand.New(rand.NewPCG(seed, 17)), version: oracles[seed%2].Version, given: real}
		body := g.bundle()
		if err := compareAlone(readers[seed%2], &c, &other, body, &said); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, body)
		}
		if seed%7 == 0 {
			if err := compareWithOracle(oracles[seed%2], readers[seed%2], &c, body); err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, body)
			}
		}
	}
	t.Logf("%+v", said)
	if said.Along < 250/sweep || said.Known < 100/sweep || said.Released < 2000/sweep || said.Refused < 100/sweep {
		t.Error("too few to show anything")
	}
}

// tally counts what compareAlone saw: bodies that were refused, those whose last resource was read along a precedent, those where it was
// judged as another one was, and resources that may be released.
type tally struct{ Refused, Along, Known, Released int }

// compareAlone reads and renders a body along precedents and without them, as a searchset and as a history.
func compareAlone(r *Reader, c, other *Contents, body []byte, said *tally) error {
	for _, kind := range []struct {
		name  string
		body  []byte
		parse func(c *Contents) func(i int) int
	}{
		{"searchset", body, func(c *Contents) func(i int) int { return c.searchset }},
		{"history", asHistory(body), func(c *Contents) func(i int) int { return c.history }},
	} {
		err := r.read(kind.body, c, kind.parse(c))
		alone := r.read(kind.body, other, func(i int) int {
			other.walk.precedents.trust = 0 // nothing is read along a precedent
			return kind.parse(other)(i)
		})
		if err != alone {
			return fmt.Errorf("%s: got error %v, alone %v", kind.name, err, alone)
		}
		if err != nil {
			said.Refused++
			continue
		}
		if other.walk.precedents.count > 0 {
			return fmt.Errorf("%s: not read alone", kind.name)
		}
		if c.walk.precedents.followed != nil {
			said.Along++
			if (c.walk.parts[0] == part{}) {
				said.Known++
			}
		}
		if err := sameContents(c, other, said); err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
	}
	return nil
}

// sameContents compares all that is known about two responses of the same bytes.
func sameContents(c, other *Contents, said *tally) error {
	if c.Next != other.Next || c.Self != other.Self || len(c.Resources) != len(other.Resources) {
		return fmt.Errorf("got %d resources, %q, %q, alone %d, %q, %q", len(c.Resources), c.Next, c.Self, len(other.Resources), other.Next, other.Self)
	}
	tell := func(c *Contents, i int) string {
		return fmt.Sprintf("%+v %s %v %v %v", c.Resources[i], c.Name(i), c.Attachments(i), c.ObservationCode(i), c.places[i].at)
	}
	for i, got := range c.Resources {
		if got.Attributed || got.Shared {
			said.Released++
		}
		if !reflect.DeepEqual(normal(got), normal(other.Resources[i])) || tell(c, i) != tell(other, i) {
			return fmt.Errorf("resource %d:\n got %s\nalone %s", i, tell(c, i), tell(other, i))
		}
	}
	for n, e := range []Edits{
		{Base: "https://gw.example/fhir/h", KeepDisplay: func(string) bool { return true }, Attachment: linkTo, Number: "999990019"},
		{Base: "https://gw.example", StripIdentifiers: true, KeepDisplay: func(typ string) bool { return typ == "Patient" || typ == "Encounter" }, Attachment: linkTo, Number: "999990019"},
		{Base: "https://gw.example", StripIdentifiers: true},
	} {
		for i := range c.Resources {
			if got, want := c.AppendResource(nil, i, e), other.AppendResource(nil, i, e); string(got) != string(want) {
				return fmt.Errorf("resource %d with edits %d:\n got %s\nalone %s", i, n, got, want)
			}
		}
	}
	return nil
}

// late makes Bundles of resources that are alike at first and differ late.
type late struct {
	*rand.Rand
	version Version
	given   []string // forms beside lateForms
	id      string   // of all resources; "" if they have different ones
}

func (g *late) pick(from ...string) string { return from[g.IntN(len(from))] }

// Values that differ where others end, or only in what they mean.
var (
	lateTexts = [][]string{
		{`"Patient/A"`, `"Patient/A1"`, `"Patient/A/_history/1"`, `"Patient/B"`, `"Patient/"`, `"Patient/A "`, `"patient/A"`, `"Patient?_id=A"`, `"urn:uuid:1"`, `"#"`, `"#c"`, `"Patient/A|"`},
		{`"Encounter/e"`, `"Encounter/e1"`, `"Encounter/"`, `"Patient/A"`, `"Patient/B"`, `"Group/g"`, `"#c"`, `"#d"`, `"#"`, `"Encounter/e/_history/2"`, `"http://other.example/fhir/Encounter/e"`},
		{`"laboratory"`, `"laborator"`, `"laboratoryx"`, `"vital-signs"`, `""`, `"own"`, `"370143000"`}, {`"2947-0"`, `"85354-9"`, `"85354-"`, `"85354-90"`},
		{`"Patient"`, `"Practitioner"`, `"Group"`, `"Encounter"`, `"http://hl7.org/fhir/StructureDefinition/Patient"`, `"http://hl7.org/fhir/StructureDefinition/Encounter"`},
		{`"x"`, `""`, `"xx"`, `"é"`, `"è"`, `"日本"`, `"日木"`, `"\u0031"`, `"\""`, `"\\"`, `"http://hapi:8080/fhir/Patient/A"`, `"//hapi"`, `"//hapix"`, `"/"`, `"%2f%2fhapi"`, `"999990019"`,
			`"0999990019"`, `"9999.90.019"`, `"99999001"`, `"` + strings.Repeat("y", 300) + `"`, `" "`, `"}"`, `"]},"`, `"{"`},
		{`"Observation"`, `"Condition"`, `"Patient"`, `"Practitioner"`, `"Organization"`, `"Appointment"`, `"Group"`, `"Binary"`, `"Observations"`, `"Bundle"`, `"DocumentReference"`},
		{`"c"`, `"d"`, `"cc"`, `""`}, {`"urn:x"`, `"Patient/B"`, `"Patient/A"`, `"https://a.example/Patient/B?x"`, `"http://x%2fPatient%2Fb"`},
		{`"N"`, `"R"`, `"V"`, `"U"`}, {`"urn:number"`, `"urn:person"`, `"http://snomed.info/sct"`, `"urn:note"`, `"http://loinc.org"`},
		{`"Binary/1"`, `"Binary/12"`, `"https://elsewhere.example/x"`, `"http://hapi:8080/fhir/Binary/1"`}, {`"image/png"`, `"application/fhir+json"`, `"image/pn"`},
	}
	lateNumbers = []string{`1`, `10`, `0`, `-1`, `1e5`, `1E5`, `1.0`, `1.00`, `12345678901234567890`, `999990019`, `0.999990019`, `-999990019`, `1e999990019`, `01`, `1.`, `1e`, `-`, `1x`, `"1"`, `null`, `true`, `[1]`, `{}`}
	lateIDs     = []string{
		`"A"`, `"B"`, `"c"`, `"e"`, `"p"`, `"r1"`, `"r12"`, `"r123"`, `"` + strings.Repeat("a", 64) + `"`, `"` + strings.Repeat("a", 65) + `"`, `""`, `"a/b"`, `"."`, `".."`, `"..."`, `"a_b"`, `"é"`,
		`"\u0072"`, `"r\/1"`, `1`, `12`, `null`, `["r1"]`, `{}`, `"#c"`, `"Patient/A"`, `"r1 "`, `"R1"`,
	}
	lateSearches = []string{
		`{"mode":"match"}`, `{"mode":"match"}`, `{"mode":"match"}`, `{"mode":"include"}`, `{"mode":"outcome"}`, `{"mode":"matc"}`, `{"mode":"matched"}`, `{"mode":"match","score":1}`, `{"mode":"include","score":1}`,
		`{"score":1,"mode":"match"}`, `{"score":1}`, `{"score":10}`, `{ "mode":"match"}`, `{"mode" : "match"}`, `{}`, `{"mode":null}`, `{"mode":1}`, `{"mode":["match"]}`, `{"mode":"m\u0061tch"}`,
		`{"mode":{"mode":"match"}}`, `{"x":{"mode":"match"}}`, `{"x":"//hapi","mode":"include"}`, `{"//hapi":1}`, `{"url":"Binary/1","title":"t"}`,
	}
	lateBroken = []string{`1`, `null`, `[]`, `"match"`, `{"mode":"match","mode":"match"}`, `{"mode":"match"}}`, `{"mode":"match"`, `{"mode":"match",}`, `{"mode":"match"} 1`}
)

// lateForms are resources to begin with; ID is the id.
var lateForms = []string{
	ordinary,
	`{"id":"ID","resourceType":"Observation","subject":{"reference":"Patient/A"},"valueQuantity":{"value":1}}`,
	`{"subject":{"reference":"Patient/A","display":"x"},"valueInteger":1,"encounter":{"display":"x","reference":"Encounter/e"},"resourceType":"Observation","id":"ID"}`,
	`{"resourceType":"Observation","subject":{"reference":"Patient/A"},"x":1,"id":"ID"}`,
	`{"resourceType":"Observation","subject":{"reference":"Patient/A"},"x":"x"}`,
	`{"resourceType":"Patient","id":"ID","text":{"div":"x"},"name":[{"text":"x"}],"link":[{"other":{"reference":"Patient/B"},"type":"refer"}],"generalPractitioner":[{"reference":"Practitioner/p","display":"x"}]}`,
	`{"resourceType":"Patient","id":"ID","managingOrganization":{"reference":"#"},"x":{"reference":"Patient/A"},"y":1}`,
	`{"resourceType":"Practitioner","id":"ID","name":[{"text":"x"}],"x":1}`,
	`{"resourceType":"Medication","id":"ID","code":{"coding":[{"system":"http://loinc.org","code":"2947-0"}]},"manufacturer":{"reference":"Organization/o","display":"x"}}`,
	`{"resourceType":"Appointment","id":"ID","participant":[{"actor":{"reference":"Patient/A","display":"x"}},{"actor":{"reference":"Practitioner/p","display":"x"}},{"actor":{"reference":"Location/l"}}],"priority":1}`,
	`{"resourceType":"Observation","id":"ID","contained":[{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/A"}},{"resourceType":"Condition","id":"d","subject":{"reference":"#"}}],` +
		`"subject":{"reference":"Patient/A"},"focus":[{"reference":"#c","display":"x"},{"reference":"#d","display":"x"}],"x":1}`,
	`{"resourceType":"Condition","id":"ID","identifier":[{"system":"urn:person","use":"x"},{"value":"1"}],"subject":{"reference":"Patient/A","type":"Patient","identifier":{"system":"urn:number","value":"1"}},"x":1}`,
	`{"resourceType":"Condition","id":"ID","subject":{"reference":"Patient/A"},"asserter":{"identifier":{"value":"1"},"type":"Practitioner","display":"x","_display":{"id":"x"}},"x":"x"}`,
	`{"resourceType":"DocumentReference","id":"ID","subject":{"reference":"Patient/A"},"content":[{"attachment":{"contentType":"image/png","url":"https://elsewhere.example/x","title":"x","size":1}}],"x":1}`,
	`{"resourceType":"DocumentReference","id":"ID","subject":{"reference":"Patient/A"},"content":[{"attachment":{"url":"Binary/1","title":"x"}}],"x":1}`,
	`{"resourceType":"Consent","id":"ID","category":[{"coding":[{"system":"http://snomed.info/sct","code":"11341000146107"}]}],"patient":{"reference":"Patient/A"},"provision":{"actor":[{"reference":{"reference":"Organization/o"}}]},"x":1}`,
	`{"resourceType":"Observation","id":"ID","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"},{"code":"x"}],"text":"x"},` +
		`{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"},{"code":"x"}],"text":"x"}],"subject":{"reference":"Patient/A"},"extension":[{"url":"urn:x","valueUri":"urn:x"},{"url":"urn:x","valueUri":"urn:x"}]}`,
	`{"resourceType":"Group","id":"ID","member":[{"entity":{"reference":"Patient/A"}}],"quantity":1}`,
	`{"resourceType":"OperationOutcome","id":"ID","issue":[{"severity":"x","diagnostics":"x"}]}`,
}

// bundle is a searchset of a few forms.
func (g *late) bundle() []byte {
	var kinds []*lateKind
	for range 1 + g.IntN(3) {
		kinds = append(kinds, g.kind())
	}
	plain := g.IntN(2) == 0 // as sources do: only the ids differ in most entries
	before, count := g.IntN(7), 4+g.IntN(16)
	g.id = ""
	if g.IntN(8) == 0 { // versions of one resource
		g.id = g.pick(lateIDs...)
	}
	var entries []string
	for i := range count {
		k := kinds[i%len(kinds)]
		if g.IntN(4) == 0 {
			k = kinds[g.IntN(len(kinds))]
		}
		resource, id := g.resource(k, i, i >= before*len(kinds), plain)
		entries = append(entries, g.entry(k, resource, id, plain))
	}
	text := `{"resourceType":"Bundle","type":"searchset"`
	meta := `,"meta":` + g.pick(`{"versionId":"1"}`, `{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}`, `[]`,
		`{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]}`, `{"tag":[{"system":"urn:note","code":"own"}]}`)
	switch g.IntN(12) {
	case 0:
		text += meta
		meta = ""
	case 1:
	default:
		meta = ""
	}
	return []byte(text + `,"entry":[` + strings.Join(entries, g.pick(",", ",", " , ", ",\n")) + `]` + meta + `}`)
}

// lateKind is a form with the values that differ in some resources.
type lateKind struct {
	form   string
	slots  []scalar
	values [][]string // for each slot, the first being its own
}

func (g *late) kind() *lateKind {
	k := &lateKind{form: lateForms[g.IntN(len(lateForms))]}
	switch g.IntN(6) {
	case 0, 1:
		k.form = g.given[g.IntN(len(g.given))]
	case 2:
		values := []string{g.pick(snippets[:40]...), g.pick(innocent...), g.pick(snippets[:40]...)}
		k.form = (&returning{Rand: g.Rand, version: g.version, values: values}).resource(0)
	}
	if g.IntN(6) == 0 {
		k.form = strings.NewReplacer(`":`, `" : `, `{"`, "{ \n\"", `"}`, `" }`).Replace(k.form)
	}
	return g.slots(k)
}

// slots chooses the values that differ.
func (g *late) slots(k *lateKind) *lateKind {
	all := scalars(k.form)
	if len(all) == 0 {
		return k
	}
	for range 1 + g.IntN(4) {
		s := all[g.IntN(len(all))]
		if slices.ContainsFunc(k.slots, func(o scalar) bool { return o.start == s.start }) || s.name == "id" && s.depth == 1 {
			continue
		}
		old := k.form[s.start:s.end]
		pool := lateNumbers
		if old[0] == '"' {
			pool = lateTexts[g.IntN(len(lateTexts))]
			for _, texts := range lateTexts {
				if slices.Contains(texts, old) && g.IntN(4) > 0 {
					pool = texts
				}
			}
		}
		values := []string{old}
		for range 1 + g.IntN(6) { // more than there are judgements kept
			values = append(values, pool[g.IntN(len(pool))])
		}
		k.slots, k.values = append(k.slots, s), append(k.values, values)
	}
	return k
}

// resource is one of a kind, and its id.
func (g *late) resource(k *lateKind, i int, differs, plain bool) (text, id string) {
	id = cmp.Or(g.id, fmt.Sprintf(`"r%d"`, i))
	if g.id == "" && (g.IntN(6) == 0 || !plain && g.IntN(3) == 0) {
		id = lateIDs[g.IntN(len(lateIDs))]
	}
	replaced := map[int]string{}
	for n, s := range k.slots {
		if differs && g.IntN(2) == 0 {
			replaced[s.start] = k.values[n][g.IntN(len(k.values[n]))]
		}
	}
	done := 0
	for _, s := range scalars(k.form) {
		value, ok := replaced[s.start]
		if s.name == "id" && s.depth == 1 {
			value, ok = id, true
		}
		if ok {
			text += k.form[done:s.start] + value
			done = s.end
		}
	}
	text += k.form[done:]
	if differs && g.IntN(150) == 0 { // any damage
		at := g.IntN(len(text))
		text = text[:at] + g.pick("", `"`, " ", ",", "0", "x", "\\", "{", "}", "é", "\xff", "\x01", `,"id":"r1"`, `,"x":1`, `,"X":"Patient/B"`) + text[min(len(text), at+g.IntN(2)):]
	}
	return text, id
}

// entry wraps a resource.
func (g *late) entry(k *lateKind, resource, id string, plain bool) string {
	search := `"search":` + lateSearches[g.IntN(3)]
	if !plain {
		search = `"search":` + lateSearches[g.IntN(len(lateSearches))]
	}
	if g.IntN(200) == 0 {
		search = `"search":` + lateBroken[g.IntN(len(lateBroken))]
	}
	members := []string{`"resource":` + resource, search}
	if g.IntN(4) == 0 {
		members = members[:1]
	}
	if g.IntN(3) == 0 {
		typ := "Observation"
		for _, s := range scalars(k.form) {
			if s.name == "resourceType" && s.depth == 1 {
				typ = strings.Trim(k.form[s.start:s.end], `"`)
			}
		}
		name := typ + "/" + strings.Trim(id, `"`)
		members = append(members, `"fullUrl":"`+g.pick("http://hapi:8080/fhir/"+name, "http://hapi:8080/fhir/"+name, "http://hapi:8080/fhir/"+name+"/_history/1", "http://other.example/fhir/"+name,
			"urn:uuid:1", name, "http://hapi:8080/fhir/"+name+"1", "http://hapi:8080/fhir", "http://hapi:8080/fhi", "http://hapi:8080/fhir\\/"+name, "http://hapi:8080/fhir//"+name, "HTTP://hapi:8080/fhir/"+name, "http://hapi:8080/fhirhttp://hapi:8080/fhir/"+name, "http://hapi:8080/fhirX/"+name, `http:\/\/hapi:8080\/fhir\/`+name)+`"`)
	}
	if !plain && g.IntN(5) == 0 {
		members = append(members, g.pick(`"link":[{"url":"Binary/1","title":"x","x":"//hapi"}]`, `"response":{"etag":"1","lastModified":"x"}`, `"request":{"method":"DELETE"}`, `"request":{"method":"PUT"}`,
			`"//hapi":1`, `"x":{"coding":[{"system":"urn:note","code":"own"}]}`, `"x":{"reference":"Patient/B"}`))
	}
	g.Shuffle(len(members), func(a, b int) { members[a], members[b] = members[b], members[a] })
	return "{" + strings.Join(members, ",") + "}"
}
