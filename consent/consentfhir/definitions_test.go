package consentfhir_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"
	"pgregory.net/rapid"

	"zorgsluis/configs"
	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
)

// definition is the part of a StructureDefinition that is compared with the code.
type definition struct {
	URL          string
	Differential struct {
		Element []element
	}
}

type element struct {
	ID, Path, SliceName string
	Min                 int
	Max                 string
	FixedURI            string `json:"fixedUri"`
	Pattern             m      `json:"patternCodeableConcept"`
	Type                []struct {
		Code    string
		Profile []string
	}
}

// definitions reads those that are served: each must be an R4 StructureDefinition with the members common to all.
func definitions(t *testing.T) (byURL map[string]definition) {
	t.Helper()
	files, err := configs.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	byURL = map[string]definition{}
	for name, b := range files {
		id, ok := strings.CutPrefix(name, "StructureDefinition/")
		if !ok {
			continue
		}
		var s r4.StructureDefinition
		var d definition
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		switch {
		case s.Id == nil || *s.Id != id, s.Url == "", s.Name == "", s.Status != r4.PublicationStatusActive,
			s.Derivation == nil || *s.Derivation != r4.TypeDerivationRuleConstraint, s.BaseDefinition == nil,
			!strings.HasSuffix(*s.BaseDefinition, "/"+s.Type), s.Abstract, s.FhirVersion == nil || *s.FhirVersion != r4.FHIRVersion4_0_1,
			(s.Type == "Extension") != (len(s.Context) > 0), s.Differential == nil:
			t.Errorf("%s: is not whole", id)
		}
		ids := map[string]bool{}
		for _, e := range s.Differential.Element {
			path, _, _ := strings.Cut(e.Path, ".")
			if e.Id == nil || ids[*e.Id] || path != s.Type || strings.Count(*e.Id, ".") != strings.Count(e.Path, ".") {
				t.Errorf("%s: element %s has no id of its own", id, e.Path)
				continue
			}
			ids[*e.Id] = true
		}
		byURL[d.URL] = d
	}
	return byURL
}

// TestDefinitionsAreInTheOrderOfFHIR: a differential names elements in the order of its base, and each slice after its element; a validator
// does not find an element that is elsewhere. The order is that of the model.
func TestDefinitionsAreInTheOrderOfFHIR(t *testing.T) {
	at := func(parent reflect.Type, name string) int {
		name = strings.TrimSuffix(name, "[x]")
		for i := range parent.NumField() {
			if tag := parent.Field(i).Tag.Get("json"); strings.HasPrefix(tag, name+",") || tag == name || name == "source" && strings.HasPrefix(tag, name) {
				return i
			}
		}
		return -1 // not in the model: contained
	}
	provision := reflect.TypeFor[r4.ConsentProvision]()
	types := map[string]reflect.Type{
		"Consent": reflect.TypeFor[r4.Consent](), "Consent.policy": reflect.TypeFor[r4.ConsentPolicy](),
		"Consent.provision": provision, "Consent.provision.provision": provision,
	}
	last := map[string]int{}
	for _, e := range definitions(t)[consentfhir.URL].Differential.Element {
		cut := strings.LastIndexByte(e.Path, '.')
		if cut < 0 {
			continue
		}
		parent, name := e.Path[:cut], e.Path[cut+1:]
		if types[parent] == nil {
			t.Errorf("%s: no model to compare with", e.ID)
			continue
		}
		n := at(types[parent], name)
		if n >= 0 && n < last[parent] {
			t.Errorf("%s stands behind what follows it in FHIR", e.ID)
		}
		last[parent] = max(n, last[parent])
	}
	if len(last) != len(types) {
		t.Errorf("compared %d elements with elements in them, want %d", len(last), len(types))
	}
}

// conforms returns where a resource does not conform to a definition. It knows only what these definitions use.
func conforms(defs map[string]definition, d definition, root any) (faults []string) {
	for _, e := range d.Differential.Element {
		parent, name, nested := cutLast(e.ID)
		if !nested {
			continue
		}
		name, slice, sliced := strings.Cut(name, ":")
		for _, holder := range at(root, parent) {
			values := members(holder, strings.TrimSuffix(name, "[x]"), strings.HasSuffix(name, "[x]"))
			if sliced {
				values = slices.DeleteFunc(values, func(v any) bool { return !inSlice(v, slice, e) })
			} else if strings.HasSuffix(name, "xtension") && e.Max == "" {
				for _, v := range values { // closed: each must be in a slice
					if !slices.ContainsFunc(d.Differential.Element, func(s element) bool { return s.Path == e.Path && s.SliceName != "" && inSlice(v, s.SliceName, s) }) {
						faults = append(faults, e.ID+": an extension that is not of the profile")
					}
				}
			}
			if len(values) < e.Min || e.Max == "0" && len(values) > 0 || e.Max == "1" && len(values) > 1 {
				faults = append(faults, fmt.Sprintf("%s: is there %d times", e.ID, len(values)))
			}
			for _, v := range values {
				if e.FixedURI != "" && v != e.FixedURI || e.Pattern != nil && !matches(v, map[string]any(e.Pattern)) {
					faults = append(faults, e.ID+": has another value")
				}
				if sliced && len(e.Type) > 0 {
					faults = append(faults, conforms(defs, defs[e.Type[0].Profile[0]], v)...)
				}
			}
			if strings.HasSuffix(name, "[x]") && e.Max != "0" {
				typ := e.Type[0].Code
				if _, has := holder.(map[string]any)[strings.TrimSuffix(name, "[x]")+strings.ToUpper(typ[:1])+typ[1:]]; len(values) > 0 && !has {
					faults = append(faults, e.ID+": is of another type")
				}
			}
		}
	}
	return faults
}

func cutLast(id string) (parent, name string, found bool) {
	i := strings.LastIndex(id, ".")
	return id[:max(i, 0)], id[i+1:], i >= 0
}

// inSlice: an extension is in the slice of its URL, which is its profile's, or its name.
func inSlice(v any, name string, e element) bool {
	url := v.(map[string]any)["url"]
	if len(e.Type) > 0 && len(e.Type[0].Profile) > 0 {
		return url == e.Type[0].Profile[0]
	}
	return url == name
}

// at returns what is at an element's id below the root.
func at(root any, id string) []any {
	here := []any{root}
	for _, step := range strings.Split(id, ".")[1:] {
		name, slice, sliced := strings.Cut(step, ":")
		var next []any
		for _, v := range here {
			for _, w := range members(v, name, false) {
				if !sliced || w.(map[string]any)["url"] == slice {
					next = append(next, w)
				}
			}
		}
		here = next
	}
	return here
}

// members are the values of a member; for a choice, of every member of that name.
func members(v any, name string, choice bool) (all []any) {
	object, _ := v.(map[string]any)
	for member, value := range object {
		if member != name && !(choice && strings.HasPrefix(member, name)) {
			continue
		}
		if list, is := value.([]any); is {
			all = append(all, list...)
			continue
		}
		all = append(all, value)
	}
	return all
}

// matches reports whether a value contains all of a pattern.
func matches(v any, pattern any) bool {
	switch p := pattern.(type) {
	case map[string]any:
		object, _ := v.(map[string]any)
		for name, want := range p {
			if !matches(object[name], want) {
				return false
			}
		}
		return true
	case []any:
		list, _ := v.([]any)
		for _, want := range p {
			if !slices.ContainsFunc(list, func(one any) bool { return matches(one, want) }) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(v, pattern)
}

// urls are the extensions in a resource.
func urls(v any, into map[string]bool) {
	switch x := v.(type) {
	case map[string]any:
		for name, value := range x {
			if text, is := value.(string); is && name == "url" && strings.HasPrefix(text, "urn:") {
				into[text] = true
			}
			urls(value, into)
		}
	case []any:
		for _, value := range x {
			urls(value, into)
		}
	}
}

// TestDefinitions: what the code writes conforms to the StructureDefinitions, all of their extensions are written, and the code refuses
// what they forbid and requires what they require.
func TestDefinitions(t *testing.T) {
	defs := definitions(t)
	of := defs[consentfhir.URL]
	written := map[string]bool{consentfhir.URL: true}
	rapid.Check(t, func(t *rapid.T) {
		record := records().Draw(t, "record")
		b, err := profile.Write(consentfhir.Consent{Records: []consent.Record{record}})
		if err != nil {
			t.Fatal(err)
		}
		var resource map[string]any
		if err := json.Unmarshal(b, &resource); err != nil {
			t.Fatal(err)
		}
		urls(resource, written)
		if faults := conforms(defs, of, resource); len(faults) > 0 {
			t.Fatalf("%v\n%s", faults, b)
		}
	})
	known := slices.Sorted(maps.Keys(defs))
	for _, url := range known {
		if !written[url] {
			t.Errorf("%s is never written", url)
		}
	}
	good := func() map[string]any {
		var resource map[string]any
		exception := m{"type": "deny", "purpose": []any{m{"system": terminology + "v3-ActReason", "code": "HRESCH"}}}
		base := m{"type": "permit", "actor": []any{actorOf("IRCP", "Group", "urn:zorgsluis:provider-category", "gp")}, "provision": []any{exception}}
		_ = json.Unmarshal(marshal(t, resourceOf(base)), &resource)
		return resource
	}
	if _, err := profile.Read(marshal(t, good())); err != nil || len(conforms(defs, of, good())) > 0 {
		t.Fatalf("the good one is not: %v, %v", err, conforms(defs, of, good()))
	}
	for _, e := range of.Differential.Element {
		parent, name, nested := cutLast(e.ID)
		if !nested || strings.Contains(name, ":") || e.Max != "0" && e.Min == 0 {
			continue
		}
		resource := good()
		for _, holder := range at(resource, parent) {
			object := holder.(map[string]any)
			if e.Max == "0" {
				object[name] = []any{map[string]any{"url": "urn:x"}}
				continue
			}
			delete(object, name)
		}
		if _, err := profile.Read(marshal(t, resource)); err == nil || !strings.Contains(strings.Join(fields(err), " "), name) {
			t.Errorf("%s: the code takes what the definition does not: %v", e.ID, err)
		}
		if len(conforms(defs, of, resource)) == 0 {
			t.Errorf("%s: this test does not see it", e.ID)
		}
	}
}

// TestDefinitionsForbidWhatIsRefused: every element that FHIR has and the code does not accept is forbidden by the StructureDefinition.
func TestDefinitionsForbidWhatIsRefused(t *testing.T) {
	forbidden := map[string]bool{"Consent.sourceAttachment": true} // by the type of source[x]
	for _, e := range definitions(t)[consentfhir.URL].Differential.Element {
		forbidden[e.ID] = forbidden[e.ID] || e.Max == "0"
	}
	for path, model := range map[string]reflect.Type{"Consent": reflect.TypeFor[r4.Consent](), "Consent.provision": reflect.TypeFor[r4.ConsentProvision]()} {
		for i := range model.NumField() {
			name, _, _ := strings.Cut(model.Field(i).Tag.Get("json"), ",")
			resource := resourceOf(m{"type": "deny"})
			object, at := resource, name
			if path != "Consent" {
				object, at = resource["provision"].(m), "provision."+name
			}
			object[name] = m{}
			_, err := profile.Read(marshal(t, resource))
			refused := err != nil && slices.ContainsFunc(strings.Split(err.Error(), "\n"), func(line string) bool {
				reason, is := strings.CutPrefix(line, "consent record: "+at+": ")
				return is && slices.ContainsFunc([]string{"is not of the profile", "the profile has no", "documents are not kept", "rules outside"},
					func(untaken string) bool { return strings.HasPrefix(reason, untaken) })
			})
			if refused && !forbidden[path+"."+name] {
				t.Errorf("the code does not take %s.%s, and the definition does not say so: %v", path, name, err)
			}
		}
	}
}

// TestExampleOfTheDocs: the example in docs/consent-profile.md is accepted as it is, and conforms.
func TestExampleOfTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/consent-profile.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "```json\n")
	example, _, found := strings.Cut(after, "```")
	c, err := profile.Read([]byte(example))
	if !found || err != nil || c.PatientReference != "Patient/123" || len(c.Records) != 1 || c.Records[0].Party.Category != "hospital" {
		t.Fatalf("got %+v, %v", c, err)
	}
	record := c.Records[0]
	record.RecordedAt.Time = now
	if err := catalogue.CheckWrite(record, now); err != nil {
		t.Error(err)
	}
	texts, err := configs.DefaultInformation()
	if err != nil || !slices.ContainsFunc(texts, func(t configs.Text) bool { return t.Information == record.Information }) {
		t.Errorf("the text that it names is not there: %v", err)
	}
	var resource map[string]any
	_ = json.Unmarshal([]byte(example), &resource)
	defs := definitions(t)
	if faults := conforms(defs, defs[consentfhir.URL], resource); len(faults) > 0 {
		t.Error(faults)
	}
}
