package fhir

import (
	"encoding/binary"
	"strings"
)

// knownName is a member name that was read before, and what is known of it.
type knownName struct {
	first, second         uint64 // the first bytes of the name as it stands in a body, with both quotes
	firstMask, secondMask uint64 // those that count
	size                  uint32 // with both quotes
	keyword               keyword
	name, rest            string // rest is what stands behind the first bytes
}

// nameID is the number of a name that is known. Names are the same if their numbers are; 0 is none.
type nameID uint8

// maxNumber leaves a name that comes after so many others without a number. All of R4 has a few times as many, one response a fifth.
const maxNumber = 255

// knownNames are the names that a response consists of. In a response the same names follow each other in the same objects again
// and again, so that which name is next can be guessed from where it stands; then it is told by one comparison, and the reader need
// not even look for its end.
type knownNames struct {
	numbers map[string]nameID
	names   [maxNumber + 1]knownName // by number
	guesses [1 << 16]nameID          // by location
}

// never are bytes that valid UTF-8 does not have.
const never = 1<<64 - 1

// reset forgets the names, where they are of another reader or where there is no room for others.
func (k *knownNames) reset() {
	if k.numbers == nil {
		k.numbers = map[string]nameID{}
	}
	clear(k.numbers)
	clear(k.guesses[:])
	k.names = [maxNumber + 1]knownName{{first: never, firstMask: never}}
}

// full says that most numbers have been given away.
func (k *knownNames) full() bool { return len(k.numbers) > maxNumber/2 }

// location is where in an object a name stands, as far as the next name can be guessed by it: the name of the object, and the name of
// the member before. They are one number because they are read together each time.
type location uint16

func firstIn(outer nameID) location            { return location(outer) << 8 }
func (l location) outer() nameID               { return nameID(l >> 8) }
func (l location) behind(name nameID) location { return l&^0xFF | location(name) }

// guess is where the name is kept that is likely to stand at a location.
func (k *knownNames) guess(at location) *nameID { return &k.guesses[at] }

// find is the number of a name; a new name gets one, unless there is none left. A name that is not harmless is read each time.
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

// newKnownName says how to tell a name. One that can only be written with escapes is never told by comparison: its bytes mean
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

// isAt reports whether the name begins at the start of 16 bytes.
func (k *knownName) isAt(b []byte) bool {
	first, second := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	return (first^k.first)&k.firstMask|(second^k.second)&k.secondMask == 0
}

// hasRest reports whether the rest of a name of more than 16 bytes stands at the start of b.
func (k *knownName) hasRest(b []byte) bool {
	return len(k.rest) <= len(b) && string(b[:len(k.rest)]) == k.rest
}

// nameSet is a set of numbered names.
type nameSet [(maxNumber + 1) / 64]uint64

// add adds a name, and reports whether it was not there yet.
func (s *nameSet) add(n nameID) bool {
	word, bit := &s[n/64], uint64(1)<<(n%64)
	fresh := *word&bit == 0
	*word |= bit
	return fresh
}
