package configs

import (
	"maps"
	"slices"
	"strconv"

	"zorgsluis/policy"
)

// secrecyEntry is the content of secrecy.yaml.
type secrecyEntry struct {
	Bases []struct {
		ID      policy.SecrecyBasis `yaml:"id"`
		Name    string              `yaml:"name"`
		Mandate bool                `yaml:"mandate"`
	} `yaml:"bases"`
	Organisations string            `yaml:"organisations"`
	Professions   map[string]string `yaml:"professions"` // by the first two digits of a role
	Roles         map[string]string `yaml:"roles"`       // exact
}

// secrecy reads the legal bases on which callers keep medical secrecy. Each known role needs an entry, which may be none.
func (l *loader) secrecy(c *policy.CodeTables) {
	var file struct {
		Secrecy secrecyEntry `yaml:"secrecy"`
	}
	tab := l.open(secrecyFile, &file)
	if tab == nil {
		return
	}
	entry, s := file.Secrecy, &c.Secrecy
	tab.refuse(len(entry.Bases) == 0, "secrecy.bases", "has no basis: every care provider would be refused")
	for i, b := range entry.Bases {
		key := "secrecy.bases[" + strconv.Itoa(i) + "]"
		twice := slices.ContainsFunc(s.Bases, func(r policy.SecrecyRule) bool { return r.Basis == b.ID })
		tab.refuse(!namePattern.MatchString(string(b.ID)) || b.ID == wordNone || twice, key+".id", "is not a name of letters, digits and hyphens, or is used twice")
		tab.refuse(b.Name == "", key, "has no name")
		s.Bases = append(s.Bases, policy.SecrecyRule{Basis: b.ID, Mandate: b.Mandate})
	}
	s.Organizations = tab.basis("secrecy.organisations", entry.Organisations, s.Bases)
	for _, profession := range slices.Sorted(maps.Keys(entry.Professions)) {
		key := join("secrecy.professions", profession)
		tab.refuse(!agbPrefixPattern.MatchString(profession), key, "is not two digits")
		tab.basis(key, entry.Professions[profession], s.Bases)
	}
	for _, role := range slices.Sorted(maps.Keys(entry.Roles)) {
		_, known := c.UZIRoles[role]
		tab.refuse(!known && c.UZIRoles != nil, join("secrecy.roles", role), "is not a role of "+rolesFile)
		tab.basis(join("secrecy.roles", role), entry.Roles[role], s.Bases)
	}
	s.Roles = map[string]policy.SecrecyBasis{}
	missing := ""
	for _, role := range slices.Sorted(maps.Keys(c.UZIRoles)) {
		profession := role[:min(2, len(role))]
		word, given := entry.Roles[role]
		if !given {
			word, given = entry.Professions[profession]
		}
		if !given && profession != missing {
			missing = profession
			tab.refuse(true, "secrecy.professions", "lacks an answer for "+profession+" (role "+role+"): a basis, or none")
		}
		if word != wordNone {
			s.Roles[role] = policy.SecrecyBasis(word)
		}
	}
}

// basis checks and returns the basis that an entry names; "" for none.
func (t *table) basis(key, word string, bases []policy.SecrecyRule) policy.SecrecyBasis {
	if word == wordNone {
		return ""
	}
	basis := policy.SecrecyBasis(word)
	known := slices.ContainsFunc(bases, func(r policy.SecrecyRule) bool { return r.Basis == basis })
	t.refuse(!known, key, "is not a basis of "+secrecyFile+", nor none")
	return basis
}
