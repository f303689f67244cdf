package fhir

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
)

// CategoryRule puts resources of a type into a data category: all of them (Element empty), or those with a coding in their
// top-level category or code. A matching rule by coding replaces the rules by bare type; several matching ones add up.
type CategoryRule struct {
	Category DataCategory
	Type     string
	Element  string // "", "category" or "code"
	Code     Coding // Element != "": the coding; an empty Code is any code of System
}

// SensitiveCode adds Category to every resource that holds the code anywhere: in a reason, a component, a contained medication.
// With Prefix, it covers every code that begins with Code (a chapter of ICD-10, a group of ATC). With the category NeverDisclosed
// the resource is hidden from everybody instead.
type SensitiveCode struct {
	Coding
	Prefix   bool
	Category DataCategory
}

// maxCategories bounds the data categories of one configuration.
const maxCategories = 256

// categorySet is a set of data categories, by index in Classifier.categories.
type categorySet [maxCategories / 64]uint64

func (s *categorySet) add(i uint8) { s[i/64] |= 1 << (i % 64) }

func (s *categorySet) union(o *categorySet) {
	for i := range s {
		s[i] |= o[i]
	}
}

func (s *categorySet) meets(o *categorySet) bool {
	for i := range s {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

func (s *categorySet) empty() bool { return s[0]|s[1]|s[2]|s[3] == 0 }

// Classifier assigns data categories to resources. It is immutable.
type Classifier struct {
	version      Version
	categories   []DataCategory // all, sorted
	unclassified categorySet
	restricted   categorySet
	never        categorySet // what hides a resource from everybody; empty if no code does
	types        map[string]*typeCategories
	sensitive    map[string]*sensitiveSystem // by plainSystem
	added        []DataCategory              // AddedCategories
}

// typeCategories are the rules of one type.
type typeCategories struct {
	bare  categorySet
	coded map[elementCode]categorySet
	all   []DataCategory // TypeCategories
	// byText holds coded by code alone: one short text hashes faster than three.
	byText map[string][]codedRule
	// byCategory and byCode report whether any rule reads that element; if so, its shape must be right.
	byCategory, byCode bool
	wholeSystem        bool // a rule is for any code of a system
}

// codedRule is what the rules assign to one coding.
type codedRule struct {
	elementCode
	categories categorySet
}

// elementCode is a coding in one of the two elements that classify; an empty code is any code of the system.
type elementCode struct {
	element, system, code string
}

// sensitiveSystem are the sensitive codes of one code system.
type sensitiveSystem struct {
	exact    map[string]categorySet
	prefixes []sensitivePrefix
}

type sensitivePrefix struct {
	prefix     string
	categories categorySet
}

// NewClassifier checks the rules and makes a Classifier of them. It refuses types that the version does not have, elements other
// than category and code, and rules without a category or a code system; the error lists all defects.
func NewClassifier(v Version, rules []CategoryRule, sensitive []SensitiveCode) (*Classifier, error) {
	c := &Classifier{version: v, types: map[string]*typeCategories{}, sensitive: map[string]*sensitiveSystem{}}
	distinct := map[DataCategory]bool{Unclassified: true, Restricted: true}
	var errs []error
	for i, r := range rules {
		if err := r.check(v); err != nil {
			errs = append(errs, fmt.Errorf("category rule %d: %w", i+1, err))
		}
		distinct[r.Category] = true
	}
	for i, s := range sensitive {
		if s.Category == "" || s.System == "" || s.Code == "" {
			errs = append(errs, fmt.Errorf("sensitive code %d: category, system or code is missing", i+1))
		}
		distinct[s.Category] = true
	}
	if len(distinct) > maxCategories {
		errs = append(errs, fmt.Errorf("more than %d data categories", maxCategories))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.categories = slices.Sorted(maps.Keys(distinct))
	c.unclassified, c.restricted = c.only(Unclassified), c.only(Restricted)
	if distinct[NeverDisclosed] {
		c.never = c.only(NeverDisclosed)
	}
	for _, r := range rules {
		c.addRule(r)
	}
	for _, s := range sensitive {
		c.addSensitive(s)
	}
	for _, t := range c.types {
		t.all = c.appendNames(nil, c.possible(t))
	}
	c.added = c.appendNames(nil, c.addable())
	return c, nil
}

// possible returns what the rules of a type can assign to a resource.
func (c *Classifier) possible(t *typeCategories) categorySet {
	all := t.bare
	if all.empty() {
		all = c.unclassified
	}
	for _, s := range t.coded {
		all.union(&s)
	}
	return all
}

// addable returns what a code or a label can add to a resource of any type.
func (c *Classifier) addable() categorySet {
	all := c.restricted
	for _, system := range c.sensitive {
		for _, s := range system.exact {
			all.union(&s)
		}
		for _, p := range system.prefixes {
			all.union(&p.categories)
		}
	}
	for i := range all {
		all[i] &^= c.never[i]
	}
	return all
}

func (r CategoryRule) check(v Version) error {
	switch {
	case r.Category == "":
		return errors.New("category is missing")
	case r.Category == NeverDisclosed:
		return errors.New("a category that only a sensitive code gives")
	case !isType(v, r.Type):
		return fmt.Errorf("no resource type of this version: %q", r.Type)
	case r.Element == "" && r.Code != Coding{}:
		return errors.New("a code without an element")
	case r.Element == "":
		return nil
	case r.Element != "category" && r.Element != "code":
		return fmt.Errorf("no element to classify by: %q", r.Element)
	case r.Code.System == "":
		return errors.New("code system is missing")
	}
	return nil
}

func (c *Classifier) only(category DataCategory) categorySet {
	var s categorySet
	i, _ := slices.BinarySearch(c.categories, category)
	s.add(uint8(i))
	return s
}

func (c *Classifier) addRule(r CategoryRule) {
	t := c.types[r.Type]
	if t == nil {
		t = &typeCategories{coded: map[elementCode]categorySet{}, byText: map[string][]codedRule{}}
		c.types[r.Type] = t
	}
	one := c.only(r.Category)
	if r.Element == "" {
		t.bare.union(&one)
		return
	}
	t.byCategory = t.byCategory || r.Element == "category"
	t.byCode = t.byCode || r.Element == "code"
	t.wholeSystem = t.wholeSystem || r.Code.Code == ""
	key := elementCode{r.Element, r.Code.System, r.Code.Code}
	known := t.coded[key]
	one.union(&known)
	t.coded[key] = one
	others := slices.DeleteFunc(t.byText[key.code], func(r codedRule) bool { return r.elementCode == key })
	t.byText[key.code] = append(others, codedRule{key, one})
}

func (c *Classifier) addSensitive(s SensitiveCode) {
	system := c.sensitive[plainSystem(s.System)]
	if system == nil {
		system = &sensitiveSystem{exact: map[string]categorySet{}}
		c.sensitive[plainSystem(s.System)] = system
	}
	one, code := c.only(s.Category), string(plainCode([]byte(s.Code)))
	if s.Prefix {
		system.prefixes = append(system.prefixes, sensitivePrefix{code, one})
		return
	}
	known := system.exact[code]
	one.union(&known)
	system.exact[code] = one
}

// TypeCategories lists the data categories that a resource of the type can have by its type, category and code, sorted. Sensitive
// codes and labels can add others to any resource. The list must not be changed.
func (c *Classifier) TypeCategories(typ string) []DataCategory {
	t := c.types[typ]
	if t == nil {
		return []DataCategory{Unclassified}
	}
	return t.all
}

// HidesSome reports whether some codes hide a resource from everybody: then nobody may see everything of a type.
func (c *Classifier) HidesSome() bool { return !c.never.empty() }

// AddedCategories lists the data categories that a code or a label can add to a resource of any type, sorted. NeverDisclosed is not
// among them: a resource with such a code is not released at all. The list must not be changed.
func (c *Classifier) AddedCategories() []DataCategory { return c.added }

// appendNames appends the categories of a set in order.
func (c *Classifier) appendNames(dst []DataCategory, s categorySet) []DataCategory {
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			dst = append(dst, c.categories[i*64+bits.TrailingZeros64(word)])
		}
	}
	return dst
}

// find returns what the rules of the type assign to exactly this coding, and whether there are any.
func (t *typeCategories) find(element string, system, code []byte) (categorySet, bool) {
	for _, r := range t.byText[string(code)] {
		if r.system == string(system) && r.element == element {
			return r.categories, true
		}
	}
	return categorySet{}, false
}

// match adds the categories that the rules of the type assign to a coding; false if none matches.
func (t *typeCategories) match(to *categorySet, element string, system, code []byte) bool {
	exact, ok := t.find(element, system, code)
	to.union(&exact)
	if !t.wholeSystem {
		return ok
	}
	whole, all := t.find(element, system, nil)
	to.union(&whole)
	return ok || all
}

// conclude returns the categories of a resource of the type. Matched are the categories of its codings; stray means that a coding
// of its category matches no rule. Such a coding can mean anything: without a rule by bare type, the resource is Unclassified as
// well (CA-2, CA-3).
func (c *Classifier) conclude(t *typeCategories, matched categorySet, stray bool) categorySet {
	switch {
	case t == nil || matched.empty() && t.bare.empty():
		return c.unclassified
	case matched.empty():
		return t.bare
	case stray && t.bare.empty():
		matched.union(&c.unclassified)
	}
	return matched
}
