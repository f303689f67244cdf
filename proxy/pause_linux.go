package proxy

import (
	"syscall"
	"time"
)

// pause blocks the thread for d, or until a signal. It is late by some tens of microseconds, whatever preceded it.
func pause(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // the caller checks the time
}
