package policy

import (
	"fmt"
	"maps"
	"slices"
)

// SecrecyBasis names the legal basis of a caller's medical secrecy (configs/secrecy.yaml). The zero value is none.
type SecrecyBasis string

// Secrecy says who is bound by medical secrecy, and on which legal basis.
type Secrecy struct {
	Bases         []SecrecyRule           // the first that fits is recorded
	Roles         map[string]SecrecyBasis // by UZI role code; "" is none
	Organizations SecrecyBasis            // of a care organization asking without a natural person
}

// SecrecyRule is one basis. One that needs a mandate counts only under the responsibility of a professional.
type SecrecyRule struct {
	Basis   SecrecyBasis
	Mandate bool
}

// Secrecy is the basis of a caller: that of the roles, each of which must have one; else the one in the client's registration; else that of
// organizations, if no natural person asks. A caller without a basis may see nothing (WGBO 457, Wet BIG 88).
func (t *Tables) Secrecy(s Subject, registered SecrecyBasis) SecrecyBasis {
	var bases []SecrecyBasis
	switch {
	case len(s.Roles) > 0:
		for _, role := range s.Roles {
			bases = append(bases, t.codes.Secrecy.Roles[role])
		}
	case registered != "":
		bases = []SecrecyBasis{registered}
	case s.Practitioner == "":
		bases = []SecrecyBasis{t.codes.Secrecy.Organizations}
	}
	counts := func(b SecrecyBasis) bool {
		rule, known := t.codes.Secrecy.rule(b)
		return known && (!rule.Mandate || s.Responsible != "")
	}
	for _, b := range bases {
		if !counts(b) {
			return ""
		}
	}
	for _, rule := range t.codes.Secrecy.Bases {
		if slices.Contains(bases, rule.Basis) {
			return rule.Basis
		}
	}
	return ""
}

// KnowsSecrecy reports whether a basis is configured.
func (t *Tables) KnowsSecrecy(b SecrecyBasis) bool {
	_, known := t.codes.Secrecy.rule(b)
	return known
}

// RolesWithoutSecrecy are the roles in the table that have no basis; sorted.
func (t *Tables) RolesWithoutSecrecy() []string {
	var roles []string
	for _, role := range slices.Sorted(maps.Keys(t.codes.UZIRoles)) {
		if t.codes.Secrecy.Roles[role] == "" {
			roles = append(roles, role)
		}
	}
	return roles
}

func (s Secrecy) rule(b SecrecyBasis) (SecrecyRule, bool) {
	i := slices.IndexFunc(s.Bases, func(r SecrecyRule) bool { return r.Basis == b })
	if i < 0 || b == "" {
		return SecrecyRule{}, false
	}
	return s.Bases[i], true
}

// check returns what is wrong: a missing basis would leave callers without one, and nobody would know why.
func (s Secrecy) check() (problems []error) {
	for i, rule := range s.Bases {
		if first, _ := s.rule(rule.Basis); rule.Basis == "" || slices.Index(s.Bases, first) != i {
			problems = append(problems, fmt.Errorf("basis %d of secrecy has no name, or one that is used twice", i))
		}
	}
	for _, role := range slices.Sorted(maps.Keys(s.Roles)) {
		if _, known := s.rule(s.Roles[role]); s.Roles[role] != "" && !known {
			problems = append(problems, fmt.Errorf("UZI role %s: basis of secrecy is not configured", role))
		}
	}
	if _, known := s.rule(s.Organizations); s.Organizations != "" && !known {
		problems = append(problems, fmt.Errorf("organizations: basis of secrecy is not configured"))
	}
	return problems
}
