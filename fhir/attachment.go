package fhir

import (
	"cmp"
	"slices"
)

// attachment is the link of an Attachment to a Binary of the source: the member that holds it, and the Binary's id.
type attachment struct {
	at span
	id []byte
}

func (a attachment) compare(b attachment) int { return cmp.Compare(a.at.start, b.at.start) }

// Attachments lists the ids of the source's own Binaries that attachments in resource i link to, each once, including contained
// resources: the ids that Edits.Attachment is called with. A shared resource has none, since no permission covers them.
func (c *Contents) Attachments(i int) []ID {
	if !c.Resources[i].Attributed {
		return nil
	}
	var ids []ID
	p := &c.places[i]
	for _, a := range c.walk.attachments[p.attachments[0]:p.attachments[1]] {
		if id := ID(a.id); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// link returns the first link of ours that the attachments within a range of a resource get; "" if none gets one.
func (c *Contents) link(p *place, within span, e *Edits) string {
	if e.Attachment == nil {
		return ""
	}
	all := c.walk.attachments[p.attachments[0]:p.attachments[1]]
	first, _ := slices.BinarySearchFunc(all, within.start, func(a attachment, start uint32) int { return cmp.Compare(a.at.start, start) })
	for _, a := range all[first:] {
		if a.at.end > within.end {
			break
		}
		if url := e.Attachment(ID(a.id)); url != "" {
			return url
		}
	}
	return ""
}
