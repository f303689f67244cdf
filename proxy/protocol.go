package proxy

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"

	"zorgsluis/fhir"
)

// protocol refuses parts of HTTP that the gateway does not support: tunnels, compressed requests, other representations, and header names
// that other servers would fold into ours (leaks.md HT-7, HT-8, HT-14, MT-1, MT-6).
func protocol(r *http.Request) *refusal {
	h := r.Header
	if h.Get("Upgrade") != "" || h.Get("Http2-Settings") != "" {
		return refuse(causeMalformed, "upgrade")
	}
	if len(h.Values("Content-Type")) > 1 || len(h.Values("Content-Encoding")) > 1 {
		return refuse(causeMediaType, "media-type") // a proxy in front may have used another one
	}
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return refuse(causeMediaType, "content-encoding")
	}
	for name := range h {
		if strings.Contains(name, "_") {
			return refuse(causeMalformed, "header-name")
		}
	}
	if isGet(r) && r.ContentLength != 0 { // below zero: of unknown length, which no header of HTTP/2 shows
		return refuse(causeMalformed, "request-body")
	}
	return nil
}

// acceptsJSON reports whether the most specific matching range of Accept admits FHIR JSON of the version with a quality above zero (RFC
// 9110 §12.5.1). A missing Accept admits everything.
func acceptsJSON(values []string, v fhir.Version) bool {
	all := strings.Join(values, ",")
	if strings.TrimSpace(all) == "" {
		return true
	}
	best := 0 // how specific the best matching range is
	admitted := false
	for _, part := range strings.Split(all, ",") {
		media, params, _ := strings.Cut(part, ";")
		specific := 0
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "application/fhir+json", "application/json":
			specific = 3
		case "application/*":
			specific = 2
		case "*/*":
			specific = 1
		}
		if specific == 0 || specific < best {
			continue
		}
		ok := acceptable(params, v)
		if specific > best {
			best, admitted = specific, ok
		} else {
			admitted = admitted || ok
		}
	}
	return admitted
}

// acceptable judges the parameters of one media range.
func acceptable(params string, v fhir.Version) bool {
	for _, p := range strings.Split(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "q":
			if strings.Trim(value, "0.") == "" {
				return false
			}
		case "fhirversion":
			if value != mediaVersions[v] {
				return false
			}
		case "charset":
			if !strings.EqualFold(value, "utf-8") {
				return false
			}
		}
	}
	return true
}

// requestBody reads the body of a POST within the limit; a GET has none. Other bodies are left unread: those methods are refused with the
// same answer whatever they contain (leaks.md WR-1 … WR-18).
func (g *Gate) requestBody(r *http.Request) ([]byte, *refusal) {
	if r.Method != http.MethodPost {
		return nil, nil
	}
	return g.readBody(r)
}

// receiveStep is by how much receive reads a body, in bytes.
const receiveStep = 4 << 10

// receive reads the body of a request, within the limits, before the request takes one of the in-flight places: a body can take as long as
// a whole exchange, and its sender is not known yet. A few who never finish would keep everybody else out. give returns the memory; without
// room the request must not be served.
func (g *Gate) receive(r *http.Request, from string) (give func(), room bool) {
	limit := g.parts.Limits.RequestBody
	if isGet(r) || r.ContentLength == 0 || r.ContentLength > limit {
		return func() {}, true
	}
	var body []byte
	var taken int64
	give = func() { g.arriving.give(from, taken) }
	for int64(len(body)) <= limit {
		if !g.arriving.take(from, receiveStep) {
			return give, false
		}
		taken += receiveStep
		at := len(body)
		body = slices.Grow(body, receiveStep)[:at+receiveStep]
		n, err := io.ReadFull(r.Body, body[at:])
		if body = body[:at+n]; err != nil {
			break // the next reader gets it again
		}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	return give, true
}

// readBody reads a body within the limit.
func (g *Gate) readBody(r *http.Request) ([]byte, *refusal) {
	limit := g.parts.Limits.RequestBody
	if r.ContentLength > limit {
		return nil, refuse(causeBodyTooLong, "request-too-long")
	}
	if !g.memory.take("", limit) { // most senders are not authenticated yet
		return nil, refuse(causeOverloaded, "memory")
	}
	defer g.memory.give("", limit)
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, refuse(causeMalformed, "request-body")
	}
	if int64(len(body)) > limit {
		return nil, refuse(causeBodyTooLong, "request-too-long")
	}
	return body, nil
}

// maxDrain limits what drain reads, in bytes.
const maxDrain = 8 << 20

// drain reads the rest of a refused body. A caller who is still sending when the connection closes would get a network error instead of the
// answer.
func drain(r *http.Request) {
	if r.ContentLength != 0 {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain) // the answer is the same in any case
	}
}
