package follow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"zorgsluis/audit"
)

// Source is the archive as followers see it.
type Source interface {
	// Read returns at most limit events after a place, in order (audit.Archive.Read).
	Read(from audit.Place, limit int) ([]audit.Archived, error)
	// Start is the place before the oldest event kept; zero if there is none.
	Start() (audit.Place, error)
	// End is the place after the last event.
	End() audit.Place
}

// Destination is where a follower sends events.
type Destination interface {
	// Deliver sends events in order and returns how many at the beginning have certainly arrived; the error says why not all. An event may
	// be delivered again, with the same id. The error wraps ErrRefused if the destination examined the first event that did not arrive and
	// rejects it. Deliver ends in bounded time, whatever the destination does. The error never contains anything of an event, an answer or
	// a secret.
	Deliver(ctx context.Context, events []audit.Event) (int, error)
	// Close closes connections. Deliver may be called again afterwards.
	Close()
}

// ErrRefused means that a destination will not accept an event, however often it is sent.
var ErrRefused = errors.New("the destination refuses the event")

// errUnreadable means that an event is of a later version, which this gateway cannot interpret.
var errUnreadable = errors.New("the event is of a version that this gateway cannot read: run the one that wrote it")

// Options configure one follower.
type Options struct {
	Name        string // names the cursor and the metrics: lower-case letters, digits and dashes
	Folder      string // where the cursor is kept
	FromNow     bool   // without a cursor, begin after what the archive already holds
	Batch       int    // events per delivery
	Destination Destination
	Report      func(Status) // called when deliveries begin to fail, occasionally while they do, and when they succeed again; may be nil

	Idle                time.Duration // between two reads of an archive that has nothing new; 0: defaultIdle
	LeastWait, MostWait time.Duration // after a failure; 0: the defaults
}

// The defaults of Options.
const (
	defaultIdle      = 200 * time.Millisecond
	defaultLeastWait = 500 * time.Millisecond
	defaultMostWait  = time.Minute
	reportEvery      = time.Minute
)

// Follower sends the events of an archive to one destination, in order, each at least once.
type Follower struct {
	o      Options
	cursor cursor

	mu       sync.Mutex
	status   Status
	pending  time.Time // time of the oldest event that was read and has not arrived; zero: none known
	reported time.Time
}

// Status is the state of a follower.
type Status struct {
	Name      string
	Behind    uint64        // events in the archive that have not arrived
	Late      time.Duration // age of the oldest of them; 0 if unknown
	Delivered uint64        // events that arrived since the start
	Failures  uint64        // deliveries that failed since the start
	SetAside  uint64        // events refused and skipped since the start (Options.Folder, name.refused.jsonl)
	Err       error         // why the last delivery failed, or nil
}

// New makes a follower. Nothing is read or connected before Run.
func New(o Options) *Follower {
	if o.Idle == 0 {
		o.Idle = defaultIdle
	}
	if o.LeastWait == 0 {
		o.LeastWait = defaultLeastWait
	}
	if o.MostWait == 0 {
		o.MostWait = defaultMostWait
	}
	return &Follower{o: o, cursor: cursor{folder: o.Folder, name: o.Name}, status: Status{Name: o.Name}}
}

// Begin sets the follower's place, as Run does. Calling it before the archive continues, and Run afterwards, misses nothing that is
// archived in between.
func (f *Follower) Begin(source Source) error { return f.cursor.ready(f.o.FromNow, source) }

// Run follows until ctx ends. Failures are retried for ever: an archive is kept as long as its followers need it, so waiting loses nothing,
// while giving up would.
func (f *Follower) Run(ctx context.Context, source Source) {
	defer f.o.Destination.Close()
	wait := f.o.LeastWait
	for ctx.Err() == nil {
		moved, err := f.round(ctx, source)
		if ctx.Err() != nil {
			return
		}
		f.note(source, err)
		switch {
		case err != nil:
			if moved > 0 {
				wait = f.o.LeastWait
			}
			pause(ctx, jitter(wait))
			wait = min(2*wait, f.o.MostWait)
		case moved == 0:
			pause(ctx, f.o.Idle)
			fallthrough
		default:
			wait = f.o.LeastWait
		}
	}
}

// round delivers one batch, and returns by how many events the cursor advanced.
func (f *Follower) round(ctx context.Context, source Source) (int, error) {
	if err := f.cursor.ready(f.o.FromNow, source); err != nil {
		return 0, err
	}
	batch, err := source.Read(f.cursor.place, f.o.Batch)
	if err != nil || len(batch) == 0 {
		f.oldest(time.Time{})
		return 0, err
	}
	events := make([]audit.Event, 0, len(batch))
	var unreadable error
	for _, archived := range batch {
		e, err := audit.ParseEvent(archived.Event)
		if err != nil {
			unreadable = fmt.Errorf("event %d: %w", archived.N, errUnreadable)
			break
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return 0, unreadable
	}
	f.oldest(events[0].Time)
	arrived, err := f.deliver(ctx, events)
	passed := arrived
	if errors.Is(err, ErrRefused) {
		passed, err = f.pass(ctx, batch, events, arrived, err)
	}
	if passed > 0 {
		f.arrived(passed)
		err = errors.Join(err, f.cursor.move(batch[passed-1].After))
	}
	if passed < len(events) {
		f.oldest(events[passed].Time)
	} else {
		f.oldest(time.Time{})
	}
	return passed, errors.Join(err, unreadable)
}

// deliver is one delivery. The count is checked: skipping an event that did not arrive would lose it.
func (f *Follower) deliver(ctx context.Context, events []audit.Event) (int, error) {
	n, err := f.o.Destination.Deliver(ctx, events)
	if n < 0 || n > len(events) || n < len(events) && err == nil {
		return 0, errors.New("the destination does not say how many events arrived")
	}
	return n, err
}

// pass decides whether a refused event is at fault, or the destination. It skips refused events only once a later one arrives, and records
// them, since nobody will send them again. If everything is refused, it skips nothing.
func (f *Follower) pass(ctx context.Context, batch []audit.Archived, events []audit.Event, first int, refused error) (int, error) {
	for i := first + 1; i < len(events); i++ {
		n, err := f.deliver(ctx, events[i:i+1])
		if n == 0 && errors.Is(err, ErrRefused) {
			continue
		}
		if n == 0 {
			return first, err
		}
		if err := f.cursor.setAside(batch[first:i], events[first:i]); err != nil {
			return first, err
		}
		f.mu.Lock()
		f.status.SetAside += uint64(i - first)
		f.mu.Unlock()
		return i + 1, nil
	}
	return first, refused
}

// Needs is the number of the oldest archive file that this follower still has to read: retention must keep it and all later ones. 0: none.
func (f *Follower) Needs() int { return f.cursor.needs(f.o.FromNow) }

// Status returns the state of the follower.
func (f *Follower) Status(source Source) Status {
	place, known := f.cursor.at()
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	if end := source.End(); known && end.N > place.N {
		s.Behind = end.N - place.N
	}
	if !f.pending.IsZero() && s.Behind > 0 {
		s.Late = max(0, time.Since(f.pending))
	}
	return s
}

func (f *Follower) oldest(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = at
}

func (f *Follower) arrived(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Delivered += uint64(n)
}

// note keeps the result of a round, and reports changes.
func (f *Follower) note(source Source, err error) {
	f.mu.Lock()
	before := f.status.Err
	f.status.Err = err
	if err != nil {
		f.status.Failures++
	}
	report := f.o.Report != nil && ((before == nil) != (err == nil) || err != nil && time.Since(f.reported) >= reportEvery)
	if report {
		f.reported = time.Now()
	}
	f.mu.Unlock()
	if report {
		f.o.Report(f.Status(source))
	}
}

// jitter is a time between half of d and d, so that the followers of many gateways do not all retry at the same instant.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
