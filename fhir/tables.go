package fhir

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Class says what the gateway does with a resource type. The zero value is no type of the version and is refused.
type Class int

// The classes of resource types.
const (
	// ClassUnknown is no resource type of the version.
	ClassUnknown Class = iota
	// ClassPatient is bound to one patient: read and searched.
	ClassPatient
	// ClassShared belongs to nobody: released only when a kept entry refers to it, never by a read or a search of its own.
	ClassShared
	// ClassRefused is never served. The table says why.
	ClassRefused
)

// typeRule is what the table of a version says about one resource type.
type typeRule struct {
	class Class
	// member are the element paths whose reference alone decides whose the resource is, dotted, relative to the resource. It is empty
	// for Patient, which belongs to the patient with its own id.
	member []string
	// patientParam is the search parameter that binds a search to one patient.
	patientParam string
	// params are all standard search parameters of the type, refused ones included. Empty unless class is ClassPatient.
	params map[string]paramRule
	// reason is why a refused type is refused.
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
	kindID // _id: logical ids

	// Parameters that name the patient.
	kindPatient           // a reference to the patient, with its :Patient, :identifier and .identifier forms
	kindPatientID         // _id of a Patient
	kindPatientIdentifier // identifier of a Patient

	// Parameters of every type that shape the result (R4 §3.1.1.5), or that are the gateway's own.
	kindCount
	kindSort
	kindInclude
	kindRevInclude
	kindFormat
	kindPretty
	kindCursor
)

// paramKinds are the words of the table.
var paramKinds = map[string]paramKind{
	"refused": kindRefused,
	"token":   kindToken, "date": kindDate, "reference": kindReference, "string": kindString, "quantity": kindQuantity,
	"number": kindNumber, "uri": kindURI, "id": kindID,
	"patient": kindPatient, "patient-id": kindPatientID, "patient-identifier": kindPatientIdentifier,
	"count": kindCount, "sort": kindSort, "include": kindInclude, "revinclude": kindRevInclude, "format": kindFormat,
	"pretty": kindPretty, "cursor": kindCursor,
}

// paramRule is what the table says about one search parameter.
type paramRule struct {
	kind paramKind
	// targets are the types that a reference may point at; "*" is any.
	targets []string
	// reason is why a refused parameter is refused, fit for the caller.
	reason string
}

// targetsType reports whether a reference parameter may point at a resource of the type.
func (p paramRule) targetsType(typ string) bool {
	return slices.Contains(p.targets, typ) || slices.Contains(p.targets, "*")
}

// table is everything that the grammar of one version consists of.
type table struct {
	types      map[string]*typeRule
	general    map[string]paramRule // parameters of every type
	operations map[string]string    // standard operations, all refused, and why
	served     []string             // the types of ClassPatient, sorted
}

//go:embed tables/r4.json
var r4JSON []byte

var r4 = mustLoadTable(r4JSON)

// tableOf is the table of a version, nil for a version that has none.
func tableOf(v Version) *table {
	if v == R4 {
		return r4
	}
	return nil
}

// ruleFor is what the table says about a type; false for a type or a version that is not in it.
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

// ClassOf says how resources of a type are treated; ClassUnknown for what is no type of the version.
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

// tableFile is the form of tables/*.json. A parameter is its kind, followed by the reference targets or by the reason of a refusal.
type tableFile struct {
	FHIRVersion string            `json:"fhirVersion"`
	Abstract    []string          `json:"abstract"` // types that no resource has: unknown to the grammar
	General     map[string]string `json:"general"`
	Operations  map[string]string `json:"operations"`
	Types       map[string]struct {
		Class  string            `json:"class"`
		Reason string            `json:"reason"`
		Member []string          `json:"member"`
		Bind   string            `json:"bind"`
		Params map[string]string `json:"params"`
	} `json:"types"`
}

// mustLoadTable reads an embedded table. It panics on a broken one: that is a defect of the build, which every test shows.
func mustLoadTable(b []byte) *table {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var file tableFile
	if err := d.Decode(&file); err != nil {
		panic("fhir: table: " + err.Error())
	}
	classes := map[string]Class{"patient": ClassPatient, "shared": ClassShared, "refused": ClassRefused}
	t := &table{types: make(map[string]*typeRule, len(file.Types)), general: mustLoadParams(file.General), operations: file.Operations}
	for name, typ := range file.Types {
		class := classes[typ.Class]
		if class == ClassUnknown || class == ClassRefused && typ.Reason == "" {
			panic("fhir: table: no class, or no reason of a refusal: " + name)
		}
		t.types[name] = &typeRule{
			class: class, member: typ.Member, patientParam: typ.Bind, params: mustLoadParams(typ.Params), reason: fitForCaller(typ.Reason),
		}
		if class == ClassPatient {
			t.served = append(t.served, name)
		}
	}
	slices.Sort(t.served)
	return t
}

func mustLoadParams(words map[string]string) map[string]paramRule {
	params := make(map[string]paramRule, len(words))
	for name, word := range words {
		first, rest, _ := strings.Cut(word, " ")
		kind, ok := paramKinds[first]
		if !ok {
			panic("fhir: table: unknown kind of parameter: " + name)
		}
		rule := paramRule{kind: kind}
		switch kind {
		case kindReference:
			rule.targets = strings.Fields(rest)
		case kindRefused:
			rule.reason = fitForCaller(rest)
		}
		params[name] = rule
	}
	return params
}

// fitForCaller leaves out the case ids of the leak catalogue that end a reason: "counts are not disclosed (OR-6)".
func fitForCaller(reason string) string {
	text, _, _ := strings.Cut(reason, " (")
	return text
}

// paramNames lists the allowed search parameters of a type's own, sorted.
func (r *typeRule) paramNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.params)), func(name string) bool { return r.params[name].kind == kindRefused })
}
