//go:build unix && !linux

package redisstore

import "syscall"

// childAttributes shield the server from a Ctrl-C that is meant for us. Only Linux can make it die with us: elsewhere a leftover
// server keeps the lock of its folder, and the next start says so.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
