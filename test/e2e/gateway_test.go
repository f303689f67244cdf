package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/internal/demo"
)

// The deadlines of waiting. They allow for a machine that is busy with other tests; usually it is much sooner.
const (
	startWithin = 60 * time.Second
	endWithin   = 60 * time.Second
	// soon is the limit for "within a second": the second that is promised, and one for a busy machine.
	soon = 2 * time.Second
)

// gateway is one running process of the real binary.
type gateway struct {
	t           testing.TB
	base, admin string
	out         output // stdout and stderr, in the order in which they were written
	cmd         *exec.Cmd
	done        chan struct{}
	err         error // of the process, once done is closed
	client      *http.Client
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// spawn starts the binary and returns a channel that is closed when it has exited.
func spawn(cmd *exec.Cmd, ended *error) (<-chan struct{}, error) {
	cmd.SysProcAttr = childAttributes()
	started, done := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the child dies with the thread that started it
		defer runtime.UnlockOSThread()
		defer close(done)
		err := cmd.Start()
		started <- err
		if err == nil {
			*ended = cmd.Wait()
		}
	}()
	return done, <-started
}

// launch starts a gateway on a configuration file and does not wait for it.
func (w *world) launch(file, scheme, listen, admin string) *gateway {
	w.t.Helper()
	g := &gateway{t: w.t, base: scheme + "://" + listen, admin: "http://" + admin}
	// A connection for each request: http.Transport repeats requests on kept connections, and the tests count requests.
	g.client = &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: w.roots}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       60 * time.Second,
	}
	if samples != "" {
		g.client.Transport = sampler{g.client.Transport, w.version}
	}
	g.cmd = exec.Command(binary, "serve", "--config", file)
	g.cmd.Stdout, g.cmd.Stderr = &g.out, &g.out
	g.cmd.Env = append(g.cmd.Environ(), "GORACE=halt_on_error=1")
	done, err := spawn(g.cmd, &g.err)
	if err != nil {
		w.t.Fatalf("start the gateway: %v", err)
	}
	g.done = make(chan struct{})
	go func() { <-done; close(g.done) }()
	w.t.Cleanup(func() {
		g.kill()
		g.inspect()
	})
	return g
}

// inspect searches the log for what no log of a gateway may contain.
func (g *gateway) inspect() {
	g.t.Helper()
	log := g.out.String()
	for _, bad := range []string{"DATA RACE", `"msg":"panic"`, "goroutine 1 ["} {
		if strings.Contains(log, bad) {
			g.t.Errorf("the gateway's log holds %q:\n%s", bad, log)
		}
	}
	if g.t.Failed() {
		g.t.Logf("log of the gateway at %s:\n%s", g.base, tail(log, 6000))
	}
}

// wantLog waits for what a gateway should write. Its log is read by another process, which may be late.
func (g *gateway) wantLog(text, what string) {
	g.t.Helper()
	until(g.t, endWithin, what, func() bool { return strings.Contains(g.out.String(), text) })
}

func tail(s string, n int) string {
	if len(s) > n {
		return "… " + s[len(s)-n:]
	}
	return s
}

// logged returns what a gateway has written once the line of an exchange made now is there: all earlier lines are there as well.
func (g *gateway) logged() string {
	g.t.Helper()
	last := g.ask(demo.Caller{}, get("/gateway/metadata"))
	g.wantLog(last.header.Get("X-Request-Id"), "the line of the last exchange")
	return g.out.String()
}

// started waits until the gateway answers callers.
func (g *gateway) started() *gateway {
	g.t.Helper()
	until(g.t, startWithin, "the gateway to start", func() bool {
		select {
		case <-g.done:
			g.t.Fatalf("the gateway ended: %v\n%s", g.err, g.out.String())
		default:
		}
		return strings.Contains(g.out.String(), `"msg":"started"`)
	})
	return g
}

// kill is kill -9.
func (g *gateway) kill() {
	g.cmd.Process.Kill()
	<-g.done
}

// terminate requests a graceful stop; ended waits for it and returns the exit code.
func (g *gateway) terminate() {
	g.t.Helper()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		g.t.Fatalf("signal: %v", err)
	}
}

func (g *gateway) ended() int {
	g.t.Helper()
	select {
	case <-g.done:
	case <-time.After(endWithin):
		g.t.Fatalf("the gateway does not end:\n%s", tail(g.out.String(), 4000))
	}
	return g.cmd.ProcessState.ExitCode()
}

// stop stops it gracefully and wants exit code 0.
func (g *gateway) stop() {
	g.t.Helper()
	g.terminate()
	if code := g.ended(); code != 0 {
		g.t.Fatalf("a graceful stop ended with exit code %d, want 0:\n%s", code, tail(g.out.String(), 4000))
	}
}

// readiness returns what /readyz says.
func (g *gateway) readiness() (status int, said string) {
	resp, err := g.client.Get(g.admin + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	var answer struct{ Status string }
	_ = json.Unmarshal(body, &answer)
	return resp.StatusCode, answer.Status
}

// result is the result of a command of the binary.
type result struct {
	stdout, stderr string
	code           int
}

// command runs the binary with this standard input until it exits.
func command(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), endWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	var failed error
	done, err := spawn(cmd, &failed)
	if err != nil {
		t.Fatalf("gateway %s: %v", args[0], err)
	}
	<-done
	var exit *exec.ExitError
	if failed != nil && !errors.As(failed, &exit) {
		t.Fatalf("gateway %s: %v", args[0], failed)
	}
	r := result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
	if strings.Contains(r.stderr, "DATA RACE") {
		t.Errorf("gateway %s: %s", args[0], r.stderr)
	}
	return r
}

// must runs a command that must succeed, and returns its output.
func must(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	r := command(t, stdin, args...)
	if r.code != 0 {
		t.Fatalf("gateway %s: exit code %d, want 0\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// until polls what can be observed, with a deadline.
func until(t testing.TB, within time.Duration, what string, reached func() bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(within); !reached(); <-poll.C {
		if time.Now().After(end) {
			t.Fatalf("waited %s for %s", within, what)
		}
	}
}

// freeAddress is an address that stays the test's, also while nothing listens on it.
func freeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", redistest.FreePort(t))
}
