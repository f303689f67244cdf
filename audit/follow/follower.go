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
	// Read gives at most limit events behind a place, in order (audit.Archive.Read).
	Read(from audit.Place, limit int) ([]audit.Archived, error)
	// Start is the place before the oldest event that is kept; zero where there is none.
	Start() (audit.Place, error)
	// End is the place behind the last event.
	End() audit.Place
}

// Destination is where a follower brings events.
type Destination interface {
	// Deliver brings events there, in order, and gives how many of the first ones have arrived for sure; the error says why not all. An
	// event may be delivered again, with the same id. The error wraps ErrRefused where the destination looked at the first event that did
	// not arrive and will not have it. Deliver ends in bounded time, whatever the destination does. The error never holds anything of an event, of an answer, or of a secret.
	Deliver(ctx context.Context, events []audit.Event) (int, error)
	// Close gives up connections. Deliver may be called again afterwards.
	Close()
}

// ErrRefused means that a destination will not take an event, however often it is sent.
var ErrRefused = errors.New("the destination refuses the event")

// errUnreadable means that an event is of a later version of the gateway: this one cannot say what it means.
var errUnreadable = errors.New("the event is of a version that this gateway cannot read: run the one that wrote it")

// Options say how one follower works.
type Options struct {
	Name        string // names the cursor and the metrics: lower-case letters, digits and dashes
	Folder      string // where the cursor is kept
	FromNow     bool   // without a cursor, begin behind what the archive holds already
	Batch       int    // events delivered at a time
	Destination Destination
	Report      func(Status) // called when deliveries begin to fail, from time to time while they do, and when they go on; may be nil

	Idle                time.Duration // between two looks at an archive that has nothing new; 0: defaultIdle
	LeastWait, MostWait time.Duration // after a failure; 0: the defaults
}

// The defaults of Options.
const (
	defaultIdle      = 200 * time.Millisecond
	defaultLeastWait = 500 * time.Millisecond
	defaultMostWait  = time.Minute
	reportEvery      = time.Minute
)

// Follower brings the events of an archive to one destination, in order, each at least once.
type Follower struct {
	o      Options
	cursor cursor

	mu       sync.Mutex
	status   Status
	pending  time.Time // of the oldest event that was read and has not arrived; zero: none is known
	reported time.Time
}

// Status says how a follower stands.
type Status struct {
	Name      string
	Behind    uint64        // events in the archive that have not arrived
	Late      time.Duration // how old the oldest of them is; 0 while that is not known
	Delivered uint64        // events that arrived since the start
	Failures  uint64        // deliveries that failed since the start
	SetAside  uint64        // events that were refused and passed over since the start (Options.Folder, name.refused.jsonl)
	Err       error         // why the last delivery failed; nil if it did not
}

// New makes a follower. Nothing is read and nobody is connected to before Run.
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

// Begin takes the follower's place, as Run does. Whoever calls it before the archive goes on, and Run afterwards, misses nothing that is
// archived in between.
func (f *Follower) Begin(source Source) error { return f.cursor.ready(f.o.FromNow, source) }

// Run follows until ctx ends. What fails is tried again, for ever: an archive is kept as long as its followers need it, so that waiting loses
// nothing, and giving up would.
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

// round delivers one batch, and gives how many events the cursor went past.
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

// deliver is one delivery. The count is checked: going past an event that did not arrive would lose it.
func (f *Follower) deliver(ctx context.Context, events []audit.Event) (int, error) {
	n, err := f.o.Destination.Deliver(ctx, events)
	if n < 0 || n > len(events) || n < len(events) && err == nil {
		return 0, errors.New("the destination does not say how many events arrived")
	}
	return n, err
}

// pass decides about an event that was refused: whether it is the event that is wrong, or the destination. It goes past refused events only
// when one behind them arrives; they are then written down, since nobody will send them again. Where everything is refused, nothing is passed.
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

// Needs is the number of the oldest file of the archive that this follower has still to read: retention must keep it and what follows. 0: none.
func (f *Follower) Needs() int { return f.cursor.needs(f.o.FromNow) }

// Status says how the follower stands.
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

// note keeps how a round ended, and reports when that changes.
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

// jitter is a time between half of d and d: followers of many gateways do not all come back in the same instant.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
