package fhir

// errVersion is a history with another resource in it than the one asked for.
const errVersion contentError = "a version of another resource than was asked"

// History reads the response to a history of one resource: a Bundle of type history in which every resource is a version of exactly
// the one wanted. Anything else is an ErrContent. Each version is judged on its own content (RD-9). Deletes are left out.
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

// AppendHistory appends a Bundle of type history with the kept versions, in order, in a wrapper of our own: no total, only our
// links, and requests and responses that say no more than that there was a version (R4 §3.1.1.1, §3.1.0.13). R4 requires both in
// every entry; STU3 has no responses in a history (bdl-4 of each).
func (c *Contents) AppendHistory(dst []byte, v Version, keep []bool, e Edits) []byte {
	closing := `}}`
	if v == R4 {
		closing = `},"response":{"status":"200"}}`
	}
	dst = append(dst, `{"resourceType":"Bundle","type":"history"`...)
	dst = appendLinks(dst, e)
	separator, opening := `,"entry":[`, openEntry(e.Base)
	for i, r := range c.Resources {
		if !keep[i] || !r.Attributed && !r.Shared {
			continue
		}
		dst = c.appendEntry(append(dst, separator...), opening, i, &e)
		separator = `,`
		dst = append(dst, `,"request":{"method":"PUT","url":`...)
		dst = appendString(dst, r.Type+"/"+string(r.ID))
		dst = append(dst, closing...)
	}
	if separator == `,` {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
