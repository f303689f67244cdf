package proxy

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// reasonUnchanged is the reason in the event of a change that was already made.
const reasonUnchanged policy.Reason = "unchanged"

// errUnchanged says that a change was already made: nothing is written, and the answer is what is on file.
var errUnchanged = errors.New("consent is as it is to be")

// withdrawal is the withdrawal of a Consent at a version.
type withdrawal struct {
	id      consent.RecordID
	version string
	by      []string
	records []consent.Record // what the caller believes it withdraws; nil where it does not say
}

// apply marks all records of the Consent as withdrawn; the store sets the time. What is already withdrawn stays as it is.
func (w withdrawal) apply(st *consent.Standing, who *speaker) error {
	current, err := there(st, who, w.id, w.version)
	first := consent.Record{}
	if err == nil {
		first = current.Records[0]
	}
	switch {
	case err != nil:
		return err
	case first.Status == consent.StatusEnteredInError:
		return errNotActive
	case w.records != nil && !sameContent(w.records, current.Records):
		return errOtherBody
	case first.Status == consent.StatusWithdrawn:
		return errUnchanged
	case first.Decision == consent.DecisionDeny && !slices.ContainsFunc(w.by, func(one string) bool { return slices.Contains(first.GivenBy, one) }):
		return errOthersObjection
	}
	for i := range st.Records {
		if r := &st.Records[i]; current.Holds(r.ID) {
			r.Status, r.WithdrawnBy = consent.StatusWithdrawn, w.by
		}
	}
	return nil
}

// words are the Parameters of an operation on consents.
type words struct {
	patient   fhir.Identifier
	by        string
	exception bool
}

func (w *words) take(p parameter) bool {
	switch {
	case p.Name == "patient" && p.ValueIdentifier != nil:
		w.patient = *p.ValueIdentifier
	case p.Name == "by" && p.ValueCode != nil && (*p.ValueCode == consent.ByPatient || *p.ValueCode == consent.ByRepresentative):
		w.by = *p.ValueCode
	case p.Name == "emergency-exception" && p.ValueBoolean != nil:
		w.exception = *p.ValueBoolean
	default:
		return false
	}
	return true
}

// said reads the Parameters of an operation, and settles who speaks about whom. Patients and representatives need no body: withdrawing is no more work
// than giving (AVG art. 7(3)).
func (g *Gate) said(ctx context.Context, x *exchange, r *http.Request, q consentRequest, who *speaker) (words, *refusal) {
	w := words{by: who.says}
	if err := fhir.CheckPresentation(q.query); err != nil {
		return w, misunderstood(err)
	}
	body, ref := g.readBody(r)
	if ref != nil {
		return w, ref
	}
	if len(body) > 0 {
		if !isJSON(r) {
			return w, refuse(causeMediaType, "media-type")
		}
		if ref := g.readWords(body, w.take); ref != nil {
			return w, ref
		}
	}
	switch {
	case w.by == "":
		return w, &refusal{cause: causeMalformed, reason: "by-missing", element: "by"}
	case who.says != "" && w.by != who.says:
		return w, refuse(causeForbidden, "not-the-speaker")
	}
	return w, g.speakAbout(ctx, x, who, patientName{identifier: w.patient})
}

// withdrawConsent ends a Consent, in one call.
func (g *Gate) withdrawConsent(ctx context.Context, x *exchange, r *http.Request, q consentRequest, who *speaker) (answer, *refusal) {
	version, ref := ifMatch(r)
	if ref != nil {
		return answer{}, ref
	}
	w, ref := g.said(ctx, x, r, q, who)
	if ref != nil {
		return answer{}, ref
	}
	return g.changeConsents(ctx, x, who, consentChange{
		id: q.id, reason: reasonWithdrawn, status: http.StatusOK, ends: true,
		apply: func(st *consent.Standing, _ *audit.Event) error {
			return withdrawal{id: q.id, version: version, by: []string{w.by}}.apply(st, who)
		},
		made: func(c consentfhir.Consent) bool {
			return c.ID == q.id && c.Records[0].Status == consent.StatusWithdrawn
		},
	})
}

// object stops everything, in one call: a total objection, which ends every permit given until now. Each speaker has one on file: repeating
// it makes a new version of the same Consent, or changes nothing if nothing was said since.
func (g *Gate) object(ctx context.Context, x *exchange, r *http.Request, q consentRequest, who *speaker) (answer, *refusal) {
	w, ref := g.said(ctx, x, r, q, who)
	if ref != nil {
		return answer{}, ref
	}
	records := []consent.Record{{
		Status: consent.StatusActive, Decision: consent.DecisionDeny, EmergencyException: w.exception, Data: []string{}, Purposes: []string{},
		GivenBy: []string{w.by}, Method: "$object",
	}}
	made := func(c consentfhir.Consent) bool {
		return c.Records[0].Status == consent.StatusActive && slices.Equal(c.Records[0].GivenBy, records[0].GivenBy) && sameContent(c.Records, records)
	}
	change := consentChange{id: g.parts.Consents.Store.NewRecordID(who.person), reason: reasonObjected, status: http.StatusCreated, ends: true, made: made}
	change.apply = func(st *consent.Standing, event *audit.Event) error {
		id := change.id
		before := objectionOf(st, who, w.by)
		if before != nil {
			id = before.ID
		}
		fresh, err := g.fresh(who, id, records, nil, st.Newest)
		switch {
		case err != nil:
			return err
		case before == nil:
			st.Records = append(withoutOldEnd(st.Records), fresh...)
		case before.EmergencyException == w.exception && before.Method == records[0].Method && !saidSince(st, before):
			return errUnchanged
		default:
			*before = fresh[0]
		}
		event.Consent = id
		return nil
	}
	return g.changeConsents(ctx, x, who, change)
}

// mostObjections is how many total objections a person has on file before the next one replaces another: the oldest withdrawn one, which
// has no effect and stays in the history, or one by the same speaker, whoever recorded it. So objections are bounded, and there is always
// room for one.
const mostObjections = 50

// withoutOldEnd removes the oldest withdrawn total objection if there are mostObjections or more.
func withoutOldEnd(records []consent.Record) []consent.Record {
	total, oldest := 0, -1
	for i := range records {
		if r := &records[i]; r.IsTotalObjection() {
			total++
			if oldest < 0 && r.Status == consent.StatusWithdrawn {
				oldest = i
			}
		}
	}
	if total < mostObjections || oldest < 0 {
		return records
	}
	return slices.Delete(records, oldest, oldest+1)
}

// objectionOf finds the total objection on file that a new one of the speaker replaces; nil if none.
func objectionOf(st *consent.Standing, who *speaker, by string) *consent.Record {
	total := 0
	var own, another *consent.Record
	for _, c := range consentfhir.Of(*st) {
		first := c.Records[0]
		if !first.IsTotalObjection() {
			continue
		}
		total++
		open := first.ValidFrom.IsZero() && first.ValidTo.IsZero()
		if len(c.Records) > 1 || !open || first.Status != consent.StatusActive || !slices.Equal(first.GivenBy, []string{by}) {
			continue
		}
		at := slices.IndexFunc(st.Records, func(r consent.Record) bool { return r.ID == c.ID })
		another = &st.Records[at]
		if who.sees(c) {
			own = another
		}
	}
	if own == nil && total >= mostObjections {
		return another
	}
	return own
}

// saidSince reports whether an active record is newer than r.
func saidSince(st *consent.Standing, r *consent.Record) bool {
	return slices.ContainsFunc(st.Records, func(other consent.Record) bool {
		return other.Status == consent.StatusActive && other.RecordedAt.After(r.RecordedAt.Time)
	})
}
