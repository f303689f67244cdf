package e2e_test

import (
	"net/http"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestOnlyKnownSendersWrite: only known providers can write, from their addresses; and nothing of it is ever passed on to a source.
func TestOnlyKnownSendersWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := func(senders string) *gateway {
		g, _ := w.start("break_glass: {", "consents:\n  recorders: [gp, hospital]\n  known_senders: ["+senders+"]\nbreak_glass: {")
		return g
	}
	johanna, gp := demo.Johanna(), demo.GP()
	colleague := demo.GP()
	colleague.Claims.UZI, colleague.Claims.Subject = "900000077", "uzi-900000077"
	write := func(g *gateway, by demo.Caller) reply {
		return g.ask(by, sending(t, "POST", "/gateway/Consent", consentFor(johanna)))
	}
	unknown := func(r reply, when string) {
		t.Helper()
		r.wantStatus(t, http.StatusNotFound, when).wantNothing(t, when)
		w.wantEvent(r, audit.OutcomeDeny, "sender-unknown")
	}

	here := start(`{ organization: "ura:90000001", practitioners: ["uzi:900000001"], addresses: ["127.0.0.1"] }`)
	w.wantEvent(write(here, gp).wantStatus(t, http.StatusCreated, "a known sender at a known address"), audit.OutcomePermit, "recorded")
	unknown(write(here, colleague), "somebody else of the practice")
	unknown(write(here, demo.EmergencyDoctor()), "somebody of another organization")
	unknown(here.ask(demo.EmergencyDoctor(), get("/gateway/Consent?patient=nobody")), "who does not write does not read either")

	elsewhere := start(`{ organization: "ura:90000001", addresses: ["192.0.2.0/24"] }`)
	unknown(write(elsewhere, gp), "a known sender from elsewhere")
	elsewhere.ask(demo.Patient("patient-johanna", johanna), sending(t, "POST", "/gateway/Consent", consentFor(johanna))).
		wantStatus(t, http.StatusCreated, "the patient, who is no sender")

	w.source.Reset()
	prescription := m{"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": m{"identifier": johanna.Identifier()}}
	r := here.ask(gp, sending(t, "POST", "/fhir/demo/MedicationRequest", prescription))
	if r.status < 400 || len(w.source.Requests()) != 0 {
		t.Errorf("a prescription: got status %d, and the source %d requests", r.status, len(w.source.Requests()))
	}
	r.wantNothing(t, "a prescription")
}
