package fhir

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrContent means that a response is not what a FHIR source may answer: not strict JSON, not a searchset, not the resource that
// was asked for, or over a limit. Its text names the violated rule, never content.
var ErrContent = errors.New("content")

// contentError is one violated rule; it matches ErrContent.
type contentError string

func (e contentError) Error() string        { return "content: " + string(e) }
func (e contentError) Is(target error) bool { return target == ErrContent }

// The rules of RFC 8259 that a body can violate, and those that the gateway adds (leaks.md JS).
const (
	errUTF8      contentError = "not valid UTF-8"
	errSyntax    contentError = "not valid JSON"
	errSurrogate contentError = "a lone surrogate or NUL in a string"
	errDuplicate contentError = "a member twice in one object"
	errDepth     contentError = "nested too deeply"
	errMembers   contentError = "too many members in one object"
	errTrailing  contentError = "bytes after the end"
	errTooLarge  contentError = "too large"
)

// maxMembers bounds the members of one object, so that looking for duplicates stays cheap. No R4 object has a quarter as many.
const maxMembers = 256

// escaping says which escapes a string has.
type escaping uint8

const (
	plain   escaping = iota // no escapes: the bytes are the value
	escaped                 // only \" \\ \b \f \n \r \t: no character of a URL can hide behind one
	hidden                  // \/ or \u: any character can
)

// token is a string of the body, without its quotes. Its zero value is no string. More than four fields would not be kept in registers.
type token struct {
	start, end uint32
	esc        escaping
	host       bool // it names the source's host
}

// present reports whether there is a string: its opening quote comes first, so start is not 0.
func (t token) present() bool { return t.start > 0 }

// scanner reads the tokens of strict JSON (RFC 8259). Its methods take the position to read at and return the position after what
// they read, or -1 with err set. It assumes that the body is valid UTF-8.
type scanner struct {
	body    []byte
	host    *sourceHost
	scratch []byte // decoded strings
	err     error
}

// fail records the violated rule.
func (s *scanner) fail(err contentError) int {
	s.err = err
	return -1
}

// space skips insignificant white space.
func (s *scanner) space(i int) int {
	body := s.body
	for i < len(body) && body[i] <= ' ' && (body[i] == ' ' || body[i] == '\n' || body[i] == '\t' || body[i] == '\r') {
		i++
	}
	return i
}

// at returns the byte at i, or 0 at the end, which the grammar accepts nowhere.
func (s *scanner) at(i int) byte {
	if i < len(s.body) {
		return s.body[i]
	}
	return 0
}

const (
	every01 = 0x0101010101010101
	every80 = 0x8080808080808080
)

// text reads the string whose opening quote is at i. It looks at eight bytes at a time for what ends a string or a run of plain
// characters, and for what the source's host may follow.
func (s *scanner) text(i int) (int, token) {
	t := token{start: uint32(i + 1)}
	rest := s.body[i:] // always begins with the byte before those to look at
	for len(rest) > 9 {
		marks := unusual(binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint64(rest[1:]))
		if marks == 0 {
			rest = rest[8:]
			continue
		}
		rest = rest[1+bits.TrailingZeros64(marks)/8:]
		i = len(s.body) - len(rest)
		switch rest[0] {
		case '"':
			t.end = uint32(i)
			if t.esc == hidden {
				t.host = t.host || s.namesHost(t)
			}
			return i + 1, t
		case '/', '%':
			t.host = t.host || s.host.follows(rest)
		case '\\':
			var kind escaping
			if i, kind = s.escape(i); i < 0 {
				return -1, token{}
			}
			t.esc, rest = max(t.esc, kind), s.body[i-1:]
		default:
			return s.fail(errSyntax), token{}
		}
	}
	return s.lastText(len(s.body)-len(rest)+1, t)
}

// lastText finishes a string that reaches the last bytes of the body.
func (s *scanner) lastText(i int, t token) (int, token) {
	for {
		switch c := s.at(i); {
		case c == '"':
			t.end = uint32(i)
			t.host = t.host || s.namesHost(t)
			return i + 1, t
		case c == '\\':
			var kind escaping
			if i, kind = s.escape(i); i < 0 {
				return -1, token{}
			}
			t.esc = max(t.esc, kind)
		case c < 0x20:
			return s.fail(errSyntax), token{}
		default:
			i++
		}
	}
}

// unusual marks some of eight bytes by their highest bits: quotes, backslashes and control characters, percent signs, and slashes that
// follow a slash. Before are the bytes that stand one place earlier. The borrow of a subtraction can mark a byte falsely, but only above
// a true mark: the lowest mark is true.
func unusual(before, x uint64) uint64 {
	controlOrQuote := (x ^ every01*2) - every01*0x21 // ^2 turns the quote into 0x20, right after the control characters
	backslash := (x ^ every01*'\\') - every01
	percent := (x ^ every01*'%') - every01
	slashes := (x ^ every01*'/') | (before ^ every01*'/')
	return ((controlOrQuote|backslash|percent)&^x | (slashes-every01)&^slashes) & every80
}

// namesHost looks for the source's host anywhere in a string, in any encoding.
func (s *scanner) namesHost(t token) bool {
	raw := s.body[t.start:t.end]
	return s.host.isNamed(raw) || t.esc == hidden && s.host.isNamed(s.decode(raw))
}

// decode returns the value of a string with escapes. It stays valid until the next response is read.
func (s *scanner) decode(raw []byte) []byte {
	from := len(s.scratch)
	s.scratch = appendDecoded(s.scratch, raw)
	return s.scratch[from:]
}

// escape reads the escape whose backslash is at i. Lone surrogates and NUL are refused: readers differ on what they mean.
func (s *scanner) escape(i int) (int, escaping) {
	switch s.at(i + 1) {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return i + 2, escaped
	case '/':
		return i + 2, hidden
	case 'u':
		r, ok := hex4(s.body, i+2)
		switch {
		case !ok:
			return s.fail(errSyntax), plain
		case r == 0 || 0xDC00 <= r && r < 0xE000:
			return s.fail(errSurrogate), plain
		case r < 0xD800 || r >= 0xE000:
			return i + 6, hidden
		}
		low, ok := hex4(s.body, i+8)
		if s.at(i+6) != '\\' || s.at(i+7) != 'u' || !ok || low < 0xDC00 || low >= 0xE000 {
			return s.fail(errSurrogate), plain
		}
		return i + 12, hidden
	}
	return s.fail(errSyntax), plain
}

// hex4 reads four hexadecimal digits at i.
func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendDecoded appends the value of a string that the scanner accepted.
func appendDecoded(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(raw, i+1)
			i += 4
			if utf16.IsSurrogate(r) {
				low, _ := hex4(raw, i+3)
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendString appends s as a JSON string.
func appendString[S string | []byte](dst []byte, s S) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	done := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[done:i]...)
		done = i + 1
		if c < 0x20 {
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			continue
		}
		dst = append(dst, '\\', c)
	}
	return append(append(dst, s[done:]...), '"')
}

// number reads the number at i; its text is kept as it is (JS-9).
func (s *scanner) number(i int) int {
	if s.at(i) == '-' {
		i++
	}
	switch {
	case s.at(i) == '0':
		i++
	default:
		if i = s.digits(i); i < 0 {
			return -1
		}
	}
	if s.at(i) == '.' {
		if i = s.digits(i + 1); i < 0 {
			return -1
		}
	}
	if s.at(i)|0x20 == 'e' {
		i++
		if c := s.at(i); c == '+' || c == '-' {
			i++
		}
		return s.digits(i)
	}
	return i
}

// digits reads at least one digit.
func (s *scanner) digits(i int) int {
	start := i
	for c := s.at(i); '0' <= c && c <= '9'; c = s.at(i) {
		i++
	}
	if i == start {
		return s.fail(errSyntax)
	}
	return i
}

// literal reads true, false, null or a number.
func (s *scanner) literal(i int) int {
	word := ""
	switch s.at(i) {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	case 'n':
		word = "null"
	default:
		return s.number(i)
	}
	if end := i + len(word); end <= len(s.body) && string(s.body[i:end]) == word {
		return end
	}
	return s.fail(errSyntax)
}
