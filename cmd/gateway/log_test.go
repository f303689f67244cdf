package main

import (
	"bytes"
	"context"
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

// TestLogLinesOfMany: concurrent lines are whole and complete, in bounded memory.
func TestLogLinesOfMany(t *testing.T) {
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
	if lines, times := w.lines(); lines != 4000 || times < 4000*50/lineSize || times > 400 {
		t.Errorf("got %d lines in %d writes, want 4000 in few", lines, times)
	}
}
