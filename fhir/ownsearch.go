package fhir

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// OwnSearch is a search of resources that the gateway itself keeps: access events and consents. It is parsed as strictly as a
// search of a source, but answered here.
type OwnSearch struct {
	Type    string
	Patient PatientName // named by the caller; not needed if the token names the patient
	// Reference names the patient instead: Patient/[id], or the URL of one.
	Reference string
	Params    []Param // narrow the search, in canonical order; all must match
	Count     int     // _count; 0 when it was not given
	Cursor    string  // a sealed page link, then the only parameter
}

// ownKind is the kind of value that a parameter of an own search takes.
type ownKind int

const (
	ownDate       ownKind = iota + 1 // [prefix]date (R4 §3.1.1.4.7), compared with an instant
	ownToken                         // code, system|code, system| or |code; several separated by commas
	ownIdentifier                    // system|value
	ownPatient                       // system|value of the patient
	ownReference                     // the patient's id, Patient/id or the URL of one
	ownInstant                       // an instant, without a prefix
)

// ownSearches is the closed grammar, by type. The names for access events are those of IHE ATNA ITI-81.
var ownSearches = map[string]struct {
	params map[string]ownKind
	sort   string // the only order served
}{
	"AuditEvent": {sort: "-date", params: map[string]ownKind{
		"date": ownDate, "outcome": ownToken, "type": ownToken, "subtype": ownToken,
		"agent.identifier": ownIdentifier, "agent:identifier": ownIdentifier, "patient.identifier": ownPatient,
	}},
	"Consent": {sort: "-_lastUpdated", params: map[string]ownKind{
		"status": ownToken, "category": ownToken, "period": ownDate, "_lastUpdated": ownDate,
		"patient": ownReference, "patient.identifier": ownPatient, "patient:identifier": ownPatient,
	}},
	"Consent/_history": {params: map[string]ownKind{"_since": ownInstant}},
}

// OwnSearchParam is a parameter of an own search, as a CapabilityStatement lists it: its name, and date, token or reference.
type OwnSearchParam struct{ Name, Kind string }

// OwnSearchParams lists the parameters of a type, in order of their names; modifiers are not listed.
func OwnSearchParams(typ string) []OwnSearchParam {
	var params []OwnSearchParam
	grammar := ownSearches[typ].params
	for _, name := range slices.Sorted(maps.Keys(grammar)) {
		kind := "token"
		switch grammar[name] {
		case ownDate:
			kind = "date"
		case ownReference:
			kind = "reference"
		}
		if !strings.Contains(name, ":") {
			params = append(params, OwnSearchParam{Name: name, Kind: kind})
		}
	}
	return params
}

// CheckPresentation refuses the query of an interaction of the gateway's own that is no search, unless it only says how to present the answer:
// _format and _pretty, which many clients send with every request. The error is always a *RequestError.
func CheckPresentation(rawQuery string) error {
	given, err := readQuery(rawQuery)
	if err != nil {
		return err
	}
	once := map[string]bool{}
	for _, p := range given {
		kind := map[string]paramKind{"_format": kindFormat, "_pretty": kindPretty}[p.Name]
		switch {
		case kind == 0:
			return notSupported(echo(p.Name), "the parameter is not served")
		case once[p.Name]:
			return &RequestError{Element: p.Name, Reason: "the parameter is given twice"}
		}
		once[p.Name] = true
		if err := checkPresentation(kind, p); err != nil {
			return err
		}
	}
	return nil
}

// ParseOwnSearch parses a search of a type of the gateway's own, by GET or by POST to _search, or refuses it; the error is always a
// *RequestError. Only the end of the path is looked at.
func ParseOwnSearch(typ string, r Request) (OwnSearch, error) {
	s, err := parseOwnSearch(typ, r)
	if err != nil {
		return OwnSearch{}, err // not returned with s: a typed nil would be an error
	}
	return s, nil
}

func parseOwnSearch(typ string, r Request) (OwnSearch, *RequestError) {
	query, err := ownQuery(r)
	if err != nil {
		return OwnSearch{}, err
	}
	given, err := readQuery(query)
	if err != nil {
		return OwnSearch{}, err
	}
	s, once := OwnSearch{Type: typ}, map[string]bool{}
	for _, p := range given {
		// A date may be given twice, for both ends of a period.
		if repeats := ownSearches[typ].params[p.Name] == ownDate; once[p.Name] && !repeats {
			return OwnSearch{}, &RequestError{Element: echo(p.Name), Reason: "the parameter is given twice"}
		}
		once[p.Name] = true
		if err := s.take(p, len(given)); err != nil {
			return OwnSearch{}, err
		}
	}
	s.Params = sortParams(s.Params)
	return s, nil
}

// ownQuery returns the parameters: the query of a GET, or the body of a POST to _search.
func ownQuery(r Request) (string, *RequestError) {
	switch {
	case strings.HasSuffix(r.Path, "/_search") && r.Method == "POST":
		return formBody(r)
	case strings.HasSuffix(r.Path, "/_search") || r.Method != "GET" && r.Method != "HEAD":
		return "", &RequestError{Kind: NoMethod, Reason: "a search is a GET, or a POST to _search"}
	case len(r.Body) > 0:
		return "", &RequestError{Reason: "a GET has no body"}
	}
	return r.RawQuery, nil
}

// take parses one of the given parameters.
func (s *OwnSearch) take(p Param, given int) *RequestError {
	grammar := ownSearches[s.Type]
	switch p.Name {
	case cursorParam:
		s.Cursor = p.Value
		return checkCursor(p, given)
	case "_count":
		s.Count = positive(p.Value)
		return checkCount(p)
	case "_format":
		return checkPresentation(kindFormat, p)
	case "_pretty":
		return checkPresentation(kindPretty, p)
	case "_sort":
		if grammar.sort == "" {
			return notSupported(p.Name, "the newest come first")
		}
		if p.Value != grammar.sort {
			return notSupported(p.Name, "sorted by date only, the newest first")
		}
		return nil
	}
	kind := grammar.params[p.Name]
	if fault := kind.fault(p.Value); fault != "" {
		return &RequestError{Element: p.Name, Reason: fault}
	}
	switch kind {
	case 0:
		return notSupported(echo(p.Name), "the parameter is not served")
	case ownPatient, ownReference:
		if s.Patient.Named() || s.Reference != "" {
			return &RequestError{Element: p.Name, Reason: "the patient is named twice"}
		}
		if kind == ownReference {
			s.Reference = p.Value
			if !strings.Contains(p.Value, "/") {
				s.Reference = "Patient/" + p.Value
			}
			return nil
		}
		s.Patient.Identifier, _ = parseIdentifier(p.Value)
	default:
		s.Params = append(s.Params, p)
	}
	return nil
}

// fault says what is wrong with a value; "" when nothing is.
func (k ownKind) fault(value string) string {
	switch k {
	case ownDate:
		if _, _, _, ok := parsePeriod(value, time.UTC); !ok {
			return "the value is not a date"
		}
	case ownToken:
		for part := range alternatives(value) {
			if tokenFault(part) != "" {
				return "the value is not a token"
			}
		}
	case ownIdentifier, ownPatient:
		if _, ok := parseIdentifier(value); !ok {
			return "the value is not of the form system|value"
		}
	case ownReference:
		base, id, named := cutLast(value, "Patient/")
		if !validID(id) || named && base != "" && !isServer(base) {
			return "the value is not the id of a patient"
		}
	case ownInstant:
		if prefix, from, to, ok := parsePeriod(value, time.UTC); !ok || prefix != "" || to.Sub(from) > time.Second {
			return "the value is not an instant"
		}
	}
	return ""
}

// cutLast is strings.Cut at the last separator; if there is none, all of it is after.
func cutLast(s, sep string) (before, after string, found bool) {
	if at := strings.LastIndex(s, sep); at >= 0 {
		return s[:at], s[at+len(sep):], true
	}
	return "", s, false
}

// isServer reports whether a text can be the URL of a FHIR base with a trailing slash.
func isServer(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.RawQuery == "" && strings.HasSuffix(u.Path, "/")
}

// Redacted is the search relative to the FHIR base, without the patient: for events and self links.
func (s OwnSearch) Redacted() string {
	if s.Cursor != "" {
		return s.Type + "?" + cursorParam + "=" + mask
	}
	params := make([]Param, len(s.Params))
	for n, p := range s.Params {
		params[n] = maskNumbers(p)
	}
	return withQuery(s.Type, appendQuery(nil, "", "", params))
}

// MatchesInstant reports whether an instant matches a date parameter. A date without a zone is local to place.
func (p Param) MatchesInstant(at time.Time, place *time.Location) bool {
	prefix, from, to, ok := parsePeriod(p.Value, place)
	switch {
	case !ok:
		return false
	case prefix == "ne":
		return at.Before(from) || !at.Before(to)
	case prefix == "ge":
		return !at.Before(from)
	case prefix == "gt", prefix == "sa":
		return !at.Before(to)
	case prefix == "le":
		return at.Before(to)
	case prefix == "lt", prefix == "eb":
		return at.Before(from)
	}
	return !at.Before(from) && at.Before(to)
}

// MatchesPeriod reports whether a period matches a date parameter (R4 §3.1.1.4.7). The end is exclusive; a zero start or end is open.
func (p Param) MatchesPeriod(start, end time.Time, place *time.Location) bool {
	prefix, from, to, ok := parsePeriod(p.Value, place)
	begins := !start.IsZero() && !start.Before(from) // the period starts no earlier than the value
	ends := !end.IsZero() && !end.After(to)          // the period ends no later
	switch {
	case !ok:
		return false
	case prefix == "ne":
		return !begins || !ends
	case prefix == "ge":
		return !ends || begins
	case prefix == "gt":
		return !ends
	case prefix == "sa":
		return !start.IsZero() && !start.Before(to)
	case prefix == "le":
		return !begins || ends
	case prefix == "lt":
		return !begins
	case prefix == "eb":
		return !end.IsZero() && !end.After(from)
	}
	return begins && ends
}

// MatchesToken reports whether one of the codings matches a token parameter.
func (p Param) MatchesToken(codings ...Coding) bool {
	for part := range alternatives(p.Value) {
		system, code, hasBar := cutUnescaped(part, '|')
		if !hasBar {
			system, code = "", part
		}
		system, code = unescape(system), unescape(code)
		if slices.ContainsFunc(codings, func(c Coding) bool {
			return (code == c.Code || code == "" && hasBar) && (!hasBar || system == c.System)
		}) {
			return true
		}
	}
	return false
}

// MatchesIdentifier reports whether one of the identifiers matches an identifier parameter.
func (p Param) MatchesIdentifier(identifiers ...Identifier) bool {
	asked, ok := parseIdentifier(p.Value)
	return ok && slices.Contains(identifiers, asked)
}

// periodLayouts are the precisions of a date and how long each lasts (R4 §3.1.1.4.7); with a fraction of a second, a value lasts 1 ns.
var periodLayouts = []struct {
	layout              string
	years, months, days int
	clock               time.Duration
}{
	{layout: "2006", years: 1}, {layout: "2006-01", months: 1}, {layout: "2006-01-02", days: 1},
	{layout: "2006-01-02T15:04", clock: time.Minute}, {layout: "2006-01-02T15:04:05", clock: time.Second},
}

// parsePeriod reads [prefix]date into the period that it denotes, from inclusive, to exclusive; the prefix ap, which has no fixed
// meaning, is refused.
func parsePeriod(value string, place *time.Location) (prefix string, from, to time.Time, ok bool) {
	if len(value) > 2 && value[0] >= 'a' {
		prefix, value = value[:2], value[2:]
		if !slices.Contains([]string{"eq", "ne", "gt", "ge", "lt", "le", "sa", "eb"}, prefix) {
			return "", from, to, false
		}
	}
	if !isDate(value) {
		return "", from, to, false
	}
	zone := ""
	if clock := strings.IndexByte(value, 'T'); clock >= 0 && strings.ContainsAny(value[clock:], "Z+-") {
		zone = "Z07:00"
	}
	for _, p := range periodLayouts {
		if zone != "" && p.clock == 0 {
			continue
		}
		at, err := time.ParseInLocation(p.layout+zone, value, place)
		if err != nil {
			continue
		}
		if at.Nanosecond() != 0 {
			p.clock = time.Nanosecond
		}
		return prefix, at, at.AddDate(p.years, p.months, p.days).Add(p.clock), true
	}
	return "", from, to, false
}
