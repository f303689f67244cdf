package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// Length limits of the reason of a declaration, in characters (leaks.md BG-2): long enough to explain, short enough to read.
const (
	minReason = 10
	maxReason = 1000
)

// serveBreakGlass accepts a declaration: a named professional states, for one patient, why consent cannot be asked or awaited. By itself it
// opens nothing; while it is in force, denied requests of that professional for that patient are decided once more as ETREAT
// (docs/operating.md, "Emergencies").
func (g *Gate) serveBreakGlass(ctx context.Context, x *exchange, r *http.Request, query string) (answer, *refusal) {
	x.kind, x.name = audit.KindBreakGlass, "break-glass"
	asked, misread := g.readDeclaration(r, query)
	unknown := g.authenticate(ctx, x, r)
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

// declarationRequest is the content of a declaration: the reason as code and text, that consent was asked for in vain or could be neither
// asked nor awaited, and that there is no alternative (requirements E9).
type declarationRequest struct {
	patient           fhir.Identifier
	code              string
	reason            string
	consentImpossible bool
	noAlternative     bool
}

// readDeclaration reads a declaration.
func (g *Gate) readDeclaration(r *http.Request, query string) (declarationRequest, *refusal) {
	var asked declarationRequest
	body, ref := g.readOperation(r, query)
	if ref == nil {
		ref = g.readParameters(body, asked.take)
	}
	switch {
	case ref != nil:
		return declarationRequest{}, ref
	case !g.validCode(asked.code):
		return declarationRequest{}, &refusal{cause: causeMalformed, reason: "declaration-body", element: "reason-code"}
	case !validReason(asked.reason):
		return declarationRequest{}, &refusal{cause: causeMalformed, reason: "declaration-body", element: "reason"}
	}
	return asked, nil
}

// readOperation reads the body of one of the gateway's own operations.
func (g *Gate) readOperation(r *http.Request, query string) ([]byte, *refusal) {
	if r.Method != http.MethodPost {
		return nil, refuse(causeNoMethod, "method")
	}
	if ref := protocol(r); ref != nil {
		return nil, ref
	}
	if !acceptsJSON(r.Header.Values("Accept"), fhir.R4) {
		return nil, refuse(causeNotAcceptable, "accept")
	}
	if err := fhir.CheckPresentation(query); err != nil {
		return nil, misunderstood(err)
	}
	if !isJSON(r) {
		return nil, refuse(causeMediaType, "media-type")
	}
	return g.requestBody(r)
}

// isJSON reports whether the Content-Type is FHIR JSON or JSON.
func isJSON(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (media == "application/fhir+json" || media == "application/json")
}

// mayDeclare decides on the caller alone: rules 1, 2 and 5 to 7 of decision.md for the declared emergency, medical secrecy and sign-in. A
// declaration that the caller could not use is refused.
func (g *Gate) mayDeclare(x *exchange, asked declarationRequest) *refusal {
	request := g.request(x)
	usable := mayUseDeclaration(request)
	if usable {
		request.Purpose = policy.PurposeEmergency
	}
	request.Emergency = &policy.Emergency{Reason: asked.reason, ConsentImpossible: asked.consentImpossible && asked.noAlternative}
	d, admitted := g.parts.Policy.Admit(request)
	switch {
	case !admitted:
		x.obligations = d.Obligations
		return g.denied(x, d.Reason)
	case !usable:
		return g.denied(x, policy.ReasonEmergencyNotJustified)
	}
	if ref := keepsSecrecy(x.subject); ref != nil {
		return ref
	}
	return g.checkSignIn(x, RouteBreakGlass)
}

// declaredPerson returns the canonical person for an identifier of any system that names persons at one of the sources.
func (g *Gate) declaredPerson(identifier fhir.Identifier) (fhir.Identifier, *refusal) {
	for _, s := range g.parts.Sources {
		if person, known := g.normalise(s, identifier); known {
			return person, nil
		}
	}
	return fhir.Identifier{}, &refusal{cause: causeMalformed, reason: "declaration-patient", element: "patient"}
}

// declarationLimit limits declarations per professional, across all instances (leaks.md BG-7).
func (g *Gate) declarationLimit(ctx context.Context, x *exchange) *refusal {
	ctx, cancel := g.within(ctx, x, g.parts.Limits.Store)
	defer cancel()
	professional := x.subject.Issuer + "\x00" + x.subject.Practitioner
	within, err := g.parts.Declarations.CountDeclaration(ctx, professional, time.Hour, g.parts.BreakGlass.PerHour)
	switch {
	case err != nil:
		return &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	case !within:
		x.obligations = []policy.Obligation{policy.ObligationAlert}
		return refuse(causeThrottled, audit.ReasonDeclarationLimit)
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
		Organization: s.Organization, Code: asked.code, Reason: audit.HidePersons(asked.reason),
		ConsentImpossible: asked.consentImpossible, NoAlternative: asked.noAlternative,
	}
	x.emergency, x.purpose = &d, policy.PurposeEmergency
	x.obligations = []policy.Obligation{policy.ObligationAlert, policy.ObligationNotifyPatient, policy.ObligationReview}
	change := audit.Change{
		Request: x.requestKey(), Person: person, Event: x.event(audit.OutcomePermit, audit.ReasonDeclared, g.parts.PolicyHash),
		Apply: func(st *consent.Standing) error {
			d.Expires = st.Newest.Add(g.parts.BreakGlass.Lasts) // by the store's clock; the store sets DeclaredAt
			st.Declarations = append(st.Declarations, d)
			return nil
		},
	}
	standing, err := g.parts.Declarations.Change(ctx, change)
	if errors.Is(err, audit.ErrFull) {
		x.emergency = nil // none was declared
		return answer{}, refuse(causeThrottled, audit.ReasonDeclarationLimit)
	}
	if err != nil {
		return answer{}, &refusal{cause: causeUnavailable, reason: "declaration-not-recorded", err: err}
	}
	recorded, found := standing.Declaration(declarant(s), standing.Newest)
	if !found {
		return answer{}, &refusal{cause: causeInternal, reason: "declaration-not-recorded", err: errors.New("declaration is not in force")}
	}
	if !sameWords(standing, d) {
		x.emergency, x.obligations = nil, nil // this declaration was not made
		return answer{}, refuse(causeReused, reasonReused)
	}
	x.reason = audit.ReasonDeclared
	return answer{status: http.StatusCreated, body: declarationAnswer(string(recorded.ID), "expires", recorded.Expires)}, nil
}

// sameWords reports whether the latest declaration states the same as d. It does not if an earlier request with the same id stated
// something else: a reviewer must not find a reason other than the one given.
func sameWords(st consent.Standing, d consent.Declaration) bool {
	return slices.ContainsFunc(st.Declarations, func(made consent.Declaration) bool {
		return made.DeclaredAt.Equal(st.Newest) && made.Code == d.Code && made.Reason == d.Reason &&
			made.ConsentImpossible == d.ConsentImpossible && made.NoAlternative == d.NoAlternative
	})
}

// requestKey turns the caller's request id into an idempotency key that no other caller, and no other operation of this caller, can collide
// with.
func (x *exchange) requestKey() string {
	sum := sha256.Sum256([]byte(x.caller + "\x00" + x.name + "\x00" + x.id))
	return hex.EncodeToString(sum[:])
}

// validCode reports whether a code is one of the configured reasons.
func (g *Gate) validCode(code string) bool {
	return slices.ContainsFunc(g.parts.BreakGlass.Reasons, func(r EmergencyReason) bool { return r.Code == code })
}

// validReason reports whether a text is acceptable as a reason in form: not blank, bounded, no control characters.
func validReason(s string) bool {
	n := utf8.RuneCountInString(strings.TrimSpace(s))
	return n >= minReason && utf8.RuneCountInString(s) <= maxReason && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, unicode.IsControl)
}

// declarant is the caller as a declarant.
func declarant(s policy.Subject) consent.Declarant {
	return consent.Declarant{Issuer: s.Issuer, Client: s.ClientID, Practitioner: s.Practitioner, Organization: s.Organization}
}
