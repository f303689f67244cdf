package fhir

import (
	"maps"
	"slices"
)

// Capability is what a CapabilityStatement says besides the served surface.
type Capability struct {
	Software        string // name of the software
	SoftwareVersion string // may be empty
	Base            string // the FHIR base URL as callers see it
	Date            string // when the surface last changed, a FHIR dateTime
	Allow           Allow  // the optional interactions that the source offers
	Batch           bool   // batches of reads and searches are taken
}

// statement is a CapabilityStatement of R4 or STU3, with the elements that the gateway fills. The two differ in operations and
// acceptUnknown, so the models of one version do not fit.
type statement struct {
	ResourceType   string          `json:"resourceType"`
	Status         string          `json:"status"`
	Date           string          `json:"date"`
	Kind           string          `json:"kind"`
	Software       softwareOf      `json:"software"`
	Implementation implementation  `json:"implementation"`
	FHIRVersion    string          `json:"fhirVersion"`
	AcceptUnknown  string          `json:"acceptUnknown,omitempty"` // STU3
	Format         []string        `json:"format"`
	Rest           []statementRest `json:"rest"`
}

type (
	softwareOf struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	implementation struct {
		Description string `json:"description"`
		URL         string `json:"url"`
	}
	statementRest struct {
		Mode          string              `json:"mode"`
		Documentation string              `json:"documentation"`
		Resource      []statementResource `json:"resource"`
		Interaction   []interactionCode   `json:"interaction,omitempty"`
		Operation     []operationLink     `json:"operation,omitempty"` // STU3
		Compartment   []string            `json:"compartment"`
	}
	statementResource struct {
		Type             string            `json:"type"`
		Interaction      []interactionCode `json:"interaction"`
		Versioning       string            `json:"versioning"`
		SearchInclude    []string          `json:"searchInclude,omitempty"`
		SearchRevInclude []string          `json:"searchRevInclude,omitempty"`
		SearchParam      []searchParam     `json:"searchParam,omitempty"`
		Operation        []operationLink   `json:"operation,omitempty"` // R4
	}
	interactionCode struct {
		Code Code `json:"code"`
	}
	searchParam struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	// operationLink names an operation; Definition is a canonical in R4 and a Reference in STU3.
	operationLink struct {
		Name       string `json:"name"`
		Definition any    `json:"definition"`
	}
	definedBy struct {
		Reference string `json:"reference"`
	}
)

// CapabilityStatement describes exactly what the gateway serves for a version (R4 §5.1), generated from the tables that requests
// are parsed with; nothing of the source is in it (DE-1). It is nil for an unknown version.
func CapabilityStatement(v Version, o Capability) []byte {
	t := tableOf(v)
	if t == nil {
		return nil
	}
	rest := statementRest{
		Mode: "server",
		Documentation: "Every search is bound to one patient: named by the patient's id, or by one identifier (patient.identifier=system|value " +
			"and the same for the other names of the patient), or by the path Patient/[id]/[type]. An include is repeated by " + t.iterate +
			". Attachments are read by the links that the resources have. What is not listed is refused.",
		Compartment: []string{"http://hl7.org/fhir/CompartmentDefinition/patient"},
	}
	if o.Batch {
		rest.Interaction = []interactionCode{{"batch"}}
	}
	for _, typ := range t.served {
		r := t.capabilityOf(typ, o.Allow)
		name, served := servedOperations[typ]
		if definition := "http://hl7.org/fhir/OperationDefinition/" + typ + "-" + name; served && v == STU3 {
			rest.Operation = append(rest.Operation, operationLink{name, definedBy{definition}})
		} else if served {
			r.Operation = []operationLink{{name, definition}}
		}
		rest.Resource = append(rest.Resource, r)
	}
	s := statement{
		ResourceType: "CapabilityStatement", Status: "active", Date: o.Date, Kind: "instance",
		Software:       softwareOf{o.Software, o.SoftwareVersion},
		Implementation: implementation{"consent-gated access to one source", o.Base},
		FHIRVersion:    "4.0.1",
		Format:         []string{"application/fhir+json", "json"},
		Rest:           []statementRest{rest},
	}
	if v == STU3 {
		s.FHIRVersion, s.AcceptUnknown = "3.0.2", "no"
	}
	return marshal(s)
}

// servedOperations are the operations that are served, by the type that they are called on.
var servedOperations = map[string]string{typePatient: "everything", typeObservation: "lastn"}

// capabilityOf describes one served type.
func (t *table) capabilityOf(typ string, allow Allow) statementResource {
	rule := t.types[typ]
	r := statementResource{Type: typ, Interaction: []interactionCode{{CodeRead}, {CodeSearch}}, Versioning: "no-version"}
	if allow&AllowVRead != 0 {
		r.Interaction, r.Versioning = append(r.Interaction, interactionCode{CodeVRead}), "versioned"
	}
	if allow&AllowHistory != 0 {
		r.Interaction = append(r.Interaction, interactionCode{CodeHistory})
	}
	for _, name := range slices.Sorted(maps.Keys(rule.params)) {
		param := rule.params[name]
		if param.kind != kindRefused && param.kind != kindIncludeOnly {
			r.SearchParam = append(r.SearchParam, searchParam{name, param.kind.searchType()})
		}
		if t.canInclude(param) {
			r.SearchInclude = append(r.SearchInclude, typ+":"+name)
		}
	}
	for _, name := range [...]string{"_id", "_lastUpdated"} {
		if _, own := rule.params[name]; !own {
			r.SearchParam = append(r.SearchParam, searchParam{name, t.general[name].kind.searchType()})
		}
	}
	r.SearchRevInclude = t.revIncludesOf(typ)
	return r
}

// revIncludesOf lists the reverse includes of a type, sorted.
func (t *table) revIncludesOf(typ string) []string {
	var all []string
	for _, source := range t.served {
		for name, param := range t.types[source].params {
			if t.canRevInclude(typ, param) {
				all = append(all, source+":"+name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// searchType is the kind in the words of the value set search-param-type.
func (k paramKind) searchType() string {
	switch k {
	case kindDate:
		return "date"
	case kindReference, kindPatient:
		return "reference"
	case kindString:
		return "string"
	case kindQuantity:
		return "quantity"
	case kindNumber:
		return "number"
	case kindURI:
		return "uri"
	}
	return "token"
}
