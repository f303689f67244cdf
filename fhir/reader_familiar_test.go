package fhir

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Familiar values change nothing: the same value at every place of one response, each place twice, is judged as by the oracle,
// which has no memory. All places share one memory slot, so that only the comparison tells them apart.
func TestReaderAgreesWithOracleOnValuesThatReturn(t *testing.T) {
	o := testOracle(R4)
	r := testReader(t, o)
	c := Contents{walk: walk{memory: memory{values: make([]familiars, 1)}}}
	for i, snippet := range slices.Concat(snippets, []string{`{"coding":[{"system":"http://loinc.org","code":"1"}]}`, `{"coding":[]}`,
		`{"system":"urn:person","value":"1"}`}) {
		if i%sweep > 0 {
			continue
		}
		if object, ok := strings.CutSuffix(snippet, "}"); ok {
			snippet = object + strings.Repeat(" ", minFamiliar) + "}"
		}
		var resources []string
		for _, name := range memberNames {
			member := `"` + name + `":` + snippet
			for _, resource := range []string{pair("Observation", member)[0], pair("Patient", member)[2], within(member)} {
				if r.Searchset([]byte(asSearchset(resource)), &c) != nil {
					continue // it would make the whole response refused
				}
				for range 2 {
					resources = append(resources, strings.Replace(resource, `"id":"A"`, fmt.Sprintf(`"id":"r%d"`, len(resources)), 1))
				}
			}
		}
		for some := range slices.Chunk(resources, 40) {
			if err := compareWithOracle(o, r, &c, []byte(asSearchset(some...))); err != nil {
				t.Fatalf("%s: %v", snippet, err)
			}
		}
	}
}

// within puts a member in a meaningless element, and at the top.
func within(member string) string {
	return `{"resourceType":"Observation","id":"A","subject":{"reference":"Patient/A"},"x":{` + member + `},` + member + `}`
}

// What is recorded about a recurring value belongs to the part and the place where it recurs.
func TestReaderNotesValuesThatReturnWhereTheyStand(t *testing.T) {
	const (
		patient  = `{"reference":"Patient/A","x":"        "}`
		category = `[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}]`
		consent  = `"resourceType":"Consent","patient":{"reference":"Patient/A"},`
	)
	tests := []struct {
		name, before, members string
		attributed            bool
	}{
		{"the same", `"resourceType":"Observation","subject":` + patient, `"resourceType":"Observation","subject":` + patient, true},
		{"in a contained resource, where it decides nothing", `"resourceType":"Observation","subject":` + patient,
			`"resourceType":"Observation","contained":[{"resourceType":"Observation","subject":` + patient + `}]`, false},
		{"in a contained resource as before", `"resourceType":"Observation","contained":[{"resourceType":"Observation","subject":` + patient + `}]`,
			`"resourceType":"Observation","contained":[{"resourceType":"Observation","subject":` + patient + `}]`, false},
		{"a category in a contained resource", `"resourceType":"Observation","contained":[{"resourceType":"Observation","category":` + category + `}]`,
			`"resourceType":"Observation","category":` + category + `,"contained":[{"resourceType":"Observation","category":` + category + `}],"subject":` + patient, true},
		{"behind the same names, through a list at the right one", consent + `"provision":{"actor":[{"reference":` + patient + `}]}`,
			consent + `"provision":{"actor":[{"reference":` + patient + `}]}`, true},
		{"behind the same names, through a list at another one", consent + `"provision":{"actor":[{"reference":` + patient + `}]}`,
			consent + `"provision":[{"actor":{"reference":` + patient + `}}]`, false},
		{"a display that is cut out", `"resourceType":"Observation","performer":[{"reference":"Encounter/E","display":"x"}]`,
			`"resourceType":"Observation","subject":` + patient + `,"performer":[{"reference":"Encounter/E","display":"x"}]`, true},
	}
	o := testOracle(R4)
	r := testReader(t, o)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resource := func(id, members string) string { return `{"id":"` + id + `",` + members + `}` }
			body := asSearchset(resource("first", tt.before), resource("second", tt.before), resource("third", tt.members))
			var c Contents
			if err := r.Searchset([]byte(body), &c); err != nil || c.Resources[2].Attributed != tt.attributed {
				t.Errorf("got %v and error %v, want attributed %v", c.Resources, err, tt.attributed)
			}
			if err := compareWithOracle(o, r, &c, []byte(body)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Recurring values are bounded like new ones, and end in the same place.
func TestReaderRefusesInValuesThatReturn(t *testing.T) {
	const value = `{"coding":[{"system":"http://loinc.org","code":"1"}]}`
	nested := strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)
	tests := []struct {
		name, member string
		ok           bool
	}{
		{"the same", `"method":` + value, true},
		{"another value after the same beginning", `"method":` + strings.Replace(value, "1", "2", 1), true},
		{"a member twice", `"method":` + strings.Replace(value, `"code":"1"`, `"code":"1","code":"1"`, 1), false},
		{"a member twice, once escaped", `"method":` + strings.Replace(value, `"code":"1"`, `"code":"1","c\u006fde":"1"`, 1), false},
		{"the same member twice", `"method":` + value + `,"method":` + value, false},
		{"a comma behind it", `"method":` + value + `,`, false},
		{"garbage behind it", `"method":` + value + `1`, false},
		{"cut", `"method":` + value[:len(value)-1], false},
		{"as deep as allowed", `"x":` + strings.Repeat("[", 39) + `{"y":` + nested + `}` + strings.Repeat("]", 39), true},
		{"too deep", `"x":` + strings.Repeat("[", 40) + `{"y":` + nested + `}` + strings.Repeat("]", 40), false},
	}
	o := testOracle(R4)
	r := testReader(t, o)
	resource := func(id int, member string) string {
		return fmt.Sprintf(`{"resourceType":"Observation","id":"r%d","subject":{"reference":"Patient/A"},%s}`, id, member)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Contents
			body := asSearchset(resource(1, `"method":`+value), resource(2, `"method":`+value), resource(3, `"x":{"y":`+nested+`}`), resource(4, tt.member))
			if err := r.Searchset([]byte(body), &c); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
			if err := compareWithOracle(o, r, &c, []byte(body)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Names are distinguished and duplicates found however many names came before, and however they are written.
func TestReaderTellsNames(t *testing.T) {
	many := func(from, n int) string {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"name%d":%d`, from+i, i))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	tests := []struct {
		name, members string
		ok            bool
	}{
		{"the most names", `"x":` + many(0, 256), true},
		{"one name too many", `"x":` + many(0, 257), false},
		{"more names than have numbers", `"x":[` + many(0, 250) + `,` + many(250, 250) + `,` + many(0, 250) + `]`, true},
		{"a name without a number twice", `"x":[` + many(0, 250) + `,` + many(250, 250) + `,{"late":1,"late":2}]`, false},
		{"a name without a number twice, once escaped", `"x":[` + many(0, 250) + `,` + many(250, 250) + `,{"late":1,"l\u0061te":2}]`, false},
		{"names without a number in objects inside each other", `"x":[` + many(0, 250) + `,` + many(250, 250) + `,{"late":{"late":1,"later":2},"later":{}}]`, true},
		{"a name that decides, without a number", `"x":[` + many(0, 250) + `,` + many(250, 250) + `],"patient":{"reference":"Patient/B"}`, true},
		{"a name escaped, then plain", `"x":{"\u0061bc":1,"abc":2}`, false},
		{"a long name escaped, then plain", `"x":{"abcdefghijklmnopqrstuvwxy\u007a":1,"abcdefghijklmnopqrstuvwxyz":2}`, false},
		{"a long name and a longer one", `"x":[{"abcdefghijklmnopqrstuvwxyz":1},{"abcdefghijklmnopqrstuvwxyz1":1},{"abcdefghijklmno":1,"abcdefghijklmnop":1}]`, true},
		{"a name with a quote", `"x":[{"a\"b":1},{"a\"b":1},{"a\"b":1}]`, true},
		{"a name with a quote twice", `"x":{"a\"b":1,"a\u0022b":1}`, false},
		{"a name with a quote, then a bare quote", `"x":[{"a\"b":1},{"a"b":1}]`, false},
		{"a name with a backslash, then an escape", `"x":[{"a\\b":1,"a\b":1},{"a\\b":1,"a\b":1}]`, true},
		{"a name with a backslash, then an escape that stands twice", `"x":[{"a\\b":1},{"a\b":1,"a\u0008":1}]`, false},
		{"a name with a control character, then a bare one", `"x":[{"a\tb":1},{"a` + "\t" + `b":1}]`, false},
		{"an empty name", `"x":[{"":1},{"":1,"a":1}]`, true},
		{"an empty name twice", `"x":{"":1,"":1}`, false},
		{"the host in a name, again and again", `"x":[{"//hapi":1},{"//hapi":1},{"\/\/hapi":1}]`, true},
		{"white space about names", `"x":[{"a" : 1 , "b"` + "\n" + `:2},{"a"  :1,"b":2}]`, true},
		{"no colon after a name that returns", `"x":[{"a":1},{"a" 1}]`, false},
	}
	o := testOracle(R4)
	r := testReader(t, o)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Contents
			resource := `{"resourceType":"Observation","id":"o%d","subject":{"reference":"Patient/A"},%s}`
			body := asSearchset(fmt.Sprintf(resource, 1, tt.members), fmt.Sprintf(resource, 2, tt.members))
			for range 3 {
				if err := r.Searchset([]byte(body), &c); (err == nil) != tt.ok {
					t.Errorf("got %v", err)
				}
				if err := compareWithOracle(o, r, &c, []byte(body)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// The source's host is found anywhere in a string, and nowhere else.
func TestReaderFindsTheHostAnywhere(t *testing.T) {
	o := testOracle(R4)
	r := testReader(t, o)
	var c Contents
	for n := range 20 {
		before := strings.Repeat("a", n)
		for _, text := range []string{
			"//hapi", "//hapi:8080/fhir", "//HAPI/x", "//hapix //hapi", "//x//hapi", "///hapi", "/.hapi", "/./hapi", "//.hapi", `/","/hapi`, `\n//hapi`, `\/\/hapi`, `\u002f/hapi`,
			"%2f%2fhapi", "%2F%2fhapi%3A80", "%2f%2fhapix", "%/hapi", "%%2f%2fhapi", "%2%2f%2Fhapi 100%", `é//hapi`,
		} {
			body := asSearchset(`{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/A"},"x":["` + before + text + `"],"y":{"` + before + text + `":1}}`)
			if err := compareWithOracle(o, r, &c, []byte(body)); err != nil {
				t.Errorf("%s%s: %v", before, text, err)
			}
		}
	}
}
