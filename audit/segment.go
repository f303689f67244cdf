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

// disk is what the archive needs of its folder; tests use one that fails.
type disk interface {
	Lock() (lock, error)
	Names() ([]string, error)
	Open(name string) (io.ReadCloser, error) // for reading
	Append(name string) (file, error)        // for writing at the end; if new, it and its folder are made durable
	Remove(names ...string) error            // durably; a missing file is no error
}

// file is a segment that is being written.
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

// placed is an open file that can tell whether it is still the one under its name, and its length.
type placed interface {
	InPlace() (size int64, err error)
}

// segment is a file that is being written. size is how much of it is safely on disk.
type segment struct {
	file   file
	number int
	size   int64
	dirty  bool // there is something after size that must go: a write failed, or the process died while writing
}

// clean removes what an unfinished write left behind.
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

// write writes lines and makes them durable. On any error it removes what may have been written. (After a failed fsync the system may hold
// pages as clean that are not on disk, so a second fsync proves nothing; pages that are cut off and rewritten are dirty again.)
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

// inPlace returns an error if somebody removed, replaced or truncated the file while it was being written: what was written since is on no
// disk that anybody will read.
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
	Event  EventID // of the line, as far as it can be read
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

// eventIn reads the id in a damaged line: only what has the form of an id is returned.
func eventIn(line []byte) EventID {
	_, rest, _ := bytes.Cut(line, []byte(`"event":{"id":"`))
	id, _, found := bytes.Cut(rest[:min(len(rest), maxCode+1)], []byte(`"`))
	if !found || len(bytes.Trim(id, "0123456789abcdef-")) > 0 {
		return ""
	}
	return EventID(id)
}

func segmentName(number int) string { return fmt.Sprintf("events-%06d.jsonl", number) }

// segments lists the file numbers in order. A gap is damage.
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

// scan reads a segment, checks every line against the chain and advances the chain. each, which may be nil, gets every line; a record
// without an event is the header.
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

// readLine reads up to a line feed, which it drops, or to the end: then the error is io.EOF and the line what was left. The line is valid
// until the next read from r.
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

// checkTail tells an unfinished line from a finished one that lost its line feed: a crash does not write beyond the end of a line.
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
