// Package consentfhir is the FHIR form of consent records: R4 Consent, by the profile of docs/consent-profile.md, and by the Basic and
// Intermediate profiles of IHE Privacy Consent on FHIR (PCF). It is pure: no I/O, no clock, no logging. What the profile cannot express is
// refused, naming the element; nothing is guessed, and nothing that could change a decision is dropped.
package consentfhir

import (
	"slices"
	"strings"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Consent is one Consent resource. It may contain several records, which are created, changed and withdrawn together: a base rule for each
// of its actors, and the exceptions to it.
type Consent struct {
	ID      consent.RecordID // empty if it has none yet
	Version string           // meta.versionId
	Updated time.Time        // meta.lastUpdated
	// Patient is the identifier of the patient; PatientReference is a literal reference instead. Both are empty if the resource names no
	// patient.
	Patient          fhir.Identifier
	PatientReference string
	// Records is not empty. The records of a resource that was read have no ids.
	Records []consent.Record

	// The first instants after those that dateTime, and the withdrawal's date, may mean; zero unless that is a date without a time of day.
	recordedBefore, withdrawnBefore time.Time
}

// Profile is how this gateway reads and writes Consent: the fixed rules and the configuration. Its zero value knows no groups, and nothing
// of other systems.
type Profile struct {
	Groups []string // of data categories
	// Parties are the literal references by which other systems name providers: "Organization/ex-org-researcher". Emergency are those that
	// mean everyone who may act in an emergency: "Group/ex-privilegedUsers".
	Parties   map[string]consent.Side
	Emergency []string
	// Person returns the key of somebody a patient may choose, from a configured issuer's name for that person; nil: only the key itself is
	// accepted.
	Person func(fhir.Identifier) (consent.PersonKey, bool)
	// Policies are the known policies of others, by URI: what a patient who agreed to one was shown, and how.
	Policies map[string]Policy
	// TestData accepts resources labelled as test data (HTEST). A gateway for real records does not set it.
	TestData bool
}

// Policy says what a consent under another's policy is based on.
type Policy struct {
	Information consent.Information
	Method      string
}

// The names of the profile: extensions, identifier systems and code systems of our own.
const (
	URL = "urn:zorgsluis:StructureDefinition:consent" // of the profile, in meta.profile

	// ProfileBasic and ProfileIntermediate are the profiles of IHE PCF that are read as well.
	ProfileBasic        = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentBasic"
	ProfileIntermediate = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentIntermediate"

	extensionData        = "urn:zorgsluis:consent:data-category" // modifier: it narrows a provision
	extensionChannel     = "urn:zorgsluis:consent:channel"       // modifier
	extensionPosthumous  = "urn:zorgsluis:consent:posthumous"
	extensionMethod      = "urn:zorgsluis:consent:method"
	extensionRecordedBy  = "urn:zorgsluis:consent:recorded-by"
	extensionInformation = "urn:zorgsluis:consent:information"
	extensionWithdrawn   = "urn:zorgsluis:consent:withdrawn"

	// SystemPersonKey is the system of person keys: the pseudonym that names the patient in what the gateway writes.
	SystemPersonKey = "urn:zorgsluis:person-key"

	systemProvider   = "urn:zorgsluis:provider" // identifiers whose prefix has no naming system
	systemCategory   = "urn:zorgsluis:provider-category"
	systemEmergency  = "urn:zorgsluis:emergency-providers" // one value: everyone
	valueEmergency   = "all"
	systemGroup      = "urn:zorgsluis:data-category-group"
	systemOwnData    = "urn:zorgsluis:data-category" // Restricted and Unclassified, which are not categories of the code system below
	systemData       = "http://minvws.github.io/generiekefuncties-docs/CodeSystem/nl-gf-data-categories-cs"
	systemPurpose    = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	systemRole       = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	systemScope      = "http://terminology.hl7.org/CodeSystem/consentscope"
	systemLOINC      = "http://loinc.org"
	codeConsent      = "59284-0"
	systemPolicyRule = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

	policyURI = "urn:zorgsluis:policy:decision" // the rules by which the gateway decides
)

// profiles are those that a resource may claim.
var profiles = []string{URL, ProfileBasic, ProfileIntermediate}

// namingSystem is a naming system of providers (consent.NamingSystem) that a resource may use, and whom it numbers.
type namingSystem struct {
	prefix string
	types  []string
}

func (s namingSystem) system() string { return consent.NamingSystem(s.prefix) }

// namingSystems has no insurers: no consent opens anything for them.
var namingSystems = []namingSystem{
	{"ura:", []string{"Organization"}},
	{"uzi:", []string{"Practitioner"}},
	{"agb:", []string{"Organization", "Practitioner"}},
	{"big:", []string{"Practitioner"}},
	{"kvk:", []string{"Organization"}},
}

// everyPurpose is every purpose that a consent can have (decision.md, rule 6). A refusal that names them all refuses everything, but is not
// a total objection, which would end the permits in the same Consent.
var everyPurpose = []string{"TREAT", "ETREAT", "HRESCH"}

// maxRecords bounds how many records one resource may contain.
const maxRecords = 50

// groupDigits is how many digits, at the end of their ids, distinguish the records of one Consent.
const groupDigits = 8

// Same reports whether two ids are of records of one Consent: all but their last digits agree.
func Same(a, b consent.RecordID) bool {
	return a == b || len(a) == len(b) && len(a) > groupDigits && a[:len(a)-groupDigits] == b[:len(b)-groupDigits]
}

// Sibling is the id of another record of id's Consent, with these last digits: eight, of lower-case hex.
func Sibling(id consent.RecordID, digits string) consent.RecordID {
	if len(id) <= groupDigits || len(digits) != groupDigits {
		return ""
	}
	return id[:len(id)-groupDigits] + consent.RecordID(digits)
}

// Of returns the Consents of a standing, in the order in which they were first recorded.
func Of(st consent.Standing) []Consent {
	var all []Consent
	for _, r := range st.Records {
		at := slices.IndexFunc(all, func(c Consent) bool { return Same(c.ID, r.ID) && sameCommon(c.Records[0], r) })
		if at < 0 {
			all = append(all, Consent{ID: r.ID})
			at = len(all) - 1
		}
		c := &all[at]
		c.Records = append(c.Records, r)
		for _, t := range []time.Time{r.RecordedAt.Time, r.WithdrawnAt.Time} {
			if t.After(c.Updated) {
				c.Updated = t
			}
		}
	}
	for i := range all {
		all[i].Version = versionOf(all[i].Updated)
	}
	return all
}

// Holds reports whether a record is one of those that the Consent stands for.
func (c Consent) Holds(id consent.RecordID) bool {
	return slices.ContainsFunc(c.Records, func(r consent.Record) bool { return r.ID == id })
}

// versionOf names the version made at an instant of the store: no two changes of one person have the same.
func versionOf(at time.Time) string {
	return strings.NewReplacer("-", "", ":", "", ".", "-").Replace(at.UTC().Format("2006-01-02T15:04:05.000000Z"))
}

// Category is the only category (LOINC) of the Consents that are served.
const Category = codeConsent

// Status is the status of a record's Consent.
func Status(r consent.Record) string {
	for status, of := range statuses {
		if of == r.Status {
			return status
		}
	}
	return ""
}

// elements maps a field of a record to its element in the resource.
var elements = map[string]string{
	"status": "status", "decision": "provision.type", "emergency_exception": "provision.provision",
	"holder": "provision.actor", "party": "provision.actor", "party_name": "provision.actor.reference.display", "data": "provision.modifierExtension", "channel": "provision.modifierExtension",
	"purposes": "provision.purpose", "valid_from": "provision.period.start", "valid_to": "provision.period.end",
	"recorded_at": "dateTime", "given_by": "performer", "withdrawn_at": "extension(withdrawn)", "withdrawn_by": "extension(withdrawn)",
	"method": "extension(method)", "information": "extension(information)",
}

// Element is the element for a field of a record, as consent.FieldError names it.
func Element(field string) string {
	name, rest, nested := strings.Cut(field, ".")
	element, known := elements[name]
	switch {
	case !known:
		return field
	case nested && name == "information":
		return element + "." + rest
	}
	return element
}
