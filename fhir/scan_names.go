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
	kwHousekeeping:    {"versionId", "_versionId", "source", "_source"},
	kwCategory:        {"category"},
	kwCoding:          {"coding"},
	kwText:            {"text"},
	kwLink:            {"link"},
	kwLinkTwin:        {"_link"},
	kwSecurityLabel:   {"securityLabel"},
	kwConfidentiality: {"confidentiality"},
	// leaks.md BI-12; BodyStructure.image, ExplanationOfBenefit.form and RelatedArtifact.document are among them.
	kwAttachment: {
		"attachment", "presentedForm", "content", "photo", "contentAttachment", "sourceAttachment", "valueAttachment", "form", "image",
		"document", "legallyBindingAttachment", "defaultValueAttachment",
	},
	kwAttachmentPart: {"contentType", "data", "size", "hash", "title", "creation", "language"},
	kwValueURL:       {"valueUri", "valueUrl", "valueCanonical"},
	kwEntry:          {"entry"},
	kwResource:       {"resource"},
	kwFullURL:        {"fullUrl"},
	kwSearch:         {"search"},
	kwMode:           {"mode"},
	kwRelation:       {"relation"},
}

// lexicon finds keywords: a hash table without deletion, at most half full.
type lexicon struct {
	slots [256]struct {
		fingerprint uint64
		name        string
		keyword     keyword
	}
	used int
	next keyword
}

func newLexicon() *lexicon {
	l := &lexicon{next: kwFirstMember}
	for kw, names := range keywords {
		for _, name := range names {
			l.put(name, keyword(kw))
		}
	}
	return l
}

// member gives the name of an element that decides membership a keyword, unless it has one.
func (l *lexicon) member(name string) keyword {
	if kw := l.find(fingerprint([]byte(name)), []byte(name)); kw != kwNone {
		return kw
	}
	kw := l.next
	l.next++
	l.put(name, kw)
	return kw
}

func (l *lexicon) put(name string, kw keyword) {
	fp := fingerprint([]byte(name))
	i := slot(fp)
	for l.slots[i].name != "" {
		i++
	}
	l.slots[i].fingerprint, l.slots[i].name, l.slots[i].keyword = fp, name, kw
	l.used++
}

// find is the keyword of a decoded name; names are compared exactly, case included (JS-2). Up to eight bytes the fingerprint is
// the name.
func (l *lexicon) find(fp uint64, name []byte) keyword {
	for i := slot(fp); l.slots[i].name != ""; i++ {
		s := &l.slots[i]
		if s.fingerprint == fp && len(s.name) == len(name) && (len(name) <= 8 || s.name == string(name)) {
			return s.keyword
		}
	}
	return kwNone
}

func slot(fp uint64) uint8 { return uint8(fp * 0x9E3779B97F4A7C15 >> 56) }

// fingerprint tells most names apart: it is the name itself up to eight bytes, and a mix of both its ends above.
func fingerprint(name []byte) uint64 {
	n := len(name)
	if n > 8 {
		head, tail := binary.LittleEndian.Uint64(name), binary.LittleEndian.Uint64(name[n-8:])
		return head ^ bits.RotateLeft64(tail, 23) ^ uint64(n)<<56
	}
	if n >= 4 {
		head, tail := binary.LittleEndian.Uint32(name), binary.LittleEndian.Uint32(name[n-4:])
		return uint64(head) | uint64(tail)<<((n-4)*8)
	}
	var fp uint64
	for i := range n {
		fp |= uint64(name[i]) << (8 * i)
	}
	return fp
}

// memberName is one name of an object that is being read, to find duplicates.
type memberName struct {
	fingerprint uint64
	text        token
}
