//go:build !linux

package e2e_test

import "syscall"

// childAttributes are none: a test that is killed leaves its gateways behind.
func childAttributes() *syscall.SysProcAttr { return nil }
