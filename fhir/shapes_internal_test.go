package fhir

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestShapesAreOfTheStandard compares the table of shapes with the standard: the elements of every served type that may refer to a
// patient or that classify.
func TestShapesAreOfTheStandard(t *testing.T) {
	t.Parallel()
	for v, folder := range map[Version]string{R4: "testdata/r4/", STU3: "testdata/stu3/"} {
		for _, typ := range compartmentTypes(t, folder) {
			rule, ok := ruleFor(v, typ.Type)
			if !ok || rule.class != ClassPatient {
				continue
			}
			want := slices.Clone(typ.Classifying)
			for _, p := range typ.Paths {
				want = append(want, p.Shape)
			}
			slices.Sort(want)
			if got := slices.Sorted(maps.Values(rule.shapes)); !slices.Equal(got, want) {
				t.Errorf("version %d, %s: got %v, the standard has %v", v, typ.Type, got, want)
			}
			for _, member := range rule.member {
				if rule.shapes[member] == "" {
					t.Errorf("version %d, %s.%s decides whose it is and has no shape", v, typ.Type, member)
				}
			}
		}
	}
}

// TestOtherShapesAreNotUnderstood puts a patient in every element that may refer to one, in the standard shape and in every other:
// a list for a single value, or the reverse. Two parsers could read a wrong shape differently, so it is not released, neither in
// the resource itself nor in a contained one.
func TestOtherShapesAreNotUnderstood(t *testing.T) {
	t.Parallel()
	for v := range versions {
		var rules []CategoryRule
		for _, typ := range Types(v) {
			rules = append(rules, CategoryRule{Category: "c", Type: typ, Element: "category", Code: Coding{System: "s"}})
		}
		o := testOracle(v)
		classifier, err := NewClassifier(v, rules, nil)
		if err != nil {
			t.Fatal(err)
		}
		o.Classifier = classifier
		r := testReader(t, o)
		tried := 0
		for _, typ := range Types(v) {
			rule, _ := ruleFor(v, typ)
			for _, path := range slices.Sorted(maps.Keys(rule.shapes)) {
				if typ == typePatient || path == "code" {
					continue // links of a Patient are not released; a code is an object in all types
				}
				due := rule.shapes[path]
				for _, shape := range otherShapes(path) {
					for _, body := range inShape(typ, rule, shape) {
						tried++
						var c Contents
						if err := r.Resource([]byte(body), LocalReference{Type: typeIn(body), ID: "A"}, &c); err != nil {
							t.Fatalf("%s: %v", body, err)
						}
						if got := c.Resources[0].Attributed; got != (shape == due) {
							t.Errorf("version %d: attributed %v, want the shape %s: %s", v, got, due, body)
						}
					}
				}
			}
		}
		if tried < 500 {
			t.Errorf("version %d: only %d bodies tried", v, tried)
		}
	}
}

// otherShapes returns all shapes that a path can have, including its own.
func otherShapes(path string) []string {
	shapes := []string{""}
	for name := range strings.SplitSeq(path, ".") {
		var longer []string
		for _, s := range shapes {
			longer = append(longer, strings.TrimPrefix(s+"."+name, "."), strings.TrimPrefix(s+"."+name+"[]", "."))
		}
		shapes = longer
	}
	return shapes
}

// inShape returns resources about Patient/A with an element in a shape; for a reference, also in a contained resource.
func inShape(typ string, rule *typeRule, shape string) []string {
	path := strings.ReplaceAll(shape, "[]", "")
	if path == "category" {
		return []string{fmt.Sprintf(`{"resourceType":"%s","id":"A",%s,%s}`, typ, memberIn(rule.shapes[rule.member[0]], `{"reference":"Patient/A"}`),
			memberIn(shape, `{"coding":[{"system":"s","code":"1"}]}`))}
	}
	element := memberIn(shape, `{"reference":"Patient/A"}`)
	contained := fmt.Sprintf(`{"resourceType":"Observation","id":"A","subject":{"reference":"Patient/A"},"contained":[{"resourceType":"%s","id":"in",%s}]}`, typ, element)
	if path == rule.member[0] {
		return []string{fmt.Sprintf(`{"resourceType":"%s","id":"A",%s}`, typ, element), contained}
	}
	return []string{fmt.Sprintf(`{"resourceType":"%s","id":"A",%s,%s}`, typ, memberIn(rule.shapes[rule.member[0]], `{"reference":"Patient/A"}`), element), contained}
}

// memberIn renders a member in a shape: "a[].b" is a list of objects with b.
func memberIn(shape, value string) string {
	name, rest, more := strings.Cut(shape, ".")
	if more {
		value = "{" + memberIn(rest, value) + "}"
	}
	if plain, list := strings.CutSuffix(name, "[]"); list {
		name, value = plain, "["+value+"]"
	}
	return `"` + name + `":` + value
}

// typeIn returns the type at the start of a resource.
func typeIn(body string) string {
	typ, _, _ := strings.Cut(strings.TrimPrefix(body, `{"resourceType":"`), `"`)
	return typ
}
