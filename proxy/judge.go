package proxy

import (
	"context"
	"slices"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// verdict is a decision for one data category, and whether it was taken under a break-glass declaration.
type verdict struct {
	policy.Decision
	category  fhir.DataCategory
	emergency bool
}

// judge decides for one exchange about one person at one generation. Verdicts are memoised for this exchange only: no decision
// outlives the standing that it was taken on.
type judge struct {
	policy      Decider
	exchange    *exchange
	request     policy.Request // without data category
	person      *mapped
	flags       consent.Flags
	records     []consent.Record
	generation  uint64
	at          time.Time
	declaration *consent.Declaration // the caller's own, in force at `at`; nil if none
	expires     time.Time            // of the token
	verdicts    []*verdict           // one per category asked about: few
	displays    []display            // one per type asked about
}

// display says whether the display text of references to a type may stay.
type display struct {
	typ  string
	stay bool
}

// judge reads the standing and prepares the decision on it.
func (g *Gate) judge(ctx context.Context, x *exchange, req policy.Request, m *mapped) (*judge, *refusal) {
	standing, now, err := g.standing(ctx, x, m.key)
	if err != nil {
		return nil, &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	}
	if standing.Generation > 0 && standing.Person != m.person {
		return nil, refuse(causeUnavailable, "store-other-person")
	}
	j := &judge{
		policy: g.parts.Policy, exchange: x, request: x.asBlocked(req, standing.Flags), person: m, flags: standing.Flags, records: standing.Records,
		generation: standing.Generation, at: now, expires: x.subject.Expires,
	}
	if standing.Newest.After(j.at) {
		j.at = standing.Newest // what is on file has happened, whatever the clock of the store says
	}
	if mayUseDeclaration(req) {
		s := x.subject
		if d, found := standing.Declaration(declarant(s), j.at); found {
			j.declaration = new(d)
		}
	}
	// Under a declaration an unavailable registry stops nobody: emergencies are for when the relation is unknown.
	if ref := g.relate(ctx, x, &j.request, m.person); ref != nil && j.declaration == nil {
		return nil, ref
	}
	return j, nil
}

// mayUseDeclaration reports whether a declaration can open the request: of a named professional, for treatment (docs/operating.md,
// "Emergencies").
func mayUseDeclaration(r policy.Request) bool {
	return r.Actor.Kind == policy.KindProvider && r.Actor.Practitioner != "" && r.Purpose == policy.PurposeTreatment
}

// overruled are the denials that a declaration sets aside: the reason given is then that of the emergency decision. After any other denial
// only a permit counts: the patient may have permitted for emergencies what was withdrawn for treatment.
var overruled = []policy.Reason{policy.ReasonNoConsent, policy.ReasonConsentRefused, policy.ReasonNoTreatmentRelation, policy.ReasonNotForRole}

// decide returns the verdict for one data category: the normal decision first; what that denies is decided again as ETREAT under a declaration.
// That decision knows what no emergency lifts, such as a block or a refusal without exception.
func (j *judge) decide(category fhir.DataCategory) *verdict {
	for _, v := range j.verdicts {
		if v.category == category {
			return v
		}
	}
	v := &verdict{Decision: j.ask(category, j.request.Purpose, nil), category: category}
	if !v.Permit && j.declaration != nil {
		emergency := &policy.Emergency{Reason: j.declaration.Reason, ConsentImpossible: j.declaration.ConsentImpossible}
		d := j.ask(category, policy.PurposeEmergency, emergency)
		if d.Permit || slices.Contains(overruled, v.Reason) {
			v = &verdict{Decision: d, category: category, emergency: true}
		}
	}
	j.verdicts = append(j.verdicts, v)
	return v
}

// ask decides for every birth date that the source's record may mean; all must permit.
func (j *judge) ask(category fhir.DataCategory, purpose policy.PurposeOfUse, emergency *policy.Emergency) policy.Decision {
	var d policy.Decision
	for _, birth := range j.person.births {
		in := j.input(birth)
		in.Request.Category, in.Request.Purpose, in.Request.Emergency = category, purpose, emergency
		in, named := j.exchange.asNamed(j.policy, in)
		if d = j.policy.Decide(in); !d.Permit {
			return d
		}
		if named != nil {
			d.Records = named
		}
	}
	return d
}

// input is the input of the decision, without data category.
func (j *judge) input(birth string) policy.Input {
	return policy.Input{
		At: j.at, Request: j.request, Records: j.records,
		Patient: policy.Patient{
			Key: j.person.key, BirthDate: birth, Deceased: j.person.deceased, Flags: j.flags,
			DiedEarliest: j.person.diedEarliest, DiedLatest: j.person.diedLatest,
		},
	}
}

// all reports whether every one of categories is permitted. Without a category nothing is permitted.
func (j *judge) all(categories []fhir.DataCategory) bool {
	for _, category := range categories {
		if !j.decide(category).Permit {
			return false
		}
	}
	return len(categories) > 0
}

// first returns the first permitting verdict among categories, else the first denial.
func (j *judge) first(categories []fhir.DataCategory) *verdict {
	for _, category := range categories {
		if v := j.decide(category); v.Permit {
			return v
		}
	}
	if len(categories) > 0 {
		return j.decide(categories[0])
	}
	return &verdict{}
}

// notAfter is the earliest instant at which the decision might change (README, step 8).
func (j *judge) notAfter() time.Time {
	earliest := j.expires
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(earliest) {
			earliest = t
		}
	}
	for _, birth := range j.person.births {
		sooner(j.policy.NotAfter(j.input(birth)))
	}
	if j.declaration != nil {
		sooner(j.declaration.Expires)
	}
	return earliest
}
