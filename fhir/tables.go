package fhir

import (
	"maps"
	"slices"
	"strings"
)

// Class says how the gateway treats a resource type. The zero value is refused.
type Class int

// The classes of resource types.
const (
	// ClassUnknown is for names that are not resource types of the version.
	ClassUnknown Class = iota
	// ClassPatient is bound to one patient: read and searched.
	ClassPatient
	// ClassShared belongs to no patient: released only when a kept entry refers to it, never by a read or a search of its own.
	ClassShared
	// ClassRefused is never served. The table says why.
	ClassRefused
)

// typeRule is what the table of a version says about one resource type.
type typeRule struct {
	class Class
	// member are the dotted element paths whose reference alone decides which patient a resource belongs to. It is empty for
	// Patient, which belongs to the patient with its own id.
	member []string
	// patientParam is the search parameter that binds a search to one patient.
	patientParam string
	// params are all standard search parameters of the type, including refused ones; for a shared type, those that an include may follow.
	params map[string]paramRule
	// shapes are the elements that may refer to a patient or that classify, by path; in a value, [] follows each name of a list.
	shapes map[string]string
	// reason is why a type is not searched, safe for the caller; empty for ClassPatient.
	reason string
}

// paramKind is how the value of a search parameter is read. The zero value refuses the parameter.
type paramKind int

const (
	kindRefused paramKind = iota

	// Kinds of R4 §3.1.1.4.
	kindToken
	kindDate
	kindReference
	kindString
	kindQuantity
	kindNumber
	kindURI
	kindID          // _id: logical ids
	kindIncludeOnly // a reference that may be included but not searched by

	// Parameters that name the patient.
	kindPatient           // a reference to the patient, with its :Patient, :identifier and .identifier forms
	kindPatientID         // _id of a Patient
	kindPatientIdentifier // identifier of a Patient

	// Parameters of every type that shape the result (R4 §3.1.1.5), or that are the gateway's own.
	kindCount
	kindSort
	kindInclude
	kindIterate // _include with its one modifier
	kindRevInclude
	kindFormat
	kindPretty
	kindCursor

	// Parameters of interactions that are not searches.
	kindSince // an instant
	kindTypes // a list of resource types
)

// paramRule is what the table says about one search parameter.
type paramRule struct {
	kind paramKind
	// targets are the types that a reference may point at; "*" is any.
	targets []string
	// elements locate the references that the parameter follows. Without any, it cannot be used in an include.
	elements []element
	// reason is why a refused parameter is refused, safe for the caller.
	reason string
}

// targetsType reports whether a reference parameter may point at a resource of the type.
func (p paramRule) targetsType(typ string) bool {
	return slices.Contains(p.targets, typ) || slices.Contains(p.targets, "*")
}

// table is the grammar of one version.
type table struct {
	types      map[string]*typeRule
	general    map[string]paramRule // parameters of every type
	operations map[string]bool      // the standard operations
	iterate    string               // the version's name for an iterated include
	served     []string             // the types of ClassPatient, sorted
}

// tableSource is the written form of a table.
type tableSource struct {
	bound      []map[string]boundType
	local      map[string]boundType // non-standard parameters, of types in bound
	shared     string               // types that belong to no patient
	sharedRefs map[string]refs      // references of shared types that may be included
	refused    byReason             // types
	operations byReason
	iterate    string
	elements   []map[string]paramElements // of types in bound and shared
	shapes     map[string]string          // of types in bound
}

// boundType is the written form of a served type: names of parameters, by kind.
type boundType struct {
	member string // path of the reference that alone decides which patient the resource belongs to
	bind   string // the parameter that binds a search to one patient
	names  string // the parameters that name the patient

	tokens, dates, strings, quantities, numbers, uris string

	refs       refs
	includes   refs // included only
	composites string
	refused    byReason
}

type (
	// refs are reference parameters with their possible target types; "*" is every type.
	refs map[string]string
	// paramElements are the reference parameters of a type, by the path of the element that they follow (see parseElement).
	paramElements map[string]string
	// byReason lists what is refused, by reason, which ends in the rows of the leak catalogue in parentheses.
	byReason map[string]string
)

var (
	r4 = tableSource{
		bound: []map[string]boundType{r4BoundAToE, r4BoundFToZ}, local: r4Nictiz,
		shared: r4Shared, sharedRefs: r4SharedRefs, refused: r4Refused, operations: r4Operations, iterate: "_include:iterate",
		elements: []map[string]paramElements{r4Elements, r4NictizElements}, shapes: r4Shapes,
	}.table()
	stu3 = tableSource{
		bound: []map[string]boundType{stu3BoundAToE, stu3BoundFToZ}, local: stu3Nictiz,
		shared: stu3Shared, sharedRefs: stu3SharedRefs, refused: stu3Refused, operations: stu3Operations, iterate: "_include:recurse",
		elements: []map[string]paramElements{stu3Elements, stu3NictizElements}, shapes: stu3Shapes,
	}.table()
)

// tableOf returns the table of a version, nil for an unknown version.
func tableOf(v Version) *table {
	switch v {
	case R4:
		return r4
	case STU3:
		return stu3
	}
	return nil
}

// ruleFor returns the rule of a type; false for an unknown type or version.
func ruleFor(v Version, typ string) (*typeRule, bool) {
	t := tableOf(v)
	if t == nil {
		return nil, false
	}
	rule, ok := t.types[typ]
	return rule, ok
}

// isType reports whether typ is a resource type of the version.
func isType(v Version, typ string) bool {
	_, ok := ruleFor(v, typ)
	return ok
}

// ClassOf returns the class of a type; ClassUnknown if the version has no such type.
func ClassOf(v Version, typ string) Class {
	rule, ok := ruleFor(v, typ)
	if !ok {
		return ClassUnknown
	}
	return rule.class
}

// Types lists the resource types of a version that are read and searched (ClassPatient), sorted.
func Types(v Version) []string {
	t := tableOf(v)
	if t == nil {
		return nil
	}
	return slices.Clone(t.served)
}

// table builds the table.
func (s tableSource) table() *table {
	t := &table{types: map[string]*typeRule{}, general: map[string]paramRule{}, operations: map[string]bool{}, iterate: s.iterate}
	for _, types := range s.bound {
		for name, typ := range types {
			t.types[name] = typ.rule(s.local[name])
			t.types[name].addShapes(s.shapes[name])
			t.served = append(t.served, name)
		}
	}
	slices.Sort(t.served)
	t.types[typePatient].identifyPatients()
	for _, name := range strings.Fields(s.shared) {
		t.types[name] = &typeRule{class: ClassShared, params: includesOnly(s.sharedRefs[name]), reason: "type not searched"}
	}
	for _, types := range s.elements {
		for name, all := range types {
			all.addTo(t.types[name].params)
		}
	}
	for reason, names := range s.refused {
		for _, name := range strings.Fields(names) {
			t.types[name] = &typeRule{class: ClassRefused, reason: "type not served: " + fitForCaller(reason)}
		}
	}
	for name, kind := range generalParams {
		t.general[name] = paramRule{kind: kind}
	}
	refuse(t.general, generalRefused)
	for _, names := range s.operations {
		for _, name := range strings.Fields(names) {
			t.operations[name] = true
		}
	}
	return t
}

// rule makes the rule of a type, with its standard and local parameters.
func (b boundType) rule(local boundType) *typeRule {
	r := &typeRule{class: ClassPatient, patientParam: b.bind, params: map[string]paramRule{}}
	if b.member != "" {
		r.member = []string{b.member}
	}
	b.addTo(r.params)
	local.addTo(r.params)
	return r
}

// addShapes records which elements are lists.
func (r *typeRule) addShapes(shapes string) {
	r.shapes = map[string]string{}
	for _, shape := range strings.Fields(shapes) {
		r.shapes[strings.ReplaceAll(shape, "[]", "")] = shape
	}
}

func (b boundType) addTo(params map[string]paramRule) {
	for kind, names := range map[paramKind]string{
		kindPatient: b.names, kindToken: b.tokens, kindDate: b.dates, kindString: b.strings, kindQuantity: b.quantities,
		kindNumber: b.numbers, kindURI: b.uris,
	} {
		for _, name := range strings.Fields(names) {
			params[name] = paramRule{kind: kind}
		}
	}
	for name, targets := range b.refs {
		params[name] = paramRule{kind: kindReference, targets: strings.Fields(targets)}
	}
	maps.Copy(params, includesOnly(b.includes))
	refuse(params, b.refused)
	refuse(params, byReason{"composite values are not in the grammar": b.composites})
}

// includesOnly makes the rules of parameters that may be included but not searched by.
func includesOnly(all refs) map[string]paramRule {
	params := make(map[string]paramRule, len(all))
	for name, targets := range all {
		params[name] = paramRule{kind: kindIncludeOnly, targets: strings.Fields(targets), reason: "included only"}
	}
	return params
}

// identifyPatients adds the parameters by which a search for Patients names its patient.
func (r *typeRule) identifyPatients() {
	r.params["_id"] = paramRule{kind: kindPatientID}
	r.params["identifier"] = paramRule{kind: kindPatientIdentifier}
}

// refuse adds refused parameters.
func refuse(params map[string]paramRule, refused byReason) {
	for reason, names := range refused {
		for _, name := range strings.Fields(names) {
			params[name] = paramRule{kind: kindRefused, reason: fitForCaller(reason)}
		}
	}
}

// fitForCaller strips the leak catalogue ids at the end of a reason: "counts are not disclosed (OR-6)".
func fitForCaller(reason string) string {
	text, _, _ := strings.Cut(reason, " (")
	return text
}
