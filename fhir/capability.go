package fhir

import (
	"maps"
	"slices"
	"strings"

	model "github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// Capability is what a CapabilityStatement says besides the allowed surface.
type Capability struct {
	Software        string // name of the software
	SoftwareVersion string // may be empty
	Base            string // the FHIR base URL as callers see it
	Date            string // when the surface last changed, a FHIR dateTime
}

// CapabilityStatement describes exactly what the gateway serves for a version (R4 §5.1), generated from the tables that requests are
// read with; nothing of the source is in it (DE-1). It is nil for a version without tables.
func CapabilityStatement(v Version, o Capability) []byte {
	t := tableOf(v)
	if t == nil {
		return nil
	}
	rest := model.CapabilityStatementRest{
		Mode: model.RestfulCapabilityModeServer,
		Documentation: new("Every search is bound to one patient: named by the patient's id, or by one identifier (patient.identifier=system|value " +
			"and the same for the other names of the patient). What is not listed is refused."),
	}
	for _, typ := range t.served {
		rest.Resource = append(rest.Resource, t.capabilityOf(typ))
	}
	software := &model.CapabilityStatementSoftware{Name: o.Software}
	if o.SoftwareVersion != "" {
		software.Version = &o.SoftwareVersion
	}
	return marshal(model.CapabilityStatement{
		Status:         model.PublicationStatusActive,
		Date:           o.Date,
		Kind:           model.CapabilityStatementKindInstance,
		Software:       software,
		Implementation: &model.CapabilityStatementImplementation{Description: "consent-gated access to one source", Url: &o.Base},
		FhirVersion:    model.FHIRVersion4_0_1,
		Format:         []string{"application/fhir+json", "json"},
		Rest:           []model.CapabilityStatementRest{rest},
	})
}

// capabilityOf describes one served type.
func (t *table) capabilityOf(typ string) model.CapabilityStatementRestResource {
	rule := t.types[typ]
	var code model.ResourceType
	if err := code.UnmarshalJSON([]byte(typ)); err != nil {
		panic("fhir: a served type that the models do not know: " + typ)
	}
	r := model.CapabilityStatementRestResource{
		Type: code,
		Interaction: []model.CapabilityStatementRestResourceInteraction{
			{Code: model.TypeRestfulInteractionRead}, {Code: model.TypeRestfulInteractionSearchType},
		},
		Versioning: new(model.ResourceVersionPolicyNoVersion),
	}
	for _, name := range slices.Sorted(maps.Keys(rule.params)) {
		param := rule.params[name]
		if param.kind != kindRefused && param.kind != kindIncludeOnly {
			r.SearchParam = append(r.SearchParam, model.CapabilityStatementRestResourceSearchParam{Name: name, Type: param.kind.searchType()})
		}
		if t.canInclude(param) {
			r.SearchInclude = append(r.SearchInclude, typ+":"+name)
		}
	}
	for _, name := range [...]string{"_id", "_lastUpdated"} {
		if _, own := rule.params[name]; !own {
			r.SearchParam = append(r.SearchParam, model.CapabilityStatementRestResourceSearchParam{Name: name, Type: t.general[name].kind.searchType()})
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
	slices.SortFunc(all, strings.Compare)
	return all
}

// searchType is the kind in the words of R4 (value set search-param-type).
func (k paramKind) searchType() model.SearchParamType {
	switch k {
	case kindDate:
		return model.SearchParamTypeDate
	case kindReference, kindPatient:
		return model.SearchParamTypeReference
	case kindString:
		return model.SearchParamTypeString
	case kindQuantity:
		return model.SearchParamTypeQuantity
	case kindNumber:
		return model.SearchParamTypeNumber
	case kindURI:
		return model.SearchParamTypeUri
	}
	return model.SearchParamTypeToken
}
