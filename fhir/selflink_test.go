package fhir_test

import (
	"testing"

	"zorgsluis/fhir"
)

// TestSelfLinkCovers is SE-12: a parameter that the source ignored must not widen the answer.
func TestSelfLinkCovers(t *testing.T) {
	t.Parallel()
	const base = "http://hapi:8080/fhir"
	plain := search("Observation", patientA)
	narrow := search("Observation", patientA, par("_count", "5"), par("code", "http://loinc.org|1-2,b"), par("date", "ge2020"), par("date", "lt2021"))
	shaped := search("Observation", nobody, par("_count", "5"), par("_include", "Observation:specimen"), par("_include:iterate", "Observation:focus"),
		par("_revinclude", "DiagnosticReport:result"), par("_sort", "-date"))
	for _, c := range []struct {
		name string
		i    fhir.Interaction
		self string
		want bool
	}{
		{"SE-12 the query as it was sent", narrow, base + "/" + narrow.Outbound(fhir.R4, "A"), true},
		{"SE-12 relative", narrow, narrow.Outbound(fhir.R4, "A"), true},
		{"SE-12 as HAPI writes it", narrow, base + "/Observation?_count=5&code=http%3A%2F%2Floinc.org%7C1-2%2Cb&date=ge2020&date=lt2021&patient=Patient%2FA", true},
		{"SE-12 in another order", narrow, base + "/Observation?date=lt2021&code=b,http://loinc.org|1-2&patient=A&date=ge2020", true},
		{"SE-12 another page size, and parameters of the source's own", narrow, base + "/Observation?patient=A&code=http://loinc.org|1-2,b&date=ge2020&date=lt2021&_count=20&_format=json&x", true},
		{"SE-12 the search by POST", narrow, base + "/Observation/_search?patient=A&code=http://loinc.org|1-2,b&date=ge2020&date=lt2021", true},
		{"SE-12 a filter ignored", narrow, base + "/Observation?patient=A&date=ge2020&date=lt2021", false},
		{"SE-12 one of two dates ignored", narrow, base + "/Observation?patient=A&code=http://loinc.org|1-2,b&date=ge2020", false},
		{"SE-12 an alternative more", narrow, base + "/Observation?patient=A&code=http://loinc.org|1-2,b,c&date=ge2020&date=lt2021", false},
		{"SE-12 a modifier that was not sent", narrow, base + "/Observation?patient=A&code:not=http://loinc.org|1-2,b&date=ge2020&date=lt2021", false},
		{"SE-12 a filter that is not well formed", narrow, base + "/Observation?patient=A&code=http://loinc.org|1-2,%zzb&date=ge2020&date=lt2021", false},
		{"SE-12 the patient ignored", plain, base + "/Observation", false},
		{"SE-12 another patient", plain, base + "/Observation?patient=B", false},
		{"SE-12 two patients", plain, base + "/Observation?patient=A,B", false},
		{"SE-12 every patient but him", plain, base + "/Observation?patient:not=A", false},
		{"SE-12 him as a Group", plain, base + "/Observation?subject=Group/A", false},
		{"SE-12 him as another reference", plain, base + "/Observation?performer=Patient/A", false},
		{"SE-12 the patient as subject", plain, base + "/Observation?subject=Patient/A", true},
		{"SE-12 with the type as modifier", plain, base + "/Observation?patient:Patient=A", true},
		{"SE-12 as an absolute reference", plain, base + "/Observation?patient=" + base + "/Patient/A", true},
		{"SE-12 what shapes the answer may be missing", shaped, base + "/Observation?patient=A", true},
		{"SE-12 the type of another search", plain, base + "/Condition?patient=A", false},
		{"SE-12 a search of everything", plain, base + "?patient=A", false},
		{"SE-12 another base", plain, "http://other/fhir/Observation?patient=A", false},
		{"SE-12 a base that goes on", plain, base + "2/Observation?patient=A", false},
		{"SE-12 a base without a slash", plain, base + "Observation?patient=A", false},
		{"SE-12 a Patient by id", search("Patient", byBSN), base + "/Patient?_id=A", true},
		{"SE-12 a Patient, the id ignored", search("Patient", byBSN), base + "/Patient?name=A", false},
		{"SE-12 no link and nothing but the patient", shaped, "", true},
		{"SE-12 no link and a filter", narrow, "", false},
		{"SE-12 a read has no such link", read("Observation", "x"), base + "/Observation?patient=A", false},
		{"SE-12 nor a page", fhir.Interaction{Code: fhir.CodeSearch, Type: "Observation", Cursor: "abc"}, base + "/Observation?patient=A", false},
		{"SE-12 nor a type that is not searched", search("Practitioner", nobody), base + "/Practitioner?patient=A", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.i.SelfLinkCovers(fhir.R4, c.self, base, "A"); got != c.want {
				t.Errorf("%s: got %v, want %v", c.self, got, c.want)
			}
		})
	}
	if plain.SelfLinkCovers(fhir.R4, "Observation?patient=", "", "") {
		t.Error("a search about nobody is covered")
	}
	if plain.SelfLinkCovers(0, "", base, "A") {
		t.Error("a version without tables has links")
	}
}
