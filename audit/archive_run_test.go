package audit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRunGoesOnAfterErrorsAndReportsThemSparingly runs the archive on a clock of its own.
func TestRunGoesOnAfterErrorsAndReportsThemSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, outbox := newMemDisk(), newMemOutbox(t, 2)
		outbox.disk = func() *memDisk { return d }
		a := smallArchive(t, d)
		var reported []error
		a.OnError = func(err error) { reported = append(reported, err) }
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- a.Run(ctx, outbox) }()

		time.Sleep(10 * defaultIdle)
		synctest.Wait()
		if len(reported) > 0 || a.Lag().CaughtUp.IsZero() {
			t.Errorf("got errors %v and lag %+v while there is nothing to do", reported, a.Lag())
		}
		outbox.fill(3)
		time.Sleep(2 * defaultIdle)
		synctest.Wait()
		outbox.checkComplete(t, d)

		a.mu.Lock()
		d.dead = true
		a.mu.Unlock()
		outbox.add(0, "1800000000-0", 1)
		time.Sleep(10 * waitAfterError)
		synctest.Wait()
		if n := len(reported); n < 9 || n > 11 || !errors.Is(reported[0], errPower) || a.Lag().Err == nil {
			t.Errorf("got %d reports in ten seconds, lag %+v, want about one a second", n, a.Lag())
		}
		a.mu.Lock()
		d.dead = false
		a.mu.Unlock()
		time.Sleep(2 * waitAfterError)
		synctest.Wait()
		outbox.checkComplete(t, d)
		if err := a.Lag().Err; err != nil {
			t.Errorf("got error %v in Lag after the disk came back", err)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestAForgedLineIsFound uses lines whose own sum is right, from somebody who can compute a sum.
func TestAForgedLineIsFound(t *testing.T) {
	entry := Entry{Position: "5-0", Payload: []byte(`{}`), Sequence: 5}
	start := func() (chain, []byte) { // a header and one event
		c := newChain()
		b := c.appendHeader(nil, 1)
		return c, c.appendEntry(b, 0, entry)
	}
	forged := func(c chain, text string) []byte { return c.seal([]byte(text), 0) }
	tests := []struct {
		name string
		file func() []byte
		line int
		want string
	}{
		{"a number left out", func() []byte {
			c, b := start()
			c.n++
			return c.appendEntry(b, 1, entry)
		}, 3, "number"},
		{"a position that goes back", func() []byte {
			c, b := start()
			return c.appendEntry(b, 0, Entry{Position: "4-9", Payload: []byte(`{}`)})
		}, 3, "position"},
		{"a position that stays", func() []byte {
			c, b := start()
			return c.appendEntry(b, 0, entry)
		}, 3, "position"},
		{"another line before", func() []byte {
			c, b := start()
			c.prev = firstSum
			return c.appendEntry(b, 1, entry)
		}, 3, "line before"},
		{"a shard that cannot be", func() []byte {
			c, b := start()
			return c.appendEntry(b, -1, entry)
		}, 3, "not a line"},
		{"a member that is not known", func() []byte {
			c, b := start()
			return append(b, forged(c, `{"n":2,"x":1,"prev":"`+c.prev+`"`)...)
		}, 3, "not a line"},
		{"a line that is no JSON", func() []byte {
			c, b := start()
			return append(b, forged(c, `{"n":2,,`)...)
		}, 3, "not a line"},
		{"no event", func() []byte {
			c, b := start()
			return append(b, forged(c, `{"n":2,"shard":1,"position":"1-0","sequence":1,"prev":"`+c.prev+`"`)...)
		}, 3, "not a line"},
		{"a header of another file", func() []byte { return new(newChain()).appendHeader(nil, 2) }, 1, "another file"},
		{"a header of another format", func() []byte {
			return forged(newChain(), `{"archive":9,"segment":1,"store":"","n":0,"marks":{},"prev":"`+firstSum+`"`)
		}, 1, "format"},
		{"a header that does not follow", func() []byte {
			c := newChain()
			c.n, c.tree = 7, make(tree, 3)
			return c.appendHeader(nil, 1)
		}, 1, "does not follow"},
		{"a header with a tree of another size", func() []byte {
			c := newChain()
			c.tree = make(tree, 3)
			return c.appendHeader(nil, 1)
		}, 1, "the tree is not of so many"},
		{"a header with marks of its own", func() []byte {
			c := newChain()
			c.marks[0] = mark{Position: "9-0", Sequence: 9}
			return c.appendHeader(nil, 1)
		}, 1, "marks"},
		{"an event for a header", func() []byte { return new(newChain()).appendEntry(nil, 0, entry) }, 1, "not a line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newMemDisk()
			d.files[segmentName(1)] = &memFile{disk: d, data: slices.Clone(tt.file())}
			c := newChain()
			_, err := scan(d, 1, &c, nil)
			var damage *DamageError
			if !errors.As(err, &damage) || damage.Line != tt.line || !strings.Contains(damage.Reason, tt.want) {
				t.Errorf("got error %v, want damage in line %d with %q", err, tt.line, tt.want)
			}
		})
	}
}

// TestAChainThatWasMadeAnewIsFoundByItsCheckpoints changes an event and recomputes all sums, as anybody can who can write the file.
func TestAChainThatWasMadeAnewIsFoundByItsCheckpoints(t *testing.T) {
	d, outbox := newMemDisk(), newMemOutbox(t, 1)
	outbox.fill(4)
	a, err := openArchive(d, testSigner(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Drain(t.Context(), outbox), a.Close()); err != nil {
		t.Fatal(err)
	}
	verify := func() error {
		v := verification{disk: d, trust: verifiers([]PublicKey{testSigner(t).PublicKey}), chain: newChain()}
		_, err := v.all(nil)
		return err
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	old, anew := newChain(), newChain()
	var b []byte
	if _, err := scan(d, 1, &old, func(r record) error {
		if len(r.Event) == 0 {
			anew.began, anew.store = old.began, old.store
			b = anew.appendHeader(b, 1)
			return nil
		}
		e := r.entry()
		e.Payload = []byte(strings.Replace(string(e.Payload), "1700000002-0", "1700000002-9", 1))
		b = anew.appendEntry(b, r.Shard, e)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	d.files[segmentName(1)].data = b
	var damage *DamageError
	if err := verify(); !errors.As(err, &damage) || damage.File != checkpointsName(1) || damage.Line != 2 {
		t.Errorf("got error %v, want that checkpoint 2 does not fit", err)
	}
	if _, err := openArchive(d, testSigner(t)); !errors.As(err, &damage) {
		t.Errorf("got error %v, want that it is not opened", err)
	}
}

// stuckDisk is a disk whose syncs take as long as the test wants.
type stuckDisk struct {
	*memDisk
	syncing chan struct{} // one value for each sync that began
	release chan struct{}
}

type stuckFile struct {
	file
	disk *stuckDisk
}

func (d *stuckDisk) Append(name string) (file, error) {
	f, err := d.memDisk.Append(name)
	return stuckFile{f, d}, err
}

func (f stuckFile) Sync() error {
	f.disk.syncing <- struct{}{}
	<-f.disk.release
	return f.file.Sync()
}

// TestAHangingDiskKeepsNobodyWaiting: readiness and metrics ask how far the archive is, above all while its disk hangs.
func TestAHangingDiskKeepsNobodyWaiting(t *testing.T) {
	d := &stuckDisk{newMemDisk(), make(chan struct{}, 100), make(chan struct{})}
	a, err := openArchive(d, testSigner(t))
	if err != nil {
		t.Fatal(err)
	}
	outbox := newMemOutbox(t, 1)
	outbox.fill(2)
	drained := make(chan error, 1)
	go func() { drained <- a.Drain(t.Context(), outbox) }()
	<-d.syncing
	asked := make(chan Place, 1)
	go func() {
		_ = a.Lag()
		asked <- a.End()
	}()
	select {
	case end := <-asked:
		if end.N != 0 {
			t.Errorf("got %d events at the end, want none: they are not safe yet", end.N)
		}
	case <-time.After(time.Minute):
		t.Error("they waited for the disk")
	}
	close(d.release)
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	if got := a.Lag().Archived; got != 2 || a.End().N != 2 {
		t.Errorf("got %d events and the end at %d, want 2", got, a.End().N)
	}
}
