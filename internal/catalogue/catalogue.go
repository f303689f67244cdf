// Package catalogue keeps what the names in consents stand for: provider categories, data categories and their groups, channels. Consents
// on file name them, and configurations change. If a name would cover more than when consents were given, an operator must say what becomes
// of those consents, and their patients are told.
package catalogue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/config"
	"zorgsluis/internal/storage"
	"zorgsluis/policy"
)

// reasonCatalogue is the reason of the notice to a patient whose consents are interpreted by other categories than before.
const reasonCatalogue policy.Reason = "catalogue-changed"

// Version is what the store keeps of the catalogue: the meaning of the names, and whether all patients have been told of it.
type Version struct {
	Meaning meaning  `json:"meaning"`
	Pending bool     `json:"pending,omitempty"`
	Changes []string `json:"changes,omitempty"` // what the notice says, while it is pending
	Holders holders  `json:"holders,omitempty"`
	// Since is what became of the names in all versions up to this one: older consents are read with it.
	Since *consent.Changes `json:"since,omitempty"`
}

// ErrWidens says that consents on file would permit more than when they were given, and that the configuration does not say what becomes of them.
var ErrWidens = errors.New("consents on file would open more than they did")

// Prepare makes the meaning of the names in a configuration the active one in the store, and has the policy of s read consents by it. The
// error is ErrWidens if a name would cover more than before, and the configuration says neither that consents with that name carry over nor
// that they end. pending is what Tell has to tell the patients; nil if nothing.
func Prepare(ctx context.Context, s *config.Settings, store *redisstore.Store) (pending *Version, err error) {
	next := Version{Meaning: meaningOf(s), Holders: holdersOf(s)}
	text, err := stored(ctx, s, store)
	if err != nil {
		return nil, err
	}
	var now Version
	if text != nil {
		if err := json.Unmarshal(text, &now); err != nil {
			return nil, fmt.Errorf("catalogue in the store: %w", err)
		}
		next.Holders = now.Holders.with(next.Holders)
		if now.means(next) {
			s.Policy = s.Policy.Since(now.Since)
			watch(store, now)
			if err := now.remember(ctx, s, store, next.Holders, text); err != nil || !now.Pending {
				return nil, err
			}
			return &now, nil
		}
		_, at, err := store.Standing(ctx, store.Key(fhir.Identifier{System: "urn:zorgsluis", Value: "catalogue"})) // nobody's, for the store's clock
		if err != nil {
			return nil, err
		}
		if err := transition(s, &next, now, at); err != nil {
			return nil, err
		}
	}
	if text, err = json.Marshal(next); err == nil {
		err = save(ctx, s, store, text)
	}
	if err != nil {
		return nil, err
	}
	s.Policy = s.Policy.Since(next.Since)
	watch(store, next)
	if !next.Pending {
		return nil, nil
	}
	return &next, nil
}

// errAnother says that the names in consents have got another meaning than the one by which this process reads them.
var errAnother = errors.New("catalogue: another one was activated: restart with the configuration that was activated")

// watch has checks of the store fail once another version than active is the active one: this process does not know which permits have
// ended since, and would record new ones under names that mean something else to the others.
func watch(store *redisstore.Store, active Version) {
	store.WatchCatalogue(active.heldBy)
}

// heldBy returns errAnother unless consents are read by the active catalogue as they are by v.
func (v Version) heldBy(active []byte) error {
	var now Version
	if err := json.Unmarshal(active, &now); err != nil {
		return fmt.Errorf("catalogue in the store: %w", err)
	}
	ours, err1 := json.Marshal(Version{Meaning: v.Meaning, Since: v.Since})
	theirs, err2 := json.Marshal(Version{Meaning: now.Meaning, Since: now.Since})
	if err1 != nil || err2 != nil || !bytes.Equal(ours, theirs) {
		return errAnother
	}
	return nil
}

// means reports whether the names mean the same in another version.
func (v Version) means(other Version) bool {
	return v.Meaning.hash() == other.Meaning.hash() && len(v.Holders.shifts(other.Holders)) == 0
}

// remember keeps an active version whose text is stored, with the holders of sources that are new in it.
func (v *Version) remember(ctx context.Context, s *config.Settings, store *redisstore.Store, all holders, text []byte) error {
	if maps.Equal(v.Holders, all) {
		return keep(s, text)
	}
	active, err := store.Catalogue(ctx)
	if err == nil {
		err = v.heldBy(active)
	}
	if err != nil {
		return err
	}
	v.Holders = all
	if text, err = json.Marshal(v); err == nil {
		err = save(ctx, s, store, text)
	}
	return err
}

// matter identifies what Tell tells: the same is told once.
func (v Version) matter() string {
	matter := "catalogue " + v.Meaning.hash()
	if slices.ContainsFunc(v.Changes, func(change string) bool { return strings.HasPrefix(change, consent.NameOfHolder+" ") }) {
		matter += " " + v.Holders.hash()
	}
	return matter
}

// Apply has the policy of s read consents as running gateways do, and changes nothing in the store. It is an error if the names mean something
// else in s.
func Apply(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
	text, err := stored(ctx, s, store)
	if err != nil || text == nil {
		return err
	}
	var now Version
	if err := json.Unmarshal(text, &now); err != nil {
		return fmt.Errorf("catalogue in the store: %w", err)
	}
	if !now.means(Version{Meaning: meaningOf(s), Holders: holdersOf(s)}) {
		return errors.New("the categories of this configuration are not those that consents are read by: gateway catalogue activate first")
	}
	s.Policy = s.Policy.Since(now.Since)
	return nil
}

// transition fills in what becomes of consents when next replaces now at an instant: for each name, what the operator decided.
func transition(s *config.Settings, next *Version, now Version, at time.Time) error {
	var undecided []string
	var since consent.Changes
	for _, c := range append(now.Meaning.shifts(next.Meaning), now.Holders.shifts(next.Holders)...) {
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
			ErrWidens, strings.Join(undecided, "; "))
	}
	for _, m := range append(now.Meaning.moves(next.Meaning), now.Holders.moves(next.Holders)...) {
		m.At, m.Permits = at, carries(s, m)
		since.Carried = append(since.Carried, m)
		next.Changes = append(next.Changes, movedText(m))
	}
	next.Pending, next.Since = true, now.Since.And(since)
	return nil
}

// fate is what becomes of permits that use a name which stands for more than before, as worded in the notice.
type fate string

const (
	unchangedFate fate = ""
	carriedFate   fate = ", for consents that were given before as well"
	endedFate     fate = ": permits by that name that were given before end"
	undecidedFate fate = ": nobody said what becomes of consents"
)

// fateOf returns what the operator decided: to carry over, or, for a name of parties, holders or data, to end.
func fateOf(s *config.Settings, c shift) fate {
	kind, _, _ := strings.Cut(c.name, " ")
	switch {
	case !c.more:
		return unchangedFate
	case slices.Contains(s.File.Catalogue.Carry, c.name):
		return carriedFate
	case slices.Contains(s.File.Catalogue.End, c.name) && kind != "channel" && kind != "sensitive":
		return endedFate
	}
	return undecidedFate
}

// carries reports whether the operator carries permits over from an old name to a new one.
func carries(s *config.Settings, m consent.Carried) bool {
	return slices.Contains(s.File.Catalogue.Carry, m.Kind+" "+m.From+" to "+m.To)
}

// movedText says in the notice that a new name took over from an old one.
func movedText(m consent.Carried) string {
	who := "refusals"
	if m.Permits {
		who = "consents and refusals"
	}
	return fmt.Sprintf("%s that name %s %s and were given before are about %s as well", who, m.Kind, m.From, m.To)
}

// Tell puts a notice on record for every patient with an active consent, once for each version of the catalogue, and then marks the version as
// told. It may be interrupted, repeated, and run by several instances at once. told is the number of patients.
func Tell(ctx context.Context, s *config.Settings, store *redisstore.Store, a *Version) (told int, err error) {
	var count atomic.Int64
	matter := a.matter()
	err = storage.Everybody(ctx, store, func(ctx context.Context, key consent.PersonKey) error {
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
	active, err := store.Catalogue(ctx)
	if err == nil {
		err = a.heldBy(active) // not to take the place of a version that was activated meanwhile
	}
	if err != nil {
		return int(count.Load()), err
	}
	text, err := json.Marshal(Version{Meaning: a.Meaning, Holders: a.Holders, Since: a.Since})
	if err == nil {
		err = save(ctx, s, store, text)
	}
	return int(count.Load()), err
}

// hasActive reports whether a person has a permit that is valid now or later.
func hasActive(st consent.Standing, now time.Time) bool {
	return slices.ContainsFunc(st.Records, func(r consent.Record) bool {
		return r.Status == consent.StatusActive && r.Decision == consent.DecisionPermit && (r.ValidTo.IsZero() || r.ValidTo.After(now))
	})
}

// Compare prints which names cover more or less in s than in an older configuration, and what becomes of consents with them.
func Compare(w io.Writer, s, old *config.Settings) {
	before, after := holdersOf(old), holdersOf(s)
	changed := append(meaningOf(old).shifts(meaningOf(s)), before.shifts(after)...)
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
	for _, m := range append(meaningOf(old).moves(meaningOf(s)), before.moves(after)...) {
		m.Permits = carries(s, m)
		fmt.Fprintf(w, "=\t%s\n", movedText(m))
	}
	if len(changed) == 0 {
		fmt.Fprintf(w, "every name means the same\n")
	}
}
