package policy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Config is what an operator configures about decisions.
type Config struct {
	Categories          []ProviderCategory // of providers that may ask at all
	MinimumAssurance    AssuranceLevel
	EmergencyCategories []ProviderCategory // that may declare an emergency
	Channels            map[Channel]ChannelRule
	DefaultMinimumAge   int // for a patient's own access, in years

	Groups        map[string][]fhir.DataCategory // data categories by group; each is in one group at most
	GroupIncludes map[string][]string            // the groups that a group includes, one level deep

	// Necessary are the data categories and groups that a provider category needs for its work; except in an emergency it gets nothing
	// else. A category that is not listed gets whatever consent opens.
	Necessary map[ProviderCategory][]string
}

// ChannelRule are the settings of a channel. A channel without a rule requires explicit consent.
type ChannelRule struct {
	Implied    bool // consent is implied, as in a referral
	MinimumAge int  // for a patient's own access, in years; 0: the default
}

// youngest is the age from which the law allows a patient's own access (WGBO 465).
const youngest = 12

// Policy decides. New makes it; the zero Policy denies everything. It is immutable and safe for concurrent use.
type Policy struct {
	categories          []ProviderCategory
	minimumAssurance    AssuranceLevel
	emergencyCategories []ProviderCategory
	channels            map[Channel]ChannelRule
	defaultMinimumAge   int
	groups              map[fhir.DataCategory][]string // every group that covers the category
	necessary           map[ProviderCategory][]string  // data categories and groups; shared with nobody
	changes             *consent.Changes               // of the meaning of names in consents
}

// Since returns the same policy for consents whose names changed their meaning since they were given: each keeps the meaning it had then.
func (p *Policy) Since(changes *consent.Changes) *Policy {
	since := *p
	since.changes = changes
	return &since
}

// New checks a configuration, and reports all its problems at once.
func New(c Config) (*Policy, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	necessary := maps.Clone(c.Necessary)
	for category, names := range necessary {
		necessary[category] = slices.Clone(names)
	}
	return &Policy{
		categories:          slices.Clone(c.Categories),
		minimumAssurance:    c.MinimumAssurance,
		emergencyCategories: slices.Clone(c.EmergencyCategories),
		channels:            maps.Clone(c.Channels),
		defaultMinimumAge:   c.DefaultMinimumAge,
		groups:              c.groupsByCategory(),
		necessary:           necessary,
	}, nil
}

func (c Config) check() error {
	var problems []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	refuse(len(c.Categories) == 0, "no provider category is configured")
	for _, category := range c.Categories {
		refuse(category == "", "a provider category has no name")
		refuse(category.IsBlocked(), "category %s is blocked by law and cannot be configured", category)
	}
	for _, category := range c.EmergencyCategories {
		refuse(!slices.Contains(c.Categories, category), "emergency category %s is not configured", category)
	}
	refuse(c.MinimumAssurance < AssuranceLow || c.MinimumAssurance > AssuranceHigh, "minimum assurance is not low, substantial or high")
	refuse(c.DefaultMinimumAge < youngest, "the minimum age for own access is below %d", youngest)
	for _, name := range slices.Sorted(maps.Keys(c.Channels)) {
		age := c.Channels[name].MinimumAge
		refuse(name == "", "a channel has no name")
		refuse(age != 0 && age < youngest, "channel %s: the minimum age for own access is below %d", name, youngest)
	}
	for _, category := range slices.Sorted(maps.Keys(c.Necessary)) {
		refuse(!slices.Contains(c.Categories, category), "necessary data of %s: the category is not configured", category)
		refuse(len(c.Necessary[category]) == 0, "necessary data of %s: nothing is named", category)
	}
	problems = append(problems, c.checkGroups()...)
	return errors.Join(problems...)
}

// checkGroups checks that the groups have the structure that decision.md C gives them.
func (c Config) checkGroups() (problems []error) {
	groupOf := map[fhir.DataCategory]string{}
	for _, group := range slices.Sorted(maps.Keys(c.Groups)) {
		for _, category := range c.Groups[group] {
			switch {
			case category == fhir.Restricted, category == fhir.CategoryConsent, category == fhir.CategoryLogging:
				problems = append(problems, fmt.Errorf("group %s: %s belongs to no group", group, category))
			case groupOf[category] != "":
				problems = append(problems, fmt.Errorf("group %s: %s is in group %s already", group, category, groupOf[category]))
			}
			groupOf[category] = group
		}
	}
	for _, group := range slices.Sorted(maps.Keys(c.GroupIncludes)) {
		for _, included := range c.GroupIncludes[group] {
			if c.Groups[group] == nil || c.Groups[included] == nil {
				problems = append(problems, fmt.Errorf("group %s includes %s: one of them is not configured", group, included))
			}
			if len(c.GroupIncludes[included]) > 0 {
				problems = append(problems, fmt.Errorf("group %s includes %s, which includes others: one level is allowed", group, included))
			}
		}
	}
	return problems
}

// groupsByCategory inverts the groups: for each category, every group that covers it, its own and those that include that one.
func (c Config) groupsByCategory() map[fhir.DataCategory][]string {
	covering := map[fhir.DataCategory][]string{}
	cover := func(group string, members []fhir.DataCategory) {
		for _, category := range members {
			covering[category] = append(covering[category], group)
		}
	}
	for group, members := range c.Groups {
		cover(group, members)
	}
	for group, included := range c.GroupIncludes {
		for _, g := range included {
			cover(group, c.Groups[g])
		}
	}
	return covering
}

// minimumAge is the minimum age for a patient's own access over a channel.
func (p *Policy) minimumAge(c Channel) int {
	return cmp.Or(p.channels[c].MinimumAge, p.defaultMinimumAge)
}

// Purpose is the one purpose of a request for which several may be asserted: a blocked one if there is any, otherwise the only one. It is
// not ok if there is none, or more than one.
func (p *Policy) Purpose(asserted []PurposeOfUse) (purpose PurposeOfUse, ok bool) {
	if i := slices.IndexFunc(asserted, isExamination); i >= 0 {
		return asserted[i], true
	}
	if len(asserted) == 0 || slices.ContainsFunc(asserted, func(p PurposeOfUse) bool { return p != asserted[0] }) {
		return "", false
	}
	return asserted[0], asserted[0] != ""
}

// NotAfter is the earliest instant after in.At at which Decide could answer differently although nothing else changes: a start or end of a
// record, or a relevant birthday. A decision holds before that instant. Zero: it holds for ever.
func (p *Policy) NotAfter(in Input) time.Time {
	var earliest time.Time
	border := func(t time.Time) {
		if t.After(in.At) && (earliest.IsZero() || t.Before(earliest)) {
			earliest = t
		}
	}
	for i := range in.Records {
		r := &in.Records[i]
		border(r.RecordedAt.Time)
		border(r.ValidFrom.Time)
		border(r.ValidTo.Time)
		border(r.WithdrawnAt.Time)
	}
	age, known := consent.Age(in.Patient.BirthDate, in.At)
	for _, years := range [...]int{12, 16, 18, p.minimumAge(in.Request.Channel)} {
		if known && age < years { // nearly everybody is past them
			birthday, _ := consent.Birthday(in.Patient.BirthDate, years)
			border(birthday)
		}
	}
	return earliest
}
