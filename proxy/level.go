package proxy

import (
	"context"
	"net/http"
	"time"
)

// fineWait is how long before the end of a wait the timers of the runtime are left for those of the system. A timer of the runtime is
// late by up to a millisecond where nothing else goes on, and by how much follows from the instant at which it was set: the thread waits
// in whole milliseconds (runtime, netpoll). An answer that is held by one tells by its time when the work before it ended.
const fineWait = 2 * time.Millisecond

// maxFineWaits bounds the threads that wait at the same time. Two milliseconds each are 32,000 answers in a second.
const maxFineWaits = 64

// level holds an answer that came of a source, or that says that nothing is there, until the configured floor has passed, so that its
// time does not tell whether there was something to decide on (leaks.md OR-9). A batch has the floors of its entries. It ends with the
// request.
func (g *Gate) level(ctx context.Context, x *exchange, a answer) {
	switch {
	case a.status == http.StatusNotFound, a.status == http.StatusForbidden, x.interaction.Code != "", x.floors > 0:
	default:
		return
	}
	rest := time.Duration(max(x.floors, 1))*g.parts.Limits.ReadFloor - g.parts.Now().Sub(x.started)
	if rest <= 0 {
		return
	}
	end := time.Now().Add(rest)
	if rest > fineWait {
		timer := time.NewTimer(rest - fineWait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
	g.fine <- struct{}{}
	defer func() { <-g.fine }()
	for left := time.Until(end); left > 0; left = time.Until(end) {
		pause(left)
	}
}
