// Package redistest runs real redis-server processes for tests: they can be killed, frozen, restarted and inspected, and a relay in
// front of them can lose replies. It is imported by tests only.
package redistest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"zorgsluis/consent/redisstore"
)

// startWithin is how long a server may take to respond.
const startWithin = time.Minute

// Server is one redis-server process.
type Server struct {
	t      testing.TB
	folder string
	port   int
	bus    int // bus port of a cluster node
	extra  []string
	log    *os.File // output of all processes

	mu      sync.Mutex // Kill and Run are called from different goroutines of a test
	process process
}

// process is the server's current process; done is closed when it has ended.
type process struct {
	*os.Process
	done chan struct{}
}

// Start runs a redis-server until the test ends, configured as the store requires; settings ("--name", "value", …) add to that or
// override it. If no redis-server is installed the test fails and says what to install: promises that are not tested are not kept.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	folder, err := os.MkdirTemp(parent(), "zs") // t.TempDir is too long for the path of a socket
	if err != nil {
		t.Fatalf("folder for redis: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatalf("log of redis: %v", err)
	}
	t.Cleanup(func() { log.Close() })
	s := &Server{t: t, folder: folder, port: FreePort(t), extra: settings, log: log}
	t.Cleanup(s.Kill)
	s.Run()
	return s
}

// StartNode is Start for an empty cluster node that knows no other node.
func StartNode(t testing.TB, settings ...string) *Server {
	t.Helper()
	bus := FreePort(t)
	s := Start(t, append([]string{"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus)}, settings...)...)
	s.bus = bus
	return s
}

// Run starts the process, or restarts it after Kill, in the same folder and on the same port. If one is running it does nothing: a
// second one would exit at once, and Kill would refer to that one.
func (s *Server) Run() {
	s.t.Helper()
	if p := s.running(); p.Process != nil {
		select {
		case <-p.done:
		default:
			return
		}
	}
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatal("redis-server is not installed; run: apt-get install -y redis-server")
	}
	args := append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--unixsocket", s.Socket(), "--dir", s.folder, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "no",
		"--maxmemory", "256mb", "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0",
	}, s.extra...)
	cmd, done := exec.Command(binary, args...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = s.log, s.log // a file, so that nothing has to be copied or waited for
	cmd.SysProcAttr = attributes()
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the child dies with the thread that started it
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
		close(done)
	}()
	if err := <-started; err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	s.mu.Lock()
	s.process = process{cmd.Process, done}
	s.mu.Unlock()
	s.await()
}

func (s *Server) running() process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

// await waits until the server responds.
func (s *Server) await() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), startWithin)
	defer cancel()
	for !s.answers(ctx) {
		select {
		case <-s.running().done:
			said, _ := os.ReadFile(s.log.Name())
			s.t.Fatalf("redis-server ended: %s", said)
		case <-ctx.Done():
			s.t.Fatal("redis-server does not answer")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *Server) answers(ctx context.Context) bool {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", s.Socket()) // go-redis would log this expected failure
	if err != nil {
		return false
	}
	c.Close()
	return s.Client().Ping(ctx).Err() == nil
}

// Socket is the path of the server's Unix socket, Address its TCP address, Folder where its log is.
func (s *Server) Socket() string  { return filepath.Join(s.folder, "s") }
func (s *Server) Address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }
func (s *Server) Folder() string  { return s.folder }

// Port is the server's TCP port, BusPort the one on which nodes of a cluster talk.
func (s *Server) Port() int    { return s.port }
func (s *Server) BusPort() int { return s.bus }

// Client returns a client made by NewClient, over the Unix socket.
func (s *Server) Client() *redis.Client { return Client(s.t, s.Socket()) }

// Client returns a client made by NewClient, closed when the test ends.
func Client(t testing.TB, address string) *redis.Client {
	t.Helper()
	c := redisstore.NewClient(redisstore.ClientOptions{Addresses: []string{address}})
	t.Cleanup(func() { c.Close() })
	return c.(*redis.Client)
}

// Kill ends the process at once (kill -9), even if it is frozen.
func (s *Server) Kill() {
	if p := s.running(); p.Process != nil {
		p.Kill()
		<-p.done
	}
}

// Freeze stops the process without ending it: connections stay open and nothing responds.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw resumes a frozen process.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.running().Signal(sig); err != nil {
		s.t.Fatalf("signal redis-server: %v", err)
	}
}

// Do runs one command, or fails the test.
func (s *Server) Do(args ...any) any {
	s.t.Helper()
	v, err := s.Client().Do(s.t.Context(), args...).Result()
	if err != nil {
		s.t.Fatalf("redis %v: %v", args[0], err)
	}
	return v
}

// Replica starts a replica and returns when it is in sync, its master knows that, and it has rewritten its own log: during the
// rewrite it may acknowledge too late to count.
func (s *Server) Replica(settings ...string) *Server {
	s.t.Helper()
	r := Start(s.t, append([]string{"--replicaof", fmt.Sprintf("127.0.0.1 %d", s.port)}, settings...)...)
	client, master := r.Client(), s.Client()
	wait(s.t, "the replica to follow", func() bool {
		role, err := client.Do(s.t.Context(), "role").Slice()
		if err != nil || len(role) < 4 || role[3] != "connected" {
			return false
		}
		log, err := client.Info(s.t.Context(), "persistence").Result()
		if err != nil || !strings.Contains(log, "aof_rewrite_in_progress:0") || !strings.Contains(log, "aof_rewrite_scheduled:0") {
			return false
		}
		n, err := master.Wait(s.t.Context(), 1, 100*time.Millisecond).Result()
		return err == nil && n > 0
	})
	return r
}

// FreePort returns a TCP port of the loopback interface that is the caller's until the test ends, also while nothing listens on it: a server
// that is killed gets it back. It is none of those that systems give to connections and listeners that ask for no port (from 32768 on), and a
// UDP socket with its number keeps it from other tests, which may run in other processes.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 10_000 + rand.IntN(20_000)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		claim, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			claim.Close()
			continue
		}
		l.Close()
		t.Cleanup(func() { claim.Close() })
		return port
	}
	t.Fatal("no port is free")
	return 0
}
