package direct_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"zorgsluis/proxy/direct"
	"zorgsluis/proxy/sourcetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers what a test says, byte for byte.
type server struct {
	net.Listener
	connections, requests atomic.Int32
	running               sync.WaitGroup
}

// newServer starts a server. answer gets each request, with its number on its connection, and reports whether the connection stays open.
func newServer(t testing.TB, answer func(c net.Conn, path string, n int) bool) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l}
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			s.running.Go(func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for n := 1; ; n++ {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					s.requests.Add(1)
					if !answer(c, r.URL.Path, n) {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.running.Wait()
	})
	return s
}

func (s *server) transport(t testing.TB) *direct.Transport {
	tr := &direct.Transport{
		Host: s.Addr().String(), Next: nothing{}, Dialer: net.Dialer{Timeout: 10 * time.Second}, MaxHeader: 8 << 10, MaxIdle: 64, IdleTimeout: time.Minute,
	}
	t.Cleanup(tr.CloseIdleConnections) // before the server waits for its connections
	return tr
}

// nothing sends nothing.
type nothing struct{}

var errNext = errors.New("handed on")

func (nothing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errNext }

// get sends one request and reads the answer whole.
func get(ctx context.Context, tr http.RoundTripper, host, path string) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := tr.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// whole is an answer that leaves the connection in order.
func whole(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// TestHostileSources: whatever a source does on the wire, each request gets its own answer or an error, in bounded time.
func TestHostileSources(t *testing.T) {
	sourcetest.Run(t, sourcetest.Carrier{
		Careful: true, Plain: true, Methods: []string{http.MethodGet},
		Stirred: func(tr http.RoundTripper) bool { return direct.Stirred(tr.(*direct.Transport)) },
		New: func(host string, _ *x509.Certificate) http.RoundTripper {
			return &direct.Transport{Host: host, Next: nothing{}, MaxHeader: 64 << 10, MaxIdle: 64, IdleTimeout: time.Minute}
		},
	})
}

// TestAConnectionIsKept: after an answer that was read whole, the next request uses the same connection.
func TestAConnectionIsKept(t *testing.T) {
	for name, answer := range map[string]string{
		"a length":           whole("body"),
		"chunks":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
		"chunks, a trailer":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Late: yes\r\n\r\n",
		"no body":            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"nothing allowed":    "HTTP/1.1 204 No Content\r\n\r\n",
		"an early hint":      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + whole("body"),
		"a 1.0 that is kept": "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody",
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(c net.Conn, _ string, _ int) bool { io.WriteString(c, answer); return true })
			tr := s.transport(t)
			for range 3 {
				_, body, err := get(t.Context(), tr, s.Addr().String(), "/")
				if err != nil || body != "body" && body != "" {
					t.Fatalf("got %q and error %v", body, err)
				}
			}
			if n := s.connections.Load(); n != 1 {
				t.Errorf("got %d connections for 3 requests, want 1", n)
			}
		})
	}
}

// TestADoubtfulConnectionIsClosed: after anything out of order the next request uses another connection, and gets its own answer.
func TestADoubtfulConnectionIsClosed(t *testing.T) {
	stranger := whole("of somebody else")
	closes := func(ctx context.Context, tr *direct.Transport, host string) (string, error) { // reads nothing of the body
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/first", nil)
		if err != nil {
			return "", err
		}
		response, err := tr.RoundTrip(r)
		if err != nil {
			return "", err
		}
		response.Body.Close()
		_, err = response.Body.Read(make([]byte, 1))
		if !errors.Is(err, http.ErrBodyReadAfterClose) {
			return "", fmt.Errorf("a closed body says %w", err)
		}
		return "closed", nil
	}
	for _, tt := range []struct {
		name, answer, later string // later is sent once the first answer was read
		want                string // "": an error
		first               func(context.Context, *direct.Transport, string) (string, error)
	}{
		{name: "more than was announced", answer: whole("first") + stranger, want: "first"},
		{name: "a single byte more", answer: whole("first") + "\n", want: "first"},
		{name: "more after chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n" + stranger, want: "first"},
		{name: "more after an answer without a body", answer: "HTTP/1.1 204 No Content\r\n\r\n" + stranger, want: ""},
		{name: "a second answer that nobody asked for", answer: whole("first"), later: stranger, want: "first"},
		{name: "the connection was closed meanwhile", answer: whole("first"), later: "close", want: "first"},
		{name: "the server says that it is the last", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nfirst", want: "first"},
		{name: "HTTP 1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nfirst", want: "first"},
		{name: "the body is not read", answer: whole("first"), want: "closed", first: closes},
		{name: "a bad chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\nfirst\r\n0\r\n\r\n", want: "error"},
		{name: "two lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nfirst", want: "error"},
		{name: "another protocol", answer: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n" + stranger, want: "error"},
		{name: "no HTTP", answer: "SSH-2.0-OpenSSH\r\n\r\n", want: "error"},
		{name: "long headers", answer: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 9<<10) + "\r\nContent-Length: 5\r\n\r\nfirst", want: "error"},
		{name: "endless hints", answer: strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000) + whole("first"), want: "error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			read, sent := make(chan struct{}), make(chan struct{})
			s := newServer(t, func(c net.Conn, path string, _ int) bool {
				if path != "/first" {
					io.WriteString(c, whole("second"))
					return true
				}
				io.WriteString(c, tt.answer)
				if tt.later != "" {
					<-read
					if tt.later == "close" {
						c.Close()
					} else {
						io.WriteString(c, tt.later)
					}
					close(sent)
				}
				return true
			})
			tr := s.transport(t)
			if tt.first == nil {
				tt.first = func(ctx context.Context, tr *direct.Transport, host string) (string, error) {
					_, body, err := get(ctx, tr, host, "/first")
					return body, err
				}
			}
			got, err := tt.first(t.Context(), tr, s.Addr().String())
			if err != nil {
				got = "error"
			}
			if got != tt.want {
				t.Errorf("got %q (error %v), want %q", got, err, tt.want)
			}
			if tt.later != "" {
				close(read)
				<-sent
			}
			_, body, err := get(t.Context(), tr, s.Addr().String(), "/second")
			if err != nil || body != "second" {
				t.Errorf("then got %q and error %v, want the second answer", body, err)
			}
			if n := s.connections.Load(); n != 2 {
				t.Errorf("got %d connections, want 2", n)
			}
		})
	}
}

// TestACutAnswer: an answer that ends too early is an error, however often it is read.
func TestACutAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"in the headers": "HTTP/1.1 200 OK\r\nContent-",
		"in the body":    "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nfirst",
		"in a chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nfirst",
		"between chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(c net.Conn, _ string, _ int) bool { io.WriteString(c, answer); return false })
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := s.transport(t).RoundTrip(r)
			if err != nil {
				return
			}
			_, first := io.ReadAll(response.Body)
			_, again := response.Body.Read(make([]byte, 10))
			if first == nil || again != first || again == io.EOF {
				t.Errorf("got errors %v and %v, want one twice", first, again)
			}
		})
	}
}

// TestAKeptConnectionFails: if the server closed a kept connection before it answered, the request is sent again on another one; if it
// began to answer, it is not, and never if the connection is new.
func TestAKeptConnectionFails(t *testing.T) {
	for _, tt := range []struct {
		name      string
		beginning string // sent before the server closes the connection instead of answering its second request
		always    bool   // also new connections
		requests  int32
		fails     bool
	}{
		{"closed before it answers", "", false, 3, false},
		{"closed while it answers", "H", false, 2, true},
		{"new ones too", "", true, 3, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s *server
			s = newServer(t, func(c net.Conn, _ string, n int) bool {
				if n == 1 && (!tt.always || s.connections.Load() == 1) {
					io.WriteString(c, whole("body"))
					return true
				}
				io.WriteString(c, tt.beginning)
				return false
			})
			tr := s.transport(t)
			if _, _, err := get(t.Context(), tr, s.Addr().String(), "/"); err != nil {
				t.Fatal(err)
			}
			if _, body, err := get(t.Context(), tr, s.Addr().String(), "/"); (err != nil) != tt.fails || err == nil && body != "body" {
				t.Errorf("got %q and error %v, want an error: %v", body, err, tt.fails)
			}
			if n := s.requests.Load(); n != tt.requests {
				t.Errorf("got %d requests, want %d", n, tt.requests)
			}
		})
	}
}

// ending is a context that ends for another reason than the one within, at the same moment: a deadline that passes when the test wants.
type ending struct {
	context.Context
	reason error
}

func (e ending) Err() error {
	if e.Context.Err() == nil {
		return nil
	}
	return e.reason
}

// TestItEnds: a request ends when its context does, with the error of the context, and is not sent again; whatever the server does.
func TestItEnds(t *testing.T) {
	for phase, beginning := range map[string]string{
		"before the answer": "", "in the headers": "HTTP/1.1 200 OK\r\n", "in the body": "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nfirst",
	} {
		for how, reason := range map[string]error{"cancelled": context.Canceled, "deadline": context.DeadlineExceeded} {
			t.Run(phase+", "+how, func(t *testing.T) {
				inner, cancel := context.WithCancel(t.Context())
				defer cancel()
				ctx := ending{inner, reason}
				var both sync.WaitGroup
				both.Add(2)
				s := newServer(t, func(c net.Conn, path string, _ int) bool {
					if path == "/good" {
						both.Done()
						both.Wait()
						io.WriteString(c, whole("body"))
						return true
					}
					io.WriteString(c, beginning)
					cancel()
					io.Copy(io.Discard, c) // until the client closes the connection
					return false
				})
				tr := s.transport(t)
				var all sync.WaitGroup
				for range 2 {
					all.Go(func() {
						if _, _, err := get(t.Context(), tr, s.Addr().String(), "/good"); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				_, _, err := get(ctx, tr, s.Addr().String(), "/")
				if err != reason {
					t.Errorf("got error %v, want that of the context", err)
				}
				if n, kept := s.requests.Load(), direct.Idle(tr); n != 3 || kept != 1 {
					t.Errorf("got %d requests, and %d of 2 connections are kept, want 3 and 1", n, kept)
				}
			})
		}
	}
}

// TestIdleConnections: only so many are kept, and only for so long.
func TestIdleConnections(t *testing.T) {
	var open atomic.Int32
	arrived, release := make(chan struct{}, 4), make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	s.Start()
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	tr := &direct.Transport{Host: host, MaxHeader: 8 << 10, MaxIdle: 2, IdleTimeout: 200 * time.Millisecond}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, _, err := get(t.Context(), tr, host, "/"); err != nil {
				t.Error(err)
			}
		})
	}
	for range 4 {
		<-arrived
	}
	if n := open.Load(); n != 4 {
		t.Errorf("got %d connections for 4 requests at once, want 4", n)
	}
	close(release)
	all.Wait()
	if n := direct.Idle(tr); n > 2 {
		t.Errorf("%d are kept, want 2 at most", n)
	}
	for deadline := time.Now().Add(time.Minute); open.Load() > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are still open", open.Load())
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := direct.Idle(tr); n != 0 {
		t.Errorf("%d closed connections are kept", n)
	}
}

// TestTheUsualPort: a host without a port means port 80.
func TestTheUsualPort(t *testing.T) {
	for host, want := range map[string]string{"127.0.0.1": "127.0.0.1:80", "[::1]": "[::1]:80", "127.0.0.1:81": "127.0.0.1:81"} {
		var dialled string
		tr := &direct.Transport{Host: host, Dialer: net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			dialled = address
			return errNext
		}}}
		if _, _, err := get(t.Context(), tr, host, "/"); err == nil || dialled != want {
			t.Errorf("%s: dialled %q with error %v, want %q and no connection", host, dialled, err, want)
		}
	}
}

// TestOthersAreHandedOn: everything but a GET without a body, over plain HTTP to the server, is for the next transport.
func TestOthersAreHandedOn(t *testing.T) {
	s := newServer(t, func(net.Conn, string, int) bool { return false })
	tr := s.transport(t)
	host := s.Addr().String()
	plain := func(*http.Request) {}
	for _, tt := range []struct {
		method, url, body string
		change            func(*http.Request)
	}{
		{"POST", "http://" + host + "/", "a=b", plain},
		{"GET", "http://" + host + "/", "a=b", plain},
		{"HEAD", "http://" + host + "/", "", plain},
		{"GET", "https://" + host + "/", "", plain},
		{"GET", "http://localhost/", "", plain},
		{"GET", "http://" + host + "/to-another-host", "", func(r *http.Request) { r.Host = "localhost" }},
		{"GET", "http://" + host + "/the-last-one", "", func(r *http.Request) { r.Close = true }},
		{"GET", "http://" + host + "/in-chunks", "", func(r *http.Request) { r.TransferEncoding = []string{"chunked"} }},
		{"GET", "http://" + host + "/with-a-trailer", "", func(r *http.Request) { r.Trailer = http.Header{"A": nil} }},
		{"GET", "http://" + host + "/opaque", "", func(r *http.Request) { r.URL.Opaque = "/ HTTP/1.1\r\n\r\n" }},
		{"GET", "http://" + host + "/two-requests", "", func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.1\r\n\r\n" }},
	} {
		var body io.Reader
		if tt.body != "" {
			body = strings.NewReader(tt.body)
		}
		r, err := http.NewRequestWithContext(t.Context(), tt.method, tt.url, body)
		if err != nil {
			t.Fatal(err)
		}
		tt.change(r)
		if _, err := tr.RoundTrip(r); err != errNext {
			t.Errorf("%s %s: got error %v, want that it is handed on", tt.method, tt.url, err)
		}
	}
	if n := s.connections.Load(); n != 0 {
		t.Errorf("got %d connections, want none", n)
	}
	zoned := &direct.Transport{Host: "[fe80::1%lo]", Next: nothing{}} // no zone may be in Host (RFC 6874 §4)
	if _, _, err := get(t.Context(), zoned, "[fe80::1%25lo]", "/"); err != errNext {
		t.Errorf("a host with a zone: got error %v, want that it is handed on", err)
	}
}

// TestARequestOnTheWire: a request is what http.Request.Write makes of it, but for the order of its headers.
func TestARequestOnTheWire(t *testing.T) {
	sent := make(chan string, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			request := make([]byte, 4<<10) // it arrives with one write
			n, _ := c.Read(request)
			sent <- string(request[:n])
			io.WriteString(c, whole(""))
			c.Close()
		}
	}()
	tr := &direct.Transport{Host: l.Addr().String(), Next: nothing{}, MaxHeader: 8 << 10}
	for target, header := range map[string]http.Header{
		"":           nil,
		"/Patient/1": {"Accept": {"application/fhir+json"}, "X-Request-Id": {"1"}},
		"/Observation?patient=Patient/1&code=a|b c%20d#x": {"A": {"1", "2"}},
		"/a b/%2F/é?é=%zz":                                {},
		"/?":                                              {},
		"//other.example/":                                {},
		"/in-a-value":                                     {"A": {"b\r\nC: d", " e "}},
		"/in-a-name":                                      {"A: b\r\nC": {"d"}, "E F": {"g"}, "": {"h"}},
		"/of-a-body":                                      {"Content-Length": {"5"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"A"}, "Host": {"other.example"}},
		"/the-last-one":                                   {"Connection": {"close"}},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+tr.Host+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"User-Agent": {"zorgsluis"}} // otherwise http.Request.Write makes one up
		maps.Copy(r.Header, header)
		response, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		var want strings.Builder
		if err := r.Write(&want); err != nil {
			t.Fatal(err)
		}
		if got := <-sent; !slices.Equal(lines(got), lines(want.String())) {
			t.Errorf("%s: got %q, want %q", target, got, want.String())
		}
	}
	tr.CloseIdleConnections()
}

// lines are the lines of a request, those between Host and the empty one in order.
func lines(request string) []string {
	all := strings.SplitAfter(request, "\r\n")
	if len(all) > 4 {
		slices.Sort(all[2 : len(all)-2])
	}
	return all
}

// TestEverybodyGetsTheirOwn: of many requests at once, some of which are cancelled, each gets its own answer or none.
func TestEverybodyGetsTheirOwn(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rand.IntN(20) == 0 {
			w.Header().Set("Connection", "close")
		}
		if rand.IntN(10) == 0 {
			w.(http.Flusher).Flush() // chunks
		}
		io.WriteString(w, strings.Repeat(r.URL.Path, 1+rand.IntN(3000)))
		if rand.IntN(20) == 0 {
			panic(http.ErrAbortHandler)
		}
	}))
	s.Config.ErrorLog = nil
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	tr := &direct.Transport{Host: host, MaxHeader: 8 << 10, MaxIdle: 8, IdleTimeout: time.Minute}
	defer tr.CloseIdleConnections()
	var good atomic.Int32
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for n := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if rand.IntN(10) == 0 {
					time.AfterFunc(time.Duration(rand.IntN(500))*time.Microsecond, cancel)
				}
				path := fmt.Sprintf("/%04d/%04d", i, n)
				_, body, err := get(ctx, tr, host, path)
				cancel()
				if err != nil {
					continue
				}
				good.Add(1)
				if strings.Trim(strings.ReplaceAll(body, path, ""), "/") != "" || body == "" {
					t.Errorf("%s got the answer of another request: %.40s", path, body)
				}
			}
		})
	}
	all.Wait()
	if good.Load() < 1600 {
		t.Errorf("only %d of 3200 requests were answered", good.Load())
	}
}
