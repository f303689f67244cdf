package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"zorgsluis/internal/demo"
)

// limitFiles limits how long a file the gateway can write, as a full disk does: a write that crosses the limit is cut there.
func (g *gateway) limitFiles(bytes uint64) {
	g.t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil { // the gateway has the same; only root may raise Max
		g.t.Fatal(err)
	}
	limit.Cur = min(bytes, limit.Max)
	_, _, errno := syscall.Syscall6(syscall.SYS_PRLIMIT64, uintptr(g.cmd.Process.Pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		g.t.Fatalf("prlimit: %v", errno)
	}
}

// TestTheArchiveCannotBeWritten: the disk of the archive is full for a while. Callers are answered, readiness tells of it, and once there is room
// everything is archived, once, without anybody doing anything.
func TestTheArchiveCannotBeWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	gp, ask := demo.GP(), search("Condition", demo.Karena())
	all := []reply{g.ask(gp, ask).wantStatus(t, http.StatusOK, "before")}
	archived := func() bool { return len(w.outbox()) == 0 }
	until(t, endWithin, "the archive", archived)
	file, err := os.Stat(filepath.Join(w.folder, "archive", "events-000001.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	ready := func(want int) {
		t.Helper()
		until(t, endWithin, "readiness", func() bool { status, _ := g.readiness(); return status == want })
	}
	g.limitFiles(uint64(file.Size()) + 300)
	for range 5 {
		all = append(all, g.ask(gp, ask).wantStatus(t, http.StatusOK, "while the disk is full"))
	}
	ready(http.StatusServiceUnavailable)
	all = append(all, g.ask(gp, ask).wantStatus(t, http.StatusOK, "while the disk is full"))
	w.wantArchiveWhole()
	g.limitFiles(^uint64(0))
	ready(http.StatusOK)
	until(t, endWithin, "the archive", archived)
	g.stop()
	w.wantAllRecorded(all)
	w.wantArchiveWhole()
}
