package audit

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// smallArchive opens an archive whose files hold only a few events.
func smallArchive(t testing.TB, d *memDisk) *Archive {
	t.Helper()
	a, err := openArchive(d, testSigner(t))
	if err != nil {
		t.Fatalf("openArchive: %v", err)
	}
	a.Batch, a.SegmentBytes = 2, 1000
	return a
}

// killed says that the process died but not the machine: nothing written is gone, nor is it on disk.
const killed = -1

// TestNothingIsLostOrDoubledAfterACrashAnywhere cuts the power at every step of the archive, keeps any number of the unsynced bytes, and
// continues with the same outbox. It also kills only the process at every step.
func TestNothingIsLostOrDoubledAfterACrashAnywhere(t *testing.T) {
	steps := 0
	run := func(failAt, keep int) (unsynced int) {
		d := newMemDisk()
		d.failAt, d.crash = failAt, true
		outbox := newMemOutbox(t, 2)
		outbox.disk = func() *memDisk { return d }
		outbox.fill(3)
		a := smallArchive(t, d)
		err := a.Drain(t.Context(), outbox)
		if failAt == 0 {
			if err != nil {
				t.Fatalf("Drain: %v", err)
			}
			steps = d.steps
		} else if !errors.Is(err, errPower) {
			t.Fatalf("got error %v, want the power failure", err)
		}
		unsynced = d.unsynced()
		if keep == killed {
			d = d.resume()
		} else {
			d = d.restart(keep)
		}
		outbox.add(0, "1800000000-0", 99)
		if err := smallArchive(t, d).Drain(t.Context(), outbox); err != nil {
			t.Fatalf("Drain after the crash: %v", err)
		}
		outbox.checkComplete(t, d)
		return unsynced
	}
	run(0, 0)
	for failAt := 1; failAt <= steps; failAt++ {
		run(failAt, killed)
		unsynced := run(failAt, 0)
		for keep := 1; keep <= unsynced; keep++ {
			if keep%5 > 0 && keep < unsynced-250 {
				continue // every byte of the last line, and some before it
			}
			if t.Failed() {
				t.Fatalf("at step %d of %d, with %d bytes kept", failAt, steps, keep-1)
			}
			run(failAt, keep)
		}
	}
}

// TestNothingIsLostOrDoubledAfterADiskError lets every step fail once, continues, and cuts the power at the end: a failed sync may not be
// trusted later.
func TestNothingIsLostOrDoubledAfterADiskError(t *testing.T) {
	for failAt := 1; ; failAt++ {
		d := newMemDisk()
		d.failAt = failAt
		outbox := newMemOutbox(t, 2)
		outbox.disk = func() *memDisk { return d }
		outbox.fill(5)
		a := smallArchive(t, d)
		var failed error
		for {
			moved, _, err := a.round(t.Context(), outbox)
			failed = errors.Join(failed, err)
			if !errors.Is(a.Lag().Err, err) {
				t.Fatalf("step %d: got error %v in Lag, want %v", failAt, a.Lag().Err, err)
			}
			if moved == 0 && err == nil {
				break
			}
		}
		if d.steps < failAt {
			return
		}
		if !errors.Is(failed, errDisk) {
			t.Fatalf("step %d: got error %v, want the disk error", failAt, failed)
		}
		outbox.checkComplete(t, d)
		if t.Failed() {
			t.Fatalf("at step %d", failAt)
		}
	}
}

// TestADiskThatStaysBrokenTrimsNothing also lets the undoing of a failed write fail.
func TestADiskThatStaysBrokenTrimsNothing(t *testing.T) {
	d := newMemDisk()
	outbox := newMemOutbox(t, 1)
	outbox.disk = func() *memDisk { return d }
	outbox.fill(1)
	a := smallArchive(t, d)
	if err := a.Drain(t.Context(), outbox); err != nil {
		t.Fatal(err)
	}
	outbox.add(0, "1800000000-0", 1)
	d.dead = true
	for range 3 {
		if err := a.Drain(t.Context(), outbox); !errors.Is(err, errPower) {
			t.Fatalf("got error %v, want the disk's", err)
		}
	}
	if n := len(outbox.shards[0]); n != 1 {
		t.Errorf("got %d entries left in the outbox, want 1", n)
	}
	d.dead = false
	if err := a.Drain(t.Context(), outbox); err != nil {
		t.Fatalf("Drain when the disk is back: %v", err)
	}
	outbox.checkComplete(t, d)
}

func TestEntriesThatWereNotTrimmedAreNotArchivedTwice(t *testing.T) {
	d := newMemDisk()
	outbox := newMemOutbox(t, 2)
	outbox.fill(3)
	outbox.trimErr = errors.New("no connection")
	a := smallArchive(t, d)
	for range 3 {
		if err := a.Drain(t.Context(), outbox); !errors.Is(err, outbox.trimErr) {
			t.Fatalf("got error %v, want the outbox's", err)
		}
	}
	outbox.trimErr = nil
	if err := smallArchive(t, d).Drain(t.Context(), outbox); err != nil { // after a restart
		t.Fatal(err)
	}
	outbox.checkComplete(t, d)
}

// TestARestoredOutboxIsComparedWithTheOlderFiles returns entries that were trimmed long ago, as a restored backup does.
func TestARestoredOutboxIsComparedWithTheOlderFiles(t *testing.T) {
	restored := func(t *testing.T, change func(*memOutbox)) (*memOutbox, *memDisk, error) {
		d := newMemDisk()
		outbox := newMemOutbox(t, 2)
		outbox.fill(5)
		backup := newMemOutbox(t, 2)
		backup.fill(5)
		if err := smallArchive(t, d).Drain(t.Context(), outbox); err != nil {
			t.Fatal(err)
		}
		if n := len(d.files); n < 3 {
			t.Fatalf("got %d files, want several", n)
		}
		change(backup)
		return backup, d, smallArchive(t, d).Drain(t.Context(), backup)
	}
	t.Run("the same entries are trimmed and not archived again", func(t *testing.T) {
		backup, d, err := restored(t, func(o *memOutbox) { o.add(1, "1800000000-0", 1) })
		if err != nil {
			t.Fatal(err)
		}
		backup.checkComplete(t, d)
	})
	t.Run("an entry that was altered stops its shard", func(t *testing.T) {
		backup, _, err := restored(t, func(o *memOutbox) { o.shards[0][0].Payload = []byte(`{"event":"another"}`) })
		if !errors.Is(err, ErrOutbox) || len(backup.shards[0]) != 5 || len(backup.shards[1]) != 0 {
			t.Errorf("got error %v, %d and %d entries left, want ErrOutbox, 5 and 0", err, len(backup.shards[0]), len(backup.shards[1]))
		}
	})
	t.Run("an entry below the cursor that was never archived stops its shard", func(t *testing.T) {
		backup, _, err := restored(t, func(o *memOutbox) { o.shards[0][0].Position = "1600000000-0" })
		if !errors.Is(err, ErrOutbox) || len(backup.shards[0]) != 5 {
			t.Errorf("got error %v, %d entries left, want ErrOutbox and 5", err, len(backup.shards[0]))
		}
	})
}

func TestOutboxThatCannotBeTakenIsRefused(t *testing.T) {
	tests := []struct {
		name    string
		entries []Entry
	}{
		{"a position that is no number", []Entry{{Position: "now", Payload: []byte(`{}`)}}},
		{"a position with a sign", []Entry{{Position: "+1", Payload: []byte(`{}`)}}},
		{"a position with two dashes", []Entry{{Position: "1-1-1", Payload: []byte(`{}`)}}},
		{"an empty position", []Entry{{Position: "", Payload: []byte(`{}`)}}},
		{"positions out of order", []Entry{{Position: "10", Payload: []byte(`{}`)}, {Position: "9", Payload: []byte(`{}`)}}},
		{"a position twice", []Entry{{Position: "9", Payload: []byte(`{}`)}, {Position: "9-0", Payload: []byte(`{}`)}}},
		{"a payload that is no JSON", []Entry{{Position: "1", Payload: []byte(`{"a":`)}}},
		{"a payload that is no object", []Entry{{Position: "1", Payload: []byte(`1`)}}},
		{"no payload", []Entry{{Position: "1"}}},
		{"a payload of two lines", []Entry{{Position: "1", Payload: []byte("{\n}")}}},
		{"a payload that is too large", []Entry{{Position: "1", Payload: fmt.Appendf(nil, `{"a":"%0*d"}`, MaxEventBytes, 0)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, outbox := newMemDisk(), newMemOutbox(t, 2)
			outbox.shards[0] = tt.entries
			outbox.add(1, "1", 1)
			err := smallArchive(t, d).Drain(context.Background(), outbox)
			if !errors.Is(err, ErrOutbox) || len(outbox.shards[0]) != len(tt.entries) {
				t.Errorf("got error %v and %d entries left, want ErrOutbox and %d", err, len(outbox.shards[0]), len(tt.entries))
			}
			if len(outbox.shards[1]) != 0 {
				t.Error("the other shard was held up")
			}
		})
	}
}

func TestLagTellsWhetherTheArchiveKeepsUp(t *testing.T) {
	outbox := newMemOutbox(t, 2)
	outbox.fill(5)
	a := smallArchive(t, newMemDisk())
	for i, caughtUp := range []bool{false, false, true} { // five entries in a shard, two in a round
		if _, _, err := a.round(t.Context(), outbox); err != nil {
			t.Fatal(err)
		}
		if got := !a.Lag().CaughtUp.IsZero(); got != caughtUp {
			t.Errorf("round %d: got caught up %v, want %v", i+1, got, caughtUp)
		}
	}
}
