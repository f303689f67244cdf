package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Outbox is where the store keeps events until they are archived: one ordered list per shard. If it also has StoreID() string, the archive
// refuses the outbox of any store other than its own.
type Outbox interface {
	// Shards is the number of shards, numbered from 0.
	Shards() int
	// Read returns the oldest entries after a position ("" = from the start), at most max, in order.
	Read(ctx context.Context, shard int, after string, max int64) ([]Entry, error)
	// Trim removes all entries up to and including a position. It is called for several shards concurrently.
	Trim(ctx context.Context, shard int, through string) error
}

// Entry is one event in the outbox.
type Entry struct {
	// Position orders the entries of a shard: a number, or two joined by a dash as in Redis streams; compared numerically.
	Position string
	Payload  []byte // the event's JSON as appended: one line
	Sequence uint64 // the shard's consent sequence at that time
	Made     *Made  // the change, if the event is about one
}

// Made is a change of a person's standing as the store keeps it: sealed, so unreadable to readers of the archive, and sufficient to repeat
// the change in a store restored from a backup.
type Made struct {
	Request string `json:"request"` // hash of the request id, in hex
	Version []byte `json:"version"` // the sealed version of the standing; its generation and stamp are the event's
}

// digest is the SHA-256 of everything archived of the entry.
func (e Entry) digest() digest {
	h := sha256.New()
	h.Write(e.Payload)
	if e.Made != nil {
		h.Write([]byte("\n" + e.Made.Request + "\n"))
		h.Write(e.Made.Version)
	}
	return digest(h.Sum(nil))
}

// What the archive refuses. It then archives and trims nothing of that shard, or nothing at all, until an operator has looked into it.
var (
	// ErrOtherStore: the outbox belongs to another store than the archive's (Archive.Adopt).
	ErrOtherStore = errors.New("archive: outbox of another store")
	// ErrOutbox: the archive cannot take the outbox's entries: out of order, altered since they were archived, or not JSON.
	ErrOutbox = errors.New("archive: damaged outbox")
	// ErrLocked: another process has the archive open.
	ErrLocked = errors.New("archive: in use by another process")
	// ErrBehind: the store says that more was archived than the archive holds: the archive was restored from an older copy, or its end was
	// cut off.
	ErrBehind = errors.New("archive: behind what was trimmed from the outbox")
	// ErrHeld: files are kept beyond their retention because a follower has not read them. Only reported; nothing is wrong with the
	// archive.
	ErrHeld = errors.New("archive: files are past their retention and kept: a follower has not read them")
	// ErrAltered: a file of the open archive was removed, replaced or truncated. Nothing more leaves the outbox.
	ErrAltered = errors.New("archive: a file was altered while it was written to")
	// ErrClosed: the archive was closed.
	ErrClosed = errors.New("archive: closed")
)

// Archive moves events from the outbox to append-only files: read, append, fsync, and only then trim (docs/events.md). Its only memory is
// what the files hold. The exported fields may be changed before Run.
type Archive struct {
	OnError      func(error)   // called for every round that failed; may be nil
	Batch        int64         // entries read from one shard at a time
	Idle         time.Duration // wait between rounds when there is nothing to do
	SegmentBytes int64         // a file of this size is followed by a new one
	SegmentAge   time.Duration // and so is one of this age

	CheckpointEvents uint64        // a checkpoint is made after this many events,
	CheckpointEvery  time.Duration // and when an event has waited this long
	Retention        time.Duration // older files are removed; below MinRetention (the default): none
	// Needed returns the oldest file that somebody still has to read, 0 for none. That file and all later ones are kept, whatever their
	// age, and OnError is told (ErrHeld). It must not call the archive; may be nil.
	Needed func() int

	key   *CheckpointKey
	trust note.Verifiers

	mu         sync.Mutex
	disk       disk
	lock       lock
	open       *segment
	chain      chain
	signatures *segment   // the file of the newest checkpoints; nil: none was made of the open segment
	signed     checkpoint // the newest
	removed    []removal
	looked     int                       // the segment at whose beginning we last looked for files to remove
	latest     time.Time                 // time of the newest archived event, by the store's clock
	recent     map[int]map[string]digest // digests of the entries archived last and perhaps not trimmed, by shard and position
	behind     bool                      // checkStore has established that the store has trimmed nothing more
	torn       string
	closed     bool
	buffer     []byte // the lines of a round, for reuse

	// What others are told has a lock of its own: while the disk hangs, a round holds the other one.
	telling sync.Mutex
	lag     Lag
	end     Place
}

// digest is a SHA-256.
type digest = [sha256.Size]byte

// Lag says how far archiving is behind.
type Lag struct {
	Archived uint64    // events in the archive
	Signed   uint64    // how many of them a checkpoint covers
	CaughtUp time.Time // everything before this instant is in the archive; zero: unknown since the start
	Err      error     // why the last round failed, or nil
}

// The defaults of an archive.
const (
	defaultBatch   = 128
	defaultIdle    = 200 * time.Millisecond
	defaultSegment = 64 << 20
	defaultAge     = 24 * time.Hour
	defaultEvents  = 1000
	defaultEvery   = time.Minute
	waitAfterError = time.Second
	flushBytes     = 4 << 20 // more is written at once only if one shard's batch is larger
)

// OpenArchive opens or creates the archive in a folder and locks it against other processes. It reads the newest file and checks it against
// its checkpoints, signed by key, which also signs new ones, or by older keys. An incomplete last line, left by a crash during a write, is
// cut off before the next write, since the outbox still has its event. Any other damage is a *DamageError; nothing is repaired.
func OpenArchive(folder string, key *CheckpointKey, older ...PublicKey) (*Archive, error) {
	return openArchive(osDisk{folder: folder}, key, older...)
}

func openArchive(d disk, key *CheckpointKey, older ...PublicKey) (*Archive, error) {
	if key == nil {
		return nil, fmt.Errorf("open archive: %w: missing", ErrKey)
	}
	lock, err := d.Lock()
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	a := &Archive{
		Batch: defaultBatch, Idle: defaultIdle, SegmentBytes: defaultSegment, SegmentAge: defaultAge,
		CheckpointEvents: defaultEvents, CheckpointEvery: defaultEvery,
		key: key, trust: verifiers(append([]PublicKey{key.PublicKey}, older...)),
		disk: d, lock: lock, recent: map[int]map[string]digest{},
	}
	if err := a.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("open archive: %w", err), a.closeFiles(), lock.Close())
	}
	a.lag.Archived, a.lag.Signed = a.chain.n, a.signed.size
	a.showEnd()
	return a, nil
}

// Close makes a last checkpoint and releases the folder. Run and Drain fail afterwards.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	err := a.sign()
	a.closed = true
	return errors.Join(err, a.closeFiles(), a.lock.Close())
}

func (a *Archive) closeFiles() error {
	var errs []error
	for _, s := range []*segment{a.open, a.signatures} {
		if s != nil {
			errs = append(errs, s.file.Close())
		}
	}
	return errors.Join(errs...)
}

// Reached is how far each shard's outbox is archived. A store whose sequences are lower has lost changes.
func (a *Archive) Reached() map[int]Reached {
	a.mu.Lock()
	defer a.mu.Unlock()
	return reached(a.chain.marks)
}

// StoreID is the store whose events are in the archive; "" if that is not known yet.
func (a *Archive) StoreID() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.chain.store
}

// Lag returns how far archiving is behind. It does not wait for the disk.
func (a *Archive) Lag() Lag {
	a.telling.Lock()
	defer a.telling.Unlock()
	return a.lag
}

// Torn describes what was found unfinished when the archive was opened and will be cut off; "" if nothing was.
func (a *Archive) Torn() string { return a.torn }

// Run archives until ctx ends, and then returns nil. A round that fails is reported and retried: nothing is trimmed before it is safely on
// disk, and nothing is archived twice.
func (a *Archive) Run(ctx context.Context, outbox Outbox) error {
	var reported time.Time
	for {
		moved, more, err := a.round(ctx, outbox)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrClosed):
			return err
		case err != nil && a.OnError != nil && time.Since(reported) >= waitAfterError:
			a.OnError(err)
			reported = time.Now()
		}
		if more && moved > 0 {
			continue
		}
		// Wait even after a round that moved something: every round costs a sync, and the store a read and a trim per shard, more than a
		// few events do. A later round moves more at once.
		wait := a.Idle
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

// Drain archives until the outbox is empty, for a graceful stop, or until nothing moves any more, and then returns why.
func (a *Archive) Drain(ctx context.Context, outbox Outbox) error {
	for {
		if moved, _, err := a.round(ctx, outbox); moved == 0 {
			return err
		}
	}
}

// round reads every shard once and archives what is new. It returns how many entries left the outbox, and whether a shard returned a full
// batch, so that there may be more. Errors are joined: a failing shard does not hold up the others.
func (a *Archive) round(ctx context.Context, outbox Outbox) (moved int, more bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	begun := time.Now()
	defer func() {
		a.telling.Lock()
		defer a.telling.Unlock()
		a.lag.Err, a.lag.Archived, a.lag.Signed = err, a.chain.n, a.signed.size
		if !more && err == nil {
			a.lag.CaughtUp = begun
		}
	}()
	if a.closed {
		return 0, false, ErrClosed
	}
	if err := a.checkStore(ctx, outbox); err != nil {
		return 0, false, err
	}
	var errs []error
	w := writer{archive: a, outbox: outbox, lines: a.buffer[:0]}
	defer func() { a.buffer = w.lines }()
	for shard := range outbox.Shards() {
		// Read from the start, not from the cursor: an entry below the cursor that is not in the archive would never be seen again.
		entries, err := outbox.Read(ctx, shard, "", a.Batch)
		more = more || int64(len(entries)) >= a.Batch
		if err == nil && len(entries) > 0 {
			err = w.add(ctx, shard, entries)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("archive shard %d: %w", shard, err))
		}
	}
	errs = append(errs, w.flush(ctx), a.signIfDue(), a.expire())
	return w.moved, more, errors.Join(errs...)
}

// fresh returns the entries that are not in the archive yet. Entries that are (a crash or an error kept them from being trimmed) must be
// there with the same content.
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
			archived[e.Position] = e.digest()
		}
	}
	if err := a.checkArchived(shard, archived); err != nil {
		return nil, err
	}
	return entries[len(archived):], nil
}

// checkArchived checks that the entries are in the archive with the same content.
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

// writer collects what one round archives: lines to write, and positions to trim once the lines are safe.
type writer struct {
	archive *Archive
	outbox  Outbox
	lines   []byte
	chain   chain           // after lines
	trim    map[int][]Entry // by shard, the entries to trim from its outbox
	moved   int             // entries that were trimmed
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
		w.chain, w.trim = w.archive.chain.clone(), map[int][]Entry{}
	}
	if latest := timeOf(last(entries).Payload); latest.After(w.archive.latest) {
		w.archive.latest = latest
	}
	for _, e := range fresh {
		w.lines = w.chain.appendEntry(w.lines, shard, e)
	}
	w.trim[shard] = entries
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
		w.lines = lines[:0] // whatever happens: it is not written twice
		if err := a.append(lines, w.chain); err != nil {
			return err
		}
	}
	if err := a.inPlace(); err != nil {
		return err
	}
	// Trim all shards at once: with appendfsync always, trims that reach the store together share one sync, for which everything else
	// waits.
	shards := slices.Sorted(maps.Keys(trim))
	errs := make([]error, len(shards))
	var trims sync.WaitGroup
	for i, shard := range shards {
		trims.Go(func() { errs[i] = w.outbox.Trim(ctx, shard, last(trim[shard]).Position) })
	}
	trims.Wait()
	for i, shard := range shards {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("trim shard %d: %w", shard, errs[i])
			a.rememberAll(shard, trim[shard])
			continue
		}
		delete(a.recent, shard)
		w.moved += len(trim[shard])
	}
	return errors.Join(errs...)
}

// last is the newest of the entries.
func last(entries []Entry) Entry { return entries[len(entries)-1] }

// rememberAll keeps the digests of entries that were archived and may still be in the outbox.
func (a *Archive) rememberAll(shard int, entries []Entry) {
	sums := make(map[string]digest, len(entries))
	for _, e := range entries {
		sums[e.Position] = e.digest()
	}
	a.recent[shard] = sums
}

// timeOf is when an event was recorded; zero if that cannot be read.
func timeOf(payload []byte) time.Time {
	var e struct {
		Time time.Time `json:"time"`
	}
	_ = json.Unmarshal(payload, &e) // zero
	return e.Time
}

// position is a parsed Entry.Position.
type position struct{ major, minor uint64 }

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.major, q.major), cmp.Compare(p.minor, q.minor))
}
