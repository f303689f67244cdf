package operator

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
)

type reportBreakGlassCommand struct {
	cli.Configured
	period
}

// Run prints the report: declarations made in the period, and what has become of them. It reads the archive, so what was recorded in the
// last second may be missing; archived_through says how far it goes.
func (r *reportBreakGlassCommand) Run(env *cli.Environment) error {
	during, err := r.instants()
	if err != nil {
		return err
	}
	s, err := load(r.Config)
	if err != nil {
		return err
	}
	c := emergencies{during: during, made: map[consent.DeclarationID]*emergency{}}
	if c.through, err = eachEvent(env.Context, s, c.take); err != nil {
		return fmt.Errorf("report breakglass: %w", err)
	}
	return printJSON(env.Stdout, c.report(s.File.BreakGlass, time.Now()))
}

// emergencies are the declarations of a period, and those refused in it.
type emergencies struct {
	during     span
	made       map[consent.DeclarationID]*emergency
	turnedDown []*emergency
	through    time.Time // of the newest event
}

// emergency is one declaration, or the refusal of one.
type emergency struct {
	professional, organization, code string

	declaration             consent.Declaration // when it was made and reviewed
	limited, refused, ended bool
	uses                    int
}

// take processes one event, oldest first: those of one person are in order, so that a declaration precedes what became of it.
func (c *emergencies) take(e audit.Event) {
	ends := e.Reason == audit.ReasonDeclarationEnded || e.Reason == "declaration-absent"
	made := c.made[e.Declaration]
	switch {
	case e.Kind == audit.KindBreakGlass && !ends:
		if c.during.holds(e.Time) {
			c.declares(e)
		}
	case made == nil:
	case e.Reason == audit.ReasonDeclarationEnded:
		made.ended = true
	case e.Reason == audit.ReasonReviewJustified, e.Reason == audit.ReasonReviewNotJustified:
		made.declaration.Review = &consent.Review{Justified: e.Reason == audit.ReasonReviewJustified, At: e.Time}
	case e.Kind == audit.KindAccess && e.Outcome == audit.OutcomePermit:
		made.uses++
	}
}

// declares notes a declaration or a refused one.
func (c *emergencies) declares(e audit.Event) {
	one := &emergency{professional: e.Actor.Practitioner, organization: e.Actor.Organization, code: e.Code}
	if e.Outcome == audit.OutcomePermit {
		one.declaration.DeclaredAt = e.Time
		c.made[e.Declaration] = one
		return
	}
	one.limited = e.Reason == audit.ReasonDeclarationLimit
	one.refused = !one.limited
	c.turnedDown = append(c.turnedDown, one)
}

// emergencyCounts are the counts of a report. Declared is Justified, NotJustified and Open together; Overdue are those whose verdict was
// late, or is late now.
type emergencyCounts struct {
	Declared     int `json:"declared"`
	Used         int `json:"used"` // something was released under it
	Uses         int `json:"uses"`
	EndedEarly   int `json:"ended_early"`
	Justified    int `json:"justified"`
	NotJustified int `json:"not_justified"`
	Open         int `json:"open"`
	Overdue      int `json:"overdue"`
	Limited      int `json:"limited"` // refused: one too many of a professional
	Refused      int `json:"refused"` // for any other reason
}

// emergencyRow has the counts of one organization, professional or reason.
type emergencyRow struct {
	Organization string `json:"organization,omitempty"`
	Professional string `json:"professional,omitempty"`
	Code         string `json:"code,omitempty"`
	Reads        string `json:"reads,omitempty"`
	emergencyCounts
}

// emergencyReport is the report of a period. It names organizations and professionals, but no patient.
type emergencyReport struct {
	From            time.Time       `json:"from"`
	Until           time.Time       `json:"until"`
	ArchivedThrough time.Time       `json:"archived_through,omitzero"`
	Total           emergencyCounts `json:"total"`
	Organizations   []emergencyRow  `json:"organizations"`
	Professionals   []emergencyRow  `json:"professionals"`
	Reasons         []emergencyRow  `json:"reasons"`
}

// tally counts by row.
type tally map[emergencyRow]*emergencyCounts

func (c *emergencies) report(b config.BreakGlass, now time.Time) emergencyReport {
	r := emergencyReport{From: c.during.from, Until: c.during.until, ArchivedThrough: c.through}
	organizations, professionals, reasons := tally{}, tally{}, tally{}
	for _, one := range slices.Concat(slices.Collect(maps.Values(c.made)), c.turnedDown) {
		late := one.declaration.ReviewLate(b.ReviewWithin, now)
		r.Total.add(one, late)
		organizations.at(emergencyRow{Organization: one.organization}).add(one, late)
		professionals.at(emergencyRow{Organization: one.organization, Professional: one.professional}).add(one, late)
		if one.code != "" { // a refused one has none
			reasons.at(emergencyRow{Code: one.code, Reads: b.Reads(one.code)}).add(one, late)
		}
	}
	r.Organizations, r.Professionals, r.Reasons = organizations.rows(), professionals.rows(), reasons.rows()
	return r
}

// at returns the counts of a row.
func (t tally) at(row emergencyRow) *emergencyCounts {
	if t[row] == nil {
		t[row] = &emergencyCounts{}
	}
	return t[row]
}

// rows returns the counts, sorted by organization, professional and code.
func (t tally) rows() []emergencyRow {
	list := make([]emergencyRow, 0, len(t))
	for row, n := range t {
		row.emergencyCounts = *n
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b emergencyRow) int {
		return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Professional, b.Professional), cmp.Compare(a.Code, b.Code))
	})
	return list
}

// add counts one.
func (n *emergencyCounts) add(one *emergency, late bool) {
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	count(&n.Limited, one.limited)
	count(&n.Refused, one.refused)
	if one.limited || one.refused {
		return
	}
	review := one.declaration.Review
	n.Declared++
	n.Uses += one.uses
	count(&n.Used, one.uses > 0)
	count(&n.EndedEarly, one.ended)
	count(&n.Open, review == nil)
	count(&n.Justified, review != nil && review.Justified)
	count(&n.NotJustified, review != nil && !review.Justified)
	count(&n.Overdue, late)
}
