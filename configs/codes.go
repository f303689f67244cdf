package configs

import (
	"maps"
	"regexp"
	"slices"
	"strconv"

	"zorgsluis/policy"
)

// Words in place of a category or basis: deny and review for a known code without a category, BLOCKED for a role that blocked.yaml must list,
// none for a role without a basis of secrecy.
const (
	wordDeny    = "deny"
	wordReview  = "review"
	wordBlocked = "BLOCKED"
	wordNone    = "none"
)

// codeTables reads the tables that map what is known of a provider to categories.
func (l *loader) codeTables(t *Tables) policy.CodeTables {
	c := policy.CodeTables{}
	l.blocked(&c)
	l.organisationTypes(t, &c)
	l.agb(t, &c)
	l.roles(t, &c)
	l.secrecy(&c)
	return c
}

func (l *loader) blocked(c *policy.CodeTables) {
	var file struct {
		Blocked []struct {
			ID                policy.ProviderCategory `yaml:"id"`
			IdentifierSystems []string                `yaml:"identifier_systems"`
			AGBCodes          []string                `yaml:"agb_codes"`
			UZIRoles          []string                `yaml:"uzi_roles"`
			Purposes          []policy.PurposeOfUse   `yaml:"purposes"`
			Organisations     []string                `yaml:"organisations"`
			Alert             string                  `yaml:"alert"` // for readers; the obligation comes from rule 1
		} `yaml:"blocked"`
	}
	tab := l.open(blockedFile, &file)
	if tab == nil {
		return
	}
	for i, b := range file.Blocked {
		key := "blocked[" + strconv.Itoa(i) + "]"
		tab.refuse(!b.ID.IsBlocked(), key+".id", "is not one of the parties that the law blocks")
		forms(tab, key+".identifier_systems", b.IdentifierSystems, uriPattern, "is not an absolute URI")
		forms(tab, key+".agb_codes", b.AGBCodes, agbPattern, "is not four digits")
		forms(tab, key+".uzi_roles", b.UZIRoles, rolePattern, "is not a role code such as 01.015")
		forms(tab, key+".purposes", b.Purposes, wordPattern, "is not a code")
		forms(tab, key+".organisations", b.Organisations, wordPattern, "is not an identifier")
		c.Blocked = append(c.Blocked, policy.Blocked{
			Category:          b.ID,
			IdentifierSystems: b.IdentifierSystems,
			AGBCodes:          b.AGBCodes,
			UZIRoles:          b.UZIRoles,
			Purposes:          b.Purposes,
			Organizations:     b.Organisations,
		})
	}
	for _, category := range policy.BlockedCategories() {
		there := slices.ContainsFunc(c.Blocked, func(b policy.Blocked) bool { return b.Category == category })
		tab.refuse(!there, "blocked", "lacks "+string(category)+", which the law blocks")
	}
}

// forms checks that every code of a list has the given form.
func forms[T ~string](t *table, key string, codes []T, form *regexp.Regexp, what string) {
	for i, code := range codes {
		t.refuse(!form.MatchString(string(code)), key+"["+strconv.Itoa(i)+"]", what)
	}
}

// target checks the category of a code, and returns it; "" if the code is known and has none.
func (t *table) target(key, word string, tables *Tables) policy.ProviderCategory {
	if word == wordDeny || word == wordReview {
		return ""
	}
	category := policy.ProviderCategory(word)
	known := slices.Contains(tables.CategoryNames(), category)
	t.refuse(!known, key, "is not a category of "+providerCategoriesFile+", deny or review")
	return category
}

func (l *loader) organisationTypes(t *Tables, c *policy.CodeTables) {
	var file struct {
		Types map[string]struct {
			Name     string `yaml:"name"`
			Category string `yaml:"category"`
			VS       bool   `yaml:"vs"` // in the national value set; for readers
		} `yaml:"organisation_types"`
	}
	tab := l.open(organisationTypesFile, &file)
	if tab == nil {
		return
	}
	c.OrganizationTypes = map[string]policy.ProviderCategory{}
	for _, code := range slices.Sorted(maps.Keys(file.Types)) {
		key := join("organisation_types", code)
		tab.refuse(!organisationPattern.MatchString(code), key, "is not an organisation type such as V4")
		c.OrganizationTypes[code] = tab.target(key+".category", file.Types[code].Category, t)
	}
}

func (l *loader) agb(t *Tables, c *policy.CodeTables) {
	var file struct {
		Prefixes  map[string]string `yaml:"agb_prefix"`
		Overrides map[string]string `yaml:"overrides"`
	}
	tab := l.open(agbFile, &file)
	if tab == nil {
		return
	}
	read := func(name string, codes map[string]string, form *regexp.Regexp, what string) map[string]policy.ProviderCategory {
		categories := map[string]policy.ProviderCategory{}
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			key := join(name, code)
			tab.refuse(!form.MatchString(code), key, what)
			categories[code] = tab.target(key, codes[code], t)
		}
		return categories
	}
	c.AGBPrefixes = read("agb_prefix", file.Prefixes, agbPrefixPattern, "is not two digits")
	c.AGBCodes = read("overrides", file.Overrides, agbPattern, "is not four digits")
}

func (l *loader) roles(t *Tables, c *policy.CodeTables) {
	var file struct {
		Roles map[string]struct {
			Name  string `yaml:"name"`
			Group string `yaml:"group"`
		} `yaml:"uzi_roles"`
	}
	tab := l.open(rolesFile, &file)
	if tab == nil {
		return
	}
	c.UZIRoles = map[string]policy.ProviderCategory{}
	for _, code := range slices.Sorted(maps.Keys(file.Roles)) {
		key := join("uzi_roles", code)
		tab.refuse(!rolePattern.MatchString(code), key, "is not a role code such as 01.015")
		if file.Roles[code].Group != wordBlocked {
			c.UZIRoles[code] = tab.target(key+".group", file.Roles[code].Group, t)
			continue
		}
		listed := slices.ContainsFunc(c.Blocked, func(b policy.Blocked) bool { return slices.Contains(b.UZIRoles, code) })
		tab.refuse(!listed, key+".group", "is "+wordBlocked+", but "+blockedFile+" does not say as what")
	}
}
