package redisstore

import (
	"fmt"
	"time"

	"zorgsluis/audit"
)

// maxClockApart is how far the server's clock may differ from this machine's. The server's clock alone decides when a declaration, a
// consent or a token ends. If it goes wrong (a virtual machine that was paused, a replica that nobody synchronised), what has ended would be
// valid again, and what is declared meanwhile would last until the clock catches up. We cannot tell which of the two clocks is wrong, so
// nothing is decided while they disagree.
const maxClockApart = time.Minute

// errClock refuses a call because the clocks disagree.
var errClock = fmt.Errorf("%w: the clocks of the server and of this machine are more than %v apart", audit.ErrUnavailable, maxClockApart)

// inStep returns errClock if an instant that the server's clock has just shown is too far from this machine's.
func (s *Store) inStep(now time.Time) error {
	if now.Sub(s.o.Now()).Abs() > maxClockApart {
		return errClock
	}
	return nil
}
