package audit

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// mostUnsigned is how many events can follow the newest checkpoint: an archive signs much sooner, and takes no more when it cannot. More
// show that a checkpoint was removed.
const mostUnsigned = 100_000

// Summary is what Verify found in an archive without damage.
type Summary struct {
	FirstSegment int    // 1, unless older files were removed for their age
	Segments     int    // files
	Events       uint64 // events in these files
	Last         uint64 // number of the last event
	Head         string // sum of the last line
	Store        string // the store whose events they are
	Unfinished   int    // bytes of a last line that is being written, or was when the gateway crashed
	Unreadable   uint64 // events that this version cannot read (ParseEvent); their lines are intact

	Checkpoint uint64    // number of the newest checkpoint
	Signed     uint64    // number of the last event it covers
	SignedAt   time.Time // when it was made
	Trusted    bool      // signatures were checked: keys were given
	Unchecked  []uint64  // numbers of noted checkpoints over events since removed: nothing is left to compare them with

	// Start and End are how far each shard was archived before the first file, and at the end.
	Start, End map[int]Reached
	Losses     []Loss
}

// Reached is how far the outbox of a shard is archived.
type Reached struct {
	Position string // of the last entry
	Sequence uint64 // the highest consent sequence
}

// Loss is what an operator accepted: of each shard, what follows the position After, up to the event number Through, is no longer in the
// store. Reached is how far the archive was then, with the sequences at which the store continued.
type Loss struct {
	Through uint64
	After   map[int]string
	Reached map[int]Reached
}

// Line is one event and its place in the archive.
type Line struct {
	Segment int
	Line    int
	N       uint64
	Shard   int
	Entry
}

// VerifyOptions say what Walk does in addition to verifying the chain.
type VerifyOptions struct {
	Keys  []PublicKey      // trusted keys; none: signatures are not checked
	Noted []Checkpoint     // checkpoints kept elsewhere that must fit
	Each  func(Line) error // gets every event after its line was checked; an error ends the walk
}

// Verify reads a whole archive and checks every line of every file against the chain, and every checkpoint against the lines. It needs no
// lock and changes nothing, so it can run while the gateway archives. The error names the first damaged line (*DamageError).
//
// It detects lines that were altered, removed or inserted, and a cut-off end if a checkpoint signs more than is there. Whoever can write
// the files and has the key can rebuild them: only a checkpoint kept elsewhere shows that.
func Verify(folder string, keys ...PublicKey) (Summary, error) {
	return Walk(folder, VerifyOptions{Keys: keys})
}

// Walk is Verify with options.
func Walk(folder string, o VerifyOptions) (Summary, error) {
	v := verification{disk: osDisk{folder: folder}, trust: verifiers(o.Keys), noted: o.Noted, chain: newChain()}
	s, err := v.all(o.Each)
	if err != nil {
		return Summary{}, fmt.Errorf("verify archive: %w", err)
	}
	return s, nil
}

// verification reads an archive file by file, with the checkpoints made of it. A zero chain accepts the first header as it is.
type verification struct {
	disk  disk
	trust note.Verifiers
	noted []Checkpoint
	each  func(record) error

	chain  chain
	signed checkpoint // the newest one passed
}

// all reads everything.
func (v *verification) all(each func(Line) error) (Summary, error) {
	// The folder is read before the files, so that what is written meanwhile is not missed.
	removed, _, err := readRemovals(v.disk, v.trust)
	if err != nil {
		return Summary{}, err
	}
	numbers, err := segments(v.disk)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{Trusted: v.trust != nil}
	if len(numbers) == 0 {
		return s, v.notedBehind("", reading{})
	}
	if err := v.begin(numbers[0], removed); err != nil {
		return Summary{}, err
	}
	s.FirstSegment, s.Segments = numbers[0], len(numbers)
	v.each = func(r record) error { return s.add(v, r, each) }
	for i, number := range numbers {
		r, err := v.segment(number)
		if err != nil {
			return Summary{}, err
		}
		end := v.complete
		if i < len(numbers)-1 {
			end = v.ended
		}
		if err := end(number, r); err != nil {
			return Summary{}, err
		}
		s.Unfinished = len(r.tail)
		if i == len(numbers)-1 {
			if err := v.notedBehind(segmentName(number), r); err != nil {
				return Summary{}, err
			}
		}
	}
	s.Last, s.Head, s.Store, s.End = v.chain.n, v.chain.prev, v.chain.store, reached(v.chain.marks)
	s.Checkpoint, s.Signed, s.SignedAt = v.signed.number, v.signed.size, v.signed.at
	for _, c := range v.noted {
		s.Unchecked = append(s.Unchecked, c.Number)
	}
	return s, nil
}

// begin looks at what precedes the first file: nothing, or files whose removal is on record.
func (v *verification) begin(first int, removed []removal) error {
	if first == 1 {
		return nil
	}
	last := 0
	if len(removed) > 0 {
		last = removed[len(removed)-1].last
	}
	if first > last+1 {
		return &DamageError{File: segmentName(last + 1), Line: 1, Reason: "the file is missing, and its removal is not on record"}
	}
	v.chain = chain{}
	if first <= last {
		return nil // an unfinished removal: the record is of a later file
	}
	c := chain{}
	if _, err := scan(v.disk, first, &c, stopAfterHeader); err != nil && !errors.Is(err, errStop) {
		return err
	}
	r := removed[len(removed)-1]
	if c.n != r.through || c.tree.root() != r.root || c.before != r.prev {
		return &DamageError{File: segmentName(first), Line: 1, Reason: "does not follow the files that were removed"}
	}
	return nil
}

// add adds one line to the summary.
func (s *Summary) add(v *verification, r record, each func(Line) error) error {
	c := &v.chain
	if len(r.Event) == 0 {
		if s.Start == nil {
			s.Start = reached(c.marks)
		}
		if c.lost != nil {
			s.Losses = append(s.Losses, Loss{Through: c.n, After: c.lost, Reached: reached(c.marks)})
		}
		return nil
	}
	s.Events++
	if _, err := ParseEvent(r.Event); err != nil {
		s.Unreadable++
	}
	if each == nil {
		return nil
	}
	return each(Line{Segment: v.chain.segment, Line: r.line, N: r.N, Shard: r.Shard, Entry: r.entry()})
}

func reached(marks map[int]mark) map[int]Reached {
	all := make(map[int]Reached, len(marks))
	for shard, m := range marks {
		all[shard] = Reached(m)
	}
	return all
}

// segment reads one segment, and compares its checkpoints with the lines that they sign.
func (v *verification) segment(number int) (reading, error) {
	alone := v.chain.prev == ""
	list, all, err := readCheckpoints(v.disk, number, v.trust)
	if err != nil {
		return reading{}, err
	}
	passed := 0
	damaged := func(reason string) error {
		at := all.size
		if passed < len(list) {
			at = all.lines[passed]
		}
		return &DamageError{File: checkpointsName(number), Line: passed + 1, Offset: at, Reason: reason}
	}
	r, err := scan(v.disk, number, &v.chain, func(r record) error {
		if len(r.Event) == 0 {
			if alone {
				v.signed = checkpoint{number: v.chain.checkpoint, size: v.chain.n}
			}
			if v.signed.number != v.chain.checkpoint || v.signed.size != v.chain.n {
				return v.missing(number - 1)
			}
		}
		for ; passed < len(list) && list[passed].size <= v.chain.n; passed++ {
			if reason := v.misfit(list[passed]); reason != "" {
				return damaged(reason)
			}
			v.signed = list[passed]
		}
		if v.signed.number == 0 && v.chain.n > 0 || v.chain.n-v.signed.size > mostUnsigned {
			return damaged(fmt.Sprintf("checkpoint %d is missing", v.signed.number+1))
		}
		if err := v.pass(number, r); err != nil || v.each == nil {
			return err
		}
		return v.each(r)
	})
	if err == nil && passed < len(list) {
		c := list[passed]
		err = &DamageError{File: segmentName(number), Line: r.lines + 1, Offset: r.size, Reason: fmt.Sprintf(
			"the end is missing: checkpoint %d of %s signs %d events, and there are %d", c.number, c.at.Format(time.RFC3339), c.size, v.chain.n)}
	}
	return r, err
}

// misfit says what is wrong with a checkpoint over what was read so far.
func (v *verification) misfit(c checkpoint) string {
	switch {
	case c.number > v.signed.number+1:
		return fmt.Sprintf("checkpoint %d is missing", v.signed.number+1)
	case c.number <= v.signed.number:
		return fmt.Sprintf("checkpoint %d stands where %d must be", c.number, v.signed.number+1)
	case c.size < v.chain.n || c.size <= v.signed.size && v.signed.number > 0:
		return "signs fewer events than stand before it"
	case c.root != v.chain.tree.root():
		return fmt.Sprintf("the events up to %d are not those that were signed", c.size)
	}
	return ""
}

// missing locates a checkpoint that the next file counts.
func (v *verification) missing(number int) error {
	_, all, err := readCheckpoints(v.disk, number, v.trust)
	if err != nil {
		return err
	}
	return &DamageError{
		File: checkpointsName(number), Line: len(all.texts) + 1, Offset: all.size,
		Reason: fmt.Sprintf("the newest is %d of %d events, and the file that follows counts %d: one is missing, or one was put in",
			v.signed.number, v.signed.size, v.chain.checkpoint),
	}
}

// pass compares noted checkpoints with what was read so far.
func (v *verification) pass(number int, r record) error {
	for i, c := range slices.Backward(v.noted) {
		if c.Events != v.chain.n {
			continue
		}
		if c.checkpoint.root != v.chain.tree.root() {
			return &DamageError{File: segmentName(number), Line: r.line, Offset: r.offset,
				Reason: fmt.Sprintf("the events up to here are not those that the noted checkpoint %d signs", c.Number)}
		}
		v.noted = slices.Delete(slices.Clone(v.noted), i, i+1)
	}
	return nil
}

// notedBehind refuses an archive that ends before a noted checkpoint.
func (v *verification) notedBehind(name string, r reading) error {
	for _, c := range v.noted {
		if c.Events > v.chain.n || name == "" {
			return &DamageError{File: name, Line: r.lines + 1, Offset: r.size, Reason: fmt.Sprintf(
				"the end is missing: the noted checkpoint %d of %s signs %d events, and there are %d", c.Number, c.At.Format(time.RFC3339), c.Events, v.chain.n)}
		}
	}
	return nil
}

// ended checks the end of a segment that has a successor: nothing may be cut off there.
func (v *verification) ended(number int, r reading) error {
	if len(r.tail) > 0 || r.lines == 0 {
		return &DamageError{File: segmentName(number), Line: r.lines + 1, Offset: r.size, Event: eventIn(r.tail), Reason: "the last line is incomplete"}
	}
	return nil
}

// complete checks the end of the newest segment, where a line may be unfinished.
func (v *verification) complete(number int, r reading) error {
	if err := checkTail(r.tail, v.chain.clone(), number, r.lines == 0); err != nil {
		return &DamageError{File: segmentName(number), Line: r.lines + 1, Offset: r.size, Event: eventIn(r.tail), Reason: err.Error()}
	}
	return nil
}
