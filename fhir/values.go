package fhir

import (
	"iter"
	"slices"
	"strings"
)

// anyType is the target of a reference that may point at any type.
const anyType = "*"

// bsnSystems are the names of the system of Dutch citizen numbers. A token with one of them identifies a person and is accepted
// only where the patient is named.
var bsnSystems = []string{"http://fhir.nl/fhir/NamingSystem/bsn", "urn:oid:2.16.840.1.113883.2.4.6.3"}

// PersonSystem returns the canonical name of an identifier system: systems with the same name have the same numbers.
func PersonSystem(system string) string {
	if slices.Contains(bsnSystems, system) {
		return bsnSystems[0]
	}
	return system
}

// isBSN reports whether a system is that of Dutch citizen numbers, however it is written.
func isBSN(system string) bool {
	plain := plainSystem(system)
	return slices.ContainsFunc(bsnSystems, func(s string) bool { return plainSystem(s) == plain })
}

// checkValues checks every alternative of a value against the grammar of its kind (R4 §3.1.1.4).
func (t *table) checkValues(param paramRule, p Param) *RequestError {
	if !validEscapes(p.Value) {
		return &RequestError{Element: p.Name, Reason: "the value has an unknown escape"}
	}
	n := 0
	for alternative := range alternatives(p.Value) {
		if n++; n > maxAlternatives {
			return &RequestError{Kind: TooLong, Element: p.Name, Reason: "too many values"}
		}
		if fault := t.valueFault(param, alternative); fault != "" {
			return &RequestError{Element: p.Name, Reason: fault}
		}
	}
	return nil
}

// valueFault says what is wrong with one value, "" if nothing is.
func (t *table) valueFault(param paramRule, value string) string {
	ok := false
	switch param.kind {
	case kindToken:
		return tokenFault(value)
	case kindReference:
		return t.referenceFault(param, value)
	case kindDate:
		ok = isDate(cutPrefix(value))
	case kindNumber:
		ok = isNumber(cutPrefix(value))
	case kindQuantity:
		ok = isQuantity(value)
	case kindString:
		ok = strings.TrimSpace(value) != ""
	case kindURI:
		ok = value != "" && !strings.Contains(value, " ")
	case kindID:
		ok = validID(value)
	}
	if !ok {
		return "the value is not well formed"
	}
	return ""
}

// tokenFault checks code, system|code, |code and system| (R4 §3.1.1.4.10).
func tokenFault(value string) string {
	system, code, hasSystem := cutUnescaped(value, '|')
	if !hasSystem {
		system, code = "", value
	}
	_, _, more := cutUnescaped(code, '|')
	switch {
	case more, system == "" && code == "", strings.Contains(system, " "), code != strings.TrimSpace(code):
		return "the value is not a token"
	case isBSN(unescape(system)):
		return "a person is named only by the patient's identifier"
	}
	return ""
}

// referenceFault checks [type]/[id] and [id] (R4 §3.1.1.4.12). A second patient may not be named: neither by type, nor by a bare id
// that the source could take for a Patient's.
func (t *table) referenceFault(param paramRule, value string) string {
	typ, id, typed := strings.Cut(value, "/")
	_, known := t.types[typ]
	switch {
	case !typed && param.targetsType(typePatient):
		return "the reference does not say its type"
	case !typed && validID(value):
		return ""
	case typ == typePatient:
		return "the reference names a patient in a place that does not bind the search"
	case !param.targetsType(typ), !known, !validID(id):
		return "the value is not a reference that this parameter takes"
	}
	return ""
}

// isQuantity checks number, number|system|code and number||code (R4 §3.1.1.4.9), each with an optional prefix.
func isQuantity(value string) bool {
	number, unit, hasUnit := cutUnescaped(cutPrefix(value), '|')
	if !isNumber(number) {
		return false
	}
	if !hasUnit {
		return true
	}
	system, code, ok := cutUnescaped(unit, '|')
	_, _, more := cutUnescaped(code, '|')
	return ok && !more && code != "" && code == strings.TrimSpace(code) && !strings.Contains(system, " ")
}

// cutPrefix takes the comparison prefix off a number, date or quantity (R4 §3.1.1.4.4).
func cutPrefix(value string) string {
	if len(value) > 2 {
		switch value[:2] {
		case "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap":
			return value[2:]
		}
	}
	return value
}

// isNumber checks a decimal with an optional exponent (R4 §2.24.0.1 "decimal").
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, rest := cutDigits(s)
	if whole == "" || len(s) > 32 {
		return false
	}
	if after, ok := strings.CutPrefix(rest, "."); ok {
		var fraction string
		if fraction, rest = cutDigits(after); fraction == "" {
			return false
		}
	}
	if rest == "" {
		return true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return false
	}
	rest = rest[1:]
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		rest = rest[1:]
	}
	exponent, rest := cutDigits(rest)
	return exponent != "" && len(exponent) <= 3 && rest == ""
}

// isDate checks a date or a date and time of any precision from the year on; the time needs hours and minutes, the zone may be
// missing (R4 §3.1.1.4.7).
func isDate(s string) bool {
	date, clock, hasTime := strings.Cut(s, "T")
	year, rest, hasMonth := strings.Cut(date, "-")
	month, day, hasDay := strings.Cut(rest, "-")
	switch {
	case !isDigits(year, 4) || year == "0000":
		return false
	case hasMonth && !inRange(month, 1, 12):
		return false
	case hasDay && !inRange(day, 1, daysIn(year, month)):
		return false
	}
	return !hasTime || hasDay && isTime(clock)
}

// isTime checks hh:mm[:ss[.f…]] with Z, ±hh:mm or no zone.
func isTime(s string) bool {
	clock, zone := s, ""
	if n := strings.IndexAny(s, "Z+-"); n >= 0 {
		clock, zone = s[:n], s[n:]
	}
	if zone != "" && zone != "Z" {
		hours, minutes, ok := strings.Cut(zone[1:], ":")
		if zone[0] == 'Z' || !ok || !inRange(hours, 0, 14) || !inRange(minutes, 0, 59) {
			return false
		}
	}
	hours, rest, ok := strings.Cut(clock, ":")
	minutes, seconds, hasSeconds := strings.Cut(rest, ":")
	if !ok || !inRange(hours, 0, 23) || !inRange(minutes, 0, 59) {
		return false
	}
	if !hasSeconds {
		return true
	}
	seconds, fraction, hasFraction := strings.Cut(seconds, ".")
	return inRange(seconds, 0, 60) && (!hasFraction || len(fraction) <= 9 && isDigits(fraction, len(fraction)))
}

// daysIn returns the length of a month; year and month are digits.
func daysIn(year, month string) int {
	switch month {
	case "04", "06", "09", "11":
		return 30
	case "02":
		y := number(year)
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// inRange reports whether s is a number of two digits from low to high.
func inRange(s string, low, high int) bool {
	return isDigits(s, 2) && low <= number(s) && number(s) <= high
}

// number is the value of a few digits.
func number(digits string) int {
	n := 0
	for i := range len(digits) {
		n = 10*n + int(digits[i]-'0')
	}
	return n
}

// isDigits reports whether s consists of exactly n digits, at least one.
func isDigits(s string, n int) bool {
	digits, rest := cutDigits(s)
	return len(digits) == n && n > 0 && rest == ""
}

// cutDigits splits off the digits that s begins with.
func cutDigits(s string) (digits, rest string) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n], s[n:]
}

// escapable are the characters that a backslash makes literal (R4 §3.1.1.4.0 "Escaping Search Parameters").
const escapable = `,|$\`

// validEscapes reports whether every backslash makes one of those characters literal.
func validEscapes(value string) bool {
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' {
			if i++; i == len(value) || strings.IndexByte(escapable, value[i]) < 0 {
				return false
			}
		}
	}
	return true
}

// alternatives splits a value at its unescaped commas (OR). Parts stay escaped.
func alternatives(value string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest, more := value, true; more; {
			var part string
			if part, rest, more = cutUnescaped(rest, ','); !yield(part) {
				return
			}
		}
	}
}

// cutUnescaped is strings.Cut at the first separator that no backslash makes literal.
func cutUnescaped(s string, separator byte) (before, after string, found bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// parseIdentifier reads one token that has both parts, system|value, and unescapes them.
func parseIdentifier(value string) (Identifier, bool) {
	system, rest, ok := cutUnescaped(value, '|')
	_, _, more := cutUnescaped(rest, '|')
	switch {
	case !ok, more, !validEscapes(system), !validEscapes(rest):
		return Identifier{}, false
	case strings.Contains(system, " "), rest != strings.TrimSpace(rest), hasSeparator(system), hasSeparator(rest):
		return Identifier{}, false
	}
	identifier := Identifier{System: unescape(system), Value: unescape(rest)}
	return identifier, identifier.System != "" && identifier.Value != ""
}

// hasSeparator reports whether a part has an unescaped comma (a second value) or dollar sign (a composite).
func hasSeparator(part string) bool {
	_, _, comma := cutUnescaped(part, ',')
	_, _, dollar := cutUnescaped(part, '$')
	return comma || dollar
}

// tokenOf renders an identifier as a token, with escapes.
func tokenOf(identifier Identifier) string {
	return escape(identifier.System) + "|" + escape(identifier.Value)
}

func escape(part string) string {
	if !strings.ContainsAny(part, escapable) {
		return part
	}
	escaped := make([]byte, 0, len(part)+4)
	for i := range len(part) {
		if strings.IndexByte(escapable, part[i]) >= 0 {
			escaped = append(escaped, '\\')
		}
		escaped = append(escaped, part[i])
	}
	return string(escaped)
}

func unescape(part string) string {
	if !strings.Contains(part, `\`) {
		return part
	}
	plain := make([]byte, 0, len(part))
	for i := 0; i < len(part); i++ {
		if part[i] == '\\' {
			i++
		}
		plain = append(plain, part[i])
	}
	return string(plain)
}
