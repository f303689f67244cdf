package policy_test

import (
	"slices"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// now is a summer day on which somebody born on 2 July 2010 has turned 16 in Amsterdam, though not yet in UTC.
var now = instant("2026-07-01T22:30:00Z")

const (
	adult   = "1961-02-03"
	eleven  = "2014-07-03"
	twelve  = "2014-07-02"
	fifteen = "2010-07-03"
	sixteen = "2010-07-02"
	minor   = "2008-07-03" // 17
	ofAge   = "2008-07-02" // 18
)

func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// provider is a general practitioner who treats an adult and asks a hospital for a condition; nothing is on file.
func provider(changes ...func(*policy.Input)) policy.Input {
	return change(policy.Input{
		At: now,
		Request: policy.Request{
			Actor: policy.Actor{
				Kind: policy.KindProvider, Assurance: policy.AssuranceSubstantial, Categories: []policy.ProviderCategory{"gp"},
				Organization: "ura:2", Practitioner: "uzi:3", Relationship: policy.RelationTreating,
			},
			Purpose: policy.PurposeTreatment, Channel: "regional", Category: "Condition",
			Holder: policy.Holder{Organization: "ura:1", Category: "hospital"},
		},
		Patient: policy.Patient{Key: "p1", BirthDate: adult},
	}, changes)
}

// patient is an adult who asks for the own record, representative somebody who asks for a child of 11.
func patient(changes ...func(*policy.Input)) policy.Input {
	in := provider()
	in.Request.Actor = policy.Actor{Kind: policy.KindPatient, Assurance: policy.AssuranceSubstantial, PatientKey: "p1"}
	in.Request.Purpose = policy.PurposePatientRequest
	return change(in, changes)
}

func representative(changes ...func(*policy.Input)) policy.Input {
	in := patient()
	in.Request.Actor.Kind, in.Request.Actor.Representative, in.Request.Actor.Authority = policy.KindRepresentative, "rep1", "parental"
	in.Patient.BirthDate = eleven
	return change(in, changes)
}

func change(in policy.Input, changes []func(*policy.Input)) policy.Input {
	for _, c := range changes {
		c(&in)
	}
	return in
}

func purpose(p policy.PurposeOfUse) func(*policy.Input) {
	return func(in *policy.Input) { in.Request.Purpose = p }
}

func categories(c ...policy.ProviderCategory) func(*policy.Input) {
	return func(in *policy.Input) { in.Request.Actor.Categories = c }
}

func assurance(l policy.AssuranceLevel) func(*policy.Input) {
	return func(in *policy.Input) { in.Request.Actor.Assurance = l }
}

func asks(c fhir.DataCategory) func(*policy.Input) {
	return func(in *policy.Input) { in.Request.Category = c }
}

func over(c policy.Channel) func(*policy.Input) {
	return func(in *policy.Input) { in.Request.Channel = c }
}

func born(date string) func(*policy.Input) {
	return func(in *policy.Input) { in.Patient.BirthDate = date }
}

func authority(a string) func(*policy.Input) {
	return func(in *policy.Input) { in.Request.Actor.Authority = a }
}

func related(r policy.Relationship) func(*policy.Input) {
	return func(in *policy.Input) { in.Request.Actor.Relationship = r }
}

func onFile(records ...consent.Record) func(*policy.Input) {
	return func(in *policy.Input) { in.Records = records }
}

func deceased(in *policy.Input)      { in.Patient.Deceased = true }
func incapacitated(in *policy.Input) { in.Patient.Flags.Incapacitated = true }

func withheld(c ...fhir.DataCategory) func(*policy.Input) {
	return func(in *policy.Input) { in.Patient.Flags.WithheldFromPatient = c }
}

// emergency adds a valid declaration.
func emergency(in *policy.Input) {
	in.Request.Purpose = policy.PurposeEmergency
	in.Request.Emergency = &policy.Emergency{Reason: "unconscious", ConsentImpossible: true}
}

// In these cases the patient gave the records in 2020, about general practitioners.
func record(id, decision string) consent.Record {
	return consent.Record{
		ID: consent.RecordID(id), Status: "active", Decision: decision, Party: consent.Side{Category: "gp"},
		RecordedAt: consent.Time{Time: instant("2020-01-01T00:00:00Z")}, GivenBy: []string{"patient"},
	}
}

func permit(id string) consent.Record  { return record(id, "permit") }
func refusal(id string) consent.Record { return record(id, "deny") }

func exception(id string) consent.Record {
	r := refusal(id)
	r.EmergencyException = true
	return r
}

func withdrawal(id string) consent.Record {
	r := permit(id)
	r.Status, r.WithdrawnAt, r.WithdrawnBy = "withdrawn", consent.Time{Time: instant("2021-01-01T00:00:00Z")}, []string{"patient"}
	return r
}

func about(r consent.Record, data ...string) consent.Record {
	r.Data = data
	return r
}

// decisionCase is one row of the specification: the question and the answer.
type decisionCase struct {
	name        string
	in          policy.Input
	reason      policy.Reason
	obligations []policy.Obligation
	records     []consent.RecordID
}

func decide(t *testing.T, tests []decisionCase) {
	t.Helper()
	decideBy(t, vectorPolicy(t), tests)
}

func decideBy(t *testing.T, p *policy.Policy, tests []decisionCase) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := p.Decide(tt.in)
			want := policy.Decision{Permit: tt.reason[:3] == "ok-", Reason: tt.reason, Obligations: tt.obligations, Records: tt.records}
			if !sameDecision(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func only(reason policy.Reason, name string, in policy.Input) decisionCase {
	return decisionCase{name: name, in: in, reason: reason}
}

var report = []policy.Obligation{"report-authority"}

func TestBlockedPartiesAreRefusedBeforeAnythingElse(t *testing.T) { // rule 1
	insurer, company := policy.BlockedInsurer, policy.BlockedCompanyDoctor
	doctor, examiner := policy.BlockedInsuranceDoctor, policy.BlockedMedicalExaminer
	decide(t, []decisionCase{
		{name: "an insurer, which is reported", in: provider(categories(insurer)), reason: "blocked-insurer", obligations: report},
		only("blocked-company-doctor", "a company doctor", provider(categories(company))),
		only("blocked-insurance-doctor", "an insurance doctor", provider(categories(doctor))),
		only("blocked-medical-examiner", "a medical examiner", provider(categories(examiner))),
		{name: "an insurer comes first", in: provider(categories(examiner, doctor, company, insurer)), reason: "blocked-insurer", obligations: report},
		only("blocked-company-doctor", "a company doctor comes second", provider(categories(examiner, doctor, company))),
		only("blocked-insurance-doctor", "an insurance doctor comes third", provider(categories(examiner, doctor))),
		only("blocked-company-doctor", "a blocked category beside another", provider(categories("gp", company))),
		only("blocked-medical-examiner", "employment is a medical examination", provider(purpose("EMPLOY"))),
		only("blocked-medical-examiner", "disability is a medical examination", provider(purpose("DISABILITY"))),
		only("blocked-medical-examiner", "insurance is a medical examination", provider(purpose("INSUR"))),
		{name: "a category comes before the purpose", in: provider(categories(insurer), purpose("EMPLOY")), reason: "blocked-insurer", obligations: report},
		only("blocked-company-doctor", "consent does not lift it", provider(categories(company), onFile(permit("a")))),
		only("blocked-company-doctor", "an emergency does not lift it", provider(categories(company), emergency)),
		only("blocked-company-doctor", "a referral does not lift it", provider(categories(company), over("referral"))),
		only("blocked-medical-examiner", "it comes before assurance", provider(purpose("INSUR"), assurance(policy.AssuranceNone))),
		only("blocked-medical-examiner", "a patient asks for it in vain too", patient(purpose("INSUR"))),
		only("blocked-company-doctor", "whoever asks as a patient is blocked too", patient(categories(company))),
		only("blocked-company-doctor", "whoever has no care role is blocked too", provider(categories(company), func(in *policy.Input) { in.Request.Actor.Kind = policy.KindOther })),
	})
}

func TestAssuranceIsTheSecondRule(t *testing.T) {
	decide(t, []decisionCase{
		only("insufficient-assurance", "none", provider(assurance(policy.AssuranceNone))),
		only("insufficient-assurance", "low", provider(assurance(policy.AssuranceLow))),
		only("no-consent", "substantial is enough", provider(assurance(policy.AssuranceSubstantial))),
		only("no-consent", "high is enough", provider(assurance(policy.AssuranceHigh))),
		only("insufficient-assurance", "a level above all levels is none", provider(assurance(policy.AssuranceHigh+1))),
		only("insufficient-assurance", "a level below all levels is none", provider(assurance(-1))),
		only("insufficient-assurance", "a patient", patient(assurance(policy.AssuranceLow))),
		only("insufficient-assurance", "a representative", representative(assurance(policy.AssuranceLow))),
		only("insufficient-assurance", "break glass does not lift it", provider(assurance(policy.AssuranceLow), emergency)),
		only("insufficient-assurance", "it comes before the purpose", patient(assurance(policy.AssuranceLow), purpose("TREAT"))),
		only("insufficient-assurance", "it comes before the category", provider(assurance(policy.AssuranceLow), categories())),
	})
}

func TestPatientsSeeTheirOwnRecord(t *testing.T) { // rule 3
	other := func(in *policy.Input) { in.Request.Actor.PatientKey = "p2" }
	decide(t, []decisionCase{
		only("ok-self", "an adult", patient()),
		only("purpose-not-allowed", "another purpose", patient(purpose("TREAT"), other)),
		only("purpose-not-allowed", "no purpose", patient(purpose(""))),
		only("patient-mismatch", "another patient's record", patient(other, deceased)),
		only("patient-mismatch", "nobody's record", patient(func(in *policy.Input) { in.Request.Actor.PatientKey, in.Patient.Key = "", "" })),
		only("deceased", "somebody who has died", patient(deceased, born(eleven))),
		only("age-not-allowed", "11 is too young", patient(born(eleven), withheld("Condition"))),
		only("ok-self", "12 is old enough", patient(born(twelve))),
		only("age-not-allowed", "15 is too young for medmij", patient(born(fifteen), over("medmij"))),
		only("ok-self", "16 is old enough for medmij", patient(born(sixteen), over("medmij"))),
		only("ok-self", "a channel that nobody configured has the common minimum", patient(born(twelve), over("elsewhere"))),
		only("age-not-allowed", "of unknown age", patient(born("1961"))),
		only("withheld-from-patient", "a data category that is withheld", patient(withheld("Alert", "Condition"))),
		only("ok-self", "another data category is withheld", patient(withheld("Alert"))),
		only("withheld-from-patient", "data of no known category are Restricted", patient(asks(""), withheld("Restricted"))),
		only("ok-self", "a refusal of others is not one of oneself", patient(onFile(refusal("a")))),
		only("ok-self", "incapacity does not matter", patient(incapacitated)),
		only("ok-self", "Restricted data are one's own", patient(asks("Restricted"))),
		only("ok-self", "the consents are one's own", patient(asks("Consent"))),
		only("ok-self", "an emergency does not matter", patient(func(in *policy.Input) { in.Request.Emergency = &policy.Emergency{} })),
		only("ok-self", "provider categories do not matter", patient(categories("astrologer", "gp"))),
	})
}

func TestRepresentatives(t *testing.T) { // rule 4
	other := func(in *policy.Input) { in.Request.Actor.PatientKey = "p2" }
	blocked := func(in *policy.Input) { in.Patient.Flags.RepresentativesBlocked = []string{"rep9", "rep1"} }
	tests := []decisionCase{
		only("ok-representative", "a parent of a child of 11", representative()),
		only("purpose-not-allowed", "another purpose", representative(purpose("TREAT"), other)),
		only("patient-mismatch", "another patient's record", representative(other, deceased)),
		only("deceased", "somebody who has died", representative(deceased, blocked)),
		only("representative-blocked", "a representative who is blocked", representative(blocked, authority("none"))),
		only("representative-blocked", "who is blocked, of a child of 12", representative(blocked, born(twelve))),
		only("ok-representative", "another representative is blocked", representative(func(in *policy.Input) { in.Patient.Flags.RepresentativesBlocked = []string{"rep2"} })),
		only("age-not-allowed", "a child of 12 must be asked", representative(born(twelve), withheld("Condition"))),
		only("age-not-allowed", "whatever the authority", representative(born(twelve), authority("written"))),
		only("age-not-allowed", "a child of 15 must be asked", representative(born(fifteen))),
		only("representative-not-authorised", "of unknown age", representative(born("2014-13-01"))),
		only("representative-not-authorised", "of unknown age and incapacitated", representative(born(""), incapacitated)),
		only("withheld-from-patient", "a data category that is withheld", representative(withheld("Condition"))),
		only("representative-not-authorised", "authority comes before what is withheld", representative(authority("mentor"), withheld("Condition"))),
	}
	// Who may act for whom, as in decision.md: every authority at every age.
	for _, at := range []struct {
		name, born string
		incapable  bool
		fit        []string
	}{
		{"at 11", eleven, false, []string{"parental", "guardian"}},
		{"at 11, incapacitated", eleven, true, []string{"parental", "guardian"}},
		{"at 12, incapacitated", twelve, true, []string{"parental", "guardian"}},
		{"at 15, incapacitated", fifteen, true, []string{"parental", "guardian"}},
		{"at 16", sixteen, false, []string{"written"}},
		{"at 16, incapacitated", sixteen, true, []string{"parental", "guardian"}},
		{"at 17", minor, false, []string{"written"}},
		{"at 17, incapacitated", minor, true, []string{"parental", "guardian"}},
		{"at 18", ofAge, false, []string{"written"}},
		{"at 18, incapacitated", ofAge, true, []string{"curator", "mentor", "written"}},
		{"at 65", adult, false, []string{"written"}},
		{"at 65, incapacitated", adult, true, []string{"curator", "mentor", "written"}},
	} {
		for _, a := range []string{"parental", "guardian", "curator", "mentor", "written", "administrator", ""} {
			want := policy.ReasonRepresentativeNotAuthorised
			if slices.Contains(at.fit, a) {
				want = policy.ReasonRepresentative
			}
			in := representative(born(at.born), authority(a))
			in.Patient.Flags.Incapacitated = at.incapable
			tests = append(tests, only(want, "authority "+a+" "+at.name, in))
		}
	}
	decide(t, tests)
}

func TestProvidersBeforeConsent(t *testing.T) { // rules 5 to 8
	kind := func(k policy.SubjectKind) func(*policy.Input) {
		return func(in *policy.Input) { in.Request.Actor.Kind = k }
	}
	declared := func(e policy.Emergency) func(*policy.Input) {
		return func(in *policy.Input) { in.Request.Purpose, in.Request.Emergency = policy.PurposeEmergency, &e }
	}
	open := onFile(permit("a"))
	decide(t, []decisionCase{
		only("unknown-category", "no care role", provider(kind(policy.KindOther), open)),
		only("unknown-category", "a kind that does not exist", provider(kind(99), open)),
		only("unknown-category", "no category", provider(categories(), open)),
		only("unknown-category", "a category that is not configured", provider(categories("astrologer"), open)),
		only("unknown-category", "one of two categories is not configured", provider(categories("gp", "astrologer"), open)),
		only("unknown-category", "an empty category", provider(categories(""), open)),
		only("ambiguous-category", "two categories", provider(categories("gp", "hospital"), open)),
		only("ambiguous-category", "two categories, one of them twice", provider(categories("gp", "gp", "hospital"), open)),
		{name: "the same category twice is one", in: provider(categories("gp", "gp"), open), reason: "ok-consent", records: []consent.RecordID{"a"}},
		only("ambiguous-category", "the category comes before the purpose", provider(categories("gp", "hospital"), purpose("HPAYMT"))),

		only("purpose-not-allowed", "payment", provider(purpose("HPAYMT"), open)),
		only("purpose-not-allowed", "a patient's purpose", provider(purpose("PATRQT"), open)),
		only("purpose-not-allowed", "no purpose", provider(purpose(""), open)),
		only("purpose-not-allowed", "the purpose comes before the data category", provider(purpose("HPAYMT"), asks("Consent"))),
		only("not-shareable", "consents", provider(asks("Consent"), onFile(about(permit("a"), "Consent")))),
		only("not-shareable", "access events", provider(asks("Logging"), onFile(about(permit("a"), "Logging")))),
		only("not-shareable", "access events, of no particular data", provider(asks("Logging"), open)),
		only("not-shareable", "a referral does not open consents", provider(asks("Consent"), over("referral"))),
		only("not-shareable", "an emergency does not open consents", provider(asks("Consent"), emergency)),
		only("not-shareable", "the data category comes before the declaration", provider(asks("Consent"), purpose("ETREAT"))),
		only("not-shareable", "the data category comes before the relation", provider(asks("Logging"), related("none"))),

		only("emergency-not-justified", "no declaration", provider(purpose("ETREAT"), open)),
		only("emergency-not-justified", "no natural person", provider(emergency, func(in *policy.Input) { in.Request.Actor.Practitioner = "" }, open)),
		only("emergency-not-justified", "a category that is not on the list", provider(emergency, categories("pharmacy"), open)),
		only("emergency-not-justified", "a blank reason", provider(declared(policy.Emergency{Reason: " \t\n\u00a0", ConsentImpossible: true}), open)),
		only("emergency-not-justified", "no reason", provider(declared(policy.Emergency{ConsentImpossible: true}), open)),
		only("emergency-not-justified", "consent is possible", provider(declared(policy.Emergency{Reason: "unconscious"}), open)),
		only("emergency-not-justified", "it comes before the deceased", provider(purpose("ETREAT"), deceased)),

		only("no-treatment-relation", "no relation", provider(related("none"), open)),
		only("no-treatment-relation", "nothing said", provider(related(""), open)),
		only("no-treatment-relation", "another relation", provider(related("family"), open)),
		only("no-treatment-relation", "it comes before implied consent", provider(related("none"), over("referral"))),
		only("no-treatment-relation", "a declaration without its purpose changes nothing", provider(related("none"), emergency, purpose("TREAT"))),
		only("no-consent", "directly involved is a relation", provider(related(policy.RelationDirectlyInvolved))),
		only("no-consent", "a substitute has a relation", provider(related(policy.RelationSubstitute))),
		only("no-consent", "research needs no relation", provider(related("none"), purpose("HRESCH"))),
	})
}

// capped is the policy of the vectors, with caps for some provider categories.
func capped(t testing.TB) *policy.Policy {
	t.Helper()
	c := vectorConfig(t)
	c.Necessary = map[policy.ProviderCategory][]string{"gp": {"GGC012", "Procedure"}, "pharmacy": {"GGC013"}, "ggz": {"GGC002"}, "lab": {"Restricted"}}
	p, err := policy.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDataThatIsNotNecessaryForTheWork(t *testing.T) {
	var everybody []consent.Record
	for _, category := range []string{"gp", "hospital", "pharmacy", "ggz", "lab"} {
		r := permit(category)
		r.Party.Category, r.Purposes = category, []string{"TREAT", "ETREAT", "HRESCH"}
		everybody = append(everybody, r)
		r = about(r, "Restricted")
		r.ID += "-restricted"
		everybody = append(everybody, r)
	}
	open := onFile(everybody...)
	by := func(category consent.RecordID) []consent.RecordID { return []consent.RecordID{category} }
	warned := []policy.Obligation{"alert", "review"}
	unasked := []policy.Obligation{"alert", "notify-patient", "review"}
	decideBy(t, capped(t), []decisionCase{
		only("not-for-role", "no consent opens what the category does not need", provider(open)),
		only("not-for-role", "nor does a consent that names it", provider(onFile(about(permit("a"), "Condition")))),
		only("not-for-role", "nor an implied one", provider(over("referral"))),
		only("not-for-role", "nor one to research", provider(open, purpose("HRESCH"))),
		only("not-for-role", "it says nothing of what the patient chose", provider(onFile(refusal("a")))),
		only("not-for-role", "nor whether the patient is dead", provider(deceased)),
		only("not-for-role", "a group that is not named", provider(open, asks("MedicationUse"))),
		only("not-for-role", "restricted data is in no group", provider(open, asks("Restricted"), categories("ggz"))),
		only("not-for-role", "nor is data of which nothing is known", provider(open, asks(""))),
		only("not-for-role", "unclassified data is in a group that is not named", provider(open, asks("Unclassified"))),
		only("not-for-role", "another category of data than the pharmacy's", provider(open, categories("pharmacy"))),

		{name: "a category in a group that is named", in: provider(open, asks("Imaging")), reason: "ok-consent", records: by("gp")},
		{name: "a category that is named", in: provider(open, asks("Procedure")), reason: "ok-consent", records: by("gp")},
		{name: "a category in a group that a named one includes", in: provider(open, asks("MedicationUse"), categories("ggz")), reason: "ok-consent", records: by("ggz")},
		{name: "restricted data that is named", in: provider(open, asks("Restricted"), categories("lab")), reason: "ok-consent", records: by("lab-restricted")},
		{name: "data of which nothing is known counts as that", in: provider(open, asks(""), categories("lab")), reason: "ok-consent", records: by("lab-restricted")},
		{name: "a provider category without a cap", in: provider(open, categories("hospital")), reason: "ok-consent", records: by("hospital")},
		only("no-consent", "what is necessary still needs consent", provider(asks("Imaging"))),

		{name: "an emergency opens what nobody was asked about", in: provider(emergency), reason: "ok-emergency-unknown", obligations: unasked},
		{name: "an emergency beyond the cap is reviewed, consent or not", in: provider(emergency, open), reason: "ok-consent", obligations: warned, records: by("gp")},
		{name: "an emergency within the cap is like any other", in: provider(emergency, open, asks("Imaging")), reason: "ok-consent", records: by("gp")},
		{name: "an emergency opens nothing that was refused", in: provider(emergency, onFile(refusal("a"))), reason: "emergency-refused", records: by("a")},
		only("emergency-not-justified", "who may declare none has no emergency", provider(emergency, open, categories("pharmacy"))),
		only("no-treatment-relation", "the relation comes first", provider(open, related("none"))),
		only("not-shareable", "what is never shared comes first", provider(open, asks("Consent"))),

		only("ok-self", "patients have no cap", patient()),
		only("ok-self", "nor those who work in care", patient(categories("pharmacy"))),
		only("ok-representative", "representatives have no cap", representative(categories("pharmacy"))),
	})
}

func TestProvidersAndConsent(t *testing.T) { // rules 9 to 14
	all := []policy.Obligation{"alert", "notify-patient", "review"}
	a := []consent.RecordID{"a"}
	open, refused, excepted, gone := onFile(permit("a")), onFile(refusal("a")), onFile(exception("a")), onFile(withdrawal("a"))
	posthumous := permit("a")
	posthumous.Posthumous = true
	research := permit("a")
	research.Purposes = []string{"HRESCH"}
	noRelation := related("none")
	decide(t, []decisionCase{
		{name: "consent", in: provider(open), reason: "ok-consent", records: a},
		{name: "consent of several records, sorted", in: provider(onFile(permit("b"), permit("a"))), reason: "ok-consent", records: []consent.RecordID{"a", "b"}},
		{name: "consent, in an emergency, by who treats", in: provider(emergency, open), reason: "ok-consent", records: a},
		{name: "consent, in an emergency, by who does not treat", in: provider(emergency, open, noRelation), reason: "ok-consent",
			obligations: []policy.Obligation{"alert", "review"}, records: a},
		{name: "consent to research, without a relation", in: provider(purpose("HRESCH"), noRelation, onFile(research)), reason: "ok-consent", records: a},
		{name: "consent on a referral", in: provider(over("referral"), open), reason: "ok-consent", records: a},
		{name: "posthumous consent", in: provider(deceased, onFile(posthumous)), reason: "ok-consent", records: a},

		only("deceased", "consent ends with life", provider(deceased, open)),
		only("deceased", "it comes before the refusal", provider(deceased, refused)),
		only("deceased", "it comes before the emergency", provider(deceased, emergency)),
		only("deceased", "it comes before implied consent", provider(deceased, over("referral"))),

		{name: "an emergency opens unknown", in: provider(emergency), reason: "ok-emergency-unknown", obligations: all},
		{name: "an emergency opens unknown, without a relation", in: provider(emergency, noRelation), reason: "ok-emergency-unknown", obligations: all},
		{name: "an emergency opens an exception", in: provider(emergency, excepted), reason: "ok-emergency-exception", obligations: all, records: a},
		{name: "an emergency does not open a refusal", in: provider(emergency, refused), reason: "emergency-refused", records: a},
		{name: "an emergency does not open a withdrawal", in: provider(emergency, gone), reason: "emergency-refused", records: a},
		{name: "an emergency opens Restricted", in: provider(emergency, asks("Restricted")), reason: "ok-emergency-unknown", obligations: all},
		{name: "an emergency does not open Restricted when all was refused", in: provider(emergency, asks("Restricted"), refused), reason: "emergency-refused", records: a},
		{name: "an emergency on a referral is an emergency", in: provider(emergency, over("referral")), reason: "ok-emergency-unknown", obligations: all},

		{name: "a refusal", in: provider(refused), reason: "consent-refused", records: a},
		{name: "a refusal with an exception", in: provider(excepted), reason: "consent-refused", records: a},
		{name: "a withdrawal", in: provider(gone), reason: "consent-withdrawn", records: a},
		{name: "a refusal on a referral", in: provider(over("referral"), refused), reason: "consent-refused", records: a},
		{name: "a withdrawal on a referral", in: provider(over("referral"), gone), reason: "consent-withdrawn", records: a},

		{name: "implied consent", in: provider(over("referral")), reason: "ok-implied", obligations: []policy.Obligation{"notify-patient"}},
		{name: "implied consent to what nothing classifies", in: provider(over("referral"), asks("Unclassified")), reason: "ok-implied", obligations: []policy.Obligation{"notify-patient"}},
		only("no-consent", "no implied consent to Restricted", provider(over("referral"), asks("Restricted"))),
		only("no-consent", "no implied consent to data of which nothing is known", provider(over("referral"), asks(""))),
		only("no-consent", "no implied consent to research", provider(over("referral"), purpose("HRESCH"))),

		only("no-consent", "nothing on file", provider()),
		only("no-consent", "a channel that nobody configured asks for consent", provider(over("elsewhere"))),
		only("no-consent", "consent to no particular data does not open Restricted", provider(open, asks("Restricted"))),
		only("no-consent", "consent to no particular data does not open data of which nothing is known", provider(open, asks(""))),
		{name: "consent to Restricted opens it", in: provider(onFile(about(permit("a"), "Restricted")), asks("Restricted")), reason: "ok-consent", records: a},
		{name: "GGC002 covers what nothing classifies", in: provider(onFile(about(permit("a"), "GGC002")), asks("Unclassified")), reason: "ok-consent", records: a},
		{name: "GGC002 includes GGC012", in: provider(onFile(about(permit("a"), "GGC002")), asks("Imaging")), reason: "ok-consent", records: a},
		{name: "GGC002 includes GGC013", in: provider(onFile(about(permit("a"), "GGC002")), asks("MedicationUse")), reason: "ok-consent", records: a},
		only("no-consent", "GGC012 does not include GGC002", provider(onFile(about(permit("a"), "GGC012")), asks("Condition"))),
		only("no-consent", "GGC012 does not include GGC013", provider(onFile(about(permit("a"), "GGC012")), asks("MedicationUse"))),
		only("no-consent", "no group holds Restricted", provider(onFile(about(permit("a"), "GGC002", "GGC012", "GGC013")), asks("Restricted"))),
	})
}

// TestConsentIsAskedOfTheRequest: each part of the request reaches the consent state.
func TestConsentIsAskedOfTheRequest(t *testing.T) {
	p := vectorPolicy(t)
	named := permit("a")
	named.Party, named.Channel, named.Purposes = consent.Side{Practitioner: "uzi:3"}, "regional", []string{"TREAT"}
	named.Holder = consent.Side{Organization: "ura:1"}
	matching := provider(onFile(named))
	if got := p.Decide(matching); got.Reason != policy.ReasonConsent {
		t.Fatalf("got %+v, want consent", got)
	}
	for name, change := range map[string]func(*consent.Record){
		"practitioner":        func(r *consent.Record) { r.Party = consent.Side{Practitioner: "uzi:4"} },
		"organization":        func(r *consent.Record) { r.Party = consent.Side{Organization: "ura:1"} },
		"party's category":    func(r *consent.Record) { r.Party = consent.Side{Category: "hospital"} },
		"holder":              func(r *consent.Record) { r.Holder = consent.Side{Organization: "ura:2"} },
		"holder's category":   func(r *consent.Record) { r.Holder = consent.Side{Category: "gp"} },
		"channel":             func(r *consent.Record) { r.Channel = "lsp" },
		"purpose":             func(r *consent.Record) { r.Purposes = []string{"HRESCH"} },
		"time":                func(r *consent.Record) { r.ValidTo = consent.Time{Time: now} },
		"age and who gave it": func(r *consent.Record) { r.GivenBy = []string{"representative"} },
	} {
		other := named
		change(&other)
		if got := p.Decide(provider(onFile(other))); got.Reason != policy.ReasonNoConsent {
			t.Errorf("another %s: got %+v, want no consent", name, got)
		}
	}
	other := named
	other.GivenBy = []string{"representative"}
	if got := p.Decide(provider(onFile(other), incapacitated)); got.Reason != policy.ReasonConsent {
		t.Errorf("a representative of an incapacitated patient: got %+v, want consent", got)
	}
}

func TestZeroValuesDeny(t *testing.T) {
	var zero policy.Policy
	for name, in := range map[string]policy.Input{"nothing": {}, "a patient": patient(), "a representative": representative(), "a provider": provider(onFile(permit("a")))} {
		if got := zero.Decide(in); got.Permit {
			t.Errorf("a policy that nobody configured, %s: got %+v", name, got)
		}
	}
	if got := vectorPolicy(t).Decide(policy.Input{}); got.Permit {
		t.Errorf("a question that nobody asked: got %+v", got)
	}
	if (policy.Decision{}).Permit {
		t.Error("a decision that nobody took permits")
	}
}

// TestSpeaks: whoever may see the record may see and say what the patient decides, and so may those who consent together with somebody of
// 12 to 15.
func TestSpeaks(t *testing.T) {
	p := vectorPolicy(t)
	for _, tt := range []struct {
		name   string
		in     policy.Input
		reason policy.Reason
		along  bool
	}{
		{"a parent of a child of 11", representative(born(eleven)), "ok-representative", false},
		{"a parent of somebody of 12", representative(born(twelve)), "ok-representative", true},
		{"the guardian of somebody of 15", representative(born(fifteen), authority("guardian")), "ok-representative", true},
		{"another's right over somebody of 12", representative(born(twelve), authority("written")), "representative-not-authorised", false},
		{"what is withheld", representative(born(twelve), withheld("Condition")), "withheld-from-patient", false},
		{"a parent of somebody of 16", representative(born(sixteen)), "representative-not-authorised", false},
		{"somebody of 12, incapacitated", representative(born(twelve), incapacitated), "ok-representative", false},
	} {
		if d, along := p.Speaks(tt.in); d.Reason != tt.reason || along != tt.along || d.Permit != (d.Reason == policy.ReasonRepresentative) {
			t.Errorf("%s: got %s %v, want %s %v", tt.name, d.Reason, along, tt.reason, tt.along)
		}
	}
}

// TestSince: names in consents have the meaning they had when recorded; the policy itself is unchanged.
func TestSince(t *testing.T) {
	p := vectorPolicy(t)
	var never *consent.Changes
	in := provider(func(in *policy.Input) {
		in.Records = []consent.Record{{
			ID: "r", Status: consent.StatusActive, Decision: consent.DecisionPermit, Party: consent.Side{Category: "gp"}, GivenBy: []string{consent.ByPatient},
			RecordedAt: consent.Time{Time: in.At.Add(-time.Hour)},
		}}
	})
	ended := p.Since(never.And(consent.Changes{Ended: []consent.Ended{{At: in.At, Kind: consent.NameOfParty, Name: "gp"}}}))
	if before, after := p.Decide(in).Reason, ended.Decide(in).Reason; before != policy.ReasonConsent || after != policy.ReasonNoConsent {
		t.Errorf("got %s, and %s since, want ok-consent and no-consent", before, after)
	}
}
