// Command bench measures what the gateway costs: requests per second, CPU per request and added latency, with everything on,
// against a tuned plain reverse proxy in Go and against nginx, in front of the same source and in one run.
//
// The gateway is the real binary with a real configuration: ES256 tokens of the demo's issuer, consents in a redis-server that
// syncs every write, the filter, and an event that is durable before the first byte is sent. The programs take turns, in a different
// order each round; the results are medians. Any answer but 200 fails the bench, and so does a release without its event.
// Run as root, it measures the gateway a second time with Redis at the priority that docs/operating.md advises.
//
//	go run ./test/bench                        # the table, in about six minutes
//	go run ./test/bench -out README.md         # and in README.md, between <!-- bench --> and <!-- /bench -->
//	go run ./test/bench -cpuprofile profile    # profiles instead: profile/read.pprof, profile/search.pprof
//
// It needs redis-server. Without nginx its row is missing; without wrk a built-in load generator replaces it. Linux only:
// CPU times are read from /proc.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	rounds      int
	seconds     int
	connections int
	many        int
	people      int
	out         string
	profile     string
	role        string
	to          string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; the table shows their medians")
	flag.IntVar(&o.seconds, "seconds", 3, "seconds of load per program and workload in each round; a third of it with one connection")
	flag.IntVar(&o.connections, "connections", 64, "connections under load")
	flag.IntVar(&o.many, "many", 256, "connections under load in a second measurement, which shows what fuller batches bring; 0: none")
	flag.IntVar(&o.people, "people", 256, "patients, each with a professional who asks, and a token")
	flag.StringVar(&o.out, "out", "", "write the table into this `file`, between its bench markers")
	flag.StringVar(&o.profile, "cpuprofile", "", "profile the gateway into this `folder` instead of comparing it")
	flag.StringVar(&o.role, "role", "", "run as one of the programs around the gateway: source or proxy (the bench starts itself)")
	flag.StringVar(&o.to, "to", "", "where -role proxy sends requests")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run runs the bench, or one of the programs that it starts.
func run(ctx context.Context, o options, out io.Writer) error {
	if o.rounds < 1 || o.seconds < 1 || o.connections < 1 || o.many < 0 || o.people < 1 {
		return errors.New("rounds, seconds, connections and people must be at least 1, many at least 0")
	}
	switch o.role {
	case "source":
		return serveSource(ctx, o.people, out)
	case "proxy":
		return servePlain(ctx, o.to, out)
	case "":
	default:
		return fmt.Errorf("no role %q", o.role)
	}
	w, err := newWorld(ctx, o)
	if err != nil {
		return errors.Join(err, w.close())
	}
	if o.profile != "" {
		return errors.Join(w.profile(ctx, out), w.close())
	}
	results, err := w.compare(ctx, os.Stderr)
	if err := errors.Join(err, w.settle(results), w.close()); err != nil {
		return err
	}
	table := report(results, o, w.machine())
	fmt.Fprintln(out, table)
	if o.out == "" {
		return nil
	}
	return replaceInFile(o.out, table)
}

// workload is one kind of request.
type workload struct {
	name  string
	title string // for the table, with a verb for the size of the answer
	path  func(id string) string
	holds string // what the right answer contains, and how often
	times int
}

// observations is the number of resources that the search finds.
const observations = 50

func workloads() []workload {
	return []workload{
		{
			name: "read", title: "`GET Patient/{id}`, %.1f kB",
			path:  func(id string) string { return base + "/Patient/" + id },
			holds: `"resourceType":"Patient"`, times: 1,
		},
		{
			name: "search", title: "`GET Observation?patient={id}`, %.0f kB",
			path:  func(id string) string { return base + "/Observation?patient=" + id },
			holds: `"resourceType":"Observation"`, times: observations,
		},
	}
}

// result has the measurements of one program under one workload.
type result struct {
	target   *target
	workload workload
	size     int // bytes of the smallest answer
	busy     []sample
	crowded  []sample // with many connections
	single   []sample // with one connection
}

// compare lets the programs take turns. It writes progress to told.
func (w *world) compare(ctx context.Context, told io.Writer) ([]*result, error) {
	var results []*result
	for _, load := range workloads() {
		for _, t := range w.targets {
			r := &result{target: t, workload: load}
			results = append(results, r)
			if err := w.warm(ctx, r); err != nil {
				return nil, err
			}
		}
	}
	long, short := time.Duration(w.options.seconds)*time.Second, time.Duration(max(1, w.options.seconds/3))*time.Second
	for round := range w.options.rounds {
		for i := range results {
			r := results[(i+round)%len(results)] // starts with a different one in each round
			for _, load := range []struct {
				samples     *[]sample
				connections int
				time        time.Duration
			}{{&r.busy, w.options.connections, long}, {&r.crowded, w.options.many, long}, {&r.single, 1, short}} {
				if load.connections == 0 {
					continue
				}
				one, err := w.measure(ctx, r, load.connections, load.time)
				if err != nil {
					return nil, err
				}
				*load.samples = append(*load.samples, one)
			}
			busy, single := r.busy[round], r.single[round]
			fmt.Fprintf(told, "round %d %-6s %-26s %6.0f req/s, CPU %4.0f µs, p50 with one connection %4d µs\n",
				round+1, r.workload.name, r.target.name, busy.rate, busy.cpu, single.p50.Microseconds())
		}
	}
	return results, nil
}
