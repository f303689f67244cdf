package configs

import (
	"hash"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// loader reads the files one by one and collects their problems.
type loader struct {
	fsys     fs.FS
	hash     hash.Hash
	problems []error
}

// open decodes one file into a struct. It returns nil if the file cannot be used.
func (l *loader) open(name string, into any) *table {
	data, err := fs.ReadFile(l.fsys, name)
	if err != nil {
		l.problems = append(l.problems, &Problem{File: name, What: "cannot be read"})
		return nil
	}
	l.hash.Write([]byte(name + "\n" + strconv.Itoa(len(data)) + "\n"))
	l.hash.Write(data)
	lines, err := decode(name, data, into)
	if err != nil {
		l.problems = append(l.problems, err)
		return nil
	}
	return &table{l, name, lines}
}

// table is one decoded file, with the lines of its keys for problems that are found later.
type table struct {
	loader *loader
	file   string
	lines  map[string]int
}

// refuse notes a problem with a key if wrong is true.
func (t *table) refuse(wrong bool, key, what string) {
	if wrong {
		t.loader.problems = append(t.loader.problems, &Problem{t.file, t.lines[key], key, what})
	}
}

// The forms of codes. A code of another form would never match, and nobody would notice.
var (
	namePattern         = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)
	organisationPattern = regexp.MustCompile(`^[A-Z]{1,3}[0-9]{0,3}$`)
	rolePattern         = regexp.MustCompile(`^[0-9]{2}\.[0-9]{3}$`)
	agbPattern          = regexp.MustCompile(`^[0-9]{4}$`)
	agbPrefixPattern    = regexp.MustCompile(`^[0-9]{2}$`)
	wordPattern         = regexp.MustCompile(`^[!-~]{1,128}$`)                     // visible ASCII without spaces
	uriPattern          = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:[!-{}~]+$`) // absolute, without a bar
	searchPattern       = regexp.MustCompile(`^([A-Z][A-Za-z]+)(?:\?(category|code)=([^|]+)\|([!-~]*))?$`)
)

func (l *loader) providerCategories(t *Tables) {
	var file struct {
		Categories map[policy.ProviderCategory]struct {
			Label   string `yaml:"label"`
			English string `yaml:"label_en"`
		} `yaml:"provider_categories"`
	}
	tab := l.open(providerCategoriesFile, &file)
	if tab == nil {
		return
	}
	tab.refuse(len(file.Categories) == 0, "provider_categories", "has no categories")
	for _, name := range slices.Sorted(maps.Keys(file.Categories)) {
		key := join("provider_categories", string(name))
		tab.refuse(!namePattern.MatchString(string(name)), key, "is not a name of letters, digits and hyphens")
		tab.refuse(name.IsBlocked(), key, "is blocked by law and cannot be a category that may ask")
		tab.refuse(file.Categories[name].Label == "", key, "has no label")
		t.ProviderCategories = append(t.ProviderCategories, ProviderCategory{name, labelled(string(name), file.Categories[name].Label, file.Categories[name].English)})
	}
}

// dataCategoryEntry is one entry of data-categories.yaml.
type dataCategoryEntry struct {
	FHIR      []string `yaml:"fhir"`
	NL        []string `yaml:"nl"`
	STU3      []string `yaml:"stu3"`
	Group     string   `yaml:"mitz"`
	Note      string   `yaml:"note"`
	Sensitive bool     `yaml:"sensitive"`
	Label     string   `yaml:"label"`
	English   string   `yaml:"label_en"`
}

// groupEntry is one group of data categories.
type groupEntry struct {
	Label    string   `yaml:"label"`
	English  string   `yaml:"label_en"`
	Includes []string `yaml:"includes"`
}

func (l *loader) dataCategories(t *Tables) {
	var file struct {
		Categories map[fhir.DataCategory]dataCategoryEntry `yaml:"data_categories"`
		Groups     map[string]groupEntry                   `yaml:"groups"`
	}
	tab := l.open(dataCategoriesFile, &file)
	if tab == nil {
		return
	}
	t.rules = map[fhir.Version][]fhir.CategoryRule{}
	t.Groups, t.GroupIncludes, t.Labels = map[string][]fhir.DataCategory{}, map[string][]string{}, map[string]Label{}
	for _, name := range slices.Sorted(maps.Keys(file.Groups)) {
		group := file.Groups[name]
		t.Groups[name], t.GroupIncludes[name], t.Labels[name] = []fhir.DataCategory{}, group.Includes, labelled(name, group.Label, group.English)
		tab.group(join("groups", name), name, file.Groups)
	}
	for _, name := range slices.Sorted(maps.Keys(file.Categories)) {
		key, entry := join("data_categories", string(name)), file.Categories[name]
		t.DataCategories, t.Labels[string(name)] = append(t.DataCategories, name), labelled(string(name), entry.Label, entry.English)
		tab.refuse(!namePattern.MatchString(string(name)), key, "is not a name of letters, digits and hyphens")
		_, isGroup := file.Groups[string(name)]
		tab.refuse(isGroup, key, "is a group as well")
		tab.refuse(name == fhir.NeverDisclosed, key, "is what never_disclosed of "+sensitiveFile+" gives, and no consent may name it")
		if tab.groupOf(key, name, entry, file.Groups) {
			t.Groups[entry.Group] = append(t.Groups[entry.Group], name)
		}
		tab.searches(t, key+".fhir", name, entry.FHIR, versions[:])
		tab.searches(t, key+".nl", name, entry.NL, versions[:])
		tab.searches(t, key+".stu3", name, entry.STU3, []fhir.Version{fhir.STU3})
	}
	for _, name := range []fhir.DataCategory{fhir.Unclassified, fhir.Restricted, fhir.CategoryConsent, fhir.CategoryLogging, fhir.CategoryPatient} {
		_, there := file.Categories[name]
		tab.refuse(!there, join("data_categories", string(name)), "is missing: the gateway itself gives it a meaning")
	}
}

// group checks one group: it may include only groups that include no others.
func (t *table) group(key, name string, groups map[string]groupEntry) {
	t.refuse(!namePattern.MatchString(name), key, "is not a name of letters, digits and hyphens")
	t.refuse(groups[name].Label == "", key, "has no label")
	for i, included := range groups[name].Includes {
		at := key + ".includes[" + strconv.Itoa(i) + "]"
		other, known := groups[included]
		t.refuse(!known, at, "is not a group")
		t.refuse(len(other.Includes) > 0, at, "includes other groups itself: one level is allowed")
	}
}

// groupOf checks the group of a category, and reports whether it has one.
func (t *table) groupOf(key string, name fhir.DataCategory, entry dataCategoryEntry, groups map[string]groupEntry) bool {
	_, known := groups[entry.Group]
	switch name {
	case fhir.Restricted, fhir.CategoryConsent, fhir.CategoryLogging:
		t.refuse(entry.Group != "none", key, "must be in no group (mitz: none)")
	case fhir.Unclassified:
		t.refuse(!known, key, "must be in a group")
	}
	t.refuse(entry.Group == "", key, "has no mitz: name a group, or none")
	t.refuse(entry.Group != "" && entry.Group != "none" && !known, key+".mitz", "is not a group")
	return known
}

// searches reads the searches that make up a data category. Each applies to the versions in in that have the type.
func (t *table) searches(to *Tables, key string, category fhir.DataCategory, searches []string, in []fhir.Version) {
	for i, search := range searches {
		at := key + "[" + strconv.Itoa(i) + "]"
		m := searchPattern.FindStringSubmatch(search)
		if m == nil || m[2] != "" && !uriPattern.MatchString(m[3]) {
			t.refuse(true, at, "is not Type, Type?category=system|code or Type?code=system|code")
			continue
		}
		rule, known := fhir.CategoryRule{Category: category, Type: m[1], Element: m[2], Code: fhir.Coding{System: m[3], Code: m[4]}}, false
		for _, v := range in {
			if fhir.ClassOf(v, rule.Type) != fhir.ClassUnknown {
				to.rules[v], known = append(to.rules[v], rule), true
			}
		}
		t.refuse(!known && len(in) > 1, at, "names a resource type that neither FHIR R4 nor STU3 has")
		t.refuse(!known && len(in) == 1, at, "names a resource type that FHIR STU3 does not have")
	}
}

func (l *loader) sensitiveCodes(t *Tables) {
	var file struct {
		Codes []struct {
			System   string            `yaml:"system"`
			Code     string            `yaml:"code"`
			Prefix   string            `yaml:"prefix"`
			Category fhir.DataCategory `yaml:"category"`
		} `yaml:"sensitive_codes"`
		Never []struct {
			System string `yaml:"system"`
			Code   string `yaml:"code"`
		} `yaml:"never_disclosed"`
		OtherNames map[string][]string `yaml:"other_names"`
	}
	tab := l.open(sensitiveFile, &file)
	if tab == nil {
		return
	}
	for i, c := range file.Codes {
		key := "sensitive_codes[" + strconv.Itoa(i) + "]"
		tab.refuse(!uriPattern.MatchString(c.System), key, "has no system, or one that is not an absolute URI")
		tab.refuse((c.Code == "") == (c.Prefix == ""), key, "must have either a code or a prefix")
		tab.refuse(!wordPattern.MatchString(c.Code+c.Prefix), key, "has a code or prefix of the wrong form")
		tab.refuse(!slices.Contains(t.DataCategories, c.Category), key, "names a category that is not in "+dataCategoriesFile)
		coding := fhir.Coding{System: c.System, Code: c.Code + c.Prefix}
		t.Sensitive = append(t.Sensitive, fhir.SensitiveCode{Coding: coding, Prefix: c.Prefix != "", Category: c.Category})
	}
	for i, c := range file.Never {
		key := "never_disclosed[" + strconv.Itoa(i) + "]"
		tab.refuse(!uriPattern.MatchString(c.System), key, "has no system, or one that is not an absolute URI")
		tab.refuse(!wordPattern.MatchString(c.Code), key, "has no code, or one of the wrong form")
		t.Sensitive = append(t.Sensitive, fhir.SensitiveCode{Coding: fhir.Coding{System: c.System, Code: c.Code}, Category: fhir.NeverDisclosed})
	}
	t.Sensitive = append(t.Sensitive, renamed(t.Sensitive, file.OtherNames, tab)...)
}

// renamed returns the codes under the other names of their systems: a source that writes the OID of a system means the same.
func renamed(codes []fhir.SensitiveCode, otherNames map[string][]string, tab *table) (more []fhir.SensitiveCode) {
	uses := func(system string) bool {
		return slices.ContainsFunc(codes, func(c fhir.SensitiveCode) bool { return c.System == system })
	}
	for _, system := range slices.Sorted(maps.Keys(otherNames)) {
		key := join("other_names", system)
		tab.refuse(!uses(system), key, "is not a system of this file")
		forms(tab, key, otherNames[system], uriPattern, "is not an absolute URI")
		for i, other := range otherNames[system] {
			tab.refuse(uses(other) || slices.Contains(otherNames[system][:i], other), key+"["+strconv.Itoa(i)+"]", "is a system of this file itself, or is there twice")
			for _, c := range codes {
				if c.System == system {
					c.System = other
					more = append(more, c)
				}
			}
		}
	}
	return more
}

func (l *loader) assurance(t *Tables) {
	var file struct {
		Assurance struct {
			Order          []string              `yaml:"order"`
			MinimumDefault policy.AssuranceLevel `yaml:"minimum_default"`
			Map            policy.AssuranceMap   `yaml:"map"`
		} `yaml:"assurance"`
	}
	tab := l.open(assuranceFile, &file)
	if tab == nil {
		return
	}
	a := file.Assurance
	tab.refuse(!slices.Equal(a.Order, []string{"low", "substantial", "high"}), "assurance.order", "must be low, substantial, high")
	tab.refuse(a.MinimumDefault == policy.AssuranceNone, "assurance.minimum_default", "must be low, substantial or high")
	for _, value := range slices.Sorted(maps.Keys(a.Map)) {
		tab.refuse(strings.TrimSpace(value) != value || value == "", join("assurance.map", value), "is not a claim value")
	}
	t.Assurance, t.MinimumAssurance = a.Map, a.MinimumDefault
}
