package proxy

import (
	"context"
	"errors"
	"net/http"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// errNotDeclared is the error of ending a declaration when none is in force.
var errNotDeclared = errors.New("no declaration is in force")

// serveBreakGlassEnd ends this professional's declaration for one patient early. It only takes access away, so all it requires is that the
// caller made the declaration. That there is nothing to end reveals something about the caller only, not about the patient.
func (g *Gate) serveBreakGlassEnd(ctx context.Context, x *exchange, r *http.Request, query string) (answer, *refusal) {
	x.kind, x.name = audit.KindBreakGlass, "break-glass-end"
	var patient fhir.Identifier
	body, misread := g.readOperation(r, query)
	if misread == nil {
		misread = g.readParameters(body, func(p parameter) bool {
			if p.Name != "patient" || p.ValueIdentifier == nil {
				return false
			}
			patient = *p.ValueIdentifier
			return true
		})
	}
	unknown := g.authenticate(ctx, x, r)
	if misread != nil {
		return answer{}, misread
	}
	if unknown != nil {
		return answer{}, unknown
	}
	if !mayUseDeclaration(g.request(x)) {
		return answer{}, g.denied(x, policy.ReasonEmergencyNotJustified)
	}
	person, ref := g.declaredPerson(patient)
	if ref != nil {
		return answer{}, ref
	}
	x.person = g.parts.Standings.Key(person)
	return g.endDeclaration(ctx, x, person)
}

// endDeclaration records the end together with its event. A retried request gets the same answer, even if nothing is in force any more.
func (g *Gate) endDeclaration(ctx context.Context, x *exchange, person fhir.Identifier) (answer, *refusal) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.parts.Limits.Store)
	defer cancel()
	unavailable := func(err error) (answer, *refusal) {
		return answer{}, &refusal{cause: causeUnavailable, reason: "declaration-not-recorded", err: err}
	}
	s := x.subject
	before, now, err := g.parts.Standings.Standing(ctx, x.person)
	if err != nil {
		return unavailable(err)
	}
	if before.Newest.After(now) {
		now = before.Newest
	}
	inForce, found := before.Declaration(declarant(s), now)
	if found {
		x.emergency, x.purpose = &inForce, policy.PurposeEmergency
	}
	after, err := g.parts.Declarations.Change(ctx, audit.Change{
		Request: x.requestKey(), Person: person, Event: x.event(audit.OutcomePermit, audit.ReasonDeclarationEnded, g.parts.PolicyHash),
		Apply: func(st *consent.Standing) error {
			if !st.EndDeclarations(declarant(s), st.Newest) {
				return errNotDeclared
			}
			return nil
		},
	})
	switch {
	case errors.Is(err, errNotDeclared):
		return answer{}, refuse(causeNotFound, "declaration-absent")
	case err != nil:
		return unavailable(err)
	}
	if found && after.Generation <= before.Generation { // an earlier request had the same id: a declaration made since stays in force
		return answer{}, refuse(causeReused, reasonReused)
	}
	x.reason = audit.ReasonDeclarationEnded
	ended, found := after.EndedDeclaration(declarant(s), after.Newest)
	if !found {
		return answer{}, &refusal{cause: causeInternal, reason: "declaration-not-recorded", err: errors.New("no declaration ended")}
	}
	return answer{status: http.StatusOK, body: declarationAnswer(string(ended.ID), "ended", ended.Expires)}, nil
}
