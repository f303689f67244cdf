package consentfhir

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"zorgsluis/consent"
)

// The bounds of a resource: bytes, how deep it may be, and how many members an object may have.
const (
	maxResource = 256 << 10
	maxDepth    = 16
	maxMembers  = 64
)

// kind is the kind of a JSON value. The zero kind is null, which FHIR does not have.
type kind int

const (
	null kind = iota
	object
	array
	text
	boolean
	number
)

// node is one JSON value.
type node struct {
	kind   kind
	names  []string // of an object's members
	values []node   // of an object or an array
	text   string
	yes    bool
}

// parse reads one JSON object and nothing after it. A repeated member is an error, which encoding/json alone would not detect.
func parse(b []byte) (node, error) {
	switch {
	case len(b) > maxResource:
		return node{}, problem("", "is too long")
	case !utf8.Valid(b):
		return node{}, problem("", "is not UTF-8")
	case !json.Valid(b): // the error of encoding/json may contain the value
		return node{}, errNotJSON
	}
	c := cursor{string(b)}
	if c.next() != '{' {
		return node{}, errNotJSON
	}
	return c.members(0)
}

var errNotJSON = problem("", "is not one JSON object")

// cursor scans text that is known to be JSON: it examines only what it needs to tell one value from the next. It is several times as fast
// as the tokens of encoding/json, which would be most of the cost of an import of consents.
type cursor struct{ rest string }

// next skips white space, and returns the next byte.
func (c *cursor) next() byte {
	c.rest = strings.TrimLeft(c.rest, " \t\r\n")
	return c.rest[0]
}

// take returns the next n bytes, and moves past them.
func (c *cursor) take(n int) string {
	taken := c.rest[:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) value(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errNotJSON
	}
	switch c.next() {
	case '{':
		return c.members(depth)
	case '[':
		return c.items(depth)
	case '"':
		return node{kind: text, text: c.text()}, nil
	case 't':
		c.take(len("true"))
		return node{kind: boolean, yes: true}, nil
	case 'f':
		c.take(len("false"))
		return node{kind: boolean}, nil
	case 'n':
		c.take(len("null"))
		return node{}, nil
	}
	c.take(strings.IndexAny(c.rest, ",]} \t\r\n"))
	return node{kind: number}, nil
}

func (c *cursor) members(depth int) (node, error) {
	n := node{kind: object}
	for c.take(1); c.next() != '}'; c.comma() {
		name := c.text()
		switch {
		case slices.Contains(n.names, name):
			return node{}, problem(safeName(name), "is there twice")
		case len(n.names) == maxMembers:
			return node{}, problem("", "has an object with too many members")
		}
		c.next()
		c.take(len(":"))
		v, err := c.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.names, n.values = append(n.names, name), append(n.values, v)
	}
	c.take(1)
	return n, nil
}

func (c *cursor) items(depth int) (node, error) {
	n := node{kind: array}
	for c.take(1); c.next() != ']'; c.comma() {
		v, err := c.value(depth + 1)
		if err != nil {
			return node{}, err
		}
		n.values = append(n.values, v)
	}
	c.take(1)
	return n, nil
}

// comma skips the comma between two members or items, if there is one.
func (c *cursor) comma() {
	if c.next() == ',' {
		c.take(1)
	}
}

// text reads a string.
func (c *cursor) text() (s string) {
	end := 1
	for escaped := false; c.rest[end] != '"' || escaped; end++ {
		escaped = c.rest[end] == '\\' && !escaped
	}
	quoted := c.take(end + 1)
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1:end]
	}
	_ = json.Unmarshal([]byte(quoted), &s) // a valid string always unmarshals
	return s
}

// member returns a member of an object; null if it is absent.
func (n node) member(name string) node {
	for i, known := range n.names {
		if known == name {
			return n.values[i]
		}
	}
	return node{}
}

// problem names an element and what is wrong with it.
func problem(element, reason string) error {
	return &consent.FieldError{Field: element, Reason: reason}
}

// safeName returns a member's name if it looks like one; otherwise it may be a value in the wrong place.
func safeName(name string) string {
	other := func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' }
	if name == "" || len(name) > 32 || strings.ContainsFunc(name, other) {
		return "(a name that is not shown)"
	}
	return name
}
