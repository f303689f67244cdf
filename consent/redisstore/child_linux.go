package redisstore

import "syscall"

// childAttributes make the server die with us, and shield it from a Ctrl-C that is meant for us: it is needed until the last
// request is answered.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
