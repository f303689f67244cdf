package fhir

import (
	"encoding/binary"
	"math/bits"
)

// keyword is a member name that the reader gives a meaning to. The names of the elements that decide membership get keywords of
// their own, after these.
type keyword uint8

const (
	kwNone keyword = iota
	kwResourceType
	kwID
	kwMeta
	kwContained
	kwExtension // extension, modifierExtension
	kwReference
	kwType
	kwIdentifier
	kwDisplay
	kwDisplayTwin
	kwSystem
	kwCode
	kwValue
	kwURL
	kwURLTwin
	kwSecurity
	kwSecurityTwin
	kwTag
	kwHousekeeping // versionId and source of meta, and their twins
	kwCategory
	kwCoding
	kwText
	kwLink
	kwLinkTwin
	kwSecurityLabel
	kwConfidentiality
	kwAttachment     // the elements of type Attachment
	kwAttachmentPart // members that only an Attachment has beside url
	kwValueURL       // value[x] of the types uri, url and canonical
	kwEntry
	kwResource
	kwFullURL
	kwSearch
	kwMode
	kwRequest
	kwMethod
	kwRelation
	kwFirstMember // of the elements that decide membership
)

// keywords are the names behind each keyword.
var keywords = [kwFirstMember][]string{
	kwResourceType:    {"resourceType"},
	kwID:              {"id"},
	kwMeta:            {"meta"},
	kwContained:       {"contained"},
	kwExtension:       {"extension", "modifierExtension"},
	kwReference:       {"reference"},
	kwType:            {"type"},
	kwIdentifier:      {"identifier"},
	kwDisplay:         {"display"},
	kwDisplayTwin:     {"_display"},
	kwSystem:          {"system"},
	kwCode:            {"code"},
	kwValue:           {"value"},
	kwURL:             {"url"},
	kwURLTwin:         {"_url"},
	kwSecurity:        {"security"},
	kwSecurityTwin:    {"_security"},
	kwTag:             {"tag"},
	kwHousekeeping:    {"versionId", "_versionId", "source", "_source"},
	kwCategory:        {"category"},
	kwCoding:          {"coding"},
	kwText:            {"text"},
	kwLink:            {"link"},
	kwLinkTwin:        {"_link"},
	kwSecurityLabel:   {"securityLabel"},
	kwConfidentiality: {"confidentiality"},
	// leaks.md BI-12; BodyStructure.image, ExplanationOfBenefit.form and RelatedArtifact.document are among them. Only STU3 has
	// bindingAttachment (Contract), pAttachment (DocumentManifest), initialAttachment and answerAttachment (Questionnaire).
	kwAttachment: {
		"attachment", "presentedForm", "content", "photo", "contentAttachment", "sourceAttachment", "valueAttachment", "form", "image",
		"document", "legallyBindingAttachment", "bindingAttachment", "pAttachment", "initialAttachment", "answerAttachment", "defaultValueAttachment",
		"fixedAttachment", "patternAttachment",
	},
	kwAttachmentPart: {"contentType", "data", "size", "hash", "title", "creation", "language"},
	kwValueURL:       {"valueUri", "valueUrl", "valueCanonical"},
	kwEntry:          {"entry"},
	kwResource:       {"resource"},
	kwFullURL:        {"fullUrl"},
	kwSearch:         {"search"},
	kwMode:           {"mode"},
	kwRequest:        {"request"},
	kwMethod:         {"method"},
	kwRelation:       {"relation"},
}

// nameKey is a name of at most 16 bytes, padded with NUL, which no name has in it. Of a longer name it tells most others apart.
type nameKey struct{ lo, hi uint64 }

// keyOf is the key of a decoded name, and whether it is the whole name.
func keyOf(name []byte) (key nameKey, whole bool) {
	var b [16]byte
	n := copy(b[:], name)
	if whole = n == len(name); !whole {
		copy(b[8:], name[len(name)-8:])
	}
	return nameKey{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}, whole
}

// hash spreads a key over all 64 bits.
func (k nameKey) hash() uint64 {
	return (k.lo ^ bits.RotateLeft64(k.hi, 29)) * 0x9E3779B97F4A7C15
}

// lexicon finds keywords by name. Names are compared exactly, case included (JS-2).
type lexicon struct {
	slots [512]struct {
		key     nameKey
		keyword keyword
	}
	long map[string]keyword // names that are longer than a key
	next keyword
}

func newLexicon() *lexicon {
	l := &lexicon{next: kwFirstMember, long: map[string]keyword{}}
	for kw, names := range keywords {
		for _, name := range names {
			l.put(name, keyword(kw))
		}
	}
	return l
}

// member gives the name of an element that decides membership a keyword, unless it has one.
func (l *lexicon) member(name string) keyword {
	key, whole := keyOf([]byte(name))
	if kw := l.find(key, whole, []byte(name)); kw != kwNone {
		return kw
	}
	kw := l.next
	l.next++
	l.put(name, kw)
	return kw
}

// put adds a name. Collisions go to the next slot; the table is never a quarter full.
func (l *lexicon) put(name string, kw keyword) {
	key, whole := keyOf([]byte(name))
	if !whole {
		l.long[name] = kw
		return
	}
	i := slot(key)
	for l.slots[i].keyword != kwNone {
		i = (i + 1) % uint64(len(l.slots))
	}
	l.slots[i].key, l.slots[i].keyword = key, kw
}

// find is the keyword of a name, given its key and, where that is not the whole name, its text.
func (l *lexicon) find(key nameKey, whole bool, text []byte) keyword {
	if !whole {
		return l.long[string(text)]
	}
	i := slot(key)
	for l.slots[i].keyword != kwNone && l.slots[i].key != key {
		i = (i + 1) % uint64(len(l.slots))
	}
	return l.slots[i].keyword
}

// nameCache holds names that were read before: plain ones, of at most 16 bytes. The few hundred that a response consists of are told
// by one comparison.
type nameCache [256]struct {
	key     nameKey
	keyword keyword
}

// slot is where the search for a key begins.
func slot(k nameKey) uint64 { return k.hash() >> 55 }

// memberName is one name of an object that is being read, to find duplicates.
type memberName struct {
	key   nameKey
	whole bool // the key is the whole name
	text  token
}

// members are the names of an object that is being read.
type members struct {
	base int    // where they begin in walk.names
	seen uint64 // a bit for each, by hash: most new names are told by it
}
