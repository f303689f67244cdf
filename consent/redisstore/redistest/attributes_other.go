//go:build !linux

package redistest

import "syscall"

// attributes are none: a test that is killed leaves its servers behind.
func attributes() *syscall.SysProcAttr { return nil }
