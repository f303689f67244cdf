package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// disk is what the archive does to its folder; tests give one that fails.
type disk interface {
	Lock() (lock, error)
	Names() ([]string, error)
	Open(name string) (io.ReadCloser, error) // to read
	Append(name string) (file, error)        // to write at the end; made durable, with its folder, when it is new
	Remove(names ...string) error            // durably; what is not there is no error
}

// file is a segment that is written to.
type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
	placed
}

// lock keeps other processes out until it is closed.
type lock interface {
	io.Closer
	placed
}

// placed is an open file that can tell whether it is still what stands under its name, and how long that is.
type placed interface {
	InPlace() (size int64, err error)
}

// segment is a file that is written to. size is how much of it is safely on disk.
type segment struct {
	file   file
	number int
	size   int64
	dirty  bool // there is something behind size that must go: a write failed, or the process died while it wrote
}

// clean removes what a write left behind that was never finished.
func (s *segment) clean() error {
	if !s.dirty {
		return nil
	}
	if err := s.file.Truncate(s.size); err != nil {
		return fmt.Errorf("archive: undo an unfinished write: %w", err)
	}
	s.dirty = false
	return nil
}

// write writes lines and makes them durable. On any error what may have been written is removed again. (After a failed fsync the
// system may hold pages for clean that are not on disk, so that a second fsync proves nothing; what is cut off and written anew is
// dirty again.)
func (s *segment) write(lines []byte) error {
	if err := s.clean(); err != nil {
		return err
	}
	_, err := s.file.Write(lines)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		s.dirty = s.file.Truncate(s.size) != nil
		return fmt.Errorf("archive: write: %w", err)
	}
	s.size += int64(len(lines))
	return nil
}

// inPlace reports, as an error, where somebody took the file away, put another in its place, or cut it off while it was written to: what
// went into it then is on no disk that anybody will read.
func (s *segment) inPlace() error {
	if s == nil {
		return nil
	}
	size, err := s.file.InPlace()
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrAltered, err)
	case size < s.size || size > s.size && !s.dirty:
		return fmt.Errorf("%w: it has another size", ErrAltered)
	}
	return nil
}

// DamageError says where an archive is damaged, and how; it never quotes the line.
type DamageError struct {
	File   string
	Line   int     // from 1
	Offset int64   // of the line's first byte
	Event  EventID // that the line is about, as far as it can be read
	Reason string
}

// Error implements error.
func (e *DamageError) Error() string {
	about := ""
	if e.Event != "" {
		about = " (event " + string(e.Event) + ")"
	}
	return fmt.Sprintf("archive damaged: %s line %d, byte %d%s: %s", e.File, e.Line, e.Offset, about, e.Reason)
}

// eventIn reads the id in a damaged line: only what has the form of one is repeated.
func eventIn(line []byte) EventID {
	_, rest, _ := bytes.Cut(line, []byte(`"event":{"id":"`))
	id, _, found := bytes.Cut(rest[:min(len(rest), maxCode+1)], []byte(`"`))
	if !found || len(bytes.Trim(id, "0123456789abcdef-")) > 0 {
		return ""
	}
	return EventID(id)
}

func segmentName(number int) string { return fmt.Sprintf("events-%06d.jsonl", number) }

// segments lists the numbers of the files, in order. One that is missing between others is damage.
func segments(d disk) ([]int, error) {
	names, err := d.Names()
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, "events-")
		digits, isFile := strings.CutSuffix(digits, ".jsonl")
		if n, err := strconv.Atoi(digits); ok && isFile && err == nil && n > 0 && segmentName(n) == name {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for i := 1; i < len(numbers); i++ {
		if numbers[i] != numbers[i-1]+1 {
			return nil, &DamageError{File: segmentName(numbers[i-1] + 1), Line: 1, Reason: "the file is missing"}
		}
	}
	return numbers, nil
}

// reading is what scan found in a segment.
type reading struct {
	size  int64  // bytes of complete lines
	lines int    // complete lines, the header included
	tail  []byte // what follows the last line feed
}

// scan reads a segment, checks every line against the chain and moves the chain on. each, which may be nil, is given every line; a
// record without an event is the header.
func scan(d disk, number int, c *chain, each func(record) error) (reading, error) {
	name := segmentName(number)
	f, err := d.Open(name)
	if err != nil {
		return reading{}, err
	}
	defer f.Close()
	var r reading
	lines := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := readLine(lines, max(maxLine, maxHeader))
		if errors.Is(err, io.EOF) {
			r.tail = line
			return r, nil
		}
		if err == nil {
			var rec record
			rec, err = c.next(line, number, r.lines == 0)
			if err == nil && each != nil {
				rec.line, rec.offset = r.lines+1, r.size
				if err := each(rec); err != nil {
					return r, err
				}
			}
		}
		if wrong, ok := errors.AsType[errLine](err); ok {
			return r, &DamageError{File: name, Line: r.lines + 1, Offset: r.size, Event: eventIn(line), Reason: wrong.Error()}
		}
		if err != nil {
			return r, fmt.Errorf("read %s: %w", name, err)
		}
		r.lines++
		r.size += int64(len(line)) + 1
	}
}

// errStop ends a scan that has seen enough.
var errStop = errors.New("stop")

func stopAfterHeader(record) error { return errStop }

// readLine reads up to a line feed, which it leaves out, or to the end: then the error is io.EOF and the line what was left. The line is
// good until r is read again.
func readLine(r *bufio.Reader, most int) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line = slices.Clone(line)
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(line) > most {
			return nil, errLine("longer than a line can be")
		}
		var part []byte
		part, err = r.ReadSlice('\n')
		line = append(line, part...)
	}
	if err != nil {
		return line, err
	}
	return line[:len(line)-1], nil
}

// checkTail tells a line that was never finished from one that was and then lost its line feed: a crash does not write beyond
// the end of a line.
func checkTail(tail []byte, c chain, number int, first bool) error {
	if len(tail) > max(maxLine, maxHeader) {
		return errLine("longer than a line can be")
	}
	for at := 0; ; {
		i := bytes.Index(tail[at:], []byte(sumEnd))
		if i < 0 {
			return nil
		}
		at += i + len(sumEnd)
		if at == len(tail) {
			return nil
		}
		if _, err := c.next(tail[:at], number, first); err == nil {
			return errLine("the line feed at its end was altered")
		}
	}
}
