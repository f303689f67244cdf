package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/demo"
)

// TestPromise4BlockedPartiesStayBlocked: parties blocked by law, by whatever sign, get nothing: not with consents that name the organization,
// the practitioner and everybody's category, not in an emergency that is on file; the source is not even contacted.
func TestPromise4BlockedPartiesStayBlocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	karena := demo.Karena()
	doctor := func(change func(*demo.Claims)) demo.Caller {
		by := demo.EmergencyDoctor()
		change(&by.Claims)
		return by
	}
	blocked := map[string]struct {
		by     demo.Caller
		reason string
	}{
		"an insurer's number":                      {doctor(func(c *demo.Claims) { c.OrganizationUZOVI = "0104" }), "blocked-insurer"},
		"an insurer's AGB":                         {doctor(func(c *demo.Claims) { c.AGB = "9803" }), "blocked-insurer"},
		"a company doctor's role":                  {doctor(func(c *demo.Claims) { c.UZIRoles = []string{"01.008"} }), "blocked-company-doctor"},
		"a company doctor's role among others":     {doctor(func(c *demo.Claims) { c.UZIRoles = []string{"01.071", "01.008"} }), "blocked-company-doctor"},
		"a company doctor's AGB":                   {doctor(func(c *demo.Claims) { c.AGB = "7400" }), "blocked-company-doctor"},
		"an insurance doctor's role":               {doctor(func(c *demo.Claims) { c.UZIRoles = []string{"01.048"} }), "blocked-insurance-doctor"},
		"a purpose of employment":                  {doctor(func(c *demo.Claims) { c.PurposeOfUse = []string{"EMPLOY"} }), "blocked-medical-examiner"},
		"a purpose of disability":                  {doctor(func(c *demo.Claims) { c.PurposeOfUse = []string{"DISABILITY"} }), "blocked-medical-examiner"},
		"a purpose of insurance beside treatment":  {doctor(func(c *demo.Claims) { c.PurposeOfUse = []string{"TREAT", "INSUR"} }), "blocked-medical-examiner"},
		"the insurer of the demo":                  {demo.Insurer(), "blocked-insurer"},
		"the company doctor of the demo":           {demo.CompanyDoctor(), "blocked-company-doctor"},
		"a company doctor who works at an insurer": {doctor(func(c *demo.Claims) { c.OrganizationUZOVI, c.UZIRoles = "0104", []string{"01.008"} }), "blocked-insurer"},
	}
	w.mustPut(permit(partyHospital, "GGC002"), karena)
	for _, by := range []demo.Caller{demo.EmergencyDoctor(), demo.Insurer(), demo.CompanyDoctor()} {
		w.mustPut(permit(consent.Side{Organization: "ura:" + by.Claims.OrganizationURA}, "GGC002"), karena)
		w.mustPut(permit(consent.Side{Practitioner: "uzi:" + by.Claims.UZI}, "GGC002"), karena)
		w.declared(by, karena, time.Hour)
	}
	g.ask(demo.EmergencyDoctor(), search("Condition", karena)).wantStatus(t, http.StatusOK, "the doctor without any such sign")
	for name, tt := range blocked {
		for way, q := range map[string]question{
			"search": search("Condition", karena), "search by id": searchID("Observation", karena),
			"read": get("/fhir/demo/Patient/" + string(karena.PatientID)), "declaration": declare(karena),
		} {
			w.source.Reset()
			r := g.ask(tt.by, q).wantStatus(t, http.StatusForbidden, name+", "+way)
			r.wantNothing(t, name)
			w.wantEvent(r, audit.OutcomeDeny, tt.reason)
			if n := len(w.source.Requests()); n != 0 {
				t.Errorf("%s, %s: the source was asked %d times", name, way, n)
			}
		}
	}
}
