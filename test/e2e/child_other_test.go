//go:build !linux

package e2e_test

import "syscall"

// childAttributes are none: a killed test leaves its gateways behind.
func childAttributes() *syscall.SysProcAttr { return nil }
