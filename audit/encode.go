package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The bounds of an event. Text is measured as encoded in JSON, so that no content can make an event larger than MaxEventBytes.
const (
	// MaxEventBytes is more than any event can need, and the most that ParseEvent and the archive read.
	MaxEventBytes = 256 << 10
	// MaxDisclosed is how many references an event lists; Event.DisclosedTotal counts beyond it.
	MaxDisclosed = 1000

	maxRecords   = 1000 // as many as a person can have on file (consent/redisstore), so that none is ever left out
	maxCodes     = 64   // categories, roles, obligations
	maxCode      = 64   // a code, an id of ours, a data category
	maxReference = 130  // type (64), slash, id (64)
	maxName      = 256  // an identifier, a name, a URL
	maxQuery     = 4096
	maxEmergency = 1024

	cutMark = "…" // ends a text that was cut
)

// hiddenPatient replaces a Patient in Disclosed: the source's id of a patient is an identifier (README, promise 8), and Event.Person
// already says who it is.
const hiddenPatient = "Patient/***"

// ErrEvent is the error of ParseEvent and Validate. Its text names the field, never the value.
var ErrEvent = errors.New("event")

// bounded is a copy within the bounds.
func (e Event) bounded() Event {
	e.ID = cut(e.ID, maxCode)
	e.Time = e.Time.UTC().Truncate(time.Microsecond)
	if !isInstant(e.Time) {
		e.Time = time.Time{}
	}
	e.Kind, e.Outcome, e.Reason = cut(e.Kind, maxCode), cut(e.Outcome, maxCode), cut(e.Reason, maxCode)
	e.Request, e.Person = cut(e.Request, maxCode), cut(e.Person, maxCode)
	e.Source, e.Interaction, e.Type = cut(e.Source, maxCode), cut(e.Interaction, maxCode), cut(e.Type, maxCode)
	e.Query, e.Emergency = cut(e.Query, maxQuery), cut(HidePersons(e.Emergency), maxEmergency)
	e.Code, e.Grounds = cut(e.Code, maxCode), cut(HidePersons(e.Grounds), maxEmergency)
	e.Declaration, e.Consent = cut(e.Declaration, maxCode), cut(e.Consent, maxCode)
	e.Address, e.Policy, e.Recipient = cut(e.Address, maxName), cut(e.Policy, maxName), cut(e.Recipient, maxName)
	e.LegalGround, e.ApprovedBy, e.Digest = cut(e.LegalGround, maxCode), cut(HidePersons(e.ApprovedBy), maxName), cut(e.Digest, maxCode)
	if e.isHandover() { // in words, instead of an organization's number
		e.Recipient, e.Actor.Name = cut(HidePersons(e.Recipient), maxName), HidePersons(e.Actor.Name)
	}

	e.Categories = cutAll(e.Categories, maxCodes, maxCode)
	e.Obligations = cutAll(e.Obligations, maxCodes, maxCode)
	e.Records = cutAll(e.Records, maxRecords, maxCode)
	if len(e.Disclosed) > MaxDisclosed {
		e.DisclosedTotal = max(e.DisclosedTotal, len(e.Disclosed))
	}
	e.Disclosed = hidePatients(cutAll(e.Disclosed, MaxDisclosed, maxReference))
	e.Actor = e.Actor.bounded()
	return e
}

// bounded is a copy within the bounds.
func (a Actor) bounded() Actor {
	a.Issuer, a.Subject, a.Client = cut(a.Issuer, maxName), cut(a.Subject, maxName), cut(a.Client, maxName)
	a.Token, a.Name, a.Kind = cut(a.Token, maxName), cut(a.Name, maxName), cut(a.Kind, maxCode)
	a.Organization, a.Practitioner = cut(a.Organization, maxName), cut(a.Practitioner, maxName)
	a.Roles = cutAll(a.Roles, maxCodes, maxCode)
	a.Categories = cutAll(a.Categories, maxCodes, maxCode)
	a.Assurance, a.Relationship = cut(a.Assurance, maxCode), cut(a.Relationship, maxCode)
	a.Purpose, a.Channel = cut(a.Purpose, maxCode), cut(a.Channel, maxCode)
	a.Responsible, a.Representative, a.Authority = cut(a.Responsible, maxName), cut(a.Representative, maxCode), cut(a.Authority, maxCode)
	a.Secrecy, a.Evidence = cut(a.Secrecy, maxCode), cut(a.Evidence, maxCode)
	return a
}

// hidePatients replaces references to patients, in a copy if there are any.
func hidePatients(refs []string) []string {
	isPatient := func(ref string) bool { return strings.HasPrefix(ref, "Patient/") }
	if !slices.ContainsFunc(refs, isPatient) {
		return refs
	}
	refs = slices.Clone(refs)
	for i, ref := range refs {
		if isPatient(ref) {
			refs[i] = hiddenPatient
		}
	}
	return refs
}

// cutAll bounds a list and each of its texts; if anything exceeds a bound, in a copy.
func cutAll[S ~string](list []S, most, length int) []S {
	list = list[:min(len(list), most)]
	if !slices.ContainsFunc(list, func(s S) bool { return !fits(s, length) }) {
		return list
	}
	list = slices.Clone(list)
	for i, s := range list {
		list[i] = cut(s, length)
	}
	return list
}

// cut bounds a text to length bytes of JSON, the mark included.
func cut[S ~string](s S, length int) S {
	if fits(s, length) {
		return s
	}
	s = S(strings.ToValidUTF8(string(s), "\uFFFD"))
	size, end := 0, 0 // end: where to cut so that the mark still fits
	for i, r := range string(s) {
		if size+len(cutMark) <= length {
			end = i
		}
		if size += encodedSize(r); size > length {
			return s[:end] + cutMark
		}
	}
	return s
}

// fits reports at a glance that a text is within its bound, as nearly every one is.
func fits[S ~string](s S, length int) bool { return len(s) <= length && isPlain(s) }

// isPlain reports whether JSON encodes every byte of s as itself, as with nearly every text.
func isPlain[S ~string](s S) bool { return plainPrefix(s) == len(s) }

// plainPrefix is how many bytes s begins with that JSON encodes as themselves. Every text of an event is looked at three times, so this
// looks at eight bytes at once; the last eight may be some that it has seen.
func plainPrefix[S ~string | ~[]byte](s S) int {
	if len(s) < 8 {
		i := 0
		for i < len(s) && s[i] >= ' ' && s[i] <= '~' && s[i] != '"' && s[i] != '\\' {
			i++
		}
		return i
	}
	for i := 0; ; i += 8 {
		i = min(i, len(s)-8)
		w := s[i : i+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		if marks := notPlain(x); marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
		if i == len(s)-8 {
			return len(s)
		}
	}
}

const every01 = 0x0101010101010101

// notPlain marks the bytes of x that are not plain ASCII, by their highest bits: quotes, backslashes, control characters, DEL, and
// whatever is not ASCII. The borrow of a subtraction can mark a byte falsely, but only above a true mark: the lowest mark is true.
func notPlain(x uint64) uint64 {
	controlOrQuote := (x ^ every01*2) - every01*0x21 // ^2 turns the quote into 0x20, right after the control characters
	backslash := (x ^ every01*'\\') - every01
	del := (x ^ every01*0x7f) - every01
	return (controlOrQuote | backslash | del | x) & (every01 * 0x80)
}

// encodedSize is how many bytes a rune takes in our JSON.
func encodedSize(r rune) int {
	switch {
	case r < ' ' || hidden(r) || r == '\u2028' || r == '\u2029':
		return len(`\u0000`)
	case r == '"' || r == '\\':
		return 2
	}
	return utf8.RuneLen(r)
}

// hidden reports control characters that encoding/json does not escape: DEL, C1, and those that change text direction. A terminal or editor
// showing the archive must not act on them.
func hidden(r rune) bool {
	return r >= 0x7f && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}

// escapeControls writes hidden characters as JSON escapes. They occur only inside texts, and all are below U+10000: one escape each.
func escapeControls(b []byte) []byte {
	if !slices.ContainsFunc(b, func(c byte) bool { return c >= 0x7f }) || !bytes.ContainsFunc(b, hidden) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for _, r := range string(b) {
		if hidden(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// ParseEvent reads one event as Marshal writes it. It is strict: every member known, spelled exactly and given once, nothing after the end,
// a known version, all bounds kept, id and time present. Errors wrap ErrEvent.
func ParseEvent(b []byte) (Event, error) {
	if len(b) > MaxEventBytes {
		return Event{}, fmt.Errorf("%w: more than %d bytes", ErrEvent, MaxEventBytes)
	}
	if !utf8.Valid(b) {
		return Event{}, fmt.Errorf("%w: not UTF-8", ErrEvent)
	}
	if err := checkMembers(b); err != nil {
		return Event{}, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var e Event
	if err := dec.Decode(&e); err != nil {
		return Event{}, fmt.Errorf("%w: not the JSON of an event", ErrEvent) // the cause would quote the content
	}
	if e.ID == "" || e.Time.IsZero() {
		return Event{}, fmt.Errorf("%w: id and time are required", ErrEvent)
	}
	if err := e.Validate(); err != nil {
		return Event{}, err
	}
	return e, nil
}

// Validate reports every field that is not in its proper form. ID and Time may be missing until the store sets them.
func (e Event) Validate() error {
	var errs []error
	check := func(ok bool, field, rule string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%w: %s: %s", ErrEvent, field, rule))
		}
	}
	check(e.Version == e.LowestVersion(), "v", "not a version that this gateway reads, or not that of its members")
	check(slices.Contains(kinds, e.Kind), "kind", "unknown")
	check(slices.Contains(outcomes, e.Outcome), "outcome", "unknown")
	check(e.Interaction == "" || isCode(string(e.Interaction)), "interaction", "not a code")
	check(e.Reason != "" && isCode(string(e.Reason)), "reason", "not a code")
	check(e.ID == "" || isCode(string(e.ID)), "id", "not an id")
	check(e.Time.IsZero() || isInstant(e.Time), "time", "not a time at which there was a gateway")
	check(e.Person == "" || isKey(string(e.Person)), "person", "not a person key")
	check(e.Actor.Representative == "" || isKey(string(e.Actor.Representative)), "representative", "not a person key")
	check(e.LegalGround == "" || isCode(string(e.LegalGround)), "legal_ground", "not a code")
	check(e.isHandover() || e.ApprovedBy == "" && e.Digest == "", "legal_ground", "missing, of a copy")
	check(e.Digest == "" || isKey(e.Digest), "digest", "not a SHA-256 in hex")
	check(e.Count >= 0, "count", "negative")
	check(e.DisclosedTotal == 0 || e.DisclosedTotal > len(e.Disclosed), "disclosed_total", "not more than are listed")
	check(isBounded(e), "event", "a text or list is over its bound")
	return errors.Join(errs...)
}

var (
	kinds    = []Kind{KindAccess, KindLog, KindConsent, KindPerson, KindBreakGlass, KindReview, KindUnauthenticated}
	outcomes = []Outcome{OutcomePermit, OutcomeDeny, OutcomeError}
)

// isBounded reports whether bounding leaves the event unchanged. Time is not compared: the store may keep more digits.
func isBounded(e Event) bool {
	b := e.bounded()
	b.Time = e.Time
	return reflect.DeepEqual(e, b)
}

// isInstant reports whether an event can have this time.
func isInstant(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 2000 && year <= 9999
}

// isCode reports whether s is a short code or id of ours: it is also a FHIR id (R4 §2.24.0.1), and safe to print anywhere.
func isCode(s string) bool {
	if s == "" || len(s) > maxCode {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// isKey reports whether s is a person key: 32 bytes in lower-case hex. Nothing else may take its place, least of all an identifier.
func isKey(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
