package proxy

import (
	"context"
	"net/http"
	"strings"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// Access events per page by default and at most, read at a time, and examined for one page: a search that finds little continues with the
// next link.
const (
	shownEvents   = 100
	mostShown     = 500
	eventsAtATime = 500
	mostLooked    = 20_000
)

// eventsCursor is the sealed content of a page link of access events: where the next page begins, the search, and for whom.
type eventsCursor struct {
	Before  audit.Mark        `json:"b"`
	Search  fhir.OwnSearch    `json:"s"`
	Person  consent.PersonKey `json:"p"`
	Caller  []byte            `json:"c"`
	Expires int64             `json:"e"` // Unix seconds
}

// serveEvents shows a patient, and nobody else, who accessed the patient's record (Wabvpz art. 15e). Looking is an event as well, recorded
// first, so that it is in the answer.
func (g *Gate) serveEvents(ctx context.Context, x *exchange, r *http.Request, path, query string) (answer, *refusal) {
	x.kind, x.name = audit.KindLog, "access-events"
	x.interaction = fhir.Interaction{Code: fhir.CodeSearch, Type: "AuditEvent"}
	search, misread := g.readEventsRequest(r, path, query)
	unknown := g.authenticate(ctx, x, r)
	if misread != nil {
		return answer{}, misread
	}
	if unknown != nil {
		return answer{}, unknown
	}
	if ref := g.admitOwner(ctx, x, search.Patient); ref != nil {
		return answer{}, ref
	}
	x.categories = []fhir.DataCategory{fhir.CategoryLogging}
	x.query = search.Redacted()
	var from audit.Mark
	if search.Cursor != "" {
		c, ref := g.openEventsCursor(x, search.Cursor)
		if ref != nil {
			return answer{}, ref
		}
		from, search, x.query = c.Before, c.Search, c.Search.Redacted()
	}
	return g.answerEvents(context.WithoutCancel(ctx), x, search, from)
}

// readEventsRequest parses the request, or refuses it.
func (g *Gate) readEventsRequest(r *http.Request, path, query string) (fhir.OwnSearch, *refusal) {
	if ref := protocol(r); ref != nil {
		return fhir.OwnSearch{}, ref
	}
	body, ref := g.requestBody(r)
	if ref != nil {
		return fhir.OwnSearch{}, ref
	}
	search, err := fhir.ParseOwnSearch("AuditEvent", fhir.Request{
		Method: r.Method, Path: path, RawQuery: query, Body: body, ContentType: r.Header.Get("Content-Type"),
	})
	if err != nil {
		return fhir.OwnSearch{}, misunderstood(err)
	}
	if !acceptsJSON(r.Header.Values("Accept"), fhir.R4) {
		return fhir.OwnSearch{}, refuse(causeNotAcceptable, "accept")
	}
	return search, nil
}

// admitOwner admits only the patient whose log it is, if rule 3 of decision.md opens the patient's own record. If a patient is named, it must be
// the caller.
func (g *Gate) admitOwner(ctx context.Context, x *exchange, named fhir.PatientName) *refusal {
	if _, ref := g.admit(x); ref != nil {
		return ref
	}
	if x.subject.Kind != policy.KindPatient || x.purpose != policy.PurposePatientRequest {
		return refuse(causeForbidden, "not-the-patient")
	}
	if named.Named() {
		if person, err := consent.NormalizePerson(named.Identifier); err != nil || person != x.subject.Person {
			return refuse(causeForbidden, "not-the-patient")
		}
	}
	x.person = g.parts.Standings.Key(x.subject.Person)
	may, ref := g.entitledToOwn(ctx, x, &speaker{person: x.subject.Person, key: x.person, says: consent.ByPatient}, fhir.CategoryLogging)
	if ref != nil {
		return ref
	}
	st, err := g.newest(ctx, x, x.person)
	if err != nil {
		return &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	}
	if may(st) != nil {
		return refuse(causeForbidden, x.reason)
	}
	return nil
}

// serveEvent serves one access event to the patient whom it is about. For everybody else it does not exist.
func (g *Gate) serveEvent(ctx context.Context, x *exchange, r *http.Request, query, id string) (answer, *refusal) {
	x.kind, x.name = audit.KindLog, "access-event"
	x.interaction = fhir.Interaction{Code: fhir.CodeRead, Type: "AuditEvent"}
	_, misread := g.readEventsRequest(r, "", query)
	if unknown := g.authenticate(ctx, x, r); unknown != nil && misread == nil {
		return answer{}, unknown
	}
	if misread != nil {
		return answer{}, misread
	}
	if ref := g.admitOwner(ctx, x, fhir.PatientName{}); ref != nil {
		if ref.cause != causeUnavailable {
			ref = refuse(causeNotFound, ref.reason)
		}
		return answer{}, ref
	}
	ctx = context.WithoutCancel(ctx)
	eventID, form := audit.CutForm(id)
	event, err := g.findEvent(ctx, x, eventID)
	if err != nil {
		return answer{}, &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	}
	body, err := event.FHIRAs(form, g.eventOptions())
	if err != nil {
		return answer{}, refuse(causeNotFound, "absent")
	}
	x.categories = []fhir.DataCategory{fhir.CategoryLogging}
	if err := g.commit(ctx, x, audit.Release{Event: x.event(audit.OutcomePermit, "ok-self", g.parts.PolicyHash)}); err != nil {
		return answer{}, &refusal{cause: causeUnavailable, reason: "event-not-recorded", err: err}
	}
	x.reason = "ok-self"
	return answer{status: http.StatusOK, body: body}, nil
}

// findEvent returns one event of the person; zero if there is none.
func (g *Gate) findEvent(ctx context.Context, x *exchange, id audit.EventID) (audit.Event, error) {
	ctx, cancel := g.within(ctx, x, g.parts.Limits.Store)
	defer cancel()
	return g.parts.Events.Event(ctx, x.person, id)
}

// someEvents reads events behind a mark once: within the store's limit, and what is left of that of the exchange.
func (g *Gate) someEvents(ctx context.Context, x *exchange, from audit.Mark, limit int) (events []audit.Event, whole bool, err error) {
	ctx, cancel := g.within(ctx, x, g.parts.Limits.Store)
	defer cancel()
	return g.parts.Events.Events(ctx, x.person, from, limit)
}

// answerEvents records that the patient looks, and then answers with a page.
func (g *Gate) answerEvents(ctx context.Context, x *exchange, search fhir.OwnSearch, from audit.Mark) (answer, *refusal) {
	if err := g.commit(ctx, x, audit.Release{Event: x.event(audit.OutcomePermit, "ok-self", g.parts.PolicyHash)}); err != nil {
		return answer{}, &refusal{cause: causeUnavailable, reason: "event-not-recorded", err: err}
	}
	page, err := g.eventsPage(ctx, x, search, from)
	if err != nil {
		return answer{}, &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	}
	body, err := audit.Searchset(page, g.eventOptions())
	if err != nil {
		return answer{}, &refusal{cause: causeUnavailable, reason: "events-not-rendered", err: err}
	}
	x.reason = "ok-self"
	return answer{status: http.StatusOK, body: body}, nil
}

// eventsPage collects matching events behind a mark, until the page is full, mostLooked were examined, or there are no more.
func (g *Gate) eventsPage(ctx context.Context, x *exchange, search fhir.OwnSearch, from audit.Mark) (audit.Page, error) {
	most := min(search.Count, mostShown)
	if most == 0 {
		most = shownEvents
	}
	page, options := audit.Page{Self: strings.TrimPrefix(x.query, "AuditEvent")}, g.eventOptions()
	for looked := 0; ; {
		wanted := eventsAtATime
		if len(search.Params) == 0 {
			wanted = min(wanted, most-len(page.Events)+1) // one more tells whether there is a next page
		}
		events, whole, err := g.someEvents(ctx, x, from, wanted)
		if err != nil {
			return audit.Page{}, err
		}
		page.Incomplete = page.Incomplete || !whole
		for _, e := range events {
			if len(page.Events) == most || looked == mostLooked {
				page.Next, err = g.eventsLink(x, search, from)
				return page, err
			}
			from, looked = e.Mark(), looked+1
			if form, ok := e.Matches(search, consent.Zone(), options); ok {
				page.Events = append(page.Events, audit.Shown{Event: e, Form: form})
			}
		}
		if len(events) < wanted {
			return page, nil
		}
	}
}

// eventsLink returns the sealed link to the next page. It reveals nothing of the person, and works for nobody else.
func (g *Gate) eventsLink(x *exchange, search fhir.OwnSearch, from audit.Mark) (string, error) {
	search.Patient = fhir.PatientName{}
	sealed, err := g.cursors.seal("events", eventsCursor{
		Before: from, Search: search, Person: x.person, Caller: x.callerDigest(), Expires: g.parts.Now().Add(cursorLasts).Unix(),
	})
	return "?_cursor=" + sealed, err
}

// openEventsCursor opens and checks a page link for this caller. Every failure looks like an absent resource.
func (g *Gate) openEventsCursor(x *exchange, sealed string) (eventsCursor, *refusal) {
	var c eventsCursor
	err := g.cursors.open("events", sealed, &c)
	if err != nil || g.parts.Now().Unix() >= c.Expires || c.Person != x.person || string(c.Caller) != string(x.callerDigest()) {
		return c, refuse(causeNotFound, "cursor-invalid")
	}
	return c, nil
}
