package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
)

// Change changes a standing and records its event, both or neither, and returns the new standing. When it returns nil the change is
// durable: fsynced, and on all replicas that can be promoted.
//
// Apply gets the standing with Newest set to the store's clock. It leaves to the store what only the store may set: RecordedAt,
// WithdrawnAt, DeclaredAt and Review.At stay zero (or equal to Newest); a declaration's Expires is DeclaredAt plus its lifetime; to
// end one, Expires is set to Newest. With Change.KeepStamps, RecordedAt and WithdrawnAt may be set to past instants: those of
// consents that were recorded elsewhere. Ids come from NewRecordID and NewDeclarationID, or are left empty. An error of Apply is
// returned as is.
//
// The same request id takes effect once and always gives the same answer. audit.ErrConflict: IfGeneration is not the present one.
// ErrOutcomeUnknown: ask again with the same request id.
func (s *Store) Change(ctx context.Context, c audit.Change) (consent.Standing, error) {
	e, err := s.newEdit(c)
	if err == nil {
		err = s.refuses()
	}
	if err != nil {
		return consent.Standing{}, fmt.Errorf("change: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	unlock, err := s.lock(ctx, e.shard, e.person)
	if err != nil {
		return consent.Standing{}, fmt.Errorf("change: %w", err)
	}
	defer unlock()
	return e.run(ctx)
}

// edit is one change in progress.
type edit struct {
	store  *Store
	change audit.Change
	person consent.PersonKey
	shard  int
	keys   keys
	hash   string // of the request id
	sent   bool   // the script was sent at least once, so the outcome may be unknown
}

func (s *Store) newEdit(c audit.Change) (*edit, error) {
	if c.Event == nil || c.Apply == nil || c.Person.System == "" || c.Person.Value == "" {
		return nil, fmt.Errorf("%w: person, event and edit are needed", ErrInvalid)
	}
	if c.Request == "" {
		c.Request = newID(0)
	}
	person := s.Key(c.Person)
	if c.Event.Person != "" && c.Event.Person != person {
		return nil, fmt.Errorf("%w: event about another person", ErrInvalid)
	}
	shard := s.shardOf(person)
	sum := sha256.Sum256([]byte(string(person) + " " + c.Request)) // the same request id of another person is another request
	return &edit{store: s, change: c, person: person, shard: shard, keys: keysOf(shard), hash: hex.EncodeToString(sum[:])}, nil
}

// run tries until the change is made, was made before, is refused, or time is up. Concurrent changes may win; a lost reply is
// settled by the request key.
func (e *edit) run(ctx context.Context) (consent.Standing, error) {
	var err error
	for attempt, repeats := 0, 0; attempt < maxAttempts; attempt++ {
		var st consent.Standing
		st, err = e.try(ctx)
		switch {
		case err == nil:
			return st, nil
		case errors.Is(err, audit.ErrMoved):
			if pause(ctx, rand.N(time.Duration(attempt+1)*time.Millisecond)) != nil {
				return consent.Standing{}, e.failed(unavailable(ctx.Err()))
			}
		case worthRepeating(err) && repeats == 0 && ctx.Err() == nil:
			repeats++
			e.store.counters.repeats.Add(1)
		default:
			return consent.Standing{}, e.failed(err)
		}
	}
	return consent.Standing{}, e.failed(fmt.Errorf("%w: too many changes of one person at once", audit.ErrUnavailable))
}

// failed wraps an error, with ErrOutcomeUnknown if the change may have been made.
func (e *edit) failed(err error) error {
	if e.sent && errors.Is(err, audit.ErrUnavailable) {
		return fmt.Errorf("change: %w: %w", ErrOutcomeUnknown, err)
	}
	if errors.Is(err, audit.ErrUnavailable) || errors.Is(err, audit.ErrConflict) {
		return fmt.Errorf("change: %w", err)
	}
	return err
}

// try reads, edits and writes once.
func (e *edit) try(ctx context.Context) (consent.Standing, error) {
	seen := e.store.generations.seen(e.person)
	r, err := e.store.direct(ctx, e.load())
	if err != nil {
		return consent.Standing{}, err
	}
	st, d, err := e.prepare(r, seen)
	if err != nil || d == nil {
		return st, err
	}
	e.sent = true
	if r, err = e.store.direct(ctx, e.call(*d)); err != nil {
		return consent.Standing{}, err
	}
	return e.written(st, *d, r)
}

// load makes the call that reads the standing for a change. The replicas must confirm it as well: an earlier change by the same
// request counts only once it is on them, and without them nothing should be written at all.
func (e *edit) load() call {
	return call{
		script: &loadScript, shard: e.shard, keys: []string{e.keys.person(e.person), e.keys.history(e.person), e.keys.request(e.hash)},
		args: []any{int(requestLife.Seconds())}, replicas: e.store.o.Replicas,
	}
}

// prepare applies the edit to what load returned. If the request was done before, it returns the standing that it made, and no draft.
func (e *edit) prepare(r reply, seen version) (consent.Standing, *draft, error) {
	if r.status == statusKnown {
		st, err := e.known(r)
		return st, nil, err
	}
	v, err := r.stored(1)
	if err != nil {
		return consent.Standing{}, nil, err
	}
	if want := e.change.IfGeneration; want != nil && *want != v.generation {
		return consent.Standing{}, nil, audit.ErrConflict
	}
	st, err := e.store.take(e.person, r.sequence, seen, v)
	if err != nil {
		return consent.Standing{}, nil, err
	}
	// Later than every stamp on file, so that none is taken for one to be set.
	now, err := r.instant(0)
	if err != nil {
		return consent.Standing{}, nil, err
	}
	if err := e.store.inStep(now); err != nil {
		return consent.Standing{}, nil, err
	}
	if earliest := instant(v.at + 1); now.Before(earliest) {
		now = earliest
	}
	d, err := e.draft(&st, now, r.text(4))
	return st, &d, err
}

// known answers a request that was done before, with the version that it made.
func (e *edit) known(r reply) (consent.Standing, error) {
	var generation uint64
	var at int64
	var id string
	if _, err := fmt.Sscanf(r.text(0), "%d %d %s", &generation, &at, &id); err != nil {
		return consent.Standing{}, fmt.Errorf("%w: request key", ErrSealed)
	}
	v, err := e.store.openVersion(e.person, generation, r.text(1))
	if err != nil {
		return consent.Standing{}, err
	}
	e.finish(audit.EventID(id), generation, at)
	return v.Standing, nil
}

// finish fills in the caller's event.
func (e *edit) finish(id audit.EventID, generation uint64, at int64) {
	ev := e.change.Event
	ev.ID, ev.Person, ev.Generation, ev.Time = id, e.person, generation, instant(at)
}

// written returns the standing that the script made of a draft.
func (e *edit) written(st consent.Standing, d draft, r reply) (consent.Standing, error) {
	switch r.status {
	case statusOK:
	case statusMoved:
		return consent.Standing{}, audit.ErrMoved // by another change, or by an attempt of this one with a lost reply
	case statusTaken:
		return consent.Standing{}, fmt.Errorf("%w: an id exists already", ErrInvalid)
	default:
		return consent.Standing{}, fmt.Errorf("%w: generation and history do not agree", ErrDataLost)
	}
	at, err := r.instant(0)
	if err != nil {
		return consent.Standing{}, err
	}
	fill(&st, d.stamps, at.UnixMicro())
	st.Generation, st.Newest = d.generation, at
	e.store.generations.note(e.person, version{era(r.sequence), d.generation})
	e.finish(d.event.ID, d.generation, at.UnixMicro())
	return st, nil
}

// call makes the call that writes a draft.
func (e *edit) call(d draft) call {
	k, s := e.keys, e.store
	c := call{script: &changeScript, shard: e.shard, replicas: s.o.Replicas}
	c.keys = []string{
		k.person(e.person), k.history(e.person), k.request(e.hash), k.outbox(), k.personEvents(e.person), k.reviews(),
	}
	for _, id := range d.ids {
		c.keys = append(c.keys, k.index(id))
	}
	c.args = []any{
		strconv.FormatUint(d.generation-1, 10), d.value, d.version, string(d.event.ID), timeless(d.event), s.elementsKept(),
		int(requestLife.Seconds()), string(e.person), len(d.opened),
	}
	for _, id := range append(d.opened, d.closed...) {
		c.args = append(c.args, reviewMember(id, e.person))
	}
	return c
}

// lock makes changes of one person on this instance queue up instead of conflicting.
func (s *Store) lock(ctx context.Context, shard int, person consent.PersonKey) (unlock func(), err error) {
	n, err := strconv.ParseUint(string(person[8:10]), 16, 8)
	if err != nil {
		return nil, fmt.Errorf("%w: person key", ErrInvalid)
	}
	slot := s.locks[int(n)%len(s.locks)]
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, unavailable(ctx.Err())
	}
}

// pause waits, unless the context ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
