package audit_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"zorgsluis/audit"
)

// numbers reads on from a place, a few events at a time, and returns their numbers and the place it reached.
func numbers(t *testing.T, a *audit.Archive, from audit.Place, limit int) ([]uint64, audit.Place) {
	t.Helper()
	var met []uint64
	for {
		events, err := a.Read(from, limit)
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		if len(events) == 0 {
			return met, from
		}
		if len(events) > limit {
			t.Fatalf("got %d events, want at most %d", len(events), limit)
		}
		for _, e := range events {
			if _, err := audit.ParseEvent(e.Event); err != nil || e.After.N != e.N {
				t.Errorf("event %d: %v, behind it %+v", e.N, err, e.After)
			}
			met, from = append(met, e.N), e.After
		}
	}
}

func upTo(from, to uint64) []uint64 {
	var all []uint64
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}

func TestReadGoesThroughAllFilesInOrder(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 100} {
		a := open(t, archived(t, 20))
		met, at := numbers(t, a, audit.Place{}, limit)
		if want := upTo(1, 20); !slices.Equal(met, want) {
			t.Errorf("limit %d: got events %v, want %v", limit, met, want)
		}
		if at != a.End() {
			t.Errorf("limit %d: got %+v, want the end %+v", limit, at, a.End())
		}
		o := &outbox{id: "store-1", shards: make([][]audit.Entry, 2)}
		for i := range 10 {
			o.add(0, 21+i)
			if err := a.Drain(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if met, at = numbers(t, a, at, limit); !slices.Equal(met, []uint64{21 + uint64(i)}) {
				t.Errorf("limit %d: got events %v, want the new one", limit, met)
			}
		}
	}
}

// TestReadRefusesAPlaceThatIsNotThere: a reader that continued elsewhere would miss events, or mistake others for them.
func TestReadRefusesAPlaceThatIsNotThere(t *testing.T) {
	folder := archived(t, 20)
	a := open(t, folder)
	events, err := a.Read(audit.Place{}, 5)
	if err != nil {
		t.Fatal(err)
	}
	good := events[4].After
	if met, _ := numbers(t, a, good, 3); !slices.Equal(met, upTo(6, 20)) {
		t.Errorf("got events %v, want 6 to 20", met)
	}
	change := func(c func(*audit.Place)) audit.Place {
		p := good
		c(&p)
		return p
	}
	for name, place := range map[string]audit.Place{
		"another line":        change(func(p *audit.Place) { p.Sum = events[3].After.Sum }),
		"the middle of one":   change(func(p *audit.Place) { p.Offset-- }),
		"before the first":    change(func(p *audit.Place) { p.Offset = 3 }),
		"behind the end":      change(func(p *audit.Place) { p.Segment, p.Offset = a.End().Segment, a.End().Offset+100 }),
		"a file that comes":   change(func(p *audit.Place) { p.Segment = a.End().Segment + 1 }),
		"a file that is gone": {Segment: 1000000, Offset: 400, N: 4, Sum: good.Sum},
	} {
		if events, err := a.Read(place, 5); !errors.Is(err, audit.ErrPlace) || len(events) != 0 {
			t.Errorf("%s: got %d events and error %v, want ErrPlace", name, len(events), err)
		}
	}
	if err := os.Remove(files(t, folder)[good.Segment-1]); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Read(good, 5); !errors.Is(err, audit.ErrPlace) {
		t.Errorf("the file was removed: got error %v, want ErrPlace", err)
	}
}

// TestReadGivesNothingThatWasAltered: a line that is not what was written is not returned.
func TestReadGivesNothingThatWasAltered(t *testing.T) {
	folder := archived(t, 20)
	a := open(t, folder)
	name := files(t, folder)[0]
	intact := read(t, name)
	altered := bytes.Replace(intact, []byte(`"id":"01-2"`), []byte(`"id":"01-9"`), 1)
	if bytes.Equal(intact, altered) {
		t.Fatal("nothing was altered")
	}
	write(t, name, altered)
	_, err := a.Read(audit.Place{}, 100)
	wantDamage(t, err, filepath.Base(name), 4)
	last := files(t, folder)[len(files(t, folder))-1]
	write(t, name, intact)
	events, err := a.Read(audit.Place{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	write(t, last, read(t, last)[:20]) // cut off behind the back of the archive
	if _, err := a.Read(events[len(events)-3].After, 100); err == nil {
		t.Error("the end is missing: got no error")
	}
}

// TestOnlyWhatIsOnDiskIsRead: what follows the end that the archive vouches for may be undone, and is not read.
func TestOnlyWhatIsOnDiskIsRead(t *testing.T) {
	folder := archived(t, 20)
	a := open(t, folder)
	met, end := numbers(t, a, audit.Place{}, 100)
	last := files(t, folder)[len(files(t, folder))-1]
	lines := bytes.SplitAfter(read(t, last), []byte("\n"))
	for name, more := range map[string][]byte{"a line": lines[len(lines)-2], "half a line": lines[1][:30]} {
		intact := read(t, last)
		write(t, last, append(bytes.Clone(intact), more...))
		for _, from := range []audit.Place{{}, end} {
			events, err := a.Read(from, 100)
			if want := len(met) - int(from.N); err != nil || len(events) != want {
				t.Errorf("%s is being written: got %d events and error %v, want %d", name, len(events), err, want)
			}
		}
		write(t, last, intact)
	}
}

// TestWhatIsNotFollowedIsNotRemoved: a file that a follower still has to read outlives its retention, and this is reported.
func TestWhatIsNotFollowedIsNotRemoved(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for needed, first := range map[int]string{0: "events-000003.jsonl", 2: "events-000002.jsonl", 1: "events-000001.jsonl", 9: "events-000003.jsonl"} {
		synctest.Test(t, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "archive")
			a := open(t, folder)
			told := 0
			a.Retention, a.Needed = audit.MinRetention, func() int { return needed }
			a.OnError = func(err error) {
				if errors.Is(err, audit.ErrHeld) {
					told++
				}
			}
			o := &outbox{id: "store-1", shards: make([][]audit.Entry, 1)}
			for n := range 9 {
				o.addAt(0, n+1, time.Now())
				if err := a.Drain(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				time.Sleep(year)
			}
			if got := filepath.Base(files(t, folder)[0]); got != first {
				t.Errorf("file %d is needed: the first file is %s, want %s", needed, got, first)
			}
			if held := needed == 1 || needed == 2; held != (told > 0) {
				t.Errorf("file %d is needed: told %d times", needed, told)
			}
			if s := a.Lag(); s.Err != nil {
				t.Errorf("file %d is needed: the archive is in error: %v", needed, s.Err)
			}
		})
	}
}
