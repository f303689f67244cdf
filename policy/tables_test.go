package policy_test

import (
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// codeTables is a small set of tables; the shipped ones are tested by the vectors.
func codeTables() policy.CodeTables {
	return policy.CodeTables{
		Blocked: []policy.Blocked{
			{Category: "medical-examiner", Purposes: []policy.PurposeOfUse{"EMPLOY", "keuring"}, Organizations: []string{"ura:9", "urn:kvk|8"}},
			{Category: "insurer", IdentifierSystems: []string{"uzovi"}, AGBCodes: []string{"9803"}, Purposes: []policy.PurposeOfUse{"EMPLOY"}},
			{Category: "insurance-doctor", UZIRoles: []string{"01.048"}},
			{Category: "company-doctor", UZIRoles: []string{"01.008"}, AGBCodes: []string{"9902"}},
		},
		OrganizationTypes: map[string]policy.ProviderCategory{"Z3": "gp", "XX": ""},
		AGBCodes:          map[string]policy.ProviderCategory{"0329": "ggz", "0199": ""},
		AGBPrefixes:       map[string]policy.ProviderCategory{"01": "gp", "03": "hospital", "98": ""},
		UZIRoles:          map[string]policy.ProviderCategory{"01.015": "gp", "01.035": "ggz", "17.000": "pharmacy", "01.004": "gp", "01.999": ""},
	}
}

var tableCategories = []policy.ProviderCategory{"gp", "ggz", "hospital", "pharmacy"}

func TestResolve(t *testing.T) {
	type list = []policy.ProviderCategory
	identifier := func(system, value string) []fhir.Identifier {
		return []fhir.Identifier{{System: "ura", Value: "1"}, {System: system, Value: value}}
	}
	tests := []struct {
		name string
		in   policy.Signals
		want list
	}{
		{"no signal", policy.Signals{}, nil},
		{"an organisation type", policy.Signals{OrganizationType: "Z3"}, list{"gp"}},
		{"an organisation type goes before AGB and roles", policy.Signals{OrganizationType: "Z3", AGB: "0329", UZIRoles: []string{"17.000"}}, list{"gp"}},
		{"an unknown organisation type is not rescued", policy.Signals{OrganizationType: "ZZ", AGB: "0100", UZIRoles: []string{"01.015"}}, nil},
		{"nor is one in lower case", policy.Signals{OrganizationType: "z3", UZIRoles: []string{"01.015"}}, nil},
		{"nor is one under review", policy.Signals{OrganizationType: "XX", AGB: "0100"}, nil},
		{"an AGB code, exactly", policy.Signals{AGB: "0329"}, list{"ggz"}},
		{"an AGB code, by its prefix", policy.Signals{AGB: "0310"}, list{"hospital"}},
		{"AGB goes before roles", policy.Signals{AGB: "0310", UZIRoles: []string{"01.015"}}, list{"hospital"}},
		{"an exact code under review has no prefix", policy.Signals{AGB: "0199", UZIRoles: []string{"01.015"}}, nil},
		{"a prefix that is denied", policy.Signals{AGB: "9800", UZIRoles: []string{"01.015"}}, nil},
		{"an unknown prefix is not rescued", policy.Signals{AGB: "5500", UZIRoles: []string{"01.015"}}, nil},
		{"one digit", policy.Signals{AGB: "0", UZIRoles: []string{"01.015"}}, nil},
		{"a role", policy.Signals{UZIRoles: []string{"01.015"}}, list{"gp"}},
		{"two roles of one category", policy.Signals{UZIRoles: []string{"01.015", "01.004"}}, list{"gp"}},
		{"two roles of two categories", policy.Signals{UZIRoles: []string{"17.000", "01.015", "01.035"}}, list{"ggz", "gp", "pharmacy"}},
		{"one unknown role", policy.Signals{UZIRoles: []string{"01.015", "66.000"}}, nil},
		{"one role under review", policy.Signals{UZIRoles: []string{"01.999", "01.015"}}, nil},
		{"an empty role", policy.Signals{UZIRoles: []string{""}}, nil},

		{"a blocked role", policy.Signals{OrganizationType: "Z3", UZIRoles: []string{"01.015", "01.008"}}, list{"company-doctor"}},
		{"a blocked AGB code", policy.Signals{OrganizationType: "Z3", AGB: "9902"}, list{"company-doctor"}},
		{"a blocked code blocks exactly", policy.Signals{OrganizationType: "Z3", AGB: "9901"}, list{"gp"}},
		{"a blocked identifier", policy.Signals{OrganizationType: "Z3", Identifiers: identifier("uzovi", "0104")}, list{"insurer"}},
		{"a blocked purpose", policy.Signals{OrganizationType: "Z3", Purposes: []policy.PurposeOfUse{"TREAT", "keuring"}}, list{"medical-examiner"}},
		{"a blocked organization", policy.Signals{OrganizationType: "Z3", Organization: "ura:9"}, list{"medical-examiner"}},
		{"a blocked organization, by an identifier", policy.Signals{OrganizationType: "Z3", Identifiers: identifier("urn:kvk", "8")}, list{"medical-examiner"}},
		{"another identifier of that system", policy.Signals{OrganizationType: "Z3", Identifiers: identifier("urn:kvk", "9")}, list{"gp"}},
		{"all that are found, in the order of the law", policy.Signals{
			UZIRoles: []string{"01.048", "01.008"}, Purposes: []policy.PurposeOfUse{"EMPLOY"},
		}, list{"insurer", "company-doctor", "insurance-doctor", "medical-examiner"}},
	}
	tables, err := policy.NewTables(tableCategories, codeTables())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tables.Resolve(tt.in); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if got, want := tables.BlockedPurposes(), []policy.PurposeOfUse{"EMPLOY", "keuring"}; !slices.Equal(got, want) {
		t.Errorf("blocked purposes: got %v, want %v", got, want)
	}
}

func TestNewTablesRefuses(t *testing.T) {
	c := codeTables()
	c.Blocked[0].Category = "gp"
	c.OrganizationTypes["A1"] = "astrologer"
	c.AGBCodes["0101"] = "astrologer"
	c.AGBPrefixes["05"] = "insurer"
	c.UZIRoles["99.000"] = "BLOCKED"
	tables, err := policy.NewTables(tableCategories, c)
	if err == nil || tables != nil {
		t.Fatalf("got %v, %v, want no tables and an error", tables, err)
	}
	want := []string{
		"organisation type A1: category is not configured", "AGB code 0101: category is not configured",
		"AGB prefix 05: category is not configured", "UZI role 99.000: category is not configured",
		"blocked category medical-examiner is missing", "category gp is not one that the law blocks",
	}
	if got := strings.Split(strings.TrimPrefix(err.Error(), "provider tables: "), "\n"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNewTablesNeedsEveryBlockedParty(t *testing.T) {
	for i, b := range codeTables().Blocked {
		c := codeTables()
		c.Blocked = slices.Delete(c.Blocked, i, i+1)
		if tables, err := policy.NewTables(tableCategories, c); err == nil || tables != nil {
			t.Errorf("without %s: got %v, %v, want no tables and an error", b.Category, tables, err)
		}
	}
}
