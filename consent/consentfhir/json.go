package consentfhir

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"

	"zorgsluis/consent"
)

// The bounds of a resource: bytes, and how deep it may be.
const (
	maxResource = 256 << 10
	maxDepth    = 16
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

// parse reads one JSON object and nothing after it. A member that is there twice is an error, which package json alone would not see.
func parse(b []byte) (node, error) {
	switch {
	case len(b) > maxResource:
		return node{}, problem("", "is too long")
	case !utf8.Valid(b):
		return node{}, problem("", "is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	n, err := value(d, 0)
	if err != nil {
		return node{}, err
	}
	if _, err := d.Token(); err != io.EOF || n.kind != object {
		return node{}, errNotJSON
	}
	return n, nil
}

var errNotJSON = problem("", "is not one JSON object")

func value(d *json.Decoder, depth int) (node, error) {
	t, err := d.Token()
	if err != nil || depth > maxDepth {
		return node{}, errNotJSON // the error of package json may hold the value
	}
	switch v := t.(type) {
	case json.Delim:
		if v == '{' {
			return members(d, depth)
		}
		return items(d, depth)
	case string:
		return node{kind: text, text: v}, nil
	case bool:
		return node{kind: boolean, yes: v}, nil
	case json.Number:
		return node{kind: number}, nil
	}
	return node{}, nil
}

func members(d *json.Decoder, depth int) (node, error) {
	n, seen := node{kind: object}, map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, isName := t.(string)
		if err != nil || !isName {
			return node{}, errNotJSON
		}
		if seen[name] {
			return node{}, problem(safeName(name), "is there twice")
		}
		seen[name] = true
		v, err := value(d, depth+1)
		if err != nil {
			return node{}, err
		}
		n.names, n.values = append(n.names, name), append(n.values, v)
	}
	_, err := d.Token()
	if err != nil {
		return node{}, errNotJSON
	}
	return n, nil
}

func items(d *json.Decoder, depth int) (node, error) {
	n := node{kind: array}
	for d.More() {
		v, err := value(d, depth+1)
		if err != nil {
			return node{}, err
		}
		n.values = append(n.values, v)
	}
	if _, err := d.Token(); err != nil {
		return node{}, errNotJSON
	}
	return n, nil
}

// member gives a member of an object; null where it is absent.
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

// safeName gives a member's name back when it looks like one; a name may otherwise be a value in the wrong place.
func safeName(name string) string {
	other := func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' }
	if name == "" || len(name) > 32 || strings.ContainsFunc(name, other) {
		return "(a name that is not shown)"
	}
	return name
}
