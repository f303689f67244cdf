package fhir

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
	r := &c.Resources[i]
	if !r.Attributed && !r.Shared {
		return
	}
	opening := `,{"fullUrl":`
	if s.entries == 0 {
		opening = `,"entry":[{"fullUrl":`
	}
	s.entries++
	s.edits.Attachment = attachment
	dst := appendString(append(s.dst, opening...), s.edits.Base)
	dst = append(dst[:len(dst)-1], '/')
	dst = append(append(append(dst, r.Type...), '/'), r.ID...)
	dst = append(dst, `","resource":`...)
	dst = c.AppendResource(dst, i, s.edits)
	dst = append(dst, `,"search":{"mode":"`...)
	dst = append(dst, r.Mode...)
	s.dst = append(dst, `"}}`...)
}

// Bytes ends the Bundle. Nothing can be added afterwards.
func (s *Searchset) Bytes() []byte {
	if s.entries > 0 {
		s.dst = append(s.dst, ']')
	}
	return append(s.dst, '}')
}
