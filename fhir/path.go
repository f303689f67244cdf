package fhir

import "strings"

// maxSegments is the longest path that FHIR knows: [type]/[id]/_history/[vid].
const maxSegments = 4

// target is what the method and the path of a request say.
type target struct {
	code Code
	typ  string
	rule *typeRule
	id   ID
	form bool // the query is in a form body
}

var (
	errNoPath      = &RequestError{Kind: NotFound, Reason: "no such path"}
	errNoMethod    = &RequestError{Kind: NoMethod, Reason: "method not allowed"}
	errNoOperation = &RequestError{Kind: NoOperation, Reason: "interaction not served"}
)

// parsePath understands the method and the path (R4 §3.1.0). It works on the escaped path, and no path that is served needs an
// escape: two readers cannot differ on what has only one reading (HT-1, HT-2).
func (t *table) parsePath(r Request) (target, *RequestError) {
	switch r.Method {
	case "GET", "POST", "PUT", "PATCH", "DELETE":
	default:
		return target{}, errNoMethod
	}
	if r.Path == "" {
		return target{}, baseError(r)
	}
	segments, n := splitPath(r.Path)
	if n == 0 {
		return target{}, errNoPath
	}
	for _, s := range segments[:n] {
		if s[0] == '$' {
			return target{}, t.operationError(s[1:])
		}
	}
	typ := segments[0]
	rule, ok := t.types[typ]
	if !ok {
		if n == 1 && (typ == "_history" || typ == "_search") {
			return target{}, errNoOperation
		}
		return target{}, errNoPath
	}
	switch n {
	case 1:
		return typeTarget(r.Method, typ, rule)
	case 2:
		return instanceTarget(r.Method, typ, segments[1], rule)
	}
	if t.isKnownShape(segments[1:n]) {
		return target{}, errNoOperation
	}
	return target{}, errNoPath
}

// baseError refuses what is addressed to the FHIR base itself: batches (BA-1) and searches over all types (SE-19).
func baseError(r Request) *RequestError {
	switch {
	case r.Method == "POST", r.Method == "GET" && r.RawQuery != "":
		return errNoOperation
	case r.Method == "GET":
		return errNoPath
	}
	return errNoMethod
}

// operationError refuses an operation. It names the standard ones; the name of another is the caller's own text.
func (t *table) operationError(name string) *RequestError {
	if t.operations[name] {
		return &RequestError{Kind: NoOperation, Element: "$" + name, Reason: "operation not served"}
	}
	return &RequestError{Kind: NoOperation, Reason: "operation not served"}
}

// splitPath cuts a path into its segments; n is 0 if it is not made of at most four segments of [A-Za-z0-9-._$], or a lone *.
func splitPath(path string) (segments [maxSegments]string, n int) {
	for rest, more := path, true; more; n++ {
		var s string
		if s, rest, more = strings.Cut(rest, "/"); n == maxSegments || !isSegment(s) {
			return segments, 0
		}
		segments[n] = s
	}
	return segments, n
}

func isSegment(s string) bool {
	if s == "" || s == "*" {
		return s != ""
	}
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' && c != '.' && c != '_' && c != '$' {
			return false
		}
	}
	return true
}

// typeTarget is [type]: a search by GET. A POST to it is a create (R4 §3.1.0.8), and writes are not ours.
func typeTarget(method, typ string, rule *typeRule) (target, *RequestError) {
	if method != "GET" {
		return target{}, errNoMethod
	}
	if rule.class != ClassPatient {
		return target{}, &RequestError{Kind: NoOperation, Element: typ, Reason: rule.reason}
	}
	return target{code: CodeSearch, typ: typ, rule: rule}, nil
}

// instanceTarget is [type]/[id], a read, or [type]/_search, a search by POST.
func instanceTarget(method, typ, second string, rule *typeRule) (target, *RequestError) {
	switch {
	case second == "_search" && method != "POST":
		return target{}, errNoMethod
	case second == "_search":
		to, err := typeTarget("GET", typ, rule)
		to.form = err == nil
		return to, err
	case second == "_history", second == "*":
		return target{}, errNoOperation
	case !validID(second):
		return target{}, errNoPath
	case method != "GET":
		return target{}, errNoMethod
	case rule.class == ClassRefused:
		return target{}, &RequestError{Kind: NoOperation, Element: typ, Reason: rule.reason}
	}
	return target{code: CodeRead, typ: typ, rule: rule, id: ID(second)}, nil
}

// isKnownShape reports whether the segments after the type are of an interaction that FHIR knows and the gateway does not serve:
// [id]/_history, [id]/_history/[vid], and compartment searches [id]/[type], [id]/*, [id]/[type]/_search (SE-16, SE-18, RD-8, RD-9).
func (t *table) isKnownShape(rest []string) bool {
	if !validID(rest[0]) {
		return false
	}
	_, isType := t.types[rest[1]]
	switch {
	case len(rest) == 2:
		return rest[1] == "_history" || rest[1] == "*" || isType
	case rest[1] == "_history":
		return validID(rest[2])
	}
	return isType && rest[2] == "_search"
}
