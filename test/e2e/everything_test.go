package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// TestEverything: $everything returns all that is permitted of a patient, in the order of the source, nothing lost or duplicated, without empty
// pages; also what is shared and what it refers to, if something released refers to it.
func TestEverything(t *testing.T) {
	t.Parallel()
	for version, name := range map[fhir.Version]string{fhir.R4: "R4", fhir.STU3: "STU3"} {
		t.Run(name, func(t *testing.T) {
			karena, pharmacist := demo.Karena(), demo.Pharmacist()
			w := newWorldOf(t, version, demo.Resource(`{"resourceType":"MedicationRequest","id":"hidden","meta":{"security":[{"system":"http://hl7.org/fhir/v3/Confidentiality","code":"V"}]},`+
				`"status":"active","intent":"order","subject":{"reference":"Patient/`+string(karena.PatientID)+`"},"reasonReference":[{"reference":"Organization/`+marker+`"}]}`),
				demo.Resource(`{"resourceType":"Organization","id":"`+marker+`"}`))
			g, _ := w.start()
			for _, by := range []demo.Caller{demo.GP(), pharmacist} {
				want := w.permitted(g, by, karena)
				for _, count := range []int{200, 20, 3} {
					t.Run(fmt.Sprintf("%s, %d a page", by.ClientID, count), func(t *testing.T) {
						w.everything(t, g, by, fmt.Sprintf("Patient/%s/$everything?_count=%d", karena.PatientID, count), want)
					})
				}
			}
			w.source.Reset()
			w.source.Intercept(demo.Only(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/Practitioner") },
				w.source.ExtraEntries(demo.Resource(`{"resourceType":"Practitioner","id":"`+marker+`"}`))))
			w.everything(t, g, pharmacist, "Patient/"+string(karena.PatientID)+"/$everything", w.permitted(g, pharmacist, karena))
			w.source.Intercept(nil)
			for _, asked := range w.source.Requests() {
				if strings.HasPrefix(asked.Path, "Organization") { // only her visits to the doctor name one, and a hidden prescription
					t.Errorf("for the pharmacist the source was asked %s?%s", asked.Path, asked.Query)
				}
			}
			only := g.ask(demo.GP(), get("/fhir/demo/Patient/"+string(karena.PatientID)+"/$everything?_type=MedicationRequest,Organization")).entries()
			if len(only) == 0 || slices.ContainsFunc(only, func(s string) bool { return !ofType("MedicationRequest")(s) }) {
				t.Errorf("with _type: got %v, want prescriptions without those who wrote them", only)
			}
		})
	}
}

// permitted returns the resources of a person that a caller finds by searches, of the Patient and then by type.
func (w *world) permitted(g *gateway, by demo.Caller, p demo.Person) (all []string) {
	w.t.Helper()
	types := slices.DeleteFunc(g.servedTypes(), func(typ string) bool { return typ == "Patient" })
	slices.Sort(types)
	for _, typ := range append([]string{"Patient"}, types...) {
		q := about(typ, p)
		if q.method == http.MethodPost {
			q.body += "&_count=200"
		}
		if typ == "Coverage" && w.version == fhir.STU3 {
			q = get("/fhir/demo/Coverage?beneficiary=Patient/" + string(p.PatientID))
		}
		all = append(all, g.patiently(by, q).wantStatus(w.t, http.StatusOK, typ).entries()...)
	}
	return all
}

var referenceIn = regexp.MustCompile(`"reference":"([A-Z][A-Za-z]+/[A-Za-z0-9.-]+)"`)

// everything follows all pages and compares.
func (w *world) everything(t *testing.T, g *gateway, by demo.Caller, path string, want []string) {
	t.Helper()
	var got []string
	for at := "/fhir/demo/" + path; at != ""; {
		r := g.patiently(by, get(at)).wantStatus(t, http.StatusOK, "page")
		var page struct {
			Entry []struct {
				Resource json.RawMessage
				Search   struct{ Mode string }
			}
		}
		if err := json.Unmarshal([]byte(r.body), &page); err != nil {
			t.Fatal(err)
		}
		if at = r.link(g, "next"); len(page.Entry) == 0 {
			t.Error("a page holds nothing")
		}
		var matches, along []string
		var texts string
		for i, e := range page.Entry {
			texts += string(e.Resource)
			if e.Search.Mode == "match" {
				matches = append(matches, r.entries()[i])
			} else {
				along = append(along, r.entries()[i])
			}
		}
		got = append(got, matches...)
		var referred []string
		for _, m := range referenceIn.FindAllStringSubmatch(texts, -1) {
			typ, _, _ := strings.Cut(m[1], "/")
			if fhir.ClassOf(w.version, typ) == fhir.ClassShared && w.source.Resource(m[1]) != nil {
				referred = append(referred, m[1])
			}
		}
		slices.Sort(referred)
		if referred = slices.Compact(referred); !slices.Equal(along, referred) {
			t.Errorf("%v came along, want %v", along, referred)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d resources, want %d: %v, want %v", len(got), len(want), got, want)
	}
}
