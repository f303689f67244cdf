package proxy

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// cause is why the gateway refuses a request. Only this file maps it to an HTTP status.
type cause int

const (
	causeInternal cause = iota // zero value: a failure that should not happen
	causeMalformed
	causeNotSupported
	causeNotFound
	causeNoMethod
	causeNotAcceptable
	causeMediaType
	causeTooLong
	causeBodyTooLong
	causeNoOperation
	causeInvalidCredentials // malformed credentials, RFC 6750 invalid_request
	causeUnauthenticated
	causeStepUp
	causeForbidden
	causePatientRequired
	causeThrottled
	causeUnavailable
	causeOverloaded
	causeNoEvidence // the registry of treatment relations did not answer
	causeBadSource
	causeSlowSource
	causeTooLarge
	causeConflict       // the resource has changed since the caller's version
	causePrecondition   // If-Match is missing
	causeUnprocessable  // well-formed, but not acceptable
	causeReused         // the request id was already used for another change
	causeOutcomeUnknown // the change may or may not have been made
	causeGone           // the caller hung up: nobody reads the answer
)

// statusGone is the status in log and metrics if the caller hung up, as in nginx. No caller sees it.
const statusGone = 499

// answerRow is the answer to a cause. Its text is fixed, so that an answer reveals no more than the cause.
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
	causeBodyTooLong:        {http.StatusRequestEntityTooLarge, "too-long", "The body of the request is too long"},
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
	causeGone:               {statusGone, "transient", "The caller hung up"},
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

// Unwrap returns the underlying error, if any.
func (r *refusal) Unwrap() error { return r.err }

func refuse(c cause, reason policy.Reason) *refusal { return &refusal{cause: c, reason: reason} }

// recorded reports whether the refusal gets an event of its own. Refusals because the store is down or the gateway sheds load are only
// counted (README, promise 2): recording them would need what is missing.
func (r *refusal) recorded() bool {
	return r.cause != causeUnavailable && r.cause != causeOverloaded && r.cause != causeOutcomeUnknown
}

// orGone returns the refusal, or causeGone if the request was cancelled because the caller hung up: then neither store nor source failed.
func (r *refusal) orGone(ctx context.Context) *refusal {
	if errors.Is(r.err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled) {
		return refuse(causeGone, "caller-gone")
	}
	return r
}

// requestCauses maps the kind of a parse error to a cause.
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

// answer is the response to the caller; write chooses every header.
type answer struct {
	status    int
	body      []byte
	challenge string
	nonce     string
	allow     bool // send Allow
	retry     int  // seconds, 0 = none

	// For a resource of the gateway's own: its version, the version's time, and its URL.
	etag, location string
	modified       time.Time

	headOnly bool // HEAD: everything but the body
	// attachment is the content type of a document served as it is; empty for FHIR JSON.
	attachment string
	media      string // content type of a body that is not FHIR
	language   string // of the body, if negotiated
	digest     string // of the body (RFC 9530)

	releases  []*audit.Release // of a disclosure: its commits
	committed time.Time        // no later than the first of releases
	free      func()           // returns the memory of body
}

// done returns the memory that the answer holds. Call it after write.
func (a answer) done() {
	if a.free != nil {
		a.free()
	}
}

// instead returns other in place of a; done on it still returns the memory that a holds.
func (a answer) instead(other answer) answer {
	other.free, other.headOnly = a.free, a.headOnly
	return other
}

// answer returns the response to the caller.
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

// methods returns the methods that a path allows (RFC 9110 §10.2.1). They depend on the form of the path only, not on what exists:
// otherwise Allow would reveal that a resource exists (leaks.md MT-13).
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

// everyAnswer holds the headers of every answer. Its slices are shared and must not be modified.
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

// write sends the answer. The set of headers is closed: no header of a source can be in it (leaks.md HD-1 … HD-7).
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
