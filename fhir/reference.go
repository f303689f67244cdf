package fhir

import "strings"

// maxIDLength is the longest logical id (R4 §2.24.0.1 "id").
const maxIDLength = 64

// validID reports whether s is a logical id: [A-Za-z0-9\-\.]{1,64} (R4 §2.24.0.1). The ids "." and "..", which that grammar
// allows, are refused: as a path segment they mean another path.
func validID(s string) bool {
	if s == "" || len(s) > maxIDLength || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// IsID reports whether s can be the logical id of a resource.
func IsID(s string) bool { return validID(s) }

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// ParseReference reads a literal reference to a resource at the same source (R4 §2.3.0.1): "Type/id" or "Type/id/_history/version",
// relative or absolute on exactly base, the source's FHIR base URL without a trailing slash. The version does not change the
// identity and is dropped. Anything else is not local and yields false: another base, fragments, urn:uuid, conditional references,
// unknown types, other case.
func ParseReference(ref, base string) (LocalReference, bool) {
	if rest, ok := strings.CutPrefix(ref, base); ok && base != "" {
		if ref, ok = strings.CutPrefix(rest, "/"); !ok {
			return LocalReference{}, false
		}
	}
	typ, rest, _ := strings.Cut(ref, "/")
	id, history, versioned := strings.Cut(rest, "/")
	if versioned {
		version, ok := strings.CutPrefix(history, "_history/")
		if !ok || !validID(version) {
			return LocalReference{}, false
		}
	}
	if !validID(id) || !isType(R4, typ) && !isType(STU3, typ) {
		return LocalReference{}, false
	}
	return LocalReference{Type: typ, ID: ID(id)}, true
}
