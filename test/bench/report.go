package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// median returns the median; of an even number of values, the upper of the two in the middle.
func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func medianOf[T cmp.Ordered](samples []sample, of func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return median(values)
}

func rate(s sample) float64      { return s.rate }
func cpu(s sample) float64       { return s.cpu }
func beside(s sample) float64    { return s.beside }
func p50(s sample) time.Duration { return s.p50 }
func p99(s sample) time.Duration { return s.p99 }

// report renders the table: one row for each program under each workload. Ratios are ratios of medians.
func report(results []*result, o options, machine string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %d connections: | req/s | × plain proxy | × nginx | CPU µs per request | p50 / p99 ms | %d: req/s | × plain proxy | "+
		"one: p50 / p99 ms | added to the plain proxy |\n|---|---|---|---|---|---|---|---|---|---|\n", o.connections, o.many)
	for _, l := range workloads() {
		of := map[string]*result{}
		for _, r := range results {
			if r.workload.name == l.name {
				of[r.target.name] = r
			}
		}
		if len(of) == 0 {
			continue
		}
		size := 0
		for _, r := range of {
			size = max(size, r.size)
		}
		fmt.Fprintf(&b, "| **%s** | | | | | | | | | |\n", fmt.Sprintf(l.title, float64(size)/1000))
		for _, name := range []string{gatewayName, favouredName, plainName, nginxName} {
			if of[name] != nil {
				row(&b, of[name], cmp.Or(of[plainName], &result{}), cmp.Or(of[nginxName], &result{}))
			}
		}
	}
	fmt.Fprintf(&b, "\n%s\n", machine)
	return b.String()
}

func row(b *strings.Builder, r, plain, nginx *result) {
	times := func(samples, others []sample) string {
		if len(samples) == 0 || len(others) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.2f", medianOf(samples, rate)/medianOf(others, rate))
	}
	both := func(samples []sample) string {
		return fmt.Sprintf("%.2f / %.2f", milliseconds(medianOf(samples, p50)), milliseconds(medianOf(samples, p99)))
	}
	used := fmt.Sprintf("%.0f", medianOf(r.busy, cpu))
	if r.target.beside != 0 {
		used += fmt.Sprintf(" + Redis %.0f", medianOf(r.busy, beside))
	}
	crowded := "–"
	if len(r.crowded) > 0 {
		crowded = fmt.Sprintf("%.0f", medianOf(r.crowded, rate))
	}
	added := "–"
	if len(plain.single) > 0 && plain != r {
		added = fmt.Sprintf("%+.2f / %+.2f", milliseconds(medianOf(r.single, p50)-medianOf(plain.single, p50)),
			milliseconds(medianOf(r.single, p99)-medianOf(plain.single, p99)))
	}
	fmt.Fprintf(b, "| %s | %.0f | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.target.name, medianOf(r.busy, rate), times(r.busy, plain.busy),
		times(r.busy, nginx.busy), used, both(r.busy), crowded, times(r.crowded, plain.crowded), both(r.single), added)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// machine describes the machine and the programs of the measurement.
func (w *world) machine() string {
	o := w.options
	parts := []string{
		fmt.Sprintf("Medians of %d rounds of %d s, %d tokens and patients in turn, load by %s, all on one machine over loopback without TLS.",
			o.rounds, o.seconds, o.people, w.generator.name()),
		fmt.Sprintf("%s: %d × %s, %s, a synced write takes %.2f ms, load %s before the run.", time.Now().Format(time.DateOnly), runtime.NumCPU(),
			processor(), said("Linux", "uname", "-r"), milliseconds(w.synced), w.load),
		fmt.Sprintf("Gateway %s, %s, %s", said("commit", "git", "-C", root(), "describe", "--always", "--dirty"), runtime.Version(),
			redisVersion(said("", "redis-server", "--version"))),
	}
	if installed("nginx") {
		parts[len(parts)-1] += ", " + strings.TrimPrefix(said("", "nginx", "-v"), "nginx version: ")
	}
	parts[len(parts)-1] += "."
	for _, m := range w.missing {
		parts = append(parts, strings.ToUpper(m[:1])+m[1:]+".")
	}
	return strings.Join(parts, " ")
}

// said returns a name and the first line of a program's output; "unknown" if there is none.
func said(name, program string, args ...string) string {
	text, err := exec.Command(program, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if err != nil || line == "" {
		line = "unknown"
	}
	return strings.TrimSpace(name + " " + line)
}

// redisVersion shortens "Redis server v=7.0.15 sha=…".
func redisVersion(line string) string {
	_, rest, found := strings.Cut(line, "v=")
	if !found {
		return "Redis unknown"
	}
	version, _, _ := strings.Cut(rest, " ")
	return "Redis " + version
}

// processor returns the name of the first processor.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// The markers around the table in a file.
const (
	markerBegin = "<!-- bench -->"
	markerEnd   = "<!-- /bench -->"
)

var errMarkers = errors.New("the file must hold " + markerBegin + " and " + markerEnd + " once each, in this order")

// replaceInFile puts text between the markers of a file.
func replaceInFile(name, text string) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	changed, err := replace(string(old), text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, []byte(changed), 0o644)
}

func replace(old, text string) (string, error) {
	head, rest, found := strings.Cut(old, markerBegin)
	_, tail, closed := strings.Cut(rest, markerEnd)
	if !found || !closed || strings.Contains(tail, markerBegin) || strings.Contains(tail, markerEnd) || strings.Contains(head, markerEnd) {
		return "", errMarkers
	}
	return head + markerBegin + "\n" + strings.TrimSpace(text) + "\n" + markerEnd + tail, nil
}
