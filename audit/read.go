package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Place is a reader's position in the archive: after the line that ends at Offset in the file Segment. The zero Place precedes everything.
// It can be stored, and reading resumed from it later, also by another process.
type Place struct {
	Segment int    `json:"segment"`
	Offset  int64  `json:"offset"`
	N       uint64 `json:"n"`   // number of the event before it
	Sum     string `json:"sum"` // of the line before it: proves later that the archive is unchanged
}

// ErrPlace means that the archive does not hold the line that precedes a Place: the file was removed, or this is not the archive that was
// read. A reader that continued anywhere else would miss events, or read them again.
var ErrPlace = errors.New("archive: the place that was read up to is not there")

// Archived is one event of the archive.
type Archived struct {
	N     uint64          // its number
	Event json.RawMessage // as recorded (ParseEvent)
	After Place           // the place after it
}

// maxRead bounds what one Read keeps in memory, in bytes of lines; at most one line exceeds it.
const maxRead = 4 << 20

// End is the place after the last line that is safely on disk. It does not wait for the disk.
func (a *Archive) End() Place {
	a.telling.Lock()
	defer a.telling.Unlock()
	return a.end
}

// showEnd makes known where the archive ends now.
func (a *Archive) showEnd() {
	if a.open == nil {
		return
	}
	a.telling.Lock()
	defer a.telling.Unlock()
	a.end = Place{Segment: a.open.number, Offset: a.open.size, N: a.chain.n, Sum: a.chain.prev}
}

// Start is the place before the oldest event kept; the zero Place if there is none yet.
func (a *Archive) Start() (Place, error) {
	numbers, err := segments(a.disk)
	if err != nil || len(numbers) == 0 {
		return Place{}, err
	}
	return Place{Segment: numbers[0]}, nil
}

// Read returns at most limit events after a place, in order; none at the end. Every line is checked against the chain. It reads only what
// is safely on disk: a failed write is undone, and what replaces it has other sums. It does not hold up Run.
//
// The error wraps ErrPlace if the archive does not continue from the place, and *DamageError if a line is not what was written.
func (a *Archive) Read(from Place, limit int) ([]Archived, error) {
	end := a.End()
	if from == end || end.Segment == 0 && from == (Place{}) {
		return nil, nil
	}
	if from.Segment == 0 {
		var err error
		if from, err = a.Start(); err != nil {
			return nil, fmt.Errorf("read archive: %w", err)
		}
	}
	if from.Segment > end.Segment || from.Segment == end.Segment && from.Offset > end.Offset {
		return nil, fmt.Errorf("read archive: %w", ErrPlace) // an archive that has lost what was read of it
	}
	r := placeReader{archive: a, at: from, end: end, limit: limit}
	for len(r.events) < limit && r.bytes < maxRead && r.at.Segment <= end.Segment {
		if err := r.file(); err != nil {
			return nil, fmt.Errorf("read archive: %w", err)
		}
	}
	return r.events, nil
}

// anyStore is the store of a chain that is entered in the middle: its marks and tree are unknown, and not compared with a header.
const anyStore = "?"

// placeReader is one Read.
type placeReader struct {
	archive *Archive
	at, end Place
	limit   int
	bytes   int
	events  []Archived
}

// file continues reading in one file, and moves to the next at its end.
func (r *placeReader) file() error {
	name := segmentName(r.at.Segment)
	f, err := r.archive.disk.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrPlace
	}
	if err != nil {
		return err
	}
	defer f.Close()
	c := chain{n: r.at.N, prev: r.at.Sum, store: anyStore, marks: map[int]mark{}}
	if r.at.Offset > 0 {
		if err := resume(f, r.at); err != nil {
			return err
		}
	}
	most := int64(-1)
	if r.at.Segment == r.end.Segment {
		most = r.end.Offset - r.at.Offset
	}
	for lines := bufio.NewReaderSize(limited(f, most), 64<<10); len(r.events) < r.limit && r.bytes < maxRead; {
		line, err := readLine(lines, max(maxLine, maxHeader))
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				return &DamageError{File: name, Line: 1, Reason: "the last line is incomplete"}
			}
			if r.at.Segment == r.end.Segment && r.at.Offset != r.end.Offset {
				return &DamageError{File: name, Line: 0, Reason: "the end is missing"}
			}
			r.at = Place{Segment: r.at.Segment + 1, N: c.n, Sum: c.prev}
			return nil
		}
		if err == nil {
			err = r.line(&c, line)
		}
		if _, wrong := errors.AsType[errLine](err); wrong {
			return &DamageError{File: name, Line: lineNumber(r.archive.disk, name, r.at.Offset), Reason: err.Error()}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// line takes one line, without its line feed.
func (r *placeReader) line(c *chain, line []byte) error {
	header := r.at.Offset == 0
	record, err := c.next(line, r.at.Segment, header)
	if err != nil {
		return err
	}
	r.at.Offset += int64(len(line)) + 1
	r.at.N, r.at.Sum = c.n, c.prev
	r.bytes += len(line)
	if len(record.Event) > 0 {
		r.events = append(r.events, Archived{N: record.N, Event: record.Event, After: r.at})
	}
	return nil
}

// resume seeks to a place in a file, and checks that the line before it is the one that was read.
func resume(f io.Reader, at Place) error {
	seeker, ok := f.(io.ReadSeeker)
	if !ok || at.Offset < int64(sumLength)+1 {
		return ErrPlace
	}
	if _, err := seeker.Seek(at.Offset-int64(sumLength)-1, io.SeekStart); err != nil {
		return err
	}
	end := make([]byte, sumLength+1)
	if _, err := io.ReadFull(seeker, end); err != nil || string(end) != sumStart+at.Sum+sumEnd+"\n" {
		return ErrPlace
	}
	return nil
}

// limited reads at most that many bytes; all if most is negative.
func limited(r io.Reader, most int64) io.Reader {
	if most < 0 {
		return r
	}
	return io.LimitReader(r, most)
}

// lineNumber is the number of the line at an offset; 0 if unknown.
func lineNumber(d disk, name string, offset int64) int {
	f, err := d.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	lines, n := bufio.NewReader(io.LimitReader(f, offset)), 1
	for {
		b, err := lines.ReadByte()
		if err != nil {
			return n
		}
		if b == '\n' {
			n++
		}
	}
}
