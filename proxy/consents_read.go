package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	model "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// Consents per page: by default and at most.
const (
	shownConsents = 50
	mostConsents  = 200
)

// shown is an answer that discloses Consents, and their ids.
type shown struct {
	answer answer
	ids    []consent.RecordID
}

// show reads the standing, renders an answer from it, and commits the event on condition that the standing has not changed.
func (g *Gate) show(ctx context.Context, x *exchange, who *speaker, reason policy.Reason, render func(consent.Standing) (shown, *refusal)) (answer, *refusal) {
	may, ref := g.entitledToOwn(ctx, x, who, fhir.CategoryConsent)
	if ref != nil {
		return answer{}, ref
	}
	return g.showUnder(ctx, x, who, showing{may, reason, render})
}

// showing is what show does: the check that entitles the speaker, the reason in the event, and the answer from a standing.
type showing struct {
	may    func(consent.Standing) error
	reason policy.Reason
	render func(consent.Standing) (shown, *refusal)
}

// showUnder is show with a check of the caller's own.
func (g *Gate) showUnder(ctx context.Context, x *exchange, who *speaker, what showing) (answer, *refusal) {
	ctx = context.WithoutCancel(ctx)
	for range attempts {
		st, err := g.newest(ctx, x, who.key)
		if err != nil {
			return answer{}, &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
		}
		if what.may(st) != nil {
			return answer{}, refuse(causeNotFound, x.reason)
		}
		s, ref := what.render(st)
		if ref != nil {
			return answer{}, ref
		}
		x.categories, x.disclosed = []fhir.DataCategory{fhir.CategoryConsent}, nil
		for _, id := range s.ids {
			x.disclosed = append(x.disclosed, "Consent/"+string(id))
		}
		x.sorted()
		notAfter := x.subject.Expires
		entitlementEnds := !who.until.IsZero() && who.until.Before(notAfter)
		if entitlementEnds {
			notAfter = who.until
		}
		release := audit.Release{
			Event: x.event(audit.OutcomePermit, what.reason, g.parts.PolicyHash), Conditional: true, Generation: st.Generation, NotAfter: notAfter,
		}
		sent := g.parts.Now()
		err = g.commit(ctx, x, release)
		switch {
		case err == nil:
			x.reason = what.reason
			s.answer.releases, s.answer.committed = []*audit.Release{&release}, sent
			return s.answer, nil
		case errors.Is(err, audit.ErrTooLate) && !entitlementEnds:
			return answer{}, refuse(causeUnauthenticated, "token-expired").challenged(g.challenge(x, `error="invalid_token"`))
		case !errors.Is(err, audit.ErrMoved) && !errors.Is(err, audit.ErrTooLate):
			return answer{}, &refusal{cause: causeUnavailable, reason: "event-not-recorded", err: err}
		}
	}
	return answer{}, refuse(causeUnavailable, "standing-unsettled")
}

// newest returns what is on file now. Newest is the store's time, unless something on file is later.
func (g *Gate) newest(ctx context.Context, x *exchange, key consent.PersonKey) (consent.Standing, error) {
	st, now, err := g.standing(ctx, x, key)
	if now.After(st.Newest) {
		st.Newest = now
	}
	return st, err
}

// readConsent serves one Consent, or one version of it.
func (g *Gate) readConsent(ctx context.Context, x *exchange, q consentRequest, who *speaker) (answer, *refusal) {
	return g.show(ctx, x, who, who.reason(), func(st consent.Standing) (shown, *refusal) {
		if q.name == consentRead {
			return g.oneConsent(consentfhir.Of(st), q, who)
		}
		versions, ref := g.versionsOf(ctx, x, st, q.id, who)
		if ref != nil {
			return shown{}, ref
		}
		return g.oneConsent(slices.DeleteFunc(versions, func(c consentfhir.Consent) bool { return c.Version != q.version }), q, who)
	})
}

// oneConsent answers a read with the requested Consent among these.
func (g *Gate) oneConsent(among []consentfhir.Consent, q consentRequest, who *speaker) (shown, *refusal) {
	at := slices.IndexFunc(among, func(c consentfhir.Consent) bool { return c.ID == q.id && who.sees(c) })
	if at < 0 {
		return shown{}, refuse(causeNotFound, "absent")
	}
	a, ref := g.consentAnswer(http.StatusOK, among[at], who)
	return shown{a, []consent.RecordID{q.id}}, ref
}

// consentsCursor is the sealed content of a page link of Consents: where the next page begins, the search, and for whom.
type consentsCursor struct {
	Before  string            `json:"b"`           // rank of the last one shown; in a history its version
	ID      consent.RecordID  `json:"i,omitempty"` // of the Consent whose history it is
	Search  fhir.OwnSearch    `json:"s"`
	Person  fhir.Identifier   `json:"p"`
	Key     consent.PersonKey `json:"k"`
	Caller  []byte            `json:"c"`
	Expires int64             `json:"e"` // Unix seconds
}

// consentsLink returns the sealed link to the next page, for this caller and this person.
func (g *Gate) consentsLink(x *exchange, who *speaker, c consentsCursor) (string, *refusal) {
	c.Search.Patient, c.Search.Reference = fhir.PatientName{}, "" // Person says it
	c.Person, c.Key, c.Caller, c.Expires = who.person, who.key, x.callerDigest(), g.parts.Now().Add(cursorLasts).Unix()
	sealed, err := g.cursors.seal("consents", c)
	if err != nil {
		return "", refuse(causeTooLong, "query-too-long-to-page")
	}
	return "?_cursor=" + sealed, nil
}

// openConsentsCursor opens and checks a page link for this caller: of a search (no id), or of the history of one Consent. Every failure
// looks like an absent resource.
func (g *Gate) openConsentsCursor(x *exchange, sealed string, id consent.RecordID, who *speaker) (consentsCursor, *refusal) {
	var c consentsCursor
	err := g.cursors.open("consents", sealed, &c)
	if err != nil || g.parts.Now().Unix() >= c.Expires || c.ID != id || who.key != "" && c.Key != who.key || string(c.Caller) != string(x.callerDigest()) {
		return c, refuse(causeNotFound, "cursor-invalid")
	}
	return c, nil
}

// searchConsents serves a search for a person's Consents, newest first.
func (g *Gate) searchConsents(ctx context.Context, x *exchange, r *http.Request, q consentRequest, who *speaker) (answer, *refusal) {
	body, ref := g.requestBody(r)
	if ref != nil {
		return answer{}, ref
	}
	search, err := fhir.ParseOwnSearch("Consent", fhir.Request{
		Method: r.Method, Path: q.path, RawQuery: q.query, Body: body, ContentType: r.Header.Get("Content-Type"),
	})
	if err != nil {
		return answer{}, misunderstood(err)
	}
	x.query = search.Redacted()
	before := ""
	if search.Cursor != "" {
		c, ref := g.openConsentsCursor(x, search.Cursor, "", who)
		if ref != nil {
			return answer{}, ref
		}
		before, search, x.query = c.Before, c.Search, c.Search.Redacted()
		who.person, who.key, x.person = c.Person, c.Key, c.Key
	} else if ref := g.speakAbout(ctx, x, who, patientName{search.Patient.Identifier, search.Reference}); ref != nil {
		if ref.cause == causeUnprocessable {
			ref.cause = causeMalformed // of a parameter, not of a resource
		}
		return answer{}, ref
	}
	return g.show(ctx, x, who, who.reason(), func(st consent.Standing) (shown, *refusal) {
		return g.consentsPage(x, who, search, before, consentfhir.Of(st))
	})
}

// rank is the key by which a search sorts Consents, in descending order: version, then id.
func rank(c consentfhir.Consent) string { return c.Version + " " + string(c.ID) }

// consentsPage renders one page of a search.
func (g *Gate) consentsPage(x *exchange, who *speaker, search fhir.OwnSearch, before string, all []consentfhir.Consent) (shown, *refusal) {
	slices.SortFunc(all, func(a, b consentfhir.Consent) int { return strings.Compare(rank(b), rank(a)) })
	most := min(cmp.Or(search.Count, shownConsents), mostConsents)
	base := g.parts.PublicURL + consentPath
	bundle := model.Bundle{Type: model.BundleTypeSearchset, Link: []model.BundleLink{{Relation: "self", Url: base + strings.TrimPrefix(x.query, "Consent")}}}
	var s shown
	last := ""
	for _, c := range all {
		if !who.sees(c) || !matchesConsent(search, c) || before != "" && rank(c) >= before {
			continue
		}
		if len(s.ids) == most {
			next, ref := g.consentsLink(x, who, consentsCursor{Before: last, Search: search})
			if ref != nil {
				return shown{}, ref
			}
			bundle.Link = append(bundle.Link, model.BundleLink{Relation: "next", Url: base + next})
			break
		}
		body, ref := g.consentBody(c, who)
		if ref != nil {
			return shown{}, ref
		}
		bundle.Entry = append(bundle.Entry, model.BundleEntry{
			FullUrl: new(base + "/" + string(c.ID)), Resource: body, Search: &model.BundleEntrySearch{Mode: new(model.SearchEntryModeMatch)},
		})
		s.ids, last = append(s.ids, c.ID), rank(c)
	}
	body, err := json.Marshal(bundle)
	if err != nil {
		return shown{}, &refusal{cause: causeInternal, reason: "consent-not-rendered", err: err}
	}
	s.answer = answer{status: http.StatusOK, body: body}
	return s, nil
}

// matchesConsent reports whether a Consent matches a search.
func matchesConsent(search fhir.OwnSearch, c consentfhir.Consent) bool {
	first := c.Records[0]
	for _, p := range search.Params {
		holds := false
		switch p.Name {
		case "status":
			holds = p.MatchesToken(fhir.Coding{System: "http://hl7.org/fhir/consent-state-codes", Code: consentfhir.Status(first)})
		case "category":
			holds = p.MatchesToken(fhir.Coding{System: "http://loinc.org", Code: consentfhir.Category})
		case "period":
			holds = p.MatchesPeriod(first.ValidFrom.Time, first.ValidTo.Time, consent.Zone())
		case "_lastUpdated":
			holds = p.MatchesInstant(c.Updated, consent.Zone())
		case "_since":
			holds = fhir.Param{Value: "ge" + p.Value}.MatchesInstant(c.Updated, consent.Zone())
		}
		if !holds {
			return false
		}
	}
	return true
}

// consentBody renders a Consent with the person key as its patient.
func (g *Gate) consentBody(c consentfhir.Consent, who *speaker) ([]byte, *refusal) {
	c.Patient = fhir.Identifier{System: consentfhir.SystemPersonKey, Value: string(who.key)}
	body, err := g.parts.Consents.Profile.Write(c)
	if err != nil {
		return nil, &refusal{cause: causeInternal, reason: "consent-not-rendered", err: err}
	}
	return body, nil
}

// consentAnswer answers with one Consent and its version.
func (g *Gate) consentAnswer(status int, c consentfhir.Consent, who *speaker) (answer, *refusal) {
	body, ref := g.consentBody(c, who)
	if ref != nil {
		return answer{}, ref
	}
	a := answer{status: status, body: body, etag: etag(c), modified: c.Updated}
	if status == http.StatusCreated {
		a.location = g.parts.PublicURL + consentPath + "/" + string(c.ID) + "/_history/" + c.Version
	}
	return a, nil
}

func etag(c consentfhir.Consent) string { return `W/"` + c.Version + `"` }
