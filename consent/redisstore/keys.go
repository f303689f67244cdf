package redisstore

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

const (
	personKeyLength = 2 * sha256.Size
	randomBytes     = 16 // in an id: 128 bits
)

// Key returns the pseudonym of a person: HMAC-SHA-256, under the person secret, over the length-prefixed system and value. The
// identifier must be normalised (consent.NormalizePerson): another spelling gives another key.
func (s *Store) Key(person fhir.Identifier) consent.PersonKey {
	return consent.PersonKey(s.secret.hmac("", person.System, person.Value))
}

// NewRecordID makes an id for a consent record of this person.
func (s *Store) NewRecordID(person fhir.Identifier) consent.RecordID {
	return consent.RecordID(newID(s.shardOf(s.Key(person))))
}

// NewDeclarationID makes an id for a break-glass declaration about this person.
func (s *Store) NewDeclarationID(person fhir.Identifier) consent.DeclarationID {
	return consent.DeclarationID(newID(s.shardOf(s.Key(person))))
}

// secret makes HMACs. Their state is reused: every standing read needs one, and setting one up costs as much as hashing.
type secret struct{ macs sync.Pool }

type mac struct {
	hash hash.Hash
	text []byte // the input, then the sum and its hex
}

func newSecret(key []byte) *secret {
	return &secret{sync.Pool{New: func() any { return &mac{hash: hmac.New(sha256.New, key)} }}}
}

// hmac returns HMAC-SHA-256 in hex over the length-prefixed parts. A purpose other than "" comes first, in a form that no length
// has, so that purposes cannot be confused with persons or each other.
func (s *secret) hmac(purpose string, parts ...string) string {
	m := s.macs.Get().(*mac)
	defer s.macs.Put(m)
	text := m.text[:0]
	if purpose != "" {
		text = append(append(append(text, "\xff\xff\xff\xff\xff\xff\xff\xff"...), purpose...), 0)
	}
	for _, p := range parts {
		text = append(binary.BigEndian.AppendUint64(text, uint64(len(p))), p...)
	}
	m.hash.Reset()
	m.hash.Write(text)
	text = m.hash.Sum(text[:0])
	m.text = hex.AppendEncode(text, text)
	return string(m.text[sha256.Size:])
}

// checkValue shows whether two instances have the same secrets, without revealing them.
func checkValue(o Options) string {
	sealing := newSecret(o.SealingKey).hmac("check of the sealing key")
	return newSecret(o.PersonSecret).hmac("check of the secrets, version 1", sealing)[:32]
}

// shardOf returns the shard of a well-formed person key: its first four bytes, modulo the number of shards.
func (s *Store) shardOf(key consent.PersonKey) int {
	n, err := strconv.ParseUint(string(key[:8]), 16, 32)
	if err != nil {
		return 0 // not reached: callers check the form
	}
	return int(n % uint64(s.o.Shards))
}

// checkKey refuses a malformed person key: it becomes part of a Redis key (leaks.md CN-17).
func checkKey(key consent.PersonKey) error {
	if len(key) != personKeyLength || !isHex(string(key)) {
		return fmt.Errorf("%w: person key", ErrInvalid)
	}
	return nil
}

// isHex reports whether s has only lower-case hexadecimal digits.
func isHex(s string) bool {
	for i := range len(s) {
		if !hexDigits[s[i]] {
			return false
		}
	}
	return true
}

// hexDigits is a table because branch prediction fails on random digits.
var hexDigits = func() (table [256]bool) {
	for _, c := range "0123456789abcdef" {
		table[c] = true
	}
	return table
}()

// newID makes an id of the form <shard>-<random>.
func newID(shard int) string {
	var random [randomBytes]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	return twoDigits(shard) + "-" + hex.EncodeToString(random[:])
}

// twoDigits renders a shard number for ids and keys: with at least two digits.
func twoDigits(shard int) string {
	if shard < 10 {
		return "0" + strconv.Itoa(shard)
	}
	return strconv.Itoa(shard)
}

// shardOfID returns the shard that an id names. The form must be exactly that of newID: the id becomes part of a Redis key.
func (s *Store) shardOfID(id string) (int, error) {
	number, random, _ := strings.Cut(id, "-")
	shard, err := strconv.Atoi(number)
	if err != nil || shard < 0 || shard >= s.o.Shards || twoDigits(shard) != number ||
		len(random) != 2*randomBytes || !isHex(random) {
		return 0, fmt.Errorf("%w: id", ErrInvalid)
	}
	return shard, nil
}

// The suffixes of a person's key for the history and the events.
const (
	historySuffix = ":history"
	eventsSuffix  = ":events"
)

// keys builds the names of one shard's keys.
type keys string // "zs:{sNN}:"

func keysOf(shard int) keys { return keys("zs:{s" + twoDigits(shard) + "}:") }

func (k keys) meta() string                      { return string(k) + "meta" }
func (k keys) outbox() string                    { return string(k) + "events" }
func (k keys) probe() string                     { return string(k) + "probe" }
func (k keys) reviews() string                   { return string(k) + "reviews" }
func (k keys) person(p consent.PersonKey) string { return string(k) + "p:" + string(p) }
func (k keys) history(p consent.PersonKey) string {
	return string(k) + "p:" + string(p) + historySuffix
}
func (k keys) personEvents(p consent.PersonKey) string {
	return string(k) + "p:" + string(p) + eventsSuffix
}
func (k keys) nobodysEvents() string           { return string(k) + "nobody" }
func (k keys) index(id string) string          { return string(k) + "i:" + id }
func (k keys) request(hash string) string      { return string(k) + "r:" + hash }
func (k keys) declarations(hash string) string { return string(k) + "b:" + hash }
func (k keys) used(hash string) string         { return string(k) + "u:" + hash }
