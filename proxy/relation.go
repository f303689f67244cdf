package proxy

import (
	"context"
	"errors"

	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// reasonNoRegistry says that a registry of treatment relations did not answer.
const reasonNoRegistry policy.Reason = "relations-unavailable"

// mayBeRegistered reports whether a registry may know of a relation that nothing else shows: such a caller is not refused before it is
// known whose record is requested.
func mayBeRegistered(s policy.Subject, r policy.Request) bool {
	return s.Registry != "" && s.Relationship == "" && r.Actor.Kind == policy.KindProvider && r.Purpose == policy.PurposeTreatment
}

// asIfRelated asks the registry about nobody, for an absent resource: asking must not tell absent from withheld.
func (g *Gate) asIfRelated(ctx context.Context, x *exchange) *refusal {
	before, request := x.subject, g.request(x)
	ref := g.relate(ctx, x, &request, nobody)
	x.subject = before
	return ref
}

// relate asks the caller's registry for the relation with a person, if nothing else shows one. The answer is valid for this exchange. On
// error there is no relation, and what follows is up to the function that called relate.
func (g *Gate) relate(ctx context.Context, x *exchange, r *policy.Request, person fhir.Identifier) *refusal {
	if !mayBeRegistered(x.subject, *r) {
		return nil
	}
	x.subject.Relationship, x.subject.Evidence = policy.RelationUnknown, policy.EvidenceRegistry+x.subject.Registry
	registry, known := g.parts.Relations[x.subject.Registry]
	if !known {
		return &refusal{cause: causeNoEvidence, reason: reasonNoRegistry, err: errors.New("the registry of treatment relations is not configured")}
	}
	ctx, cancel := g.within(ctx, x, g.parts.Limits.Request)
	defer cancel()
	relationship, err := registry.Relationship(ctx, person, x.subject)
	if err != nil {
		return &refusal{cause: causeNoEvidence, reason: reasonNoRegistry, err: err}
	}
	x.subject.Relationship, r.Actor.Relationship = relationship, relationship
	return nil
}
