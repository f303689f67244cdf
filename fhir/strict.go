package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// maxDecodeDepth bounds the nesting of what DecodeStrict takes.
const maxDecodeDepth = 48

// errNotStrict is the only error of DecodeStrict.
var errNotStrict = errors.New("not one strict JSON value")

// DecodeStrict decodes one JSON value, and fails where two parsers could read it differently: duplicate members, invalid UTF-8, too
// much depth, anything after the end. Numbers stay text (json.Number). It is for small answers of servers other than sources.
func DecodeStrict(body []byte) (any, error) {
	value, ok := decodeStrict(body, maxDecodeDepth)
	if !ok {
		return nil, errNotStrict
	}
	return value, nil
}

// Strict returns an ErrContent unless body is exactly one JSON object by the rules for source responses: the full grammar, UTF-8,
// no duplicate member at any depth, bounded depth, nothing after the end. It looks at no meaning: it is for request bodies that are
// decoded afterwards.
func (r *Reader) Strict(body []byte) error {
	var c Contents
	return r.read(body, &c, c.walk.skip)
}

// decodeStrict decodes one JSON value, at most depth levels deep.
func decodeStrict(body []byte, depth int) (any, bool) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	value, ok := strictValue(d, depth)
	if !ok {
		return nil, false
	}
	_, err := d.Token()
	return value, err == io.EOF
}
