package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zorgsluis/proxy"
)

// written counts what a log writes, and in how many calls.
type written struct {
	mu    sync.Mutex
	out   bytes.Buffer
	times int
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.times++
	return w.out.Write(b)
}

// lines returns how many whole lines were written, and in how many calls.
func (w *written) lines() (lines, times int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if text := w.out.String(); text != "" && !strings.HasSuffix(text, "}\n") {
		return -1, w.times
	}
	return strings.Count(w.out.String(), "}\n"), w.times
}

// TestLogLines: lines of exchanges are written together and in time, all others at once and in order.
func TestLogLines(t *testing.T) {
	exchange := func(log *slog.Logger) { log.Info(proxy.ExchangeLine, "status", 200) }
	for _, tt := range []struct {
		name         string
		does         func(log *slog.Logger, flush func())
		lines, times int
	}{
		{"an exchange is held", func(log *slog.Logger, _ func()) { exchange(log) }, 0, 0},
		{"not for long", func(log *slog.Logger, _ func()) {
			for range 3 {
				exchange(log)
			}
			time.Sleep(lineHold) // in the time of the synctest bubble
			synctest.Wait()
		}, 3, 1},
		{"nor when it is followed by another", func(log *slog.Logger, _ func()) {
			exchange(log)
			time.Sleep(lineHold - 1)
			exchange(log)
			time.Sleep(1)
			synctest.Wait()
		}, 2, 1},
		{"an exchange that alerts is written at once", func(log *slog.Logger, _ func()) {
			exchange(log)
			log.Warn(proxy.ExchangeLine, "alert", true)
		}, 2, 1},
		{"everything else is written at once, after what was before", func(log *slog.Logger, _ func()) {
			exchange(log)
			log.Info("started")
			exchange(log)
			log.With("a", 1).WithGroup("g").Error("failed")
		}, 4, 2},
		{"nothing is left behind", func(log *slog.Logger, flush func()) {
			exchange(log)
			flush()
			flush()
		}, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w written
				tt.does(newLog(&w))
				if lines, times := w.lines(); lines != tt.lines || times != tt.times {
					t.Errorf("got %d lines in %d writes, want %d in %d:\n%s", lines, times, tt.lines, tt.times, w.out.String())
				}
			})
		})
	}
}

// TestLogLinesOfMany: concurrent lines are whole and complete, and written in few calls.
func TestLogLinesOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w written
		log, flush := newLog(&w)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 500 {
					log.LogAttrs(context.Background(), slog.LevelInfo, proxy.ExchangeLine, slog.String("id", "0123456789"))
				}
			})
		}
		all.Wait()
		flush()
		if lines, times := w.lines(); lines != 4000 || times > 400 {
			t.Errorf("got %d lines in %d writes, want 4000 in few", lines, times)
		}
	})
}

// hanging is a reader of the log that takes nothing until it goes on.
type hanging struct {
	written
	goOn chan struct{}
}

func (h *hanging) Write(b []byte) (int, error) {
	<-h.goOn
	return h.written.Write(b)
}

// TestALogThatNobodyReads: whoever reads the log hangs, and the gateway does not. Lines are kept up to a bound, and how many were dropped is told
// when the reader goes on.
func TestALogThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &hanging{goOn: make(chan struct{})}
		log, flush := newLog(w)
		began := time.Now()
		for range 100 {
			log.Warn("refused", "reason", "store-unavailable")
		}
		const many = 3 * maxHeld / 100
		for range many {
			log.Info(proxy.ExchangeLine, "id", "0123456789")
		}
		flush()
		if took := time.Since(began); took > logPatience {
			t.Errorf("the log held its writers up for %v, want %v at most", took, logPatience)
		}
		close(w.goOn)
		synctest.Wait()
		text := w.out.String()
		lines, _ := w.lines()
		var dropped int
		if _, after, found := strings.Cut(text, `did not keep up","lines":`); found {
			_, _ = fmt.Sscanf(after, "%d}", &dropped)
		}
		if dropped == 0 || lines+dropped != 100+many+1 || len(text) > 2*maxHeld {
			t.Errorf("got %d lines of %d bytes and %d dropped, want all that were written, or counted", lines, len(text), dropped)
		}
		log.Warn("afterwards")
		if after, _ := w.lines(); after != lines+1 {
			t.Errorf("got %d lines after the reader went on, want one more than %d", after, lines)
		}
	})
}
