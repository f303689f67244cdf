package proxy

import (
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"zorgsluis/fhir"
)

// fetched is a source's answer, read whole. Its body is pooled memory under the budget: release returns both, after which nothing that
// refers to the body may be used.
type fetched struct {
	body  []byte
	taken int64
	owner string
	found bool // false: the source has no such resource (404, 410)
	gate  *Gate
}

// bodies pools response buffers. Those larger than keptBuffer are left to the garbage collector, so that one large answer does not occupy
// memory for ever.
var bodies = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}

const keptBuffer = 1 << 20

func (f *fetched) release() {
	if f == nil || f.gate == nil {
		return
	}
	f.gate.memory.give(f.owner, f.taken)
	putBuffer(f.body)
	f.body, f.gate = nil, nil
}

func takeBuffer() []byte { return (*bodies.Get().(*[]byte))[:0] }

func putBuffer(b []byte) {
	if cap(b) <= keptBuffer {
		bodies.Put(&b)
	}
}

// ask is one request to a source, rendered by the gate. Nothing else leaves: no header, path or query of the caller.
type ask struct {
	path string // relative to the source's base, with query
	form string // set: POST with this urlencoded body
}

// fetch sends a request to the source and reads its answer whole, within the limits of size, memory and time. It is one round trip, so
// redirects are not followed. Its refusals are causeInternal, causeBadSource, causeSlowSource, causeTooLarge, causeOverloaded.
func (g *Gate) fetch(ctx context.Context, x *exchange, a ask) (*fetched, *refusal) {
	ctx, cancel := g.within(ctx, x, x.source.Timeout)
	defer cancel()
	req, err := outbound(ctx, x, a)
	if err != nil {
		return nil, &refusal{cause: causeInternal, reason: "source-request", err: errors.New("source request could not be built")}
	}
	if !g.asking.enter(x.source.ID, g.parts.Limits.InFlight) {
		return nil, refuse(causeOverloaded, "source-busy")
	}
	defer g.asking.leave(x.source.ID)
	resp, err := x.source.Transport.RoundTrip(req)
	if err != nil {
		return nil, sourceError(ctx, err, "source-unavailable")
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusGone:
		// The body may reveal what is withheld (leaks.md RD-6, DE-4): it is not even read.
		return &fetched{}, nil
	case resp.StatusCode != http.StatusOK:
		return nil, refuse(causeBadSource, "source-status")
	case !fhirJSON(resp.Header, x.source.Version):
		return nil, refuse(causeBadSource, "source-media-type")
	}
	return g.read(ctx, x, resp)
}

// everyAsk holds the headers of every request to a source. Its slices are shared and must not be modified.
var everyAsk = http.Header{
	"Accept":     {"application/fhir+json"},
	"Prefer":     {"handling=strict"}, // an ignored parameter would widen the answer (leaks.md SE-12)
	"User-Agent": {"zorgsluis"},
}

// outbound builds the request with our own headers only.
func outbound(ctx context.Context, x *exchange, a ask) (*http.Request, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if a.form != "" {
		method, body = http.MethodPost, strings.NewReader(a.form)
	}
	req, err := http.NewRequestWithContext(ctx, method, x.source.Base+a.path, body)
	if err != nil {
		return nil, err
	}
	req.Header = maps.Clone(everyAsk)
	req.Header.Set("X-Request-Id", x.id)
	if a.form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req, nil
}

// sourceError returns the refusal for a failed exchange with a source: causeSlowSource if our time ran out, or the transport's, else
// causeBadSource.
func sourceError(ctx context.Context, err error, otherwise string) *refusal {
	var timeout net.Error
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return refuse(causeSlowSource, "source-timeout")
	}
	failed := &refusal{cause: causeBadSource, reason: "source-unavailable", err: errors.New(otherwise)}
	if ctx.Err() != nil {
		failed.err = ctx.Err()
	}
	return failed
}

// fhirJSON reports whether the headers announce plain FHIR JSON of the source's version in UTF-8, uncompressed (leaks.md MT-2, MT-3, MT-5).
func fhirJSON(h http.Header, v fhir.Version) bool {
	if len(h.Values("Content-Type")) != 1 || len(h.Values("Content-Encoding")) > 1 {
		return false
	}
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" {
		return false
	}
	said := h.Get("Content-Type")
	switch said {
	case "application/fhir+json", "application/fhir+json;charset=UTF-8", "application/fhir+json; charset=utf-8":
		return true // the usual ones need no parsing
	}
	media, params, err := mime.ParseMediaType(said)
	if err != nil || (media != "application/fhir+json" && media != "application/json") {
		return false
	}
	if charset, given := params["charset"]; given && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	version, given := params["fhirversion"]
	return !given || version == mediaVersions[v]
}

// mediaVersions are the values of the media type parameter fhirVersion (R4 §3.1.0.1.11).
var mediaVersions = map[fhir.Version]string{fhir.R4: "4.0", fhir.STU3: "3.0"}

// read reads the body whole: a cut or overlong body releases nothing (leaks.md JS-22, JS-23).
func (g *Gate) read(ctx context.Context, x *exchange, resp *http.Response) (*fetched, *refusal) {
	limit := g.parts.Limits.ResponseBody
	if resp.ContentLength > limit {
		return nil, refuse(causeTooLarge, "source-too-large")
	}
	f := &fetched{body: takeBuffer(), found: true, gate: g, owner: x.caller}
	for more := max(resp.ContentLength, 0) + 1; ; more = 1 { // one more, to see EOF without growing
		if need := max(int64(len(f.body))+more, int64(cap(f.body))); need > f.taken {
			if !g.memory.take(f.owner, need-f.taken) {
				f.release()
				return nil, refuse(causeOverloaded, "memory")
			}
			f.taken = need
		}
		f.body = slices.Grow(f.body, int(more))
		n, err := resp.Body.Read(f.body[len(f.body):cap(f.body)])
		f.body = f.body[:len(f.body)+n]
		switch {
		case int64(len(f.body)) > limit:
			f.release()
			return nil, refuse(causeTooLarge, "source-too-large")
		case err == io.EOF:
			return f, nil
		case err != nil:
			f.release()
			return nil, sourceError(ctx, err, "source-cut")
		}
	}
}
