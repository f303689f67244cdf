package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
)

// reasonCatalogue is the reason of the notice to a patient whose consent is read by other categories than before.
const reasonCatalogue policy.Reason = "catalogue-changed"

// activated is what the store keeps: the meaning, and whether everybody has been told of it.
type activated struct {
	Meaning meaning  `json:"meaning"`
	Pending bool     `json:"pending,omitempty"`
	Changes []string `json:"changes,omitempty"` // what is told, while it is pending
	// Since is what became of names, of all versions until this one: what consents given before are read by.
	Since *consent.Changes `json:"since,omitempty"`
}

// errWidens: consents on file would open more than they did when they were given.
var errWidens = errors.New("consents on file would open more than they did")

// prepareCatalogue makes the configuration's meaning the one of the store, and reads consents by it. Where a name would stand for more than
// before, the operator must say whether consents that use it carry over or end; the notice tells the patients. pending: they are to be told.
func prepareCatalogue(ctx context.Context, s *config.Settings, store *redisstore.Store) (pending *activated, err error) {
	next := activated{Meaning: meaningOf(s)}
	text, err := storedCatalogue(ctx, s, store)
	if err != nil {
		return nil, err
	}
	var now activated
	if text != nil {
		if err := json.Unmarshal(text, &now); err != nil {
			return nil, fmt.Errorf("catalogue in the store: %w", err)
		}
		if now.Meaning.hash() == next.Meaning.hash() {
			s.Policy = s.Policy.Since(now.Since)
			if err := keepCatalogue(s, text); err != nil || !now.Pending {
				return nil, err
			}
			return &now, nil
		}
		_, at, err := store.Standing(ctx, store.Key(fhir.Identifier{System: "urn:zorgsluis", Value: "catalogue"})) // of nobody: for the store's clock
		if err != nil {
			return nil, err
		}
		if err := transition(s, &next, now, at); err != nil {
			return nil, err
		}
	}
	if text, err = json.Marshal(next); err == nil {
		err = storeCatalogue(ctx, s, store, text)
	}
	if err != nil {
		return nil, err
	}
	s.Policy = s.Policy.Since(next.Since)
	if !next.Pending {
		return nil, nil
	}
	return &next, nil
}

// readByCatalogue has consents read as the running gateways read them, and changes nothing.
func readByCatalogue(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
	text, err := storedCatalogue(ctx, s, store)
	if err != nil || text == nil {
		return err
	}
	var now activated
	if err := json.Unmarshal(text, &now); err != nil {
		return fmt.Errorf("catalogue in the store: %w", err)
	}
	if now.Meaning.hash() != meaningOf(s).hash() {
		return errors.New("the categories of this configuration are not those that consents are read by: gateway catalogue activate first")
	}
	s.Policy = s.Policy.Since(now.Since)
	return nil
}

// transition says what becomes of consents where one meaning follows another at an instant, name by name as the operator decided.
func transition(s *config.Settings, next *activated, now activated, at time.Time) error {
	var undecided []string
	var since consent.Changes
	for _, c := range now.Meaning.shifts(next.Meaning) {
		fate := fateOf(s, c)
		if fate == undecidedFate {
			undecided = append(undecided, c.String())
		}
		kind, name, _ := strings.Cut(c.name, " ")
		if ended := (consent.Ended{At: at, Kind: kind, Name: name}); fate == endedFate && !slices.Contains(since.Ended, ended) {
			since.Ended = append(since.Ended, ended)
		}
		next.Changes = append(next.Changes, c.String()+string(fate))
	}
	if len(undecided) > 0 {
		return fmt.Errorf("%w: %s. Use names that no consent has, or list these in catalogue.carry or catalogue.end (gateway check --against shows all of it)",
			errWidens, strings.Join(undecided, "; "))
	}
	for _, m := range now.Meaning.moves(next.Meaning) {
		m.At, m.Permits = at, carries(s, m)
		since.Carried = append(since.Carried, m)
		next.Changes = append(next.Changes, movedText(m))
	}
	next.Pending, next.Since = true, now.Since.And(since)
	return nil
}

// fate is what becomes of permits that use a name which stands for more than before, as the notice says it.
type fate string

const (
	unchangedFate fate = ""
	carriedFate   fate = ", for consents that were given before as well"
	endedFate     fate = ": permits by that name that were given before end"
	undecidedFate fate = ": nobody said what becomes of consents"
)

// fateOf is what the operator decided: to carry over, or, of a name of parties or data, to end.
func fateOf(s *config.Settings, c shift) fate {
	kind, _, _ := strings.Cut(c.name, " ")
	switch {
	case !c.more:
		return unchangedFate
	case slices.Contains(s.File.Catalogue.Carry, c.name):
		return carriedFate
	case slices.Contains(s.File.Catalogue.End, c.name) && (kind == consent.NameOfParty || kind == consent.NameOfData):
		return endedFate
	}
	return undecidedFate
}

// carries reports whether the operator's mapping carries permits over to a name that is new.
func carries(s *config.Settings, m consent.Carried) bool {
	return slices.Contains(s.File.Catalogue.Carry, m.Kind+" "+m.From+" to "+m.To)
}

// movedText is what the notice says of a name that took over from another.
func movedText(m consent.Carried) string {
	who := "refusals"
	if m.Permits {
		who = "consents and refusals"
	}
	return fmt.Sprintf("%s that name %s %s and were given before are about %s as well", who, m.Kind, m.From, m.To)
}

// tellAll puts the notice on record for every patient with an active consent, once for each version of the catalogue, and then notes
// that it is done. It can be interrupted and repeated, also by several at once.
func tellAll(ctx context.Context, s *config.Settings, store *redisstore.Store, a *activated) (told int, err error) {
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
		event := audit.ByGateway(audit.KindConsent, reasonCatalogue, matter, s.PolicyHash)
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
	text, err := json.Marshal(activated{Meaning: a.Meaning, Since: a.Since})
	if err == nil {
		err = storeCatalogue(ctx, s, store, text)
	}
	return int(count.Load()), err
}

// hasActive reports whether a person has a permit that holds now or later.
func hasActive(st consent.Standing, now time.Time) bool {
	return slices.ContainsFunc(st.Records, func(r consent.Record) bool {
		return r.Status == consent.StatusActive && r.Decision == consent.DecisionPermit && (r.ValidTo.IsZero() || r.ValidTo.After(now))
	})
}

// compareMeaning prints what names mean now and did not in another configuration, the old one, and what becomes of consents that use them.
func compareMeaning(w io.Writer, s *config.Settings, old *config.Settings) {
	changed := meaningOf(old).shifts(meaningOf(s))
	fmt.Fprintf(w, "consents that are on file, compared with the old configuration\n")
	for _, c := range changed {
		sign, note := "-", ""
		if c.more {
			sign = "+"
			switch fateOf(s, c) {
			case carriedFate:
				note = "\tcarried over"
			case endedFate:
				note = "\tpermits given before end"
			default:
				note = "\tNOT decided: the gateway will not start unless catalogue.carry or catalogue.end lists " + c.name
			}
		}
		fmt.Fprintf(w, "%s\t%s%s\n", sign, c, note)
	}
	for _, m := range meaningOf(old).moves(meaningOf(s)) {
		m.Permits = carries(s, m)
		fmt.Fprintf(w, "=\t%s\n", movedText(m))
	}
	if len(changed) == 0 {
		fmt.Fprintf(w, "every name means the same\n")
	}
}
