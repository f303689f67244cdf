package fhir

import (
	"bytes"
	"cmp"
)

// Edits say what is changed in released resources. Everything else is copied byte for byte, so that unknown elements, extensions
// and decimals survive.
type Edits struct {
	// Base is the FHIR base of the gateway for this source, an absolute URL without a trailing slash.
	Base string
	// Self and Next are absolute links of the gateway's own; "" is none.
	Self, Next string
	// StripIdentifiers removes the identifiers of the person systems, and the narratives of resources that hold one.
	StripIdentifiers bool
	// Number is the number that identifies the patient. Where identifiers are stripped, it is masked in all other strings too: in texts,
	// and in identifiers without a system or of another one. It is ignored if it is not made of digits.
	Number string
	// KeepDisplay says whether references to a type keep their display; the type is "" if the reference does not tell it. Nil keeps none.
	KeepDisplay func(typ string) bool
	// Attachment returns the absolute URL that replaces an attachment's link to a Binary of the source. If it is nil or returns "",
	// the link is removed, as are all other links of attachments and all those of shared resources. It may be called more than once
	// for one link.
	Attachment func(binary ID) string
}

// removal says why something is not copied verbatim.
type removal uint8

const (
	removed          removal = iota // removed in every rendering
	stripped                        // removed where person identifiers are stripped
	withDisplay                     // removed where the display of references to a type is not kept
	rewritten                       // a string whose URLs of the source are replaced
	linked                          // the link of an attachment: replaced by one of ours, or removed
	unlinked                        // removed where the attachments in it get no links
	strippedUnlinked                // removed where both hold
)

// edit is a range of the body that is not copied verbatim: a member or element that is removed, or a string that is rewritten.
type edit struct {
	at   span
	kind removal
	typ  uint16 // withDisplay: the number of the reference's target type
}

// compare orders edits by position, outer ones first.
func (a edit) compare(b edit) int {
	return cmp.Or(cmp.Compare(a.at.start, b.at.start), cmp.Compare(b.at.end, a.at.end))
}

// AppendResource appends resource i of the contents. A resource that is neither attributed nor shared is never written: it appends
// nothing.
func (c *Contents) AppendResource(dst []byte, i int, e Edits) []byte {
	switch r := &c.Resources[i]; {
	case r.Shared:
		e.Attachment = nil // it is in no patient's record
	case !r.Attributed:
		return dst
	}
	body, p, from := c.walk.body, &c.places[i], len(dst)
	done := p.at.start
	for _, ed := range c.walk.edits[p.edits[0]:p.edits[1]] {
		if ed.at.start < done || !c.applies(ed, p, &e) {
			continue
		}
		dst = append(dst, body[done:ed.at.start]...)
		done = ed.at.end
		switch ed.kind {
		case rewritten:
			dst = c.appendRewritten(dst, ed.at, &e)
			continue
		case linked:
			if url := c.link(p, ed.at, &e); url != "" {
				dst = appendString(append(dst, `"url":`...), url)
				continue
			}
		}
		dst, done = c.cutMember(dst, done)
	}
	dst = append(dst, body[done:p.at.end]...)
	if e.StripIdentifiers {
		maskNumber(dst[from:], e.Number)
	}
	return dst
}

// applies reports whether an edit is due under e.
func (c *Contents) applies(ed edit, p *place, e *Edits) bool {
	switch ed.kind {
	case stripped:
		return e.StripIdentifiers
	case unlinked:
		return c.link(p, ed.at, e) == ""
	case strippedUnlinked:
		return e.StripIdentifiers && c.link(p, ed.at, e) == ""
	case withDisplay:
		return e.KeepDisplay == nil || !e.KeepDisplay(c.walk.r.typeNames[ed.typ])
	}
	return true
}

// cutMember leaves out a member or element of the body that ends at end, with the comma after it or else the one before it, at the end of
// dst.
func (c *Contents) cutMember(dst []byte, end uint32) ([]byte, uint32) {
	w := &c.walk
	if i := w.space(int(end)); w.body[i] == ',' {
		return dst, uint32(w.space(i + 1))
	}
	if before, ok := bytes.CutSuffix(bytes.TrimRight(dst, " \t\r\n"), []byte(",")); ok {
		dst = before
	}
	return dst, end
}

// appendRewritten appends a string with URLs of the source replaced by ours.
func (c *Contents) appendRewritten(dst []byte, at span, e *Edits) []byte {
	w := &c.walk
	mark := len(w.scratch)
	text := w.decode(w.body[at.start+1 : at.end-1])
	from := len(w.scratch)
	w.scratch = w.r.host.appendRewritten(w.scratch, text, e.Base)
	dst = appendString(dst, w.scratch[from:])
	w.scratch = w.scratch[:mark]
	return dst
}

// AppendSearchset appends a Bundle of type searchset with the kept resources, in order: a Searchset of one response.
func (c *Contents) AppendSearchset(dst []byte, keep []bool, e Edits) []byte {
	s := NewSearchset(dst, e)
	for i := range c.Resources {
		if keep[i] {
			s.Add(c, i, e.Attachment)
		}
	}
	return s.Bytes()
}

// openEntry returns how the entries of a Bundle begin, up to the name of the resource.
func openEntry(base string) []byte {
	b := appendString(append(make([]byte, 0, 64+len(base)), `{"fullUrl":`...), base)
	b[len(b)-1] = '/' // instead of the quote
	return b
}

// appendEntry appends an entry of a Bundle up to and including its resource. opening is that of openEntry.
func (c *Contents) appendEntry(dst, opening []byte, i int, e *Edits) []byte {
	r := &c.Resources[i]
	dst = append(append(append(append(dst, opening...), r.Type...), '/'), r.ID...)
	return c.AppendResource(append(dst, `","resource":`...), i, *e)
}

// appendLinks appends the links of the Bundle.
func appendLinks(dst []byte, e Edits) []byte {
	opening := `,"link":[{"relation":"`
	for _, link := range [...]struct{ relation, url string }{{"self", e.Self}, {"next", e.Next}} {
		if link.url == "" {
			continue
		}
		dst = append(append(append(dst, opening...), link.relation...), `","url":`...)
		dst = append(appendString(dst, link.url), '}')
		opening = `,{"relation":"`
	}
	if opening[1] == '{' {
		dst = append(dst, ']')
	}
	return dst
}
