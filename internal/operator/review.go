package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
)

type reviewCommand struct {
	List  reviewListCommand  `cmd:"" help:"Print the emergency declarations that await review."`
	Close reviewCloseCommand `cmd:"" help:"Record the verdict on a declaration: --justified, or --not-justified, which ends it at once."`
	End   reviewEndCommand   `cmd:"" help:"End a declaration that is in force. It must still be reviewed."`
}

type reviewListCommand struct {
	cli.Configured
	Overdue bool `help:"Only those whose review is overdue (break_glass.review_within)."`
}

// openReview is one line of the list. It names nobody but the professional.
type openReview struct {
	Declaration  consent.DeclarationID `json:"declaration"`
	Person       consent.PersonKey     `json:"person"`
	DeclaredAt   time.Time             `json:"declared_at"`
	Expires      time.Time             `json:"expires,omitzero"`
	ReviewBy     time.Time             `json:"review_by"`
	Overdue      bool                  `json:"overdue"`
	Issuer       string                `json:"issuer,omitempty"`
	Client       string                `json:"client,omitempty"`
	Practitioner string                `json:"practitioner,omitempty"`
	Organization string                `json:"organization,omitempty"`
	Code         string                `json:"code,omitempty"`
	Reads        string                `json:"reads,omitempty"` // the code in Dutch
	Reason       string                `json:"reason,omitempty"`
}

// Run prints the open reviews, the most urgent first.
func (l *reviewListCommand) Run(env *cli.Environment) error {
	return withStore(env, l.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		items, err := store.OpenReviews(ctx)
		if err != nil {
			return fmt.Errorf("review list: %w", err)
		}
		open := make([]openReview, 0, len(items))
		for _, item := range items {
			standing, now, err := store.Standing(ctx, item.Person)
			if err != nil {
				return fmt.Errorf("review list: %w", err)
			}
			line := openReview{Declaration: item.Declaration, Person: item.Person, DeclaredAt: item.DeclaredAt}
			if d := standing.DeclarationWithID(item.Declaration); d != nil {
				line.describe(*d, s.File.BreakGlass, now)
			}
			if line.Overdue || !l.Overdue {
				open = append(open, line)
			}
		}
		slices.SortStableFunc(open, func(a, b openReview) int { return a.DeclaredAt.Compare(b.DeclaredAt) })
		return printJSON(env.Stdout, open)
	})
}

// describe adds the content of the declaration, and its state.
func (o *openReview) describe(d consent.Declaration, b config.BreakGlass, now time.Time) {
	o.Expires, o.ReviewBy, o.Overdue = d.Expires, d.ReviewBy(b.ReviewWithin), d.ReviewLate(b.ReviewWithin, now)
	o.Issuer, o.Client, o.Practitioner, o.Organization = d.Issuer, d.Client, d.Practitioner, d.Organization
	o.Code, o.Reads, o.Reason = d.Code, b.Reads(d.Code), d.Reason
}

// accounted are the flags of an operator's action on a declaration.
type accounted struct {
	cli.Configured
	RequestID string                `placeholder:"ID" help:"Make the change once for this id, however often the command is repeated."`
	ID        consent.DeclarationID `arg:"" help:"The id of the declaration."`
	By        string                `required:"" placeholder:"NAME" help:"Your name: recorded, and shown to the patient."`
	Why       string                `required:"" placeholder:"TEXT" help:"The grounds: recorded, and shown to the patient. A BSN in them is removed."`
}

var (
	errNoDeclaration = errors.New("there is no declaration with this id")
	errReviewed      = errors.New("the declaration was reviewed before")
	errOver          = errors.New("the declaration is not in force")
)

// change changes one declaration together with its event.
func (a accounted) change(env *cli.Environment, event audit.Event, apply func(*consent.Standing, *consent.Declaration) error) error {
	if a.By == "" || a.Why == "" {
		return cli.Usage(errors.New("--by and --why must say something"))
	}
	return withStore(env, a.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		standing, err := declared(ctx, store, a.ID)
		if err != nil {
			return err
		}
		request := changing{RequestID: a.RequestID}.request(env)
		e := Event(s, event.Kind, string(event.Reason), request)
		e.Declaration, e.Grounds, e.Obligations = a.ID, a.Why, event.Obligations
		e.Actor.Name = a.By
		if d := standing.DeclarationWithID(a.ID); d != nil {
			e.Code, e.Emergency = d.Code, d.Reason
		}
		_, err = store.Change(ctx, audit.Change{
			Request: request, Person: standing.Person, Event: e,
			Apply: func(st *consent.Standing) error {
				d := st.DeclarationWithID(a.ID)
				if d == nil {
					return errNoDeclaration
				}
				return apply(st, d)
			},
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(env.Stdout, a.ID)
		return err
	})
}

// declared returns the standing that contains a declaration.
func declared(ctx context.Context, store *redisstore.Store, id consent.DeclarationID) (consent.Standing, error) {
	key, err := store.Lookup(ctx, string(id))
	if errors.Is(err, redisstore.ErrNotFound) {
		return consent.Standing{}, errNoDeclaration
	}
	if err != nil {
		return consent.Standing{}, err
	}
	standing, _, err := store.Standing(ctx, key)
	return standing, err
}

type reviewCloseCommand struct {
	accounted
	Justified    bool `xor:"verdict" required:"" help:"The emergency access was justified."`
	NotJustified bool `xor:"verdict" required:"" help:"The emergency access was not justified: the patient must be informed."`
}

// Run records the verdict. The patient sees it.
func (r *reviewCloseCommand) Run(env *cli.Environment) error {
	event := audit.Event{Kind: audit.KindReview, Reason: audit.ReasonReviewJustified}
	if !r.Justified {
		event.Reason, event.Obligations = audit.ReasonReviewNotJustified, []policy.Obligation{policy.ObligationNotifyPatient}
	}
	err := r.change(env, event, func(_ *consent.Standing, d *consent.Declaration) error {
		if d.Review != nil {
			return errReviewed
		}
		d.Review = &consent.Review{Justified: r.Justified, By: r.By, Why: audit.HidePersons(r.Why)} // the store sets the time
		return nil
	})
	return inCommand("review close", err)
}

type reviewEndCommand struct{ accounted }

// Run ends a declaration early: once it returns, nothing is released under it.
func (r *reviewEndCommand) Run(env *cli.Environment) error {
	event := audit.Event{Kind: audit.KindBreakGlass, Reason: audit.ReasonDeclarationEnded}
	err := r.change(env, event, func(st *consent.Standing, d *consent.Declaration) error {
		if !st.EndDeclaration(d.ID, st.Newest) {
			return errOver
		}
		return nil
	})
	return inCommand("review end", err)
}

// inCommand prefixes an error with its command.
func inCommand(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}
