package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"zorgsluis/fhir"
)

// Signals are the facts about a provider, from the token and the client's registration (decision.md, Resolving the category).
type Signals struct {
	OrganizationType string            `json:"organization_type,omitempty"`
	AGB              string            `json:"agb,omitempty"` // AGB speciality, four digits
	UZIRoles         []string          `json:"uzi_roles,omitempty"`
	Identifiers      []fhir.Identifier `json:"identifiers,omitempty"`  // of the organization
	Organization     string            `json:"organization,omitempty"` // "ura:…", as in Subject
	Purposes         []PurposeOfUse    `json:"purposes,omitempty"`
}

// Blocked is one blocked category and the signals for it (configs/blocked.yaml).
type Blocked struct {
	Category          ProviderCategory
	IdentifierSystems []string // any identifier of such a system
	AGBCodes          []string
	UZIRoles          []string
	Purposes          []PurposeOfUse
	Organizations     []string // an operator's list, as in Signals.Organization or "system|value"
}

// CodeTables map codes to categories. A code that maps to "" is known and gives none (deny, review).
type CodeTables struct {
	Blocked           []Blocked
	OrganizationTypes map[string]ProviderCategory
	AGBCodes          map[string]ProviderCategory // exact
	AGBPrefixes       map[string]ProviderCategory // by the first two digits
	UZIRoles          map[string]ProviderCategory
	Secrecy           Secrecy
}

// Tables resolve the category of a provider. They are immutable and safe for concurrent use.
type Tables struct{ codes CodeTables }

// NewTables checks that every code gives a configured category, or none, and that what is blocked is blocked by law. All problems are
// reported at once.
func NewTables(categories []ProviderCategory, codes CodeTables) (*Tables, error) {
	var problems []error
	targets := func(kind string, table map[string]ProviderCategory) {
		for _, code := range slices.Sorted(maps.Keys(table)) {
			if c := table[code]; c != "" && !slices.Contains(categories, c) {
				problems = append(problems, fmt.Errorf("%s %s: category is not configured", kind, code))
			}
		}
	}
	targets("organisation type", codes.OrganizationTypes)
	targets("AGB code", codes.AGBCodes)
	targets("AGB prefix", codes.AGBPrefixes)
	targets("UZI role", codes.UZIRoles)
	for _, category := range BlockedCategories() {
		if !slices.ContainsFunc(codes.Blocked, func(b Blocked) bool { return b.Category == category }) {
			problems = append(problems, fmt.Errorf("blocked category %s is missing", category))
		}
	}
	for _, b := range codes.Blocked {
		if !b.Category.IsBlocked() {
			problems = append(problems, fmt.Errorf("category %s is not one that the law blocks", b.Category))
		}
	}
	problems = append(problems, codes.Secrecy.check()...)
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("provider tables: %w", err)
	}
	return &Tables{codes}, nil
}

// Resolve returns the categories of a provider: every blocked one that a signal gives; otherwise those of the first kind of signal that is
// present. Decide refuses none, or several different ones.
func (t *Tables) Resolve(s Signals) []ProviderCategory {
	if blocked := t.blocked(s); len(blocked) > 0 {
		return blocked
	}
	switch {
	case s.OrganizationType != "":
		return some(t.codes.OrganizationTypes[s.OrganizationType])
	case s.AGB != "":
		return some(t.byAGB(s.AGB))
	default:
		return t.byRoles(s.UZIRoles)
	}
}

// BlockedPurposes are all purposes that give a blocked category, including local words; sorted.
func (t *Tables) BlockedPurposes() []PurposeOfUse {
	var purposes []PurposeOfUse
	for _, b := range t.codes.Blocked {
		purposes = append(purposes, b.Purposes...)
	}
	slices.Sort(purposes)
	return slices.Compact(purposes)
}

// blocked returns every blocked category with a signal, in the order of the law.
func (t *Tables) blocked(s Signals) (found []ProviderCategory) {
	for _, category := range BlockedCategories() {
		if slices.ContainsFunc(t.codes.Blocked, func(b Blocked) bool { return b.Category == category && b.signalled(s) }) {
			found = append(found, category)
		}
	}
	return found
}

func (b Blocked) signalled(s Signals) bool {
	return slices.Contains(b.AGBCodes, s.AGB) ||
		slices.Contains(b.Organizations, s.Organization) ||
		intersect(b.UZIRoles, s.UZIRoles) ||
		intersect(b.Purposes, s.Purposes) ||
		slices.ContainsFunc(s.Identifiers, func(id fhir.Identifier) bool {
			return slices.Contains(b.IdentifierSystems, id.System) || slices.Contains(b.Organizations, id.System+"|"+id.Value)
		})
}

func intersect[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return slices.Contains(b, x) })
}

// byAGB looks up a speciality exactly, else by its first two digits.
func (t *Tables) byAGB(code string) ProviderCategory {
	if c, ok := t.codes.AGBCodes[code]; ok {
		return c
	}
	return t.codes.AGBPrefixes[code[:min(2, len(code))]]
}

// byRoles returns the categories of all roles. If one role is unknown, or gives none, there are none.
func (t *Tables) byRoles(roles []string) (found []ProviderCategory) {
	for _, role := range roles {
		c := t.codes.UZIRoles[role]
		if c == "" {
			return nil
		}
		found = append(found, c)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func some(c ProviderCategory) []ProviderCategory {
	if c == "" {
		return nil
	}
	return []ProviderCategory{c}
}

// Codes returns the category of every code, "" if it gives none, under names that operators know: "organisation type V4", "AGB 0101", "AGB
// 01" (a prefix), "UZI role 01.015". It is for comparing two configurations.
func (t *Tables) Codes() map[string]ProviderCategory {
	all := map[string]ProviderCategory{}
	for kind, codes := range map[string]map[string]ProviderCategory{
		"organisation type ": t.codes.OrganizationTypes, "AGB ": t.codes.AGBCodes, "UZI role ": t.codes.UZIRoles,
	} {
		for code, category := range codes {
			all[kind+code] = category
		}
	}
	for prefix, category := range t.codes.AGBPrefixes {
		all["AGB "+prefix] = category // two digits, unlike any exact code
	}
	return all
}
