package redistest

import "syscall"

// attributes make a server die with the test, however the test ends.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
