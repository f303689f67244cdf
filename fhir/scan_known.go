package fhir

import (
	"encoding/binary"
	"strings"
)

// knownName is a member name that was read before, prepared for comparison.
type knownName struct {
	first, second         uint64 // the first 16 bytes of the name in quotes
	firstMask, secondMask uint64 // the bits of them that count
	size                  uint32 // length with both quotes
	keyword               keyword
	name, rest            string // rest follows the first 16 bytes
}

// nameID is the number of a known name. Equal numbers mean equal names; 0 is none.
type nameID uint8

// maxNumber is how many names get a number. R4 has a few times as many in all, a response a fifth.
const maxNumber = 255

// knownNames are the member names of a response. The same names follow each other in the same objects again and again, so the next
// name can be guessed from its location and confirmed by one comparison, without looking for its end.
type knownNames struct {
	numbers map[string]nameID
	names   [maxNumber + 1]knownName // by number
	guesses [1 << 16]nameID          // by location
}

// never is a pattern of bytes that valid UTF-8 does not contain.
const never = 1<<64 - 1

// reset forgets the names: they are of another Reader, or most numbers are taken.
func (k *knownNames) reset() {
	if k.numbers == nil {
		k.numbers = map[string]nameID{}
	}
	clear(k.numbers)
	clear(k.guesses[:])
	k.names = [maxNumber + 1]knownName{{first: never, firstMask: never}}
}

// full reports whether most numbers are taken.
func (k *knownNames) full() bool { return len(k.numbers) > maxNumber/2 }

// location is the context by which the next name is guessed: the name of the object and that of the previous member. They are one
// number because they are always read together.
type location uint16

func firstIn(outer nameID) location            { return location(outer) << 8 }
func (l location) outer() nameID               { return nameID(l >> 8) }
func (l location) behind(name nameID) location { return l&^0xFF | location(name) }

// guess points to the name that is expected at a location.
func (k *knownNames) guess(at location) *nameID { return &k.guesses[at] }

// find returns the number of a name; a new name gets one if any is left. A name that is not harmless never matches by comparison,
// so that it is read each time.
func (k *knownNames) find(name []byte, l *lexicon, harmless bool) nameID {
	if n, ok := k.numbers[string(name)]; ok {
		return n
	}
	if len(k.numbers) == maxNumber {
		return 0
	}
	n := nameID(len(k.numbers) + 1)
	k.names[n] = newKnownName(string(name), l.keywords[string(name)], harmless)
	k.numbers[string(name)] = n
	return n
}

// newKnownName prepares a name for comparison. A name that can only be written with escapes never matches: its plain bytes mean
// something else.
func newKnownName(name string, kw keyword, harmless bool) knownName {
	if !harmless || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		return knownName{first: never, firstMask: never, name: name, keyword: kw}
	}
	quoted := `"` + name + `"`
	var text, mask [16]byte
	n := copy(text[:], quoted)
	for i := range n {
		mask[i] = 0xFF
	}
	return knownName{
		first: binary.LittleEndian.Uint64(text[:]), second: binary.LittleEndian.Uint64(text[8:]),
		firstMask: binary.LittleEndian.Uint64(mask[:]), secondMask: binary.LittleEndian.Uint64(mask[8:]),
		rest: quoted[n:], size: uint32(len(quoted)), name: name, keyword: kw,
	}
}

// isAt reports whether the name's first bytes are at the start of 16 bytes.
func (k *knownName) isAt(b []byte) bool {
	first, second := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	return (first^k.first)&k.firstMask|(second^k.second)&k.secondMask == 0
}

// hasRest reports whether the rest of a name longer than 16 bytes is at the start of b.
func (k *knownName) hasRest(b []byte) bool {
	return len(k.rest) <= len(b) && string(b[:len(k.rest)]) == k.rest
}

// nameSet is a set of numbered names.
type nameSet [(maxNumber + 1) / 64]uint64

// add adds a name and reports whether it is new.
func (s *nameSet) add(n nameID) bool {
	word, bit := &s[n/64], uint64(1)<<(n%64)
	fresh := *word&bit == 0
	*word |= bit
	return fresh
}
