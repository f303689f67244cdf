package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
)

type erasureCommand struct {
	Tell erasureTellCommand `cmd:"" help:"Notify every organization that received data of one patient that was erased at its source: in the record, and by erasure.notice. Reads the person (BSN or system|value) from stdin. Repeatable: nobody is told the same twice."`
}

type erasureTellCommand struct {
	cli.Configured
	By         string   `required:"" placeholder:"NAME" help:"Your name: recorded."`
	Why        string   `required:"" placeholder:"TEXT" help:"The grounds: recorded. A BSN in them is removed."`
	Source     string   `placeholder:"ID" help:"Only data from this source; default: all sources."`
	From       string   `placeholder:"DATE" help:"Only data received from this day on (2026-01-31, Dutch time); default: everything archived."`
	To         string   `placeholder:"DATE" help:"Last day."`
	References []string `arg:"" optional:"" name:"reference" help:"What was erased (Observation/x); default: everything of the patient."`
}

// erasedReference is a resource as events name it. The id of a Patient is an identifier, and is in no event.
var erasedReference = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64}$`)

// check refuses references that no event can contain. The error does not repeat them.
func (c *erasureTellCommand) check() error {
	if strings.TrimSpace(c.By) == "" || strings.TrimSpace(c.Why) == "" {
		return cli.Usage(errors.New("--by and --why must say something"))
	}
	for _, ref := range c.References {
		if !erasedReference.MatchString(ref) || strings.HasPrefix(ref, "Patient/") {
			return cli.Usage(errors.New("a reference must be as in Observation/x, and not of a Patient: a patient is named on standard input, and without references everything is meant"))
		}
	}
	return nil
}

// Run tells every recipient (AVG art. 17 lid 2 and 19).
func (c *erasureTellCommand) Run(env *cli.Environment) error {
	during, err := between(c.From, c.To)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return err
	}
	person, err := readPerson(lines(env))
	if err != nil {
		return err
	}
	return withStoreFor(env.Context, c.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		x := newErasure(store.Key(person), s.FHIROptions().Holders)
		x.source, x.during, x.references = c.Source, during, c.References
		return inCommand("erasure tell", c.tell(ctx, env, s, store, x))
	})
}

// erasureReport is what the command prints.
type erasureReport struct {
	ArchivedThrough time.Time `json:"archived_through,omitzero"`
	// Webhook: the gateway tells them by erasure.notice. If not, somebody has to.
	Webhook bool         `json:"webhook"`
	Told    []erasureRow `json:"told"`
	// Unnamed received something for no organization, so the gateway cannot tell them.
	Unnamed []recipient `json:"without_organization,omitempty"`
}

type erasureRow struct {
	Organization string        `json:"organization"`
	Event        audit.EventID `json:"event"`
	Before       bool          `json:"told_before,omitempty"` // the same was on record already
	disclosure
}

func (c *erasureTellCommand) tell(ctx context.Context, env *cli.Environment, s *config.Settings, store *redisstore.Store, x *erasure) error {
	if err := onRecord(ctx, s, store, reasonReported, x.person); err != nil {
		return err
	}
	report := erasureReport{Webhook: s.ErasureNotice != nil, Told: []erasureRow{}}
	var err error
	if report.ArchivedThrough, err = eachEvent(ctx, s, x.take); err != nil {
		return err
	}
	for _, to := range slices.SortedFunc(maps.Keys(x.received), receiver.compare) {
		d := *x.received[to]
		id, err := store.NoticeID(x.person, to.matter(d))
		if err != nil {
			return err
		}
		row := erasureRow{Organization: to.organization, Event: id, Before: x.told[id], disclosure: d}
		if !row.Before {
			if err := store.Commit(ctx, audit.Release{Event: c.event(s, x.person, to, row)}); err != nil {
				return fmt.Errorf("%w; the same command goes on", err)
			}
		}
		report.Told = append(report.Told, row)
	}
	report.Unnamed = slices.SortedFunc(maps.Keys(x.unnamed), recipient.compare)
	if !report.Webhook && len(report.Told) > 0 {
		fmt.Fprintln(env.Stderr, "erasure.notice is not configured: tell these organizations yourself that they must erase every copy and every link")
	}
	return printJSON(env.Stdout, report)
}

// event returns the event that one organization is told. Its actor is the officer.
func (c *erasureTellCommand) event(s *config.Settings, person consent.PersonKey, to receiver, row erasureRow) *audit.Event {
	e := Event(s, audit.KindLog, string(audit.ReasonErasureTold), string(row.Event))
	e.ID, e.Person, e.Source, e.Actor.Name, e.Grounds = row.Event, person, to.source, c.By, c.Why
	e.Interaction, e.Type, e.Recipient, e.Version = fhir.CodeSearch, "AuditEvent", to.organization, audit.EvidenceVersion
	e.Disclosed = row.Resources[:min(len(row.Resources), audit.MaxDisclosed)]
	if all := len(row.Resources) + row.NotListed; all > len(e.Disclosed) {
		e.DisclosedTotal = all
	}
	return e
}

// receiver is an organization, and the source whose data it received.
type receiver struct{ organization, source string }

func (r receiver) compare(other receiver) int {
	return cmp.Or(cmp.Compare(r.organization, other.organization), cmp.Compare(r.source, other.source))
}

// matter identifies what is told once: these data, received until then. An organization that receives them again later is told again.
func (r receiver) matter(d disclosure) string {
	return strings.Join(append([]string{"erasure", r.organization, r.source, d.Last.Format(time.RFC3339Nano), fmt.Sprint(d.NotListed)}, d.Resources...), " ")
}

// erasure collects who received erased data.
type erasure struct {
	person     consent.PersonKey
	holders    map[string]string // organization by source: it erased the data, and need not be told
	source     string            // "": all
	during     span
	references []string // none: everything

	received map[receiver]*disclosure
	unnamed  map[recipient]bool
	told     map[audit.EventID]bool
}

func newErasure(person consent.PersonKey, holders map[string]string) *erasure {
	return &erasure{person: person, holders: holders, received: map[receiver]*disclosure{}, unnamed: map[recipient]bool{}, told: map[audit.EventID]bool{}}
}

// take processes one event of the archive. Patients and their representatives are not organizations that received something.
func (x *erasure) take(e audit.Event) {
	if e.Person == x.person && e.Reason == audit.ReasonErasureTold {
		x.told[e.ID] = true
	}
	switch {
	case e.Person != x.person, !disclosed(e), !x.during.holds(e.Time), x.source != "" && x.source != e.Source,
		e.Actor.Kind == "patient", e.Actor.Kind == "representative",
		e.Actor.Organization != "" && e.Actor.Organization == x.holders[e.Source]:
		return
	}
	if len(x.references) > 0 {
		if e.Disclosed = x.erasedOf(e); len(e.Disclosed) == 0 {
			return
		}
		e.DisclosedTotal = 0
	}
	if e.Actor.Organization == "" {
		x.unnamed[recipientOf(e)] = true
		return
	}
	to := receiver{e.Actor.Organization, e.Source}
	if x.received[to] == nil {
		x.received[to] = &disclosure{}
	}
	x.received[to].add(e)
}

// erasedOf returns the erased references that an event is about. If its list was cut, that is all of them: better to tell one too many.
func (x *erasure) erasedOf(e audit.Event) []string {
	if e.DisclosedTotal > len(e.Disclosed) {
		return x.references
	}
	return slices.DeleteFunc(slices.Clone(e.Disclosed), func(ref string) bool { return !slices.Contains(x.references, ref) })
}
