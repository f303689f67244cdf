package proxy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// speaker is the caller of the Consent API: about whose consents, and in which capacity.
type speaker struct {
	person fhir.Identifier   // from the token; for a provider, from the request
	key    consent.PersonKey // of that person
	says   string            // patient or representative; empty for a provider, who records what others say
	by     string            // RecordedBy of its records
	office string            // organization of a provider

	// For a representative, set by entitled: along means that the patient is 12 to 15 and consents only together with the representative;
	// silent means that the patient decides alone.
	along, silent bool
	until         time.Time // when that may change; zero: never
}

// speaker decides on the caller alone in which capacity it speaks. To a caller without one nothing exists; only an insufficient level of
// assurance is answered as such.
func (g *Gate) speaker(x *exchange) (*speaker, *refusal) {
	request, ref := g.admit(x)
	if ref != nil && ref.cause == causeStepUp {
		return nil, ref
	}
	if ref != nil {
		return nil, refuse(causeNotFound, ref.reason)
	}
	s := x.subject
	// admit also lets in callers who could declare an emergency or be in a registry; neither is a treatment relation.
	if d, admitted := g.parts.Policy.Admit(request); !admitted {
		return nil, refuse(causeNotFound, d.Reason)
	}
	switch {
	case s.Kind == policy.KindPatient:
		x.person = g.parts.Standings.Key(s.Person)
		return &speaker{person: s.Person, key: x.person, says: consent.ByPatient, by: "patient"}, nil
	case s.Kind == policy.KindRepresentative:
		x.person = g.parts.Standings.Key(s.Person)
		return &speaker{person: s.Person, key: x.person, says: consent.ByRepresentative, by: "representative (" + s.Authority + ")"}, nil
	case s.Kind != policy.KindProvider || x.purpose != policy.PurposeTreatment,
		len(s.Categories) != 1 || !slices.Contains(g.parts.Consents.Recorders, s.Categories[0]) || s.Organization == "" || s.Practitioner == "":
		return nil, refuse(causeNotFound, "not-a-recorder")
	case !g.knownSender(x):
		return nil, refuse(causeNotFound, reasonUnknownSender)
	}
	return &speaker{by: s.Organization + " " + s.Practitioner, office: s.Organization}, nil
}

// patientName is how a request names the patient: by an identifier, by a literal reference, or not at all.
type patientName struct {
	identifier fhir.Identifier
	reference  string
}

// speakAbout settles whose consents are meant. Patients and representatives speak about the person of their token, and a request that names
// somebody else is refused; a provider's request must name the person.
func (g *Gate) speakAbout(ctx context.Context, x *exchange, who *speaker, named patientName) *refusal {
	if named == (patientName{}) {
		if who.key == "" {
			return &refusal{cause: causeMalformed, reason: "patient-missing", element: "patient"}
		}
		return nil
	}
	key, isKey := g.personKey(named)
	person, ref := fhir.Identifier{}, (*refusal)(nil)
	switch {
	case isKey && (who.key == "" || who.key != key):
		return refuse(causeForbidden, "not-the-patient")
	case isKey:
		return nil
	case named.reference != "":
		person, ref = g.patientAt(ctx, x, who, named.reference)
	default:
		person, ref = g.declaredPerson(named.identifier)
	}
	switch {
	case ref != nil && ref.cause == causeForbidden: // unknown to the source or ambiguous: to the caller the same as somebody else
		return refuse(causeForbidden, "not-the-patient")
	case ref != nil && named.reference != "":
		return ref
	case ref != nil:
		return &refusal{cause: causeMalformed, reason: "patient-unknown", element: "patient"}
	case who.key != "" && g.parts.Standings.Key(person) != who.key:
		return refuse(causeForbidden, "not-the-patient")
	}
	who.person, who.key = person, g.parts.Standings.Key(person)
	x.person = who.key
	return nil
}

// personKey returns the person key by which a request names the patient, if it does: as an identifier, or as the Patient id at the
// gateway's own FHIR base.
func (g *Gate) personKey(named patientName) (consent.PersonKey, bool) {
	if named.identifier.System == consentfhir.SystemPersonKey {
		return consent.PersonKey(named.identifier.Value), true
	}
	id, is := strings.CutPrefix(strings.TrimPrefix(named.reference, g.parts.PublicURL+"/gateway/"), "Patient/")
	return consent.PersonKey(id), is && isPersonKey(id)
}

// isPersonKey reports whether an id has the form of a person key: lower-case hex of 32 bytes.
func isPersonKey(id string) bool {
	return len(id) == 64 && strings.Trim(id, "0123456789abcdef") == ""
}

// patientAt resolves a reference to a Patient: at the source in whose URL it is, else at any. The same id may be another person at another
// source: with several sources, a bare id is accepted only if the token names the person, and one source confirms it.
func (g *Gate) patientAt(ctx context.Context, x *exchange, who *speaker, reference string) (fhir.Identifier, *refusal) {
	sources := g.parts.Sources
	at := slices.IndexFunc(sources, func(s *Source) bool { return strings.HasPrefix(reference, g.base(s)+"/") })
	switch {
	case at >= 0:
		sources = sources[at : at+1]
		reference = strings.TrimPrefix(reference, g.base(sources[0])+"/")
	case strings.Contains(reference, ":"):
		return fhir.Identifier{}, unplaced("is a reference to another server: name the patient by an identifier")
	case len(sources) > 1 && who.key == "":
		return fhir.Identifier{}, unplaced("is a relative reference, and there are several sources: name the patient by an identifier, or by the URL of the Patient at a source")
	}
	id, is := strings.CutPrefix(reference, "Patient/")
	if !is || !fhir.IsID(id) {
		return fhir.Identifier{}, unplaced("is not a reference to a Patient")
	}
	defer func() { x.source = nil }()
	worst := unresolved("patient-unresolved")
	for _, x.source = range sources {
		m, ref := g.resolve(ctx, x, fhir.PatientName{ID: fhir.ID(id)})
		switch {
		case ref == nil && (who.key == "" || m.key == who.key):
			return m.person, nil
		case ref != nil && ref.cause != causeForbidden:
			worst = ref
		}
	}
	return fhir.Identifier{}, worst
}

// unplaced refuses a reference that does not identify a patient.
func unplaced(reason string) *refusal {
	return unacceptable(&consent.FieldError{Field: "patient", Reason: reason})
}

// ownerOf finds the person of the record that a provider means; patients and representatives mean their own.
func (g *Gate) ownerOf(ctx context.Context, x *exchange, id consent.RecordID, who *speaker) *refusal {
	if who.says != "" {
		return nil
	}
	ctx, cancel := g.within(ctx, x, g.parts.Limits.Store)
	defer cancel()
	key, err := g.parts.Consents.Store.Owner(ctx, id)
	if err != nil {
		return &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	}
	if key == "" {
		return refuse(causeNotFound, "absent")
	}
	st, _, err := g.standing(ctx, x, key)
	if err != nil {
		return &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	}
	if !slices.ContainsFunc(consentfhir.Of(st), func(c consentfhir.Consent) bool { return c.ID == id && who.sees(c) }) {
		return refuse(causeNotFound, "absent") // nor does the event name the person: the caller may not know that the record exists
	}
	who.person, who.key, x.person = st.Person, key, key
	return nil
}

// reason returns why the speaker may see and change what is on file, for the event.
func (who *speaker) reason() policy.Reason {
	switch who.says {
	case consent.ByPatient:
		return policy.ReasonSelf
	case consent.ByRepresentative:
		return policy.ReasonRepresentative
	}
	return "ok-recorder"
}

// sees reports whether the speaker may see a Consent. A provider sees those that its organization recorded. A representative who consents
// together with a patient of 12 to 15 sees those that a representative gave, and the active permits, which wait for one, but not what the
// patient decides alone. Everybody else sees all.
func (who *speaker) sees(c consentfhir.Consent) bool {
	first := c.Records[0]
	switch {
	case who.office != "":
		office, _, _ := strings.Cut(first.RecordedBy, " ")
		return office == who.office
	case who.along:
		waits := first.Status == consent.StatusActive && first.Decision == consent.DecisionPermit
		return waits || slices.Contains(first.GivenBy, consent.ByRepresentative)
	}
	return true
}

// Errors of a change: the speaker may not speak or means something that does not exist; the patient decides alone.
var (
	errNotHere = errors.New("consent is not there for this caller")
	errSilent  = &consent.FieldError{Field: "given_by", Reason: "is a representative, who has no say at the age of the patient"}
)

// entitledToOwn is entitledTo for what patients may do even if no source says who they are: see their choices and their log, and end
// consent. A source gets only as long as the store: what is the patient's own must not depend on a source that is down or hangs.
func (g *Gate) entitledToOwn(ctx context.Context, x *exchange, who *speaker, category fhir.DataCategory) (func(consent.Standing) error, *refusal) {
	if who.says != consent.ByPatient || who.office != "" {
		return g.entitledTo(ctx, x, who, category)
	}
	ctx, cancel := context.WithTimeout(ctx, g.parts.Limits.Store)
	defer cancel()
	may, ref := g.entitledTo(ctx, x, who, category)
	if ref != nil {
		return anyway, nil
	}
	return may, nil
}

// entitledTo returns a check whether the speaker may speak for the person about one category of what the gateway itself keeps: the choices of
// the patient, or the log. It is given a standing of the person, and uses the birth date and death known to a source: patients by rule 3 of
// decision.md, so that nobody acts in the name of somebody who has died and no child decides alone; representatives by age and authority (rule 4,
// and The consent state, A). A patient whom no source knows may speak. The check also sets along, silent and until.
func (g *Gate) entitledTo(ctx context.Context, x *exchange, who *speaker, category fhir.DataCategory) (func(consent.Standing) error, *refusal) {
	if who.office != "" {
		return anyway, nil
	}
	m, ref := g.anywhere(ctx, x, who.person)
	switch {
	case ref != nil && ref.cause == causeNotFound && who.says == consent.ByPatient:
		return anyway, nil
	case ref != nil:
		return nil, ref
	}
	request := g.request(x)
	request.Category = category
	return func(st consent.Standing) error {
		at := st.Newest // by the store's clock
		who.along, who.silent, who.until = false, false, time.Time{}
		for _, born := range m.births {
			in, named := x.asNamed(g.parts.Policy, policy.Input{At: at, Request: x.asBlocked(request, st.Flags), Records: st.Records, Patient: policy.Patient{
				Key: who.key, BirthDate: born, Deceased: m.deceased, Flags: st.Flags,
			}})
			d, along := g.parts.Policy.Speaks(in)
			x.records = named
			if t := g.parts.Policy.NotAfter(in); who.until.IsZero() || !t.IsZero() && t.Before(who.until) {
				who.until = t
			}
			if !d.Permit {
				x.reason = d.Reason
				return errNotHere
			}
			q := consent.Query{At: at, Born: born, Incapacitated: st.Flags.Incapacitated}
			who.along, who.silent = who.along || along, who.silent || !q.MaySpeak(who.says)
		}
		return nil
	}, nil
}

// anyway is the check that always lets the speaker speak.
func anyway(consent.Standing) error { return nil }

// anywhere looks a person up at one source after another, until one knows the person.
func (g *Gate) anywhere(ctx context.Context, x *exchange, person fhir.Identifier) (*mapped, *refusal) {
	defer func() { x.source = nil }()
	worst := refuse(causeNotFound, "patient-unresolved")
	for _, s := range g.parts.Sources {
		x.source = s
		m, ref := g.resolveIdentifier(ctx, x, person)
		if ref == nil {
			return m, nil
		}
		if ref.cause != causeForbidden {
			worst = &refusal{cause: causeUnavailable, reason: ref.reason, err: cmp.Or(ref.err, errors.New("a source did not say who the patient is"))}
		}
	}
	return nil, worst
}
