package consentfhir

import (
	"slices"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Read reads a Consent resource, or refuses it: the error joins one *consent.FieldError for everything that is wrong, whose Field is the
// element. Errors contain no values. Whether the names in the records are known is checked by consent.Catalogue.CheckWrite, not here.
func (p Profile) Read(b []byte) (Consent, error) {
	n, err := parse(b)
	if err != nil {
		return Consent{}, err
	}
	r := &resource{walk: &walk{profile: p}}
	r.read(n)
	if err := r.walk.err(); err != nil {
		return Consent{}, err
	}
	return r.consent(), nil
}

// resource collects the contents of one resource.
type resource struct {
	*walk
	id, version string
	patient     reference
	performers  []performer
	policy      Policy
	foreign     bool
	rule        string
	stated      bool           // there is a policy or a policyRule
	common      consent.Record // what all records of the resource share
	root        *provision
	scopes      []scope // one for each record

	recordedBefore, withdrawnBefore time.Time // as in Consent
}

// performer is who consented, and the element that says so.
type performer struct {
	path string
	reference
}

// statuses are the statuses of a Consent that the gateway knows.
var statuses = map[string]string{
	"active": consent.StatusActive, "inactive": consent.StatusWithdrawn, "entered-in-error": consent.StatusEnteredInError,
}

// read reads the elements, and then checks what concerns several of them.
func (r *resource) read(n node) {
	r.object("", n, map[string]visit{
		"resourceType": r.one("Consent"),
		"id":           r.string(&r.id), "meta": r.meta, "text": r.narrative,
		"extension": r.extensions(map[string]visit{
			extensionPosthumous:  r.once(r.valued("valueBoolean", r.boolean(&r.common.Posthumous))),
			extensionMethod:      r.once(r.valued("valueString", r.string(&r.common.Method))),
			extensionRecordedBy:  r.once(r.valued("valueString", r.string(&r.common.RecordedBy))),
			extensionInformation: r.once(r.information),
			extensionWithdrawn:   r.once(r.withdrawn),
		}),
		"status": func(path string, n node) {
			if r.common.Status = statuses[n.text]; n.kind != text || r.common.Status == "" {
				r.refuse(path, "is not active, inactive or entered-in-error")
			}
		},
		"scope":           r.scope,
		"category":        r.each(r.category),
		"patient":         func(path string, n node) { r.patient = r.reference(path, n) },
		"dateTime":        r.dated(&r.common.RecordedAt.Time, &r.recordedBefore),
		"performer":       r.each(func(path string, n node) { r.performers = append(r.performers, performer{path, r.reference(path, n)}) }),
		"organization":    r.each(func(path string, n node) { r.reference(path, n) }), // who keeps the consent: here it is the gateway
		"sourceReference": func(path string, n node) { r.reference(path, n) },         // where the signed document is: not kept
		"policy":          r.each(r.policyOf),
		"policyRule":      r.policyRule,
		"provision":       func(path string, n node) { r.root = r.provision(path, n, 0) },
	})
	for _, name := range []string{"resourceType", "status", "scope", "category", "performer", "provision"} {
		if !slices.Contains(n.names, name) {
			r.refuse(name, "is missing")
		}
	}
	r.givenBy()
	r.agree()
}

func (r *resource) meta(path string, n node) {
	r.object(path, n, map[string]visit{
		"versionId": r.string(&r.version), "lastUpdated": r.instant(new(time.Time)),
		"profile": r.each(func(path string, n node) {
			if n.kind != text || !slices.Contains(profiles, n.text) {
				r.refuse(path, "is not a profile that is served: ours, PCF Basic or PCF Intermediate")
			}
		}),
		"security": r.each(func(path string, n node) {
			label := r.coding(path, n)
			if label != (coding{systemPurpose, "HTEST"}) || !r.profile.TestData {
				r.refuse(path, "is a label that is not taken")
			}
		}),
	})
}

// narrative accepts a text that was generated from the elements, and so adds nothing.
func (r *resource) narrative(path string, n node) {
	r.object(path, n, map[string]visit{"status": r.one("generated"), "div": r.ignored()})
}

func (r *resource) scope(path string, n node) {
	if c := r.concept(path, n); c != (coding{systemScope, "patient-privacy"}) {
		r.refuse(path, "is not patient-privacy")
	}
}

func (r *resource) category(path string, n node) {
	if c := r.concept(path, n); c != (coding{systemLOINC, codeConsent}) {
		r.refuse(path, "is not LOINC 59284-0, a consent")
	}
}

func (r *resource) information(path string, n node) {
	i := &r.common.Information
	r.nested(path, n, map[string]visit{
		"id":       r.once(r.valued("valueString", r.string(&i.ID))),
		"version":  r.once(r.valued("valueString", r.string(&i.Version))),
		"language": r.once(r.valued("valueString", r.string(&i.Language))),
		"sha256":   r.once(r.valued("valueString", r.string(&i.SHA256))),
	})
}

func (r *resource) withdrawn(path string, n node) {
	r.nested(path, n, map[string]visit{
		"at": r.once(r.valued("valueDateTime", r.dated(&r.common.WithdrawnAt.Time, &r.withdrawnBefore))),
		"by": r.valued("valueCode", func(path string, n node) {
			if n.text != consent.ByPatient && n.text != consent.ByRepresentative {
				r.refuse(path, "is not patient or representative")
				return
			}
			r.common.WithdrawnBy = append(r.common.WithdrawnBy, n.text)
		}),
	})
}

// nested reads an extension that consists of extensions.
func (r *resource) nested(path string, n node, known map[string]visit) {
	has := false
	read := r.extensions(known)
	r.object(path, n, map[string]visit{"url": r.ignored(), "extension": func(path string, n node) { has = true; read(path, n) }})
	if !has {
		r.refuse(path, "has nothing in it")
	}
}

// policyOf reads the rules under which the consent was given: ours, or configured ones, with what the patient was shown.
func (r *resource) policyOf(path string, n node) {
	uri := ""
	r.object(path, n, map[string]visit{"uri": r.string(&uri)})
	r.stated = true
	if uri == policyURI {
		return
	}
	policy, known := r.profile.Policies[uri]
	switch {
	case !known:
		r.refuse(join(path, "uri"), "is not a policy that is configured")
	case r.foreign && policy != r.policy:
		r.refuse(join(path, "uri"), "is a second policy")
	}
	r.policy, r.foreign = policy, true
}

func (r *resource) policyRule(path string, n node) {
	c := r.concept(path, n)
	r.stated = true
	if r.rule = c.code; c.system != systemPolicyRule || c.code != "OPTIN" && c.code != "OPTOUT" {
		r.refuse(path, "is not OPTIN or OPTOUT")
	}
}

// givenBy determines each performer's capacity: the patient, or a representative.
func (r *resource) givenBy() {
	for _, p := range r.performers {
		same := p.literal == r.patient.literal && p.system == r.patient.system && p.value == r.patient.value
		switch {
		case p.names("RelatedPerson"):
			r.common.GivenBy = append(r.common.GivenBy, consent.ByRepresentative)
		case p.names("Patient") && same, p.typ == "Patient" && p.literal == "" && !p.logical(), same && p.logical():
			r.common.GivenBy = append(r.common.GivenBy, consent.ByPatient)
		case p.names("Patient"):
			r.refuse(p.path, "is another patient: a representative is a RelatedPerson")
		default:
			r.refuse(p.path, "is neither the patient nor a representative")
		}
	}
}

// agree checks that the elements are consistent.
func (r *resource) agree() {
	if !r.stated {
		r.refuse("policy", "is missing")
	}
	if r.root != nil && (r.rule == "OPTIN" && r.root.typ == consent.DecisionDeny || r.rule == "OPTOUT" && r.root.typ == consent.DecisionPermit) {
		r.refuse("policyRule", "says the opposite of provision.type: the profile has no rule beside the provision")
	}
	if r.patient.literal != "" && !r.patient.names("Patient") || r.patient.typ != "" && r.patient.typ != "Patient" {
		r.refuse("patient", "is not a Patient")
	}
	if c := &r.common; r.foreign {
		if c.Information == (consent.Information{}) {
			c.Information = r.policy.Information
		}
		if c.Method == "" {
			c.Method = r.policy.Method
		}
	}
	if r.root != nil && len(r.problems) == 0 {
		r.records()
	}
}

// consent is the Consent that was read.
func (r *resource) consent() Consent {
	c := Consent{
		ID: consent.RecordID(r.id), Version: r.version, PatientReference: r.patient.literal,
		Patient:        fhir.Identifier{System: r.patient.system, Value: r.patient.value},
		recordedBefore: r.recordedBefore, withdrawnBefore: r.withdrawnBefore,
	}
	for _, s := range r.scopes {
		record := r.common
		s.into(&record)
		c.Records = append(c.Records, record)
	}
	return c
}
