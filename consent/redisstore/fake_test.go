package redisstore_test

import (
	"bufio"
	"context"
	"errors"
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

// fake is a Redis whose script calls all return the same reply. It has meta keys, and nothing on file about anybody. It can give
// that reply to one of the commands that read a standing instead.
type fake struct {
	mu      sync.Mutex
	reply   string // in RESP; "" closes the connection
	spoiled int    // index of the command of a standing that gets the reply; 0 is the first, TIME
	asked   int    // number of those commands so far
	meta    map[string]string
}

// fakeOptions are the options of a store on a fake, whose clock stands still.
func fakeOptions(t *testing.T, address string) redisstore.Options {
	o := options(t, address)
	o.Now = func() time.Time { return time.Unix(1_700_000_000, 0) }
	return o
}

// glance are the commands that read a standing; the last does not exist.
var glance = []string{"the time", "the meta key before", "the history", "the person", "the meta key after", "nothing"}

func startFake(t *testing.T) (*fake, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("fake: %v", err)
	}
	f := &fake{meta: map[string]string{}, spoiled: len(glance) - 1}
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
	// Clients are closed first, so that the connections end.
	t.Cleanup(func() { l.Close(); running.Wait() })
	return f, l.Addr().String()
}

func (f *fake) set(reply string, spoiled int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reply, f.spoiled = reply, spoiled
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
	case "time":
		f.asked = 0
		return f.ofStanding("*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n")
	case "exists":
		return f.ofStanding(":0\r\n")
	case "hmget":
		if strings.HasSuffix(args[1], ":meta") {
			return f.ofStanding(fmt.Sprintf("*4\r\n$4\r\ntest\r\n$1\r\n4\r\n$%d\r\n%s\r\n$1\r\n0\r\n", len(f.meta["check"]), f.meta["check"]))
		}
		return f.ofStanding("*3\r\n$-1\r\n$-1\r\n$-1\r\n")
	}
	return "+OK\r\n"
}

// ofStanding answers one of the commands that read a standing.
func (f *fake) ofStanding(right string) string {
	f.asked++
	if f.asked == f.spoiled+1 {
		return f.reply
	}
	return right
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

// TestUnexpectedReplies is leaks.md CN-13: a reply that is not exactly one of our scripts' is an error.
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
		"a shard without state":  "*1\r\n*1\r\n$2\r\nOK\r\n",
		"a shard without calls":  "*1\r\n*2\r\n$2\r\nOK\r\n$1\r\n0\r\n",
		"nil for a call":         "*1\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n$-1\r\n",
		"a number for a call":    "*1\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n:1700000000000000\r\n",
		"a list for a call":      "*1\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n*1\r\n$16\r\n1700000000000000\r\n",
		"a text for a call":      "*1\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n$4\r\nGOOD\r\n",
		"no time for a call":     "*1\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n$1\r\n0\r\n",
		"an error in a batch":    "*1\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n-WRONGTYPE x\r\n",
		"a shard too many":       "*2\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n$16\r\n1700000000000000\r\n*3\r\n$2\r\nOK\r\n$1\r\n0\r\n$16\r\n1700000000000000\r\n",
		"a time of nothing":      "*2\r\n$1\r\n0\r\n$1\r\n0\r\n",
		"half a person":          "*2\r\n$-1\r\n$-1\r\n",
		"half a meta key":        "*4\r\n$4\r\ntest\r\n$1\r\n4\r\n$-1\r\n$1\r\n0\r\n",
		"another store":          "*4\r\n$5\r\nother\r\n$1\r\n4\r\n$1\r\nx\r\n$1\r\n0\r\n",
		"half of what is stored": "*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n",
		"empty texts":            "*3\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n",
		"zeros for texts":        "*3\r\n:0\r\n:0\r\n:0\r\n",
		"a person of lists":      "*3\r\n*0\r\n*0\r\n*0\r\n",
		"a number for a text":    "*3\r\n$2\r\nOK\r\n$1\r\n0\r\n:5\r\n",
		"numbers for texts":      "*3\r\n:1\r\n:2\r\n:3\r\n",
		"half a reply":           "*3\r\n$2\r\nOK\r\n",
		"no RESP":                "HTTP/1.1 400 Bad Request\r\n\r\n",
		"the connection ends":    "",
	}
	for name, reply := range replies {
		t.Run(name, func(t *testing.T) {
			f, address := startFake(t)
			f.meta["check"] = check
			s := reopen(t, fakeOptions(t, address))
			key := s.Key(alice)
			if _, _, err := s.Standing(t.Context(), key); err != nil {
				t.Fatalf("before: %v", err)
			}
			f.set(reply, 0)
			r := release(server, alice, 0)
			wantErr(t, within(t, time.Second, func(ctx context.Context) error { return s.Commit(ctx, r) }), audit.ErrUnavailable)
			if !r.Event.Time.IsZero() {
				t.Error("the event says that it was recorded")
			}
			for spoiled := range len(glance) - 1 {
				f.set(reply, spoiled)
				if err := within(t, time.Second, func(ctx context.Context) error {
					_, _, err := s.Standing(ctx, key)
					return err
				}); !errors.Is(err, audit.ErrUnavailable) {
					t.Errorf("for %s: got %v, want %v", glance[spoiled], err, audit.ErrUnavailable)
				}
			}
			wantErr(t, within(t, time.Second, func(ctx context.Context) error {
				_, err := s.Change(ctx, audit.Change{Person: alice, Apply: permit, Event: consentEvent()})
				return err
			}), audit.ErrUnavailable)
		})
	}
}

// TestAcceptedWhileReading: if an operator accepts the store between two reads of its meta key, the generations cannot be compared.
func TestAcceptedWhileReading(t *testing.T) {
	f, address := startFake(t)
	f.meta["check"] = metaCheck(t)
	s := reopen(t, fakeOptions(t, address))
	const after = 4 // glance
	f.set(fmt.Sprintf("*4\r\n$4\r\ntest\r\n$1\r\n4\r\n$%d\r\n%s\r\n$10\r\n4294967296\r\n", len(f.meta["check"]), f.meta["check"]), after)
	_, _, err := s.Standing(t.Context(), s.Key(alice))
	wantErr(t, err, audit.ErrUnavailable)
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
