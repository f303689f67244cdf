package authn

import (
	"slices"
	"strings"

	"zorgsluis/policy"
)

// checkScope reads the scope claim (RFC 8693 §4.2: words separated by one space). The required word must be there exactly. SMART scopes may
// delegate less than everything. They are not enforced yet, so a token whose SMART scopes do not grant read and search of all types is
// refused, since accepting it would widen it (leaks.md TK-16, TK-17).
func checkScope(claims map[string]any, required string, kind policy.SubjectKind) *Error {
	words, ok := scopeWords(claims)
	if !ok || required != "" && !slices.Contains(words, required) {
		return badToken(ReasonScope, "scope")
	}
	if slices.ContainsFunc(words, isSMART) && !slices.ContainsFunc(words, func(word string) bool { return isSMARTAll(word, kind) }) {
		return badToken(ReasonScope, "scope")
	}
	return nil
}

// scopeWords returns the words of scope, and of scp, as which some providers name it: there they may stand in a list. A token that says in scp that
// it is for less must not be taken for more because scope is missing.
func scopeWords(claims map[string]any) (words []string, ok bool) {
	if scope, given := claims["scope"]; given {
		text, isText := scope.(string)
		if !isText {
			return nil, false
		}
		words = splitScope(text)
	}
	switch scp := claims["scp"].(type) {
	case string:
		words = append(words, splitScope(scp)...)
	case []any:
		for _, element := range scp {
			word, _ := element.(string)
			words = append(words, word)
		}
	default:
		if _, given := claims["scp"]; given {
			return nil, false
		}
	}
	return words, !slices.ContainsFunc(words, func(word string) bool { return !isScopeToken(word) })
}

func splitScope(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, " ")
}

// isScopeToken reports whether s is 1*( %x21 / %x23-5B / %x5D-7E ) (RFC 6749 §3.3).
func isScopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// isSMART reports whether a word is, or resembles, a SMART scope for data.
func isSMART(word string) bool {
	context, _, found := strings.Cut(strings.ToLower(word), "/")
	return found && (context == "patient" || context == "user" || context == "system")
}

// isSMARTAll reports whether a SMART v1 or v2 scope grants at least read and search of every type to this kind of caller. A provider's
// patient/ scope is bound to a launch context, which is not processed.
func isSMARTAll(word string, kind policy.SubjectKind) bool {
	context, rest, _ := strings.Cut(word, "/")
	switch context {
	case "patient":
		if kind != policy.KindPatient && kind != policy.KindRepresentative {
			return false
		}
	case "user", "system":
	default:
		return false
	}
	switch rest {
	case "*.read", "*.*", "*.rs", "*.crs", "*.rus", "*.rds", "*.crus", "*.crds", "*.ruds", "*.cruds":
		return true
	}
	return false
}
