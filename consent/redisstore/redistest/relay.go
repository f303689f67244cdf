package redistest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Relay stands between a client and a server and can lose replies.
type Relay struct {
	listener net.Listener
	target   string
	lose     atomic.Int64 // replies still to lose
	lost     atomic.Int64
	mu       sync.Mutex
	open     map[net.Conn]bool
}

// StartRelay relays to a server over TCP until the test ends.
func StartRelay(t testing.TB, target *Server) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("relay: %v", err)
	}
	r := &Relay{listener: l, target: target.Address(), open: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { r.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.mu.Lock()
		for c := range r.open {
			c.Close()
		}
		r.mu.Unlock()
		running.Wait()
	})
	return r
}

// Address is the address for clients.
func (r *Relay) Address() string { return r.listener.Addr().String() }

// Lose makes the relay close the client's connection instead of delivering the next n replies: the server has executed the
// commands, and nobody learns of it.
func (r *Relay) Lose(n int) { r.lose.Store(int64(n)) }

// Lost is the number of replies lost so far.
func (r *Relay) Lost() int { return int(r.lost.Load()) }

func (r *Relay) serve(client net.Conn) {
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		client.Close()
		return
	}
	r.track(client, server)
	defer r.close(client, server)
	go func() {
		io.Copy(server, client)
		r.close(client, server)
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		if r.lose.Load() > 0 && r.lose.Add(-1) >= 0 {
			r.lost.Add(1)
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (r *Relay) track(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		r.open[c] = true
	}
}

func (r *Relay) close(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(r.open, c)
	}
}
