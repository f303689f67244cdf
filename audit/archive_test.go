package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zorgsluis/audit"
)

// outbox is an outbox in memory, of a store with an id.
type outbox struct {
	id     string
	mu     sync.Mutex
	shards [][]audit.Entry
}

func (o *outbox) StoreID() string { return o.id }

func (o *outbox) Shards() int { return len(o.shards) }

func (o *outbox) Read(_ context.Context, shard int, _ string, max int64) ([]audit.Entry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.shards[shard][:min(int(max), len(o.shards[shard]))]), nil
}

func (o *outbox) Trim(_ context.Context, shard int, through string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := slices.IndexFunc(o.shards[shard], func(e audit.Entry) bool { return e.Position == through })
	o.shards[shard] = o.shards[shard][n+1:]
	return nil
}

func (o *outbox) add(shard, position int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shards[shard] = append(o.shards[shard], audit.Entry{
		Position: fmt.Sprintf("%d-0", position), Payload: one(shard, position).Marshal(), Sequence: uint64(position),
	})
}

// one is a small event of a shard at a position.
func one(shard, position int) audit.Event {
	e := access()
	return audit.Event{
		ID: audit.EventID(fmt.Sprintf("%02d-%d", shard, position)), Time: e.Time, Version: e.Version, Kind: e.Kind,
		Outcome: e.Outcome, Reason: e.Reason, Person: e.Person,
	}
}

// testKey signs the checkpoints of all tests.
func testKey(t testing.TB) *audit.CheckpointKey {
	t.Helper()
	key, err := audit.NewCheckpointKey(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func open(t *testing.T, folder string) *audit.Archive {
	t.Helper()
	a, err := audit.OpenArchive(folder, testKey(t))
	if err != nil {
		t.Fatalf("OpenArchive: %v", err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return a
}

// archived makes an archive of several files in a new folder and closes it.
func archived(t *testing.T, events int) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "archive")
	a := open(t, folder)
	a.Batch, a.SegmentBytes = 2, 1500
	o := &outbox{id: "store-1", shards: make([][]audit.Entry, 2)}
	for i := range events {
		o.add(i%2, i+1)
	}
	if err := a.Drain(t.Context(), o); err != nil {
		t.Fatalf("Drain: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return folder
}

// files are the names of the segments, in order.
func files(t *testing.T, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "events-*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantDamage fails unless the error locates damage in that file and line.
func wantDamage(t *testing.T, err error, name string, line int) {
	t.Helper()
	var damage *audit.DamageError
	if !errors.As(err, &damage) {
		t.Fatalf("got error %v, want a *DamageError", err)
	}
	if damage.File != filepath.Base(name) || damage.Line != line {
		t.Errorf("got damage in %s line %d (%s), want %s line %d", damage.File, damage.Line, damage.Reason, filepath.Base(name), line)
	}
}

func TestAnIntactArchiveIsVerified(t *testing.T) {
	folder := archived(t, 12)
	got, err := audit.Verify(folder, testKey(t).PublicKey)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	if got.Events != 12 || got.Last != 12 || got.FirstSegment != 1 || got.Segments < 3 || got.Store != "store-1" || got.Unfinished != 0 || got.Unreadable != 0 {
		t.Errorf("got %+v, want 12 readable events of store-1 in several files", got)
	}
	names := files(t, folder)
	if last := read(t, names[len(names)-1]); !bytes.HasSuffix(last, []byte(`,"sum":"`+got.Head+"\"}\n")) {
		t.Errorf("the head is not the sum of the last line")
	}
}

func TestEveryFlippedBitIsFoundAndLocated(t *testing.T) {
	folder := archived(t, 5)
	for _, name := range files(t, folder) {
		intact := read(t, name)
		line := 1
		for i := range intact {
			damaged := bytes.Clone(intact)
			damaged[i] ^= 1 << (i % 8)
			write(t, name, damaged)
			_, err := audit.Verify(folder, testKey(t).PublicKey)
			wantDamage(t, err, name, line)
			if t.Failed() {
				t.Fatalf("at byte %d of %s", i, name)
			}
			if intact[i] == '\n' {
				line++
			}
		}
		write(t, name, intact)
	}
}

func TestWhatWasDoneToLinesIsFoundAndLocated(t *testing.T) {
	tests := []struct {
		name   string
		damage func(lines [][]byte) [][]byte
		line   int
	}{
		{"a line taken out", func(l [][]byte) [][]byte { return slices.Delete(l, 2, 3) }, 3},
		{"the header taken out", func(l [][]byte) [][]byte { return slices.Delete(l, 0, 1) }, 1},
		{"two lines swapped", func(l [][]byte) [][]byte { l[2], l[3] = l[3], l[2]; return l }, 3},
		{"a line given twice", func(l [][]byte) [][]byte { return slices.Insert(l, 2, l[2]) }, 4},
		{"an empty line put in", func(l [][]byte) [][]byte { return slices.Insert(l, 2, []byte("\n")) }, 3},
		{"a line cut short", func(l [][]byte) [][]byte { l[2] = append(l[2][:50:50], '\n'); return l }, 3},
		{"a line without its sum", func(l [][]byte) [][]byte { l[2] = []byte("{}\n"); return l }, 3},
		{"a line that is endless", func(l [][]byte) [][]byte { l[2] = bytes.Repeat([]byte("x"), 3<<20); return l }, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := archived(t, 12)
			for _, name := range files(t, folder)[:2] {
				intact := read(t, name)
				write(t, name, bytes.Join(tt.damage(slices.Collect(bytes.Lines(intact))), nil))
				_, err := audit.Verify(folder, testKey(t).PublicKey)
				wantDamage(t, err, name, tt.line)
				write(t, name, intact)
			}
		})
	}
}

func TestWhatWasDoneToFilesIsFound(t *testing.T) {
	t.Run("a file taken out", func(t *testing.T) {
		folder := archived(t, 12)
		name := files(t, folder)[1]
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		_, err := audit.Verify(folder, testKey(t).PublicKey)
		wantDamage(t, err, name, 1)
		if _, err := audit.OpenArchive(folder, testKey(t)); err == nil {
			t.Error("the archive was opened")
		}
	})
	t.Run("two files swapped", func(t *testing.T) {
		folder := archived(t, 12)
		names := files(t, folder)
		first, second := read(t, names[0]), read(t, names[1])
		write(t, names[0], second)
		write(t, names[1], first)
		_, err := audit.Verify(folder, testKey(t).PublicKey)
		wantDamage(t, err, names[0], 1)
	})
	t.Run("the end of a file that has a successor cut off", func(t *testing.T) {
		folder := archived(t, 12)
		name := files(t, folder)[0]
		lines := slices.Collect(bytes.Lines(read(t, name)))
		write(t, name, bytes.Join(lines[:len(lines)-1], nil))
		_, err := audit.Verify(folder, testKey(t).PublicKey)
		wantDamage(t, err, name, len(lines)) // detected by the checkpoint made before the next file was begun
		write(t, name, bytes.Join(lines, nil)[:900])
		_, err = audit.Verify(folder, testKey(t).PublicKey)
		wantDamage(t, err, name, bytes.Count(bytes.Join(lines, nil)[:900], []byte("\n"))+1)
	})
	t.Run("the first file taken out", func(t *testing.T) {
		folder := archived(t, 12)
		name := files(t, folder)[0]
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		_, err := audit.Verify(folder, testKey(t).PublicKey)
		wantDamage(t, err, name, 1)
	})
	t.Run("the end cut off", func(t *testing.T) {
		folder := archived(t, 12)
		names := files(t, folder)
		name := names[len(names)-1]
		intact := read(t, name)
		lines := slices.Collect(bytes.Lines(intact))
		for keep := range lines {
			write(t, name, bytes.Join(lines[:keep], nil))
			_, err := audit.Verify(folder, testKey(t).PublicKey)
			wantDamage(t, err, name, keep+1)
			if _, err := audit.OpenArchive(folder, testKey(t)); err == nil {
				t.Errorf("with %d of %d lines the archive was opened", keep, len(lines))
			}
		}
		write(t, name, intact[:len(intact)-10]) // not what a crash leaves: a checkpoint signs the line
		_, err := audit.OpenArchive(folder, testKey(t))
		wantDamage(t, err, name, len(lines))
	})
}

// TestATornLastLineIsReadAgainFromTheOutbox cuts the newest file at every byte of the last line, and at some before it: an incomplete line
// is cut off and reported, and what the outbox still has is archived again, once.
func TestATornLastLineIsReadAgainFromTheOutbox(t *testing.T) {
	o := func() *outbox {
		o := &outbox{id: "store-1", shards: make([][]audit.Entry, 1)}
		for i := range 4 {
			o.add(0, i+1)
		}
		return o
	}
	folder := filepath.Join(t.TempDir(), "archive")
	a := open(t, folder)
	if err := a.Drain(t.Context(), o()); err != nil {
		t.Fatal(err)
	}
	// What a crash would leave: the checkpoint of a clean stop does not exist yet.
	name, signed := files(t, folder)[0], filepath.Join(folder, "checkpoints-000001.jsonl")
	intact, checkpoints := read(t, name), read(t, signed)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	lastLine := bytes.LastIndexByte(intact[:len(intact)-1], '\n')
	for size := range len(intact) + 1 {
		if size < lastLine && size%41 > 0 {
			continue
		}
		write(t, name, intact[:size])
		write(t, signed, checkpoints)
		if size <= bytes.IndexByte(intact, '\n') {
			write(t, signed, nil) // the first one is made after the header
		}
		a, err := audit.OpenArchive(folder, testKey(t))
		if err != nil {
			t.Fatalf("OpenArchive at %d bytes: %v", size, err)
		}
		if torn := size > 0 && intact[size-1] != '\n'; torn != (a.Torn() != "") {
			t.Errorf("at %d bytes Torn says %q", size, a.Torn())
		}
		if err := a.Drain(t.Context(), o()); err != nil {
			t.Fatalf("Drain at %d bytes: %v", size, err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if now := read(t, name); size > bytes.IndexByte(intact, '\n') && !bytes.Equal(now, intact) {
			t.Fatalf("at %d bytes the archive did not become what it was", size)
		}
		if s, err := audit.Verify(folder, testKey(t).PublicKey); err != nil || s.Events != 4 || s.Signed != 4 {
			t.Fatalf("at %d bytes: got %+v and error %v, want 4 events, all signed", size, s, err)
		}
	}
}

func TestADamagedArchiveIsNotOpened(t *testing.T) {
	folder := archived(t, 5)
	names := files(t, folder)
	name := names[len(names)-1]
	intact := read(t, name)
	for i := range intact {
		if i%5 > 0 && i < len(intact)-5 {
			continue
		}
		damaged := bytes.Clone(intact)
		damaged[i] ^= 1 << (i % 8)
		write(t, name, damaged)
		a, err := audit.OpenArchive(folder, testKey(t))
		if err == nil {
			t.Fatalf("opened with a flipped bit in byte %d; torn: %q", i, a.Torn())
		}
		wantDamage(t, err, name, 1+bytes.Count(intact[:i], []byte("\n")))
		if !bytes.Equal(read(t, name), damaged) {
			t.Fatalf("byte %d: the file was changed", i)
		}
	}
}

func TestTheArchiveRemembersWhereItWas(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "archive")
	o := &outbox{id: "store-1", shards: make([][]audit.Entry, 3)}
	o.add(2, 7) // a shard that is quiet from now on: later files know it only from their headers
	for i := range 12 {
		o.add(0, i+1)
	}
	a := open(t, folder)
	a.Batch, a.SegmentBytes = 1, 2000
	if a.StoreID() != "" || len(a.Reached()) != 0 {
		t.Errorf("a new archive knows store %q and %v", a.StoreID(), a.Reached())
	}
	if err := a.Drain(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	want := map[int]uint64{0: 12, 2: 7}
	if !maps.Equal(sequences(a), want) {
		t.Errorf("got sequences %v, want %v", sequences(a), want)
	}
	if lag := a.Lag(); lag.Archived != 13 || lag.CaughtUp.IsZero() || lag.Err != nil {
		t.Errorf("got lag %+v, want 13 archived and caught up", lag)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, folder)
	if !maps.Equal(sequences(again), want) || again.StoreID() != "store-1" || again.Lag().Archived != 13 {
		t.Errorf("got sequences %v, store %q, %+v after a restart", sequences(again), again.StoreID(), again.Lag())
	}
}

// sequences are the highest consent sequences in an archive, by shard.
func sequences(a *audit.Archive) map[int]uint64 {
	all := map[int]uint64{}
	for shard, at := range a.Reached() {
		all[shard] = at.Sequence
	}
	return all
}

func TestAnotherStoreIsRefusedUntilItIsAdopted(t *testing.T) {
	folder := archived(t, 4)
	a := open(t, folder)
	o := &outbox{id: "store-2", shards: make([][]audit.Entry, 2)}
	o.add(0, 1)
	if err := a.Drain(t.Context(), o); !errors.Is(err, audit.ErrOtherStore) || len(o.shards[0]) != 1 {
		t.Fatalf("got error %v and %d entries left, want ErrOtherStore and 1", err, len(o.shards[0]))
	}
	if err := a.Adopt("store-2", nil); err != nil {
		t.Fatalf("Adopt: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = open(t, folder) // it is in the archive, not in memory
	if err := a.Drain(t.Context(), o); err != nil {
		t.Fatalf("Drain: %v", err)
	}
	if want := map[int]uint64{0: 1}; !maps.Equal(sequences(a), want) {
		t.Errorf("got sequences %v, want %v: those of the new store", sequences(a), want)
	}
	if got, err := audit.Verify(folder, testKey(t).PublicKey); err != nil || got.Events != 5 || got.Store != "store-2" {
		t.Errorf("got %+v and error %v, want 5 events, at last of store-2", got, err)
	}
}

func TestTheFolderIsLocked(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "archive")
	a := open(t, folder)
	if _, err := audit.OpenArchive(folder, testKey(t)); !errors.Is(err, audit.ErrLocked) {
		t.Errorf("got error %v, want ErrLocked", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Drain(t.Context(), &outbox{}); !errors.Is(err, audit.ErrClosed) {
		t.Errorf("got error %v after Close, want ErrClosed", err)
	}
	if err := a.Run(t.Context(), &outbox{}); !errors.Is(err, audit.ErrClosed) {
		t.Errorf("got error %v from Run after Close, want ErrClosed", err)
	}
	open(t, folder)
}

// TestNothingIsTrimmedWhereTheFilesWereTakenAway: what is written to a file that is no longer in the folder is not archived, however well
// it was synced.
func TestNothingIsTrimmedWhereTheFilesWereTakenAway(t *testing.T) {
	for name, take := range map[string]func(folder string) error{
		"the file was removed":  func(folder string) error { return os.Remove(filepath.Join(folder, "events-000001.jsonl")) },
		"its checkpoints were":  func(folder string) error { return os.Remove(filepath.Join(folder, "checkpoints-000001.jsonl")) },
		"the lock was":          func(folder string) error { return os.Remove(filepath.Join(folder, "lock")) },
		"the folder was":        os.RemoveAll,
		"the file was cut off":  func(folder string) error { return os.Truncate(filepath.Join(folder, "events-000001.jsonl"), 100) },
		"the file was appended": func(folder string) error { return appendTo(filepath.Join(folder, "events-000001.jsonl"), "x") },
		"a copy is in its place": func(folder string) error {
			name := filepath.Join(folder, "events-000001.jsonl")
			b, err := os.ReadFile(name)
			return errors.Join(err, os.Remove(name), os.WriteFile(name, b, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "archive")
			a := open(t, folder)
			a.CheckpointEvents = 1
			o := &outbox{id: "store-1", shards: make([][]audit.Entry, 1)}
			o.add(0, 1)
			if err := a.Drain(t.Context(), o); err != nil || len(o.shards[0]) != 0 {
				t.Fatalf("before: got error %v and %d entries left, want none", err, len(o.shards[0]))
			}
			if err := take(folder); err != nil {
				t.Fatal(err)
			}
			o.add(0, 2)
			for range 2 {
				if err := a.Drain(t.Context(), o); !errors.Is(err, audit.ErrAltered) || len(o.shards[0]) != 1 {
					t.Errorf("got error %v and %d entries left, want ErrAltered and 1", err, len(o.shards[0]))
				}
			}
		})
	}
}

func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func TestOnlyTheOwnerMayReadTheFiles(t *testing.T) {
	for _, name := range files(t, archived(t, 1)) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("got mode %o, want 600", got)
		}
	}
}

// TestEventsAppendedMeanwhileAreArchivedOnce runs the archive while events keep coming, stops it, and drains the rest.
func TestEventsAppendedMeanwhileAreArchivedOnce(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "archive")
	a := open(t, folder)
	a.Idle, a.Batch, a.SegmentBytes = time.Millisecond, 7, 64<<10
	a.OnError = func(err error) { t.Errorf("round: %v", err) }
	const shards, each = 4, 200
	o := &outbox{id: "store-1", shards: make([][]audit.Entry, shards)}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- a.Run(ctx, o) }()
	var writers sync.WaitGroup
	for shard := range shards {
		writers.Go(func() {
			for i := range each {
				o.add(shard, i+1)
			}
		})
	}
	writers.Wait()
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := a.Drain(t.Context(), o); err != nil {
		t.Fatalf("Drain: %v", err)
	}
	seen := map[string]int{}
	for _, name := range files(t, folder) {
		for line := range strings.Lines(string(read(t, name))) {
			if _, event, ok := strings.Cut(line, `"event":{"id":"`); ok {
				id, _, _ := strings.Cut(event, `"`)
				seen[id]++
			}
		}
	}
	for shard := range shards {
		for i := range each {
			if id := fmt.Sprintf("%02d-%d", shard, i+1); seen[id] != 1 {
				t.Errorf("event %s is in the archive %d times", id, seen[id])
			}
		}
	}
	if got, err := audit.Verify(folder, testKey(t).PublicKey); err != nil || got.Events != shards*each {
		t.Errorf("got %+v and error %v, want %d events", got, err, shards*each)
	}
}
