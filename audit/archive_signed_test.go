package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zorgsluis/audit"
)

// strangerKey is a key that nobody trusts.
func strangerKey(t testing.TB) *audit.CheckpointKey {
	t.Helper()
	key, err := audit.NewCheckpointKey(bytes.Repeat([]byte("o"), 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed are the checkpoint files, in order.
func signed(t *testing.T, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "checkpoints-*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// oftenSigned is an archive of several files with several checkpoints in each.
func oftenSigned(t *testing.T, key *audit.CheckpointKey, events int) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "archive")
	a, err := audit.OpenArchive(folder, key)
	if err != nil {
		t.Fatal(err)
	}
	a.Batch, a.SegmentBytes, a.CheckpointEvents = 1, 2500, 2
	o := &outbox{id: "store-1", shards: make([][]audit.Entry, 2)}
	for i := range events {
		o.add(i%2, i+1)
	}
	if err := a.Drain(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(signed(t, folder)); n < 2 {
		t.Fatalf("got %d files, want several", n)
	}
	return folder
}

func TestWhatWasDoneToCheckpointsIsFoundAndLocated(t *testing.T) {
	tests := []struct {
		name   string
		damage func(lines [][]byte) [][]byte
		line   int
	}{
		{"the first of a file taken out", func(l [][]byte) [][]byte { return l[1:] }, 1},
		{"one in the middle taken out", func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) }, 2},
		{"the last of a file taken out", func(l [][]byte) [][]byte { return l[:len(l)-1] }, 3},
		{"all of a file taken out", func([][]byte) [][]byte { return nil }, 1},
		{"one given twice", func(l [][]byte) [][]byte { return slices.Insert(l, 1, l[0]) }, 2},
		{"two swapped", func(l [][]byte) [][]byte { l[0], l[1] = l[1], l[0]; return l }, 1},
		{"one without a signature", func(l [][]byte) [][]byte { l[1] = []byte("{\"note\":\"x\\n\\n\"}\n"); return l }, 2},
		{"one whose signature was altered", func(l [][]byte) [][]byte {
			l[1] = bytes.Replace(l[1], []byte(`\n\n— zorgsluis/`), []byte(`\n\n— zorgsluis/0`), 1)
			return l
		}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := oftenSigned(t, testKey(t), 20)
			name := signed(t, folder)[1]
			lines := slices.Collect(bytes.Lines(read(t, name)))
			if len(lines) != 3 {
				t.Fatalf("got %d checkpoints in the file, want 3", len(lines))
			}
			write(t, name, bytes.Join(tt.damage(lines), nil))
			_, err := audit.Verify(folder, testKey(t).PublicKey)
			wantDamage(t, err, name, tt.line)
		})
	}
	t.Run("the file taken out", func(t *testing.T) {
		folder := oftenSigned(t, testKey(t), 20)
		name := signed(t, folder)[1]
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		_, err := audit.Verify(folder, testKey(t).PublicKey)
		wantDamage(t, err, name, 1)
	})
	t.Run("those of another archive", func(t *testing.T) {
		folder, other := oftenSigned(t, testKey(t), 20), oftenSigned(t, testKey(t), 20)
		for i, name := range signed(t, folder) {
			write(t, name, read(t, signed(t, other)[i]))
		}
		// The same events at the same places: only the times in the headers, and so the sums, differ. The times may be the same second.
		if bytes.Equal(read(t, files(t, folder)[0]), read(t, files(t, other)[0])) {
			return
		}
		if _, err := audit.Verify(folder, testKey(t).PublicKey); err == nil {
			t.Error("the checkpoints of another archive were taken")
		}
	})
	t.Run("made anew by somebody without the key", func(t *testing.T) {
		folder := oftenSigned(t, strangerKey(t), 20)
		if _, err := audit.Verify(folder, strangerKey(t).PublicKey); err != nil {
			t.Fatal(err)
		}
		_, err := audit.Verify(folder, testKey(t).PublicKey)
		wantDamage(t, err, signed(t, folder)[0], 1)
		if _, err := audit.OpenArchive(folder, testKey(t)); err == nil {
			t.Error("it was opened")
		}
	})
}

func TestEveryFlippedBitOfACheckpointIsFound(t *testing.T) {
	folder := oftenSigned(t, testKey(t), 8)
	name := signed(t, folder)[0]
	intact := read(t, name)
	line := 1
	for i := range intact {
		bits := 1
		if i+1 < len(intact) && intact[i+1] == '=' {
			bits = 8 // the last digit of base64 has bits that do not count
		}
		for bit := range bits {
			damaged := bytes.Clone(intact)
			damaged[i] ^= 1 << ((i + bit) % 8)
			write(t, name, damaged)
			_, err := audit.Verify(folder, testKey(t).PublicKey)
			if i < len(intact)-1 {
				wantDamage(t, err, name, line)
			} else if err == nil {
				t.Error("the last line feed was altered, and it was not found")
			}
		}
		if intact[i] == '\n' {
			line++
		}
		if t.Failed() {
			t.Fatalf("at byte %d", i)
		}
	}
}

func TestDamageNamesTheEvent(t *testing.T) {
	folder := archived(t, 5)
	name := files(t, folder)[0]
	lines := slices.Collect(bytes.Lines(read(t, name)))
	lines[2] = bytes.Replace(lines[2], []byte(`"permit"`), []byte(`"permut"`), 1)
	write(t, name, bytes.Join(lines, nil))
	_, err := audit.Verify(folder)
	var damage *audit.DamageError
	if !errors.As(err, &damage) || damage.Event == "" || damage.Offset != int64(len(lines[0])+len(lines[1])) {
		t.Fatalf("got %+v, want the event and the byte at which its line begins", damage)
	}
	if text := err.Error(); !strings.Contains(text, string(damage.Event)) || strings.Contains(text, "permut") {
		t.Errorf("got error %q, want the id and nothing else of the line", text)
	}
}

// TestOnlyANotedCheckpointShowsAnArchiveMadeAnew is what somebody with files and key can still do, and what reveals it.
func TestOnlyANotedCheckpointShowsAnArchiveMadeAnew(t *testing.T) {
	key := testKey(t)
	noted := func(folder string, number int) audit.Checkpoint {
		names := signed(t, folder)
		var all []string
		for _, name := range names {
			for line := range strings.Lines(string(read(t, name))) {
				var l struct{ Note string }
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				all = append(all, l.Note)
			}
		}
		c, err := audit.ParseCheckpoint([]byte(all[(number+len(all))%len(all)]), key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	folder := oftenSigned(t, key, 20)
	for number := range 5 {
		if s, err := audit.Walk(folder, audit.VerifyOptions{Keys: []audit.PublicKey{key.PublicKey}, Noted: []audit.Checkpoint{noted(folder, number)}}); err != nil || len(s.Unchecked) > 0 {
			t.Errorf("its own checkpoint %d: got %+v and error %v", number+1, s, err)
		}
	}
	anew := oftenSigned(t, key, 12)
	if _, err := audit.Verify(anew, key.PublicKey); err != nil {
		t.Fatal(err)
	}
	_, err := audit.Walk(anew, audit.VerifyOptions{Noted: []audit.Checkpoint{noted(folder, -1)}})
	var damage *audit.DamageError
	if !errors.As(err, &damage) || !strings.Contains(damage.Reason, "the end is missing") {
		t.Errorf("got error %v, want that the end is missing", err)
	}
	if _, err := audit.ParseCheckpoint([]byte("x\n\n— y z\n"), key.PublicKey); !errors.Is(err, audit.ErrKey) {
		t.Errorf("got error %v for a checkpoint that is none, want ErrKey", err)
	}
}

func TestAnotherKeySignsWhileTheOldOneIsStillTrusted(t *testing.T) {
	folder := oftenSigned(t, strangerKey(t), 8)
	if _, err := audit.OpenArchive(folder, testKey(t)); err == nil {
		t.Fatal("opened without the key that signed it")
	}
	a, err := audit.OpenArchive(folder, testKey(t), strangerKey(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	o := &outbox{id: "store-1", shards: make([][]audit.Entry, 2)}
	o.add(0, 100)
	if err := errors.Join(a.Drain(t.Context(), o), a.Close()); err != nil {
		t.Fatal(err)
	}
	if s, err := audit.Verify(folder, testKey(t).PublicKey, strangerKey(t).PublicKey); err != nil || s.Signed != 9 {
		t.Errorf("got %+v and error %v, want all 9 signed", s, err)
	}
	if _, err := audit.Verify(folder, testKey(t).PublicKey); err == nil {
		t.Error("verified without the old key")
	}
}

func TestAnArchiveWithoutAKeyIsNotOpened(t *testing.T) {
	if _, err := audit.OpenArchive(t.TempDir(), nil); !errors.Is(err, audit.ErrKey) {
		t.Errorf("got error %v, want ErrKey", err)
	}
}

// TestFilesAndCheckpointsGoByTime runs an archive for three quiet days.
func TestFilesAndCheckpointsGoByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "archive")
		a, err := audit.OpenArchive(folder, testKey(t))
		if err != nil {
			t.Fatal(err)
		}
		o := &outbox{id: "store-1", shards: make([][]audit.Entry, 1)}
		for i := range 3 {
			o.add(0, 2*i+1)
			if err := a.Drain(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			time.Sleep(a.CheckpointEvery)
			o.add(0, 2*i+2)
			if err := a.Drain(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if lag := a.Lag(); lag.Signed != lag.Archived {
				t.Errorf("day %d: %d of %d events are signed after the interval", i, lag.Signed, lag.Archived)
			}
			time.Sleep(a.SegmentAge)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if n := len(files(t, folder)); n != 3 {
			t.Errorf("got %d files after three days, want 3", n)
		}
		if _, err := audit.Verify(folder, testKey(t).PublicKey); err != nil {
			t.Error(err)
		}
	})
}

// TestFilesAreRemovedWholeAfterTheirRetention lets six years pass, one event and one file a year.
func TestFilesAreRemovedWholeAfterTheirRetention(t *testing.T) {
	const year = 365 * 24 * time.Hour
	grown := func(t *testing.T, folder string, retention time.Duration, years int) {
		a, err := audit.OpenArchive(folder, testKey(t))
		if err != nil {
			t.Fatal(err)
		}
		a.Retention = retention
		o := &outbox{id: "store of " + filepath.Base(folder), shards: make([][]audit.Entry, 1)}
		for range years {
			o.addAt(0, int(a.Lag().Archived)+1, time.Now())
			if err := a.Drain(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			time.Sleep(year)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, test func(t *testing.T, folder string)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, filepath.Join(t.TempDir(), "archive")) })
		})
	}
	run("the rest verifies, and says what is gone", func(t *testing.T, folder string) {
		grown(t, folder, audit.MinRetention, 8)
		s, err := audit.Verify(folder, testKey(t).PublicKey)
		if err != nil || s.FirstSegment != 2 || s.Last != 8 || s.Events != 7 {
			t.Errorf("got %+v and error %v, want the first of 8 events gone: the second file was begun less than 1,830 days before the newest event", s, err)
		}
		grown(t, folder, audit.MinRetention, 3) // and continues
		if s, err = audit.Verify(folder, testKey(t).PublicKey); err != nil || s.FirstSegment != 5 || s.Last != 11 {
			t.Errorf("got %+v and error %v, want 4 of 11 events gone", s, err)
		}
	})
	run("a retention that is too short removes nothing", func(t *testing.T, folder string) {
		grown(t, folder, audit.MinRetention-1, 8)
		if n := len(files(t, folder)); n != 8 {
			t.Errorf("got %d files, want all 8", n)
		}
	})
	run("a record that was taken out, or is forged, is found", func(t *testing.T, folder string) {
		grown(t, folder, audit.MinRetention, 10)
		name := filepath.Join(folder, "removed.jsonl")
		intact := read(t, name)
		write(t, name, bytes.Replace(intact, []byte("through 1"), []byte("through 2"), 1))
		_, err := audit.Verify(folder, testKey(t).PublicKey)
		wantDamage(t, err, name, 1)
		lines := slices.Collect(bytes.Lines(intact))
		write(t, name, bytes.Join(lines[:len(lines)-1], nil))
		_, err = audit.Verify(folder, testKey(t).PublicKey)
		wantDamage(t, err, fmt.Sprintf("events-%06d.jsonl", len(lines)), 1)
		write(t, name, intact)
		if err := os.Remove(files(t, folder)[0]); err != nil { // one more than the record names
			t.Fatal(err)
		}
		_, err = audit.Verify(folder, testKey(t).PublicKey)
		wantDamage(t, err, fmt.Sprintf("events-%06d.jsonl", len(lines)+1), 1)
	})
	run("a record of another archive is found", func(t *testing.T, folder string) {
		other := folder + "-other"
		for _, each := range []string{folder, other} {
			grown(t, each, audit.MinRetention, 10)
		}
		a, b := files(t, folder)[0], files(t, other)[0]
		if filepath.Base(a) != filepath.Base(b) {
			t.Fatalf("got first files %s and %s, want the same number", a, b)
		}
		for i, name := range files(t, folder) { // one archive in place of the other
			for _, kind := range []string{"events", "checkpoints"} {
				write(t, strings.Replace(name, "events", kind, 1), read(t, strings.Replace(files(t, other)[i], "events", kind, 1)))
			}
		}
		_, err := audit.Verify(folder, testKey(t).PublicKey)
		wantDamage(t, err, a, 1)
	})
	run("a removal that a crash cut short is finished", func(t *testing.T, folder string) {
		grown(t, folder, 0, 7)
		kept := map[string][]byte{}
		for _, name := range append(files(t, folder), signed(t, folder)...) {
			kept[name] = read(t, name)
		}
		grown(t, folder, audit.MinRetention, 3)
		first := slices.Sorted(maps.Keys(kept))
		for _, name := range first { // as if nothing had been removed
			if _, err := os.Stat(name); err != nil {
				write(t, name, kept[name])
			}
		}
		if _, err := audit.Verify(folder, testKey(t).PublicKey); err != nil {
			t.Errorf("before it is finished: %v", err)
		}
		a, err := audit.OpenArchive(folder, testKey(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		s, err := audit.Verify(folder, testKey(t).PublicKey)
		if err != nil || s.FirstSegment != 4 || len(signed(t, folder)) != s.Segments {
			t.Errorf("got %+v and error %v, want the first three files gone, with their checkpoints", s, err)
		}
	})
}

// addAt is add with the time of the event.
func (o *outbox) addAt(shard, position int, at time.Time) {
	e := one(shard, position)
	e.Time = at
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shards[shard] = append(o.shards[shard], audit.Entry{Position: fmt.Sprintf("%d-0", position), Payload: e.Marshal(), Sequence: uint64(position)})
}
