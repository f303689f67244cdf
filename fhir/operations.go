package fhir

import (
	"slices"
	"strconv"
	"strings"
)

// MaxLastN is the largest number of observations of each code that $lastn returns.
const MaxLastN = 100

// The parameters of interactions that are not searches.
const (
	typesParam = "_type"
	sinceParam = "_since"
	countParam = "_count"
	maxParam   = "max"
)

// plainParams are the parameters of interactions that are not searches. An attachment takes none.
var plainParams = map[Code]map[string]paramRule{
	CodeRead:    {"_format": {kind: kindFormat}, "_pretty": {kind: kindPretty}},
	CodeVRead:   {"_format": {kind: kindFormat}, "_pretty": {kind: kindPretty}},
	CodeHistory: {"_format": {kind: kindFormat}, "_pretty": {kind: kindPretty}, countParam: {kind: kindCount}, sinceParam: {kind: kindSince}},
	CodeEverything: {
		"_format": {kind: kindFormat}, "_pretty": {kind: kindPretty}, countParam: {kind: kindCount}, sinceParam: {kind: kindSince},
		typesParam: {kind: kindTypes},
		"start":    {reason: "dates of care are not in the grammar"}, "end": {reason: "dates of care are not in the grammar"},
	},
}

// parsePlain fills in an interaction that is not a search. No parameter may repeat.
func (t *table) parsePlain(i *Interaction, given []Param) *RequestError {
	var params []Param
	for n, p := range given {
		rule := plainParams[i.Code][p.Name]
		var err *RequestError
		switch {
		case rule.kind == kindRefused && rule.reason != "":
			return notSupported(p.Name, rule.reason)
		case rule.kind == kindRefused:
			return notSupported(p.Name, "this interaction takes no such parameter")
		case slices.ContainsFunc(given[:n], func(q Param) bool { return q.Name == p.Name }):
			return &RequestError{Element: p.Name, Reason: "parameter given twice"}
		case rule.kind == kindFormat, rule.kind == kindPretty:
			if err := checkPresentation(rule.kind, p); err != nil {
				return err
			}
			continue
		case rule.kind == kindCount:
			err = checkCount(p)
		case rule.kind == kindSince && !isDate(p.Value):
			err = &RequestError{Element: p.Name, Reason: "the value is not well formed"}
		case rule.kind == kindTypes:
			p.Value, err = t.typeList(p)
		}
		if err != nil {
			return err
		}
		params = append(params, p)
	}
	i.Params = sortParams(params)
	return nil
}

// typeList reads _type of $everything: types of the version, at least one of them served. The others add nothing by themselves,
// since shared resources only come with what refers to them. The list is sorted and has no duplicates.
func (t *table) typeList(p Param) (string, *RequestError) {
	types := strings.Split(p.Value, ",")
	served := false
	for _, typ := range types {
		rule, ok := t.types[typ]
		if !ok {
			return "", &RequestError{Element: p.Name, Reason: "the value is not a list of resource types"}
		}
		served = served || rule.class == ClassPatient
	}
	if !served {
		return "", notSupported(p.Name, "none of the types is served")
	}
	slices.Sort(types)
	return strings.Join(slices.Compact(types), ","), nil
}

// Everything lists the searches that make up Patient/[id]/$everything, in the order of the response: the Patient itself, then the
// other served types (those of _type, if given) by name. Each names the patient and has _count, and _since as _lastUpdated. It is
// nil for every other interaction.
func (i Interaction) Everything(v Version) []Interaction {
	t := tableOf(v)
	if t == nil || i.Code != CodeEverything {
		return nil
	}
	var shape []Param
	if count, ok := i.param(countParam); ok {
		shape = append(shape, Param{countParam, count})
	}
	if since, ok := i.param(sinceParam); ok {
		shape = append(shape, Param{"_lastUpdated", "ge" + since})
	}
	types := t.served
	if list, ok := i.param(typesParam); ok {
		types = strings.Split(list, ",")
	}
	var searches []Interaction
	add := func(typ string) {
		searches = append(searches, Interaction{Code: CodeSearch, Type: typ, Patient: i.Patient, Params: slices.Clone(shape)})
	}
	if slices.Contains(types, typePatient) {
		add(typePatient)
	}
	for _, typ := range types {
		if rule, ok := t.types[typ]; ok && rule.class == ClassPatient && typ != typePatient {
			add(typ)
		}
	}
	return searches
}

// parseLastN fills in Observation/$lastn (R4 §10.1.20.1): the last max observations of each code, by category, code and date. Its
// search is bound and checked like any other, so that a hidden row cannot displace another (OP-3).
func (t *table) parseLastN(i *Interaction, rule *typeRule, given []Param) *RequestError {
	var most []Param
	given = slices.DeleteFunc(given, func(p Param) bool {
		if p.Name == maxParam {
			most = append(most, p)
		}
		return p.Name == maxParam
	})
	for _, p := range given {
		if base, _, _ := strings.Cut(p.Name, ":"); !lastNTakes(rule, base) {
			return notSupported(p.Name, "this operation takes no such parameter")
		}
	}
	switch {
	case len(most) > 1:
		return &RequestError{Element: maxParam, Reason: "parameter given twice"}
	case len(most) == 1 && (positive(most[0].Value) < 1 || positive(most[0].Value) > MaxLastN):
		return &RequestError{Element: maxParam, Reason: "the value is not a number from 1 to 100"}
	}
	if err := t.parseSearch(i, rule, given); err != nil {
		return err
	}
	i.Params = sortParams(append(slices.Clone(i.Params), most...))
	return nil
}

// lastNTakes reports whether $lastn takes a search parameter.
func lastNTakes(rule *typeRule, name string) bool {
	switch name {
	case "category", "code", "date", "_include", "_format", "_pretty":
		return true
	}
	return rule.params[strings.TrimSuffix(name, identifierChain)].kind == kindPatient
}

// LastN returns the search behind Observation/$lastn, newest first, and how many observations of each code it returns, 1 to
// MaxLastN. It is zero for every other interaction.
func (i Interaction) LastN() (search Interaction, most int) {
	if i.Code != CodeLastN {
		return Interaction{}, 0
	}
	value, ok := i.param(maxParam)
	if most = positive(value); !ok {
		most = 1
	}
	params := slices.DeleteFunc(slices.Clone(i.Params), func(p Param) bool { return p.Name == maxParam })
	params = append(params, Param{"_sort", "-date"})
	return Interaction{Code: CodeSearch, Type: i.Type, Patient: i.Patient, Params: sortParams(params)}, most
}

// param returns the first value of a parameter.
func (i Interaction) param(name string) (string, bool) {
	n := slices.IndexFunc(i.Params, func(p Param) bool { return p.Name == name })
	if n < 0 {
		return "", false
	}
	return i.Params[n].Value, true
}

// Count returns the requested page size, 0 if there is none.
func (i Interaction) Count() int {
	value, _ := i.param(countParam)
	return positive(value)
}

// WithCount returns the interaction with another page size, so that the gateway chooses what it asks of the source; 0 removes it.
func (i Interaction) WithCount(n int) Interaction {
	i.Params = slices.DeleteFunc(slices.Clone(i.Params), func(p Param) bool { return p.Name == countParam })
	if n > 0 {
		i.Params = append(i.Params, Param{countParam, strconv.Itoa(n)})
	}
	i.Params = sortParams(i.Params)
	return i
}
