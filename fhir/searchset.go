package fhir

import "cmp"

// Searchset renders a Bundle of type searchset entry by entry, so that one page can be made of several answers of a source. The
// wrapper is our own: no total, no links but ours, of an entry nothing but fullUrl, resource and search mode (R4 §3.1.1.1).
type Searchset struct {
	dst     []byte
	edits   Edits
	entries int
}

// NewSearchset begins a Bundle at the end of dst.
func NewSearchset(dst []byte, e Edits) *Searchset {
	dst = append(dst, `{"resourceType":"Bundle","type":"searchset"`...)
	return &Searchset{dst: appendLinks(dst, e), edits: e}
}

// Add appends resource i of contents as an entry, its attachments with the links that attachment makes (Edits.Attachment). A resource
// that is neither attributed nor shared is never written.
func (s *Searchset) Add(c *Contents, i int, attachment func(binary ID) string) {
	s.AddAs(c, i, c.Resources[i].Mode, attachment)
}

// AddAs is Add with another search mode than the source's: what is a match of a later page came along with one of this page.
func (s *Searchset) AddAs(c *Contents, i int, mode Mode, attachment func(binary ID) string) {
	r := &c.Resources[i]
	if !r.Attributed && !r.Shared {
		return
	}
	opening := `,`
	if s.entries == 0 {
		opening = `,"entry":[`
	}
	s.entries++
	s.edits.Attachment = attachment
	dst := c.appendEntry(append(s.dst, opening...), i, &s.edits)
	dst = append(dst, `,"search":{"mode":"`...)
	dst = append(dst, cmp.Or(mode, ModeMatch)...)
	s.dst = append(dst, `"}}`...)
}

// Bytes ends the Bundle. Nothing can be added afterwards.
func (s *Searchset) Bytes() []byte {
	if s.entries > 0 {
		s.dst = append(s.dst, ']')
	}
	return append(s.dst, '}')
}
