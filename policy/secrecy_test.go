package policy_test

import (
	"slices"
	"strings"
	"testing"

	"zorgsluis/policy"
)

func TestSecrecy(t *testing.T) {
	codes := policy.CodeTables{
		Blocked:  codeTables().Blocked,
		UZIRoles: map[string]policy.ProviderCategory{"01.015": "gp", "83.000": "gp", "99.000": "gp", "98.500": "gp"},
		Secrecy: policy.Secrecy{
			Bases:         []policy.SecrecyRule{{Basis: "big-3"}, {Basis: "big-34"}, {Basis: "employment", Mandate: true}, {Basis: "wgbo-457"}},
			Roles:         map[string]policy.SecrecyBasis{"01.015": "big-3", "83.000": "big-34", "98.500": "employment"},
			Organizations: "wgbo-457",
		},
	}
	tables, err := policy.NewTables([]policy.ProviderCategory{"gp"}, codes)
	if err != nil {
		t.Fatal(err)
	}
	if got := tables.RolesWithoutSecrecy(); !slices.Equal(got, []string{"99.000"}) {
		t.Errorf("roles without a basis: got %v", got)
	}
	person := func(roles ...string) policy.Subject { return policy.Subject{Practitioner: "uzi:1", Roles: roles} }
	mandated := person("98.500")
	mandated.Responsible = "uzi:2"
	registeredMandated := person()
	registeredMandated.Responsible = "uzi:2"
	for _, tt := range []struct {
		name       string
		subject    policy.Subject
		registered policy.SecrecyBasis
		want       policy.SecrecyBasis
	}{
		{"a registered profession", person("01.015"), "", "big-3"},
		{"two professions, the first basis in the table counts", person("83.000", "01.015"), "", "big-3"},
		{"a role without a basis", person("99.000"), "", ""},
		{"a role without a basis is not rescued by another", person("01.015", "99.000"), "", ""},
		{"a role without a basis is not rescued by the client", person("99.000"), "big-34", ""},
		{"a role that nobody knows", person("12.345"), "", ""},
		{"derived, and nobody is responsible", person("98.500"), "", ""},
		{"derived, under the responsibility of a professional", mandated, "", "employment"},
		{"somebody without a role", person(), "", ""},
		{"somebody without a role, of whom the client answers", person(), "big-34", "big-34"},
		{"the client answers for staff, and nobody is responsible", person(), "employment", ""},
		{"the client answers for staff of a professional", registeredMandated, "employment", "employment"},
		{"the client names what is not configured", person(), "none", ""},
		{"an organization, and no natural person", policy.Subject{}, "", "wgbo-457"},
		{"an organization whose client says otherwise", policy.Subject{}, "big-34", "big-34"},
	} {
		if got := tables.Secrecy(tt.subject, tt.registered); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if tables.KnowsSecrecy("") || tables.KnowsSecrecy("none") || !tables.KnowsSecrecy("employment") {
		t.Error("what is configured is not what is known")
	}
}

func TestSecrecyThatIsNotConfigured(t *testing.T) {
	codes := policy.CodeTables{Blocked: codeTables().Blocked, Secrecy: policy.Secrecy{
		Bases: []policy.SecrecyRule{{Basis: "a"}, {Basis: "a"}, {}}, Roles: map[string]policy.SecrecyBasis{"01.015": "b", "01.000": ""}, Organizations: "c",
	}}
	_, err := policy.NewTables([]policy.ProviderCategory{"gp"}, codes)
	for _, want := range []string{"basis 1 of secrecy", "basis 2 of secrecy", "UZI role 01.015", "organizations:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a problem with %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "01.000") {
		t.Errorf("got %v, want nothing about a role that has none", err)
	}
}
