package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// noPosition is the last position of an outbox that was never written.
const noPosition = "0-0"

// Replayed counts what a replay brought back.
type Replayed struct {
	Events  uint64 // all events, including those of changes
	Changes uint64
	Left    uint64 // changes left out, because an operator accepted their loss
}

// Replay brings a store that was restored from a backup, or is empty, up to the archive: every change of a standing, and every
// event in the persons' own lists, that was recorded after the backup, in its original order. walk reads and verifies the archive,
// and is called twice. Nothing else may use the store meanwhile; until the replay is complete its sequences are behind what the
// archive has seen, so that no gateway trusts it. Afterwards they are equal.
//
// It can be repeated, even after an interruption: the last position of a shard's outbox says how far it came. ErrDiverged: the
// store holds what the archive does not, or the archive does not reach back to it; nothing was written then.
func Replay(ctx context.Context, o Options, walk func(each func(audit.Line) error) (audit.Summary, error)) (Replayed, error) {
	o.Watermarks = nil // being behind is the reason for a replay
	s, err := newStore(o)
	if err != nil {
		return Replayed{}, fmt.Errorf("replay: %w", err)
	}
	p := &replay{store: s, shards: make([]replayShard, s.o.Shards)}
	if err := p.survey(ctx, walk); err != nil {
		return Replayed{}, fmt.Errorf("replay: %w", err)
	}
	if _, err := walk(func(l audit.Line) error { return p.line(ctx, l) }); err != nil {
		return p.done, fmt.Errorf("replay: %w", err)
	}
	for shard, at := range p.shards {
		if err := p.finish(ctx, shard, at); err != nil {
			return p.done, fmt.Errorf("replay: shard %d: %w", shard, err)
		}
	}
	return p.done, nil
}

// replay is one replay in progress.
type replay struct {
	store   *Store
	summary audit.Summary
	shards  []replayShard
	done    Replayed
}

// replayShard is the progress of a shard.
type replayShard struct {
	meta  meta
	last  string // last position of its outbox
	found bool   // the archive holds that position and continues from there
}

// survey checks the store and the whole archive before anything is written.
func (p *replay) survey(ctx context.Context, walk func(func(audit.Line) error) (audit.Summary, error)) error {
	s := p.store
	metas, err := s.metas(ctx)
	if err != nil {
		return err
	}
	for shard, m := range metas {
		last, err := s.lastPosition(ctx, shard)
		if err != nil {
			return err
		}
		p.shards[shard] = replayShard{meta: m, last: last}
	}
	p.summary, err = walk(func(l audit.Line) error {
		if l.Shard >= len(p.shards) {
			return fmt.Errorf("%w: shards", ErrStoreMismatch)
		}
		p.shards[l.Shard].found = p.shards[l.Shard].found || p.shards[l.Shard].last == l.Position
		return nil
	})
	if err != nil {
		return err
	}
	if s.id == "" {
		s.id = p.summary.Store
	}
	if s.id == "" || s.id != p.summary.Store {
		return fmt.Errorf("%w: the archive is of another store, or of none", ErrStoreMismatch)
	}
	for shard, at := range p.shards {
		if at.meta.present {
			if err := s.accepts(at.meta); err != nil {
				return fmt.Errorf("%w (shard %d)", err, shard)
			}
		}
		if err := p.continues(shard, at); err != nil {
			return fmt.Errorf("%w (shard %d)", err, shard)
		}
	}
	return p.begin(ctx)
}

// continues returns an error unless the archive continues from where a shard is.
func (p *replay) continues(shard int, at replayShard) error {
	end, start := p.summary.End[shard], p.summary.Start[shard]
	behind, err1 := before(at.last, end.Position)
	ahead, err2 := before(end.Position, at.last)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	switch {
	case ahead && at.meta.sequence < end.Sequence:
		return fmt.Errorf("%w: it was used after it was restored", ErrDiverged)
	case !behind:
		return nil
	case at.last == noPosition && p.summary.FirstSegment == 1, at.last == start.Position && at.last != noPosition, at.found:
	case at.last == noPosition:
		return fmt.Errorf("%w: it is empty, and the archive's first files were removed", ErrDiverged)
	default:
		return fmt.Errorf("%w: its last entry is not in the archive", ErrDiverged)
	}
	for _, loss := range p.summary.Losses {
		// A backup taken between where the loss began and where the store went on: it holds what was given up.
		lost, err1 := before(loss.After[shard], at.last)
		kept, err2 := before(loss.Reached[shard].Position, at.last)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if lost && !kept && at.meta.sequence < loss.Reached[shard].Sequence {
			return fmt.Errorf("%w: it holds changes whose loss was accepted since", ErrDiverged)
		}
	}
	return nil
}

// begin makes the missing meta keys of an empty server.
func (p *replay) begin(ctx context.Context) error {
	for shard, at := range p.shards {
		if at.meta.present {
			continue
		}
		if err := p.store.writeMeta(ctx, &initialiseScript, shard, 0, ""); err != nil {
			return err
		}
	}
	return nil
}

// line replays one event, unless the store has it.
func (p *replay) line(ctx context.Context, l audit.Line) error {
	at := &p.shards[l.Shard]
	if behind, err := before(at.last, l.Position); err != nil || !behind {
		return err
	}
	e, err := audit.ParseEvent(l.Payload)
	if err != nil {
		return fmt.Errorf("event %d: %w", l.N, err)
	}
	lost := p.lost(l)
	if l.Made == nil && e.Generation > 0 && e.Kind != audit.KindAccess && !lost {
		return fmt.Errorf("%w: event %d tells of a change and does not hold it", ErrDiverged, l.N)
	}
	if err := p.settle(ctx, l, func() error { return p.apply(ctx, l, at.last, e, lost) }); err != nil {
		return err
	}
	at.last = l.Position
	p.done.Events++
	switch {
	case l.Made != nil && lost:
		p.done.Left++
	case l.Made != nil:
		p.done.Changes++
	}
	return nil
}

// How long a replay keeps trying a store that does not answer, and pauses between attempts.
const (
	replayPatience = time.Minute
	leastPause     = 100 * time.Millisecond
	mostPause      = 2 * time.Second
)

// settle writes one event, with retries. A store that briefly does not answer (a busy disk, a promoted server) does not end a
// replay of hours; the last position of its outbox tells whether an earlier attempt arrived.
func (p *replay) settle(ctx context.Context, l audit.Line, apply func() error) error {
	err := apply()
	end := time.Now().Add(replayPatience)
	for wait := leastPause; worthRepeating(err) && time.Now().Before(end); wait = min(2*wait, mostPause) {
		if stopped := pause(ctx, wait); stopped != nil {
			return errors.Join(err, stopped)
		}
		err = apply()
		if last, unknown := p.store.lastPosition(ctx, l.Shard); err != nil && unknown == nil && last == l.Position {
			return nil // only the reply was lost
		}
	}
	return err
}

// apply writes one event after the last position, with the change that it records.
func (p *replay) apply(ctx context.Context, l audit.Line, last string, e audit.Event, lost bool) error {
	c, err := p.event(l, last, e)
	if l.Made != nil && !lost && err == nil {
		err = p.change(ctx, &c, l, e)
	}
	if err != nil {
		return err
	}
	r, err := p.store.direct(ctx, c)
	if err == nil && r.status != statusOK {
		err = fmt.Errorf("%w: event %d does not follow what is there", ErrDiverged, l.N)
	}
	return err
}

// lost reports whether an operator accepted the loss of a line.
func (p *replay) lost(l audit.Line) bool { return Lost(p.summary, l) }

// Lost reports whether an operator accepted the loss, from the store, of what a line of the archive records.
func Lost(s audit.Summary, l audit.Line) bool {
	for _, loss := range s.Losses {
		after, known := loss.After[l.Shard]
		if behind, err := before(after, l.Position); known && l.N <= loss.Through && err == nil && behind {
			return true
		}
	}
	return false
}

// EntryHash is Version.Hash of a version in the archive, whose stamp is the time of its event.
func EntryHash(at time.Time, m *audit.Made) string {
	return hashOf(micros(at) + " " + string(m.Version))
}

// event makes the call that replays an event.
func (p *replay) event(l audit.Line, last string, e audit.Event) (call, error) {
	s, k := p.store, keysOf(l.Shard)
	stored, err := untimed(l.Payload, e.Time)
	if err != nil {
		return call{}, fmt.Errorf("event %d: %w", l.N, err)
	}
	c := call{script: &replayScript, shard: l.Shard, keys: []string{k.outbox()}}
	if e.Person != "" {
		if err := checkKey(e.Person); err != nil || s.shardOf(e.Person) != l.Shard {
			return call{}, fmt.Errorf("event %d: %w: person key", l.N, ErrInvalid)
		}
		c.keys = append(c.keys, k.personEvents(e.Person))
	}
	c.args = []any{l.Position, last, micros(e.Time), stored, s.elementsKept()}
	return c, nil
}

// change adds the change that an event records: the version as sealed, and the standing made from it. It must follow what is on
// file, including the link of the chain.
func (p *replay) change(ctx context.Context, c *call, l audit.Line, e audit.Event) error {
	s, k := p.store, keysOf(l.Shard)
	if e.Person == "" || e.Generation == 0 {
		return fmt.Errorf("%w: event %d: a change of nobody", ErrInvalid, l.N)
	}
	r, err := s.direct(ctx, call{
		script: &loadScript, shard: l.Shard, keys: []string{k.person(e.Person), k.history(e.Person), k.request(l.Made.Request)},
		args: []any{int(requestLife.Seconds())},
	})
	if err != nil {
		return err
	}
	diverged := fmt.Errorf("%w: event %d makes generation %d, which does not follow what is on file", ErrDiverged, l.N, e.Generation)
	if r.status != statusOK {
		return diverged
	}
	v, err := r.stored(1)
	if err != nil {
		return err
	}
	if v.generation != e.Generation-1 {
		return diverged
	}
	previous, err := s.take(e.Person, r.sequence, version{}, v)
	if err != nil {
		return err
	}
	made, err := s.openVersion(e.Person, e.Generation, micros(e.Time)+" "+string(l.Made.Version))
	if err != nil {
		return fmt.Errorf("event %d: %w", l.N, err)
	}
	if made.Previous != hashOf(r.text(4)) {
		return diverged
	}
	var d draft
	if err := s.name(l.Shard, &made.Standing, inventory(&previous), &d); err != nil {
		return fmt.Errorf("event %d: %w", l.N, err)
	}
	c.keys = append(c.keys, k.person(e.Person), k.history(e.Person), k.request(l.Made.Request), k.reviews())
	for _, id := range d.ids {
		c.keys = append(c.keys, k.index(id))
	}
	c.args = append(c.args,
		v.generation, s.sealer.seal(kindStanding, e.Person, e.Generation, []byte(made.state)), l.Made.Version, int(requestLife.Seconds()),
		string(e.ID), string(e.Person), len(d.opened))
	for _, id := range append(d.opened, d.closed...) {
		c.args = append(c.args, reviewMember(id, e.Person))
	}
	return nil
}

// finish raises the sequence of a shard to what the archive has seen, once the replay of the shard is complete.
func (p *replay) finish(ctx context.Context, shard int, at replayShard) error {
	end := p.summary.End[shard]
	if behind, err := before(at.last, end.Position); err != nil || behind {
		return errors.Join(err, fmt.Errorf("%w: the archive ended before its end", ErrDiverged))
	}
	_, err := p.store.settled(ctx, call{
		script: &replayedScript, shard: shard, args: []any{end.Sequence}, replicas: p.store.o.Replicas,
	})
	return err
}

// before reports whether a position is before another. "" is before all others.
func before(a, b string) (bool, error) {
	var p, q position
	var err1, err2 error
	if a != "" {
		p, err1 = parsePosition(a)
	}
	if b != "" {
		q, err2 = parsePosition(b)
	}
	return p.millis < q.millis || p.millis == q.millis && p.number < q.number, errors.Join(err1, err2)
}

// lastPosition returns the position of the newest entry that a shard's outbox ever held, trimmed or not.
func (s *Store) lastPosition(ctx context.Context, shard int) (string, error) {
	key := keysOf(shard).outbox()
	client, err := master(ctx, s.o.Changes, key)
	if err != nil {
		return "", unavailable(err)
	}
	info, err := client.XInfoStream(ctx, key).Result()
	switch {
	case hasReply(err, "ERR no such key"):
		return noPosition, nil
	case err != nil:
		return "", unavailable(err)
	case info.LastGeneratedID != "":
		return info.LastGeneratedID, nil
	}
	// miniredis does not report it: take the newest entry present.
	newest, err := client.XRevRangeN(ctx, key, "+", "-", 1).Result()
	if err != nil {
		return "", unavailable(err)
	}
	if len(newest) == 0 {
		return noPosition, nil
	}
	return newest[0].ID, nil
}

// Trimmed returns the position through which a shard's outbox was trimmed, "" if never. What was trimmed is in the archive, unless
// the archive has lost it.
func (s *Store) Trimmed(ctx context.Context, shard int) (string, error) {
	key := keysOf(shard).meta()
	client, err := master(ctx, s.o.Changes, key)
	if err != nil {
		return "", fmt.Errorf("trimmed: %w", unavailable(err))
	}
	next, err := client.HGet(ctx, key, "trimmed").Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("trimmed: %w", unavailable(err))
	}
	p, err := parsePosition(next)
	if err != nil || p.number == 0 {
		return "", fmt.Errorf("trimmed: %w", ErrSealed)
	}
	return position{p.millis, p.number - 1}.String(), nil
}

// madeOf returns the change in an outbox entry, nil if it has none.
func madeOf(request, version string) *audit.Made {
	if version == "" {
		return nil
	}
	return &audit.Made{Request: request, Version: []byte(version)}
}

// untimed is the inverse of timed.
func untimed(payload []byte, at time.Time) (string, error) {
	head, tail, found := strings.Cut(string(payload), `"time":"`+at.Format(time.RFC3339Nano)+`"`)
	stored := head + noTime + tail
	if again, err := timed(stored, at); !found || err != nil || string(again) != string(payload) {
		return "", fmt.Errorf("%w: an event without a place for its time", ErrSealed)
	}
	return stored, nil
}
