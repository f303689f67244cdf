package proxy_test

import (
	"strings"
	"testing"

	"zorgsluis/fhir"
	"zorgsluis/proxy"
)

// TestThePatientsNumberStaysOutOfThePersonalDomain: what a patient gets does not hold the BSN, in a text or under another name either; a
// care provider, who may know it, gets the same resource as it is. A source whose ids are the numbers keeps its references.
func TestThePatientsNumberStaysOutOfThePersonalDomain(t *testing.T) {
	for _, target := range []string{
		"Observation/lab-A", "Observation/lab-A/_history/1", "Observation/lab-A/_history", "Observation?patient=A", "Observation/$lastn?patient=A", "Patient/A/$everything",
	} {
		for caller, told := range map[string]bool{"patient-a": false, "gp": true} {
			w := newWorld(t, func(p *proxy.Parts) { p.Sources[0].Allow = fhir.AllowVRead | fhir.AllowHistory })
			w.store.put(bsnA, permit("c1", "gp", "GGC002"))
			w.source.records["Observation/lab-A"] = strings.Replace(w.source.records["Observation/lab-A"], `"status"`,
				`"identifier":[{"value":"`+bsnA+`"}],"note":[{"text":"BSN `+bsnA+`"}],"status"`, 1)
			w.source.intercept = w.source.withMedications
			got := w.get(caller, "/fhir/demo/"+target)
			if strings.Contains(got.body, bsnA) != told || !strings.Contains(got.body, `"id":"lab-A"`) {
				t.Errorf("%s asks for %s: got %d %s", caller, target, got.status, got.body)
			}
		}
	}
	w := newWorld(t)
	for id, record := range w.source.records {
		w.source.records[strings.Replace(id, "Patient/A", "Patient/"+bsnA, 1)] = strings.NewReplacer("Patient/A", "Patient/"+bsnA, `"id":"A"`, `"id":"`+bsnA+`"`).Replace(record)
	}
	if got := w.get("patient-a", "/fhir/demo/Observation/lab-A"); !strings.Contains(got.body, "Patient/"+bsnA) {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
