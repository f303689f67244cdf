package proxy

import (
	"syscall"
	"time"
)

// pause holds the thread for so long, or until a signal comes. It is late by some tens of microseconds, whatever went before.
func pause(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // who waits looks at the time
}
