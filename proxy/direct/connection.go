package direct

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"time"
)

var (
	errHeader   = errors.New("direct: the headers of the answer are too long")
	errSwitched = errors.New("direct: the server changes the protocol")
)

// connection is used by one request at a time.
type connection struct {
	net.Conn
	transport *Transport
	in        *bufio.Reader // from Read
	out       *bufio.Writer
	read      int64     // bytes of the current answer, as far as read
	limit     int64     // of read
	since     time.Time // when it was last kept
}

func newConnection(t *Transport, conn net.Conn) *connection {
	c := &connection{Conn: conn, transport: t, out: bufio.NewWriter(conn)}
	c.in = bufio.NewReader(c)
	return c
}

// Read implements io.Reader, within the limit.
func (c *connection) Read(p []byte) (int, error) {
	if c.read >= c.limit {
		return 0, errHeader
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.limit-c.read)])
	c.read += int64(n)
	return n, err
}

// answered reports whether anything of the current answer was read.
func (c *connection) answered() bool { return c.read > 0 }

// exchange sends a request and reads the answer up to its headers; the body that it returns takes the connection on. On an error the
// connection is closed.
func (c *connection) exchange(r *http.Request) (*http.Response, error) {
	c.read, c.limit = 0, c.transport.MaxHeader
	b := &body{connection: c, ctx: r.Context()}
	b.settled = context.AfterFunc(b.ctx, func() { _ = c.SetDeadline(past) }) // ends what reads or writes
	response, err := c.roundTrip(r)
	if err != nil {
		b.end(false, err)
		return nil, err
	}
	c.limit = math.MaxInt64 // the reader of the body has a limit of its own
	b.rest, b.last, response.Body = response.Body, response.Close || response.StatusCode < http.StatusOK, b
	if b.rest == http.NoBody {
		b.end(true, io.EOF)
	}
	return response, nil
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

func (c *connection) roundTrip(r *http.Request) (*http.Response, error) {
	if err := c.write(r); err != nil {
		return nil, err
	}
	for {
		response, err := http.ReadResponse(c.in, r)
		switch {
		case err != nil:
			return nil, err
		case response.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitched
		case response.StatusCode/100 != 1: // those before the answer say nothing that is needed
			return response, nil
		}
	}
}

// framing are the headers that are not taken from a request, as in net/http: a GET without a body has none of them but Host, its server's.
var framing = map[string]bool{"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Trailer": true}

// write sends a request that the transport sends (RFC 9112 §3). What c.out could not write, it reports when it is flushed.
func (c *connection) write(r *http.Request) error {
	for _, part := range [...]string{"GET ", r.URL.RequestURI(), " HTTP/1.1\r\nHost: ", r.Host, "\r\n"} {
		_, _ = c.out.WriteString(part)
	}
	_ = r.Header.WriteSubset(c.out, framing) // without line breaks in values
	_, _ = c.out.WriteString("\r\n")
	return c.out.Flush()
}

// body is the body of an answer. Read to its end it gives its connection back; closed earlier, it closes the connection.
type body struct {
	connection *connection
	ctx        context.Context
	settled    func() bool // ends the watch over ctx; false if that has ended, and may end what reads or writes at any time
	rest       io.Reader
	last       bool  // no other answer may follow on the connection
	ended      error // set once the connection is given back or closed: what Read returns from then on
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.ended != nil {
		return 0, b.ended
	}
	n, err := b.rest.Read(p)
	if err != nil {
		err = orEnd(b.ctx, err)
		b.end(err == io.EOF, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	if b.ended == nil {
		b.end(false, http.ErrBodyReadAfterClose)
	}
	return nil
}

// end gives the connection back if the answer was read whole and nothing else may follow or has followed it, else closes it.
func (b *body) end(whole bool, err error) {
	b.ended = err
	c := b.connection
	if b.settled() && whole && !b.last && c.in.Buffered() == 0 {
		c.transport.keep(c)
		return
	}
	c.Close()
}
