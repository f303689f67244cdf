package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/policy"
)

type catalogueCommand struct {
	Activate activateCommand `cmd:"" help:"Make the configuration's categories those that consents are read by, and put a notice on record for every patient with an active consent. serve does the same when it starts."`
}

// reasonCatalogue is the reason of the notice to a patient whose consent is read by other categories than before.
const reasonCatalogue policy.Reason = "catalogue-changed"

// activated is what the store keeps: the meaning, and whether everybody has been told of it.
type activated struct {
	Meaning meaning  `json:"meaning"`
	Pending bool     `json:"pending,omitempty"`
	Changes []string `json:"changes,omitempty"` // what is told, while it is pending
}

// errWidens: consents on file would open more than they did when they were given.
var errWidens = errors.New("consents on file would open more than they did")

// prepare makes the configuration's meaning the one of the store. Where a name would stand for more than before, the operator must say
// that consents which use it carry over; the notice tells the patients. pending: they are to be told.
func (s *settings) prepareCatalogue(ctx context.Context, store *redisstore.Store) (pending *activated, err error) {
	next := activated{Meaning: s.meaning()}
	text, err := store.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	var now activated
	if text != nil {
		if err := json.Unmarshal(text, &now); err != nil {
			return nil, fmt.Errorf("catalogue in the store: %w", err)
		}
		if now.Meaning.hash() == next.Meaning.hash() {
			if now.Pending {
				return &now, nil
			}
			return nil, nil
		}
		next.Pending = true
		var widened []string
		for _, c := range now.Meaning.shifts(next.Meaning) {
			next.Changes = append(next.Changes, c.String())
			if c.more && !slices.Contains(s.config.Catalogue.Carry, c.name) {
				widened = append(widened, c.String())
			}
		}
		if len(widened) > 0 {
			return nil, usage(fmt.Errorf("%w: %s. Use names that no consent has, or list these in catalogue.carry (gateway check --against shows all of it)",
				errWidens, strings.Join(widened, "; ")))
		}
	}
	if text, err = json.Marshal(next); err == nil {
		err = store.SetCatalogue(ctx, text)
	}
	if err != nil || !next.Pending {
		return nil, err
	}
	return &next, nil
}

// tellAll puts the notice on record for every patient with an active consent, once for each version of the catalogue, and then notes
// that it is done. It can be interrupted and repeated, also by several at once.
func (s *settings) tellAll(ctx context.Context, store *redisstore.Store, a *activated) (told int, err error) {
	var count atomic.Int64
	matter := "catalogue " + a.Meaning.hash()
	err = everybody(ctx, store, func(ctx context.Context, key consent.PersonKey) error {
		standing, now, err := store.Standing(ctx, key)
		if err != nil || !hasActive(standing, now) {
			return err
		}
		id, err := store.NoticeID(key, matter)
		if err != nil {
			return err
		}
		event := gatewayEvent(s, audit.KindConsent, reasonCatalogue, matter)
		event.ID, event.Person, event.Grounds = id, key, strings.Join(a.Changes, "; ")
		event.Obligations = []policy.Obligation{policy.ObligationNotifyPatient}
		if err := store.Commit(ctx, audit.Release{Event: event}); err != nil {
			return err
		}
		count.Add(1)
		return nil
	})
	if err != nil {
		return int(count.Load()), fmt.Errorf("catalogue: %w", err)
	}
	text, err := json.Marshal(activated{Meaning: a.Meaning})
	if err == nil {
		err = store.SetCatalogue(ctx, text)
	}
	return int(count.Load()), err
}

// hasActive reports whether a person has a permit that holds now or later.
func hasActive(st consent.Standing, now time.Time) bool {
	return slices.ContainsFunc(st.Records, func(r consent.Record) bool {
		return r.Status == consent.StatusActive && r.Decision == consent.DecisionPermit && (r.ValidTo.IsZero() || r.ValidTo.After(now))
	})
}

// gatewayEvent is an event of what the gateway does by itself.
func gatewayEvent(s *settings, kind audit.Kind, reason policy.Reason, request string) *audit.Event {
	return &audit.Event{
		Version: audit.SchemaVersion, Kind: kind, Request: request[:min(len(request), 64)], Outcome: audit.OutcomePermit, Reason: reason,
		Actor: audit.Actor{Kind: "other", Name: "zorgsluis", Roles: []string{"gateway"}}, Policy: s.policyHash,
	}
}

type activateCommand struct{ configured }

// Run activates, and waits until everybody is told.
func (c *activateCommand) Run(env *environment) error {
	return withStoreFor(env.ctx, c.Config, func(ctx context.Context, s *settings, store *redisstore.Store) error {
		pending, err := s.prepareCatalogue(ctx, store)
		if err != nil {
			return fmt.Errorf("catalogue activate: %w", err)
		}
		if pending == nil {
			_, err = fmt.Fprintln(env.stdout, "the catalogue is active; nobody is to be told anything")
			return err
		}
		told, err := s.tellAll(ctx, store, pending)
		if err != nil {
			return fmt.Errorf("catalogue activate: %w; the same command goes on", err)
		}
		for _, change := range pending.Changes {
			fmt.Fprintln(env.stdout, change)
		}
		_, err = fmt.Fprintf(env.stdout, "the catalogue is active; a notice is on record for %d patients\n", told)
		return err
	})
}

// activateCatalogue is what serve does of it: it refuses to widen, and tells the patients while it serves.
func (g *running) activateCatalogue(ctx, background context.Context, store *redisstore.Store) error {
	pending, err := g.settings.prepareCatalogue(ctx, store)
	for errors.Is(err, audit.ErrUnavailable) && !isFinal(err) && pause(ctx, storeRetry) {
		pending, err = g.settings.prepareCatalogue(ctx, store)
	}
	if err != nil || pending == nil {
		return err
	}
	g.work.Go(func() {
		for {
			told, err := g.settings.tellAll(background, store, pending)
			if err == nil {
				g.log.Info("catalogue activated: a notice is on record", "patients", told)
				return
			}
			g.log.Error("catalogue", "error", err.Error())
			if !pause(background, reviewsEvery) {
				return
			}
		}
	})
	return nil
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
