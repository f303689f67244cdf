package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// profiler is added to the profiled gateway by a build overlay: the gateway itself has no profiler that anybody could reach. Each SIGUSR1 starts
// or ends a profile, and also writes what was allocated until then.
const profiler = `package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

func init() {
	toggle := make(chan os.Signal, 1)
	signal.Notify(toggle, syscall.SIGUSR1)
	go func() {
		for n := 1; ; n++ {
			<-toggle
			f, err := os.Create(fmt.Sprintf(%q, n))
			if err != nil {
				panic(err)
			}
			if err := pprof.StartCPUProfile(f); err != nil {
				panic(err)
			}
			<-toggle
			pprof.StopCPUProfile()
			if err := f.Close(); err != nil {
				panic(err)
			}
			if f, err = os.Create(f.Name() + ".allocs"); err != nil {
				panic(err)
			}
			if err := pprof.Lookup("allocs").WriteTo(f, 0); err != nil {
				panic(err)
			}
			if err := os.Rename(f.Name(), f.Name()+".done"); err != nil {
				panic(err)
			}
		}
	}()
}
`

// overlay writes the addition, and the overlay file for the compiler.
func (w *world) overlay() (string, error) {
	added := w.file("profiler.go")
	if err := os.WriteFile(added, fmt.Appendf(nil, profiler, w.file("profile-%d")), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{
		"Replace": map[string]string{filepath.Join(root(), "cmd", "gateway", "zz_profiler.go"): added},
	})
	if err != nil {
		return "", err
	}
	return w.file("overlay.json"), os.WriteFile(w.file("overlay.json"), text, 0o600)
}

// profile runs each workload on the gateway alone, for as long as a comparison does, and keeps a CPU profile of each.
func (w *world) profile(ctx context.Context, out io.Writer) error {
	if err := os.MkdirAll(w.options.profile, 0o755); err != nil {
		return err
	}
	for i, l := range workloads() {
		r := &result{target: w.targets[0], workload: l}
		if err := w.warm(ctx, r); err != nil {
			return err
		}
		if err := w.gateway.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			return err
		}
		s, err := w.measure(ctx, r, w.options.connections, time.Duration(w.options.rounds*w.options.seconds)*time.Second)
		if err != nil {
			return err
		}
		if err := w.gateway.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			return err
		}
		made, kept := w.file(fmt.Sprintf("profile-%d", i+1)), filepath.Join(w.options.profile, l.name)
		finished := func(context.Context) error { return os.Rename(made+".allocs.done", kept+".allocs") }
		if err := w.gateway.answers(ctx, finished); err != nil {
			return err
		}
		if err := os.Rename(made, kept+".pprof"); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %.0f req/s with the profiler on, CPU %.0f µs, Redis %.0f µs; go tool pprof %s.pprof\n", l.name, s.rate, s.cpu, s.beside, kept)
	}
	return nil
}
