package consent

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"zorgsluis/fhir"
)

// SystemBSN is the first name of the identifier system of the Dutch citizen service number (fhir.PersonSystem).
const SystemBSN = "http://fhir.nl/fhir/NamingSystem/bsn"

// sectoralBSN is the prefix that DigiD brokers put before a BSN; s00000001 is another number.
const sectoralBSN = "s00000000:"

// maxIdentifier bounds the system and the value of a person identifier, in bytes.
const maxIdentifier = 256

// The reasons why an identifier is invalid for a person. Their texts contain no values.
var (
	ErrNotBSN        = errors.New("person identifier is not a citizen service number")
	ErrNotIdentifier = errors.New("person identifier is empty, too long or holds characters that identifiers do not have")
)

// NormalizePerson returns the normal form of a person's identifier: two identifiers mean the same person exactly if their normal forms are
// equal. A BSN has one system (fhir.PersonSystem), loses its sectoral prefix, is padded from eight digits to nine, and must pass the
// eleven-test; identifiers of other systems are unchanged. The error is ErrNotBSN or ErrNotIdentifier.
func NormalizePerson(id fhir.Identifier) (fhir.Identifier, error) {
	if fhir.PersonSystem(id.System) == SystemBSN {
		bsn, ok := normalizeBSN(id.Value)
		if !ok {
			return fhir.Identifier{}, ErrNotBSN
		}
		return fhir.Identifier{System: SystemBSN, Value: bsn}, nil
	}
	if !plain(id.System) || !plain(id.Value) {
		return fhir.Identifier{}, ErrNotIdentifier
	}
	return id, nil
}

// systemPseudonym is the system of pseudonyms, followed by the issuer's URL: no identifier system of persons begins with it.
const systemPseudonym = "urn:zorgsluis:pseudonym:"

// Pseudonym is the identifier of somebody chosen by a patient to see the record, made from the issuer's name for that person, which is no
// number of a person. The error is ErrNotIdentifier, also for anything that could be a BSN.
func Pseudonym(issuer, subject string) (fhir.Identifier, error) {
	if _, number := normalizeBSN(subject); number {
		return fhir.Identifier{}, ErrNotIdentifier
	}
	return NormalizePerson(fhir.Identifier{System: systemPseudonym + issuer, Value: subject})
}

// normalizeBSN applies the eleven-test: weights 9 to 2 and -1, the sum divisible by 11, not all zero.
func normalizeBSN(s string) (string, bool) {
	s = strings.TrimPrefix(s, sectoralBSN)
	if len(s) == 8 {
		s = "0" + s
	}
	if len(s) != 9 || s == "000000000" {
		return "", false
	}
	sum := 0
	for i := range len(s) {
		digit := int(s[i]) - '0'
		if digit < 0 || digit > 9 {
			return "", false
		}
		weight := 9 - i
		if weight == 1 {
			weight = -1
		}
		sum += weight * digit
	}
	return s, sum%11 == 0
}

// holdsBSN reports whether a text contains digits that could be a BSN.
func holdsBSN(s string) bool {
	other := func(r rune) bool { return r < '0' || r > '9' }
	return slices.ContainsFunc(strings.FieldsFunc(s, other), func(digits string) bool {
		_, number := normalizeBSN(digits)
		return number
	})
}

// valid reports whether a key is well-formed: lower-case hex of 32 bytes.
func (k PersonKey) valid() bool {
	return len(k) == 64 && strings.Trim(string(k), "0123456789abcdef") == ""
}

// plain reports whether s can be one part of an identifier: not empty, bounded, and of visible characters and inner spaces only.
func plain(s string) bool {
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	return s != "" && len(s) <= maxIdentifier && utf8.ValidString(s) && !strings.ContainsFunc(s, hidden) && strings.TrimSpace(s) == s
}
