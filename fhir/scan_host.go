package fhir

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
)

// sourceHost finds URLs of the source in text: the host after "//", plain or percent-encoded, in any case, with any port or none
// (UR-2). Bare names of the host are left alone; they are e-mail addresses as often as not.
type sourceHost struct {
	base string
	name []byte // lower case, without the port
}

// parseSourceHost checks a FHIR base URL (R4 §3.1.0.1.2).
func parseSourceHost(base string) (sourceHost, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.HasSuffix(base, "/") || strings.ContainsAny(base, "\"\\?#<> ") {
		return sourceHost{}, errors.New("base is no absolute http URL without a trailing slash")
	}
	return sourceHost{base: base, name: []byte(strings.ToLower(strings.TrimSuffix(u.Host, ":"+u.Port())))}, nil
}

// at reports whether the host is named at i, and where its name and port end.
func (h sourceHost) at(b []byte, i int) (int, bool) {
	end := i + len(h.name)
	if end > len(b) || b[i]|0x20 != h.name[0]|0x20 || !equalFold(b[i:end], h.name) {
		return 0, false
	}
	rest := b[end:]
	if len(rest) > 0 && isHostByte(rest[0]) || len(rest) > 1 && rest[0] == '.' && isHostByte(rest[1]) {
		return 0, false
	}
	return end + portLength(rest), true
}

// isNamed reports whether the host is named anywhere in a text.
func (h sourceHost) isNamed(b []byte) bool {
	for i := bytes.Index(b, []byte("//")); i >= 0; {
		if _, ok := h.at(b, i+2); ok {
			return true
		}
		j := bytes.Index(b[i+1:], []byte("//"))
		if j < 0 {
			break
		}
		i += 1 + j
	}
	if i := bytes.IndexByte(b, '%'); i >= 0 {
		start, _ := h.next(b, i)
		return start >= 0
	}
	return false
}

// next finds the host in decoded text from i on: where its name starts and where its port ends. The start is -1 if there is none.
func (h sourceHost) next(b []byte, i int) (start, end int) {
	for ; i < len(b); i++ {
		start := -1
		switch {
		case b[i] == '/' && i+1 < len(b) && b[i+1] == '/':
			start = i + 2
		case b[i] == '%' && isEncodedSlashes(b[i:]):
			start = i + len("%2f%2f")
		default:
			continue
		}
		if end, ok := h.at(b, start); ok {
			return start, end
		}
	}
	return -1, -1
}

// follows reports whether the host follows the second of two slashes, or the two percent-encoded ones, at the start of b.
func (h *sourceHost) follows(b []byte) bool {
	start := 1
	if b[0] == '%' {
		if !isEncodedSlashes(b) {
			return false
		}
		start = len("%2f%2f")
	}
	_, ok := h.at(b, start)
	return ok
}

// isEncodedSlashes reports whether b begins with a percent-encoded "//".
func isEncodedSlashes(b []byte) bool {
	return len(b) >= 6 && equalFold(b[:6], []byte("%2f%2f"))
}

// portLength is the length of a port, plain or percent-encoded, at the start of b.
func portLength(b []byte) int {
	n := 0
	switch {
	case len(b) > 0 && b[0] == ':':
		n = 1
	case len(b) >= 3 && equalFold(b[:3], []byte("%3a")):
		n = 3
	default:
		return 0
	}
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		n++
	}
	return n
}

// isHostByte reports whether c can continue a host name.
func isHostByte(c byte) bool { return isAlphanumeric(c) || c == '-' || c == '_' }

// equalFold compares b, in any case, with a lower-case ASCII text.
func equalFold(b, lower []byte) bool {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// appendRewritten appends text with every URL of the source replaced by one of ours: the exact base becomes our base; with another
// path or spelling, host and port become ours, so that no URL leads to the source.
func (h sourceHost) appendRewritten(dst, text []byte, base string) []byte {
	_, authority, _ := strings.Cut(base, "//")
	authority, _, _ = strings.Cut(authority, "/")
	scheme := strings.Index(h.base, "//") + len("//")
	for done := 0; ; {
		start, end := h.next(text, done)
		if start < 0 {
			return append(dst, text[done:]...)
		}
		if from := start - scheme; from >= done && h.isBase(text[from:]) {
			dst = append(append(dst, text[done:from]...), base...)
			done = from + len(h.base)
			continue
		}
		dst = append(append(dst, text[done:start]...), authority...)
		done = end
	}
}

// isBase reports whether b begins with the base, and the base ends there: "…/fhirX" and "…/fhir@evil" are something else (RF-2).
func (h sourceHost) isBase(b []byte) bool {
	rest, ok := bytes.CutPrefix(b, []byte(h.base))
	return ok && (len(rest) == 0 || strings.IndexByte("/?#\"'<>&|,; \t\r\n)", rest[0]) >= 0)
}
