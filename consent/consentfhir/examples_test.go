package consentfhir_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
)

// others is a gateway that knows what IHE's examples name: a policy, a group, an organization and a professional.
var others = consentfhir.Profile{
	Groups:    catalogue.Groups,
	Parties:   map[string]consent.Side{"Organization/ex-org-researcher": {Organization: "ura:00000007"}, "Practitioner/ex-practitioner": {Practitioner: "uzi:900000001"}},
	Emergency: []string{"Group/ex-privilegedUsers"},
	Policies: map[string]consentfhir.Policy{
		"http://example.org/policies/basePrivacyConsentPolicy.txt":     basePolicy,
		"http://example.org/policies/researchPrivacyConsentPolicy.txt": basePolicy,
		"https://profiles.ihe.net/ITI/PCF/Policy-basic-normal":         basePolicy,
		"https://profiles.ihe.net/ITI/PCF/Policy-break-glass-only":     basePolicy,
	},
	TestData: true,
}

var basePolicy = consentfhir.Policy{
	Information: consent.Information{ID: "base", Version: "1", Language: "en", SHA256: strings.Repeat("0", 64)}, Method: "written",
}

// fields are the elements that an error names.
func fields(err error) (names []string) {
	var field *consent.FieldError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			names = append(names, fields(one)...)
		}
	} else if errors.As(err, &field) {
		names = append(names, field.Field)
	}
	return names
}

// decisions are the decisions for a GP, in treatment and in an emergency, and for the practitioner of the examples.
func decisions(records []consent.Record) string {
	for i := range records {
		records[i].ID = consent.RecordID(rune('a' + i))
	}
	states := map[consent.State]string{
		consent.Unknown: "unknown", consent.Granted: "permit", consent.Refused: "refused", consent.RefusedExceptEmergency: "refused except in an emergency",
	}
	var said []string
	for _, purpose := range []string{"TREAT", "ETREAT", "HRESCH"} {
		state, _ := consent.Evaluate(consent.Query{
			At: now.Add(time.Hour), Born: "1961-02-03", Channel: "regional", Purpose: purpose, Category: "Condition", Groups: []string{"GGC002"},
			Holder: consent.Side{Organization: "ura:00000001", Category: "hospital"},
			Party:  consent.Side{Category: "gp", Organization: "ura:00000003", Practitioner: "uzi:900000001"},
		}, records)
		said = append(said, purpose+" "+states[state])
	}
	return strings.Join(said, ", ")
}

// TestExamples: every example of IHE PCF and of HL7 is accepted, with the decision on the page, or refused, with the elements and reasons
// on the page. -update is not needed: the failure contains the line to paste.
func TestExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/consent-profile.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(files) != 35 {
		t.Fatalf("got %d examples (%v), want 23 of IHE and 12 of HL7", len(files), err)
	}
	lines := strings.Split(string(page), "\n")
	accepted := 0
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Consent-"), ".json")
		line := fmt.Sprintf("| `%s` | ", name)
		if got, err := others.Read(body); err != nil {
			line += "refused | " + strings.Join(told(err), "; ") + " |"
		} else {
			accepted++
			line += "accepted | " + decisions(got.Records) + " |"
			for _, r := range got.Records {
				if r.RecordedAt.IsZero() || catalogue.CheckWrite(r, now) != nil {
					t.Errorf("%s: %+v is not a record that can be written: %v", name, r, catalogue.CheckWrite(r, now))
				}
			}
		}
		if !slices.Contains(lines, line) {
			t.Errorf("docs/consent-profile.md does not have the line\n%s", line)
		}
	}
	if accepted < 2 {
		t.Errorf("%d examples were accepted", accepted)
	}
}

// told are the contents of an error, each element once with its reason.
func told(err error) (all []string) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		element, reason, _ := strings.Cut(strings.TrimPrefix(line, "consent record: "), ": ")
		if text := "`" + element + "` " + reason; !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	if len(all) > 3 {
		all = append(all[:3], fmt.Sprintf("and %d more", len(all)-3))
	}
	return all
}

// TestAnExampleWithAnActor: an example of IHE lacks only an actor; with one it is accepted, and decides accordingly.
func TestAnExampleWithAnActor(t *testing.T) {
	body, err := os.ReadFile("testdata/ihe-pcf/Consent-ex-consent-basic-treat.json")
	if err != nil {
		t.Fatal(err)
	}
	actor := marshal(t, []any{actorOf("IRCP", "Group", "urn:zorgsluis:provider-category", "gp")})
	with := strings.Replace(string(body), `"type": "permit",`, `"type": "permit", "actor": `+string(actor)+`,`, 1)
	got, err := others.Read([]byte(with))
	if err != nil {
		t.Fatal(err)
	}
	if err := catalogue.CheckWrite(got.Records[0], now); err != nil {
		t.Error(err)
	}
	if said := decisions(got.Records); said != "TREAT permit, ETREAT permit, HRESCH unknown" {
		t.Errorf("got %s", said)
	}
	if got.PatientReference != "Patient/ex-patient" || got.Records[0].Information != basePolicy.Information || got.Records[0].Method != "written" {
		t.Errorf("got %+v", got)
	}
}
