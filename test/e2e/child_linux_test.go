package e2e_test

import "syscall"

// childAttributes make a process die with the test, however that ends.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
