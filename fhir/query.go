package fhir

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a query (SE-29). Lengths are in bytes.
const (
	maxQuery        = 8 << 10 // as received and as rendered
	maxParams       = 50
	maxValue        = 2 << 10 // decoded, other than a cursor
	maxAlternatives = 100     // values of one parameter, separated by commas
)

// readQuery reads a query or a form body strictly (HT-9): names and values are decoded once, "+" is a space. Whatever two parsers
// could read differently is refused: ";", bad escapes, control characters, invalid UTF-8, empty names, values and pairs.
func readQuery(raw string) ([]Param, *RequestError) {
	if raw == "" {
		return nil, nil
	}
	if len(raw) > maxQuery {
		return nil, &RequestError{Kind: TooLong, Reason: "the query is too long"}
	}
	n := strings.Count(raw, "&") + 1
	if n > maxParams {
		return nil, &RequestError{Kind: TooLong, Reason: "too many parameters"}
	}
	params := make([]Param, 0, n)
	for rest, more := raw, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		rawName, rawValue, ok := strings.Cut(pair, "=")
		if !ok || rawName == "" {
			return nil, &RequestError{Reason: "a parameter is not of the form name=value"}
		}
		name, okName := decodeComponent(rawName)
		value, okValue := decodeComponent(rawValue)
		switch {
		case !okName:
			return nil, &RequestError{Reason: "the name of a parameter is not well formed"}
		case !okValue:
			return nil, &RequestError{Element: echo(name), Reason: "the value is not well formed"}
		case value == "":
			return nil, &RequestError{Element: echo(name), Reason: "the value is empty"}
		case len(value) > maxValue && name != cursorParam:
			return nil, &RequestError{Kind: TooLong, Element: echo(name), Reason: "the value is too long"}
		}
		params = append(params, Param{Name: name, Value: value})
	}
	return params, nil
}

// decodeComponent decodes a name or a value of application/x-www-form-urlencoded once. It returns false unless the input is
// printable ASCII without ";" and "#", and the result is valid UTF-8 without control characters.
func decodeComponent(raw string) (string, bool) {
	plain := true
	for i := range len(raw) {
		switch c := raw[i]; {
		case c <= ' ', c >= 0x7f, c == ';', c == '#':
			return "", false
		case c == '%', c == '+':
			plain = false
		}
	}
	if plain {
		return raw, true
	}
	decoded := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '+':
			decoded = append(decoded, ' ')
		case '%':
			if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
				return "", false
			}
			decoded = append(decoded, unhex(raw[i+1])<<4|unhex(raw[i+2]))
			i += 2
		default:
			decoded = append(decoded, raw[i])
		}
	}
	s := string(decoded)
	return s, utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// echo returns the name of a parameter for the caller, or "" if it could carry a value (DE-5).
func echo(name string) string {
	if len(name) > 64 {
		return ""
	}
	for i := range len(name) {
		if c := name[i]; !isAlphanumeric(c) && c != '_' && c != ':' && c != '.' && c != '-' || '0' <= c && c <= '9' {
			return ""
		}
	}
	return name
}

// appendQuery renders a query: the parameter that names the patient first, with its value already escaped, then the others in order.
func appendQuery(dst []byte, name, escaped string, params []Param) []byte {
	if name != "" {
		dst = append(dst, name...)
		dst = append(dst, '=')
		dst = append(dst, escaped...)
	}
	for _, p := range params {
		if len(dst) > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, p.Name...)
		dst = append(dst, '=')
		dst = appendEscaped(dst, p.Value)
	}
	return dst
}

// appendEscaped percent-encodes a value. Characters that it keeps have no special meaning in any query parser (RFC 3986 §3.4).
func appendEscaped(dst []byte, value string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(value) {
		switch c := value[i]; {
		case isAlphanumeric(c), strings.IndexByte("-._~/:,*", c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

func escapeQuery(value string) string { return string(appendEscaped(nil, value)) }
