package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// builtIn generates load without wrk, in the same way: each connection is kept, and has one request at a time. It takes more CPU than wrk on the
// same machine, so all its numbers are lower.
type builtIn struct{}

func (builtIn) name() string { return "the bench's own load generator (wrk is not installed)" }

func (builtIn) run(ctx context.Context, base string, requests []request, connections int, d time.Duration) (load, error) {
	host := strings.TrimPrefix(base, "http://")
	raw := make([][]byte, len(requests))
	for i, r := range requests {
		raw[i] = []byte("GET " + r.path + " HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + r.token + "\r\n\r\n")
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var next atomic.Int64
	started := time.Now()
	counted := make([]load, connections)
	times := make([][]time.Duration, connections)
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() {
			for ctx.Err() == nil { // reopens a broken connection
				times[i] = one(ctx, host, func() []byte { return raw[int(next.Add(1))%len(raw)] }, &counted[i], times[i])
			}
		})
	}
	all.Wait()
	sum := load{took: time.Since(started)}
	for _, l := range counted {
		sum.requests, sum.bytes, sum.failures = sum.requests+l.requests, sum.bytes+l.bytes, sum.failures+l.failures
	}
	sorted := slices.Concat(times...)
	slices.Sort(sorted)
	if n := len(sorted); n > 0 {
		sum.p50, sum.p99 = sorted[n/2], sorted[n*99/100]
	}
	return sum, nil
}

// one uses one connection until it breaks or ctx ends. A request that is unanswered at the end is not counted.
func one(ctx context.Context, host string, next func() []byte, l *load, times []time.Duration) []time.Duration {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		l.failures++
		return times
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	in := bufio.NewReaderSize(conn, 64<<10)
	for ctx.Err() == nil {
		sent := time.Now()
		if _, err := conn.Write(next()); err != nil {
			break
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			break
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil {
			break
		}
		times = append(times, time.Since(sent))
		l.requests, l.bytes = l.requests+1, l.bytes+n
		if resp.StatusCode != http.StatusOK {
			l.failures++
		}
	}
	if ctx.Err() == nil {
		l.failures++
	}
	return times
}
