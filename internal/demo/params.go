//go:build !release

package demo

import (
	"fmt"
	"strings"
	"sync"

	"zorgsluis/fhir"
)

// parameter is one search parameter of one type: its kind of value (R4 §3.1.1.4.1) and the element paths of its values.
type parameter struct {
	kind  string // token, reference, date, string, uri, number, quantity
	paths []elementPath
}

// elementPath is the path of an element; target, if set, restricts references to that type.
type elementPath struct {
	names  []string
	target string
}

// dialect has the standard search parameters of a FHIR version, by type and code; those of all types are under "Resource". convert_test.go and
// convert_stu3_test.go made it from the lists of the specification, without composite and special ones.
type dialect map[string]map[string]parameter

// dialects reads the parameters of a version on first use.
var dialects = map[fhir.Version]func() (dialect, error){
	fhir.R4:   sync.OnceValues(func() (dialect, error) { return loadDialect("data/search-parameters.tsv.gz") }),
	fhir.STU3: sync.OnceValues(func() (dialect, error) { return loadDialect("data/stu3/search-parameters.tsv.gz") }),
}

// lookUp finds a search parameter of a type.
func (d dialect) lookUp(typ, code string) (parameter, bool) {
	for _, at := range []string{typ, "Resource"} {
		if p, ok := d[at][code]; ok {
			return p, true
		}
	}
	return parameter{}, false
}

func loadDialect(file string) (dialect, error) {
	table, err := readGzip(file)
	if err != nil {
		return nil, fmt.Errorf("load search parameters: %w", err)
	}
	byType := dialect{}
	for line := range strings.Lines(string(table)) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) != 4 {
			return nil, fmt.Errorf("load search parameters: a line of %d columns", len(columns))
		}
		p := parameter{kind: columns[2]}
		for path := range strings.SplitSeq(columns[3], " ") {
			names, target, _ := strings.Cut(path, ":")
			p.paths = append(p.paths, elementPath{strings.Split(names, "."), target})
		}
		if byType[columns[0]] == nil {
			byType[columns[0]] = map[string]parameter{}
		}
		byType[columns[0]][columns[1]] = p
	}
	return byType, nil
}

// choiceTypes are the endings of elements with a choice of type, as far as search parameters use them (R4 §2.24.0.1).
var choiceTypes = []string{
	"DateTime", "Date", "Period", "Instant", "Timing", "CodeableConcept", "Coding", "Code", "Identifier", "Reference", "Quantity",
	"String", "Uri", "Boolean", "Integer", "Age", "Range", "Decimal",
}

// values returns all values at the path: lists are flattened, "effective" finds effectiveDateTime, effectivePeriod and so on.
func (p elementPath) values(node any) []any {
	if list, ok := node.([]any); ok {
		var all []any
		for _, item := range list {
			all = append(all, p.values(item)...)
		}
		return all
	}
	if len(p.names) == 0 {
		return []any{node}
	}
	object, ok := node.(map[string]any)
	if !ok {
		return nil
	}
	rest := elementPath{p.names[1:], p.target}
	if child, ok := object[p.names[0]]; ok {
		return rest.values(child)
	}
	for _, ending := range choiceTypes {
		if child, ok := object[p.names[0]+ending]; ok {
			return rest.values(child)
		}
	}
	return nil
}

// values returns the values of a parameter in a resource.
func (p parameter) values(tree map[string]any) []any {
	var all []any
	for _, path := range p.paths {
		for _, value := range path.values(tree) {
			if path.target == "" || strings.Contains("/"+referenceOf(value), "/"+path.target+"/") {
				all = append(all, value)
			}
		}
	}
	return all
}

// referenceOf returns the literal reference of a Reference or canonical, without a version, or "".
func referenceOf(value any) string {
	var ref string
	switch v := value.(type) {
	case map[string]any:
		ref, _ = v["reference"].(string)
	case string:
		ref = v
	}
	ref, _, _ = strings.Cut(ref, "/_history/")
	return ref
}
