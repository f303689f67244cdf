package proxy

import (
	"context"
	"net/http"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// shownEvents is how many of the newest access events a patient gets.
const shownEvents = 1000

// serveEvents gives a patient who looked at the record (Wabvpz art. 15e): to the patient whose record it is, and to nobody else.
// Looking is itself an event; it is recorded first, so that it is in the answer.
func (g *Gate) serveEvents(ctx context.Context, x *exchange, r *http.Request, query string) (answer, *refusal) {
	x.kind, x.name = audit.KindLog, "access-events"
	x.interaction = fhir.Interaction{Code: fhir.CodeSearch, Type: "AuditEvent"}
	misread := g.readEventsRequest(r, query)
	unknown := g.authenticate(ctx, x, r, query)
	if misread != nil {
		return answer{}, misread
	}
	if unknown != nil {
		return answer{}, unknown
	}
	if _, ref := g.admit(x); ref != nil {
		return answer{}, ref
	}
	if x.subject.Kind != policy.KindPatient || x.purpose != policy.PurposePatientRequest {
		return answer{}, refuse(causeForbidden, "not-the-patient")
	}
	x.person = g.parts.Standings.Key(x.subject.Person)
	x.categories = []fhir.DataCategory{fhir.CategoryLogging}
	ctx = context.WithoutCancel(ctx)
	if err := g.commit(ctx, audit.Release{Event: x.event(audit.OutcomePermit, "ok-self", g.parts.PolicyHash)}); err != nil {
		return answer{}, &refusal{cause: causeUnavailable, reason: "event-not-recorded", err: err}
	}
	return g.answerEvents(ctx, x)
}

func (g *Gate) readEventsRequest(r *http.Request, query string) *refusal {
	if r.Method != http.MethodGet {
		return refuse(causeNoMethod, "method")
	}
	if ref := protocol(r); ref != nil {
		return ref
	}
	if !acceptsJSON(r.Header.Values("Accept"), fhir.R4) {
		return refuse(causeNotAcceptable, "accept")
	}
	if _, ref := g.requestBody(r); ref != nil {
		return ref
	}
	if query != "" {
		return refuse(causeNotSupported, "query")
	}
	return nil
}

func (g *Gate) answerEvents(ctx context.Context, x *exchange) (answer, *refusal) {
	ctx, cancel := context.WithTimeout(ctx, g.parts.Limits.Store)
	defer cancel()
	events, err := g.parts.Events.Events(ctx, x.person, shownEvents)
	if err != nil {
		return answer{}, &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	}
	body, err := audit.Searchset(events, g.eventOptions())
	if err != nil {
		return answer{}, &refusal{cause: causeUnavailable, reason: "events-not-rendered", err: err}
	}
	x.reason = "ok-self"
	return answer{status: http.StatusOK, body: body}, nil
}
