package proxy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
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

// Reasons in the events of changes.
const (
	reasonRecorded  policy.Reason = "recorded"
	reasonUpdated   policy.Reason = "updated"
	reasonWithdrawn policy.Reason = "withdrawn"
	reasonObjected  policy.Reason = "objected"
	reasonReused    policy.Reason = "request-id-reused" // for a different change
)

// Conflicts of a change with what is on file.
var (
	errNotActive = &consent.FieldError{Field: "status", Reason: "is not active any more: give a new consent"}
	errOtherBody = &consent.FieldError{Field: "provision", Reason: "differs from what is on file: what is withdrawn is withdrawn as it is"}
	// An objection belongs to those who made it: nobody else can end it or join it.
	errOthersObjection = &consent.FieldError{Field: "given_by", Reason: "is not who objected: an objection ends by the word of who said it"}
	errSaidBefore      = &consent.FieldError{Field: "given_by", Reason: "names somebody who objected to something since: who said it must say it again"}
)

// consentChange is one change of the Consents of a person.
type consentChange struct {
	id     consent.RecordID // named in the event
	reason policy.Reason
	status int  // of the answer
	ends   bool // the change only withdraws or objects: for a patient, an unavailable source does not delay it
	// apply edits the standing, and the event if it needs more. made recognises the resulting Consent in the new standing, even if an
	// earlier attempt made it.
	apply func(*consent.Standing, *audit.Event) error
	made  func(consentfhir.Consent) bool
}

// changeConsents makes a change together with its event, and answers with the result.
func (g *Gate) changeConsents(ctx context.Context, x *exchange, who *speaker, c consentChange) (answer, *refusal) {
	entitled := g.entitledTo
	if c.ends {
		entitled = g.entitledToOwn
	}
	may, ref := entitled(ctx, x, who, fhir.CategoryConsent)
	if ref != nil {
		return answer{}, ref
	}
	event := x.event(audit.OutcomePermit, c.reason, g.parts.PolicyHash)
	event.Consent = c.id
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.parts.Limits.Store)
	defer cancel()
	st, err := g.parts.Consents.Store.Change(storing, audit.Change{
		Request: x.requestKey(), Person: who.person, Event: event,
		Apply: func(st *consent.Standing) error {
			if err := may(*st); err != nil {
				return err
			}
			if who.silent {
				return errSilent
			}
			return c.apply(st, event)
		},
	})
	if errors.Is(err, errUnchanged) {
		return g.asItIs(ctx, x, who, may, c)
	}
	if err != nil {
		return answer{}, g.notMade(x, err)
	}
	all := consentfhir.Of(st)
	at := slices.IndexFunc(all, func(one consentfhir.Consent) bool { return one.Updated.Equal(st.Newest) && c.made(one) })
	if at < 0 {
		return answer{}, refuse(causeReused, reasonReused)
	}
	x.reason = c.reason
	return g.consentAnswer(c.status, all[at], who)
}

// asItIs answers with a Consent that is already as the change would make it. No new version is written.
func (g *Gate) asItIs(ctx context.Context, x *exchange, who *speaker, may func(consent.Standing) error, c consentChange) (answer, *refusal) {
	return g.showUnder(ctx, x, who, showing{may, reasonUnchanged, func(st consent.Standing) (shown, *refusal) {
		all := consentfhir.Of(st)
		at := slices.IndexFunc(all, func(one consentfhir.Consent) bool { return who.sees(one) && c.made(one) })
		if at < 0 { // changed in between
			return shown{}, refuse(causeConflict, "version-conflict")
		}
		a, ref := g.consentAnswer(http.StatusOK, all[at], who)
		return shown{a, []consent.RecordID{all[at].ID}}, ref
	}})
}

// notMade returns the refusal for a change that failed.
func (g *Gate) notMade(x *exchange, err error) *refusal {
	switch {
	case errors.Is(err, errNotHere):
		reason := x.reason
		if reason == "" {
			reason = "absent"
		}
		return refuse(causeNotFound, reason)
	case errors.Is(err, audit.ErrConflict):
		return refuse(causeConflict, "version-conflict")
	case errors.Is(err, audit.ErrFull):
		return unacceptable(&consent.FieldError{Field: "Consent", Reason: "is one too many: as much is on file as can be for one person. What is there can be ended, and everything stopped"})
	case errors.Is(err, audit.ErrUnavailable):
		return &refusal{cause: causeOutcomeUnknown, reason: "outcome-unknown", err: err}
	}
	if _, wrong := errors.AsType[*consent.FieldError](err); wrong {
		return unacceptable(err)
	}
	return &refusal{cause: causeInternal, reason: "consent-not-recorded", err: err}
}

// unacceptable refuses a resource. It names elements and reasons, never a value.
func unacceptable(err error) *refusal {
	r := &refusal{cause: causeUnprocessable, reason: "consent-unacceptable"}
	var wrong []string
	for _, one := range problemsOf(err) {
		if one.Field == "" {
			r.cause = causeMalformed
		}
		if text := strings.TrimPrefix(consentfhir.Element(one.Field)+": "+one.Reason, ": "); !slices.Contains(wrong, text) {
			wrong = append(wrong, text)
		}
	}
	r.element = strings.Join(wrong, "; ")
	return r
}

func problemsOf(err error) (all []*consent.FieldError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all = append(all, problemsOf(one)...)
		}
		return all
	}
	if one, ok := errors.AsType[*consent.FieldError](err); ok {
		all = append(all, one)
	}
	return all
}

// resource reads the Consent in the body, and settles whose it is.
func (g *Gate) resource(ctx context.Context, x *exchange, r *http.Request, q consentRequest, who *speaker) (consentfhir.Consent, *refusal) {
	if err := fhir.CheckPresentation(q.query); err != nil {
		return consentfhir.Consent{}, misunderstood(err)
	}
	if !isJSON(r) {
		return consentfhir.Consent{}, refuse(causeMediaType, "media-type")
	}
	body, ref := g.readBody(r)
	if ref != nil {
		return consentfhir.Consent{}, ref
	}
	c, err := g.parts.Consents.Profile.Read(body)
	if err != nil {
		return c, unacceptable(err)
	}
	return c, g.speakAbout(ctx, x, who, patientName{c.Patient, c.PatientReference})
}

// createConsent puts a new Consent on file.
func (g *Gate) createConsent(ctx context.Context, x *exchange, r *http.Request, q consentRequest, who *speaker) (answer, *refusal) {
	if r.Header.Get("If-None-Exist") != "" {
		return answer{}, &refusal{cause: causeNotSupported, reason: "conditional-create", element: "If-None-Exist"}
	}
	c, ref := g.resource(ctx, x, r, q, who)
	if ref != nil {
		return answer{}, ref
	}
	if c.Records[0].Status != consent.StatusActive {
		return answer{}, unacceptable(&consent.FieldError{Field: "status", Reason: "is not active"})
	}
	id := g.parts.Consents.Store.NewRecordID(who.person)
	return g.changeConsents(ctx, x, who, consentChange{
		id: id, reason: reasonRecorded, status: http.StatusCreated,
		apply: func(st *consent.Standing, _ *audit.Event) error {
			fresh, err := g.fresh(who, id, c.Records, nil, st.Newest)
			st.Records = append(st.Records, fresh...)
			return err
		},
		made: func(made consentfhir.Consent) bool { return sameContent(made.Records, c.Records) },
	})
}

// fresh returns records ready to store: checked, with their ids, without the timestamps that the store sets. before are the records that
// they replace.
func (g *Gate) fresh(who *speaker, id consent.RecordID, records, before []consent.Record, now time.Time) ([]consent.Record, error) {
	fresh := slices.Clone(records)
	var wrong []error
	for i := range fresh {
		r := &fresh[i]
		if r.RecordedAt.IsZero() {
			r.RecordedAt.Time = now
		}
		r.RecordedBy = who.by
		wrong = append(wrong, g.parts.Consents.Check(*r, now), who.mayRelay(*r, sameContent(records, before), before))
		r.RecordedAt = consent.Time{}
		if r.ID = id; i > 0 {
			r.ID = consentfhir.Sibling(id, digits())
		}
	}
	return fresh, errors.Join(wrong...)
}

// digits returns random hex digits, which tell the records of one Consent apart.
func digits() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand since Go 1.24)
	return hex.EncodeToString(b[:])
}

// mayRelay returns an error if the record gives somebody else's consent. Providers record what they are told. Patients and representatives
// speak for themselves; what the other said before remains valid as long as nothing else changes, so that both can consent to the same
// where the law requires both (12 to 15 years).
func (who *speaker) mayRelay(r consent.Record, same bool, before []consent.Record) error {
	if who.office != "" {
		return nil
	}
	for _, by := range r.GivenBy {
		said := same && slices.Contains(before[0].GivenBy, by)
		if by != who.says && !said {
			return &consent.FieldError{Field: "given_by", Reason: "names somebody who does not speak here"}
		}
	}
	if !slices.Contains(r.GivenBy, who.says) {
		return &consent.FieldError{Field: "given_by", Reason: "does not name who speaks here"}
	}
	return nil
}

// sameContent reports whether records state the same, regardless of who stated it, when, and their status.
func sameContent(a, b []consent.Record) bool {
	return slices.EqualFunc(a, b, func(a, b consent.Record) bool {
		return a.Decision == b.Decision && a.EmergencyException == b.EmergencyException && a.Holder == b.Holder && a.Party == b.Party && a.PartyName == b.PartyName &&
			a.Channel == b.Channel && slices.Equal(a.Data, b.Data) && slices.Equal(a.Purposes, b.Purposes) && a.Posthumous == b.Posthumous &&
			a.ValidFrom.Equal(b.ValidFrom.Time) && a.ValidTo.Equal(b.ValidTo.Time) && a.Method == b.Method && a.Information == b.Information
	})
}

// updateConsent replaces the version that the caller has seen, or withdraws it.
func (g *Gate) updateConsent(ctx context.Context, x *exchange, r *http.Request, q consentRequest, who *speaker) (answer, *refusal) {
	version, ref := ifMatch(r)
	if ref != nil {
		return answer{}, ref
	}
	c, ref := g.resource(ctx, x, r, q, who)
	switch {
	case ref != nil:
		return answer{}, ref
	case version == "":
		return answer{}, refuse(causePrecondition, "if-match-missing")
	case c.ID != q.id:
		return answer{}, &refusal{cause: causeMalformed, reason: "id-differs", element: "id"}
	}
	change := consentChange{id: q.id, reason: reasonUpdated, status: http.StatusOK}
	change.made = func(made consentfhir.Consent) bool {
		return made.ID == q.id && made.Records[0].Status == c.Records[0].Status && sameContent(made.Records, c.Records)
	}
	change.apply = func(st *consent.Standing, _ *audit.Event) error { return g.replace(st, who, q.id, version, c.Records) }
	switch c.Records[0].Status {
	case consent.StatusWithdrawn:
		change.reason, change.ends = reasonWithdrawn, true
		by := []string{who.says}
		if who.says == "" {
			by = slices.Clone(c.Records[0].GivenBy)
		}
		change.apply = func(st *consent.Standing, _ *audit.Event) error {
			return withdrawal{q.id, version, by, c.Records}.apply(st, who)
		}
	case consent.StatusEnteredInError:
		return answer{}, unacceptable(&consent.FieldError{Field: "status", Reason: "is not active or inactive"})
	}
	return g.changeConsents(ctx, x, who, change)
}

// replace replaces the records of a Consent.
func (g *Gate) replace(st *consent.Standing, who *speaker, id consent.RecordID, version string, records []consent.Record) error {
	current, err := there(st, who, id, version)
	if err == nil && current.Records[0].Status != consent.StatusActive {
		err = errNotActive
	}
	if err == nil {
		err = mayReplace(st, who, current, records[0].GivenBy)
	}
	if err != nil {
		return err
	}
	fresh, err := g.fresh(who, id, records, current.Records, st.Newest)
	if err != nil {
		return err
	}
	var after []consent.Record
	for _, r := range st.Records {
		switch {
		case r.ID == id:
			after = append(after, fresh...)
		case !current.Holds(r.ID):
			after = append(after, r)
		}
	}
	st.Records = after
	return nil
}

// there finds a Consent that the speaker may see, at the version that a change is for; an empty version matches any.
func there(st *consent.Standing, who *speaker, id consent.RecordID, version string) (consentfhir.Consent, error) {
	all := consentfhir.Of(*st)
	at := slices.IndexFunc(all, func(c consentfhir.Consent) bool { return c.ID == id && who.sees(c) })
	switch {
	case at < 0:
		return consentfhir.Consent{}, errNotHere
	case version != "" && all[at].Version != version:
		return consentfhir.Consent{}, audit.ErrConflict
	}
	return all[at], nil
}

// mayReplace returns an error if another version would end somebody else's objection, or restate somebody else's consent although they have
// withdrawn or objected to something since.
func mayReplace(st *consent.Standing, who *speaker, current consentfhir.Consent, by []string) error {
	others := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(one string) bool { return one == who.says })
	}
	objects := slices.ContainsFunc(current.Records, func(r consent.Record) bool { return r.Decision == consent.DecisionDeny })
	first := current.Records[0]
	for _, one := range first.GivenBy {
		if objects && !slices.Contains(by, one) {
			return errOthersObjection
		}
	}
	if who.office != "" || len(others(by)) == 0 {
		return nil // a provider records what all of them say now
	}
	if first.Decision == consent.DecisionDeny && !slices.Contains(first.GivenBy, who.says) {
		return errOthersObjection
	}
	for _, r := range st.Records {
		ended := r.Status == consent.StatusWithdrawn && r.WithdrawnAt.After(current.Updated) && len(others(r.WithdrawnBy)) > 0
		objected := r.Status == consent.StatusActive && r.Decision == consent.DecisionDeny && r.RecordedAt.After(current.Updated) && len(others(r.GivenBy)) > 0
		if ended || objected {
			return errSaidBefore
		}
	}
	return nil
}

// ifMatch returns the version that a change is for; empty if the header is absent.
func ifMatch(r *http.Request) (string, *refusal) {
	values := r.Header.Values("If-Match")
	if len(values) == 0 {
		return "", nil
	}
	text := strings.TrimPrefix(strings.TrimSpace(values[0]), "W/")
	version := strings.Trim(text, `"`)
	if len(values) > 1 || version == "" || text != `"`+version+`"` || strings.ContainsAny(version, `",*`) {
		return "", &refusal{cause: causeMalformed, reason: "if-match", element: "If-Match"}
	}
	return version, nil
}
