package e2e_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// older is a test of a STU3 source, under the ordinary consents. The same gateway has a source of R4, "newer".
type older struct {
	*world
	g *gateway
}

// olderStory starts it. Karena has an observation with the Dutch code for laboratory results, a request and a document besides the demo's
// records; Johanna, who never decided, has a marker in hers.
func olderStory(t *testing.T) older {
	karena, johanna := string(demo.Karena().PatientID), string(demo.Johanna().PatientID)
	var more []demo.Resource
	for _, text := range []string{
		`{"resourceType":"Observation","id":"serum","status":"final","category":[{"coding":[{"system":"http://snomed.info/sct","code":"275711006"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"subject":{"reference":"Patient/KARENA"},"effectiveDateTime":"2026-01-02","valueQuantity":{"value":7.20},"related":[{"type":"has-member","target":{"reference":"Observation/MARKER-1"}}]}`,
		`{"resourceType":"ProcedureRequest","id":"request","status":"active","intent":"order","code":{"text":"lab"},"subject":{"reference":"Patient/KARENA"}}`,
		`{"resourceType":"DocumentReference","id":"document","status":"current","type":{"text":"letter"},"indexed":"2026-01-01T00:00:00Z","subject":{"reference":"Patient/KARENA"},"content":[{"attachment":{"contentType":"application/pdf","url":"Binary/letter"}}]}`,
		`{"resourceType":"Binary","id":"letter","contentType":"application/pdf","content":"dGhlIGxldHRlcg=="}`,
		`{"resourceType":"Observation","id":"MARKER-1","status":"final","category":[{"coding":[{"system":"http://snomed.info/sct","code":"275711006"}]}],"code":{"text":"MARKER"},"subject":{"reference":"Patient/JOHANNA"}}`,
		`{"resourceType":"ProcedureRequest","id":"MARKER-2","status":"active","intent":"order","code":{"text":"MARKER"},"subject":{"reference":"Patient/JOHANNA"},"requester":{"agent":{"reference":"Patient/KARENA"}}}`,
		`{"resourceType":"DocumentReference","id":"MARKER-3","status":"current","type":{"text":"MARKER"},"indexed":"2026-01-01T00:00:00Z","subject":{"reference":"Patient/JOHANNA"},"content":[{"attachment":{"url":"Binary/letter"}}]}`,
	} {
		more = append(more, demo.Resource(strings.NewReplacer("KARENA", karena, "JOHANNA", johanna, "MARKER", marker).Replace(text)))
	}
	w := newWorldOf(t, fhir.STU3, more...)
	newer := newSource(t, fhir.R4)
	g, _ := w.start("policy:\n", `  - id: newer
    fhir_version: R4
    base_url: "`+newer.URL()+`"
    holder: { organization: "{holder}", category: hospital }
    timeout: 2s
    person_systems: ["http://fhir.nl/fhir/NamingSystem/bsn"]
policy:
`)
	return older{w, g}
}

// ask sends a request, and searches the answer for what is Johanna's or the source's own.
func (o older) ask(by demo.Caller, q question, status int) reply {
	o.t.Helper()
	r := o.g.ask(by, q).wantStatus(o.t, status, q.method+" "+q.path)
	for _, secret := range []string{marker, "nl-core-Patient-01", demo.Johanna().BSN, strings.TrimPrefix(o.source.URL(), "http://")} {
		if strings.Contains(r.body, secret) && !strings.Contains(r.body, `"Observation/`+secret) { // a reference stays, by design
			o.t.Errorf("%s %s: %q left the gateway", q.method, q.path, secret)
		}
	}
	return r
}

// of returns the source's resources of a type about a person, in its order.
func (o older) of(typ string, p demo.Person) []string {
	o.t.Helper()
	resp, err := http.Get(o.source.URL() + "/" + typ + "?_count=1000&patient=" + string(p.PatientID))
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return reply{body: string(body)}.entries()
}

// TestSTU3: what applies to R4 applies to a STU3 source, with its own tables: permitted, partly permitted, denied, by every form of request.
func TestSTU3(t *testing.T) {
	t.Parallel()
	o := olderStory(t)
	karena, milan, johanna := demo.Karena(), demo.Milan(), demo.Johanna()
	id := string(karena.PatientID)
	bsn := demo.SystemBSN + "%7C" + karena.BSN
	conditions := o.of("Condition", karena)
	if len(conditions) < 5 {
		t.Fatalf("the source has only %v", conditions)
	}
	t.Run("the statement is of STU3", func(t *testing.T) {
		r := o.ask(demo.Caller{}, get("/fhir/demo/metadata"), http.StatusOK)
		for text, want := range map[string]bool{`"fhirVersion":"3.0.2"`: true, `"ProcedureRequest"`: true, `"ServiceRequest"`: false, `"asserted-date"`: true, `"recorded-date"`: false} {
			if strings.Contains(r.body, text) != want {
				t.Errorf("%s is there: %t, want %t", text, !want, want)
			}
		}
		if r := o.ask(demo.Caller{}, get("/fhir/newer/metadata"), http.StatusOK); !strings.Contains(r.body, `"fhirVersion":"4.0.1"`) {
			t.Error("the statement of the other source is not of R4")
		}
	})
	t.Run("permitted", func(t *testing.T) {
		for _, path := range []string{
			"Condition?patient=" + id, "Condition?subject=Patient/" + id, "Condition?patient.identifier=" + bsn, "Condition?patient:identifier=" + bsn,
			"Condition?asserted-date=gt1900&patient=" + id, "Patient/" + id + "/Condition",
		} {
			r := o.ask(demo.GP(), get("/fhir/demo/"+path), http.StatusOK)
			if got := r.entries(); !slices.Equal(got, conditions) {
				t.Errorf("%s: got %v, want %v", path, got, conditions)
			}
			o.wantEvent(r, audit.OutcomePermit, "ok-consent")
		}
		r := o.ask(demo.GP(), search("Condition", karena), http.StatusOK)
		for _, name := range conditions {
			if one := string(o.source.Resource(name)); !strings.Contains(r.body, one[strings.Index(one, `"assertedDate"`):strings.Index(one, `"meta"`)]) {
				t.Errorf("%s is not what the source has", name)
			}
		}
		for _, path := range []string{"Patient/" + id, conditions[0], "Observation/serum", "ProcedureRequest/request"} {
			r := o.ask(demo.GP(), get("/fhir/demo/"+path), http.StatusOK)
			if e := o.wantEvent(r, audit.OutcomePermit, "ok-consent"); len(e.Disclosed) != 1 || e.Source != "demo" {
				t.Errorf("%s: the event tells of %v at %s", path, e.Disclosed, e.Source)
			}
		}
		r = o.ask(demo.Patient("patient", karena), get("/fhir/demo/ProcedureRequest?status=active"), http.StatusOK)
		if got := r.entries(); !slices.Equal(got, []string{"ProcedureRequest/request"}) {
			t.Errorf("her own requests: got %v", got)
		}
	})
	t.Run("in part", func(t *testing.T) {
		pharmacist := demo.Pharmacist()
		r := o.ask(pharmacist, search("MedicationRequest", karena, "_include", "MedicationRequest:requester", "_include", "MedicationRequest:context"), http.StatusOK)
		got := r.entries()
		if !slices.ContainsFunc(got, ofType("MedicationRequest")) || !slices.ContainsFunc(got, ofType("Practitioner")) || slices.ContainsFunc(got, ofType("Encounter")) {
			t.Errorf("got %v, want prescriptions and who prescribed, no encounter", got)
		}
		for _, typ := range []string{"Condition", "Observation", "ProcedureRequest", "DocumentReference"} {
			r := o.ask(pharmacist, search(typ, karena), http.StatusOK)
			if got := r.entries(); len(got) > 0 {
				t.Errorf("the pharmacist got %v", got)
			}
			o.wantEvent(r, audit.OutcomeDeny, "no-consent")
		}
		for _, path := range []string{conditions[0], "Observation/serum", "ProcedureRequest/request", "Condition/nothing"} {
			o.ask(pharmacist, get("/fhir/demo/"+path), http.StatusNotFound)
		}
		// A consent for results opens what the Dutch code marks as one, and no other observation.
		o.mustPut(permit(consent.Side{Category: "pharmacy"}, "GGC012"), milan)
		o.source.Add(demo.Resource(strings.NewReplacer(id, string(milan.PatientID), `"serum"`, `"his"`).Replace(string(o.source.Resource("Observation/serum")))))
		results := o.ask(pharmacist, search("Observation", milan, "_count", "200"), http.StatusOK).entries()
		all := o.ask(demo.GP(), search("Observation", milan, "_count", "200"), http.StatusOK).entries()
		if !slices.Contains(results, "Observation/his") || len(results) >= len(all) {
			t.Errorf("got %d of %d observations, want the results only", len(results), len(all))
		}
	})
	t.Run("denied", func(t *testing.T) {
		for _, typ := range []string{"Observation", "ProcedureRequest", "DocumentReference", "Patient"} {
			o.wantEvent(o.ask(demo.GP(), about(typ, johanna), http.StatusForbidden), audit.OutcomeDeny, "no-consent")
		}
		for _, path := range []string{"Observation/" + marker + "-1", "ProcedureRequest/" + marker + "-2", "DocumentReference/" + marker + "-3", "Patient/nl-core-Patient-01"} {
			o.ask(demo.GP(), get("/fhir/demo/"+path), http.StatusNotFound)
		}
		o.ask(demo.CompanyDoctor(), search("Condition", karena), http.StatusForbidden)
		o.ask(demo.EmergencyDoctor(), search("Condition", milan), http.StatusForbidden)
	})
	t.Run("operations, a batch and an attachment", func(t *testing.T) { o.more(t, conditions) })
	t.Run("each version has its own types and parameters", func(t *testing.T) {
		for path, status := range map[string]int{
			"demo/ServiceRequest?patient=" + id: 404, "newer/ProcedureRequest?patient=" + id: 404, "newer/ServiceRequest?patient=" + id: 200,
			"demo/Condition?recorded-date=gt1900&patient=" + id: 400, "newer/Condition?asserted-date=gt1900&patient=" + id: 400,
			"demo/Observation?has-member=x&patient=" + id: 400, "newer/Observation?related-type=has-member&patient=" + id: 400,
			"demo/MedicationRequest?_include:recurse=MedicationRequest:requester&patient=" + id: 200,
		} {
			o.source.Reset()
			o.ask(demo.GP(), get("/fhir/"+path), status)
			if asked := o.source.Requests(); status != 200 && len(asked) > 0 {
				t.Errorf("%s: the source was asked %s", path, asked[0].Path)
			}
		}
		for version, status := range map[string]int{"3.0": 200, "4.0": 406} {
			q := get("/fhir/demo/" + conditions[0])
			q.header = http.Header{"Accept": {"application/fhir+json; fhirVersion=" + version}}
			o.ask(demo.GP(), q, status)
		}
	})
	t.Run("what the source adds of another does not leave", func(t *testing.T) {
		defer o.source.Intercept(nil)
		o.source.Intercept(demo.Only(func(r *http.Request) bool { return !strings.Contains(r.URL.Path, "Patient") }, o.source.ExtraEntries(
			o.source.Resource("ProcedureRequest/"+marker+"-2"), o.source.Resource("Patient/nl-core-Patient-01"),
			demo.Resource(`{"resourceType":"Condition","id":"`+marker+`-5","subject":{"reference":"Patient/nl-core-Patient-01"}}`),
			demo.Resource(`{"resourceType":"Condition","id":"`+marker+`-4","subject":{"reference":"Patient/`+id+`"},"contained":[{"resourceType":"ProcedureRequest","id":"c","subject":{"reference":"Patient/nl-core-Patient-01"}}]}`),
		)))
		if got := o.ask(demo.GP(), search("Condition", karena), http.StatusOK).entries(); !slices.Equal(got, conditions) {
			t.Errorf("got %v, want %v", got, conditions)
		}
	})
}

// more tests $everything, $lastn, a batch and an attachment.
func (o older) more(t *testing.T, conditions []string) {
	karena := demo.Karena()
	id := string(karena.PatientID)
	var got []string
	for at := "/fhir/demo/Patient/" + id + "/$everything?_count=20"; at != ""; {
		r := o.ask(demo.GP(), get(at), http.StatusOK)
		got = append(got, r.entries()...)
		at = r.link(o.g, "next")
	}
	for _, typ := range []string{"Condition", "Observation", "MedicationRequest", "ProcedureRequest", "Encounter", "DocumentReference"} {
		if found := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return !ofType(typ)(s) }); !slices.Equal(found, o.of(typ, karena)) {
			t.Errorf("$everything gave %v, want %v", found, o.of(typ, karena))
		}
	}
	newest := o.ask(demo.GP(), get("/fhir/demo/Observation/$lastn?patient="+id), http.StatusOK).entries()
	if len(newest) < 5 || len(newest) >= len(o.of("Observation", karena)) || !slices.Contains(newest, "Observation/serum") {
		t.Errorf("$lastn gave %v", newest)
	}
	r := o.ask(demo.GP(), reads("Condition?patient="+id, "Observation/serum", "ServiceRequest?patient="+id, "Observation/"+marker+"-1"), http.StatusOK)
	if want := []string{"200", "200", "404", "404"}; !slices.Equal(r.statuses(), want) {
		t.Errorf("batch: got %v, want %v", r.statuses(), want)
	}
	if n := len(o.eventsOf(r.id)); n != 4 {
		t.Errorf("batch: got %d events, want 4", n)
	}
	link := sealedLink.FindString(o.ask(demo.GP(), search("DocumentReference", karena), http.StatusOK).body)
	if letter := o.ask(demo.GP(), get(link), http.StatusOK); letter.body != "the letter" || letter.header.Get("Content-Type") != "application/pdf" {
		t.Errorf("the attachment is %q", letter.body)
	}
	o.ask(demo.Pharmacist(), get(link), http.StatusNotFound)
	o.ask(demo.GP(), get("/fhir/demo/Binary/letter"), http.StatusNotFound)
}
