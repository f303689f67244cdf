package consentfhir

import (
	"errors"
	"slices"
	"strings"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/consent"
)

// ErrNotOne is Write's error for records that are not those of one Consent.
var ErrNotOne = errors.New("consent resource: the records are not those of one Consent")

// Write returns the resource of records that were made together. It checks that Read reads it back as the same records.
func (p Profile) Write(c Consent) ([]byte, error) {
	if len(c.Records) == 0 {
		return nil, ErrNotOne
	}
	common := c.Records[0]
	for _, r := range c.Records[1:] {
		if !sameCommon(r, common) {
			return nil, ErrNotOne
		}
	}
	out := r4.Consent{
		Meta: &r4.Meta{Profile: []string{URL}}, Status: states[common.Status],
		Scope:      concept(systemScope, "patient-privacy"),
		Category:   []r4.CodeableConcept{concept(systemLOINC, codeConsent)},
		Patient:    patientOf(c),
		Policy:     []r4.ConsentPolicy{{Uri: new(policyURI)}},
		PolicyRule: new(concept(systemPolicyRule, rules[common.Decision])),
		Extension:  extensionsOf(common),
	}
	for _, by := range common.GivenBy {
		out.Performer = append(out.Performer, performerOf(by, out.Patient))
	}
	if c.ID != "" {
		out.Id = new(string(c.ID))
	}
	if c.Version != "" {
		out.Meta.VersionId = &c.Version
	}
	if !c.Updated.IsZero() {
		out.Meta.LastUpdated = new(written(c.Updated))
	}
	if !common.RecordedAt.IsZero() {
		out.DateTime = new(written(common.RecordedAt.Time))
	}
	return p.write(out, c.Records)
}

var (
	states = map[string]r4.ConsentState{
		consent.StatusActive: r4.ConsentStateActive, consent.StatusWithdrawn: r4.ConsentStateInactive,
		consent.StatusEnteredInError: r4.ConsentStateEnteredInError,
	}
	rules = map[string]string{consent.DecisionPermit: "OPTIN", consent.DecisionDeny: "OPTOUT"}
)

// sameCommon reports whether two records agree in what all records of a Consent share.
func sameCommon(a, b consent.Record) bool {
	return a.Status == b.Status && a.RecordedAt.Equal(b.RecordedAt.Time) && a.WithdrawnAt.Equal(b.WithdrawnAt.Time) &&
		slices.Equal(a.GivenBy, b.GivenBy) && slices.Equal(a.WithdrawnBy, b.WithdrawnBy) && a.Posthumous == b.Posthumous &&
		a.RecordedBy == b.RecordedBy && a.Method == b.Method && a.Information == b.Information
}

// patientOf names the patient by the identifier, or only as the patient.
func patientOf(c Consent) *r4.Reference {
	switch {
	case c.PatientReference != "":
		return &r4.Reference{Type: new("Patient"), Reference: &c.PatientReference}
	case c.Patient.Value != "":
		return &r4.Reference{Type: new("Patient"), Identifier: &r4.Identifier{System: &c.Patient.System, Value: &c.Patient.Value}}
	}
	return &r4.Reference{Type: new("Patient"), Display: new("the patient")}
}

func performerOf(by string, patient *r4.Reference) r4.Reference {
	if by == consent.ByPatient {
		return *patient
	}
	return r4.Reference{Type: new("RelatedPerson"), Display: new("a representative of the patient")}
}

// extensionsOf are the facts for which FHIR has no element.
func extensionsOf(r consent.Record) (list []r4.Extension) {
	add := func(to *[]r4.Extension, url, value string) {
		if value != "" {
			*to = append(*to, r4.Extension{Url: url, ValueString: &value})
		}
	}
	if r.Posthumous {
		list = append(list, r4.Extension{Url: extensionPosthumous, ValueBoolean: new(true)})
	}
	add(&list, extensionMethod, r.Method)
	add(&list, extensionRecordedBy, r.RecordedBy)
	if i := r.Information; i != (consent.Information{}) {
		e := r4.Extension{Url: extensionInformation}
		add(&e.Extension, "id", i.ID)
		add(&e.Extension, "version", i.Version)
		add(&e.Extension, "language", i.Language)
		add(&e.Extension, "sha256", i.SHA256)
		list = append(list, e)
	}
	if !r.WithdrawnAt.IsZero() || len(r.WithdrawnBy) > 0 {
		e := r4.Extension{Url: extensionWithdrawn}
		if !r.WithdrawnAt.IsZero() {
			e.Extension = append(e.Extension, r4.Extension{Url: "at", ValueDateTime: new(written(r.WithdrawnAt.Time))})
		}
		for _, by := range r.WithdrawnBy {
			e.Extension = append(e.Extension, r4.Extension{Url: "by", ValueCode: &by})
		}
		list = append(list, e)
	}
	return list
}

// write adds the provision of records: the first ones, which differ only in their actors, are the base rule, the others its exceptions. The
// base rule gets as many as possible.
func (p Profile) write(out r4.Consent, records []consent.Record) ([]byte, error) {
	scopes := make([]scope, len(records))
	for i, r := range records {
		scopes[i] = scopeOf(r)
	}
	for n := len(scopes); n > 0; n-- {
		if !product(scopes[:n]) {
			continue
		}
		out.Provision = p.rule(scopes, n)
		b, err := out.MarshalJSON()
		if err != nil {
			return nil, err
		}
		again, err := p.Read(b)
		if err == nil && slices.EqualFunc(again.Records, scopes, func(r consent.Record, s scope) bool { return scopeOf(r).equal(s) }) {
			return b, nil
		}
	}
	return nil, ErrNotOne
}

// rule writes the first n scopes as the base rule, and the rest as its exceptions.
func (p Profile) rule(scopes []scope, n int) *r4.ConsentProvision {
	base, rest := scopes[:n], scopes[n:]
	root := p.provisionOf(base, nil)
	if base[0].exception {
		everyone := r4.Reference{Type: new("Group"), Identifier: &r4.Identifier{System: new(systemEmergency), Value: new(valueEmergency)}}
		root.Provision = append(root.Provision, r4.ConsentProvision{
			Type: new(r4.ConsentProvisionTypePermit), Purpose: []r4.Coding{code(systemPurpose, "ETREAT")},
			Actor: []r4.ConsentProvisionActor{{Role: concept(systemRole, "IRCP"), Reference: everyone}},
		})
	}
	for len(rest) > 0 {
		n := together(rest, base)
		root.Provision = append(root.Provision, *p.provisionOf(rest[:n], base))
		rest = rest[n:]
	}
	return root
}

// together is how many of the scopes form one exception: for all actors of the base rule, for all its holders or all its parties, or one.
func together(scopes, base []scope) int {
	holders, parties := sidesOf(base)
	for _, n := range []int{len(base), len(holders), len(parties)} {
		if n > len(scopes) || !product(scopes[:n]) {
			continue
		}
		h, p := sidesOf(scopes[:n])
		if (len(h) == 1 || slices.Equal(h, holders)) && (len(p) == 1 || slices.Equal(p, parties)) {
			return n
		}
	}
	return 1
}

// product reports whether scopes are one rule for each combination of some holders and some parties, in this order.
func product(scopes []scope) bool {
	holders, parties := sidesOf(scopes)
	if len(holders)*len(parties) != len(scopes) {
		return false
	}
	unnamed := consent.Side{}
	if len(holders) > 1 && slices.Contains(holders, unnamed) || len(parties) > 1 && slices.Contains(parties, unnamed) {
		return false
	}
	for i, s := range scopes {
		want := scopes[0]
		want.holder, want.party = holders[i/len(parties)], parties[i%len(parties)]
		if !s.equal(want) {
			return false
		}
	}
	return true
}

func sidesOf(scopes []scope) (holders, parties []consent.Side) {
	for _, s := range scopes {
		if !slices.Contains(holders, s.holder) {
			holders = append(holders, s.holder)
		}
		if !slices.Contains(parties, s.party) {
			parties = append(parties, s.party)
		}
	}
	return holders, parties
}

// provisionOf writes one rule for all its actors; in an exception, it omits those of the base rule.
func (p Profile) provisionOf(scopes, base []scope) *r4.ConsentProvision {
	s := scopes[0]
	out := &r4.ConsentProvision{Type: new(r4.ConsentProvisionTypePermit)}
	if s.decision == consent.DecisionDeny {
		out.Type = new(r4.ConsentProvisionTypeDeny)
	}
	if !s.from.IsZero() || !s.to.IsZero() {
		out.Period = &r4.Period{}
		if !s.from.IsZero() {
			out.Period.Start = new(written(s.from))
		}
		if !s.to.IsZero() {
			out.Period.End = new(lastBefore(s.to))
		}
	}
	holders, parties := sidesOf(scopes)
	if h, p := sidesOf(base); len(base) > 0 {
		if slices.Equal(h, holders) {
			holders = nil
		}
		if slices.Equal(p, parties) {
			parties = nil
		}
	}
	out.Actor = append(actorsOf("IRCP", parties, s.name), actorsOf("CST", holders, "")...)
	for _, purpose := range s.purposes {
		out.Purpose = append(out.Purpose, code(systemPurpose, purpose))
	}
	for _, name := range s.data {
		out.ModifierExtension = append(out.ModifierExtension, r4.Extension{Url: extensionData, ValueCoding: new(code(p.systemOf(name), name))})
	}
	if s.channel != "" {
		out.ModifierExtension = append(out.ModifierExtension, r4.Extension{Url: extensionChannel, ValueCode: &s.channel})
	}
	return out
}

// actorsOf names sides in a role; name is that of a person among them.
func actorsOf(role string, sides []consent.Side, name string) (list []r4.ConsentProvisionActor) {
	for _, side := range sides {
		if side != (consent.Side{}) {
			list = append(list, r4.ConsentProvisionActor{Role: concept(systemRole, role), Reference: referenceTo(side, name)})
		}
	}
	return list
}

// referenceTo names a provider, a category of providers, or a person.
func referenceTo(side consent.Side, name string) r4.Reference {
	if isPerson(side) {
		reference := r4.Reference{Type: new("RelatedPerson"), Identifier: &r4.Identifier{System: new(SystemPersonKey), Value: new(string(side.Person))}}
		if name != "" {
			reference.Display = &name
		}
		return reference
	}
	typ, system, value := "Group", systemCategory, side.Category
	switch {
	case side.Organization != "":
		typ, system, value = "Organization", systemProvider, side.Organization
	case side.Practitioner != "":
		typ, system, value = "Practitioner", systemProvider, side.Practitioner
	}
	for _, known := range namingSystems {
		if rest, found := strings.CutPrefix(value, known.prefix); found && slices.Contains(known.types, typ) && rest != "" && strings.TrimSpace(rest) == rest {
			system, value = known.system(), rest
			break
		}
	}
	return r4.Reference{Type: &typ, Identifier: &r4.Identifier{System: &system, Value: &value}}
}

func code(system, value string) r4.Coding { return r4.Coding{System: &system, Code: &value} }

func concept(system, value string) r4.CodeableConcept {
	return r4.CodeableConcept{Coding: []r4.Coding{code(system, value)}}
}
