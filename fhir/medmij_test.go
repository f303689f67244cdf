package fhir_test

import (
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

// medmijQuery is a query of a MedMij data service, as documented there.
type medmijQuery struct {
	version fhir.Version
	service string
	query   string
}

var (
	medmijService = regexp.MustCompile(`^  "([^"]+)":`)
	medmijVersion = regexp.MustCompile(`\bfhir: (STU3|R4)`)
	medmijText    = regexp.MustCompile(`"([A-Z][A-Za-z]+(?:[/?][^"]*)?)"`)
)

// medmijQueries reads testdata/medmij-services.yaml line by line: fhir has no YAML parser.
func medmijQueries(t *testing.T) []medmijQuery {
	t.Helper()
	b, err := os.ReadFile("testdata/medmij-services.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []medmijQuery
	var at medmijQuery
	for line := range strings.Lines(string(b)) {
		if m := medmijService.FindStringSubmatch(line); m != nil {
			at = medmijQuery{service: m[1]}
		}
		if m := medmijVersion.FindStringSubmatch(line); m != nil {
			at.version = map[string]fhir.Version{"STU3": fhir.STU3, "R4": fhir.R4}[m[1]]
		}
		for _, m := range medmijText.FindAllStringSubmatch(line, -1) {
			all = append(all, medmijQuery{at.version, at.service, m[1]})
		}
	}
	return all
}

// medmijRefused are the queries that the gateway refuses by design, with the reason.
var medmijRefused = map[string]string{
	"Task?code=http://loinc.org|74468-0&status=requested": "RM-17 a Task is about anything, for anybody",
	"Questionnaire/{id}": "RM-19 a definition that can be specific to one patient without naming him",
}

// TestMedMijQueriesAreUnderstood parses every query of every MedMij data service, for the version that it is marked with.
func TestMedMijQueriesAreUnderstood(t *testing.T) {
	t.Parallel()
	queries := medmijQueries(t)
	if len(queries) != 101 {
		t.Errorf("got %d queries, the file has 101", len(queries))
	}
	fill := strings.NewReplacer("{id}", "a1", "$today-14M", "2024-01-01", "$today", "2025-01-01", "$date", "2025-01-01")
	refused := map[string]bool{}
	for _, q := range queries {
		i, err := fhir.ParseInteraction(q.version, get(fill.Replace(q.query)))
		if reason := medmijRefused[q.query]; reason != "" {
			refused[q.query] = true
			if kind := new(fhir.RequestError); !errors.As(err, &kind) || kind.Kind != fhir.NoOperation {
				t.Errorf("%s %s: got %v, want it refused: %s", q.service, q.query, err, reason)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s (version %d) %s: %v", q.service, q.version, q.query, err)
			continue
		}
		checkTarget(t, q.version, i)
	}
	if len(refused) != len(medmijRefused) {
		t.Errorf("got %v refused, want %v", slices.Sorted(maps.Keys(refused)), slices.Sorted(maps.Keys(medmijRefused)))
	}
}

// TestNictizParametersBelongToTheirTypes uses non-standard parameters on their own types and on others.
func TestNictizParametersBelongToTheirTypes(t *testing.T) {
	t.Parallel()
	const stu3, r4 = fhir.STU3, fhir.R4
	for _, c := range []struct {
		version fhir.Version
		query   string
		want    bool
	}{
		{stu3, "MedicationRequest?periodofuse=ge2025-01-01", true},
		{stu3, "MedicationRequest?requestdate=ge2025-01-01", true},
		{stu3, "MedicationRequest?identifier=a|b", true},
		{stu3, "MedicationRequest?medicationtreatment=a|b", true},
		{stu3, "MedicationRequest?medication.code=a|b,c", true},
		{stu3, "MedicationDispense?periodofuse=ge2025&requestdate=le2025&medicationtreatment=a&medication.code=b&identifier=c&category=d", true},
		{stu3, "MedicationStatement?medicationtreatment=a&medication.code=b&identifier=c&category=d", true},
		{stu3, "MedicationAdministration?category=a&medicationtreatment=b", true},
		{stu3, "CarePlan?_include=CarePlan:activity-goal", true},
		{stu3, "CarePlan?activity-goal=Goal/g", true},
		{r4, "MedicationRequest?pharmaceutical-treatment-identifier=a|b&period-of-use=ge2025&medication.code=c", true},
		{r4, "MedicationRequest?_include=MedicationRequest:next-practitioner&_include=MedicationRequest:reason&_include:iterate=PractitionerRole:organization&_include:iterate=PractitionerRole:practitioner", true},
		{r4, "MedicationDispense?category=a&whenhandedover=ge2025&period-of-use=le2025&pharmaceutical-treatment-identifier=a", true},
		{r4, "MedicationStatement?period-of-use=ge2025&category=a&_include=MedicationStatement:prescriber", true},
		{r4, "MedicationAdministration?effective-time=ge2025&category=a&pharmaceutical-treatment-identifier=b", true},

		{r4, "MedicationRequest?periodofuse=ge2025", false},
		{r4, "MedicationRequest?medicationtreatment=a", false},
		{stu3, "MedicationRequest?period-of-use=ge2025", false},
		{stu3, "MedicationRequest?pharmaceutical-treatment-identifier=a", false},
		{stu3, "Condition?periodofuse=ge2025", false},
		{stu3, "Observation?requestdate=ge2025", false},
		{stu3, "MedicationRequest?medication.code:not=a", false},
		{stu3, "MedicationRequest?medication:Medication.code=a", false},
		{stu3, "MedicationRequest?medication.form=a", false},
		{stu3, "MedicationRequest?medication.code=" + bsnToken, false},
		{r4, "MedicationStatement?author=Patient/A", false},
	} {
		i, err := fhir.ParseInteraction(c.version, get(c.query))
		if (err == nil) != c.want {
			t.Errorf("%s (version %d): got %v, want it understood: %v", c.query, c.version, err, c.want)
		}
		if err == nil {
			checkTarget(t, c.version, i)
		}
	}
}

// TestSTU3IsBoundToThePatient uses the parameter names of STU3.
func TestSTU3IsBoundToThePatient(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"ProcedureRequest?patient=A&status=active":                            "ProcedureRequest?patient=Patient/A&status=active",
		"ReferralRequest?subject=Patient/A":                                   "ReferralRequest?patient=Patient/A",
		"Coverage?beneficiary.identifier=" + bsnToken:                         "Coverage?beneficiary=Patient/A",
		"Patient/A/Coverage":                                                  "Coverage?beneficiary=Patient/A",
		"Sequence?patient=A":                                                  "Sequence?patient=Patient/A",
		"Device?patient=A&type=b":                                             "Device?patient=Patient/A&type=b",
		"DocumentManifest?patient.identifier=" + bsnToken + "&created=ge2025": "DocumentManifest?patient=Patient/A&created=ge2025",
		"CarePlan?_include:iterate=DeviceUseStatement:device:Device":          "CarePlan?patient=Patient/A&_include:recurse=DeviceUseStatement:device:Device",
		"Observation?context=Encounter/e":                                     "Observation?patient=Patient/A&context=Encounter/e",
	} {
		i, err := fhir.ParseInteraction(fhir.STU3, get(target))
		if got := i.Outbound(fhir.STU3, "A"); err != nil || got != want {
			t.Errorf("%s goes out as %q, %v; want %q", target, got, err, want)
		}
	}
	for target, element := range map[string]string{
		"SupplyRequest?requester=Practitioner/p": "SupplyRequest", "EligibilityResponse?insurer=Organization/o": "EligibilityResponse",
		"RelatedPerson/r": "RelatedPerson", "Task/t": "Task", "DeviceComponent/d": "DeviceComponent",
	} {
		_, err := fhir.ParseInteraction(fhir.STU3, get(target))
		if refused := new(fhir.RequestError); !errors.As(err, &refused) || refused.Kind != fhir.NoOperation || refused.Element != element {
			t.Errorf("%s: got %v, want it refused as a type", target, err)
		}
	}
	for _, target := range []string{"ServiceRequest?patient=A", "Observation?patient=A&encounter=ServiceRequest/s", "MolecularSequence/x", "Observation?focus=Condition/c"} {
		if i, err := fhir.ParseInteraction(fhir.STU3, get(target)); err == nil {
			t.Errorf("%s: got %+v, want what STU3 does not have refused", target, i)
		}
	}
}
