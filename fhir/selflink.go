package fhir

import (
	"slices"
	"strings"
)

// SelfLinkCovers reports whether a searchset answers the search that was sent (Outbound) and not a wider one: whether its self
// link, in which a server says what it searched for (R4 §3.1.1.1), has the patient and every other parameter that narrows the
// search. Otherwise a source that ignores unknown parameters would return more than was asked for (SE-12). Self is the source's
// link as received, absolute on base (without a trailing slash) or relative; patient is the id that was passed to Outbound.
//
// Names and values are compared decoded, in any order, and so are alternatives (OR). The patient may be named by any parameter of
// the type that does so, with or without the type. Parameters that only shape the answer (_count, _sort, includes) may differ, and
// the link may have more parameters: they can only narrow further.
//
// A searchset shall have a self link. Without one, only a search that narrows by nothing but the patient is covered, because the
// patient is checked on every entry anyway. This is about the first page; what a source writes in later ones does not matter.
func (i Interaction) SelfLinkCovers(v Version, self, base string, patient ID) bool {
	rule, ok := ruleFor(v, i.Type)
	if !ok || i.Code != CodeSearch || rule.class != ClassPatient || i.Cursor != "" {
		return false
	}
	var asked []Param
	for _, p := range i.Params {
		if narrows(p.Name) {
			asked = append(asked, p)
		}
	}
	if self == "" {
		return len(asked) == 0
	}
	if rest, ok := strings.CutPrefix(self, base); ok && base != "" {
		if self, ok = strings.CutPrefix(rest, "/"); !ok {
			return false
		}
	}
	path, query, _ := strings.Cut(self, "?")
	if path != i.Type && path != i.Type+"/_search" {
		return false
	}
	said := lenientQuery(query)
	for _, p := range asked {
		if !slices.ContainsFunc(said, func(q Param) bool { return q.Name == p.Name && sameAlternatives(q.Value, p.Value) }) {
			return false
		}
	}
	return slices.ContainsFunc(said, func(q Param) bool { return rule.namesPatient(q, base, patient) })
}

// narrows reports whether a parameter makes an answer smaller; other parameters only shape it.
func narrows(name string) bool {
	return name != countParam && name != "_sort" && name != "_revinclude" && !strings.HasPrefix(name, "_include")
}

// namesPatient reports whether a parameter as the source writes it names exactly this patient.
func (r *typeRule) namesPatient(p Param, base string, patient ID) bool {
	name, modifier, modified := strings.Cut(p.Name, ":")
	switch r.params[name].kind {
	case kindPatient, kindPatientID:
	default:
		return false
	}
	if modified && modifier != typePatient || patient == "" {
		return false
	}
	value := p.Value
	if base != "" {
		value = strings.TrimPrefix(value, base+"/")
	}
	return strings.TrimPrefix(value, typePatient+"/") == string(patient)
}

// lenientQuery reads a query that the source wrote. A malformed pair is left out, so it covers nothing.
func lenientQuery(query string) []Param {
	var params []Param
	for pair := range strings.SplitSeq(query, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, okName := decodeComponent(rawName)
		value, okValue := decodeComponent(rawValue)
		if okName && okValue {
			params = append(params, Param{name, value})
		}
	}
	return params
}

// sameAlternatives reports whether two values have the same alternatives (OR), in any order.
func sameAlternatives(a, b string) bool {
	if a == b {
		return true
	}
	as, bs := slices.Sorted(alternatives(a)), slices.Sorted(alternatives(b))
	return slices.Equal(slices.Compact(as), slices.Compact(bs))
}
