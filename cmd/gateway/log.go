package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"zorgsluis/proxy"
)

// How long, and up to how many bytes, the log lines of exchanges are buffered. Otherwise each exchange costs a system call, and wakes
// whoever reads the log. A crash loses the buffer: what must not be lost is on record as an event.
const (
	lineHold = 100 * time.Millisecond
	lineSize = 16 << 10
)

// newLog returns the structured log, one JSON object per line. Lines about exchanges, except warnings, are buffered: flush writes them, and so does
// any other line, which is written at once.
func newLog(w io.Writer) (log *slog.Logger, flush func()) {
	held := &heldLines{to: w}
	return slog.New(lineHandler{slog.NewJSONHandler(held, nil), held}), held.flush
}

// lineHandler writes lines, or has them buffered.
type lineHandler struct {
	slog.Handler
	held *heldLines
}

// Handle implements slog.Handler.
func (h lineHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level > slog.LevelInfo || r.Message != proxy.ExchangeLine {
		h.held.flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (h lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return lineHandler{h.Handler.WithAttrs(attrs), h.held}
}

// WithGroup implements slog.Handler.
func (h lineHandler) WithGroup(name string) slog.Handler {
	return lineHandler{h.Handler.WithGroup(name), h.held}
}

// heldLines are lines that are written together.
type heldLines struct {
	mu    sync.Mutex
	to    io.Writer
	lines []byte
}

// Write buffers a line. The first one starts the timer that writes them all.
func (l *heldLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		time.AfterFunc(lineHold, l.flush)
	}
	l.lines = append(l.lines, line...)
	if len(l.lines) >= lineSize {
		l.write()
	}
	return len(line), nil
}

// flush writes the buffered lines.
func (l *heldLines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write()
}

func (l *heldLines) write() {
	if len(l.lines) > 0 {
		_, _ = l.to.Write(l.lines) // nowhere to report that the log cannot be written
		l.lines = l.lines[:0]
	}
}
