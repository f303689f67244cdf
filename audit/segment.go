package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// disk is what the archive does to its folder; tests give one that fails.
type disk interface {
	Lock() (io.Closer, error)
	Names() ([]string, error)
	Open(name string) (io.ReadCloser, error) // to read
	Append(name string) (file, error)        // to write at the end; made durable, with its folder, when it is new
}

// file is a segment that is written to.
type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// segment is the file that is written to. size is how much of it is safely on disk.
type segment struct {
	file   file
	number int
	size   int64
	dirty  bool // a write failed and what it left behind could not be removed
}

// DamageError says where an archive is damaged, and how; it never quotes the line.
type DamageError struct {
	File   string
	Line   int // from 1
	Reason string
}

// Error implements error.
func (e *DamageError) Error() string {
	return fmt.Sprintf("archive damaged: %s line %d: %s", e.File, e.Line, e.Reason)
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

// scan reads a segment, checks every line against the chain and moves the chain on. each, which may be nil, is given every event.
func scan(d disk, number int, c *chain, each func(record)) (reading, error) {
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
			if err == nil && r.lines > 0 && each != nil {
				each(rec)
			}
		}
		var wrong errLine
		if errors.As(err, &wrong) {
			return r, &DamageError{File: name, Line: r.lines + 1, Reason: wrong.Error()}
		}
		if err != nil {
			return r, fmt.Errorf("read %s: %w", name, err)
		}
		r.lines++
		r.size += int64(len(line)) + 1
	}
}

// readLine reads up to a line feed, which it leaves out, or to the end: then the error is io.EOF and the line what was left.
func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		case len(line) > most:
			return nil, errLine("longer than a line can be")
		}
	}
}

// recover finds where the archive stands: from its newest file, whose header says where the chain stood before it.
func (a *Archive) recover() error {
	numbers, err := segments(a.disk)
	if err != nil {
		return err
	}
	a.chain = newChain()
	if len(numbers) == 0 {
		return nil
	}
	last := numbers[len(numbers)-1]
	c := chain{}
	r, err := scan(a.disk, last, &c, a.remember)
	if err != nil {
		return err
	}
	if r.lines == 0 && len(numbers) > 1 {
		// A crash right after the file was made: where the chain stands is in the one before.
		before := chain{}
		rest, err := scan(a.disk, last-1, &before, a.remember)
		if err != nil {
			return err
		}
		if len(rest.tail) > 0 || rest.lines == 0 {
			return &DamageError{File: segmentName(last - 1), Line: rest.lines + 1, Reason: "the last line is incomplete"}
		}
		c = before
	} else if r.lines == 0 {
		c = newChain()
	}
	a.chain = c
	return a.reopen(last, r)
}

// remember keeps what the newest file holds, for entries that were archived but not trimmed.
func (a *Archive) remember(r record) {
	if a.recent[r.Shard] == nil {
		a.recent[r.Shard] = map[string]digest{}
	}
	a.recent[r.Shard][r.Position] = sha256.Sum256(r.Event)
}

// reopen goes on with the newest file. An incomplete line at its end is cut off. What is there may never have reached the disk
// before the crash: it is made durable before anything is trimmed on the strength of it.
func (a *Archive) reopen(number int, r reading) error {
	name := segmentName(number)
	if err := checkTail(r.tail, a.chain.clone(), number, r.lines == 0); err != nil {
		return &DamageError{File: name, Line: r.lines + 1, Reason: err.Error()}
	}
	f, err := a.disk.Append(name)
	if err != nil {
		return err
	}
	if len(r.tail) > 0 {
		a.torn = fmt.Sprintf("%s line %d: %d bytes of an incomplete line", name, r.lines+1, len(r.tail))
		err = f.Truncate(r.size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", name, err), f.Close())
	}
	a.open = &segment{file: f, number: number, size: r.size}
	return nil
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

// ready makes sure that there is a file to write to, with its header.
func (a *Archive) ready() error {
	if a.open != nil && 0 < a.open.size && a.open.size < a.SegmentBytes {
		return nil
	}
	return a.enter(a.chain)
}

// enter begins a file in which the chain goes on as c.
func (a *Archive) enter(c chain) error {
	if a.open == nil || a.open.size > 0 {
		number := 1
		if a.open != nil {
			number = a.open.number + 1
		}
		f, err := a.disk.Append(segmentName(number))
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		old := a.open
		a.open = &segment{file: f, number: number}
		if old != nil {
			_ = old.file.Close() // all of it is on disk already
		}
	}
	c = c.clone()
	return a.append(c.appendHeader(nil, a.open.number), c)
}

// append writes lines and makes them durable. On any error what may have been written is removed again, and the chain stays where
// it was: the same entries are archived in a later round. (After a failed fsync the system may hold pages for clean that are not
// on disk, so that a second fsync proves nothing; what is cut off and written anew is dirty again.)
func (a *Archive) append(lines []byte, after chain) error {
	s := a.open
	if s.dirty {
		if err := s.file.Truncate(s.size); err != nil {
			return fmt.Errorf("archive: undo a failed write: %w", err)
		}
		s.dirty = false
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
	a.chain = after
	return nil
}

// find removes from wanted what the older files hold of a shard with the same content, newest file first.
func (a *Archive) find(shard int, wanted map[string]digest) error {
	numbers, err := segments(a.disk)
	if err != nil {
		return err
	}
	for _, number := range slices.Backward(numbers) {
		if len(wanted) == 0 {
			return nil
		}
		c := chain{}
		_, err := scan(a.disk, number, &c, func(r record) {
			if sum, asked := wanted[r.Position]; asked && r.Shard == shard && sum == sha256.Sum256(r.Event) {
				delete(wanted, r.Position)
			}
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
