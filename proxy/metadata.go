package proxy

import (
	"time"

	model "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/audit"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
)

// capability is the CapabilityStatement of what the gateway serves of a source. Nothing of the source's own statement is in it (leaks.md
// DE-1).
func (g *Gate) capability(s *Source) []byte {
	return fhir.CapabilityStatement(s.Version, fhir.Capability{
		Software: "Zorgsluis", SoftwareVersion: g.parts.Software, Base: g.base(s), Date: g.started(),
		Allow: s.Allow, Batch: true,
	})
}

// ownCapability is the CapabilityStatement of the gateway's own FHIR base: access events, consents, break-glass, and their definitions.
func (g *Gate) ownCapability() ([]byte, error) {
	base := g.parts.PublicURL + "/gateway"
	statement := model.CapabilityStatement{
		Status: model.PublicationStatusActive, Date: g.started(), Kind: model.CapabilityStatementKindInstance,
		Software:       &model.CapabilityStatementSoftware{Name: "Zorgsluis", Version: &g.parts.Software},
		Implementation: &model.CapabilityStatementImplementation{Description: "the gateway's own resources", Url: &base},
		FhirVersion:    model.FHIRVersion4_0_1, Format: []string{"application/fhir+json", "json"},
		Rest: []model.CapabilityStatementRest{{
			Mode: model.RestfulCapabilityModeServer,
			Documentation: new("The texts that patients are shown before they choose, which a Consent names, are at " + g.parts.PublicURL + informationPath +
				" (a list) and " + informationPath + "/[id]/[version] (one, by Accept-Language or ?language=), without a token."),
			Resource: []model.CapabilityStatementRestResource{{
				Type:        model.ResourceTypeAuditEvent,
				Interaction: []model.CapabilityStatementRestResourceInteraction{{Code: model.TypeRestfulInteractionRead}, {Code: model.TypeRestfulInteractionSearchType}},
				SearchParam: ownSearchParams("AuditEvent"),
			}, g.consentCapability(), readOnly(model.ResourceTypeStructureDefinition), readOnly(model.ResourceTypeOperationDefinition), readOnly(model.ResourceTypeCodeSystem)},
			Operation: []model.CapabilityStatementRestResourceOperation{
				{Name: "break-glass", Definition: operationURL + "break-glass"},
				{Name: "break-glass-end", Definition: operationURL + "break-glass-end"},
				{Name: "object", Definition: operationURL + "object"},
			},
		}},
	}
	return statement.MarshalJSON()
}

// operationURL is the prefix of the canonical URL of an operation of the gateway, whose OperationDefinition is at
// /gateway/OperationDefinition/[id].
const operationURL = "urn:zorgsluis:OperationDefinition:"

// readOnly describes a type that can only be read by id.
func readOnly(typ model.ResourceType) model.CapabilityStatementRestResource {
	return model.CapabilityStatementRestResource{
		Type: typ, Interaction: []model.CapabilityStatementRestResourceInteraction{{Code: model.TypeRestfulInteractionRead}},
	}
}

// consentCapability describes what is served of Consent. The profiles of IHE PCF are understood, but what is written lacks some of what
// they require (organization, source), so they are not listed as supported in the sense of R4.
func (g *Gate) consentCapability() model.CapabilityStatementRestResource {
	r := model.CapabilityStatementRestResource{
		Type: model.ResourceTypeConsent, Profile: new(consentfhir.URL), Versioning: new(model.ResourceVersionPolicyVersionedUpdate),
		ReadHistory: new(true), UpdateCreate: new(false), ConditionalCreate: new(false), SearchParam: ownSearchParams("Consent"),
		Documentation: new("A Consent of the profiles " + consentfhir.ProfileBasic + " and " + consentfhir.ProfileIntermediate +
			" is understood as well; what is written has the profile above."),
		Operation: []model.CapabilityStatementRestResourceOperation{{Name: "withdraw", Definition: operationURL + "consent-withdraw"}},
	}
	for _, code := range []model.TypeRestfulInteraction{
		model.TypeRestfulInteractionCreate, model.TypeRestfulInteractionRead, model.TypeRestfulInteractionVread, model.TypeRestfulInteractionUpdate,
		model.TypeRestfulInteractionHistoryInstance, model.TypeRestfulInteractionSearchType,
	} {
		r.Interaction = append(r.Interaction, model.CapabilityStatementRestResourceInteraction{Code: code})
	}
	return r
}

// reasonsPath is the path of the reasons that a declaration may give.
const reasonsPath = "/gateway/CodeSystem/break-glass-reason"

// reasonCodes is the closed list of reasons (R4 CodeSystem), for the forms of those who declare: in Dutch, with English designations.
func (g *Gate) reasonCodes() ([]byte, error) {
	system := model.CodeSystem{
		Id: new("break-glass-reason"), Url: new(g.parts.PublicURL + reasonsPath), Language: new("nl"), Name: new("BreakGlassReason"),
		Status: model.PublicationStatusActive, Content: model.CodeSystemContentModeComplete, Date: new(g.started()), CaseSensitive: new(true),
		Concept: []model.CodeSystemConcept{},
	}
	for _, r := range g.parts.BreakGlass.Reasons {
		system.Concept = append(system.Concept, model.CodeSystemConcept{
			Code: r.Code, Display: new(r.Dutch), Designation: []model.CodeSystemConceptDesignation{{Language: new("en"), Value: r.English}},
		})
	}
	return system.MarshalJSON()
}

// ownSearchParams are the parameters of a search of the gateway's own resources.
func ownSearchParams(typ string) (params []model.CapabilityStatementRestResourceSearchParam) {
	for _, p := range fhir.OwnSearchParams(typ) {
		params = append(params, model.CapabilityStatementRestResourceSearchParam{Name: p.Name, Type: searchParamTypes[p.Kind]})
	}
	return params
}

var searchParamTypes = map[string]model.SearchParamType{
	"date": model.SearchParamTypeDate, "token": model.SearchParamTypeToken, "reference": model.SearchParamTypeReference,
}

func (g *Gate) started() string { return g.parts.Started.UTC().Format(time.RFC3339) }

// eventOptions are what rendering AuditEvents takes from the gateway.
func (g *Gate) eventOptions() audit.FHIROptions {
	holders := make(map[string]string, len(g.parts.Sources))
	for _, s := range g.parts.Sources {
		holders[s.ID] = s.Holder.Organization
	}
	return audit.FHIROptions{Gateway: g.parts.PublicURL, Holders: holders}
}
