//go:build !linux

package proxy

import "time"

// pause sleeps for d. Other than on Linux, runtime timers do not wait in whole milliseconds.
func pause(d time.Duration) { time.Sleep(d) }
