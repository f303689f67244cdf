package fhir

import (
	"cmp"
	"slices"
	"strings"
)

// identifierChain ends the only chains of the grammar: patient.identifier and its equivalents, which Dutch queries use (OR-3).
const identifierChain = ".identifier"

// MaxCount is the largest page that a caller may ask for by _count.
const MaxCount = 500

// maxSortKeys bounds the keys of one _sort.
const maxSortKeys = 5

// maxIterates bounds the iterated includes of one search.
const maxIterates = 10

// nameForm is how a parameter names the patient.
type nameForm int

const (
	formReference  nameForm = iota // patient=X, patient=Patient/X
	formType                       // patient:Patient=X
	formIdentifier                 // patient:identifier=system|value, patient.identifier=system|value
)

// parseSearch fills in the interaction of a search from the given parameters, whose storage it reuses.
func (t *table) parseSearch(i *Interaction, rule *typeRule, given []Param) *RequestError {
	compartment := i.Patient.Named()
	if compartment && len(given) == maxParams { // the canonical query has one more
		return &RequestError{Kind: TooLong, Reason: "too many parameters"}
	}
	var seen [kindCursor + 1]bool
	iterates := 0
	params := given[:0]
	for _, p := range given {
		param, form, err := t.lookup(rule, p.Name)
		if err != nil {
			return err
		}
		switch param.kind {
		case kindCursor, kindCount, kindSort, kindFormat, kindPretty:
			if seen[param.kind] {
				return &RequestError{Element: p.Name, Reason: "parameter given twice"}
			}
			seen[param.kind] = true
		}
		switch param.kind {
		case kindPatient, kindPatientID, kindPatientIdentifier:
			if i.Patient.Named() { // SE-4, SE-5: one of them would be ignored
				return &RequestError{Element: p.Name, Reason: "more than one parameter names the patient"}
			}
			i.Patient, err = patientName(param.kind, form, p)
		case kindCursor:
			if compartment {
				return notSupported(p.Name, "a page link is of the type, not of a compartment")
			}
			i.Cursor, err = p.Value, checkCursor(p, len(given))
		case kindFormat, kindPretty:
			err = checkPresentation(param.kind, p)
		case kindIterate:
			if iterates++; iterates > maxIterates {
				return &RequestError{Kind: TooLong, Element: p.Name, Reason: "too many repeated includes"}
			}
			p.Name = t.iterate
			params = append(params, p)
			err = t.checkIterate(p)
		default:
			params = append(params, p)
			err = t.checkParam(i.Type, rule, param, p)
		}
		if err != nil {
			return err
		}
	}
	i.Params = sortParams(params)
	return nil
}

// sortParams puts parameters in canonical order: by name, repeats in the order given. It returns nil for none.
func sortParams(params []Param) []Param {
	if len(params) == 0 {
		return nil
	}
	slices.SortStableFunc(params, func(a, b Param) int { return cmp.Compare(a.Name, b.Name) })
	return params
}

// lookup finds the rule of a parameter by its full name. Names are exact; modifiers and chains are refused, except those that name
// the patient and the iteration of _include.
func (t *table) lookup(rule *typeRule, name string) (paramRule, nameForm, *RequestError) {
	if base, ok := strings.CutSuffix(name, identifierChain); ok && rule.params[base].kind == kindPatient {
		return rule.params[base], formIdentifier, nil
	}
	if param, ok := rule.params[name]; strings.Contains(name, ".") {
		if ok { // medication.code: one name, not a general chain
			return param, formReference, nil
		}
		return paramRule{}, 0, notSupported(name, "chained parameters are not served")
	}
	base, modifier, modified := strings.Cut(name, ":")
	param, ok := rule.params[base]
	if !ok {
		param, ok = t.general[base]
	}
	switch {
	case !ok:
		return paramRule{}, 0, notSupported(name, "unknown parameter")
	case param.kind == kindRefused, param.kind == kindIncludeOnly:
		return paramRule{}, 0, notSupported(name, param.reason)
	case !modified:
		return param, formReference, nil
	case param.kind == kindPatient && modifier == typePatient:
		return param, formType, nil
	case param.kind == kindPatient && modifier == "identifier":
		return param, formIdentifier, nil
	case param.kind == kindInclude && (modifier == "iterate" || modifier == "recurse"):
		return paramRule{kind: kindIterate}, formReference, nil
	}
	return paramRule{}, 0, notSupported(name, "modifier not served")
}

// notSupported refuses a parameter by name.
func notSupported(name, reason string) *RequestError {
	return &RequestError{Kind: NotSupported, Element: echo(name), Reason: reason}
}

// patientName reads the one value that names the patient (SE-3, SE-6 to SE-9).
func patientName(kind paramKind, form nameForm, p Param) (PatientName, *RequestError) {
	if kind == kindPatientIdentifier || form == formIdentifier {
		identifier, ok := parseIdentifier(p.Value)
		if !ok {
			return PatientName{}, &RequestError{Element: p.Name, Reason: "the value is not one identifier of the form system|value"}
		}
		return PatientName{Identifier: identifier}, nil
	}
	id := p.Value
	if kind == kindPatient && form == formReference {
		id = strings.TrimPrefix(id, typePatient+"/")
	}
	if !validID(id) {
		return PatientName{}, &RequestError{Element: p.Name, Reason: "the value is not the id of one patient"}
	}
	return PatientName{ID: ID(id)}, nil
}

// checkParam checks the value of a parameter that is passed on.
func (t *table) checkParam(typ string, rule *typeRule, param paramRule, p Param) *RequestError {
	switch param.kind {
	case kindCount:
		return checkCount(p)
	case kindSort:
		return checkSort(rule, p)
	case kindInclude:
		return t.checkInclude(typ, rule, p)
	case kindRevInclude:
		return t.checkRevInclude(typ, p)
	}
	return t.checkValues(param, p)
}

// checkCursor checks a sealed page link. It is the only parameter: the query that it continues is sealed in it.
func checkCursor(p Param, given int) *RequestError {
	if given != 1 {
		return &RequestError{Element: p.Name, Reason: "a cursor is the only parameter"}
	}
	if !isBase64URL(p.Value) {
		return &RequestError{Element: p.Name, Reason: "the value is not base64url"}
	}
	return nil
}

// isBase64URL reports whether every character is of the alphabet of RFC 4648 §5, without padding.
func isBase64URL(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// checkCount checks _count: 1 to MaxCount. Zero would ask for the number of matches (OR-6).
func checkCount(p Param) *RequestError {
	if positive(p.Value) > MaxCount || positive(p.Value) < 1 {
		return &RequestError{Element: p.Name, Reason: "the value is not a number from 1 to 500"}
	}
	return nil
}

// positive parses up to four digits without leading zeros; it is 0 for anything else.
func positive(s string) int {
	if digits, rest := cutDigits(s); digits == "" || rest != "" || digits[0] == '0' || len(digits) > 4 {
		return 0
	}
	return number(s)
}

// checkSort checks _sort: the order of rows may depend only on what the rows themselves disclose (OR-5).
func checkSort(rule *typeRule, p Param) *RequestError {
	keys := strings.Split(p.Value, ",")
	if len(keys) > maxSortKeys {
		return &RequestError{Kind: TooLong, Element: p.Name, Reason: "too many sort keys"}
	}
	for n, key := range keys {
		keys[n] = strings.TrimPrefix(key, "-")
		if !isSortKey(rule, keys[n]) {
			return notSupported(p.Name, "sorted by _id, _lastUpdated and dates only")
		}
		if slices.Contains(keys[:n], keys[n]) {
			return &RequestError{Element: p.Name, Reason: "a sort key is given twice"}
		}
	}
	return nil
}

func isSortKey(rule *typeRule, key string) bool {
	return key == "_id" || key == "_lastUpdated" || rule.params[key].kind == kindDate
}

// checkInclude checks _include=[type]:[param] or [type]:[param]:[target] (R4 §3.1.1.5.4). Each included resource is decided on by
// itself; the grammar excludes wildcards and types that are not served (IN-5, IN-6). The reference that names the patient takes no
// target type: it can only be Patient.
func (t *table) checkInclude(typ string, rule *typeRule, p Param) *RequestError {
	source, name, into, narrowed, ok := cutInclude(p.Value)
	param := rule.params[name]
	if ok && source == typ && t.canInclude(param) && (!narrowed || param.targetsType(into) && t.canBeIncluded(into)) {
		return nil
	}
	return notSupported(p.Name, "the value is not an include that is served")
}

// checkIterate checks _include:iterate, which STU3 calls _include:recurse: an include from resources that were themselves included.
// Each included resource is decided on by itself, as with every include (IN-5).
func (t *table) checkIterate(p Param) *RequestError {
	source, name, into, narrowed, ok := cutInclude(p.Value)
	if rule := t.types[source]; ok && rule != nil && t.canBeIncluded(source) {
		param := rule.params[name]
		if t.canInclude(param) && (!narrowed || param.targetsType(into) && t.canBeIncluded(into)) {
			return nil
		}
	}
	return notSupported(p.Name, "the value is not an include that is served")
}

// checkRevInclude checks _revinclude in the same forms. Resources that refer to a Patient are included by membership only (IN-4);
// those that refer to another type, by any of their references.
func (t *table) checkRevInclude(typ string, p Param) *RequestError {
	source, name, into, narrowed, ok := cutInclude(p.Value)
	rule := t.types[source]
	if ok && rule != nil && t.canRevInclude(typ, rule.params[name]) && (!narrowed || into == typ && typ != typePatient) {
		return nil
	}
	return notSupported(p.Name, "the value is not a reverse include that is served")
}

// canInclude reports whether the resources that a parameter refers to may be included.
func (t *table) canInclude(param paramRule) bool {
	if len(param.elements) == 0 {
		return false
	}
	switch param.kind {
	case kindPatient:
		return true
	case kindReference, kindIncludeOnly:
		return param.targetsType(anyType) || slices.ContainsFunc(param.targets, t.canBeIncluded)
	}
	return false
}

// canRevInclude reports whether resources that refer to the type by the parameter may be included.
func (t *table) canRevInclude(typ string, param paramRule) bool {
	if len(param.elements) == 0 {
		return false
	}
	if typ == typePatient {
		return param.kind == kindPatient
	}
	return param.kind == kindReference && param.targetsType(typ)
}

// canBeIncluded reports whether resources of a type may be included at all.
func (t *table) canBeIncluded(typ string) bool {
	rule, ok := t.types[typ]
	return ok && (rule.class == ClassPatient || rule.class == ClassShared)
}

// cutInclude splits an include; narrowed reports that a target type is given.
func cutInclude(value string) (source, param, target string, narrowed, ok bool) {
	source, rest, ok := strings.Cut(value, ":")
	param, target, narrowed = strings.Cut(rest, ":")
	return source, param, target, narrowed, ok
}

// checkPresentation checks _format and _pretty, which are not passed on: the gateway serves JSON, in one form. An unescaped "+" has
// become a space (R4 §3.1.0.1.11 "_format").
func checkPresentation(kind paramKind, p Param) *RequestError {
	switch {
	case kind == kindPretty && p.Value != "true" && p.Value != "false":
		return &RequestError{Element: p.Name, Reason: "the value is not true or false"}
	case kind == kindFormat:
		switch p.Value {
		case "json", "application/json", "application/fhir+json", "application/fhir json":
		default:
			return &RequestError{Kind: NotAcceptable, Element: p.Name, Reason: "only JSON is served"}
		}
	}
	return nil
}
