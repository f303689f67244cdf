package sourcetest

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Carrier is what carries requests to sources. It has to keep connections.
type Carrier struct {
	// New makes one for the source on a host. The authority, if not nil, vouches for the source.
	New func(host string, authority *x509.Certificate) http.RoundTripper
	// Careful: before it uses a kept connection, it looks whether the source has sent anything on it or has ended it. Without that, as in net/http,
	// what is sent beside an answer is noticed only a moment later, and meets a request that is sent at once.
	Careful bool
	// Stirred, of a careful one, reports whether on every connection that it keeps something has arrived, or the end.
	Stirred func(http.RoundTripper) bool
	// Methods are those that it carries itself.
	Methods []string
	// Plain: it carries nothing over TLS itself.
	Plain bool
}

// Run tests a carrier against every misbehaviour of a source, on a new connection and on one that was used before, with and without TLS:
//   - each request gets its own answer or an error, never bytes that belong to another or to none;
//   - an error comes at once, and where the source is silent or slow, at the deadline;
//   - whatever a source did, the requests after that get their answers;
//   - a POST is sent once at most.
func Run(t *testing.T, c Carrier) {
	for _, secure := range []bool{false, true} {
		if secure && c.Plain {
			break
		}
		name := map[bool]string{false: "plain", true: "TLS"}[secure]
		for _, r := range rows() {
			if r.beside && !r.goesOn && !c.Careful {
				continue // that the source ends the connection hides when the carrier notices; the same without an end is another row
			}
			t.Run(name+"/"+r.name, func(t *testing.T) {
				t.Parallel()
				newStage(t, c, secure, "").row(r)
			})
		}
		for name, does := range map[string]func(*stage){
			"between two requests": (*stage).between, "before any request": func(g *stage) { greeted(g.t, c, secure) },
			"answers that nobody reads": (*stage).unread, "callers who leave": (*stage).leaving, "a deadline that has passed": (*stage).past,
			"many at once": (*stage).crowd, "one connection for all": (*stage).kept,
		} {
			t.Run(map[bool]string{false: "plain", true: "TLS"}[secure]+"/"+name, func(t *testing.T) {
				t.Parallel()
				does(newStage(t, c, secure, ""))
			})
		}
	}
}

// stage is a source and a carrier to it.
type stage struct {
	*source
	t       *testing.T
	carrier http.RoundTripper
	careful bool
	stirred func(http.RoundTripper) bool
	methods []string
	mu      sync.Mutex
	ids     int
}

func newStage(t *testing.T, c Carrier, secure bool, greeting string) *stage {
	s := start(t, secure, greeting)
	g := &stage{source: s, t: t, carrier: c.New(s.listener.Addr().String(), s.authority), careful: c.Careful, stirred: c.Stirred, methods: c.Methods}
	if keeps, ok := g.carrier.(interface{ CloseIdleConnections() }); ok {
		t.Cleanup(func() {
			keeps.CloseIdleConnections()
			g.until("the connections to end", func() bool { return g.alive() == 0 })
		})
	}
	return g
}

// result is how a request ended.
type result struct {
	id, body string
	status   int
	err      error
	late     bool // it ended at its deadline
}

// end reports how it ended; anyhow if in none of the other ways. An answer that only the end of the connection ends can be whole at the deadline:
// that a caller ends the connection may look to it as if the source had.
func (r result) end() end {
	switch {
	case r.late:
		return late
	case r.err != nil:
		return failed
	case r.status == http.StatusOK && r.body == own(r.id):
		return answered
	}
	return anyhow
}

// most is what is read of a body.
const most = 1 << 20

// ask sends a request and reads the answer; which names a row, and "" none.
func (g *stage) ask(ctx context.Context, method, which string) result {
	g.mu.Lock()
	g.ids++
	r := result{id: fmt.Sprintf("%s-%d", method, g.ids)}
	g.mu.Unlock()
	resp, err := g.send(ctx, method, which, r.id)
	if err == nil {
		var body []byte
		if r.status = resp.StatusCode; r.status == http.StatusOK { // the gate reads no others
			body, err = io.ReadAll(io.LimitReader(resp.Body, most))
		}
		resp.Body.Close()
		r.body = string(body)
	}
	r.err, r.late = err, ctx.Err() != nil
	return r
}

func (g *stage) send(ctx context.Context, method, which, id string) (*http.Response, error) {
	var form io.Reader
	if method == http.MethodPost {
		form = strings.NewReader("identifier=x")
	}
	r, err := http.NewRequestWithContext(ctx, method, g.url(which), form)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("X-Request-Id", id)
	return g.carrier.RoundTrip(r)
}

// row misbehaves once, on a new or used connection, and then the source is as good as any.
func (g *stage) row(r row) {
	for _, used := range []bool{false, true} {
		for _, method := range g.methods {
			if used {
				g.good("before", 1)
			}
			within := patience
			if r.end == late {
				within = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(g.t.Context(), within)
			got := g.ask(ctx, method, r.name)
			cancel()
			what := fmt.Sprintf("%s, used %t", method, used)
			if r.end != anyhow && got.end() != r.end || r.end == anyhow && got.end() == late {
				g.t.Errorf("%s: got %v", what, got)
			}
			if got.status == http.StatusOK && strings.Contains(got.body, poison) {
				g.t.Errorf("%s: got what belongs to no request: %v", what, got)
			}
			if n := g.times(got.id); method == http.MethodPost && n > 1 {
				g.t.Errorf("a POST arrived %d times", n)
			}
			if r.beside {
				g.notice()
			}
			g.good(what, 3)
		}
	}
}

// good wants that requests are answered, whatever happened before.
func (g *stage) good(after string, times int) {
	g.t.Helper()
	for i := range times {
		method := g.methods[i%len(g.methods)]
		ctx, cancel := context.WithTimeout(g.t.Context(), patience)
		got := g.ask(ctx, method, "")
		cancel()
		if got.end() != answered {
			g.t.Errorf("%s: %s number %d that follows got %v", after, method, i+1, got)
		}
	}
}

// notice gives a carrier that is not careful the time to notice what was sent on a kept connection: it ends that.
func (g *stage) notice() {
	if !g.careful {
		g.until("the carrier to notice", func() bool { return g.alive() == 0 })
	}
}

// alive returns how many connections there are.
func (g *stage) alive() int {
	g.source.mu.Lock()
	defer g.source.mu.Unlock()
	return len(g.open)
}

func (g *stage) until(what string, reached func() bool) {
	g.t.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(patience); !reached(); <-poll.C {
		if time.Now().After(end) {
			g.t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// between is what a source can do to a kept connection while no request is under way.
func (g *stage) between() {
	for name, does := range map[string]func(*conn){
		"an answer":      func(c *conn) { c.send(foreign()) },
		"half an answer": func(c *conn) { c.send(foreign()[:40]) },
		"early hints":    func(c *conn) { c.send("HTTP/1.1 103 Early Hints\r\n\r\n") },
		"an empty line":  func(c *conn) { c.send("\r\n") },
		"time is up":     func(c *conn) { c.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n") },
		"an answer, closed": func(c *conn) {
			c.send(foreign())
			if g.careful { // else it could not be seen that the carrier noticed
				c.Close()
			}
		},
		"closed": func(c *conn) { c.Close() },
		"reset":  (*conn).reset,
	} {
		g.good("before "+name, 2)
		g.source.mu.Lock()
		for c := range g.open {
			does(c)
		}
		g.source.mu.Unlock()
		if g.careful {
			g.until("it to arrive", func() bool { return g.stirred(g.carrier) }) // nobody can know what has not
		}
		g.notice()
		g.good(name, 3)
	}
}

// greeted is a source that speaks before it was asked. Its first words can pass for an answer, but not for two.
func greeted(t *testing.T, c Carrier, secure bool) {
	for _, greeting := range []string{foreign(), "HTTP/1.1 103 Early Hints\r\n\r\n", "220 mail.example ESMTP\r\n", "\r\n"} {
		g := newStage(t, c, secure, greeting)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if got := g.ask(ctx, http.MethodGet, ""); got.end() == late {
				t.Errorf("greeted with %q: got %v", greeting, got)
			}
			cancel()
		}
	}
}

// unread are answers of which nothing, or not all, is read.
func (g *stage) unread() {
	for _, which := range []string{
		"", "chunks", "two answers", "early hints first", "a body as long as can be", "length too long, then silence", "no length and no end",
		"slow chunks", "a slow body", "says close and does not", "extensions without end",
	} {
		for _, part := range []int64{0, 5} {
			ctx, cancel := context.WithTimeout(g.t.Context(), 10*patience)
			if resp, err := g.send(ctx, http.MethodGet, which, "unread"); err == nil {
				_, _ = io.CopyN(io.Discard, resp.Body, part)
				if resp.Body.Close(); ctx.Err() != nil {
					g.t.Errorf("%s: Close waited", which)
				}
			}
			if which == "two answers" {
				g.notice()
			}
			g.good("not read: "+which, 2)
			cancel()
		}
	}
}

// leaving are callers whose context ends while they wait, at the end of an answer, or right behind it, as it does with every deferred cancel.
func (g *stage) leaving() {
	for i := range 200 {
		ctx, cancel := context.WithCancel(g.t.Context())
		switch i % 4 {
		case 0, 1: // right behind
			if got := g.ask(ctx, http.MethodGet, ""); got.end() != answered {
				g.t.Fatalf("got %v", got)
			}
		case 2: // with it
			g.before.Store(&cancel)
			got := g.ask(ctx, http.MethodGet, "")
			g.before.Store(nil)
			if got.err == nil && got.body != own(got.id) {
				g.t.Errorf("got %v", got)
			}
		case 3: // while waiting
			left, arrived := make(chan result), make(chan struct{})
			arrives := context.CancelFunc(func() { close(arrived) })
			g.before.Store(&arrives)
			go func() { left <- g.ask(ctx, http.MethodGet, "silence") }()
			<-arrived
			g.before.Store(nil)
			cancel()
			select {
			case got := <-left:
				if got.err == nil {
					g.t.Errorf("got %v", got)
				}
			case <-time.After(patience):
				g.t.Fatal("a caller who left is kept")
			}
		}
		cancel()
		g.good("after a caller left", 1)
	}
}

// kept are requests one after the other, each with a context of its own: one connection does for all.
func (g *stage) kept() {
	for range 10 {
		g.good("in a row", 2)
	}
	if n := g.opened.Load(); n != 1 {
		g.t.Errorf("20 requests opened %d connections", n)
	}
}

// past is a context that has ended before the request is sent.
func (g *stage) past() {
	g.good("before", 1)
	ctx, cancel := context.WithCancel(g.t.Context())
	cancel()
	if got := g.ask(ctx, http.MethodGet, ""); got.err == nil || g.times(got.id) > 0 {
		g.t.Errorf("got %v, asked %d times", got, g.times(got.id))
	}
	g.good("after", 2)
}

// crowd has many callers meet every misbehaviour at once.
func (g *stage) crowd() {
	var quick []string
	for _, r := range g.rows {
		if r.end != late && (g.careful || !r.beside) {
			quick = append(quick, r.name)
		}
	}
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 25 {
				ctx, cancel := context.WithTimeout(g.t.Context(), patience)
				if got := g.ask(ctx, http.MethodGet, quick[rand.IntN(len(quick))]); got.status == http.StatusOK && strings.Contains(got.body, poison) {
					g.t.Errorf("got what belongs to no request: %v", got)
				}
				cancel()
				g.good("in a crowd", 1) // a GET: a POST meets a connection that the source has just closed, and is not repeated
			}
		})
	}
	callers.Wait()
}
