package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
)

type consentCommand struct {
	Put      putCommand      `cmd:"" help:"Record one consent or refusal, and print its id. Reads the person (BSN or system|value) from stdin."`
	Withdraw withdrawCommand `cmd:"" help:"Withdraw one consent or refusal. Reads the person (BSN or system|value) from stdin."`
	List     listCommand     `cmd:"" help:"Print what is on file for a person. Reads the person (BSN or system|value) from stdin."`
	History  historyCommand  `cmd:"" help:"Print every version of what was on file for a person, verified by its chain. Reads the person (BSN or system|value) from stdin."`

	Import importCommand `cmd:"" help:"Import consents that were recorded elsewhere (NDJSON of FHIR Consent), with their recording times. Can be interrupted and repeated."`
	Export exportCommand `cmd:"" help:"Print the consents of everybody, or of one person, as NDJSON of FHIR Consent. This is itself recorded."`

	Lapsing       lapsingCommand       `cmd:"" help:"Print which consents and refusals end because a child turns 12 or 16, and record a notice of each, once. Asks the sources for birth dates."`
	Verify        verifyCommand        `cmd:"" help:"Verify the chain of versions of a person, or of everybody (--all), and that the archive agrees. Reads the person (BSN or system|value) from stdin. Exit code 3: damaged; the output says where."`
	Evidence      evidenceCommand      `cmd:"" help:"Print a signed file that proves what a person consented to, how, when and on which information. Reads the person (BSN or system|value) from stdin. This is itself recorded."`
	CheckEvidence checkEvidenceCommand `cmd:"" help:"Check a file from consent evidence, without a store or configuration. Exit code 3: it is not what was signed."`
}

type putCommand struct {
	cli.Configured
	changing
	Record string `required:"" placeholder:"FILE" help:"The record as a JSON file (docs/operating.md shows one). The store sets its id and recorded_at."`
}

// Run records one consent record.
func (p *putCommand) Run(env *cli.Environment) error {
	text, err := os.ReadFile(p.Record)
	if err != nil {
		return cli.Usage(fmt.Errorf("consent put: %w", err))
	}
	record, err := consent.ParseRecord(bytes.TrimSpace(text))
	if err != nil {
		return cli.Usage(err)
	}
	person, err := readPerson(lines(env))
	if err != nil {
		return err
	}
	return withStore(env, p.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		id, err := Put(ctx, s, store, NewRecord{record, person, p.request(env), p.IfGeneration})
		if err != nil {
			return fmt.Errorf("consent put: %w", err)
		}
		_, err = fmt.Fprintln(env.Stdout, id)
		return err
	})
}

// NewRecord is a record to put on file for a person.
type NewRecord struct {
	Record       consent.Record
	Person       fhir.Identifier
	Request      string  // the same id records once
	IfGeneration *uint64 // nil: whatever is on file
}

// Put checks a record (docs/decision.md, What a write must refuse), puts it on file and returns its id. The store sets id and time; those
// in the record are checked but not kept. The error is cli.ErrUsage if the record is refused.
func Put(ctx context.Context, s *config.Settings, store *redisstore.Store, p NewRecord) (consent.RecordID, error) {
	id := store.NewRecordID(p.Person)
	event := Event(s, audit.KindConsent, reasonRecorded, p.Request)
	event.Interaction, event.Consent = audit.CodeCreate, id
	standing, err := store.Change(ctx, audit.Change{
		Request: p.Request, Person: p.Person, IfGeneration: p.IfGeneration, Event: event,
		Apply: func(st *consent.Standing) error {
			record := p.Record
			if record.RecordedAt.IsZero() {
				record.RecordedAt.Time = st.Newest // the store's clock
			}
			if err := checkNew(s, record, st.Newest); err != nil {
				return err
			}
			record.ID, record.RecordedAt = id, consent.Time{}
			st.Records = append(st.Records, record)
			return nil
		},
	})
	if err != nil {
		return "", err
	}
	return recordedBy(standing, id)
}

// checkNew returns what is wrong with a new record.
func checkNew(s *config.Settings, r consent.Record, now time.Time) error {
	var status error
	if r.Status != consent.StatusActive {
		status = &consent.FieldError{Field: "status", Reason: "must be active: withdraw a record that is on file"}
		r.Status = consent.StatusActive // so that other faults are reported as well
	}
	return cli.Usage(errors.Join(status, s.Catalogue.CheckWrite(r, now)))
}

// recordedBy returns the id of the record that a change made: ours, or, if the request is a repeat, that of the first time, whose timestamp
// is that of the change.
func recordedBy(standing consent.Standing, id consent.RecordID) (consent.RecordID, error) {
	at := slices.IndexFunc(standing.Records, func(r consent.Record) bool { return r.ID == id })
	if at < 0 {
		at = slices.IndexFunc(standing.Records, func(r consent.Record) bool { return r.RecordedAt.Equal(standing.Newest) })
	}
	if at < 0 {
		return "", errors.New("the request id was used for another change")
	}
	return standing.Records[at].ID, nil
}

type withdrawCommand struct {
	cli.Configured
	changing
	ID string   `arg:"" help:"The id of the record. Records of one FHIR Consent are withdrawn together."`
	By []string `required:"" enum:"patient,representative" placeholder:"WHO" help:"Who withdraws: patient, representative, or both."`
}

// Run withdraws a record, and those that are one Consent with it. Once it returns, no release happens under that consent.
func (w *withdrawCommand) Run(env *cli.Environment) error {
	person, err := readPerson(lines(env))
	if err != nil {
		return err
	}
	return withStore(env, w.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		request := w.request(env)
		event := Event(s, audit.KindConsent, reasonWithdrawn, request)
		event.Interaction = audit.CodeUpdate
		_, err := store.Change(ctx, audit.Change{
			Request: request, Person: person, IfGeneration: w.IfGeneration, Event: event,
			Apply: func(st *consent.Standing) error {
				id, err := withdraw(st, consent.RecordID(w.ID), w.By)
				event.Consent = id
				return err
			},
		})
		if err != nil {
			return fmt.Errorf("consent withdraw: %w", err)
		}
		_, err = fmt.Fprintln(env.Stdout, w.ID)
		return err
	})
}

var (
	errNoRecord  = errors.New("the person has no record with this id")
	errWithdrawn = errors.New("the record is not active")
)

// withdraw marks all records of the Consent that a record belongs to as withdrawn, and returns the id of that; the store sets the time. They are
// one statement, as they are over FHIR: a permit whose exceptions stay, or an exception that ends alone, is not what was said.
func withdraw(st *consent.Standing, id consent.RecordID, by []string) (consent.RecordID, error) {
	all := consentfhir.Of(*st)
	at := slices.IndexFunc(all, func(c consentfhir.Consent) bool { return c.Holds(id) })
	switch {
	case at < 0:
		return "", errNoRecord
	case all[at].Records[0].Status != consent.StatusActive:
		return "", errWithdrawn
	}
	for i := range st.Records {
		if r := &st.Records[i]; all[at].Holds(r.ID) {
			r.Status, r.WithdrawnBy = consent.StatusWithdrawn, by
		}
	}
	return all[at].ID, nil
}

type listCommand struct{ cli.Configured }

// standingView is what an operator sees of a standing: everything but the person, whom the operator knows.
type standingView struct {
	Since        time.Time             `json:"since,omitzero"`
	Generation   uint64                `json:"generation"`
	Records      []consent.Record      `json:"records"`
	Declarations []consent.Declaration `json:"declarations"`
	Flags        consent.Flags         `json:"flags"`
}

func viewOf(st consent.Standing) standingView {
	v := standingView{Since: st.Newest, Generation: st.Generation, Records: st.Records, Declarations: st.Declarations, Flags: st.Flags}
	if v.Records == nil {
		v.Records = []consent.Record{}
	}
	if v.Declarations == nil {
		v.Declarations = []consent.Declaration{}
	}
	return v
}

// Run prints what is on file.
func (l *listCommand) Run(env *cli.Environment) error {
	person, err := readPerson(lines(env))
	if err != nil {
		return err
	}
	return withStore(env, l.Config, func(ctx context.Context, _ *config.Settings, store *redisstore.Store) error {
		standing, _, err := store.Standing(ctx, store.Key(person))
		if err != nil {
			return fmt.Errorf("consent list: %w", err)
		}
		return printJSON(env.Stdout, viewOf(standing))
	})
}

type historyCommand struct{ cli.Configured }

// Run prints every version, oldest first.
func (h *historyCommand) Run(env *cli.Environment) error {
	person, err := readPerson(lines(env))
	if err != nil {
		return err
	}
	return withStore(env, h.Config, func(ctx context.Context, _ *config.Settings, store *redisstore.Store) error {
		versions, err := store.History(ctx, store.Key(person))
		if err != nil {
			return fmt.Errorf("consent history: %w", err)
		}
		views := make([]standingView, len(versions))
		for i, version := range versions {
			views[i] = viewOf(version.Standing)
		}
		return printJSON(env.Stdout, views)
	})
}
