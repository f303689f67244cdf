package proxy

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// ConsentStore keeps what patients decided.
type ConsentStore interface {
	Change(ctx context.Context, c audit.Change) (consent.Standing, error)
	NewRecordID(person fhir.Identifier) consent.RecordID
	// History gives every version of a person's standing, oldest first, its chain verified.
	History(ctx context.Context, key consent.PersonKey) ([]consent.Standing, error)
	// Owner gives the person of a record; empty where there is none.
	Owner(ctx context.Context, id consent.RecordID) (consent.PersonKey, error)
}

// Consents is how consent is given, read and changed over FHIR.
type Consents struct {
	Store   ConsentStore
	Profile consentfhir.Profile
	// Check says what is wrong with a record that is to be put on file (decision.md, What a write must refuse).
	Check func(r consent.Record, now time.Time) error
	// Recorders are the categories of providers who may write down what their patients say; usually none.
	Recorders []policy.ProviderCategory
}

// consentRequest is one request of the Consent API, as its path says it.
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

// consentRoute understands a path of the Consent API. It is not ok where nothing is there for any method; a method that the path does not
// take has no name.
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

// serveConsents is the Consent API: for the patient, for a representative, and for providers who are configured to write down what
// patients say, about what they wrote down themselves. For everybody else nothing is there.
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
	if q.query != "" {
		return answer{}, refuse(causeMalformed, "query")
	}
	return g.counted(x, func() (answer, *refusal) { return g.readConsent(ctx, x, q, who) })
}

// speaker is who speaks about consents: whose they are, and in which capacity.
type speaker struct {
	person fhir.Identifier   // of the token; a provider's request names it
	key    consent.PersonKey // of that person
	says   string            // patient or representative; empty for a provider, who writes down what others say
	by     string            // who enters it
	office string            // of a provider: the organization
}

// speaker decides on the caller alone. Who is nobody here is told that nothing is there; only a level of assurance that is too low says
// what to do.
func (g *Gate) speaker(x *exchange) (*speaker, *refusal) {
	request, ref := g.admit(x)
	if ref != nil && ref.cause == causeStepUp {
		return nil, ref
	}
	absent := func(reason policy.Reason) (*speaker, *refusal) { return nil, refuse(causeNotFound, reason) }
	if ref != nil {
		return absent(ref.reason)
	}
	s := x.subject
	// That an emergency could be declared (admit) is no treatment relation.
	if d, admitted := g.parts.Policy.Admit(request); !admitted {
		return absent(d.Reason)
	}
	switch {
	case s.Kind == policy.KindPatient:
		x.person = g.parts.Standings.Key(s.Person)
		return &speaker{person: s.Person, key: x.person, says: consent.ByPatient, by: "patient"}, nil
	case s.Kind == policy.KindRepresentative:
		x.person = g.parts.Standings.Key(s.Person)
		return &speaker{person: s.Person, key: x.person, says: consent.ByRepresentative, by: "representative (" + s.Authority + ")"}, nil
	case s.Kind != policy.KindProvider || x.purpose != policy.PurposeTreatment:
		return absent("not-a-recorder")
	case len(s.Categories) != 1 || !slices.Contains(g.parts.Consents.Recorders, s.Categories[0]) || s.Organization == "" || s.Practitioner == "":
		return absent("not-a-recorder")
	}
	return &speaker{by: s.Organization + " " + s.Practitioner, office: s.Organization}, nil
}

// is makes the speaker one about a person whom the request names: the token's own for all but providers.
func (g *Gate) is(x *exchange, who *speaker, named fhir.Identifier) *refusal {
	if named == (fhir.Identifier{}) {
		if who.key == "" {
			return &refusal{cause: causeMalformed, reason: "patient-missing", element: "patient"}
		}
		return nil
	}
	if named.System == consentfhir.SystemPersonKey {
		if who.key == "" || string(who.key) != named.Value {
			return refuse(causeForbidden, "not-the-patient")
		}
		return nil
	}
	person, ref := g.declaredPerson(named)
	switch {
	case ref != nil:
		return &refusal{cause: causeMalformed, reason: "patient-unknown", element: "patient"}
	case who.key != "" && g.parts.Standings.Key(person) != who.key:
		return refuse(causeForbidden, "not-the-patient")
	}
	who.person, who.key = person, g.parts.Standings.Key(person)
	x.person = who.key
	return nil
}

// ownerOf finds whose record it is that a provider means; patients and representatives mean their own.
func (g *Gate) ownerOf(ctx context.Context, x *exchange, id consent.RecordID, who *speaker) *refusal {
	if who.says != "" {
		return nil
	}
	ctx, cancel := g.within(ctx, x, g.parts.Limits.Store)
	defer cancel()
	key, err := g.parts.Consents.Store.Owner(ctx, id)
	if err != nil {
		return &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	}
	if key == "" {
		return refuse(causeNotFound, "absent")
	}
	st, _, err := g.parts.Standings.Standing(ctx, key)
	if err != nil {
		return &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	}
	if !slices.ContainsFunc(consentfhir.Of(st), func(c consentfhir.Consent) bool { return c.ID == id && who.sees(c) }) {
		return refuse(causeNotFound, "absent") // nor is the person told of in the event: the caller may not even know that there is one
	}
	who.person, who.key, x.person = st.Person, key, key
	return nil
}

// reason is why the speaker may see and say what is on file.
func (who *speaker) reason() policy.Reason {
	switch who.says {
	case consent.ByPatient:
		return policy.ReasonSelf
	case consent.ByRepresentative:
		return policy.ReasonRepresentative
	}
	return "ok-recorder"
}

// sees reports whether a Consent is one for this caller: the own ones, or for a provider those that its organization wrote down.
func (who *speaker) sees(c consentfhir.Consent) bool {
	office, _, _ := strings.Cut(c.Records[0].RecordedBy, " ")
	return who.office == "" || office == who.office
}

// errNotHere is what a change answers where the speaker may not speak, or means something that is not there.
var errNotHere = errors.New("consent is not there for this caller")

// entitled gives what decides whether the speaker may speak for the person, on any standing of that person: representatives by age and
// authority (decision.md, rule 4), with the birth date that a source knows.
func (g *Gate) entitled(ctx context.Context, x *exchange, who *speaker) (func(consent.Standing) error, *refusal) {
	if who.says != consent.ByRepresentative {
		return func(consent.Standing) error { return nil }, nil
	}
	m, ref := g.anywhere(ctx, x, who.person)
	if ref != nil {
		return nil, ref
	}
	request := g.request(x)
	request.Category = fhir.CategoryConsent
	return func(st consent.Standing) error {
		at := st.Newest
		if now := g.parts.Now(); now.After(at) {
			at = now
		}
		for _, born := range m.births {
			d := g.parts.Policy.Decide(policy.Input{At: at, Request: request, Patient: policy.Patient{
				Key: who.key, BirthDate: born, Deceased: m.deceased, Flags: st.Flags,
			}})
			if !d.Permit {
				x.reason = d.Reason
				return errNotHere
			}
		}
		return nil
	}, nil
}

// anywhere looks for a person at the sources, one after the other, until one knows the person.
func (g *Gate) anywhere(ctx context.Context, x *exchange, person fhir.Identifier) (*mapped, *refusal) {
	defer func() { x.source = nil }()
	worst := refuse(causeNotFound, "patient-unresolved")
	for _, s := range g.parts.Sources {
		x.source = s
		m, ref := g.resolveIdentifier(ctx, x, person)
		if ref == nil {
			return m, nil
		}
		if ref.cause != causeForbidden {
			worst = &refusal{cause: causeUnavailable, reason: ref.reason, err: cmp.Or(ref.err, errors.New("a source did not say who the patient is"))}
		}
	}
	return nil, worst
}
