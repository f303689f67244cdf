package fhir

import "strings"

// maxSegments is the number of segments of the longest FHIR path: [type]/[id]/_history/[vid].
const maxSegments = 4

// maxSealed bounds a sealed link to an attachment, in bytes.
const maxSealed = 4096

// target is what the method and path of a request ask for.
type target struct {
	code    Code
	typ     string
	rule    *typeRule
	id      ID
	version string
	patient ID     // named by the path
	sealed  string // the link to an attachment
	form    bool   // the query is in a form body
	page    bool   // the query is a page link of an operation
}

var (
	errNoPath      = &RequestError{Kind: NotFound, Reason: "no such path"}
	errNoMethod    = &RequestError{Kind: NoMethod, Reason: "method not allowed"}
	errNoOperation = &RequestError{Kind: NoOperation, Reason: "interaction not served"}
	errLongLink    = &RequestError{Kind: TooLong, Reason: "the path is too long"}
)

// parsePath parses the method and the path (R4 §3.1.0). It works on the escaped path, and no served path needs an escape, so no two
// parsers can read it differently (HT-1, HT-2).
func (t *table) parsePath(r Request) (target, *RequestError) {
	switch r.Method {
	case "HEAD":
		r.Method = "GET"
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
			return t.operationTarget(r, segments[:n], s[1:])
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
	switch {
	case n == 1:
		return typeTarget(r.Method, typ, rule)
	case typ == typeBinary && n == 2:
		return attachmentTarget(r.Method, segments[1])
	case n == 2:
		return instanceTarget(r.Method, typ, segments[1], rule)
	}
	return t.longTarget(r, segments[:n], rule)
}

// baseError refuses requests to the FHIR base itself: batches, which ParseBatch reads (BA-1), and searches over all types (SE-19).
func baseError(r Request) *RequestError {
	switch {
	case r.Method == "POST", r.Method == "GET" && r.RawQuery != "":
		return errNoOperation
	case r.Method == "GET":
		return errNoPath
	}
	return errNoMethod
}

// operationTarget parses the two served operations, each in one form: GET Patient/[id]/$everything, with its pages at
// Patient/$everything, and GET Observation/$lastn. A refusal names the standard operations only; any other name is the caller's own text.
func (t *table) operationTarget(r Request, segments []string, name string) (target, *RequestError) {
	n := len(segments)
	switch {
	case r.Method != "GET", segments[n-1] != "$"+name:
	case name == "everything" && n == 3 && segments[0] == typePatient && validID(segments[1]):
		return target{code: CodeEverything, typ: typePatient, rule: t.types[typePatient], patient: ID(segments[1])}, nil
	case name == "everything" && n == 2 && segments[0] == typePatient && strings.HasPrefix(r.RawQuery, cursorParam+"="):
		return target{code: CodeEverything, typ: typePatient, rule: t.types[typePatient], page: true}, nil
	case name == "lastn" && n == 2 && segments[0] == typeObservation:
		return target{code: CodeLastN, typ: typeObservation, rule: t.types[typeObservation]}, nil
	}
	refused := &RequestError{Kind: NoOperation, Reason: "operation not served"}
	if t.operations[name] {
		refused.Element = "$" + name
	}
	return target{}, refused
}

// splitPath splits a path into segments; n is 0 unless there are at most four, each of [A-Za-z0-9-._$] or a lone *.
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

// typeTarget parses [type]: a search by GET. A POST to it is a create (R4 §3.1.0.8), and writes are not served.
func typeTarget(method, typ string, rule *typeRule) (target, *RequestError) {
	if method != "GET" {
		return target{}, errNoMethod
	}
	if rule.class != ClassPatient {
		return target{}, &RequestError{Kind: NoOperation, Element: typ, Reason: rule.reason}
	}
	return target{code: CodeSearch, typ: typ, rule: rule}, nil
}

// attachmentTarget parses Binary/[sealed link]. A Binary names no patient: whose it is follows only from a link that the gateway
// sealed; any other link later fails to open (BI-1).
func attachmentTarget(method, sealed string) (target, *RequestError) {
	switch {
	case sealed == "_search" || sealed == "_history" || sealed == "*":
		return target{}, errNoOperation
	case !isBase64URL(sealed):
		return target{}, errNoPath
	case len(sealed) > maxSealed:
		return target{}, errLongLink
	case method != "GET":
		return target{}, errNoMethod
	}
	return target{code: CodeAttachment, typ: typeBinary, sealed: sealed}, nil
}

// instanceTarget parses [type]/[id], a read, or [type]/_search, a search by POST.
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

// longTarget parses paths of three or four segments: [type]/[id]/_history and [type]/[id]/_history/[vid] where they are allowed
// (RD-8, RD-9), and Patient/[id]/[type], a search of the type that is bound to the patient (SE-16). The other FHIR interactions of
// this form are refused as such: other compartments, [id]/*, and [id]/[type]/_search (SE-18).
func (t *table) longTarget(r Request, segments []string, rule *typeRule) (target, *RequestError) {
	id, third, n := segments[1], segments[2], len(segments)
	if !validID(id) {
		return target{}, errNoPath
	}
	inner, isType := t.types[third]
	switch {
	case third == "_history" && n == 4 && !validID(segments[3]):
		return target{}, errNoPath
	case third == "_history" && n == 4 && r.Allow&AllowVRead != 0:
		to, err := instanceTarget(r.Method, segments[0], id, rule)
		if err == nil {
			to.code, to.version = CodeVRead, segments[3]
		}
		return to, err
	case third == "_history" && n == 3 && r.Allow&AllowHistory != 0:
		to, err := instanceTarget(r.Method, segments[0], id, rule)
		if err == nil {
			to.code = CodeHistory
		}
		return to, err
	case third == "_history", n == 3 && third == "*", n == 4 && isType && segments[3] == "_search":
		return target{}, errNoOperation
	case n != 3 || !isType:
		return target{}, errNoPath
	case segments[0] != typePatient, third == typePatient:
		return target{}, errNoOperation
	}
	to, err := typeTarget(r.Method, third, inner)
	if err == nil {
		to.patient = ID(id)
	}
	return to, err
}
