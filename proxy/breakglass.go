package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// The bounds of the reason of a declaration, in characters (leaks.md BG-2): long enough to account for, short enough to read.
const (
	minReason = 10
	maxReason = 1000
)

// serveBreakGlass takes a declaration: a named professional states, for one patient, why consent cannot be asked or awaited. It
// opens nothing by itself; while it lasts, denials of that professional's requests for that patient are decided once more as
// ETREAT (design.md, "Break-glass").
func (g *Gate) serveBreakGlass(ctx context.Context, x *exchange, r *http.Request, query string) (answer, *refusal) {
	x.kind, x.name = audit.KindBreakGlass, "break-glass"
	asked, misread := g.readDeclaration(r, query)
	unknown := g.authenticate(ctx, x, r, query)
	if misread != nil {
		return answer{}, misread
	}
	if unknown != nil {
		return answer{}, unknown
	}
	if ref := g.mayDeclare(x, asked); ref != nil {
		return answer{}, ref
	}
	person, ref := g.declaredPerson(asked.patient)
	if ref != nil {
		return answer{}, ref
	}
	x.person = g.parts.Standings.Key(person)
	if ref := g.declarationLimit(ctx, x); ref != nil {
		return answer{}, ref
	}
	return g.declare(ctx, x, person, asked)
}

// declarationRequest is what a declaration states.
type declarationRequest struct {
	patient           fhir.Identifier
	reason            string
	consentImpossible bool
}

// readDeclaration reads the Parameters resource of a declaration.
func (g *Gate) readDeclaration(r *http.Request, query string) (declarationRequest, *refusal) {
	if r.Method != http.MethodPost {
		return declarationRequest{}, refuse(causeNoMethod, "method")
	}
	if ref := protocol(r); ref != nil {
		return declarationRequest{}, ref
	}
	if !acceptsJSON(r.Header.Values("Accept"), fhir.R4) {
		return declarationRequest{}, refuse(causeNotAcceptable, "accept")
	}
	if query != "" {
		return declarationRequest{}, refuse(causeMalformed, "query")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/fhir+json" && media != "application/json" {
		return declarationRequest{}, refuse(causeMediaType, "media-type")
	}
	body, ref := g.requestBody(r)
	if ref != nil {
		return declarationRequest{}, ref
	}
	return g.readParameters(body)
}

// mayDeclare decides on the caller alone: rules 1, 2 and 5 to 7 of decision.md for the emergency that is declared.
func (g *Gate) mayDeclare(x *exchange, asked declarationRequest) *refusal {
	request := g.request(x)
	if request.Purpose == policy.PurposeTreatment {
		request.Purpose = policy.PurposeEmergency
	}
	request.Emergency = &policy.Emergency{Reason: asked.reason, ConsentImpossible: asked.consentImpossible}
	d, admitted := g.parts.Policy.Admit(request)
	switch {
	case !admitted:
		x.obligations = d.Obligations
		return g.denied(d.Reason)
	case request.Actor.Kind != policy.KindProvider || request.Purpose != policy.PurposeEmergency:
		return g.denied(policy.ReasonEmergencyNotJustified)
	}
	return nil
}

// declaredPerson gives the canonical person, for any system that names persons at one of the sources.
func (g *Gate) declaredPerson(identifier fhir.Identifier) (fhir.Identifier, *refusal) {
	for _, s := range g.parts.Sources {
		if person, known := g.normalise(s, identifier); known {
			return person, nil
		}
	}
	return fhir.Identifier{}, &refusal{cause: causeMalformed, reason: "declaration-patient", element: "patient"}
}

// declarationLimit counts declarations per professional, over all instances (leaks.md BG-7).
func (g *Gate) declarationLimit(ctx context.Context, x *exchange) *refusal {
	ctx, cancel := context.WithTimeout(ctx, g.parts.Limits.Store)
	defer cancel()
	professional := x.subject.Issuer + "\x00" + x.subject.Practitioner
	within, err := g.parts.Declarations.CountDeclaration(ctx, professional, time.Hour, g.parts.BreakGlass.PerHour)
	switch {
	case err != nil:
		return &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	case !within:
		x.obligations = []policy.Obligation{policy.ObligationAlert}
		return refuse(causeThrottled, "declaration-limit")
	}
	return nil
}

// declare records the declaration together with its event.
func (g *Gate) declare(ctx context.Context, x *exchange, person fhir.Identifier, asked declarationRequest) (answer, *refusal) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.parts.Limits.Store)
	defer cancel()
	s := x.subject
	d := consent.Declaration{
		ID: g.parts.Declarations.NewDeclarationID(person), Issuer: s.Issuer, Client: s.ClientID, Practitioner: s.Practitioner,
		Organization: s.Organization, Reason: asked.reason, ConsentImpossible: asked.consentImpossible,
	}
	x.emergency, x.purpose = &d, policy.PurposeEmergency
	x.obligations = []policy.Obligation{policy.ObligationAlert, policy.ObligationNotifyPatient, policy.ObligationReview}
	change := audit.Change{
		Request: x.requestKey(), Person: person, Event: x.event(audit.OutcomePermit, "declared", g.parts.PolicyHash),
		Apply: func(st *consent.Standing) error {
			d.Expires = st.Newest.Add(g.parts.BreakGlass.Lasts) // of the store's clock; it stamps DeclaredAt itself
			st.Declarations = append(st.Declarations, d)
			return nil
		},
	}
	standing, err := g.parts.Declarations.Change(ctx, change)
	if err != nil {
		return answer{}, &refusal{cause: causeUnavailable, reason: "declaration-not-recorded", err: err}
	}
	recorded, found := standing.Declaration(s.Issuer, s.ClientID, s.Practitioner, s.Organization, standing.Newest)
	if !found {
		return answer{}, &refusal{cause: causeInternal, reason: "declaration-not-recorded", err: errors.New("declaration is not in force")}
	}
	x.reason = "declared"
	return answer{status: http.StatusCreated, body: declarationAnswer(string(recorded.ID), recorded.Expires)}, nil
}

// requestKey makes a caller's own request id an idempotency key that no other caller can meet.
func (x *exchange) requestKey() string {
	sum := sha256.Sum256([]byte(x.caller() + "\x00" + x.id))
	return hex.EncodeToString(sum[:])
}

// validReason reports whether a free text accounts for an emergency in form: not blank, bounded, no control characters.
func validReason(s string) bool {
	n := utf8.RuneCountInString(strings.TrimSpace(s))
	return n >= minReason && utf8.RuneCountInString(s) <= maxReason && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, unicode.IsControl)
}
