package fhir

import (
	"bytes"
	"cmp"
)

// Edits say what is changed in the resources that are released. Everything else is copied byte for byte, so that unknown
// elements, extensions and decimals survive.
type Edits struct {
	// Base is the FHIR base of the gateway for this source, an absolute URL without a trailing slash.
	Base string
	// Self and Next are absolute links of the gateway's own; "" is none.
	Self, Next string
	// StripIdentifiers removes the identifiers of the person systems, and the narratives of resources that hold one.
	StripIdentifiers bool
	// KeepDisplay says whether the display of references to a type may stay; the type is "" where the reference tells none. Nil
	// keeps none.
	KeepDisplay func(typ string) bool
	// Attachment gives the absolute URL that stands in for the link of an attachment to a Binary of the source. Where it gives "",
	// and where it is nil, the link is removed, as all other links of attachments are, and all those of shared resources. It may be
	// called more than once for one link.
	Attachment func(binary ID) string
}

// removal says why something is not copied as it is.
type removal uint8

const (
	removed          removal = iota // it goes in every rendering
	stripped                        // it goes where person identifiers are stripped
	withDisplay                     // it goes where the display of references to a type is not kept
	rewritten                       // it stays: a string with a URL of the source
	linked                          // the link of an attachment: it becomes one of ours, or goes
	unlinked                        // it goes where the attachments in it get no links
	strippedUnlinked                // it goes where both hold
)

// edit is a place in the body that is not copied as it is: a member or element that goes, or a string that is rewritten.
type edit struct {
	at   span
	kind removal
	typ  uint16 // withDisplay: the number of the type that the reference points at
}

// compare orders edits by place, the outer ones first.
func (a edit) compare(b edit) int {
	return cmp.Or(cmp.Compare(a.at.start, b.at.start), cmp.Compare(b.at.end, a.at.end))
}

// AppendResource appends resource i of the contents. A resource that is neither attributed nor shared is never written: it appends
// nothing.
func (c *Contents) AppendResource(dst []byte, i int, e Edits) []byte {
	switch r := &c.Resources[i]; {
	case r.Shared:
		e.Attachment = nil // nobody's record holds it
	case !r.Attributed:
		return dst
	}
	body, p := c.walk.body, &c.places[i]
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
		dst, done = cutMember(dst, body, done)
	}
	return append(dst, body[done:p.at.end]...)
}

// applies reports whether an edit is due.
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

// cutMember leaves out a member or element that ends at end: it takes the comma after it, or else the one before it, which
// stands at the end of dst already.
func cutMember(dst, body []byte, end uint32) ([]byte, uint32) {
	const white = " \t\r\n"
	rest := bytes.TrimLeft(body[end:], white)
	if rest[0] == ',' {
		rest = bytes.TrimLeft(rest[1:], white)
		return dst, uint32(len(body) - len(rest))
	}
	if before, ok := bytes.CutSuffix(bytes.TrimRight(dst, white), []byte(",")); ok {
		dst = before
	}
	return dst, end
}

// appendRewritten appends a string in which URLs of the source are turned into ours.
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

// AppendSearchset appends a Bundle of type searchset with the resources that are kept, in their order: a Searchset of one answer.
func (c *Contents) AppendSearchset(dst []byte, keep []bool, e Edits) []byte {
	s := NewSearchset(dst, e)
	for i := range c.Resources {
		if keep[i] {
			s.Add(c, i, e.Attachment)
		}
	}
	return s.Bytes()
}

// appendEntry appends an entry of a Bundle up to and including its resource.
func (c *Contents) appendEntry(dst []byte, i int, e *Edits) []byte {
	r := &c.Resources[i]
	dst = appendString(append(dst, `{"fullUrl":`...), e.Base)
	dst = append(dst[:len(dst)-1], '/')
	dst = append(append(append(dst, r.Type...), '/'), r.ID...)
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
