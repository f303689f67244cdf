package redisstore_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
)

// fake answers like a Redis whose every script call ends in one and the same reply; meta keys it has.
type fake struct {
	mu    sync.Mutex
	reply string // in RESP; "" closes the connection
	meta  map[string]string
}

func startFake(t *testing.T) (*fake, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("fake: %v", err)
	}
	f := &fake{meta: map[string]string{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { f.serve(c) })
		}
	})
	// Clients are closed before this runs, so that the connections end.
	t.Cleanup(func() { l.Close(); running.Wait() })
	return f, l.Addr().String()
}

func (f *fake) set(reply string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reply = reply
}

func (f *fake) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		args, err := readCommand(r)
		if err != nil {
			return
		}
		answer := f.answer(args)
		if answer == "" {
			return
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

func (f *fake) answer(args []string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch strings.ToLower(args[0]) {
	case "hgetall":
		return fmt.Sprintf("*8\r\n$5\r\nstore\r\n$4\r\ntest\r\n$6\r\nshards\r\n$1\r\n4\r\n$5\r\ncheck\r\n$%d\r\n%s\r\n$3\r\nseq\r\n$1\r\n0\r\n",
			len(f.meta["check"]), f.meta["check"])
	case "evalsha":
		return f.reply
	case "hello":
		return "-ERR unknown command\r\n"
	}
	return "+OK\r\n"
}

func readCommand(r *bufio.Reader) ([]string, error) {
	n, err := readNumber(r)
	if err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		size, err := readNumber(r)
		if err != nil {
			return nil, err
		}
		b := make([]byte, size+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		args[i] = string(b[:size])
	}
	return args, nil
}

func readNumber(r *bufio.Reader) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil || len(line) < 3 {
		return 0, io.ErrUnexpectedEOF
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

// TestUnexpectedReplies is leaks.md CN-13: whatever Redis says that is not the answer of our script is no answer.
func TestUnexpectedReplies(t *testing.T) {
	server, _ := real(t)
	check := metaCheck(t)
	replies := map[string]string{
		"loading":                "-LOADING Redis is loading the dataset in memory\r\n",
		"master down":            "-MASTERDOWN Link with MASTER is down\r\n",
		"busy":                   "-BUSY Redis is busy running a script\r\n",
		"moved":                  "-MOVED 1 127.0.0.1:1\r\n",
		"ask":                    "-ASK 1 127.0.0.1:1\r\n",
		"read only":              "-READONLY You can't write against a read only replica.\r\n",
		"cluster down":           "-CLUSTERDOWN The cluster is down\r\n",
		"no script, always":      "-NOSCRIPT No matching script\r\n",
		"no authentication":      "-NOAUTH Authentication required.\r\n",
		"misconfigured":          "-MISCONF Errors writing to the AOF file\r\n",
		"nil":                    "$-1\r\n",
		"nil array":              "*-1\r\n",
		"empty array":            "*0\r\n",
		"a number":               ":1\r\n",
		"OK":                     "+OK\r\n",
		"a status alone":         "*1\r\n$2\r\nOK\r\n",
		"status of a later one":  "*2\r\n$4\r\nGOOD\r\n$1\r\n0\r\n",
		"OK and nothing":         "*2\r\n$2\r\nOK\r\n$1\r\n0\r\n",
		"one value too few":      "*5\r\n$2\r\nOK\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n0\r\n$1\r\n0\r\n",
		"a batch of nothing":     "*1\r\n$16\r\n1700000000000000\r\n",
		"a shard too few":        "*2\r\n$16\r\n1700000000000000\r\n*2\r\n$2\r\nOK\r\n$1\r\n0\r\n",
		"a shard without state":  "*2\r\n$16\r\n1700000000000000\r\n*1\r\n$2\r\nOK\r\n",
		"nil for a call":         "*2\r\n$16\r\n1700000000000000\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n$-1\r\n",
		"half a person":          "*2\r\n$16\r\n1700000000000000\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n*2\r\n$-1\r\n$-1\r\n",
		"numbers of a person":    "*2\r\n$16\r\n1700000000000000\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n*3\r\n:0\r\n:0\r\n:0\r\n",
		"half of what is stored": "*2\r\n$16\r\n1700000000000000\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n",
		"a batch without a time": "*2\r\n$1\r\n0\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n*3\r\n$-1\r\n$-1\r\n$-1\r\n",
		"a text for a call":      "*2\r\n$16\r\n1700000000000000\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n$4\r\nGOOD\r\n",
		"an error in a batch":    "*2\r\n$16\r\n1700000000000000\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n-WRONGTYPE x\r\n",
		"a shard too many": "*3\r\n$16\r\n1700000000000000\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n*3\r\n$-1\r\n$-1\r\n$-1\r\n" +
			"*3\r\n$2\r\nOK\r\n$1\r\n0\r\n*3\r\n$-1\r\n$-1\r\n$-1\r\n",
		"a number for a text": "*3\r\n$2\r\nOK\r\n$1\r\n0\r\n:5\r\n",
		"numbers for texts":   "*3\r\n:1\r\n:2\r\n:3\r\n",
		"half a reply":        "*3\r\n$2\r\nOK\r\n",
		"no RESP":             "HTTP/1.1 400 Bad Request\r\n\r\n",
		"the connection ends": "",
	}
	for name, reply := range replies {
		t.Run(name, func(t *testing.T) {
			f, address := startFake(t)
			f.meta["check"] = check
			s := reopen(t, options(t, address))
			f.set(reply)
			r := release(server, alice, 0)
			wantErr(t, within(t, time.Second, func(ctx context.Context) error { return s.Commit(ctx, r) }), audit.ErrUnavailable)
			if !r.Event.Time.IsZero() {
				t.Error("the event says that it was recorded")
			}
			wantErr(t, within(t, time.Second, func(ctx context.Context) error {
				_, _, err := s.Standing(ctx, s.Key(alice))
				return err
			}), audit.ErrUnavailable)
			wantErr(t, within(t, time.Second, func(ctx context.Context) error {
				_, err := s.Change(ctx, audit.Change{Person: alice, Apply: permit, Event: consentEvent()})
				return err
			}), audit.ErrUnavailable)
		})
	}
}

// metaCheck is the check value of the secrets of these tests.
func metaCheck(t *testing.T) string {
	t.Helper()
	m, err := redisstore.StartMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Stop() })
	o := options(t, m.Client().Addresses[0])
	open(t, o)
	check, err := o.Client.HGet(t.Context(), "zs:{s00}:meta", "check").Result()
	if err != nil {
		t.Fatal(err)
	}
	return check
}
