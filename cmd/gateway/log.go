package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"zorgsluis/proxy"
)

// How long, and up to how many bytes, the lines of exchanges are held together. A write is a call of the system for each exchange else,
// and whoever reads the log is woken each time. A crash loses what is held: what must not be lost is on record as an event.
const (
	lineHold = 100 * time.Millisecond
	lineSize = 16 << 10
)

// newLog makes the structured log, one JSON object a line. Every line is written at once, after those that are held, but for those that
// tell of an exchange; flush writes these.
func newLog(w io.Writer) (log *slog.Logger, flush func()) {
	held := &heldLines{to: w}
	return slog.New(lineHandler{slog.NewJSONHandler(held, nil), held}), held.flush
}

// lineHandler writes lines, or has them held.
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

// Write holds a line. The first one that is held has all of them written in time.
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

// flush writes what is held.
func (l *heldLines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write()
}

func (l *heldLines) write() {
	if len(l.lines) > 0 {
		_, _ = l.to.Write(l.lines) // there is nowhere to say that the log cannot be written
		l.lines = l.lines[:0]
	}
}
