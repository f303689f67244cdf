package redistest

import "syscall"

// attributes make a server die with the test, however the test ends.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// parent is where the folders of servers are: in memory, if there is room. A server syncs each write, and the disk of a machine that builds as well
// can need longer for that than a call of the store may take. What a killed server had written is there in any case.
func parent() string {
	const memory, writable = "/dev/shm", 2
	var fs syscall.Statfs_t
	if syscall.Statfs(memory, &fs) != nil || fs.Bavail*uint64(fs.Bsize) < 1<<30 || syscall.Access(memory, writable) != nil {
		return ""
	}
	return memory
}
