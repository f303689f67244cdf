package fhir

// errVersion is a history with another resource in it than was asked.
const errVersion contentError = "a version of another resource than was asked"

// History reads the answer to a history of one resource: a Bundle of type history, of which every entry that has a resource is a
// version of exactly the one wanted; everything else is an ErrContent. Each version is judged on its own content (RD-9). Entries that
// are deletes are not among the contents.
func (r *Reader) History(body []byte, want LocalReference, dst *Contents) error {
	err := r.read(body, dst, dst.history)
	if err != nil {
		return err
	}
	for _, got := range dst.Resources {
		if (LocalReference{got.Type, got.ID}) != want {
			dst.forget()
			return errVersion
		}
	}
	return nil
}

// AppendHistory appends a Bundle of type history with the versions that are kept, in their order, under a wrapper of our own: no
// total, no links but ours, and requests and responses that say no more than that there was a version (R4 §3.1.1.1, §3.1.0.13).
// R4 wants both of every entry; STU3 has no responses in a history (bdl-4 of each).
func (c *Contents) AppendHistory(dst []byte, v Version, keep []bool, e Edits) []byte {
	closing := `}}`
	if v == R4 {
		closing = `},"response":{"status":"200"}}`
	}
	dst = append(dst, `{"resourceType":"Bundle","type":"history"`...)
	dst = appendLinks(dst, e)
	opening := `,"entry":[`
	for i, r := range c.Resources {
		if !keep[i] || !r.Attributed && !r.Shared {
			continue
		}
		dst = c.appendEntry(append(dst, opening...), i, &e)
		opening = `,`
		dst = append(dst, `,"request":{"method":"PUT","url":`...)
		dst = appendString(dst, r.Type+"/"+string(r.ID))
		dst = append(dst, closing...)
	}
	if opening == `,` {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
