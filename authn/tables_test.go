package authn_test

import (
	"sync"

	"zorgsluis/policy"
)

// testTables are provider tables with one code of each kind.
var testTables = sync.OnceValue(func() *policy.Tables {
	codes := policy.CodeTables{
		OrganizationTypes: map[string]policy.ProviderCategory{"Z3": "gp", "J8": "pharmacy"},
		AGBPrefixes:       map[string]policy.ProviderCategory{"02": "pharmacy"},
		UZIRoles:          map[string]policy.ProviderCategory{"01.015": "gp", "17.000": "pharmacy"},
		Secrecy: policy.Secrecy{
			Bases: []policy.SecrecyRule{{Basis: "big-3"}, {Basis: "employment", Mandate: true}, {Basis: "wgbo-457"}},
			Roles: map[string]policy.SecrecyBasis{"01.015": "big-3"}, Organizations: "wgbo-457",
		},
	}
	for _, category := range policy.BlockedCategories() {
		blocked := policy.Blocked{Category: category}
		switch category {
		case "insurer":
			blocked.IdentifierSystems = []string{"http://fhir.nl/fhir/NamingSystem/uzovi"}
			blocked.Organizations = []string{"ura:00009999"}
		case "company-doctor":
			blocked.UZIRoles = []string{"01.008"}
		case "medical-examiner":
			blocked.Purposes = []policy.PurposeOfUse{"EMPLOY"}
		}
		codes.Blocked = append(codes.Blocked, blocked)
	}
	tables, err := policy.NewTables([]policy.ProviderCategory{"gp", "pharmacy"}, codes)
	if err != nil {
		panic(err)
	}
	return tables
})

func testAssurance() policy.AssuranceMap {
	return policy.AssuranceMap{
		"":                                       policy.AssuranceHigh, // a mistake that must not raise anyone's level
		"http://eidas.europa.eu/LoA/low":         policy.AssuranceLow,
		"http://eidas.europa.eu/LoA/substantial": policy.AssuranceSubstantial,
		"http://eidas.europa.eu/LoA/high":        policy.AssuranceHigh,
	}
}
