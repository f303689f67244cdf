// Package sourcetest tests what carries requests to sources, any http.RoundTripper, against sources that break HTTP on the wire. It is imported
// by tests only. What a source says in good HTTP is not its subject: the gate's own tests have that.
package sourcetest

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long anything may take that should end by itself.
const patience = 30 * time.Second

// poison is in everything that a source sends and that belongs to no request.
const poison = "POISON"

// source answers each request with the id of that request, but misbehaves as its path says.
type source struct {
	t         testing.TB
	listener  net.Listener
	authority *x509.Certificate // nil: without TLS
	rows      []row
	greeting  string // sent on each new connection, before a request is read

	before atomic.Pointer[context.CancelFunc] // called once a request was read, if not nil
	opened atomic.Int64                       // connections
	mu     sync.Mutex
	asked  map[string]int // how often each request arrived, by its id
	open   map[*conn]bool
	served sync.WaitGroup
}

// start starts a source until the test ends.
func start(t testing.TB, secure bool, greeting string) *source {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &source{t: t, listener: l, rows: rows(), greeting: greeting, asked: map[string]int{}, open: map[*conn]bool{}}
	if secure {
		lender := httptest.NewTLSServer(nil) // has a certificate
		lender.Close()
		s.listener, s.authority = tls.NewListener(l, lender.TLS), lender.Certificate()
	}
	s.served.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

func (s *source) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.opened.Add(1)
		s.served.Go(func() { s.serve(&conn{Conn: c, source: s, in: bufio.NewReader(c)}) })
	}
}

// close ends all connections. Whatever a source was doing must have ended by then, or end by that.
func (s *source) close() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.served.Wait()
}

// url returns the address of a request that the source answers as a row says; "" answers well.
func (s *source) url(name string) string {
	scheme := "http"
	if s.authority != nil {
		scheme = "https"
	}
	return scheme + "://" + s.listener.Addr().String() + "/" + strings.ReplaceAll(name, " ", "_")
}

// times returns how often a request arrived.
func (s *source) times(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[id]
}

// serve answers the requests of one connection until a row ends it.
func (s *source) serve(c *conn) {
	s.mu.Lock()
	s.open[c] = true
	s.mu.Unlock()
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.open, c)
		s.mu.Unlock()
	}()
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	c.send(s.greeting)
	for c.read() {
		if before := s.before.Load(); before != nil {
			(*before)()
		}
		name := strings.ReplaceAll(strings.TrimPrefix(c.request.URL.Path, "/"), "_", " ")
		at := -1
		for i, r := range s.rows {
			if r.name == name {
				at = i
			}
		}
		if at < 0 || s.rows[at].once && s.times(c.id) > 1 {
			c.send(c.answer())
			continue
		}
		if s.rows[at].does(c); !s.rows[at].goesOn {
			return
		}
	}
}

// conn is a connection of a source.
type conn struct {
	net.Conn
	source  *source
	in      *bufio.Reader
	request *http.Request
	id      string
}

// read reads the next request whole.
func (c *conn) read() bool {
	r, err := http.ReadRequest(c.in)
	if err != nil {
		return false
	}
	if _, err = io.Copy(io.Discard, r.Body); err != nil {
		return false
	}
	c.request, c.id = r, r.Header.Get("X-Request-Id")
	c.source.mu.Lock()
	c.source.asked[c.id]++
	c.source.mu.Unlock()
	return true
}

// send sends bytes as they are. Errors are for the other side to notice.
func (c *conn) send(raw ...string) { _, _ = io.WriteString(c.Conn, strings.Join(raw, "")) }

// flood sends the same without end, until the other side has enough.
func (c *conn) flood(raw string) {
	for raw = strings.Repeat(raw, 1+(32<<10)/len(raw)); ; {
		if _, err := io.WriteString(c.Conn, raw); err != nil {
			return
		}
	}
}

// drip sends bytes one by one, slowly.
func (c *conn) drip(raw string) {
	for i := range raw {
		if _, err := io.WriteString(c.Conn, raw[i:i+1]); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond) // a slow source, not a wait of the test
	}
}

// silence waits until the other side closes the connection.
func (c *conn) silence() { _, _ = io.Copy(io.Discard, c.in) }

// reset ends the connection with RST instead of FIN.
func (c *conn) reset() {
	under := c.Conn
	if secure, ok := under.(*tls.Conn); ok {
		under = secure.NetConn()
	}
	_ = under.(*net.TCPConn).SetLinger(0)
	_ = under.Close()
}

// own is the body of the answer to this request.
func own(id string) string { return `{"answer":"` + id + `"}` }

// whole is an answer with this body.
func whole(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// chunked is an answer of this, which should be chunks.
func chunked(raw string) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nTransfer-Encoding: chunked\r\n\r\n" + raw
}

// chunk is one good chunk.
func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

// with is the own answer with these header lines, framed by them only.
func (c *conn) with(lines ...string) string {
	return "HTTP/1.1 200 OK\r\n" + strings.Join(append(lines, "\r\n"), "\r\n") + own(c.id)
}

// headed is the own answer, well framed, with something before its last line of headers.
func (c *conn) headed(raw string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", raw, len(own(c.id)), own(c.id))
}

// answer is the good answer to the request that was read.
func (c *conn) answer() string { return whole(own(c.id)) }

// foreign is an answer to no request.
func foreign() string { return whole(own(poison)) }
