package e2e_test

import (
	"net/http"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/demo"
)

// TestBlocked: insurers and company doctors are refused although a consent names their very organization and practitioner; the source is not
// contacted, and no emergency helps.
func TestBlocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	karena := demo.Karena()
	for _, tt := range []struct {
		by     demo.Caller
		reason string
	}{{demo.Insurer(), "blocked-insurer"}, {demo.CompanyDoctor(), "blocked-company-doctor"}} {
		for _, side := range []consent.Side{
			{Organization: "ura:" + tt.by.Claims.OrganizationURA}, {Practitioner: "uzi:" + tt.by.Claims.UZI},
		} {
			w.mustPut(permit(side, "GGC002"), karena)
		}
		emergency := tt.by
		emergency.Claims.PurposeOfUse = []string{"ETREAT"}
		for name, ask := range map[string]struct {
			by demo.Caller
			q  question
		}{
			"search by id":         {tt.by, searchID("Condition", karena)},
			"search by identifier": {tt.by, search("Condition", karena)},
			"read":                 {tt.by, get("/fhir/demo/Patient/" + string(karena.PatientID))},
			"search, emergency":    {emergency, search("Condition", karena)},
			"break-glass":          {tt.by, declare(karena)},
		} {
			w.source.Reset()
			r := g.ask(ask.by, ask.q).wantStatus(t, http.StatusForbidden, tt.reason+", "+name)
			r.wantNothing(t, name)
			w.wantEvent(r, audit.OutcomeDeny, tt.reason)
			if n := len(w.source.Requests()); n != 0 {
				t.Errorf("%s, %s: the source was asked %d times, want not at all", tt.reason, name, n)
			}
		}
	}
}
