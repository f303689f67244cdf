package audit

import "fmt"

// Summary is what Verify found in an archive without damage.
type Summary struct {
	FirstSegment int    // 1, unless older files were removed
	Segments     int    // files
	Events       uint64 // events in these files
	Last         uint64 // number of the last event
	Head         string // sum of the last line: noted elsewhere, it proves later that nothing up to it was changed or cut off
	Store        string // whose events they are
	Unfinished   int    // bytes of a line at the end that is being written, or was when the gateway crashed
	Unreadable   uint64 // events that this version cannot read (ParseEvent); their lines are intact
}

// Verify reads a whole archive and checks every line of every file against the chain. It needs no lock and changes nothing, so
// that it can run while the gateway archives. The error names the first damaged line (*DamageError).
//
// A chain shows what was altered, taken out or put in between. That the end was cut off it shows only to those who noted an
// earlier Summary.Head.
func Verify(folder string) (Summary, error) {
	d := osDisk{folder: folder}
	numbers, err := segments(d)
	if err != nil {
		return Summary{}, fmt.Errorf("verify archive: %w", err)
	}
	if len(numbers) == 0 {
		return Summary{}, nil
	}
	s := Summary{FirstSegment: numbers[0], Segments: len(numbers)}
	c := newChain()
	if numbers[0] > 1 {
		c = chain{} // older files were removed: the first header is taken at its word
	}
	for i, number := range numbers {
		r, err := scan(d, number, &c, func(r record) {
			s.Events++
			if _, err := ParseEvent(r.Event); err != nil {
				s.Unreadable++
			}
		})
		if err != nil {
			return Summary{}, fmt.Errorf("verify archive: %w", err)
		}
		if i < len(numbers)-1 && (len(r.tail) > 0 || r.lines == 0) {
			return Summary{}, fmt.Errorf("verify archive: %w",
				&DamageError{File: segmentName(number), Line: r.lines + 1, Reason: "the last line is incomplete"})
		}
		if err := checkTail(r.tail, c.clone(), number, r.lines == 0); err != nil {
			return Summary{}, fmt.Errorf("verify archive: %w", &DamageError{File: segmentName(number), Line: r.lines + 1, Reason: err.Error()})
		}
		s.Unfinished = len(r.tail)
	}
	s.Last, s.Head, s.Store = c.n, c.prev, c.store
	return s, nil
}
