package redisstore_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
)

// restored is a store that can be restored from a backup, with its archive.
type restored struct {
	t      *testing.T
	server *redistest.Server
	o      redisstore.Options
	folder string // of the archive
	key    *audit.CheckpointKey
	store  *redisstore.Store
}

func newRestored(t *testing.T) *restored {
	t.Helper()
	r := &restored{t: t, server: redistest.Start(t), folder: filepath.Join(t.TempDir(), "archive")}
	var err error
	if r.key, err = audit.NewCheckpointKey(slices.Repeat([]byte("k"), 32)); err != nil {
		t.Fatal(err)
	}
	r.o = options(t, r.server.Socket())
	r.store = open(t, r.o)
	return r
}

// archive opens the archive for do and closes it afterwards.
func (r *restored) archive(do func(*audit.Archive) error) {
	r.t.Helper()
	a, err := audit.OpenArchive(r.folder, r.key)
	if err != nil {
		r.t.Fatal(err)
	}
	a.Batch, a.SegmentBytes = 3, 6000
	if err := errors.Join(do(a), a.Close()); err != nil {
		r.t.Fatal(err)
	}
}

// drain archives everything.
func (r *restored) drain() {
	r.t.Helper()
	r.archive(func(a *audit.Archive) error { return a.Drain(r.t.Context(), r.store) })
}

// backup copies the data of the server; restore puts it back.
func (r *restored) backup() (restore func()) {
	r.t.Helper()
	data, copied := filepath.Join(r.server.Folder(), "appendonlydir"), filepath.Join(r.t.TempDir(), "backup")
	r.server.Kill()
	if err := os.CopyFS(copied, os.DirFS(data)); err != nil {
		r.t.Fatal(err)
	}
	r.server.Run()
	return func() {
		r.t.Helper()
		r.server.Kill()
		if err := errors.Join(os.RemoveAll(data), os.CopyFS(data, os.DirFS(copied))); err != nil {
			r.t.Fatal(err)
		}
		r.server.Run()
	}
}

// replay replays the archive; stop, if not zero, ends it after that many lines.
func (r *restored) replay(stop int) (redisstore.Replayed, error) {
	pass := 0
	return redisstore.Replay(r.t.Context(), r.o, func(each func(audit.Line) error) (audit.Summary, error) {
		pass++
		lines := 0
		return audit.Walk(r.folder, audit.VerifyOptions{Keys: []audit.PublicKey{r.key.PublicKey}, Each: func(l audit.Line) error {
			if lines++; pass == 2 && lines == stop {
				return errStopped
			}
			return each(l)
		}})
	})
}

var errStopped = errors.New("stopped by the test")

// TestReplayWaitsForAStoreThatDoesNotAnswer: the server freezes repeatedly during a replay, for longer than a call may take. What
// was already sent arrives late; nothing is duplicated or missing, and the replay continues by itself.
func TestReplayWaitsForAStoreThatDoesNotAnswer(t *testing.T) {
	r := newRestored(t)
	restore := r.backup()
	for i := range 4 {
		change(t, r.store, alice, permit)
		wantErr(t, r.store.Commit(t.Context(), release(r.store, alice, uint64(i+1))), nil)
	}
	r.drain()
	want, _ := standing(t, r.store, alice)
	restore()
	r.o.Timeout = 200 * time.Millisecond
	pass, lines := 0, 0
	done, err := redisstore.Replay(t.Context(), r.o, func(each func(audit.Line) error) (audit.Summary, error) {
		pass++
		return audit.Walk(r.folder, audit.VerifyOptions{Keys: []audit.PublicKey{r.key.PublicKey}, Each: func(l audit.Line) error {
			if lines++; pass == 2 && lines%2 == 0 {
				r.server.Freeze()
				time.AfterFunc(5*r.o.Timeout, r.server.Thaw)
			}
			return each(l)
		}})
	})
	if err != nil || done.Changes != 4 || done.Events != 8 {
		t.Fatalf("got %+v and error %v, want 4 changes and 8 events", done, err)
	}
	r.o.Timeout = 0
	s := reopen(t, r.watermarks())
	if got, _ := standing(t, s, alice); got.Generation != want.Generation || len(got.Records) != len(want.Records) {
		t.Errorf("got generation %d with %d records, want %d with %d", got.Generation, len(got.Records), want.Generation, len(want.Records))
	}
	if list, err := s.Events(t.Context(), s.Key(alice), 100); err != nil || len(list) != 8 {
		t.Errorf("got %d events and error %v, want 8", len(list), err)
	}
}

// watermarks returns the options of a gateway that knows the archive.
func (r *restored) watermarks() redisstore.Options {
	r.t.Helper()
	o := r.o
	store, reached, err := audit.Seen(r.folder)
	if err != nil {
		r.t.Fatal(err)
	}
	o.StoreID, o.Watermarks, o.Archived = store, map[int]uint64{}, map[int]string{}
	for shard, at := range reached {
		o.Watermarks[shard], o.Archived[shard] = at.Sequence, at.Position
	}
	return o
}

// contents returns everything that a store holds about these persons.
func (r *restored) contents(s *redisstore.Store, persons ...fhir.Identifier) map[string]any {
	r.t.Helper()
	all := map[string]any{"sequences": s.Sequences()}
	reviews, err := s.OpenReviews(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	all["reviews"] = reviews
	for _, p := range persons {
		key := s.Key(p)
		st, _ := standing(r.t, s, p)
		history, err1 := s.History(r.t.Context(), key)
		events, err2 := s.Events(r.t.Context(), key, 1000)
		if err := errors.Join(err1, err2); err != nil {
			r.t.Fatal(err)
		}
		var ids []string
		for _, e := range events {
			ids = append(ids, fmt.Sprint(e.Time.UnixMicro(), e))
		}
		for _, record := range st.Records {
			if owner, err := s.Lookup(r.t.Context(), string(record.ID)); err != nil || owner != key {
				r.t.Errorf("a record does not lead to its person: %v", err)
			}
		}
		all[string(key)] = []any{st, len(history), history[len(history)-1].Standing, ids}
	}
	return all
}

func (r *restored) wantSame(got, want map[string]any) {
	r.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !reflect.DeepEqual(got[name], want[name]) {
			r.t.Errorf("%s: got\n%v\nwant\n%v", name, got[name], want[name])
		}
	}
}

// life uses a store: changes of two persons, one with a request id, accesses, a declaration and its review.
func (r *restored) life(round int) {
	r.t.Helper()
	s := r.store
	change(r.t, s, alice, permit)
	commit := func(p fhir.Identifier, generation uint64) {
		if err := s.Commit(r.t.Context(), release(s, p, generation)); err != nil {
			r.t.Fatal(err)
		}
	}
	st, _ := standing(r.t, s, alice)
	commit(alice, st.Generation)
	if err := s.Commit(r.t.Context(), audit.Release{Event: accessEvent()}); err != nil { // about nobody
		r.t.Fatal(err)
	}
	declared := change(r.t, s, bob, func(st *consent.Standing) error {
		st.Declarations = append(st.Declarations, consent.Declaration{Practitioner: fmt.Sprint("p", round), Expires: st.Newest.Add(time.Hour), DeclaredAt: st.Newest})
		return nil
	})
	commit(bob, declared.Generation)
	if _, err := s.Change(r.t.Context(), audit.Change{
		Request: fmt.Sprint("request-", round), Person: alice, Apply: withdraw, Event: consentEvent(),
	}); err != nil {
		r.t.Fatal(err)
	}
	if round%2 == 0 {
		change(r.t, s, bob, func(st *consent.Standing) error {
			st.Declarations[len(st.Declarations)-1].Review = &consent.Review{Justified: true, By: "x", Why: "y"}
			return nil
		})
	}
}

// TestReplayBringsBackWhatCameAfterTheBackup restores a backup. A gateway refuses it; after the replay the store holds what it held
// before, and nothing twice.
func TestReplayBringsBackWhatCameAfterTheBackup(t *testing.T) {
	r := newRestored(t)
	r.life(0)
	r.drain()
	r.life(1)
	restore := r.backup() // with entries in the outbox
	r.life(2)
	r.drain()
	r.life(3)
	r.drain()
	want := r.contents(r.store, alice, bob)
	restore()
	_, err := redisstore.Open(t.Context(), r.watermarks())
	wantErr(t, err, redisstore.ErrDataLost)

	done, err := r.replay(0)
	if err != nil || done.Changes != 7 || done.Events != 13 || done.Left != 0 {
		t.Fatalf("got %+v and error %v, want 13 events, of these 7 changes", done, err)
	}
	s := reopen(t, r.watermarks())
	r.wantSame(r.contents(s, alice, bob), want)
	if again, err := r.replay(0); err != nil || again != (redisstore.Replayed{}) {
		t.Errorf("got %+v and error %v the second time, want nothing more", again, err)
	}
	// A client that repeats its request after the restore gets the earlier result.
	st, err := s.Change(t.Context(), audit.Change{Request: "request-3", Person: alice, Apply: permit, Event: consentEvent()})
	if before, _ := standing(t, s, alice); err != nil || st.Generation != before.Generation || st.Records[0].Status != "withdrawn" {
		t.Errorf("got generation %d and error %v for a request that was done, want %d", st.Generation, err, before.Generation)
	}
	// The store works again, and what the backup had in its outbox is not archived again.
	r.store = s
	r.life(4)
	r.drain()
	ids := map[audit.EventID]int{}
	if _, err := audit.Walk(r.folder, audit.VerifyOptions{Each: func(l audit.Line) error {
		e, err := audit.ParseEvent(l.Payload)
		ids[e.ID]++
		return err
	}}); err != nil {
		t.Fatal(err)
	}
	for id, n := range ids {
		if n != 1 {
			t.Errorf("event %s is in the archive %d times", id, n)
		}
	}
}

// TestReplayMakesAnEmptyStoreAnew replays the archive alone, and is interrupted at every line.
func TestReplayMakesAnEmptyStoreAnew(t *testing.T) {
	r := newRestored(t)
	r.life(0)
	r.life(1)
	r.drain()
	want := r.contents(r.store, alice, bob)
	s, err := audit.Verify(r.folder)
	if err != nil {
		t.Fatal(err)
	}
	for stop := 1; stop <= int(s.Events); stop++ {
		r.server.Do("flushall")
		if _, err := r.replay(stop); !errors.Is(err, errStopped) {
			t.Fatalf("got error %v, want that it was stopped", err)
		}
		_, err := redisstore.Open(t.Context(), r.watermarks())
		wantErr(t, err, redisstore.ErrDataLost) // an incomplete store is not trusted
		done, err := r.replay(0)
		if err != nil || int(done.Events) != int(s.Events)-stop+1 {
			t.Fatalf("after a stop at line %d: got %+v and error %v, want the rest", stop, done, err)
		}
	}
	r.wantSame(r.contents(reopen(t, r.watermarks()), alice, bob), want)
	text, err := os.ReadFile(filepath.Join(r.folder, "events-000001.jsonl"))
	if err != nil || strings.Contains(string(text), bsn) || !strings.Contains(string(text), `"made":`) {
		t.Errorf("the archive names a person, or holds no changes: %v", err)
	}
}

// TestReplayRefusesWhatItDoesNotContinue changes the restored store first.
func TestReplayRefusesWhatItDoesNotContinue(t *testing.T) {
	t.Run("used after it was restored", func(t *testing.T) {
		r := newRestored(t)
		r.life(0)
		restore := r.backup()
		r.life(1)
		r.drain()
		restore()
		careless := reopen(t, r.o) // without the archive it cannot know better
		change(t, careless, alice, permit)
		want := r.contents(careless, alice, bob)
		_, err := r.replay(0)
		wantErr(t, err, redisstore.ErrDiverged)
		r.wantSame(r.contents(reopen(t, r.o), alice, bob), want)
	})
	t.Run("another store", func(t *testing.T) {
		r := newRestored(t)
		r.life(0)
		r.drain()
		r.server.Do("flushall")
		other := r.o
		other.StoreID = "other"
		open(t, other)
		_, err := r.replay(0)
		wantErr(t, err, redisstore.ErrStoreMismatch)
	})
	t.Run("a version of another line", func(t *testing.T) {
		r, other := newRestored(t), newRestored(t)
		made := map[uint64]*audit.Made{}
		alices := func(l audit.Line) (uint64, bool) {
			e, err := audit.ParseEvent(l.Payload)
			return e.Generation, err == nil && l.Made != nil && e.Person == r.store.Key(alice)
		}
		for _, each := range []*restored{r, other} {
			each.life(0)
			each.drain()
		}
		if _, err := audit.Walk(other.folder, audit.VerifyOptions{Each: func(l audit.Line) error {
			if generation, is := alices(l); is {
				made[generation] = l.Made
			}
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		r.server.Do("flushall")
		_, err := redisstore.Replay(t.Context(), r.o, func(each func(audit.Line) error) (audit.Summary, error) {
			return audit.Walk(r.folder, audit.VerifyOptions{Each: func(l audit.Line) error {
				if generation, is := alices(l); is && generation == 2 {
					l.Made = made[2] // it opens, and has this person and generation
				}
				return each(l)
			}})
		})
		wantErr(t, err, redisstore.ErrDiverged)
	})
	t.Run("other secrets", func(t *testing.T) {
		r := newRestored(t)
		r.life(0)
		r.drain()
		r.o.PersonSecret = slices.Repeat([]byte("q"), 32)
		_, err := r.replay(0)
		wantErr(t, err, redisstore.ErrStoreMismatch)
	})
}

// TestReplayLeavesOutWhatAnOperatorGaveUp accepts a backup without a replay, uses it, and then restores a later backup.
func TestReplayLeavesOutWhatAnOperatorGaveUp(t *testing.T) {
	r := newRestored(t)
	r.life(0)
	r.drain()
	first := r.backup()
	r.life(1) // accepted as lost
	late := r.backup()
	r.drain()
	first()
	o := r.watermarks()
	r.archive(func(a *audit.Archive) error {
		return redisstore.Accept(t.Context(), o, a.Accept)
	})
	r.store = reopen(t, r.watermarks())
	second := r.backup()
	r.life(2)
	r.drain()
	want := r.contents(r.store, alice, bob)

	second()
	_, err := redisstore.Open(t.Context(), r.watermarks())
	wantErr(t, err, redisstore.ErrDataLost)
	if _, err := r.replay(0); err != nil {
		t.Fatal(err)
	}
	r.wantSame(r.contents(reopen(t, r.watermarks()), alice, bob), want)

	// From the beginning: the events of the lost changes come back, the changes do not.
	r.server.Do("flushall")
	done, err := r.replay(0)
	if err != nil || done.Left != 3 {
		t.Fatalf("got %+v and error %v, want 3 changes left out", done, err)
	}
	got := r.contents(reopen(t, r.watermarks()), alice, bob)
	for _, p := range []fhir.Identifier{alice, bob} {
		key := string(r.store.Key(p))
		if got, want := got[key].([]any)[:3], want[key].([]any)[:3]; !reflect.DeepEqual(got, want) {
			t.Errorf("got on file\n%v\nwant\n%v", got, want)
		}
	}
	late() // a backup of accepted losses cannot be continued
	if _, err = r.replay(0); !errors.Is(err, redisstore.ErrDiverged) || !strings.Contains(err.Error(), "whose loss was accepted") {
		t.Errorf("got error %v, want ErrDiverged before anything is tried", err)
	}
}

// TestAnArchiveThatLostWhatWasTrimmedIsRefused restores the archive instead of the store.
func TestAnArchiveThatLostWhatWasTrimmedIsRefused(t *testing.T) {
	r := newRestored(t)
	r.life(0)
	r.drain()
	older := filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(older, os.DirFS(r.folder)); err != nil {
		t.Fatal(err)
	}
	r.life(1)
	r.drain()
	r.folder = older
	a, err := audit.OpenArchive(r.folder, r.key)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Drain(t.Context(), r.store); !errors.Is(err, audit.ErrBehind) {
		t.Errorf("got error %v, want ErrBehind", err)
	}
	// Without a better archive, an operator accepts this one.
	if err := redisstore.Accept(t.Context(), r.watermarks(), a.Accept); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Drain(t.Context(), reopen(t, r.watermarks())), a.Close()); err != nil {
		t.Errorf("after it was accepted: %v", err)
	}
	if _, err := audit.Verify(r.folder, r.key.PublicKey); err != nil {
		t.Error(err)
	}
}
