// Package direct sends GET requests to a source over kept HTTP/1.1 connections. The calling goroutine writes the request and reads the answer
// itself; http.Transport has two more goroutines for each connection, which for a small answer costs more than the protocol does (make bench).
//
// Answers are read by http.ReadResponse; requests, which are the gate's own, are written as http.Request.Write writes them, for a third of the
// time. Decided here is which connection to use, and when never again: one on which anything was out of order is closed, so that no answer
// can be taken for that of another request.
package direct

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Transport is an http.RoundTripper that sends GET requests without a body to one server over plain TCP itself, and hands all others to
// Next. It follows no redirects and knows no proxies. Its exported fields must not change once it is used.
type Transport struct {
	Host        string // of the server, as in its URLs
	Next        http.RoundTripper
	Dialer      net.Dialer
	MaxHeader   int64         // bytes that the headers of an answer may have, including those of 1xx answers before it
	MaxIdle     int           // connections kept while not in use
	IdleTimeout time.Duration // how long a connection is kept while not in use

	mu    sync.Mutex
	idle  []*connection // the one used last is at the end
	sweep *time.Timer   // closes idle connections in time; nil until there is one
}

// RoundTrip implements http.RoundTripper. If the context ended, the error is the context's; others can quote the answer, as net/http's do.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.sends(r) {
		return t.Next.RoundTrip(r)
	}
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c := t.take(); c != nil {
		response, err := c.exchange(r)
		// A server may close a kept connection at any time (RFC 9112 §9.3): then a new one is used, unless the context has ended.
		if err == nil || c.answered() {
			return response, orEnd(ctx, err)
		}
	}
	conn, err := t.Dialer.DialContext(ctx, "tcp", net.JoinHostPort(r.URL.Hostname(), cmp.Or(r.URL.Port(), "80")))
	if err != nil {
		return nil, orEnd(ctx, err)
	}
	response, err := newConnection(t, conn).exchange(r)
	return response, orEnd(ctx, err)
}

// sends reports whether a request is one that connection.write knows: for this server, and nothing but a URL and headers.
func (t *Transport) sends(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.Body == nil || r.Body == http.NoBody) && !r.Close && r.TransferEncoding == nil && r.Trailer == nil &&
		r.URL.Scheme == "http" && r.URL.Host == t.Host && r.Host == t.Host && !strings.Contains(t.Host, "%") && r.URL.Opaque == "" &&
		!strings.ContainsFunc(r.URL.RawQuery, unicode.IsControl) // the path is escaped
}

// take returns a kept connection on which nothing has happened since it was kept, or nil.
func (t *Transport) take() *connection {
	for {
		c := t.last()
		if c == nil || c.quiet() {
			return c
		}
		c.Close()
	}
}

// last removes and returns the connection that was used last, or nil.
func (t *Transport) last() *connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.idle) - 1
	if n < 0 {
		return nil
	}
	c := t.idle[n]
	t.idle[n] = nil
	t.idle = t.idle[:n]
	return c
}

// keep makes a connection available to other requests, unless there are enough.
func (t *Transport) keep(c *connection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) >= t.MaxIdle {
		c.Close()
		return
	}
	c.since = time.Now()
	t.idle = append(t.idle, c)
	switch {
	case t.sweep == nil:
		t.sweep = time.AfterFunc(t.IdleTimeout, t.closeIdle)
	case len(t.idle) == 1:
		t.sweep.Reset(t.IdleTimeout)
	}
}

// CloseIdleConnections closes the connections that are not in use, and those of Next.
func (t *Transport) CloseIdleConnections() {
	for c := t.last(); c != nil; c = t.last() {
		c.Close()
	}
	t.mu.Lock()
	if t.sweep != nil {
		t.sweep.Stop()
	}
	t.mu.Unlock()
	if next, ok := t.Next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// closeIdle closes the connections that have not been used for the time that one is kept.
func (t *Transport) closeIdle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0 // the oldest come first
	for n < len(t.idle) && time.Since(t.idle[n].since) >= t.IdleTimeout {
		t.idle[n].Close()
		n++
	}
	left := copy(t.idle, t.idle[n:])
	clear(t.idle[left:])
	t.idle = t.idle[:left]
	if left > 0 {
		t.sweep.Reset(t.IdleTimeout - time.Since(t.idle[0].since))
	}
}

// orEnd returns the error of a context that has ended, which is then why something failed, else err.
func orEnd(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
