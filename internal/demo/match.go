//go:build !release

package demo

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
)

// matchToken compares with "code", "system|code", "|code" or "system|" (R4 §3.1.1.4.10). The system of a
// plain code or string is that of its binding, which is not known here: only its code is compared.
func matchToken(value any, want string) bool {
	system, code, hasSystem := cutEscaped(want)
	if !hasSystem {
		system, code = "", want
	}
	code = unescape(code)
	system = unescape(system)
	compare := func(s, c string) bool {
		return (code == "" || c == code) && (!hasSystem || s == system) && (code != "" || hasSystem)
	}
	switch v := value.(type) {
	case string:
		return v == code
	case bool:
		return (code == "true") == v && (code == "true" || code == "false")
	case map[string]any:
		if codings, ok := v["coding"].([]any); ok { // CodeableConcept
			return slices.ContainsFunc(codings, func(c any) bool { return matchToken(c, want) })
		}
		s, _ := v["system"].(string)
		if c, ok := v["code"].(string); ok { // Coding
			return compare(s, c)
		}
		c, ok := v["value"].(string) // Identifier, ContactPoint
		return ok && compare(s, c)
	}
	return false
}

// matchReference compares with "Type/id", "id" or an absolute URL at the source (R4 §3.1.1.4.13).
func matchReference(value any, want, base string) bool {
	ref := strings.TrimPrefix(referenceOf(value), base+"/")
	want = strings.TrimPrefix(unescape(want), base+"/")
	if ref == "" || want == "" {
		return false
	}
	if strings.Contains(want, "/") {
		return ref == want
	}
	_, id, ok := strings.Cut(ref, "/")
	return ok && id == want
}

// matchString compares the start of a value, or any part for "contains", ignoring case; for "exact" the whole as it is (R4 §3.1.1.4.9). Of names
// and addresses every part counts.
func matchString(value any, want, modifier string) bool {
	want = unescape(want)
	switch v := value.(type) {
	case string:
		switch modifier {
		case "exact":
			return v == want
		case "contains":
			return strings.Contains(strings.ToLower(v), strings.ToLower(want))
		}
		return strings.HasPrefix(strings.ToLower(v), strings.ToLower(want))
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return matchString(item, want, modifier) })
	case map[string]any:
		for _, item := range v {
			if matchString(item, want, modifier) {
				return true
			}
		}
	}
	return false
}

// matchQuantity compares "[prefix]number[|system|code]" (R4 §3.1.1.4.11 and 14), to the digit.
func matchQuantity(value any, want string) bool {
	parts := splitEscaped(want, '|')
	prefix, number := cutPrefix(parts[0])
	wanted, ok := new(big.Rat).SetString(number)
	if !ok {
		return false
	}
	amount := value
	if quantity, ok := value.(map[string]any); ok {
		amount = quantity["value"]
		if len(parts) == 3 && parts[2] != "" && quantity["code"] != unescape(parts[2]) && quantity["unit"] != unescape(parts[2]) {
			return false
		}
		if len(parts) == 3 && parts[1] != "" && quantity["system"] != unescape(parts[1]) {
			return false
		}
	}
	text, ok := amount.(json.Number)
	if !ok {
		return false
	}
	found, ok := new(big.Rat).SetString(text.String())
	if !ok {
		return false
	}
	order := found.Cmp(wanted)
	switch prefix {
	case "eq", "ap":
		return order == 0
	case "ne":
		return order != 0
	case "lt":
		return order < 0
	case "le":
		return order <= 0
	case "gt":
		return order > 0
	default: // ge
		return order >= 0
	}
}

// prefixes of ordered values (R4 §3.1.1.4.5).
var prefixes = []string{"eq", "ne", "lt", "gt", "le", "ge", "sa", "eb", "ap"}

// cutPrefix separates the prefix; "eq" if there is none.
func cutPrefix(value string) (prefix, rest string) {
	if len(value) > 2 && slices.Contains(prefixes, value[:2]) {
		return value[:2], value[2:]
	}
	return "eq", value
}

// splitEscaped splits at a separator that is not escaped; the parts are still escaped.
func splitEscaped(s string, separator byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func cutEscaped(s string) (before, after string, found bool) {
	parts := splitEscaped(s, '|')
	if len(parts) == 1 {
		return s, "", false
	}
	return parts[0], strings.Join(parts[1:], "|"), true
}

// unescape undoes the escapes of search values (R4 §3.1.1.4.4).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\\`, `\`, `\,`, `,`, `\|`, `|`, `\$`, `$`).Replace(s)
}
