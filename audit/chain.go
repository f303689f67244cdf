package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The lines of the archive (docs/events.md). Every line is a JSON object whose last member, sum, is the SHA-256 in hex of the line up to
// it; prev is the sum of the line before it, so the lines of all files form one chain.
const (
	archiveFormat = 2
	sumStart      = `,"sum":"`
	sumEnd        = `"}`
	sumLength     = len(sumStart) + 2*sha256.Size + len(sumEnd)
	maxVersion    = 2 << 20 // bytes of Made.Version: more than a store keeps of one person
	maxLine       = MaxEventBytes + maxVersion/3*4 + 1024
	maxHeader     = 1 << 20 // one mark per shard
)

var firstSum = strings.Repeat("0", 2*sha256.Size) // prev of the very first line

// header is the first line of a segment: where the chain stands before it, so that the newest segment alone is enough to continue.
type header struct {
	Archive    int          `json:"archive"` // format of the archive
	Segment    int          `json:"segment"` // number of this file
	Store      string       `json:"store"`
	Time       time.Time    `json:"time"`       // when the file was begun, by the gateway's clock
	N          uint64       `json:"n"`          // number of the last event before this file
	Checkpoint uint64       `json:"checkpoint"` // number of the last checkpoint before this file
	Tree       tree         `json:"tree"`
	Marks      map[int]mark `json:"marks"`
	// Lost is set if an operator accepted a store that had lost data: per shard, the last position that it still had. What the archive
	// holds after that, up to this line, happened but is no longer in the store.
	Lost map[int]string `json:"lost,omitempty"`
	Prev string         `json:"prev"`
}

// mark is how far a shard is archived.
type mark struct {
	Position string `json:"position"`
	Sequence uint64 `json:"sequence"` // highest so far
}

// position is the zero position if nothing is archived.
func (m mark) position() position {
	p, _ := parsePosition(m.Position)
	return p
}

// record is one archived event.
type record struct {
	N        uint64          `json:"n"`
	Shard    int             `json:"shard"`
	Position string          `json:"position"`
	Sequence uint64          `json:"sequence"`
	Event    json.RawMessage `json:"event"`
	Made     *Made           `json:"made,omitempty"`
	Prev     string          `json:"prev"`

	line   int   // its line in the file, from 1
	offset int64 // where it begins
}

// entry is the entry as it was in the outbox.
func (r record) entry() Entry {
	return Entry{Position: r.Position, Payload: r.Event, Sequence: r.Sequence, Made: r.Made}
}

// chain is where the archive stands after a line.
type chain struct {
	n     uint64 // number of the last event
	prev  string // sum of the last line
	store string
	marks map[int]mark
	tree  tree

	// Of the newest header.
	segment    int
	from       uint64 // number of the last event before it
	before     string // sum of the last line before it
	began      time.Time
	checkpoint uint64
	lost       map[int]string
}

func newChain() chain { return chain{prev: firstSum, marks: map[int]mark{}} }

func (c chain) clone() chain {
	c.marks, c.tree = maps.Clone(c.marks), slices.Clone(c.tree)
	return c
}

// appendHeader appends the first line of a segment; began, checkpoint and lost were set for it.
func (c *chain) appendHeader(dst []byte, number int) []byte {
	line, err := json.Marshal(header{
		Archive: archiveFormat, Segment: number, Store: c.store, Time: c.began.UTC().Truncate(time.Second), N: c.n,
		Checkpoint: c.checkpoint, Tree: append(tree{}, c.tree...), Marks: c.marks, Lost: c.lost, Prev: c.prev,
	})
	if err != nil {
		return dst // cannot happen: only texts and numbers
	}
	start := len(dst)
	return c.seal(append(dst, line[:len(line)-1]...), start)
}

// appendEntry appends an event's line. checkPayload accepted the entry, so its payload is inserted as it is.
func (c *chain) appendEntry(dst []byte, shard int, e Entry) []byte {
	m := c.marks[shard]
	c.n++
	c.marks[shard] = mark{Position: e.Position, Sequence: max(m.Sequence, e.Sequence)}
	start := len(dst)
	dst = strconv.AppendUint(append(dst, `{"n":`...), c.n, 10)
	dst = strconv.AppendInt(append(dst, `,"shard":`...), int64(shard), 10)
	dst = append(append(dst, `,"position":"`...), e.Position...)
	dst = strconv.AppendUint(append(dst, `","sequence":`...), e.Sequence, 10)
	dst = append(append(dst, `,"event":`...), e.Payload...)
	if e.Made != nil {
		dst = append(append(dst, `,"made":{"request":"`...), e.Made.Request...)
		dst = append(append(base64.StdEncoding.AppendEncode(append(dst, `","version":"`...), e.Made.Version), '"'), '}')
	}
	dst = append(append(dst, `,"prev":"`...), c.prev...)
	dst = c.seal(append(dst, '"'), start)
	c.tree = c.tree.add(c.n-1, dst[start:len(dst)-1])
	return dst
}

// seal ends the line that begins at start, appending its sum.
func (c *chain) seal(dst []byte, start int) []byte {
	sum := sha256.Sum256(dst[start:])
	c.prev = hex.EncodeToString(sum[:])
	dst = append(dst, sumStart...)
	dst = append(dst, c.prev...)
	return append(dst, sumEnd+"\n"...)
}

// next checks one line, without its line feed, against the chain and advances the chain. first says that it is the first line of the
// segment with that number. The record is valid only for an event's line. The error says what is wrong with the line.
func (c *chain) next(line []byte, number int, first bool) (record, error) {
	body, sum, err := checkSum(line)
	if err != nil {
		return record{}, err
	}
	var r record
	if first {
		err = c.enter(body, number)
	} else {
		r, err = c.follow(body)
		if err == nil && c.tree.fits(c.n-1) {
			c.tree = c.tree.add(c.n-1, line)
		}
	}
	if err == nil {
		c.prev = sum
	}
	return r, err
}

// checkSum splits a line into what the sum covers, closed again, and the sum.
func checkSum(line []byte) (body []byte, sum string, err error) {
	at := len(line) - sumLength
	if at < 0 || !bytes.HasPrefix(line[at:], []byte(sumStart)) || !bytes.HasSuffix(line, []byte(sumEnd)) {
		return nil, "", errLine("not a line of an archive")
	}
	sum = string(line[at+len(sumStart) : len(line)-len(sumEnd)])
	got := sha256.Sum256(line[:at])
	if hex.EncodeToString(got[:]) != sum {
		return nil, "", errLine("the sum does not fit: the line was altered")
	}
	return append(slices.Clip(line[:at]), '}'), sum, nil
}

// enter reads a header. A chain that has no number yet (when the newest file is read alone) takes over what the header says.
func (c *chain) enter(body []byte, number int) error {
	var h header
	switch err := decodeLine(body, &h); {
	case err != nil:
		return err
	case h.Archive != archiveFormat:
		return errLine("not a format that this gateway reads")
	case h.Segment != number:
		return errLine("the header is of another file")
	case !h.Tree.fits(h.N):
		return errLine("the tree is not of so many events")
	case c.prev != "" && (h.Prev != c.prev || h.N != c.n):
		return errLine("does not follow the last line of the file before")
	case c.prev != "" && c.tree.fits(c.n) && !slices.Equal(h.Tree, c.tree):
		return errLine("the tree is not that of the files before")
	case c.prev != "" && h.Store == c.store && !h.continues(c.marks):
		return errLine("the marks are not those of the files before")
	}
	c.n, c.store, c.marks, c.tree = h.N, h.Store, h.Marks, slices.Clone(h.Tree)
	c.segment, c.from, c.before = number, h.N, h.Prev
	c.began, c.checkpoint, c.lost = h.Time, h.Checkpoint, h.Lost
	if c.marks == nil {
		c.marks = map[int]mark{}
	}
	return nil
}

// continues reports whether the marks follow from the previous ones: the same, or, if an operator accepted a loss, none lower.
func (h header) continues(before map[int]mark) bool {
	if h.Lost == nil {
		return maps.Equal(h.Marks, before)
	}
	for shard, m := range before {
		if now := h.Marks[shard]; now.position().compare(m.position()) < 0 || now.Sequence < m.Sequence {
			return false
		}
	}
	return true
}

// follow reads an event's line.
func (c *chain) follow(body []byte) (record, error) {
	var r record
	if err := decodeLine(body, &r); err != nil {
		return r, err
	}
	p, err := parsePosition(r.Position)
	m := c.marks[r.Shard]
	switch {
	case r.N > c.n+1:
		return r, errLine(fmt.Sprintf("the number does not follow: event %d stands where %d must be, so that lines were taken out or moved", r.N, c.n+1))
	case r.N <= c.n:
		return r, errLine(fmt.Sprintf("the number does not follow: event %d stands where %d must be, so that a line was put in, doubled or moved", r.N, c.n+1))
	case r.Prev != c.prev:
		return r, errLine("does not follow the line before: one of them was put in or replaced")
	case err != nil || r.Shard < 0 || len(r.Event) == 0:
		return r, errLine("not a line of an archive")
	case p.compare(m.position()) <= 0:
		return r, errLine("the position is not after the last one of its shard")
	}
	c.n = r.N
	c.marks[r.Shard] = mark{Position: r.Position, Sequence: max(m.Sequence, r.Sequence)}
	return r, nil
}

// errLine is what is wrong with a line; it never quotes it.
type errLine string

func (e errLine) Error() string { return string(e) }

func decodeLine(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil || dec.More() {
		return errLine("not a line of an archive")
	}
	return nil
}

// parsePosition reads "number" or "number-number".
func parsePosition(s string) (position, error) {
	major, minor, found := strings.Cut(s, "-")
	p, ok := position{}, true
	p.major, ok = parseNumber(major)
	if ok && found {
		p.minor, ok = parseNumber(minor)
	}
	if !ok {
		return position{}, fmt.Errorf("%w: a position that is not a number", ErrOutbox)
	}
	return p, nil
}

// parseNumber reads a number of digits only.
func parseNumber(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}
