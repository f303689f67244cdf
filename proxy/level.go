package proxy

import (
	"context"
	"net/http"
	"time"
)

// fineWait is the last part of a wait, which is left to the system instead of a runtime timer. In an idle process a runtime timer is up to
// a millisecond late, since the thread waits in whole milliseconds (runtime, netpoll), and how late depends on when it was set: an answer
// held by it would reveal when the work before it ended.
const fineWait = 2 * time.Millisecond

// maxFineWaits limits the threads that wait at the same time. At two milliseconds each that is 32,000 answers per second.
const maxFineWaits = 64

// level holds the answer to a FHIR interaction, and any 403 or 404, until the configured floor has passed, so that response time does not
// reveal whether there was something to decide on (leaks.md OR-9). A batch has the floors of its entries. The wait ends early if the
// request is cancelled.
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
