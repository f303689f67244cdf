package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"zorgsluis/consent"
)

// Mark is a position among a person's events: that of the one recorded at Time under ID. The zero mark precedes the newest event.
type Mark struct {
	Time time.Time `json:"t"`
	ID   EventID   `json:"i"`
}

// Mark is the event's position.
func (e Event) Mark() Mark { return Mark{Time: e.Time, ID: e.ID} }

// Older reports whether the event comes after the mark, newest first. Events of one instant are ordered by id.
func (e Event) Older(m Mark) bool { return m == (Mark{}) || Newest(e.Mark(), m) > 0 }

// Newest orders marks as the patient sees them: the newest first.
func Newest(a, b Mark) int {
	return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID))
}

// History returns the events of one person from the files of an archive. It only reads and needs no lock: every instance that sees the
// folder may have one. Each full file gets an index of persons beside it, made by whoever needs it first; it can be removed at any time.
type History struct {
	folder string

	mu     sync.Mutex
	full   map[int]*personIndex // files that are no longer written
	newest tail
}

// tail is what is known of the file that is still being written.
type tail struct {
	number int
	size   int64 // bytes read so far, up to the end of a line
	lines  map[personHash][]int64
}

// OpenHistory reads the archive in a folder, which may still be empty. Nothing is read before the first query.
func OpenHistory(folder string) *History {
	return &History{folder: folder, full: map[int]*personIndex{}}
}

// keepUp is how often Run looks for newly archived events.
const keepUp = time.Second

// Run keeps the indexes current until ctx ends, so that no query has to wait for a file to be read through. Answers are right without it. A
// file that cannot be read is left to the queries, which report it.
func (h *History) Run(ctx context.Context) {
	tick := time.NewTicker(keepUp)
	defer tick.Stop()
	for ctx.Err() == nil {
		for more := true; more; more = h.step(ctx) {
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// step reads at most one file, so that queries can run in between.
func (h *History) step(ctx context.Context) (more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	numbers, err := segments(osDisk{folder: h.folder})
	if err != nil || len(numbers) == 0 {
		return false
	}
	for _, number := range slices.Backward(numbers[:len(numbers)-1]) { // newest first: most queries are for those
		if h.full[number] == nil {
			h.full[number], err = h.index(number)
			return err == nil && ctx.Err() == nil
		}
	}
	_, _ = h.refresh(ctx)
	return false
}

// Events returns at most limit archived events of a person after a mark, newest first. The error wraps *DamageError if a line is not what
// was written: a history with a gap is never shown as complete.
func (h *History) Events(ctx context.Context, person consent.PersonKey, before Mark, limit int) ([]Event, error) {
	var events []Event
	err := h.read(func() (err error) {
		events, err = h.events(ctx, person, before, limit)
		return err
	})
	return events, err
}

// read runs look, and repeats it if it finds damage: a failed write may have been undone and repeated, or a file removed for its age, so
// that what was noted of the files is out of date.
func (h *History) read(look func() error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := look()
	if _, damaged := errors.AsType[*DamageError](err); damaged {
		h.full, h.newest = map[int]*personIndex{}, tail{}
		err = look()
	}
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

func (h *History) events(ctx context.Context, person consent.PersonKey, before Mark, limit int) (events []Event, err error) {
	numbers, err := h.refresh(ctx)
	if err != nil {
		return nil, err
	}
	for _, number := range slices.Backward(numbers) {
		var enough bool
		if events, enough, err = h.file(events, number, person, before, limit); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if enough {
			break
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return Newest(a.Mark(), b.Mark()) })
	return events[:min(limit, len(events))], nil
}

// file adds the events of one file until there are enough: the limit, and all events of the instant at which it is reached, which may be in
// any order.
func (h *History) file(events []Event, number int, person consent.PersonKey, before Mark, limit int) (_ []Event, enough bool, _ error) {
	places, err := h.places(number, person)
	if err != nil || len(places) == 0 {
		return events, false, err
	}
	f, err := os.Open(h.path(number))
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	var failed error
	at := func(place int64) Event {
		e, err := eventAt(f, place)
		if err != nil {
			failed = &DamageError{File: segmentName(number), Line: lineAt(f, place), Reason: err.Error()}
		}
		return e
	}
	// A person's events are archived in order of time, so a page far back is found without reading everything before it.
	end := len(places)
	if before != (Mark{}) {
		end = sort.Search(len(places), func(i int) bool { return at(places[i]).Time.After(before.Time) })
	}
	for _, place := range slices.Backward(places[:end]) {
		e := at(place)
		switch {
		case failed != nil:
			return nil, false, failed
		case e.Person != person || !e.Older(before):
			continue
		case len(events) >= limit && e.Time.Before(events[len(events)-1].Time):
			return events, true, nil
		}
		events = append(events, e)
	}
	return events, false, failed
}

// Event returns the person's archived event with an id, or the zero Event. Only lines that contain the id are parsed as events.
func (h *History) Event(ctx context.Context, person consent.PersonKey, id EventID) (Event, error) {
	var found Event
	err := h.read(func() error {
		numbers, err := h.refresh(ctx)
		for _, number := range slices.Backward(numbers) {
			if err != nil || found.ID != "" {
				break
			}
			found, err = h.eventIn(ctx, number, person, id)
		}
		return err
	})
	return found, err
}

// eventIn looks for the event in one file, from its end.
func (h *History) eventIn(ctx context.Context, number int, person consent.PersonKey, id EventID) (Event, error) {
	places, err := h.places(number, person)
	if err != nil || len(places) == 0 {
		return Event{}, err
	}
	f, err := os.Open(h.path(number))
	if err != nil {
		return Event{}, err
	}
	defer f.Close()
	wanted := []byte(strconv.Quote(string(id)))
	for _, place := range slices.Backward(places) {
		var e Event
		line, err := lineFrom(f, place)
		if err == nil && bytes.Contains(line, wanted) {
			e, err = eventOf(line)
		}
		switch {
		case err != nil:
			return Event{}, &DamageError{File: segmentName(number), Line: lineAt(f, place), Reason: err.Error()}
		case e.ID == id && e.Person == person:
			return e, nil
		case ctx.Err() != nil:
			return Event{}, ctx.Err()
		}
	}
	return Event{}, nil
}

// places are the offsets of lines about a person, in order, possibly with lines of others that have the same hash.
func (h *History) places(number int, person consent.PersonKey) ([]int64, error) {
	hash := hashOf(person)
	if number == h.newest.number {
		return h.newest.lines[hash], nil
	}
	return h.full[number].find(hash)
}

// refresh updates what is known to the files as they are now.
func (h *History) refresh(ctx context.Context) ([]int, error) {
	numbers, err := segments(osDisk{folder: h.folder})
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(numbers) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	last := numbers[len(numbers)-1]
	for _, number := range numbers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if number < last && h.full[number] == nil {
			if h.full[number], err = h.index(number); err != nil {
				return nil, err
			}
		}
	}
	maps.DeleteFunc(h.full, func(number int, _ *personIndex) bool { return number < numbers[0] })
	if h.newest.number != last {
		h.newest = tail{number: last, lines: map[personHash][]int64{}}
	}
	h.newest.size, err = readPersons(h.path(last), h.newest.size, h.newest.lines)
	return numbers, err
}

func (h *History) path(number int) string { return filepath.Join(h.folder, segmentName(number)) }

// readPersons notes which lines of a file are about whom, from an offset on. It returns the offset after the last whole line.
func readPersons(path string, from int64, lines map[personHash][]int64) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return from, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, 1<<62), 256<<10)
	for {
		line, err := readLine(r, max(maxLine, maxHeader))
		if errors.Is(err, io.EOF) {
			return from, nil
		}
		if err != nil {
			return from, fmt.Errorf("read %s: %w", filepath.Base(path), err)
		}
		if person, ok := personIn(line); ok {
			hash := hashOf(person)
			lines[hash] = append(lines[hash], from)
		}
		from += int64(len(line)) + 1
	}
}

// personIn finds the person of a line; ok is false if it is about nobody. No text in a line can look like this member, because its quotes
// would be escaped; and a line found by it is parsed and compared (History.file).
func personIn(line []byte) (consent.PersonKey, bool) {
	const member = `,"person":"`
	at := bytes.Index(line, []byte(member))
	if at < 0 {
		return "", false
	}
	person, _, ok := bytes.Cut(line[at+len(member):], []byte(`"`))
	return consent.PersonKey(person), ok
}

// eventAt reads the event of the line at an offset, and checks the line's sum.
func eventAt(f io.ReaderAt, place int64) (Event, error) {
	line, err := lineFrom(f, place)
	if err != nil {
		return Event{}, err
	}
	return eventOf(line)
}

func lineFrom(f io.ReaderAt, place int64) ([]byte, error) {
	line, err := readLine(bufio.NewReaderSize(io.NewSectionReader(f, place, maxLine+1), 4<<10), maxLine)
	if err != nil {
		return nil, errLine("a line that was there is not")
	}
	return line, nil
}

func eventOf(line []byte) (Event, error) {
	body, _, err := checkSum(line)
	if err != nil {
		return Event{}, err
	}
	var r record
	if err := decodeLine(body, &r); err != nil {
		return Event{}, err
	}
	return ParseEvent(r.Event)
}

// lineAt counts the lines up to an offset, to tell an operator where damage is.
func lineAt(f io.ReaderAt, place int64) int {
	text := new(strings.Builder)
	if _, err := io.Copy(text, io.NewSectionReader(f, 0, place)); err != nil {
		return 0
	}
	return strings.Count(text.String(), "\n") + 1
}
