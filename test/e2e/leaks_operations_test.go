package e2e_test

import (
	"net/http"
	"os"
	"strings"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// levels are the paths at which an operation of a type can be called.
func levels(typ string, names string) []string {
	var all []string
	for _, level := range strings.Split(names, ",") {
		switch level {
		case "system":
			all = append(all, "")
		case "type":
			all = append(all, typ+"/")
		case "instance":
			id := map[string]string{"Patient": "leak-a", "Group": "grp-ab", "Observation": "obs-psy-a"}[typ]
			if id == "" {
				id = "x1"
			}
			all = append(all, typ+"/"+id+"/")
		}
	}
	return all
}

// called returns calls of an operation at these paths, by GET with a query and by POST with Parameters.
func called(name, query string, paths ...string) []question {
	var all []question
	for _, path := range paths {
		all = append(all, at(path+"$"+name+query), sent(http.MethodPost, path+"$"+name, "application/fhir+json", `{"resourceType":"Parameters","parameter":[{"name":"patient","valueString":"Patient/leak-b"}]}`))
	}
	return all
}

// everywhere returns calls of operations at every level.
func everywhere(names ...string) []question {
	var all []question
	for _, name := range names {
		all = append(all, at("$"+name), at("Patient/$"+name), at("Observation/obs-psy-a/$"+name), sent(http.MethodPost, "Patient/leak-a/$"+name, "application/fhir+json", `{"resourceType":"Parameters"}`))
	}
	return all
}

// official are the 47 operations of R4: "code types levels" per line, from fhir/testdata/r4.
func official() ([][]string, error) {
	text, err := os.ReadFile("testdata/operations.txt")
	if err != nil {
		return nil, err
	}
	var all [][]string
	for line := range strings.Lines(string(text)) {
		all = append(all, strings.Fields(line))
	}
	return all, nil
}

// leaksOfOperations are the rows of chapter 1.5.
var leaksOfOperations = []leak{
	{"OP-1", "Patient/[id]/$everything is put together from the gateway's own searches, decided resource by resource; the source's operation is never called.", func(s *stage) {
		s.given(demo.GP(), at("Patient/leak-a/$everything"), "DiagnosticReport/dr-a", "MedicationRequest/rx-a", "Observation/obs-lab-a")
		for _, asked := range s.asked() {
			if strings.Contains(asked, "everything") || !strings.Contains(asked, "=Patient/leak-a&") {
				s.Errorf("the source was asked %s", asked)
			}
		}
		s.given(demo.GP(), at("Patient/leak-a/$everything?_type=Observation"), "Observation/obs-lab-a")
		s.given(demo.GP(), at("Patient/leak-a/$everything?_since=2099-01-01"))
		s.given(demo.GP(), at("Patient/leak-d/$everything"), "Patient/leak-d", "DocumentReference/doc-d", "Observation/obs-lab-d")
		s.refusedAll(demo.GP(), 403, "forbidden", ats("Patient/leak-b/$everything", "Patient/leak-c/$everything", "Patient/nobody/$everything")...)
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Patient/leak-a/$everything?start=2026&end=2026", "Patient/leak-a/$everything?patient=leak-b", "Patient/leak-a/$everything?_type=Task", "Patient/leak-a/$everything?_typeFilter=x")...)
		s.turnedAway(demo.GP(), 501, "not-supported", sent(http.MethodPost, "Patient/leak-a/$everything", "application/fhir+json", `{"resourceType":"Parameters"}`))
	}},
	{"OP-2", "$everything of all patients, or of anything else than a patient, is refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", called("everything", "", "Patient/", "Group/grp-ab/", "Encounter/e1/", "MedicinalProduct/", "MedicinalProduct/x/", "")...)
	}},
	{"OP-3", "Observation/$lastn takes the last of the permitted rows, so that a hidden one takes nobody's place; the source's operation is never called.", func(s *stage) {
		s.rows(12, func(i int) bool { return i < 6 })
		s.gets(demo.GP(), at("Observation/$lastn?patient=leak-a&max=1"), "Observation/row-006", "Observation/row-007", "Observation/row-008")
		for _, asked := range s.asked() {
			if strings.Contains(asked, "lastn") {
				s.Errorf("the source was asked %s", asked)
			}
		}
		s.source.Intercept(nil)
		s.given(demo.GP(), at("Observation/$lastn?patient=leak-a&category=survey&max=1"))
		s.refusedAll(demo.GP(), 403, "forbidden", at("Observation/$lastn?patient=leak-b"))
		s.turnedAway(demo.GP(), 400, "required", at("Observation/$lastn?category=laboratory"))
		s.turnedAway(demo.GP(), 400, "invalid", ats("Observation/$lastn?patient=leak-a&max=0", "Observation/$lastn?patient=leak-a&max=1&max=2", "Observation/$lastn?patient=leak-a,leak-b")...)
	}},
	{"OP-4", "Statistics are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", called("stats", "?subject=Patient/leak-a&code=59419-2&statistic=count", "Observation/", "")...)
	}},
	{"OP-5", "Documents are not put together, nor stored by GET.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", append(called("document", "?persist=true", "Composition/c1/", "Composition/"), at("Composition/c1/$document"))...)
	}},
	{"OP-6", "GraphQL is refused, and a 200 that is no resource is a 502.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", append(called("graphql", "?query=%7BPatientList%7Bname%7D%7D", "", "Patient/leak-a/"),
			sent(http.MethodPost, "$graphql", "application/graphql", "{PatientList{name}}"), at("Patient/leak-a/$graphql?query=%7Bid,ObservationList(_reference:patient)%7Bcode%7D%7D"))...)
		for _, body := range []string{`{"data":{"PatientList":[{"name":"` + marker + `"}]}}`, `[{"name":"` + marker + `"}]`, `{"resourceType":"Nonsense","id":"obs-lab-a","x":"` + marker + `"}`} {
			s.source.Intercept(onlyObservations(demo.Answer(200, "application/fhir+json", body)))
			s.failing(demo.GP(), at("Observation/obs-lab-a"))
			s.failing(demo.GP(), at("Observation?patient=leak-a"))
		}
	}},
	{"OP-7", "Walks over graphs are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", called("graph", "?graph=GraphDefinition/x", "Patient/leak-a/", "Observation/obs-psy-a/")...)
	}},
	{"OP-8", "Labels are neither read nor changed.", func(s *stage) {
		for _, name := range []string{"meta", "meta-add", "meta-delete"} {
			s.turnedAway(demo.GP(), 501, "not-supported", called(name, "", "", "Observation/", "Observation/obs-psy-a/", "Observation/obs-lab-a/")...)
		}
	}},
	{"OP-9", "Validation is refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", called("validate", "?mode=delete", "Observation/", "Patient/leak-a/", "Observation/obs-psy-a/")...)
	}},
	{"OP-10", "Patients are not matched.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", called("match", "?count=5&onlyCertainMatches=false", "Patient/", "")...)
	}},
	{"OP-11", "Functional lists are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", called("find", "?patient=leak-b&name=current-allergies", "List/")...)
	}},
	{"OP-12", "Nothing is computed over patients' data.", func(s *stage) {
		s.officially("apply", "evaluate-measure", "care-gaps", "collect-data", "submit-data", "populate", "questionnaire")
		s.turnedAway(demo.GP(), 501, "not-supported", called("cql", "", "", "Library/x/")...)
	}},
	{"OP-13", "Messages, conversions and transformations are refused.", func(s *stage) {
		s.officially("process-message", "convert", "transform")
		s.turnedAway(demo.GP(), 501, "not-supported", sent(http.MethodPost, "$convert?_format=xml", "application/fhir+json", `{"resourceType":"Patient"}`), at("StructureMap/$transform?source=http://evil.example/x"))
	}},
	{"OP-14", "Terminology is no part of the gateway; the source fetches nothing for a caller.", func(s *stage) {
		s.officially("expand", "snapshot", "validate-code", "lookup", "translate", "closure", "subsumes", "find-matches")
		s.turnedAway(demo.GP(), 501, "not-supported", at("ValueSet/$expand?url=http://169.254.169.254/latest"), at("StructureDefinition/$snapshot?url=http://evil.example/x"))
	}},
	{"OP-15", "The operations of HAPI FHIR are refused at every level.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", everywhere("binary-access-read", "binary-access-write", "diff", "expunge", "reindex", "delete-expunge", "mdm-clear", "mdm-query-links", "mdm-merge-golden-resources", "member-match", "merge", "hapi.fhir.replace-references",
			"get-resource-counts", "mark-all-resources-for-reindexing", "perform-reindexing-pass", "partition-management-create-partition", "import", "import-poll-status", "export", "export-poll-status", "trigger-subscription", "summary", "upload-external-code-system", "hfql-execute")...)
		s.turnedAway(demo.GP(), 501, "not-supported", ats("$diff?from=Patient/leak-a&to=Patient/leak-b", "DocumentReference/doc-d/$binary-access-read?path=DocumentReference.content.attachment")...)
	}},
	{"OP-16", "So are those of other vendors, among them the ones that tell consent itself.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", everywhere("presigned-url", "csv", "execute", "deploy", "erase", "retrieve-index", "patient-consent-enforcement-status", "consent-enforcement-status", "docref", "incoming-references", "_")...)
		s.turnedAway(demo.GP(), 404, "not-found", at("Patient/leak-a/_incoming-references"), at("Patient/leak-a/incoming-references"))
	}},
	{"OP-17", "Other writings of an operation's name lead nowhere.", func(s *stage) {
		s.turnedAway(demo.GP(), 404, "not-found", ats("Patient/leak-a/%24everything", "Patient/%24everything", "Patient/leak-a/$everything/", "Patient/leak-a/$everything;x=1", "Patient/leak-a/%2524everything", "Patient/leak-a//$everything", "Patient/leak-a/$every%74hing")...)
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Patient/leak-a/$Everything", "Patient/$everything/leak-a", "Patient/leak-a/$everything/x", "patient/leak-a/$everything", "Patient/leak-a/$EVERYTHING", "$everything", "Patient/leak-a/$", "Observation/$Lastn", "Observation/x/$lastn")...)
	}},
	{"OP-18", "All 47 official operations, at every level that they name, by GET and by POST, are refused before the source is asked; the two that are served have one form each.", func(s *stage) {
		s.officially()
	}},
	{"OP-19", "An answer of another type than was asked for is a 502.", func(s *stage) {
		parameters := `{"resourceType":"Parameters","parameter":[{"name":"x","resource":` + string(s.source.Resource("Patient/leak-b")) + `,"part":[{"name":"y","resource":` + string(s.source.Resource("Observation/obs-lab-b")) + `}]}]}`
		for _, body := range []string{parameters, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"x","diagnostics":"` + marker + `"}]}`, `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + string(s.source.Resource("Observation/obs-lab-a")) + `}]}`} {
			s.source.Intercept(onlyObservations(demo.Answer(200, "application/fhir+json", body)))
			s.failing(demo.GP(), at("Observation/obs-lab-a"))
			s.failing(demo.GP(), at("Observation?patient=leak-a"))
		}
	}},
}

// officially calls official operations, those with these names or all, at every level that they name.
func (s *stage) officially(names ...string) {
	s.T.Helper()
	all, err := official()
	if err != nil || len(all) != 47 {
		s.T.Fatalf("got %d operations, %v; want 47", len(all), err)
	}
	var refused []question
	for _, o := range all {
		code, types := o[0], strings.Split(o[1], ",")
		if len(names) > 0 && !strings.Contains(" "+strings.Join(names, " ")+" ", " "+code+" ") {
			continue
		}
		for _, typ := range types {
			if typ == "Resource" {
				typ = "Observation"
			}
			for _, q := range called(code, "", levels(typ, o[2])...) {
				switch q.String() {
				case "GET /fhir/demo/Patient/leak-a/$everything", "GET /fhir/demo/Observation/$lastn": // served: OP-1, OP-3
				default:
					refused = append(refused, q)
				}
			}
		}
	}
	if len(refused) < 2 {
		s.T.Fatalf("no operation is called %v", names)
	}
	s.turnedAway(demo.GP(), 501, "not-supported", refused...)
	if len(names) == 0 {
		s.T.Logf("%d calls", len(refused))
		s.wantEvent(s.ask(demo.GP(), refused[0]), audit.OutcomeDeny, "request-refused")
	}
}
