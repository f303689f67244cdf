package operator

import (
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
)

// TestEmergenciesAreCounted: declarations count in the period in which they were made, with what became of them since.
func TestEmergenciesAreCounted(t *testing.T) {
	const day = 24 * time.Hour
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	c := emergencies{during: span{from, from.Add(10 * day)}, made: map[consent.DeclarationID]*emergency{}}
	event := func(at time.Duration, kind audit.Kind, reason policy.Reason, id consent.DeclarationID, practitioner string) {
		e := audit.Event{Time: from.Add(at), Kind: kind, Reason: reason, Declaration: id, Outcome: audit.OutcomePermit, Code: "unconscious"}
		e.Actor.Practitioner, e.Actor.Organization = practitioner, "ura:1"
		switch reason {
		case audit.ReasonDeclarationLimit, "emergency-not-justified", "declaration-absent", "emergency-refused":
			e.Outcome, e.Code = audit.OutcomeDeny, ""
		}
		c.take(e)
		c.through = e.Time // as eachEvent returns it
	}
	event(-time.Nanosecond, audit.KindBreakGlass, audit.ReasonDeclared, "before", "a")
	event(0, audit.KindBreakGlass, audit.ReasonDeclared, "in-time", "a")
	event(time.Hour, audit.KindAccess, "ok-emergency-unknown", "in-time", "a")
	event(time.Hour, audit.KindAccess, "ok-emergency-unknown", "in-time", "a")
	event(time.Hour, audit.KindAccess, "ok-emergency-unknown", "before", "a")
	event(time.Hour, audit.KindAccess, "emergency-refused", "in-time", "a")
	event(2*time.Hour, audit.KindBreakGlass, audit.ReasonDeclarationEnded, "in-time", "a")
	event(2*time.Hour, audit.KindBreakGlass, "declaration-absent", "", "a")
	event(3*time.Hour, audit.KindReview, audit.ReasonReviewJustified, "in-time", "")
	event(day, audit.KindBreakGlass, audit.ReasonDeclared, "late", "b")
	event(day, audit.KindBreakGlass, audit.ReasonDeclarationLimit, "", "b")
	event(day, audit.KindBreakGlass, "emergency-not-justified", "", "b")
	event(9*day, audit.KindReview, audit.ReasonReviewOverdue, "late", "")
	event(9*day, audit.KindReview, audit.ReasonReviewNotJustified, "late", "")
	event(10*day-1, audit.KindBreakGlass, audit.ReasonDeclared, "open", "b")
	event(10*day, audit.KindBreakGlass, audit.ReasonDeclared, "after", "b")

	b := config.BreakGlass{ReviewWithin: 7 * day, Reasons: []config.EmergencyReason{{Code: "unconscious", NL: "buiten bewustzijn", EN: "unconscious"}}}
	total := emergencyCounts{Declared: 3, Used: 1, Uses: 2, EndedEarly: 1, Justified: 1, NotJustified: 1, Open: 1, Overdue: 1, Limited: 1, Refused: 1}
	r := c.report(b, from.Add(11*day))
	if r.Total != total || len(r.Organizations) != 1 || r.Organizations[0].emergencyCounts != total || !r.ArchivedThrough.Equal(from.Add(10*day)) {
		t.Errorf("got %+v, want %+v", r, total)
	}
	if p := r.Professionals; len(p) != 2 || p[0].Professional != "a" || p[0].Declared != 1 || p[1].Overdue != 1 || p[1].Limited != 1 {
		t.Errorf("got professionals %+v", p)
	}
	if reasons := r.Reasons; len(reasons) != 1 || reasons[0].Declared != 3 || reasons[0].Limited != 0 || reasons[0].Reads == "unconscious" {
		t.Errorf("got reasons %+v", reasons)
	}
	if later := c.report(b, from.Add(30*day)); later.Total.Overdue != 2 {
		t.Errorf("got %d overdue when the open one is late too, want 2", later.Total.Overdue)
	}
}
