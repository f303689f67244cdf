package consent_test

import (
	"slices"
	"strings"
	"testing"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

var catalogue = consent.Catalogue{
	ProviderCategories: []string{"gp", "hospital"},
	DataCategories:     []fhir.DataCategory{"Condition", "Imaging"},
	Groups:             []string{"GGC002", "GGC012"},
	Channels:           []string{"regional", "lsp"},
}

// proper is a permit that may be written.
func proper(changes ...func(*consent.Record)) consent.Record {
	r := consent.Record{
		ID: "s01-a", Status: "active", Decision: "permit", Party: consent.Side{Category: "gp"}, Data: []string{"GGC002"},
		Channel: "regional", Purposes: []string{"TREAT"}, RecordedAt: at("2026-06-01T11:00:00Z"), GivenBy: []string{"patient"},
		Method: "portal",
		Information: consent.Information{
			ID: "leaflet", Version: "3", Language: "nl", SHA256: "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08",
		},
	}
	for _, change := range changes {
		change(&r)
	}
	return r
}

// person is the key of somebody chosen by a patient; mandate names that person.
const person = consent.PersonKey("0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a")

func mandate(r *consent.Record) {
	r.Party, r.PartyName, r.Purposes = consent.Side{Person: person}, "Anja, de buurvrouw", []string{consent.PurposeMandate}
}

func TestCheckWriteComparesTheInformation(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	leaflet := consent.Information{ID: "leaflet", Version: "2", Language: "nl", SHA256: digest}
	c := catalogue
	c.Information = []consent.Information{{ID: "leaflet", Version: "1", Language: "nl", SHA256: strings.Repeat("cd", 32)}, leaflet}
	shown := func(i consent.Information) func(*consent.Record) {
		return func(r *consent.Record) { r.Information = i }
	}
	objection := func(r *consent.Record) { r.Decision, r.Information = "deny", consent.Information{} }
	for _, tt := range []struct {
		name   string
		record consent.Record
		want   string
	}{
		{"the text that is configured", proper(shown(leaflet)), ""},
		{"its digest in capitals", proper(shown(consent.Information{ID: "leaflet", Version: "2", Language: "nl", SHA256: strings.ToUpper(digest)})), ""},
		{"an objection without any", proper(objection), ""},
		{"a text that is not configured", proper(shown(consent.Information{ID: "leaflet", Version: "3", Language: "nl", SHA256: digest})), "information: names"},
		{"a language that is not configured", proper(shown(consent.Information{ID: "leaflet", Version: "2", Language: "en", SHA256: digest})), "information: names"},
		{"the digest of another version", proper(shown(consent.Information{ID: "leaflet", Version: "1", Language: "nl", SHA256: digest})), "information.sha256: is not that"},
		{"an objection to what was never shown", proper(objection, shown(consent.Information{ID: "other", Version: "2", Language: "nl", SHA256: digest})), "information: names"},
	} {
		err := c.CheckWrite(tt.record, at("2026-06-01T12:00:00Z").Time)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestCheckWrite(t *testing.T) {
	objection := func(r *consent.Record) { r.Decision, r.Method, r.Information = "deny", "", consent.Information{} }
	many := slices.Repeat([]string{"Condition"}, 101)
	tests := []struct {
		name   string
		record consent.Record
		want   []string
	}{
		{"a permit", proper(), nil},
		{"an objection to everything, without information", proper(objection, party(consent.Side{}), data(), purposes(), channel("")), nil},
		{"an objection with exception", proper(objection, exceptEmergency), nil},
		{"all that can be named", proper(
			party(consent.Side{Practitioner: "uzi:3"}), holder(consent.Side{Organization: "ura:1"}), data("GGC012", "Imaging", "Restricted", "Unclassified"),
			purposes("TREAT", "ETREAT", "HRESCH"), channel("lsp"), givenBy("patient", "representative"),
			from("2026-07-01T00:00:00Z"), until("2026-07-01T00:00:01Z")), nil},
		{"a person whom the patient chose", proper(mandate), nil},
		{"a person who may not see something", proper(mandate, objection, data("Imaging")), nil},
		{"a person without a name", proper(mandate, func(r *consent.Record) { r.PartyName = "" }), []string{"party_name: is missing, or has the wrong form"}},
		{"a person with a number for a name", proper(mandate, func(r *consent.Record) { r.PartyName = "Anja 999990019" }), []string{"party_name: holds what could be a citizen service number"}},
		{"a person by a number", proper(mandate, party(consent.Side{Person: "999990019"})), []string{"party.person: is not the key of a person"}},
		{"a person and a category", proper(mandate, party(consent.Side{Person: person, Category: "gp"})), []string{"party: names more than one of category, organization and practitioner"}},
		{"a person who holds data", proper(holder(consent.Side{Person: person})), []string{"holder.person: cannot hold data: name an organization or a category"}},
		{"a person for treatment", proper(mandate, purposes("TREAT")), []string{"purposes: is not PATRQT, the one purpose of a person"}},
		{"a person for no purpose", proper(mandate, purposes()), []string{"purposes: is not PATRQT, the one purpose of a person"}},
		{"a patient's request by a care provider", proper(purposes("PATRQT")), []string{"purposes: names something unknown"}},
		{"a person named by a representative", proper(mandate, givenBy("representative")), []string{"given_by: is not the patient alone, who chooses whom to trust"}},
		{"a person named by both", proper(mandate, givenBy("patient", "representative")), []string{"given_by: is not the patient alone, who chooses whom to trust"}},
		{"a person in an emergency", proper(mandate, objection, exceptEmergency), []string{"emergency_exception: is not for a person"}},
		{"a name of what is no person", proper(func(r *consent.Record) { r.PartyName = "Anja" }), []string{"party_name: is for a person only"}},
		{"a permit that is withdrawn", proper(withdrawn("2026-06-01T11:00:00Z", "patient")), nil},
		{"a permit that was withdrawn, in error", proper(withdrawn("2026-06-01T11:00:00Z", "patient"), func(r *consent.Record) { r.Status = "entered-in-error" }), nil},
		{"an end without a beginning", proper(until("2027-01-01T00:00:00Z")), nil},
		{"as many names as a list may have", proper(data(many[1:]...), purposes(slices.Repeat([]string{"TREAT"}, 100)...)), nil},
		{"recorded this instant", proper(recorded("2026-06-01T12:00:00Z")), nil},

		{"a permit for every party", proper(party(consent.Side{})), []string{"party: must be named: consent to every party at once is not specific"}},
		{"a permit for every party, of a named holder", proper(party(consent.Side{}), hospital), []string{"party: must be named: consent to every party at once is not specific"}},
		{"a permit without information", proper(func(r *consent.Record) { r.Information = consent.Information{} }), []string{
			"information.id: is missing, or has the wrong form", "information.version: is missing, or has the wrong form",
			"information.language: is missing, or has the wrong form", "information.sha256: is not a SHA-256 in hex"}},
		{"a permit with a short digest", proper(func(r *consent.Record) { r.Information.SHA256 = "9f86" }), []string{"information.sha256: is not a SHA-256 in hex"}},
		{"a permit with a digest that is not hex", proper(func(r *consent.Record) { r.Information.SHA256 = strings.Repeat("xy", 32) }), []string{"information.sha256: is not a SHA-256 in hex"}},
		{"an objection with a blank method", proper(objection, func(r *consent.Record) { r.Method = " " }), []string{"method: is blank"}},
		{"what nobody recorded", proper(func(r *consent.Record) { r.RecordedBy = "\t" }), []string{"recorded_by: is blank"}},
		{"an objection to a blank text", proper(objection, func(r *consent.Record) { r.Information.Version = "  " }), []string{"information.version: is blank"}},
		{"a permit without a method", proper(func(r *consent.Record) { r.Method = "" }), []string{"method: is missing, or has the wrong form"}},
		{"a permit without a moment", proper(func(r *consent.Record) { r.RecordedAt = consent.Time{} }), []string{"recorded_at: is missing"}},
		{"recorded in the future", proper(recorded("2026-06-01T12:00:01Z")), []string{"recorded_at: is in the future"}},
		{"a channel that is not configured", proper(channel("s3cret")), []string{"channel: is not configured"}},
		{"a party category that is not configured", proper(party(consent.Side{Category: "insurer"})), []string{"party.category: is not configured"}},
		{"a holder category that is not configured", proper(holder(consent.Side{Category: "s3cret"})), []string{"holder.category: is not configured"}},
		{"a data category that is not configured", proper(data("Condition", "s3cret")), []string{"data: names a data category or group that is not configured"}},
		{"an empty data category", proper(data("")), []string{"data: names a data category or group that is not configured"}},
		{"too many data categories", proper(data(many...)), []string{"data: has too many names"}},
		{"too many purposes", proper(purposes(slices.Repeat([]string{"TREAT"}, 101)...)), []string{"purposes: has too many names"}},
		{"an end that is the beginning", proper(from("2027-01-01T00:00:00Z"), until("2027-01-01T00:00:00Z")), []string{"valid_to: is not after valid_from"}},
		{"an end before the beginning", proper(from("2027-01-01T00:00:00Z"), until("2026-12-01T00:00:00Z")), []string{"valid_to: is not after valid_from"}},
		{"the last second there is as the end", proper(until("9999-12-31T23:59:59Z")), nil},
		{"an end after the year 9999 in UTC", proper(until("9999-12-31T23:59:59-14:00")), []string{"valid_to: is outside of the years 1 to 9999"}},
		{"a beginning before the year 1 in UTC", proper(from("0001-01-01T00:00:00+01:00")), []string{"valid_from: is outside of the years 1 to 9999"}},
		{"an exception on a permit", proper(exceptEmergency), []string{"emergency_exception: is for a deny only"}},
		{"a party with two fields", proper(party(consent.Side{Category: "gp", Organization: "ura:2"})), []string{"party: names more than one of category, organization and practitioner"}},
		{"a party with two other fields", proper(party(consent.Side{Practitioner: "uzi:3", Organization: "ura:2"})), []string{"party: names more than one of category, organization and practitioner"}},
		{"a holder with two fields", proper(holder(consent.Side{Category: "gp", Organization: "ura:2"})), []string{"holder: names more than one of category, organization and practitioner"}},
		{"a practitioner as the holder", proper(holder(consent.Side{Practitioner: "uzi:3"})), []string{"holder.practitioner: cannot hold data: name an organization or a category"}},
		{"an organization of the wrong form", proper(party(consent.Side{Organization: "ura:\n2"})), []string{"party.organization: has the wrong form"}},
		{"a practitioner of the wrong form", proper(party(consent.Side{Practitioner: " uzi:2"})), []string{"party.practitioner: has the wrong form"}},
		{"withdrawn, without when and by whom", proper(func(r *consent.Record) { r.Status = "withdrawn" }), []string{"withdrawn_by: is missing", "withdrawn_at: is missing"}},
		{"withdrawn in the future", proper(withdrawn("2026-06-01T12:00:01Z", "patient")), []string{"withdrawn_at: is in the future"}},
		{"withdrawn before it was given", proper(withdrawn("2026-06-01T10:59:59Z", "patient")), []string{"withdrawn_at: is before recorded_at"}},
		{"withdrawn by somebody else", proper(withdrawn("2026-06-01T11:30:00Z", "s3cret")), []string{"withdrawn_by: names something unknown"}},
		{"active, and withdrawn", proper(withdrawn("2026-06-01T11:30:00Z", "patient"), func(r *consent.Record) { r.Status = "active" }), []string{
			"withdrawn_by: is for a withdrawn record only", "withdrawn_at: is for a withdrawn record only"}},
		{"in error, withdrawn by somebody else", proper(withdrawn("2026-06-01T11:30:00Z", "s3cret"), func(r *consent.Record) { r.Status = "entered-in-error" }), []string{
			"withdrawn_by: names something unknown"}},
		{"a status that does not exist", proper(func(r *consent.Record) { r.Status = "s3cret" }), []string{"status: is not active, withdrawn or entered-in-error"}},
		{"a decision that does not exist", proper(func(r *consent.Record) { r.Decision, r.EmergencyException = "s3cret", true }), []string{
			"decision: is not permit or deny", "emergency_exception: is for a deny only"}},
		{"a purpose that does not exist", proper(purposes("TREAT", "treat")), []string{"purposes: names something unknown"}},
		{"given by nobody", proper(givenBy()), []string{"given_by: is missing"}},
		{"given by somebody else", proper(givenBy("patient", "s3cret")), []string{"given_by: names something unknown"}},
		{"an objection of the future is refused like a permit", proper(objection, recorded("2027-01-01T00:00:00Z")), []string{"recorded_at: is in the future"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := catalogue.CheckWrite(tt.record, now)
			if lines := errorLines(t, err); !slices.Equal(lines, tt.want) {
				t.Errorf("got errors %q, want %q", lines, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

func TestCheckFlags(t *testing.T) {
	good := consent.Flags{Incapacitated: true, RepresentativesBlocked: []string{"rep2"}, WithheldFromPatient: []fhir.DataCategory{"Imaging", "Restricted"}}
	if err := catalogue.CheckFlags(good); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	bad := consent.Flags{RepresentativesBlocked: []string{""}, WithheldFromPatient: []fhir.DataCategory{"GGC002"}}
	want := []string{"withheld_from_patient: names a data category that is not configured", "representatives_blocked: has an identifier of the wrong form"}
	if got := errorLines(t, catalogue.CheckFlags(bad)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTimeIsOpenWhenEmpty(t *testing.T) {
	for _, in := range []string{`""`, `"2026-01-01T00:00:00Z"`} {
		var v consent.Time
		if err := v.UnmarshalJSON([]byte(in)); err != nil {
			t.Fatal(err)
		}
		out, err := v.MarshalJSON()
		if err != nil || string(out) != in || v.IsZero() != (in == `""`) {
			t.Errorf("%s: got %s, %v", in, out, err)
		}
	}
}
