package audit

import (
	"strings"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// hiddenPerson replaces a BSN in free text.
const hiddenPerson = "***"

// HidePersons removes every BSN from text typed by somebody, such as the reason of an emergency or the grounds of a verdict: nine digits,
// with or without dots or spaces between them, that pass the eleven-test. Events identify a person by the person key only (README,
// promise 8). Marshal applies it to all such texts of an event.
func HidePersons(s string) string {
	var b strings.Builder
	for at := 0; at < len(s); {
		end, digits := number(s[at:])
		switch {
		case end == 0: // no digit: unchanged
			b.WriteByte(s[at])
			at++
			continue
		case isBSN(digits):
			b.WriteString(hiddenPerson)
		default:
			b.WriteString(s[at : at+end])
		}
		at += end
	}
	return b.String()
}

// number returns the length of the number at the start of s, and its digits. Between two digits one dot or space may stand.
func number(s string) (end int, digits string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			b.WriteByte(c)
			end = i + 1
		case (c == '.' || c == ' ') && end == i && i > 0:
		default:
			return end, b.String()
		}
	}
	return end, b.String()
}

func isBSN(digits string) bool {
	if len(digits) != 9 {
		return false
	}
	_, err := consent.NormalizePerson(fhir.Identifier{System: consent.SystemBSN, Value: digits})
	return err == nil
}
