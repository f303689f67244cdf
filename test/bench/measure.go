package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// target is one program that is measured.
type target struct {
	name    string
	base    string // scheme, host and port
	pid     int    // its CPU time is counted, with that of its children
	beside  int    // a process whose CPU time is reported separately; 0: none
	nice    int    // the niceness of that process while this program is measured, where the bench may set it
	records bool   // each answer must leave an event
	events  int    // counted answers
}

// sample is one run of load on one program.
type sample struct {
	rate     float64 // requests per second
	cpu      float64 // microseconds per request
	beside   float64 // the same, of the process beside it
	p50, p99 time.Duration
}

// load is the counts of a load generator.
type load struct {
	requests int
	bytes    int64
	failures int // answers that were not 200, and connections that broke
	took     time.Duration
	p50, p99 time.Duration
}

// request is one of those that rotate.
type request struct{ path, token string }

// generator generates load on base for d, rotating over the requests.
type generator interface {
	run(ctx context.Context, base string, requests []request, connections int, d time.Duration) (load, error)
	name() string
}

// requests returns those of one workload, one per patient, by the professional with the token for that patient.
func (w *world) requests(l workload) []request {
	all := make([]request, len(w.people))
	for i, p := range w.people {
		all[i] = request{l.path(string(p.PatientID)), w.tokens[i]}
	}
	return all
}

// warm sends one request about every patient, checks each answer, and then generates load for a second: afterwards tokens are verified, patients
// known and connections open, as in a gateway that has run for a while.
func (w *world) warm(ctx context.Context, r *result) error {
	for _, req := range w.requests(r.workload) {
		body, err := get(ctx, r.target.base, req)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", r.target.name, r.workload.name, err)
		}
		if n := bytes.Count(body, []byte(r.workload.holds)); n != r.workload.times {
			return fmt.Errorf("%s, %s: the answer holds %d times %s, wanted %d", r.target.name, r.workload.name, n, r.workload.holds, r.workload.times)
		}
		if r.size == 0 || len(body) < r.size {
			r.size = len(body)
		}
	}
	r.target.events += len(w.people)
	_, err := w.measure(ctx, r, w.options.connections, time.Second)
	return err
}

func get(ctx context.Context, base string, req request) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+req.path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+req.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.300s", resp.StatusCode, body)
	}
	return body, err
}

// measure generates load on one program and reads its cost.
func (w *world) measure(ctx context.Context, r *result, connections int, d time.Duration) (sample, error) {
	t := r.target
	fail := func(err error) (sample, error) {
		return sample{}, fmt.Errorf("%s, %s, %d connections: %w%s", t.name, r.workload.name, connections, err, w.warnings(t))
	}
	if w.renices && t.beside != 0 {
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, t.beside, t.nice); err != nil {
			return fail(err)
		}
	}
	before, err := cpuTimes(t.pid, t.beside)
	if err != nil {
		return fail(err)
	}
	l, err := w.generator.run(ctx, t.base, w.requests(r.workload), connections, d)
	if err != nil {
		return fail(err)
	}
	after, err := cpuTimes(t.pid, t.beside)
	if err != nil {
		return fail(err)
	}
	t.events += l.requests
	switch {
	case l.requests == 0:
		return fail(errors.New("no answer at all"))
	case l.failures > 0:
		return fail(fmt.Errorf("%d of %d requests failed", l.failures, l.requests))
	case l.bytes < int64(l.requests)*int64(r.size):
		return fail(errors.New("answers were shorter than they must be"))
	}
	each := func(i int) float64 { return float64((after[i] - before[i]).Microseconds()) / float64(l.requests) }
	return sample{rate: float64(l.requests) / l.took.Seconds(), cpu: each(0), beside: each(1), p50: l.p50, p99: l.p99}, nil
}

// warnings returns what the gateway logged about failed requests, with counts.
func (w *world) warnings(t *target) string {
	if !t.records {
		return ""
	}
	text, err := os.ReadFile(w.gateway.log)
	if err != nil {
		return ""
	}
	counts := map[string]int{}
	for line := range bytes.Lines(text) {
		var entry struct{ Level, Msg, Reason, Error string }
		if json.Unmarshal(line, &entry) == nil && entry.Level != "INFO" {
			counts[strings.TrimSpace(entry.Msg+" "+entry.Reason+" "+entry.Error)]++
		}
	}
	told := ""
	for _, warning := range slices.Sorted(maps.Keys(counts)) {
		told += fmt.Sprintf("; gateway: %d times %s", counts[warning], warning)
	}
	return told
}
