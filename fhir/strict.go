package fhir

// Strict reports, as an ErrContent, where body is not exactly one JSON object by the rules that hold for answers of a source: the full
// grammar, UTF-8, no duplicate member at any depth, bounded depth, nothing after the end. It looks at no meaning: it is for request
// bodies that are decoded afterwards.
func (r *Reader) Strict(body []byte) error {
	var c Contents
	return r.read(body, &c, c.walk.skip)
}
