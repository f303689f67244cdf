//go:build !linux

package redistest

import "syscall"

// attributes are empty: a killed test leaves its servers behind.
func attributes() *syscall.SysProcAttr { return nil }

// parent is empty: the folders of servers are where all temporary ones are.
func parent() string { return "" }
