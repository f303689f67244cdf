package e2e_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// fate is what a relay does with the request that it waits for.
type fate int

const (
	cutBefore  fate = iota + 1 // the connection ends, and the server never sees the request
	cutAfter                   // the server executes it, and the connection ends instead of the reply
	justBefore                 // the relay calls act, then passes the request on
)

// relay is between a gateway and its Redis, and interferes with the one request that contains a text: a commit contains the request id of its
// event.
type relay struct {
	listener net.Listener
	target   string
	conns    sync.WaitGroup

	mu    sync.Mutex
	open  map[net.Conn]bool
	watch []byte
	fate  fate
	times int
	act   func()
	met   int
}

func startRelay(t testing.TB, target string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("relay: %v", err)
	}
	r := &relay{listener: l, target: target, open: map[net.Conn]bool{}}
	r.conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.conns.Go(func() { r.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.cutAll()
		r.conns.Wait()
	})
	return r
}

func (r *relay) address() string { return r.listener.Addr().String() }

// on interferes with the next requests that contain text, this many times.
func (r *relay) on(text string, f fate, times int, act func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watch, r.fate, r.times, r.act, r.met = []byte(text), f, times, act, 0
}

// interfered returns how often it did; act has returned by then.
func (r *relay) interfered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.met
}

// cutAll breaks every connection.
func (r *relay) cutAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		c.Close()
	}
}

// match reports what to do with a chunk of a request.
func (r *relay) match(seen []byte) (fate, func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times == 0 || !bytes.Contains(seen, r.watch) {
		return 0, nil
	}
	r.times--
	if r.act == nil {
		r.met++
		return r.fate, nil
	}
	act := r.act
	return r.fate, func() {
		act()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.met++
	}
}

func (r *relay) serve(client net.Conn) {
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		client.Close()
		return
	}
	r.mu.Lock()
	r.open[client], r.open[server] = true, true
	r.mu.Unlock()
	end := func() {
		client.Close()
		server.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, client)
		delete(r.open, server)
	}
	defer end()
	var mute sync.Mutex // held for good once a reply must not be delivered
	go func() {
		defer end()
		r.requests(client, server, &mute)
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil || !mute.TryLock() {
			return
		}
		_, err = client.Write(buffer[:n])
		mute.Unlock()
		if err != nil {
			return
		}
	}
}

// requests passes requests on until one is interfered with.
func (r *relay) requests(client, server net.Conn, mute *sync.Mutex) {
	buffer := make([]byte, 64<<10)
	var last []byte // the end of the previous chunk: a text may be split
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		f, act := r.match(append(last, buffer[:n]...))
		if last = append(last[:0], buffer[max(0, n-64):n]...); f != 0 {
			last = last[:0]
		}
		if act != nil {
			act()
		}
		switch f {
		case cutBefore:
			return
		case cutAfter:
			mute.Lock() // the reply, when it comes, ends the connection
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
		if f == cutAfter {
			_, _ = io.Copy(io.Discard, client)
			return
		}
	}
}
