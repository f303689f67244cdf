//go:build !release

package demo_test

import (
	"slices"
	"testing"

	"zorgsluis/configs"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
	"zorgsluis/policy"
)

func TestCallersAreWhatTheirTitlesSay(t *testing.T) {
	tables, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	for clientID, want := range map[string]policy.ProviderCategory{
		"gp": "gp", "pharmacist": "pharmacy", "company-doctor": "company-doctor", "insurer": "insurer", "emergency-doctor": "hospital",
	} {
		caller, ok := demo.CallerByID(clientID)
		if !ok {
			t.Fatalf("no %s", clientID)
		}
		c := caller.Claims
		signals := policy.Signals{
			OrganizationType: c.OrganizationType, AGB: c.AGB, UZIRoles: c.UZIRoles, Organization: "ura:" + c.OrganizationURA,
			Purposes: []policy.PurposeOfUse{policy.PurposeOfUse(c.PurposeOfUse[0])},
		}
		if c.OrganizationUZOVI != "" {
			signals.Identifiers = []fhir.Identifier{{System: "http://fhir.nl/fhir/NamingSystem/uzovi", Value: c.OrganizationUZOVI}}
		}
		if got := tables.Providers.Resolve(signals); !slices.Equal(got, []policy.ProviderCategory{want}) {
			t.Errorf("%s: got %v, want %s", clientID, got, want)
		}
		if tables.Assurance.Level(c.ACR) < policy.AssuranceSubstantial {
			t.Errorf("%s is not known well enough", clientID)
		}
	}
	for clientID, organization := range map[string]string{
		"gp": demo.OrganizationGP, "pharmacist": demo.OrganizationPharmacy, "company-doctor": demo.OrganizationOccupational,
		"insurer": demo.OrganizationInsurer, "emergency-doctor": demo.OrganizationHospital,
	} {
		if caller, _ := demo.CallerByID(clientID); "ura:"+caller.Claims.OrganizationURA != organization {
			t.Errorf("%s is not of %s", clientID, organization)
		}
	}
}
