package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Outbox is where the store keeps events until they are archived: one ordered list per shard. An outbox that also has
// StoreID() string says which store it is: the archive then refuses the outbox of another one.
type Outbox interface {
	// Shards is how many shards there are, numbered from 0.
	Shards() int
	// Read gives the oldest entries after a position ("" = from the start), at most max, in order.
	Read(ctx context.Context, shard int, after string, max int64) ([]Entry, error)
	// Trim removes all entries up to and with a position.
	Trim(ctx context.Context, shard int, through string) error
}

// Entry is one event in the outbox.
type Entry struct {
	// Position orders the entries of a shard: a number, or two with a dash between them as Redis streams have; compared as numbers.
	Position string
	Payload  []byte // the event's JSON as appended: one line
	Sequence uint64 // the shard's consent sequence at that time
}

// What the archive refuses. It then archives and trims nothing of that shard, or nothing at all, until an operator has looked.
var (
	// ErrOtherStore: the outbox is of another store than the one that is in the archive (Archive.Adopt).
	ErrOtherStore = errors.New("archive: outbox of another store")
	// ErrOutbox: the outbox holds what the archive cannot take: entries out of order, altered since they were archived, or not JSON.
	ErrOutbox = errors.New("archive: damaged outbox")
	// ErrLocked: another process has the archive open.
	ErrLocked = errors.New("archive: in use by another process")
	// ErrClosed: the archive was closed.
	ErrClosed = errors.New("archive: closed")
)

// Archive moves events from the outbox to append-only files: read, append, fsync, and only then trim (docs/events.md). What the
// files hold is its only memory. The exported fields may be changed before Run.
type Archive struct {
	OnError      func(error)   // called for every round that failed; may be nil
	Batch        int64         // entries read from one shard at a time
	Idle         time.Duration // wait between rounds when there is nothing to do
	SegmentBytes int64         // a file that has reached this size is followed by a new one

	mu     sync.Mutex
	disk   disk
	lock   interface{ Close() error }
	open   *segment
	chain  chain
	recent map[int]map[string]digest // content of the entries archived last, by shard and position
	torn   string
	lag    Lag
	closed bool
}

// digest is the SHA-256 of an entry's payload.
type digest = [sha256.Size]byte

// Lag says how far the archive is behind.
type Lag struct {
	Archived uint64    // events in the archive
	CaughtUp time.Time // everything before this instant is in the archive; zero: not known since the start
	Err      error     // why the last round failed, nil if it did not
}

// The defaults of an archive.
const (
	defaultBatch   = 128
	defaultIdle    = 200 * time.Millisecond
	defaultSegment = 64 << 20
	waitAfterError = time.Second
	flushBytes     = 4 << 20 // more than this is written at once only if one shard's batch is larger
)

// OpenArchive opens the archive in a folder, or makes one, and locks it against other processes. It reads the newest file: an
// incomplete last line, which a crash in the middle of a write leaves, is cut off, since the outbox still has its event. Any
// other damage is a *DamageError, and nothing is repaired.
func OpenArchive(folder string) (*Archive, error) { return openArchive(osDisk{folder: folder}) }

func openArchive(d disk) (*Archive, error) {
	lock, err := d.Lock()
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	a := &Archive{Batch: defaultBatch, Idle: defaultIdle, SegmentBytes: defaultSegment, disk: d, lock: lock, recent: map[int]map[string]digest{}}
	if err := a.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("open archive: %w", err), lock.Close())
	}
	a.lag.Archived = a.chain.n
	return a, nil
}

// Close gives the folder back. Run and Drain fail afterwards.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	var err error
	if a.open != nil {
		err = a.open.file.Close()
	}
	return errors.Join(err, a.lock.Close())
}

// Watermarks are the highest consent sequences in the archive, by shard: a store that is lower has lost changes.
func (a *Archive) Watermarks() map[int]uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	marks := make(map[int]uint64, len(a.chain.marks))
	for shard, m := range a.chain.marks {
		marks[shard] = m.Sequence
	}
	return marks
}

// StoreID is the store whose events are in the archive; "" when that is not known yet.
func (a *Archive) StoreID() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.chain.store
}

// Lag says how far the archive is behind.
func (a *Archive) Lag() Lag {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lag
}

// Torn says in words what was cut off when the archive was opened; "" if nothing was.
func (a *Archive) Torn() string { return a.torn }

// Adopt makes the archive go on with another store, after an operator has accepted that: in a new file, without the positions
// and sequences of the old store.
func (a *Archive) Adopt(store string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return ErrClosed
	}
	return a.enter(chain{n: a.chain.n, prev: a.chain.prev, store: store, marks: map[int]mark{}})
}

// Run archives until ctx ends, and then returns nil. A round that fails is reported and tried again: nothing is trimmed that is
// not safely on disk, and nothing is archived twice.
func (a *Archive) Run(ctx context.Context, outbox Outbox) error {
	var reported time.Time
	for {
		moved, err := a.round(ctx, outbox)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrClosed):
			return err
		case err != nil && a.OnError != nil && time.Since(reported) >= waitAfterError:
			a.OnError(err)
			reported = time.Now()
		}
		if int64(moved) >= a.Batch {
			continue
		}
		wait := a.Idle // also after a round that moved a little: each round costs a sync, and a later one moves more at once
		if err != nil {
			wait = max(wait, waitAfterError)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// Drain archives until the outbox is empty, for a graceful stop, or until nothing moves any more: then it returns why.
func (a *Archive) Drain(ctx context.Context, outbox Outbox) error {
	for {
		if moved, err := a.round(ctx, outbox); moved == 0 {
			return err
		}
	}
}

// round reads every shard once and archives what is new. It returns how many entries left the outbox. Errors are joined: one shard
// that fails does not hold up the others.
func (a *Archive) round(ctx context.Context, outbox Outbox) (moved int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	begun, all := time.Now(), true
	defer func() {
		a.lag.Err, a.lag.Archived = err, a.chain.n
		if all && err == nil {
			a.lag.CaughtUp = begun
		}
	}()
	if a.closed {
		return 0, ErrClosed
	}
	if err := a.checkStore(outbox); err != nil {
		return 0, err
	}
	var errs []error
	w := writer{archive: a, outbox: outbox}
	for shard := range outbox.Shards() {
		// From the start, not from the cursor: an entry below the cursor that is not in the archive would never be seen again.
		entries, err := outbox.Read(ctx, shard, "", a.Batch)
		all = all && int64(len(entries)) < a.Batch
		if err == nil && len(entries) > 0 {
			err = w.add(ctx, shard, entries)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("archive shard %d: %w", shard, err))
		}
	}
	errs = append(errs, w.flush(ctx))
	return w.moved, errors.Join(errs...)
}

// checkStore refuses the outbox of another store, and learns which store it is when that is not known yet.
func (a *Archive) checkStore(outbox Outbox) error {
	identified, ok := outbox.(interface{ StoreID() string })
	if !ok || identified.StoreID() == a.chain.store {
		return nil
	}
	if a.chain.store != "" {
		return ErrOtherStore
	}
	named := a.chain.clone()
	named.store = identified.StoreID()
	return a.enter(named)
}

// fresh gives the entries that are not in the archive yet. Those that are (a crash or an error kept them from being trimmed)
// must be there with the same content.
func (a *Archive) fresh(shard int, entries []Entry) ([]Entry, error) {
	cursor := a.chain.marks[shard].position()
	archived := map[string]digest{}
	last := position{}
	for i, e := range entries {
		p, err := parsePosition(e.Position)
		if err != nil {
			return nil, err
		}
		if i > 0 && p.compare(last) <= 0 {
			return nil, fmt.Errorf("%w: position %s is not after the one before", ErrOutbox, e.Position)
		}
		last = p
		if err := checkPayload(e); err != nil {
			return nil, err
		}
		if p.compare(cursor) <= 0 {
			archived[e.Position] = sha256.Sum256(e.Payload)
		}
	}
	if err := a.checkArchived(shard, archived); err != nil {
		return nil, err
	}
	return entries[len(archived):], nil
}

// checkArchived finds entries in the archive by their content.
func (a *Archive) checkArchived(shard int, wanted map[string]digest) error {
	missing := maps.Clone(wanted)
	maps.DeleteFunc(missing, func(p string, sum digest) bool { return a.recent[shard][p] == sum })
	if len(missing) == 0 {
		return nil
	}
	if err := a.find(shard, missing); err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(missing)) {
		return fmt.Errorf("%w: position %s is not after the archive's last one, and not in the archive with this content", ErrOutbox, p)
	}
	return nil
}

// writer gathers what one round archives: lines to write, and positions to trim once they are safe.
type writer struct {
	archive *Archive
	outbox  Outbox
	lines   []byte
	chain   chain // after lines
	recent  map[int]map[string]digest
	trim    map[int]batch
	moved   int // entries that were trimmed
}

// batch is what one shard's outbox is trimmed of: so many entries, through a position.
type batch struct {
	entries int
	through string
}

// add takes the entries of one shard.
func (w *writer) add(ctx context.Context, shard int, entries []Entry) error {
	fresh, err := w.archive.fresh(shard, entries)
	if err != nil {
		return err
	}
	if w.trim == nil {
		if err := w.archive.ready(); err != nil {
			return err
		}
		w.chain = w.archive.chain.clone()
		w.recent, w.trim = map[int]map[string]digest{}, map[int]batch{}
	}
	if len(fresh) > 0 {
		w.recent[shard] = make(map[string]digest, len(fresh))
	}
	for _, e := range fresh {
		w.lines = w.chain.appendEntry(w.lines, shard, e)
		w.recent[shard][e.Position] = sha256.Sum256(e.Payload)
	}
	w.trim[shard] = batch{entries: len(entries), through: entries[len(entries)-1].Position}
	if len(w.lines) > flushBytes {
		return w.flush(ctx)
	}
	return nil
}

// flush writes the lines, makes them durable, and only then trims.
func (w *writer) flush(ctx context.Context) error {
	a, trim := w.archive, w.trim
	w.trim = nil
	if len(w.lines) > 0 {
		lines := w.lines
		w.lines = nil
		if err := a.append(lines, w.chain); err != nil {
			return err
		}
		maps.Copy(a.recent, w.recent)
	}
	var errs []error
	for shard, b := range trim {
		if err := w.outbox.Trim(ctx, shard, b.through); err != nil {
			errs = append(errs, fmt.Errorf("trim shard %d: %w", shard, err))
			continue
		}
		w.moved += b.entries
	}
	return errors.Join(errs...)
}

// position is a parsed Entry.Position.
type position struct{ major, minor uint64 }

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.major, q.major), cmp.Compare(p.minor, q.minor))
}
