package fhir

import (
	"cmp"
	"encoding/base64"
)

// Searchset renders a Bundle of type searchset entry by entry, so that one page can be made of several source responses. The
// wrapper is our own: no total, only our links, and in an entry only fullUrl, resource and search mode (R4 §3.1.1.1).
type Searchset struct {
	dst     []byte
	edits   Edits
	opening []byte // of each entry: openEntry
	entries int
}

// NewSearchset begins a Bundle at the end of dst.
func NewSearchset(dst []byte, e Edits) *Searchset {
	dst = append(dst, `{"resourceType":"Bundle","type":"searchset"`...)
	return &Searchset{dst: appendLinks(dst, e), edits: e}
}

// Add appends resource i of contents as an entry, with attachment as Edits.Attachment. A resource that is neither attributed nor
// shared is never written.
func (s *Searchset) Add(c *Contents, i int, attachment func(binary ID) string) {
	s.AddAs(c, i, c.Resources[i].Mode, attachment)
}

// AddAs is Add with a search mode other than the source's: a match of a later page can be an include of this one.
func (s *Searchset) AddAs(c *Contents, i int, mode Mode, attachment func(binary ID) string) {
	r := &c.Resources[i]
	if !r.Attributed && !r.Shared {
		return
	}
	s.edits.Attachment = attachment
	s.open()
	s.dst = c.appendEntry(s.dst, s.opening, i, &s.edits)
	s.close(cmp.Or(mode, ModeMatch))
}

// AddBinary appends a Binary as an included entry: its id, content type and content, and nothing else from the source.
func (s *Searchset) AddBinary(v Version, id ID, b Binary) {
	content := `","data":"`
	if v == STU3 {
		content = `","content":"`
	}
	s.open()
	dst := append(append(append(s.dst, s.opening...), `Binary/`...), id...)
	dst = append(append(dst, `","resource":{"resourceType":"Binary","id":"`...), id...)
	dst = appendString(append(dst, `","contentType":`...), b.ContentType)
	dst = append(dst[:len(dst)-1], content...)
	s.dst = append(base64.StdEncoding.AppendEncode(dst, b.Data), `"}`...)
	s.close(ModeInclude)
}

// open begins an entry; close ends one after its resource.
func (s *Searchset) open() {
	separator := `,`
	if s.entries == 0 {
		separator, s.opening = `,"entry":[`, openEntry(s.edits.Base)
	}
	s.entries++
	s.dst = append(s.dst, separator...)
}

func (s *Searchset) close(mode Mode) {
	s.dst = append(append(append(s.dst, `,"search":{"mode":"`...), mode...), `"}}`...)
}

// Bytes ends the Bundle. Nothing can be added afterwards.
func (s *Searchset) Bytes() []byte {
	if s.entries > 0 {
		s.dst = append(s.dst, ']')
	}
	return append(s.dst, '}')
}
