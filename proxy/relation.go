package proxy

import (
	"context"
	"errors"

	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// reasonNoRegistry says that a registry of treatment relations gave no answer.
const reasonNoRegistry policy.Reason = "relations-unavailable"

// mayBeRegistered reports whether a registry may know of the relation that nothing else shows: then a caller without one is not refused
// before it is known whose record is asked for.
func mayBeRegistered(s policy.Subject, r policy.Request) bool {
	return s.Registry != "" && s.Relationship == "" && r.Actor.Kind == policy.KindProvider && r.Purpose == policy.PurposeTreatment
}

// asIfRelated asks the same about nobody, for what is absent: that a registry was asked must not tell it from what is hidden.
func (g *Gate) asIfRelated(ctx context.Context, x *exchange) *refusal {
	before, request := x.subject, g.request(x)
	ref := g.relate(ctx, x, &request, nobody)
	x.subject = before
	return ref
}

// relate asks the registry of the caller for the relation with a person, where nothing else shows one. The answer holds for this exchange.
// Without an answer nobody is related to anybody, and it is for the caller of relate to say so.
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
