package consentfhir_test

import (
	"slices"
	"strings"
	"testing"

	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
)

// anja is the key of somebody chosen by the patient, whom the issuer calls "anja".
const anja = consent.PersonKey("0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a")

// knowing is a profile that knows one issuer.
var knowing = consentfhir.Profile{Groups: catalogue.Groups, Person: func(id fhir.Identifier) (consent.PersonKey, bool) {
	return anja, id == fhir.Identifier{System: "https://idp", Value: "anja"}
}}

func personOf(system, value, name string) m {
	actor := actorOf("IRCP", "RelatedPerson", system, value)
	if name != "" {
		actor["reference"].(m)["display"] = name
	}
	return actor
}

// TestReadsWhomThePatientChose: a person is named by the key or by the issuer's name, with a display name, for data and a time; the
// resource written contains only the key.
func TestReadsWhomThePatientChose(t *testing.T) {
	byKey := personOf(consentfhir.SystemPersonKey, string(anja), "Anja")
	medication := []any{dataOf("GGC013")}
	patientRequest := []any{m{"system": terminology + "v3-ActReason", "code": "PATRQT"}}
	for name, tt := range map[string]struct {
		provision m
		want      []string // decision, data
	}{
		"by the key":               {m{"type": "permit", "actor": []any{byKey}, "modifierExtension": medication}, []string{"permit GGC013"}},
		"by what the issuer says":  {m{"type": "permit", "actor": []any{personOf("https://idp", "anja", "Anja")}, "modifierExtension": medication}, []string{"permit GGC013"}},
		"with the purpose":         {m{"type": "permit", "actor": []any{byKey}, "modifierExtension": medication, "purpose": patientRequest}, []string{"permit GGC013"}},
		"for everything but one":   {m{"type": "permit", "actor": []any{byKey}, "provision": []any{m{"type": "deny", "modifierExtension": []any{dataOf("Condition")}}}}, []string{"permit ", "deny Condition"}},
		"who may not see one":      {m{"type": "deny", "actor": []any{byKey}, "modifierExtension": []any{dataOf("Condition")}}, []string{"deny Condition"}},
		"named twice, by one name": {m{"type": "permit", "actor": []any{byKey, personOf("https://idp", "anja", "Anja")}}, []string{"permit "}},
	} {
		t.Run(name, func(t *testing.T) {
			read, err := knowing.Read(marshal(t, resourceOf(tt.provision)))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range read.Records {
				got = append(got, r.Decision+" "+strings.Join(r.Data, "+"))
				if r.Party != (consent.Side{Person: anja}) || r.PartyName != "Anja" || !slices.Equal(r.Purposes, []string{consent.PurposeMandate}) {
					t.Errorf("got party %+v, name %q, purposes %q", r.Party, r.PartyName, r.Purposes)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			written, err := knowing.Write(read)
			if err != nil {
				t.Fatal(err)
			}
			again, err := profile.Read(written) // a profile that knows no issuer
			if err != nil || comparable(t, again.Records) != comparable(t, read.Records) || strings.Contains(string(written), "idp") {
				t.Errorf("written as %s, error %v", written, err)
			}
		})
	}
}

// TestRefusesWhomThePatientCannotChoose: by a number, by an unknown issuer, several persons, or with what is only for providers.
func TestRefusesWhomThePatientCannotChoose(t *testing.T) {
	const bsn = "999990019"
	byKey := personOf(consentfhir.SystemPersonKey, string(anja), "Anja")
	gp := actorOf("IRCP", "Group", "urn:zorgsluis:provider-category", "gp")
	treatment := []any{m{"system": terminology + "v3-ActReason", "code": "TREAT"}}
	patientRequest := []any{m{"system": terminology + "v3-ActReason", "code": "PATRQT"}}
	permit := func(more m, actors ...any) m {
		p := m{"type": "permit", "actor": actors}
		for name, value := range more {
			p[name] = value
		}
		return p
	}
	holds := actorOf("CST", "RelatedPerson", consentfhir.SystemPersonKey, string(anja))
	for name, tt := range map[string]struct {
		provision m
		element   string
	}{
		"by a number":                          {permit(nil, personOf(consent.SystemBSN, bsn, "Anja")), "provision.actor[0].reference"},
		"by an unknown issuer":                 {permit(nil, personOf("https://elsewhere", "anja", "Anja")), "provision.actor[0].reference"},
		"by a literal reference":               {permit(nil, m{"role": coded(terminology+"v3-ParticipationType", "IRCP"), "reference": m{"type": "RelatedPerson", "reference": "RelatedPerson/1"}}), "provision.actor[0].reference"},
		"who holds data":                       {permit(nil, holds), "provision.actor[0].role"},
		"two persons":                          {permit(nil, byKey, personOf(consentfhir.SystemPersonKey, strings.Repeat("0b", 32), "Jan")), "provision.actor[1].reference"},
		"one person with two names":            {permit(nil, byKey, personOf("https://idp", "anja", "Jan")), "provision.actor[1].reference.display"},
		"a person and a provider":              {permit(nil, byKey, gp), "provision.purpose"},
		"a person for treatment":               {permit(m{"purpose": treatment}, byKey), "provision.purpose"},
		"a provider for the patient":           {permit(m{"purpose": patientRequest}, gp), "provision.purpose"},
		"a provider below a person":            {permit(m{"provision": []any{m{"type": "deny", "actor": []any{gp}}}}, byKey), "provision.provision[0]"},
		"a refusal of everybody who is chosen": {m{"type": "deny", "purpose": patientRequest}, "provision.purpose"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := knowing.Read(marshal(t, resourceOf(tt.provision)))
			if err == nil {
				t.Fatalf("got %+v, want it refused", got)
			}
			if !slices.Contains(fields(err), tt.element) || strings.Contains(err.Error(), bsn) {
				t.Errorf("got %q, want %s to be named, and no number", err, tt.element)
			}
		})
	}
}
