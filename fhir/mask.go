package fhir

import (
	"bytes"
	"strings"
)

// minNumber is the length of the shortest number that is masked: a BSN has eight or nine digits, and a shorter number could mean anything.
const minNumber = 8

// maskNumber replaces the digits of a number by asterisks in the strings of a JSON value, with or without leading zeros, and with or without
// dots or spaces between them. A JSON number that equals it becomes 0.
func maskNumber(json []byte, number string) {
	digits := strings.TrimLeft(number, "0")
	if len(digits) < minNumber || strings.Trim(number, "0123456789") != "" || !holdsNumber(json, digits) {
		return
	}
	inString := false
	for i := 0; i < len(json); i++ {
		switch c := json[i]; {
		case c == '"':
			inString = !inString
		case c == '\\' && json[i+1] == 'u':
			i += len("u0000")
		case c == '\\':
			i++
		case isDecimal(c):
			i = maskDigits(json, i, digits, inString) - 1
		}
	}
}

// holdsNumber reports whether the digits of a number occur at all, in a string or not: a quick look, since nearly no resource holds them.
func holdsNumber(json []byte, digits string) bool {
	for rest := json; ; {
		i := bytes.IndexByte(rest, digits[0])
		if i < 0 {
			return false
		}
		if matchDigits(rest[i:], digits) > 0 {
			return true
		}
		rest = rest[i+1:]
	}
}

// maskDigits masks the digits that start at i if they are the number's, and returns where they end.
func maskDigits(json []byte, i int, digits string, inString bool) int {
	start := i
	for i < len(json) && json[i] == '0' {
		i++
	}
	n := matchDigits(json[i:], digits)
	switch {
	case n > 0 && inString:
		for end := i + n; start < end; start++ {
			if isDecimal(json[start]) {
				json[start] = '*'
			}
		}
		return start
	case n == len(digits) && i == start && !partOfNumber(json, i-1) && !partOfNumber(json, i+n):
		copy(json[i:], "0"+strings.Repeat(" ", n-1))
		return i + n
	}
	for i < len(json) && isDecimal(json[i]) {
		i++
	}
	return i
}

// partOfNumber reports whether a character makes the digits next to it part of another JSON number.
func partOfNumber(json []byte, i int) bool {
	return i >= 0 && i < len(json) && strings.IndexByte("+-.eE", json[i]) >= 0
}

// matchDigits returns the length of the digits at the start of b, with one dot or space between any two of them; 0 if they are not these, or
// a further digit follows.
func matchDigits(b []byte, digits string) int {
	n := 0
	for k := range len(digits) {
		if k > 0 && n < len(b) && (b[n] == '.' || b[n] == ' ') {
			n++
		}
		if n == len(b) || b[n] != digits[k] {
			return 0
		}
		n++
	}
	if n < len(b) && isDecimal(b[n]) {
		return 0
	}
	return n
}

func isDecimal(c byte) bool { return '0' <= c && c <= '9' }
