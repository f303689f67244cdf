package main

import (
	"context"
	"fmt"
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

// logPatience is how long a line that is written at once waits for that. A reader of the log that hangs (a pipe that nobody empties) must not
// stop the gateway: nobody waits any longer, and lines are buffered up to maxHeld bytes and dropped beyond.
const (
	logPatience = 100 * time.Millisecond
	maxHeld     = 1 << 20
)

// heldLines are lines that are written together.
type heldLines struct {
	to io.Writer

	mu      sync.Mutex
	lines   []byte
	spare   []byte        // the other buffer, while lines fills
	dropped int           // lines since the last write
	writing chan struct{} // closed when the write under way has ended; nil if there is none
	stuck   bool          // the write under way takes longer than logPatience
}

// Write buffers a line. The first one starts the timer that writes them all.
func (l *heldLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines)+len(line) > maxHeld {
		l.dropped++
		return len(line), nil
	}
	if len(l.lines) == 0 {
		time.AfterFunc(lineHold, l.flush)
	}
	l.lines = append(l.lines, line...)
	if len(l.lines) >= lineSize {
		l.start()
	}
	return len(line), nil
}

// flush writes the buffered lines, and waits for that unless it takes too long.
func (l *heldLines) flush() {
	l.mu.Lock()
	written := l.start()
	wait := written != nil && !l.stuck
	l.mu.Unlock()
	if !wait {
		return
	}
	patience := time.NewTimer(logPatience)
	defer patience.Stop()
	select {
	case <-written:
	case <-patience.C:
		l.mu.Lock()
		l.stuck = l.writing == written
		l.mu.Unlock()
	}
}

// start has the buffered lines written if nobody is at it. What it returns is closed when they are; nil if there are none. The caller holds
// the lock.
func (l *heldLines) start() <-chan struct{} {
	if l.writing == nil && len(l.lines) > 0 {
		l.writing = make(chan struct{})
		go l.write(l.writing)
	}
	return l.writing
}

// write writes until no line is left.
func (l *heldLines) write(done chan struct{}) {
	defer close(done)
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.lines) > 0 {
		text := l.lines
		if l.dropped > 0 {
			text = fmt.Appendf(text, `{"time":%q,"level":"ERROR","msg":"lines of the log were dropped: its reader did not keep up","lines":%d}`+"\n",
				time.Now().UTC().Format(time.RFC3339Nano), l.dropped)
		}
		l.lines, l.dropped = l.spare[:0], 0
		l.mu.Unlock()
		_, _ = l.to.Write(text) // nowhere to report that the log cannot be written
		l.mu.Lock()
		l.spare = text
	}
	l.writing, l.stuck = nil, false
}
