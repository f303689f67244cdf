package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// MinRetention is the shortest time that access events are kept: five years including leap days (NEN 7513).
const MinRetention = 1830 * 24 * time.Hour

// expire removes files whose events are all older than Retention, after a signed record of that is on disk. It looks once per new file. The
// clocks of the gateway and of Redis must agree on the age: one that jumps removes nothing.
func (a *Archive) expire() error {
	if a.Retention < MinRetention || a.open == nil || a.looked == a.open.number || a.latest.IsZero() {
		return nil
	}
	now := time.Now()
	if a.latest.Before(now) {
		now = a.latest
	}
	numbers, err := segments(a.disk)
	if err != nil {
		return err
	}
	needed := 0
	if a.Needed != nil {
		needed = a.Needed()
	}
	var end header // of the first file that stays
	for _, number := range numbers[1:] {
		h, err := a.readHeader(number)
		if err != nil {
			return err
		}
		if !h.Time.Before(now.Add(-a.Retention)) {
			break
		}
		if needed > 0 && number > needed {
			if a.OnError != nil {
				a.OnError(ErrHeld)
			}
			break
		}
		end = h
	}
	a.looked = a.open.number
	if end.Segment == 0 {
		return nil
	}
	return a.remove(removal{
		first: numbers[0], last: end.Segment - 1, through: end.N, prev: end.Prev, root: end.Tree.root(), at: now,
		days: int(a.Retention / (24 * time.Hour)),
	})
}

// readHeader reads the first line of a file. Its sum was checked when the file was written, or by Verify.
func (a *Archive) readHeader(number int) (header, error) {
	f, err := a.disk.Open(segmentName(number))
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	line, err := readLine(bufio.NewReader(f), maxHeader)
	if err != nil {
		return header{}, fmt.Errorf("read %s: %w", segmentName(number), err)
	}
	body, _, err := checkSum(line)
	var h header
	if err == nil {
		err = json.Unmarshal(body, &h)
	}
	if err != nil || h.Segment != number {
		return header{}, &DamageError{File: segmentName(number), Line: 1, Reason: "not a header"}
	}
	return h, nil
}

// remove writes the record, then removes the files it names.
func (a *Archive) remove(r removal) error {
	line, err := signNote(r.text(a.key.Name()), a.key)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	_, before, err := readRemovals(a.disk, a.trust)
	if err != nil {
		return err
	}
	f, err := a.disk.Append(removalsName)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	defer f.Close()
	s := segment{file: f, size: before.size, dirty: before.torn > 0}
	if err := s.write(line); err != nil {
		return fmt.Errorf("record of what is removed: %w", err)
	}
	a.removed = append(a.removed, r)
	return a.removeFiles(r)
}

// removeFiles removes the files of a record, oldest first, and what was derived from them.
func (a *Archive) removeFiles(r removal) error {
	names, err := a.disk.Names()
	if err != nil {
		return err
	}
	for number := r.first; number <= r.last; number++ {
		var of []string
		for _, name := range names {
			digits := fmt.Sprintf("-%06d.", number) // events, checkpoints, indexes
			if strings.Contains(name, digits) {
				of = append(of, name)
			}
		}
		if len(of) == 0 {
			continue
		}
		if err := a.disk.Remove(of...); err != nil {
			return fmt.Errorf("archive: remove %s: %w", segmentName(number), err)
		}
	}
	return nil
}

// finishRemoval completes a removal on record that a crash interrupted.
func (a *Archive) finishRemoval() error {
	removed, _, err := readRemovals(a.disk, a.trust)
	if err != nil {
		return err
	}
	a.removed = removed
	for _, r := range removed {
		if err := a.removeFiles(r); err != nil {
			return err
		}
	}
	return nil
}
