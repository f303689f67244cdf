package redisstore_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
)

func startEmbedded(t *testing.T, folder string) *redisstore.Embedded {
	t.Helper()
	e, err := redisstore.StartEmbedded(t.Context(), redisstore.EmbeddedOptions{Folder: folder})
	if errors.Is(err, redisstore.ErrNoServer) {
		t.Fatal("redis-server is not installed; run: apt-get install -y redis-server")
	}
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() { e.Stop() })
	return e
}

// TestEmbedded starts, stops and restarts: what was acknowledged is there, and the server is configured as Check requires and
// docs/operating.md advises.
func TestEmbedded(t *testing.T) {
	folder := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	e := startEmbedded(t, folder)
	s := open(t, options(t, e.Client().Addresses[0]))
	change(t, s, alice, permit)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	client := redisstore.NewClient(e.Client())
	defer client.Close()
	advised := map[string]string{"auto-aof-rewrite-percentage": "400", "auto-aof-rewrite-min-size": "536870912"}
	if got, err := client.ConfigGet(t.Context(), "auto-aof-rewrite-*").Result(); err != nil || !maps.Equal(got, advised) {
		t.Errorf("when the log is rewritten: got %v, %v, want %v", got, err, advised)
	}
	if !e.Kept() {
		t.Error("says that it keeps nothing")
	}
	info, err := os.Stat(filepath.Dir(e.Client().Addresses[0]))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder of the socket: %v, %v", info.Mode(), err)
	}
	_, err = redisstore.StartEmbedded(t.Context(), redisstore.EmbeddedOptions{Folder: folder})
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server in the same folder: got %v", err)
	}
	for range 2 {
		if err := e.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	<-e.Exited()
	e = startEmbedded(t, folder)
	if st, _ := standing(t, reopen(t, options(t, e.Client().Addresses[0])), alice); st.Generation != 1 {
		t.Errorf("after a restart: got generation %d", st.Generation)
	}
}

// TestEmbeddedRefuses: the error says why a server does not start.
func TestEmbeddedRefuses(t *testing.T) {
	_, err := redisstore.StartEmbedded(t.Context(), redisstore.EmbeddedOptions{Folder: t.TempDir(), Binary: "no-such-server"})
	if !errors.Is(err, redisstore.ErrNoServer) || !strings.Contains(err.Error(), "apt-get install -y redis-server") {
		t.Errorf("no binary: got %v", err)
	}
	_, err = redisstore.StartEmbedded(t.Context(), redisstore.EmbeddedOptions{Folder: t.TempDir(), MaxMemory: "nonsense"})
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a wrong setting: got %v, want what the server said", err)
	}
	damaged := t.TempDir()
	e := startEmbedded(t, damaged)
	change(t, open(t, options(t, e.Client().Addresses[0])), alice, permit)
	e.Stop()
	spoil(t, damaged)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err = redisstore.StartEmbedded(ctx, redisstore.EmbeddedOptions{Folder: damaged}); err == nil {
		t.Error("a damaged log is accepted")
	}
}

// spoil damages the log in the middle.
func spoil(t *testing.T, folder string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(folder, "appendonlydir", "*.incr.aof"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("logs: %v, %v", logs, err)
	}
	b, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	middle := len(b) / 2
	next := bytes.Index(b[middle:], []byte("\r\n*")) // the start of a command
	if next < 0 {
		t.Fatal("no command in the second half of the log")
	}
	b[middle+next+2] = 'x'
	if err := os.WriteFile(logs[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEmbeddedDiesWithItsParent kills a process that runs a server (kill -9): the server dies too, and the folder is unlocked.
func TestEmbeddedDiesWithItsParent(t *testing.T) {
	folder := t.TempDir()
	if os.Getenv("ZORGSLUIS_TEST_PARENT") != "" {
		e := startEmbedded(t, os.Getenv("ZORGSLUIS_TEST_PARENT"))
		os.Stdout.WriteString("started " + e.Client().Addresses[0] + "\n")
		select {} // until killed
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestEmbeddedDiesWithItsParent$")
	cmd.Env = append(os.Environ(), "ZORGSLUIS_TEST_PARENT="+folder)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	socket, ok := strings.CutPrefix(strings.TrimSpace(line), "started ")
	if err != nil || !ok {
		t.Fatalf("got %q, %v", line, err)
	}
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(socket)) }) // the killed process cannot do it
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatalf("the server does not answer: %v", err)
	}
	defer c.Close()
	cmd.Process.Kill()
	cmd.Wait()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || os.IsTimeout(err) {
		t.Fatalf("the server lives on: %v", err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		e, err := redisstore.StartEmbedded(t.Context(), redisstore.EmbeddedOptions{Folder: folder})
		if err == nil {
			e.Stop()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the folder is not free: %v", err)
		}
	}
}

// TestEmbeddedEnds: Exited is closed when the server ends by itself.
func TestEmbeddedEnds(t *testing.T) {
	e := startEmbedded(t, t.TempDir())
	redistest.Client(t, e.Client().Addresses[0]).ShutdownNoSave(t.Context())
	<-e.Exited()
	if err := e.Stop(); err != nil {
		t.Errorf("stop after the end: %v", err)
	}
}
