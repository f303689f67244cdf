package operator

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
)

// reasonReported is the reason of the event of a report that is about patients.
const reasonReported = "reported"

// disclosure is what was released of one patient's record to one party, added up.
type disclosure struct {
	First      time.Time           `json:"first"`
	Last       time.Time           `json:"last"`
	Times      int                 `json:"times"`
	Emergency  int                 `json:"emergency,omitempty"` // how many of them in an emergency
	Sources    []string            `json:"sources,omitempty"`
	Categories []fhir.DataCategory `json:"categories,omitempty"`
	Resources  []string            `json:"resources,omitempty"`
	// NotListed is how many resources are not in the list: the events of large answers name only the first ones.
	NotListed int                `json:"not_listed,omitempty"`
	Consents  []consent.RecordID `json:"consents,omitempty"`
}

// add adds one event. Lists stay sorted, each value once.
func (d *disclosure) add(e audit.Event) {
	if d.Times == 0 || e.Time.Before(d.First) {
		d.First = e.Time
	}
	if e.Time.After(d.Last) {
		d.Last = e.Time
	}
	d.Times++
	if e.Declaration != "" {
		d.Emergency++
	}
	if e.Source != "" {
		d.Sources = merged(d.Sources, e.Source)
	}
	d.Categories = merged(d.Categories, e.Categories...)
	d.Resources = merged(d.Resources, e.Disclosed...)
	d.Consents = merged(d.Consents, e.Records...)
	if e.DisclosedTotal > 0 {
		d.NotListed += e.DisclosedTotal - len(e.Disclosed)
	}
}

// merged adds values to a sorted list without duplicates.
func merged[T cmp.Ordered](list []T, values ...T) []T {
	for _, value := range values {
		if at, found := slices.BinarySearch(list, value); !found {
			list = slices.Insert(list, at, value)
		}
	}
	return list
}

// disclosed reports whether something of a record was released to the caller.
func disclosed(e audit.Event) bool {
	return e.Kind == audit.KindAccess && e.Outcome == audit.OutcomePermit && e.Person != "" && len(e.Disclosed) > 0
}

type reportRecipientsCommand struct {
	cli.Configured
	From string `placeholder:"DATE" help:"First day (2026-01-31), in Dutch time; default: everything archived."`
	To   string `placeholder:"DATE" help:"Last day."`
}

// recipient is who received something: the caller, for which organization, by which client; or who was handed a copy, on a legal ground.
type recipient struct {
	Kind         string              `json:"kind,omitempty"`
	Organization string              `json:"organization,omitempty"`
	Practitioner string              `json:"practitioner,omitempty"`
	Name         string              `json:"name,omitempty"`
	Client       string              `json:"client,omitempty"`
	Purpose      policy.PurposeOfUse `json:"purpose,omitempty"`
	Ground       policy.Ground       `json:"legal_ground,omitempty"`
}

func recipientOf(e audit.Event) recipient {
	if e.LegalGround != "" { // the actor handed it over
		return recipient{Name: e.Recipient, Ground: e.LegalGround}
	}
	a := e.Actor
	return recipient{Kind: a.Kind, Organization: a.Organization, Practitioner: a.Practitioner, Name: a.Name, Client: a.Client, Purpose: a.Purpose}
}

func (r recipient) compare(other recipient) int {
	return cmp.Or(cmp.Compare(r.Organization, other.Organization), cmp.Compare(r.Practitioner, other.Practitioner), cmp.Compare(r.Name, other.Name),
		cmp.Compare(r.Client, other.Client), cmp.Compare(r.Purpose, other.Purpose), cmp.Compare(r.Kind, other.Kind), cmp.Compare(r.Ground, other.Ground))
}

type recipientRow struct {
	recipient
	disclosure
}

// Run prints who received what of one patient's record (AVG art. 15 and 19). The patient is read from standard input.
func (r *reportRecipientsCommand) Run(env *cli.Environment) error {
	during, err := between(r.From, r.To)
	if err != nil {
		return err
	}
	person, err := readPerson(lines(env))
	if err != nil {
		return err
	}
	return withStoreFor(env.Context, r.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		key := store.Key(person)
		if err := onRecord(ctx, s, store, reasonReported, key); err != nil {
			return fmt.Errorf("report recipients: %w", err)
		}
		report := struct {
			ArchivedThrough time.Time      `json:"archived_through,omitzero"`
			Recipients      []recipientRow `json:"recipients"`
		}{Recipients: []recipientRow{}}
		found := map[recipient]*disclosure{}
		var err error
		report.ArchivedThrough, err = eachEvent(ctx, s, func(e audit.Event) {
			if disclosed(e) && e.Person == key && during.holds(e.Time) {
				at(found, recipientOf(e)).add(e)
			}
		})
		if err != nil {
			return fmt.Errorf("report recipients: %w", err)
		}
		for _, who := range slices.SortedFunc(maps.Keys(found), recipient.compare) {
			report.Recipients = append(report.Recipients, recipientRow{who, *found[who]})
		}
		return printJSON(env.Stdout, report)
	})
}

type reportIncidentCommand struct {
	cli.Configured
	period
	onePerson
	Client       string `help:"Only requests by this client."`
	Organization string `help:"Only requests for this organization (ura:00000001)."`
	Identify     bool   `help:"Name the patients by their identifiers, if the store has them, so that they can be told of a breach. The output is then as confidential as a record."`
}

// affected is one patient in an incident: by person key, or also by identifier if requested.
type affected struct {
	Person     consent.PersonKey `json:"person"`
	Identifier *fhir.Identifier  `json:"identifier,omitempty"`
	disclosure
	Recipients []recipient `json:"recipients"`
}

// incident is the report: who could have seen what that should not have been seen (AVG art. 33 and 34).
type incident struct {
	From            time.Time  `json:"from"`
	Until           time.Time  `json:"until"`
	ArchivedThrough time.Time  `json:"archived_through,omitzero"`
	Patients        []affected `json:"patients"`
	Disclosures     int        `json:"disclosures"`
	Refused         int        `json:"refused"` // exchanges that were turned down, by the same choice
}

// Run prints which patients, and which of their data, a period and a choice of callers concern.
func (r *reportIncidentCommand) Run(env *cli.Environment) error {
	during, err := r.instants()
	if err != nil {
		return err
	}
	choose, err := r.choose(env)
	if err != nil {
		return err
	}
	return withStoreFor(env.Context, r.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		key := choose(store)
		if err := onRecord(ctx, s, store, reasonReported, key); err != nil {
			return fmt.Errorf("report incident: %w", err)
		}
		report, err := r.collect(ctx, s, key, during)
		if err == nil && r.Identify {
			err = identify(ctx, store, report.Patients)
		}
		if err != nil {
			return fmt.Errorf("report incident: %w", err)
		}
		return printJSON(env.Stdout, report)
	})
}

func (r *reportIncidentCommand) collect(ctx context.Context, s *config.Settings, person consent.PersonKey, during span) (incident, error) {
	report := incident{From: during.from, Until: during.until, Patients: []affected{}}
	data, recipients := map[consent.PersonKey]*disclosure{}, map[consent.PersonKey]map[recipient]bool{}
	var err error
	report.ArchivedThrough, err = eachEvent(ctx, s, func(e audit.Event) {
		switch {
		case !during.holds(e.Time), person != "" && e.Person != person, e.Kind != audit.KindAccess && e.Kind != audit.KindBreakGlass,
			r.Client != "" && e.Actor.Client != r.Client, r.Organization != "" && e.Actor.Organization != r.Organization:
		case disclosed(e):
			report.Disclosures++
			at(data, e.Person).add(e)
			if recipients[e.Person] == nil {
				recipients[e.Person] = map[recipient]bool{}
			}
			recipients[e.Person][recipientOf(e)] = true
		case e.Outcome != audit.OutcomePermit:
			report.Refused++
		}
	})
	for _, key := range slices.Sorted(maps.Keys(data)) {
		report.Patients = append(report.Patients, affected{
			Person: key, disclosure: *data[key], Recipients: slices.SortedFunc(maps.Keys(recipients[key]), recipient.compare),
		})
	}
	return report, err
}

// identify names the patients with a standing in the store, the only place where a person key leads back to a person.
func identify(ctx context.Context, store *redisstore.Store, patients []affected) error {
	for i, p := range patients {
		standing, _, err := store.Standing(ctx, p.Person)
		if err != nil {
			return err
		}
		if standing.Person != (fhir.Identifier{}) {
			patients[i].Identifier = &standing.Person
		}
	}
	return nil
}

type reportInsurersCommand struct {
	cli.Configured
	period
}

// Run prints which insurers asked for records: they must be reported to the authority (Wabvpz art. 15h).
func (r *reportInsurersCommand) Run(env *cli.Environment) error {
	during, err := r.instants()
	if err != nil {
		return err
	}
	s, err := load(r.Config)
	if err != nil {
		return err
	}
	type attempts struct {
		recipient
		Times    int         `json:"times"`
		Patients int         `json:"patients"` // how many different ones, as far as the requests named one
		When     []time.Time `json:"when"`
		persons  map[consent.PersonKey]bool
	}
	report := struct {
		From            time.Time   `json:"from"`
		Until           time.Time   `json:"until"`
		ArchivedThrough time.Time   `json:"archived_through,omitzero"`
		Attempts        []*attempts `json:"attempts"`
	}{From: during.from, Until: during.until, Attempts: []*attempts{}}
	found := map[recipient]*attempts{}
	report.ArchivedThrough, err = eachEvent(env.Context, s, func(e audit.Event) {
		if during.holds(e.Time) && slices.Contains(e.Obligations, policy.ObligationReportAuthority) {
			who := recipientOf(e)
			if found[who] == nil {
				found[who] = &attempts{recipient: who, persons: map[consent.PersonKey]bool{}}
			}
			one := found[who]
			one.Times, one.When = one.Times+1, append(one.When, e.Time)
			if e.Person != "" {
				one.persons[e.Person] = true
				one.Patients = len(one.persons)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("report insurers: %w", err)
	}
	for _, who := range slices.SortedFunc(maps.Keys(found), recipient.compare) {
		report.Attempts = append(report.Attempts, found[who])
	}
	return printJSON(env.Stdout, report)
}

// onRecord records that the log about patients is read, before any of it is printed. person is empty if it is about many.
func onRecord(ctx context.Context, s *config.Settings, store *redisstore.Store, reason string, person consent.PersonKey) error {
	event := Event(s, audit.KindLog, reason, rand.Text())
	event.Person, event.Interaction, event.Type = person, fhir.CodeSearch, "AuditEvent"
	if err := store.Commit(ctx, audit.Release{Event: event}); err != nil {
		return fmt.Errorf("not on record, so nothing is given: %w", err)
	}
	return nil
}

// between parses a period whose ends may both be missing.
func between(first, last string) (span, error) {
	p := period{From: cmp.Or(first, "2000-01-01"), To: cmp.Or(last, "9000-01-01")}
	return p.instants()
}

// at returns the disclosure of a key.
func at[K comparable](found map[K]*disclosure, key K) *disclosure {
	if found[key] == nil {
		found[key] = &disclosure{}
	}
	return found[key]
}
