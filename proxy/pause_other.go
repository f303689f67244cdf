//go:build !linux

package proxy

import "time"

// pause waits for so long. Elsewhere than on Linux the timers of the runtime do not wait in whole milliseconds.
func pause(d time.Duration) { time.Sleep(d) }
