//go:build !release

package demo

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"time"

	"zorgsluis/fhir"
)

// maxCursors limits the searches whose further pages are kept; the oldest are dropped first.
const maxCursors = 1000

// cursor is a search result that is being paged.
type cursor struct {
	handle  string
	search  search
	matches []*stored
	size    int
}

// page renders one page of a result: the matches from offset on, and what they include. The caller must hold the lock.
func (s *Source) page(c *cursor, offset int) []byte {
	until := min(offset+c.size, len(c.matches))
	matches := c.matches[min(offset, until):until]
	var included []*stored
	if len(c.search.includes) > 0 {
		included = s.store.included(c.search, matches, s.url)
	}
	size := 1000
	for _, r := range matches {
		size += len(r.raw) + 200
	}
	var b bytes.Buffer
	b.Grow(size)
	b.WriteString(`{"resourceType":"Bundle","id":`)
	writeString(&b, randomID())
	b.WriteString(`,"meta":{"lastUpdated":`)
	writeString(&b, s.now().UTC().Format("2006-01-02T15:04:05.000Z"))
	b.WriteString(`},"type":"searchset","total":` + strconv.Itoa(len(c.matches)) + `,"link":[`)
	writeLink(&b, "self", s.selfLink(c, offset))
	if until < len(c.matches) && c.size > 0 {
		b.WriteByte(',')
		writeLink(&b, "next", s.pageLink(c, until))
	}
	b.WriteByte(']')
	separator := `,"entry":[`
	for i, r := range slices.Concat(matches, included) {
		mode := "match"
		if i >= len(matches) {
			mode = "include"
		}
		b.WriteString(separator + `{"fullUrl":`)
		writeString(&b, s.url+"/"+r.name())
		b.WriteString(`,"resource":`)
		b.Write(r.raw)
		b.WriteString(`,"search":{"mode":"` + mode + `"}}`)
		separator = ","
	}
	if separator == "," {
		b.WriteByte(']')
	}
	b.WriteByte('}')
	return b.Bytes()
}

// newCursor keeps a result for its further pages.
func (s *Source) newCursor(q search, matches []*stored) *cursor {
	size := s.options.PageSize
	if q.count >= 0 {
		size = q.count
	}
	if q.summary {
		size = 0
	}
	c := &cursor{handle: randomID(), search: q, matches: matches, size: size}
	if len(matches) > size && size > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cursors = append(s.cursors, c)
		if len(s.cursors) > maxCursors {
			s.cursors = slices.Delete(s.cursors, 0, 1)
		}
	}
	return c
}

func (s *Source) selfLink(c *cursor, offset int) string {
	if offset > 0 {
		return s.pageLink(c, offset)
	}
	if len(c.search.known) == 0 {
		return s.url + "/" + c.search.typ
	}
	return s.url + "/" + c.search.typ + "?" + c.search.known.Encode()
}

// pageLink returns a page link in the form of HAPI FHIR.
func (s *Source) pageLink(c *cursor, offset int) string {
	return s.url + "?_getpages=" + url.QueryEscape(c.handle) + "&_getpagesoffset=" + strconv.Itoa(offset) +
		"&_count=" + strconv.Itoa(c.size) + "&_bundletype=searchset"
}

func writeLink(b *bytes.Buffer, relation, target string) {
	b.WriteString(`{"relation":"` + relation + `","url":`)
	writeString(b, target)
	b.WriteByte('}')
}

// writeString writes a JSON string with & < > as they are, as FHIR servers do.
func writeString(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) == nil {
		b.Truncate(b.Len() - 1) // the line feed
	}
}

// outcome renders an OperationOutcome with one issue.
func outcome(code, text string) []byte {
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"` + code + `","diagnostics":`)
	writeString(&b, text)
	b.WriteString(`}]}`)
	return b.Bytes()
}

// capability renders the source's CapabilityStatement, as short as FHIR allows.
func (s *Source) capability() []byte {
	version := map[fhir.Version]string{fhir.R4: "4.0.1", fhir.STU3: "3.0.2"}[s.options.Version]
	return []byte(`{"resourceType":"CapabilityStatement","status":"active","date":"` + s.now().UTC().Format(time.DateOnly) +
		`","kind":"instance","fhirVersion":"` + version + `","format":["application/fhir+json"],` +
		`"implementation":{"description":"Zorgsluis demo source","url":"` + s.url + `"},"rest":[{"mode":"server"}]}`)
}
