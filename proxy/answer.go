package proxy

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// cause is why the gateway does not give what was asked. This file is the only one that knows which HTTP status belongs to it.
type cause int

const (
	causeInternal cause = iota // the zero cause: something that should not happen
	causeMalformed
	causeNotSupported
	causeNotFound
	causeNoMethod
	causeNotAcceptable
	causeMediaType
	causeTooLong
	causeNoOperation
	causeInvalidCredentials // malformed credentials, RFC 6750 invalid_request
	causeUnauthenticated
	causeStepUp
	causeForbidden
	causePatientRequired
	causeThrottled
	causeUnavailable
	causeOverloaded
	causeNoEvidence // what would show a treatment relation did not answer
	causeBadSource
	causeSlowSource
	causeTooLarge
	causeConflict       // the resource changed since the version that the caller had
	causePrecondition   // If-Match is missing
	causeUnprocessable  // understood, and not acceptable as it is
	causeReused         // the request id was used for another change
	causeOutcomeUnknown // a change may be there or not
)

// answerRow is the outward form of a cause: one fixed text per row, so that no answer tells more than its row.
type answerRow struct {
	status int
	issue  string // OperationOutcome.issue.code
	text   string
}

var answerRows = map[cause]answerRow{
	causeInternal:           {http.StatusInternalServerError, "exception", "The gateway could not handle this request"},
	causeMalformed:          {http.StatusBadRequest, "invalid", "The request is malformed"},
	causeNotSupported:       {http.StatusBadRequest, "not-supported", "The request asks for something that is not supported"},
	causeNotFound:           {http.StatusNotFound, "not-found", "Resource not found"},
	causeNoMethod:           {http.StatusMethodNotAllowed, "not-supported", "Method not allowed"},
	causeNotAcceptable:      {http.StatusNotAcceptable, "not-supported", "Only application/fhir+json is served"},
	causeMediaType:          {http.StatusUnsupportedMediaType, "not-supported", "Media type not supported"},
	causeTooLong:            {http.StatusRequestURITooLong, "too-long", "The request is too long"},
	causeNoOperation:        {http.StatusNotImplemented, "not-supported", "Interaction not supported"},
	causeInvalidCredentials: {http.StatusBadRequest, "login", "The credentials are malformed"},
	causeUnauthenticated:    {http.StatusUnauthorized, "login", "Authentication is required"},
	causeStepUp:             {http.StatusUnauthorized, "login", "A higher level of assurance is required"},
	causeForbidden:          {http.StatusForbidden, "forbidden", "Access is not permitted"},
	causePatientRequired:    {http.StatusBadRequest, "required", "The search must name one patient"},
	causeThrottled:          {http.StatusTooManyRequests, "throttled", "Too many requests"},
	causeUnavailable:        {http.StatusServiceUnavailable, "transient", "The gateway cannot decide or record now; nothing was released"},
	causeOverloaded:         {http.StatusServiceUnavailable, "throttled", "The gateway is at its limit"},
	causeNoEvidence:         {http.StatusServiceUnavailable, "transient", "The gateway cannot decide or record now; nothing was released"},
	causeBadSource:          {http.StatusBadGateway, "transient", "The source did not give a usable answer"},
	causeSlowSource:         {http.StatusGatewayTimeout, "timeout", "The source did not answer in time"},
	causeTooLarge:           {http.StatusBadGateway, "too-costly", "The answer of the source is too large; ask for a smaller page"},
	causeConflict:           {http.StatusPreconditionFailed, "conflict", "The resource was changed since: read it again"},
	causePrecondition:       {http.StatusPreconditionRequired, "required", "If-Match must name the version that is to be changed"},
	causeUnprocessable:      {http.StatusUnprocessableEntity, "business-rule", "The resource cannot be taken as it is"},
	causeReused:             {http.StatusConflict, "conflict", "The request id was used for another change"},
	causeOutcomeUnknown:     {http.StatusServiceUnavailable, "transient", "The outcome is unknown: send the same request again, with the same X-Request-Id"},
}

// refusal ends an exchange without release. Its reason is for the event and the log, never for the caller.
type refusal struct {
	cause     cause
	reason    policy.Reason
	element   string // name of a parameter or element, from the closed grammar
	challenge string // WWW-Authenticate
	nonce     string // DPoP-Nonce
	err       error  // for the log
}

// Error implements error.
func (r *refusal) Error() string {
	if r.err != nil {
		return string(r.reason) + ": " + r.err.Error()
	}
	return string(r.reason)
}

// Unwrap gives the cause in the sense of package errors.
func (r *refusal) Unwrap() error { return r.err }

func refuse(c cause, reason policy.Reason) *refusal { return &refusal{cause: c, reason: reason} }

// recorded reports whether the refusal is an event of its own. What is refused because the store is down or the gateway sheds
// load is counted only (README, promise 2): recording it would need what is missing.
func (r *refusal) recorded() bool {
	return r.cause != causeUnavailable && r.cause != causeOverloaded && r.cause != causeOutcomeUnknown
}

// requestCauses maps what ParseInteraction says to a cause.
var requestCauses = map[fhir.Kind]cause{
	fhir.Malformed:     causeMalformed,
	fhir.NotSupported:  causeNotSupported,
	fhir.NotFound:      causeNotFound,
	fhir.NoMethod:      causeNoMethod,
	fhir.MediaType:     causeMediaType,
	fhir.NoOperation:   causeNoOperation,
	fhir.TooLong:       causeTooLong,
	fhir.NotAcceptable: causeNotAcceptable,
}

// answer is what is written to the caller: every header is chosen here.
type answer struct {
	status    int
	body      []byte
	challenge string
	nonce     string
	allow     bool // says which methods the path takes
	retry     int  // seconds, 0 = none

	// Of a resource of the gateway's own: its version, when that was made, and where it is.
	etag, location string
	modified       time.Time

	headOnly bool // HEAD: everything but the body
	// attachment is the content type of a document that is given as it is; empty for FHIR JSON.
	attachment string
	media      string // of a body that is no FHIR
	language   string // that the body is in, where it was chosen
	digest     string // of the body (RFC 9530)

	releases  []*audit.Release // of a disclosure: the commits that it rests on
	committed time.Time        // not later than the first of them
	free      func()           // gives the memory of body back
}

// done gives back what the answer holds, after it was written.
func (a answer) done() {
	if a.free != nil {
		a.free()
	}
}

// instead is another answer in the place of a; what a holds is given back all the same.
func (a answer) instead(other answer) answer {
	other.free, other.headOnly = a.free, a.headOnly
	return other
}

// answer gives the outward form of the refusal.
func (r *refusal) answer() answer {
	row, known := answerRows[r.cause]
	if !known {
		row = answerRows[causeInternal]
	}
	a := answer{status: row.status, challenge: r.challenge, nonce: r.nonce, body: fhir.Outcome("error", row.issue, row.text, r.element)}
	switch r.cause {
	case causeUnavailable, causeOverloaded, causeNoEvidence, causeOutcomeUnknown:
		a.retry = 1
	case causeThrottled:
		a.retry = 60
	case causeNoMethod:
		a.allow = true
	}
	return a
}

// methods are those that a path takes (RFC 9110 §10.2.1). They follow from its form alone, and not from what is there: which methods a
// resource has would tell that it exists (leaks.md MT-13).
func methods(target string) string {
	path, _, _ := strings.Cut(target, "?")
	_, below, source := cutSource(path)
	switch {
	case source && (below == "" || strings.HasSuffix(below, "/_search")):
		return "OPTIONS, POST"
	case source:
		return "GET, HEAD, OPTIONS"
	case strings.HasSuffix(path, "/_search"), strings.HasPrefix(path, "/gateway/$"), strings.HasSuffix(path, "/$withdraw"):
		return "POST"
	case path == consentPath:
		return "GET, HEAD, POST"
	case strings.HasPrefix(path, consentPath+"/") && !strings.Contains(path, "/_history"):
		return "GET, HEAD, PUT"
	}
	return "GET, HEAD"
}

// everyAnswer are the headers that every answer has. Nothing changes the lists.
var everyAnswer = http.Header{
	"Cache-Control":          {"no-store"},
	"Vary":                   {"Authorization"},
	"X-Content-Type-Options": {"nosniff"},
	"X-Robots-Tag":           {"noindex"},
}

// hasContent reports whether the answer has a body at all.
func (a answer) hasContent() bool {
	return a.status != http.StatusNoContent && a.status != http.StatusNotModified
}

// write sends the answer. The header set is closed: nothing of a source's headers can be in it (leaks.md HD-1 … HD-7).
func (a answer) write(w http.ResponseWriter, r *http.Request, exchange string) {
	h := w.Header()
	switch {
	case a.attachment != "":
		writeAttachment(h, a.attachment)
	case !a.hasContent():
	case a.media != "":
		h.Set("Content-Type", a.media)
	default:
		h.Set("Content-Type", "application/fhir+json; charset=utf-8")
	}
	if a.hasContent() {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	maps.Copy(h, everyAnswer)
	h.Set("X-Request-Id", exchange)
	if a.challenge != "" {
		h.Set("WWW-Authenticate", a.challenge)
	}
	if a.nonce != "" {
		h.Set("DPoP-Nonce", a.nonce)
	}
	if a.allow {
		h.Set("Allow", methods(r.RequestURI))
	}
	if a.language != "" {
		h.Set("Content-Language", a.language)
		h.Set("Vary", "Accept-Language")
		h.Set("Repr-Digest", a.digest)
	}
	if a.etag != "" {
		h.Set("ETag", a.etag)
	}
	if !a.modified.IsZero() {
		h.Set("Last-Modified", a.modified.UTC().Format(http.TimeFormat))
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	if a.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(a.retry))
	}
	w.WriteHeader(a.status)
	if a.headOnly {
		return
	}
	_, _ = w.Write(a.body) // a caller that hangs up does not undo the event: over-reporting is allowed, under-reporting is not
}
