package catalogue

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/config"
)

// meaning is what the names that a consent may use stand for: which codes make a provider category, which resources a data category, which
// data categories a group. It is kept in the store, so that a change is noticed.
type meaning struct {
	Parties  map[string]string   `json:"parties"`  // code → category; "" gives none
	Data     map[string][]string `json:"data"`     // rule → data categories
	Groups   map[string][]string `json:"groups"`   // group → data categories, those of included groups too
	Channels map[string]string   `json:"channels"` // channel → explicit or implied
	Names    []string            `json:"names"`    // of provider categories
}

// meaningOf returns what the names mean in a configuration.
func meaningOf(s *config.Settings) meaning {
	m := meaning{Parties: map[string]string{}, Data: map[string][]string{}, Groups: map[string][]string{}, Channels: map[string]string{}}
	for code, category := range s.Tables.Providers.Codes() {
		m.Parties[code] = string(category)
	}
	for _, c := range s.Tables.CategoryNames() {
		m.Names = append(m.Names, string(c))
	}
	for version, v := range config.FHIRVersions {
		for _, rule := range s.Tables.Rules(v) {
			name := version + " " + rule.Type
			if rule.Element != "" {
				name += fmt.Sprintf("?%s=%s|%s", rule.Element, rule.Code.System, rule.Code.Code)
			}
			m.Data[name] = insert(m.Data[name], string(rule.Category))
		}
	}
	for _, code := range s.Tables.Sensitive {
		name := fmt.Sprintf("sensitive %s|%s", code.System, code.Code)
		if code.Prefix {
			name += "*"
		}
		m.Data[name] = insert(m.Data[name], string(code.Category))
	}
	for group, members := range s.Tables.Groups {
		all := slices.Clone(members)
		for _, included := range s.Tables.GroupIncludes[group] {
			all = append(all, s.Tables.Groups[included]...)
		}
		for _, category := range all {
			m.Groups[group] = insert(m.Groups[group], string(category))
		}
	}
	for name, channel := range s.File.Policy.Channels {
		m.Channels[name] = channel.Consent
	}
	return m
}

// hash identifies a meaning: the version of the catalogue.
func (m meaning) hash() string {
	text, err := json.Marshal(m) // the members of maps are sorted
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// party returns the category of a code: an unlisted AGB code goes by its first two digits.
func (m meaning) party(code string) string {
	if category, known := m.Parties[code]; known {
		return category
	}
	if number, is := strings.CutPrefix(code, "AGB "); is && len(number) == 4 {
		return m.Parties["AGB "+number[:2]]
	}
	return ""
}

// data returns the categories of a rule: without a rule of its own a resource goes by its type, and without any rule it is unclassified.
func (m meaning) data(rule string) []string {
	if categories, known := m.Data[rule]; known {
		return categories
	}
	if strings.HasPrefix(rule, "sensitive ") {
		return nil
	}
	bare, _, _ := strings.Cut(rule, "?")
	if categories, known := m.Data[bare]; known {
		return categories
	}
	return []string{string(fhir.Unclassified)}
}

// shift says that a name which consents use stands for more than before, or for less.
type shift struct {
	name string // "party gp", "data GGC002", "channel lsp", "sensitive": as catalogue.carry has it
	what string
	more bool
}

func (c shift) String() string {
	if c.more {
		return c.name + " now covers " + c.what
	}
	return c.name + " no longer covers " + c.what
}

// shifts compares two meanings: what consents on file would newly open, and what they would no longer open. A new name is in no consent
// yet.
func (m meaning) shifts(next meaning) []shift {
	var all []shift
	add := func(name, what string, more bool) { all = append(all, shift{name, what, more}) }
	for _, code := range union(m.Parties, next.Parties) {
		if before, after := m.party(code), next.party(code); before != after {
			if before != "" {
				add("party "+before, code, false)
			}
			if slices.Contains(m.Names, after) {
				add("party "+after, code, true)
			}
		}
	}
	for _, rule := range union(m.Data, next.Data) {
		before, after := m.data(rule), next.data(rule)
		sensitive := strings.HasPrefix(rule, "sensitive ")
		for _, category := range outside(before, after) {
			if sensitive { // fewer categories must permit, unless nothing is disclosed any more
				if !slices.Contains(after, string(fhir.NeverDisclosed)) {
					add("sensitive", rule, true)
				}
				continue
			}
			add("data "+category, rule, false)
		}
		for _, category := range outside(after, before) {
			if sensitive {
				add("sensitive", rule, false)
			} else if m.knows(category) {
				add("data "+category, rule, true)
			}
		}
	}
	for _, group := range union(m.Groups, next.Groups) {
		if _, known := m.Groups[group]; !known {
			continue
		}
		for _, category := range outside(next.Groups[group], m.Groups[group]) {
			add("data "+group, category, true)
		}
		for _, category := range outside(m.Groups[group], next.Groups[group]) {
			add("data "+group, category, false)
		}
	}
	for _, channel := range union(m.Channels, next.Channels) {
		before, after := m.Channels[channel], next.Channels[channel]
		switch {
		case before == after:
		case after == "":
			add("channel "+channel, "anything: it is gone", false)
		case before == "":
			add("channel "+channel, "consents that name no channel: it is new", true)
		default:
			add("channel "+channel, "those who did not choose: consent is "+after, after == "implied")
		}
	}
	return all
}

// moves returns the names that took over from others: what a new category covers, and what a group no longer contains. Objections to the
// old name apply to the new one as well.
func (m meaning) moves(next meaning) (all []consent.Carried) {
	add := func(kind, from, to string) {
		move := consent.Carried{Kind: kind, From: from, To: to}
		if from != "" && from != to && !slices.Contains(all, move) {
			all = append(all, move)
		}
	}
	for _, code := range union(m.Parties, next.Parties) {
		if before, after := m.party(code), next.party(code); before != after && slices.Contains(next.Names, after) && !slices.Contains(m.Names, after) {
			add(consent.NameOfParty, before, after)
		}
	}
	for _, rule := range union(m.Data, next.Data) {
		before, after := m.data(rule), next.data(rule)
		for _, category := range outside(after, before) {
			if m.knows(category) || category == string(fhir.NeverDisclosed) { // which no consent can name
				continue
			}
			for _, from := range outside(before, after) {
				add(consent.NameOfData, from, category)
				for _, group := range union(m.Groups, nil) {
					if slices.Contains(m.Groups[group], from) && !slices.Contains(next.Groups[group], category) {
						add(consent.NameOfData, group, category)
					}
				}
			}
		}
	}
	for _, group := range union(m.Groups, nil) {
		for _, category := range outside(m.Groups[group], next.Groups[group]) {
			add(consent.NameOfData, group, category)
		}
	}
	return all
}

// knows reports whether a data category existed, so that a consent may name it.
func (m meaning) knows(category string) bool {
	for _, categories := range m.Data {
		if slices.Contains(categories, category) {
			return true
		}
	}
	return category == string(fhir.Unclassified)
}

// union returns the keys of both maps, sorted.
func union[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// outside returns the elements of list that are not in other.
func outside(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// insert adds a value to a sorted list without duplicates.
func insert(list []string, value string) []string {
	if at, found := slices.BinarySearch(list, value); !found {
		list = slices.Insert(list, at, value)
	}
	return list
}
