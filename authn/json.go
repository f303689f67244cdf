package authn

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
)

// maxDepth bounds the nesting of a header or payload. Real tokens need about five levels.
const maxDepth = 16

var errJSON = errors.New("not one strict JSON object")

// parseObject reads exactly one JSON object, and only if no two parsers can read it differently (leaks.md JS-1 to JS-8): no member twice,
// compared after unescaping and without regard to case (go-oidc reads its claims with encoding/json, which takes the last of `iss` and
// `ISS`), no broken UTF-8, no NUL, bounded depth. Numbers stay text (json.Number).
func parseObject(b []byte) (map[string]any, error) {
	// Valid before Token: the token reader alone is more lenient than the grammar.
	if !json.Valid(b) {
		return nil, errJSON
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	value, err := readValue(d, maxDepth)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errJSON
	}
	return object, nil
}

func readValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, errJSON
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == 0 {
			return nil, errJSON
		}
		if t == '{' {
			return readMembers(d, depth-1)
		}
		return readElements(d, depth-1)
	case string:
		if !isCleanString(t) {
			return nil, errJSON
		}
		return t, nil
	default:
		return t, nil
	}
}

func readMembers(d *json.Decoder, depth int) (map[string]any, error) {
	object := make(map[string]any)
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok || !isCleanString(name) {
			return nil, errJSON
		}
		if folded := fold(name); seen[folded] {
			return nil, errJSON
		} else {
			seen[folded] = true
		}
		if object[name], err = readValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token() // the closing brace
	return object, err
}

func readElements(d *json.Decoder, depth int) ([]any, error) {
	array := []any{}
	for d.More() {
		value, err := readValue(d, depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := d.Token() // the closing bracket
	return array, err
}

// isCleanString refuses NUL and U+FFFD. The decoder replaces broken UTF-8 and an escaped lone surrogate by U+FFFD, which would make two
// different names equal; written out by the issuer, it is the trace of a character that was lost earlier.
func isCleanString(s string) bool {
	return !strings.ContainsAny(s, "\x00\uFFFD")
}

// fold maps all spellings that strings.EqualFold considers equal to one: the smallest rune of each folding orbit, so that U+017F is s and
// the Kelvin sign is k, as for encoding/json.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}
