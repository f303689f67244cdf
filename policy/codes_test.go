package policy_test

import (
	"maps"
	"testing"

	"zorgsluis/policy"
)

func TestCodesAreNamed(t *testing.T) {
	var blocked []policy.Blocked
	for _, c := range policy.BlockedCategories() {
		blocked = append(blocked, policy.Blocked{Category: c})
	}
	tables, err := policy.NewTables([]policy.ProviderCategory{"gp"}, policy.CodeTables{
		Blocked: blocked, OrganizationTypes: map[string]policy.ProviderCategory{"Z3": "gp", "H1": ""},
		AGBCodes: map[string]policy.ProviderCategory{"0101": "gp"}, AGBPrefixes: map[string]policy.ProviderCategory{"01": "gp"},
		UZIRoles: map[string]policy.ProviderCategory{"01.015": "gp"},
	})
	want := map[string]policy.ProviderCategory{"organisation type Z3": "gp", "organisation type H1": "", "AGB 0101": "gp", "AGB 01": "gp", "UZI role 01.015": "gp"}
	if err != nil || !maps.Equal(tables.Codes(), want) {
		t.Errorf("got %v and error %v, want %v", tables.Codes(), err, want)
	}
}
