package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"golang.org/x/sync/errgroup"

	"zorgsluis/fhir"
)

// Limits of a batch: its entries, and how many are handled in parallel.
const (
	maxBatch      = 100
	batchParallel = 4
)

// serveBatch serves a batch of reads and searches (R4 §3.1.0.11). Each entry is treated exactly like a request of its own: parsed, decided,
// filtered and recorded by itself, with the same fixed refusals. The caller's Bundle is never forwarded.
func (g *Gate) serveBatch(ctx context.Context, x *exchange, r *http.Request, query string) (answer, *refusal) {
	x.name = "batch"
	entries, misread := g.readBatch(x, r, query)
	unknown := g.authenticate(ctx, x, r)
	if misread != nil {
		return answer{}, misread
	}
	if unknown != nil {
		return answer{}, unknown
	}
	x.floors = (len(entries) + batchParallel - 1) / batchParallel
	answers := make([]answer, len(entries))
	var work errgroup.Group
	work.SetLimit(batchParallel)
	for i, entry := range entries {
		work.Go(func() error {
			y := x.entry()
			answers[i] = g.guarded(ctx, y, func() (answer, *refusal) { return g.serveEntry(ctx, y, entry) })
			g.observe(y, answers[i])
			return nil
		})
	}
	_ = work.Wait() // every entry has an answer of its own
	x.reason = "batch"
	return g.batchAnswer(x, answers)
}

// readBatch reads the Bundle of a batch.
func (g *Gate) readBatch(x *exchange, r *http.Request, query string) ([]fhir.BatchEntry, *refusal) {
	if r.Method != http.MethodPost {
		return nil, refuse(causeNotFound, "path-unknown")
	}
	if ref := protocol(r); ref != nil {
		return nil, ref
	}
	if !acceptsJSON(r.Header.Values("Accept"), x.source.Version) {
		return nil, refuse(causeNotAcceptable, "accept")
	}
	if query != "" {
		return nil, refuse(causeMalformed, "query")
	}
	if !isJSON(r) {
		return nil, refuse(causeMediaType, "media-type")
	}
	body, ref := g.requestBody(r)
	if ref != nil {
		return nil, ref
	}
	entries, err := fhir.ParseBatch(body, maxBatch)
	if err != nil {
		return nil, misunderstood(err)
	}
	return entries, nil
}

// entry starts the exchange of one entry: it has the caller, source and request id of the batch, and everything else of its own.
func (x *exchange) entry() *exchange {
	return &exchange{
		id: x.id, started: x.started, address: x.address, scheme: x.scheme, source: x.source, kind: x.kind, name: "unknown",
		subject: x.subject, caller: x.caller, authenticated: true, acting: x.acting,
	}
}

// serveEntry is serveFHIR for one entry of a batch, whose caller is already authenticated.
func (g *Gate) serveEntry(ctx context.Context, x *exchange, entry fhir.BatchEntry) (answer, *refusal) {
	if entry.Err != nil {
		return answer{}, misunderstood(entry.Err)
	}
	if ref := g.understand(x, entry.Request); ref != nil {
		return answer{}, ref
	}
	return g.serveInteraction(ctx, x)
}

// misunderstood returns the refusal for a parse error.
func misunderstood(err error) *refusal {
	var wrong *fhir.RequestError
	if !errors.As(err, &wrong) {
		return refuse(causeInternal, "request-refused")
	}
	return &refusal{cause: requestCauses[wrong.Kind], reason: "request-refused", element: wrong.Element}
}

// batchAnswer combines the answers of the entries, and their releases, into one Bundle.
func (g *Gate) batchAnswer(x *exchange, answers []answer) (answer, *refusal) {
	whole := answer{status: http.StatusOK, free: func() {
		for _, a := range answers {
			a.done()
		}
	}}
	size := int64(64)
	for _, a := range answers {
		size += int64(len(a.body)) + 128
		whole.releases = append(whole.releases, a.releases...)
		if len(a.releases) > 0 && (whole.committed.IsZero() || a.committed.Before(whole.committed)) {
			whole.committed = a.committed
		}
	}
	if size > g.parts.Limits.ResponseBody {
		whole.done()
		return answer{}, refuse(causeTooLarge, "batch-too-large")
	}
	owner := x.caller
	if !g.memory.take(owner, size) {
		whole.done()
		return answer{}, refuse(causeOverloaded, "memory")
	}
	entries := whole.free
	whole.free = func() { entries(); g.memory.give(owner, size) }
	body := append(make([]byte, 0, size), `{"resourceType":"Bundle","type":"batch-response"`...)
	for i, a := range answers {
		if i == 0 {
			body = append(body, `,"entry":[`...)
		} else {
			body = append(body, ',')
		}
		body = appendBatchEntry(body, a)
	}
	if len(answers) > 0 {
		body = append(body, ']')
	}
	whole.body = append(body, '}')
	return whole, nil
}

// appendBatchEntry appends one answer: a 200 as resource, anything else as outcome (R4 Bundle.entry.response).
func appendBatchEntry(dst []byte, a answer) []byte {
	status, _ := json.Marshal(strconv.Itoa(a.status) + " " + http.StatusText(a.status)) // a string always marshals
	if a.status == http.StatusOK {
		dst = append(append(dst, `{"resource":`...), a.body...)
		dst = append(append(dst, `,"response":{"status":`...), status...)
		return append(dst, `}}`...)
	}
	dst = append(append(dst, `{"response":{"status":`...), status...)
	dst = append(append(dst, `,"outcome":`...), a.body...)
	return append(dst, `}}`...)
}
