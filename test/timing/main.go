// Command timing shows whether response time distinguishes reads of withheld resources from reads of absent ones
// (leaks.md RD-5, OR-9). It starts the real gateway with the demo's source and nothing on file, so that every read of the demo's
// records is withheld, and reads withheld and absent resources in turn: without limits.read_floor, and with a floor.
//
//	go run ./test/timing          # make timing: both distributions, and how well they can be distinguished
//
// It needs redis-server, listens on loopback only, and ends by itself in about a minute. The last column is the chance that a withheld
// read took longer than an absent one, where ties count half (the area under the ROC curve): 0.50 reveals nothing, 1.00 everything. The heading
// says how far from 0.50 it is by chance, 19 times out of 20.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"zorgsluis/internal/demo"
)

// options are the flags.
type options struct {
	reads int
	floor time.Duration
	limit time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.reads, "reads", 500, "reads of each kind, with and without the floor; 300 at least")
	flag.DurationVar(&o.floor, "floor", 20*time.Millisecond, "limits.read_floor of the second gateway")
	flag.DurationVar(&o.limit, "limit", 60*time.Second, "stop after this time whatever happens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "timing:", err)
		os.Exit(1)
	}
}

// run measures a gateway without the floor and one with it.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	if o.reads < 300 {
		return errors.New("fewer than 300 reads of a kind tell too little")
	}
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	s, err := newStage(ctx)
	defer func() { err = errors.Join(err, s.close()) }()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d reads of each kind, by turns, one at a time; what tells nothing is 0.50 ± %.2f\n\n", o.reads, chance(o.reads))
	fmt.Fprintf(out, "%-12s %-9s %8s %8s %8s %8s   %s\n", "read_floor", "read", "p10 µs", "p50 µs", "p90 µs", "p99 µs", "withheld takes longer")
	for _, floor := range []time.Duration{0, o.floor} {
		g, err := s.gateway(ctx, floor)
		if err != nil {
			return errors.Join(err, g.stop())
		}
		absent, withheld, err := s.measure(ctx, g, o.reads)
		if err := errors.Join(err, g.stop()); err != nil {
			return err
		}
		fmt.Fprintf(out, "%-12s %-9s %s\n", floor, "absent", quantiles(absent))
		fmt.Fprintf(out, "%-12s %-9s %s   %.2f\n", floor, "withheld", quantiles(withheld), longer(absent, withheld))
	}
	return nil
}

// warmUp is the number of uncounted first reads of each kind.
const warmUp = 50

// measure reads absent and withheld resources in turn, in a random order for each pair.
func (s *stage) measure(ctx context.Context, g *gateway, reads int) (absent, withheld []time.Duration, err error) {
	token, err := s.issuer.Token(demo.GP().Claims)
	if err != nil {
		return nil, nil, err
	}
	for n := range reads + warmUp {
		there := s.records[rand.IntN(len(s.records))]
		typ, id, _ := strings.Cut(there, "/")
		// An absent id of the same form and length.
		absentID := fmt.Sprintf("%08x", rand.Uint32()) + id[min(8, len(id)):]
		var took [2]time.Duration
		for _, kind := range rand.Perm(2) {
			path := typ + "/" + []string{absentID, id}[kind]
			if took[kind], err = g.read(ctx, token, path); err != nil {
				return nil, nil, err
			}
		}
		if n >= warmUp {
			absent, withheld = append(absent, took[0]), append(withheld, took[1])
		}
	}
	return absent, withheld, nil
}

// read reads one resource, which must not be released, and returns how long the answer took.
func (g *gateway) read(ctx context.Context, token, path string) (time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base+"/fhir/demo/"+path, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	start := time.Now()
	resp, err := g.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	took := time.Since(start)
	if resp.StatusCode != http.StatusNotFound {
		return 0, fmt.Errorf("a read that must not be answered got %s", resp.Status)
	}
	return took, nil
}
