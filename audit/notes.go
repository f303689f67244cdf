package audit

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// removalsName is the file of signed records of what was removed for its age.
const removalsName = "removed.jsonl"

// maxNote is more than any line with a note needs.
const maxNote = 4 << 10

// checkpointsName is the file of the checkpoints made while a segment was written.
func checkpointsName(number int) string { return fmt.Sprintf("checkpoints-%06d.jsonl", number) }

// noteLine is a line of those files: a note as signed (jq -r .note).
type noteLine struct {
	Note string `json:"note"`
}

// signNote returns a line with a text and its signature.
func signNote(text string, key *CheckpointKey) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: text}, key)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	line, err := json.Marshal(noteLine{string(signed)})
	return append(line, '\n'), err
}

// notes are the contents of a file of notes.
type notes struct {
	texts  []string
	signed []string // with their signatures
	lines  []int64  // where each begins
	size   int64    // of its whole lines
	torn   int      // bytes of an unfinished line
}

// readNotes reads a file of notes and checks their signatures. A missing file holds none.
func readNotes(d disk, name string, trust note.Verifiers) (notes, error) {
	var all notes
	f, err := d.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return all, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for {
		line, err := readLine(r, maxNote)
		if errors.Is(err, io.EOF) {
			all.torn = len(line)
			return all, nil
		}
		var text, signed string
		if err == nil {
			text, signed, err = openLine(line, trust)
		}
		if wrong, ok := errors.AsType[errLine](err); ok {
			return all, &DamageError{File: name, Line: len(all.texts) + 1, Offset: all.size, Reason: wrong.Error()}
		}
		if err != nil {
			return all, fmt.Errorf("read %s: %w", name, err)
		}
		all.texts, all.signed, all.lines = append(all.texts, text), append(all.signed, signed), append(all.lines, all.size)
		all.size += int64(len(line)) + 1
	}
}

func openLine(line []byte, trust note.Verifiers) (text, signed string, err error) {
	var l noteLine
	if err := decodeLine(line, &l); err != nil {
		return "", "", errLine("not a signed note")
	}
	// Only what we write: anything else that JSON reads alike was altered.
	if again, err := json.Marshal(l); err != nil || string(again) != string(line) {
		return "", "", errLine("not a signed note")
	}
	text, err = openExactly(l.Note, trust)
	return text, l.Note, err
}

// openExactly opens a note with one signature, in its only spelling: base64 has bits that do not count.
func openExactly(signed string, trust note.Verifiers) (string, error) {
	text, err := openNote(signed, trust)
	if err != nil {
		return "", err
	}
	signature, whole := strings.CutSuffix(signed[len(text):], "\n")
	fields := strings.Fields(signature)
	if len(fields) != 3 || !whole || signature != "\n— "+fields[1]+" "+fields[2] {
		return "", errLine("not a signed note")
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(fields[2]); err != nil {
		return "", errLine("not a signed note")
	}
	return text, nil
}

// removal says which files were removed for their age, and how the archive stood after them.
type removal struct {
	first, last int    // files
	through     uint64 // number of the last event in them
	prev        string // sum of the last line in them
	root        tlog.Hash
	at          time.Time
	days        int // the configured retention
}

func (r removal) text(origin string) string {
	return fmt.Sprintf("%s removed\nfiles %d %d\nthrough %d\nsum %s\nroot %s\nretention %d\nat %s\n",
		origin, r.first, r.last, r.through, r.prev, r.root, r.days, r.at.UTC().Format(time.RFC3339))
}

// parseRemoval reads exactly what text renders.
func parseRemoval(text string) (removal, error) {
	var r removal
	wrong := errLine("not a record of what was removed")
	lines := strings.Split(text, "\n")
	if len(lines) != 8 {
		return r, wrong
	}
	origin, _ := strings.CutSuffix(lines[0], " removed")
	value := func(i int) string { _, v, _ := strings.Cut(lines[i], " "); return v }
	first, last, _ := strings.Cut(value(1), " ")
	var err [6]error
	r.first, err[0] = strconv.Atoi(first)
	r.last, err[1] = strconv.Atoi(last)
	r.through, err[2] = strconv.ParseUint(value(2), 10, 64)
	r.prev = value(3)
	r.root, err[3] = tlog.ParseHash(value(4))
	r.days, err[4] = strconv.Atoi(value(5))
	r.at, err[5] = time.Parse(time.RFC3339, value(6))
	if errors.Join(err[:]...) != nil || r.text(origin) != text {
		return r, wrong
	}
	return r, nil
}

// readRemovals reads the records of what was removed. They follow each other without a gap; the archive begins after the last one.
func readRemovals(d disk, trust note.Verifiers) (list []removal, all notes, err error) {
	all, err = readNotes(d, removalsName, trust)
	if err != nil {
		return nil, all, err
	}
	next := 1
	for i, text := range all.texts {
		r, err := parseRemoval(text)
		if err == nil && (r.first != next || r.last < r.first) {
			err = errLine("does not follow the record before")
		}
		if err != nil {
			return nil, all, &DamageError{File: removalsName, Line: i + 1, Offset: all.lines[i], Reason: err.Error()}
		}
		next = r.last + 1
		list = append(list, r)
	}
	return list, all, nil
}

// readCheckpoints reads the checkpoints of one segment.
func readCheckpoints(d disk, number int, trust note.Verifiers) ([]checkpoint, notes, error) {
	all, err := readNotes(d, checkpointsName(number), trust)
	if err != nil {
		return nil, all, err
	}
	list := make([]checkpoint, 0, len(all.texts))
	for i, text := range all.texts {
		c, err := parseCheckpoint(text)
		if err != nil {
			return nil, all, &DamageError{File: checkpointsName(number), Line: i + 1, Offset: all.lines[i], Reason: err.Error()}
		}
		list = append(list, c)
	}
	return list, all, nil
}
