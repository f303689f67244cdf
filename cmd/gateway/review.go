package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
)

type reviewCommand struct {
	List  reviewListCommand  `cmd:"" help:"Print the declarations that wait for a review."`
	Close reviewCloseCommand `cmd:"" help:"Record the verdict on one. Not justified ends it at once."`
}

type reviewListCommand struct{ configured }

// openReview is one line of the list. It names nobody but the professional.
type openReview struct {
	Declaration  consent.DeclarationID `json:"declaration"`
	Person       consent.PersonKey     `json:"person"`
	DeclaredAt   time.Time             `json:"declared_at"`
	Practitioner string                `json:"practitioner,omitempty"`
	Organization string                `json:"organization,omitempty"`
	Reason       string                `json:"reason,omitempty"`
}

// Run prints the open reviews, oldest first within each shard.
func (l *reviewListCommand) Run(env *environment) error {
	return withStore(env, l.Config, func(ctx context.Context, _ *settings, store *redisstore.Store) error {
		items, err := store.OpenReviews(ctx)
		if err != nil {
			return fmt.Errorf("review list: %w", err)
		}
		open := make([]openReview, 0, len(items))
		for _, item := range items {
			standing, _, err := store.Standing(ctx, item.Person)
			if err != nil {
				return fmt.Errorf("review list: %w", err)
			}
			line := openReview{Declaration: item.Declaration, Person: item.Person, DeclaredAt: item.DeclaredAt}
			for _, d := range standing.Declarations {
				if d.ID == item.Declaration {
					line.Practitioner, line.Organization, line.Reason = d.Practitioner, d.Organization, d.Reason
				}
			}
			open = append(open, line)
		}
		return printJSON(env.stdout, open)
	})
}

type reviewCloseCommand struct {
	configured
	RequestID    string `placeholder:"ID" help:"Makes the command repeatable: the same id changes once."`
	ID           string `arg:"" help:"The declaration's id."`
	Justified    bool   `xor:"verdict" required:"" help:"The emergency access was justified."`
	NotJustified bool   `xor:"verdict" required:"" help:"It was not."`
	By           string `required:"" placeholder:"NAME" help:"Who reviewed it."`
	Why          string `required:"" placeholder:"TEXT" help:"The grounds of the verdict."`
}

var (
	errNoDeclaration = errors.New("there is no declaration with this id")
	errReviewed      = errors.New("the declaration was reviewed before")
)

// Run records the verdict.
func (r *reviewCloseCommand) Run(env *environment) error {
	if r.By == "" || r.Why == "" {
		return usage(errors.New("review close: --by and --why must say something"))
	}
	return withStore(env, r.Config, func(ctx context.Context, s *settings, store *redisstore.Store) error {
		key, err := store.Lookup(ctx, r.ID)
		if errors.Is(err, redisstore.ErrNotFound) {
			return errNoDeclaration
		}
		if err != nil {
			return fmt.Errorf("review close: %w", err)
		}
		standing, _, err := store.Standing(ctx, key)
		if err != nil {
			return fmt.Errorf("review close: %w", err)
		}
		request := changing{RequestID: r.RequestID}.request(env)
		event := operatorEvent(s, audit.KindReview, reasonReviewed, request)
		event.Declaration = consent.DeclarationID(r.ID)
		event.Actor.Name = r.By
		_, err = store.Change(ctx, audit.Change{Request: request, Person: standing.Person, Event: event, Apply: r.apply})
		if err != nil {
			return fmt.Errorf("review close: %w", err)
		}
		_, err = fmt.Fprintln(env.stdout, r.ID)
		return err
	})
}

// apply sets the verdict; the store gives the instant.
func (r *reviewCloseCommand) apply(st *consent.Standing) error {
	for i := range st.Declarations {
		d := &st.Declarations[i]
		if string(d.ID) != r.ID {
			continue
		}
		if d.Review != nil {
			return errReviewed
		}
		d.Review = &consent.Review{Justified: r.Justified, By: r.By, Why: r.Why}
		return nil
	}
	return errNoDeclaration
}
