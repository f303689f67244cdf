package fhir

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Familiar values change nothing wherever they recur: a few values at random places, up to ten names deep, in resources of several
// types and in contained ones, through lists, in entries beside the resources, and in the Bundle. All places share a small memory;
// the oracle, which has none, finds the same.
func TestReaderAgreesWithOracleOnValuesThatReturnElsewhere(t *testing.T) {
	oracles := [...]*oracle{testOracle(R4), testOracle(STU3)}
	readers := [...]*Reader{testReader(t, oracles[0]), testReader(t, oracles[1])}
	c := Contents{walk: walk{memory: memory{values: make([]familiars, 4)}}}
	attributed := 0
	for seed := range uint64(60) {
		g := &returning{Rand: rand.New(rand.NewPCG(seed, 7)), version: oracles[seed%2].Version}
		body := g.searchset()
		if err := compareWithOracle(oracles[seed%2], readers[seed%2], &c, []byte(body)); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, body)
		}
		if readers[seed%2].Searchset([]byte(body), &c) == nil {
			for _, r := range c.Resources {
				if r.Attributed {
					attributed++
				}
			}
		}
	}
	if attributed < 250 {
		t.Errorf("only %d resources were attributed: too few to show anything", attributed)
	}
}

// returning makes responses from a few values.
type returning struct {
	*rand.Rand
	version Version
	values  []string
}

// innocent are values about which nothing is recorded when they are alone, but something is elsewhere or next to others.
var innocent = []string{
	`{"coding":[{"system":"http://loinc.org","code":"1"}]}`, `{"reference":{"x":"                    "}}`, `{"x":{"coding":[{"code":"SUBSETTED"}]}}`,
	`[{"system":"http://loinc.org","code":"1234567"}]`, `[{"code":"SUBSETTED","x":"          "}]`, `{"security":[{"code":"R","x":"        "}]}`,
	`{"url":"http://elsewhere.example/x"}`, `[{"url":"http://elsewhere.example/x"}]`, `{"display":"                    "}`, `[{"display":"                   "}]`,
	`["                             "]`, `{"versionId":"1","x":"            "}`, `{"resource":{"x":"                "}}`, `{"actor":{"display":"            "}}`,
	`{"x":[{"x":[{"x":[{"x":"        "}]}]}]}`, `{"extension":[{"url":"urn:x:yyyyyyyyyy"}]}`, `{"code":{"coding":[{"code":"1","system":"x"}]}}`,
}

func (g *returning) pick(from []string) string { return from[g.IntN(len(from))] }

// searchset has thirty resources, among meaningless members.
func (g *returning) searchset() string {
	for range 4 {
		g.values = append(g.values, g.pick(slices.Concat(innocent, innocent, snippets[:40])))
	}
	var entries []string
	for i := range 30 {
		about := ""
		if g.IntN(3) == 0 {
			about = "," + g.member(map[string]bool{"resource": true, "fullUrl": true, "search": true, "request": true}, 1+g.IntN(4))
		}
		entries = append(entries, fmt.Sprintf(`{"search":{"mode":"match","x":%s}%s,"resource":%s}`, g.value(), about, g.resource(i)))
	}
	bundle := `{"resourceType":"Bundle","type":"searchset","x":[[[` + g.value() + `]]],"entry":[` + strings.Join(entries, ",") + `]`
	if g.IntN(3) == 0 {
		bundle += `,"meta":` + g.value()
	}
	return bundle + "}"
}

// resource is about Patient/A, with a few values at random places.
func (g *returning) resource(i int) string {
	typ := g.pick([]string{"Observation", "Observation", "Patient", "Appointment", "Composition", "Condition", "MedicationRequest", "DocumentReference", "Medication", "Practitioner"})
	used := map[string]bool{"resourceType": true, "id": true, "contained": true}
	members := []string{fmt.Sprintf(`"resourceType":"%s","id":"r%d"`, typ, i)}
	if rule, _ := ruleFor(g.version, typ); len(rule.member) > 0 {
		members = append(members, memberIn(rule.shapes[rule.member[0]], `{"reference":"Patient/A"}`))
		used[strings.Split(rule.member[0], ".")[0]] = true
	}
	for range 1 + g.IntN(3) {
		members = append(members, g.member(used, 1+g.IntN(10)))
	}
	if g.IntN(3) == 0 {
		inner := g.member(map[string]bool{"resourceType": true, "id": true}, 1+g.IntN(10))
		members = append(members, fmt.Sprintf(`"contained":[{"resourceType":"%s","id":"c",%s}]`, g.pick([]string{"Condition", "Medication", "Observation"}), inner))
	}
	g.Shuffle(len(members)-1, func(a, b int) { members[a+1], members[b+1] = members[b+1], members[a+1] })
	return "{" + strings.Join(members, ",") + "}"
}

// value picks one of the few values.
func (g *returning) value() string { return g.pick(g.values) }

// member nests a value depth names deep. Its first name is unused so far.
func (g *returning) member(used map[string]bool, depth int) string {
	name := g.name()
	for used[name] {
		name = g.name()
	}
	used[name] = true
	value := g.value()
	for range depth - 1 {
		value = `{"` + g.name() + `":` + value + `}`
		if g.IntN(3) == 0 {
			value = "[" + value + "]"
		}
	}
	return `"` + name + `":` + value
}

// name picks a name, with a meaning or without.
func (g *returning) name() string {
	if g.IntN(2) == 0 {
		return "x"
	}
	return g.pick([]string{"subject", "patient", "meta", "category", "code", "coding", "security", "securityLabel", "tag", "extension", "link", "text",
		"actor", "participant", "attachment", "content", "photo", "identifier", "valueReference", "focus", "performer", "contained", "_subject", "note"})
}
