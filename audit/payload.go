package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// checkPayload refuses what a line cannot contain.
func checkPayload(e Entry) error {
	switch {
	case len(e.Payload) > MaxEventBytes:
		return fmt.Errorf("%w: position %s: larger than an event can be", ErrOutbox, e.Position)
	case !isLine(e.Payload) || e.Payload[0] != '{':
		return fmt.Errorf("%w: position %s: not one line of JSON", ErrOutbox, e.Position)
	case e.Made != nil && (len(e.Made.Version) > maxVersion || len(e.Made.Version) == 0 || strings.Trim(e.Made.Request, "0123456789abcdef") != ""):
		return fmt.Errorf("%w: position %s: not a change of a store", ErrOutbox, e.Position)
	}
	return nil
}

// isLine reports whether b is one line of JSON. json.Valid takes longer than everything else that the archive does with an event, so it is
// asked only about what does not have the form that Marshal gives to nearly every event.
func isLine(b []byte) bool {
	return skipObject(b, 0, 1) == len(b) || bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') < 0 && json.Valid(b)
}

// The form of nearly every event is an object, without spaces, of texts, positive numbers, lists of texts, and objects like it to a depth of
// inner; in its texts every byte stands for itself. What follows returns the index after what is at i, or -1 if that has another form.

func skipObject(b []byte, i, inner int) int {
	if byteAt(b, i) != '{' {
		return -1
	}
	for more := true; more; more = byteAt(b, i) == ',' {
		if i = skipText(b, i+1); byteAt(b, i) != ':' {
			return -1
		}
		i++
		switch c := byteAt(b, i); {
		case c == '"':
			i = skipText(b, i)
		case c == '[':
			i = skipTexts(b, i)
		case c == '{' && inner > 0:
			i = skipObject(b, i, inner-1)
		case c >= '1' && c <= '9':
			i = skipDigits(b, i)
		default:
			return -1
		}
	}
	return skipByte(b, i, '}')
}

// skipTexts skips a list of texts, of which there is at least one.
func skipTexts(b []byte, i int) int {
	for more := true; more; more = byteAt(b, i) == ',' {
		i = skipText(b, i+1)
	}
	return skipByte(b, i, ']')
}

func skipText(b []byte, i int) int {
	if i = skipByte(b, i, '"'); i < 0 {
		return -1
	}
	return skipByte(b, i+plainPrefix(b[i:]), '"')
}

func skipDigits(b []byte, i int) int {
	for byteAt(b, i) >= '0' && byteAt(b, i) <= '9' {
		i++
	}
	return i
}

func skipByte(b []byte, i int, c byte) int {
	if byteAt(b, i) != c {
		return -1
	}
	return i + 1
}

// byteAt is 0, which nothing skips, if there is no byte at i.
func byteAt(b []byte, i int) byte {
	if uint(i) < uint(len(b)) {
		return b[i]
	}
	return 0
}
