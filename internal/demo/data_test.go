//go:build !release

package demo_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/internal/demo"
)

// unpublished are references of the nl-core examples to resources that were not published with them. All others must resolve.
var unpublished = []string{
	"Condition/nl-core-AdvanceDirective-01-Condition-01",
	"Condition/nl-core-EpisodeOfCare-01-Condition-01",
	"Condition/nl-core-FreedomRestrictingIntervention-01-Condition-01",
	"Condition/nl-core-MedicalDevice-01-Condition-01",
	"Condition/nl-core-NutritionAdvice-01-Condition-01",
	"Condition/nl-core-Procedure-01-Condition-01",
	"DeviceUseStatement/nl-core-FunctionalOrMentalStatus-01-DeviceUseStatement-01",
	"Location/nl-core-Procedure-01-Location-01",
	"Medication/nl-core-Vaccination-03-PharmaceuticalProduct-01",
	"Observation/nl-core-LivingSituation.HouseAdaption-01",
	"Observation/nl-core-LivingSituation.HouseAdaption-02",
	"Observation/nl-core-LivingSituation.HouseAdaption-03",
	"Observation/nl-core-LivingSituation.HouseType-01",
	"Observation/nl-core-LivingSituation.LivingCondition-01",
	"Observation/nl-core-Pregnancy.DateLastMenstruation-01",
	"Observation/nl-core-Pregnancy.EstimatedDateOfDelivery-01",
	"Observation/nl-core-Pregnancy.Gravidity-01",
	"Observation/nl-core-Pregnancy.Parity-01",
	"Observation/nl-core-Pregnancy.PregnancyDuration-01",
	"Organization/nl-core-Payer-Organization-02",
	"PractitionerRole/nl-core-MedicationContraIndication-01-PractitionerRole-01",
	"PractitionerRole/nl-core-Procedure-01-PractitionerRole-01",
	"PractitionerRole/nl-core-TreatmentDirective2-01-PractitionerRole-01",
	"PractitionerRole/nl-core-Vaccination-02-PractitionerRole-01",
	"RelatedPerson/nl-core-TreatmentDirective2-01-RelatedPerson-01",
	"Specimen/nl-core-LaboratoryTestResult.Specimen-02",
}

func load(t *testing.T) demo.Data {
	t.Helper()
	data, err := demo.Load()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEveryResourceHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range load(t) {
		name, err := nameOf(r)
		if err != nil {
			t.Fatal(err)
		}
		_, id, _ := strings.Cut(name, "/")
		if seen[name] || len(id) == 0 || len(id) > 64 {
			t.Errorf("%s is there twice, or its id is not of FHIR's form", name)
		}
		seen[name] = true
	}
	if len(seen) < 1000 {
		t.Errorf("got %d resources, want the whole of six records", len(seen))
	}
}

func TestNoMemberIsThereTwice(t *testing.T) {
	for _, r := range load(t) {
		dec := json.NewDecoder(bytes.NewReader(r))
		if member := twice(dec); member != "" {
			name, _ := nameOf(r)
			t.Errorf("%s: %s is there twice in one object", name, member)
		}
	}
}

// twice reads one value and returns the name of a member that occurs twice in one of its objects.
func twice(dec *json.Decoder) string {
	open, err := dec.Token()
	if err != nil || open != json.Delim('{') && open != json.Delim('[') {
		return ""
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == json.Delim('{') {
			token, _ := dec.Token()
			name, _ := token.(string)
			if seen[name] {
				return name
			}
			seen[name] = true
		}
		if found := twice(dec); found != "" {
			return found
		}
	}
	_, _ = dec.Token() // the closing delimiter
	return ""
}

func TestEveryPatientHasAValidBSN(t *testing.T) {
	owner := map[string]string{}
	for _, r := range load(t) {
		var p struct {
			ResourceType, ID string
			Identifier       json.RawMessage
		}
		if err := json.Unmarshal(r, &p); err != nil {
			t.Fatal(err)
		}
		if p.ResourceType != "Patient" {
			continue
		}
		var identifiers []struct{ System, Value string }
		if err := json.Unmarshal(p.Identifier, &identifiers); err != nil {
			t.Fatal(err)
		}
		for _, identifier := range identifiers {
			if identifier.System == demo.SystemBSN {
				if owner[identifier.Value] != "" || !elevenTest(identifier.Value) {
					t.Errorf("Patient/%s: the BSN is not valid, or somebody else's", p.ID)
				}
				owner[identifier.Value] = p.ID
			}
		}
	}
	people := map[string]string{}
	for _, p := range demo.People() {
		people[p.BSN] = string(p.PatientID)
	}
	if !maps.Equal(owner, people) {
		t.Errorf("the source has %v, the table of people %v", owner, people)
	}
}

func elevenTest(bsn string) bool {
	if len(bsn) != 9 {
		return false
	}
	sum := 0
	for i, weight := range []int{9, 8, 7, 6, 5, 4, 3, 2, -1} {
		sum += weight * int(bsn[i]-'0')
	}
	return sum%11 == 0 && bsn != "000000000"
}

func TestReferencesLeadSomewhere(t *testing.T) {
	names := map[string]bool{}
	data := load(t)
	for _, r := range data {
		name, _ := nameOf(r)
		names[name] = true
	}
	lost := map[string]bool{}
	for _, r := range data {
		for _, m := range referenceMember.FindAllSubmatch(r, -1) {
			if ref := string(m[1]); ref[0] != '#' && !names[ref] {
				lost[ref] = true
			}
		}
	}
	got := slices.Sorted(maps.Keys(lost))
	if !slices.Equal(got, unpublished) {
		t.Errorf("got %q, want %q", got, unpublished)
	}
}

func TestEveryPersonHasARecord(t *testing.T) {
	s := startSource(t, load(t), demo.SourceOptions{})
	for _, p := range demo.People() {
		for _, typ := range []string{"Condition", "Observation", "Immunization"} {
			if p.BSN == "999996538" && typ == "Observation" {
				continue // not in the published bulk export
			}
			status, b := get(t, s.URL()+"/"+typ+"?patient.identifier="+demo.SystemBSN+"%7C"+p.BSN)
			if status != http.StatusOK || b.Total == 0 {
				t.Errorf("%s: status %d, %d of %s", p.Name, status, b.Total, typ)
			}
		}
	}
	for _, typ := range []string{"MedicationRequest", "AllergyIntolerance", "Condition", "DiagnosticReport"} {
		if _, b := get(t, s.URL()+"/"+typ+"?patient="+string(demo.Karena().PatientID)); b.Total == 0 {
			t.Errorf("the story needs a %s", typ)
		}
	}
}

func TestSyntheticDataHaveTheSizesOfTheBenchmark(t *testing.T) {
	data := demo.LoadSynthetic(3, 50)
	if len(data) != 3*51 {
		t.Fatalf("got %d resources", len(data))
	}
	s := startSource(t, data, demo.SourceOptions{Unrecorded: true})
	seen := map[string]bool{}
	for n := range 3 {
		p := demo.SyntheticPerson(n)
		if seen[p.BSN] || !elevenTest(p.BSN) {
			t.Errorf("person %d has no valid BSN of its own", n)
		}
		seen[p.BSN] = true
		if got := len(s.Resource("Patient/" + string(p.PatientID))); got != 2000 {
			t.Errorf("got a Patient of %d bytes, want 2000", got)
		}
		r, err := http.NewRequest(http.MethodGet, s.URL()+"/Observation?patient="+string(p.PatientID), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, body := ask(t, r); len(body) < 95_000 || len(body) > 108_000 {
			t.Errorf("got a searchset of %d bytes, want about 100 kB", len(body))
		}
	}
	for n := range 20_000 {
		if p := demo.SyntheticPerson(n); !elevenTest(p.BSN) {
			t.Fatalf("person %d has no valid BSN", n)
		}
	}
	if len(s.Requests()) != 0 {
		t.Error("requests were recorded")
	}
}
