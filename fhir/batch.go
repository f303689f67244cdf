package fhir

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// maxBatchDepth bounds the nesting of a batch: a Bundle of reads and searches has four levels.
const maxBatchDepth = 16

// BatchEntry is one entry of a batch: a request for ParseInteraction, or why the entry is refused.
type BatchEntry struct {
	Request Request
	Err     *RequestError // nil if Request is set
}

// ParseBatch reads the body of a POST to the FHIR base (R4 §3.1.0.11): a Bundle of type batch with at most limit entries, which are
// reads and searches by GET. The JSON is read as strictly as source responses: valid UTF-8, no duplicate members, bounded depth,
// nothing after the end. An entry that asks for anything else is refused by itself; the error, always a *RequestError, is about the
// whole batch. The media type is not checked here.
func ParseBatch(body []byte, limit int) ([]BatchEntry, error) {
	root, ok := decodeStrict(body, maxBatchDepth)
	bundle, isObject := root.(map[string]any)
	if !ok || !isObject {
		return nil, &RequestError{Reason: "the body is not strict JSON"}
	}
	if name, found := stranger(bundle, "resourceType type entry id meta identifier language timestamp"); found {
		return nil, &RequestError{Kind: NotSupported, Element: echo(name), Reason: "a batch has no such element"}
	}
	if bundle["resourceType"] != "Bundle" {
		return nil, &RequestError{Element: "resourceType", Reason: "the body is not a Bundle"}
	}
	if bundle["type"] != "batch" { // a transaction, a message, a document: BA-8
		return nil, &RequestError{Kind: NoOperation, Element: "type", Reason: "only a batch is served"}
	}
	list, given := bundle["entry"]
	entries, isList := list.([]any)
	switch {
	case given && !isList:
		return nil, &RequestError{Element: "entry", Reason: "the element is not a list"}
	case len(entries) > limit:
		return nil, &RequestError{Kind: TooLong, Element: "entry", Reason: "too many entries"}
	}
	batch := make([]BatchEntry, len(entries))
	for n, entry := range entries {
		batch[n] = batchEntry(entry)
	}
	return batch, nil
}

// batchEntry reads one entry, which must have a request and nothing else (BA-3, BA-7).
func batchEntry(entry any) BatchEntry {
	fields, ok := entry.(map[string]any)
	request, hasRequest := fields["request"].(map[string]any)
	if !ok || !hasRequest {
		return refusedEntry(Malformed, "request", "the entry has no request")
	}
	if name, found := stranger(fields, "request"); found {
		return refusedEntry(NotSupported, echo(name), "an entry has a request only")
	}
	if name, found := stranger(request, "method url"); found { // BA-5: conditions are questions about what is hidden
		return refusedEntry(NotSupported, echo(name), "a request has a method and a url only")
	}
	url, ok := request["url"].(string)
	switch {
	case request["method"] != "GET":
		return refusedEntry(NoMethod, "method", "an entry is read or searched by GET")
	case !ok:
		return refusedEntry(Malformed, "url", "the request has no url")
	}
	path, query, asked := strings.Cut(url, "?")
	switch {
	case asked && query == "":
		return refusedEntry(Malformed, "url", "the query is empty")
	case strings.HasSuffix(path, "/$everything"): // a Bundle inside a Bundle
		return refusedEntry(NoOperation, "$everything", "operation not served in a batch")
	case strings.HasPrefix(path, typeBinary+"/"):
		return refusedEntry(NoOperation, typeBinary, "attachments are not served in a batch")
	}
	return BatchEntry{Request: Request{Method: "GET", Path: path, RawQuery: query}}
}

// stranger returns the first member, by name, that is not among the known ones.
func stranger(object map[string]any, known string) (string, bool) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(strings.Fields(known), name) {
			return name, true
		}
	}
	return "", false
}

func refusedEntry(kind Kind, element, reason string) BatchEntry {
	return BatchEntry{Err: &RequestError{Kind: kind, Element: element, Reason: reason}}
}

// strictValue decodes the next value, at most depth levels deep.
func strictValue(d *json.Decoder, depth int) (any, bool) {
	token, err := d.Token()
	if err != nil || depth == 0 {
		return nil, false
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			value, ok := strictValue(d, depth-1)
			if !ok {
				return nil, false
			}
			list = append(list, value)
		}
		_, err = d.Token()
		return list, err == nil
	case json.Delim('{'):
		object := map[string]any{}
		for d.More() {
			name, err := d.Token() // a string, or the decoder fails
			if err != nil {
				return nil, false
			}
			key, isText := name.(string)
			value, ok := strictValue(d, depth-1)
			if _, twice := object[key]; twice || !ok || !isText {
				return nil, false
			}
			object[key] = value
		}
		_, err = d.Token()
		return object, err == nil
	}
	return token, true
}
