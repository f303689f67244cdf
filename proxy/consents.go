package proxy

import (
	"context"
	"net/http"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// ConsentStore stores patients' consents.
type ConsentStore interface {
	Change(ctx context.Context, c audit.Change) (consent.Standing, error)
	NewRecordID(person fhir.Identifier) consent.RecordID
	// History returns every version of a person's standing, oldest first, with its chain verified.
	History(ctx context.Context, key consent.PersonKey) ([]consent.Standing, error)
	// Owner returns the person of a record; empty if there is none.
	Owner(ctx context.Context, id consent.RecordID) (consent.PersonKey, error)
}

// Consents configures how consent is given, read and changed over FHIR.
type Consents struct {
	Store   ConsentStore
	Profile consentfhir.Profile
	// Check reports what is wrong with a record to be stored (decision.md, What a write must refuse).
	Check func(r consent.Record, now time.Time) error
	// Recorders are the provider categories that may record what their patients say; usually none.
	Recorders []policy.ProviderCategory
	// Senders are the known recorders: no other provider may use the Consent API.
	Senders []Sender
}

// consentRequest is a request to the Consent API, parsed from its path.
type consentRequest struct {
	name    string // of the interaction
	code    fhir.Code
	id      consent.RecordID
	version string // of a vread
	path    string
	query   string
}

const consentPath = "/gateway/Consent"

// The interactions of the Consent API, as metrics name them.
const (
	consentRead     = "consent-read"
	consentVRead    = "consent-vread"
	consentHistory  = "consent-history"
	consentSearch   = "consent-search"
	consentCreate   = "consent-create"
	consentUpdate   = "consent-update"
	consentWithdraw = "consent-withdraw"
	consentObject   = "consent-object"
)

// consentRoute parses a path of the Consent API. ok is false if the path does not exist for any method; q.name is empty if it does not
// allow this method.
func consentRoute(method, path, query string) (q consentRequest, ok bool) {
	q = consentRequest{path: path, query: query}
	set := func(want, name string, code fhir.Code) bool {
		if method == want || want == http.MethodGet && method == http.MethodHead {
			q.name, q.code = name, code
		}
		return true
	}
	rest, below := strings.CutPrefix(path, consentPath)
	switch {
	case path == "/gateway/$object":
		return q, set(http.MethodPost, consentObject, audit.CodeCreate)
	case !below:
		return q, false
	case rest == "":
		set(http.MethodGet, consentSearch, fhir.CodeSearch)
		return q, set(http.MethodPost, consentCreate, audit.CodeCreate)
	case rest == "/_search":
		return q, set(http.MethodPost, consentSearch, fhir.CodeSearch)
	}
	segments := strings.Split(strings.TrimPrefix(rest, "/"), "/")
	q.id = consent.RecordID(segments[0])
	switch {
	case rest[0] != '/' || q.id == "" || len(q.id) > 64:
		return q, false
	case len(segments) == 1:
		set(http.MethodGet, consentRead, fhir.CodeRead)
		return q, set(http.MethodPut, consentUpdate, audit.CodeUpdate)
	case len(segments) == 2 && segments[1] == "$withdraw":
		return q, set(http.MethodPost, consentWithdraw, audit.CodeUpdate)
	case len(segments) == 2 && segments[1] == "_history":
		return q, set(http.MethodGet, consentHistory, fhir.CodeHistory)
	case len(segments) == 3 && segments[1] == "_history":
		q.version = segments[2]
		return q, set(http.MethodGet, consentVRead, fhir.CodeVRead)
	}
	return q, false
}

// serveConsents serves the Consent API: to patients, to representatives, and to providers configured to record what patients say, who reach
// only the records of their own organization. For everybody else nothing exists there.
func (g *Gate) serveConsents(ctx context.Context, x *exchange, r *http.Request, q consentRequest) (answer, *refusal) {
	x.name, x.interaction = q.name, fhir.Interaction{Code: q.code, Type: "Consent"}
	if q.code == audit.CodeCreate || q.code == audit.CodeUpdate {
		x.kind = audit.KindConsent
	}
	misread := protocol(r)
	if q.name == "" {
		x.name, misread = "consent-read", refuse(causeNoMethod, "method")
	}
	unknown := g.authenticate(ctx, x, r)
	if misread != nil {
		return answer{}, misread
	}
	if unknown != nil {
		return answer{}, unknown
	}
	who, ref := g.speaker(x)
	if ref != nil {
		return answer{}, ref
	}
	if !acceptsJSON(r.Header.Values("Accept"), fhir.R4) {
		return answer{}, refuse(causeNotAcceptable, "accept")
	}
	switch q.name {
	case consentSearch:
		return g.searchConsents(ctx, x, r, q, who)
	case consentCreate:
		return g.createConsent(ctx, x, r, q, who)
	case consentObject:
		return g.object(ctx, x, r, q, who)
	}
	if ref := g.ownerOf(ctx, x, q.id, who); ref != nil {
		return answer{}, ref
	}
	switch q.name {
	case consentUpdate:
		return g.updateConsent(ctx, x, r, q, who)
	case consentWithdraw:
		return g.withdrawConsent(ctx, x, r, q, who)
	}
	if q.name == consentHistory {
		return g.counted(x, func() (answer, *refusal) { return g.consentHistory(ctx, x, r, q, who) })
	}
	if err := fhir.CheckPresentation(q.query); err != nil {
		return answer{}, misunderstood(err)
	}
	return g.counted(x, func() (answer, *refusal) { return g.readConsent(ctx, x, q, who) })
}
