package proxy

import (
	"time"

	model "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/audit"
	"zorgsluis/fhir"
)

// capability is the statement of what the gateway serves of a source; nothing of the source's own statement is in it (leaks.md DE-1).
func (g *Gate) capability(s *Source) []byte {
	return fhir.CapabilityStatement(s.Version, fhir.Capability{
		Software: "Zorgsluis", SoftwareVersion: g.parts.Software, Base: g.base(s), Date: g.started(),
		Allow: s.Allow, Batch: true,
	})
}

// ownCapability is the statement of the gateway's own FHIR base: the patient's access events, and break-glass.
func (g *Gate) ownCapability() ([]byte, error) {
	base := g.parts.PublicURL + "/gateway"
	statement := model.CapabilityStatement{
		Status: model.PublicationStatusActive, Date: g.started(), Kind: model.CapabilityStatementKindInstance,
		Software:       &model.CapabilityStatementSoftware{Name: "Zorgsluis", Version: &g.parts.Software},
		Implementation: &model.CapabilityStatementImplementation{Description: "the gateway's own resources", Url: &base},
		FhirVersion:    model.FHIRVersion4_0_1, Format: []string{"application/fhir+json", "json"},
		Rest: []model.CapabilityStatementRest{{
			Mode: model.RestfulCapabilityModeServer,
			Resource: []model.CapabilityStatementRestResource{{
				Type:        model.ResourceTypeAuditEvent,
				Interaction: []model.CapabilityStatementRestResourceInteraction{{Code: model.TypeRestfulInteractionSearchType}},
			}},
			Operation: []model.CapabilityStatementRestResourceOperation{{Name: "break-glass", Definition: base + "/$break-glass"}},
		}},
	}
	return statement.MarshalJSON()
}

func (g *Gate) started() string { return g.parts.Started.UTC().Format(time.RFC3339) }

// eventOptions is what AuditEvent resources need to know of the gateway.
func (g *Gate) eventOptions() audit.FHIROptions {
	return audit.FHIROptions{Gateway: g.parts.PublicURL}
}
