package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestRestoredBackup: a consent is withdrawn, and then Redis is restored from a backup from before. The running gateway refuses requests, a
// restarted one refuses to start, and neither releases anything until an operator accepts what is there.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	gp, karena := demo.GP(), demo.Karena()
	ask := search("Condition", karena)
	g.ask(gp, ask).wantStatus(t, http.StatusOK, "before the backup")

	data, backup := filepath.Join(w.redis.Folder(), "appendonlydir"), filepath.Join(w.folder, "backup")
	w.redis.Kill()
	if err := os.CopyFS(backup, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	w.redis.Run()
	w.recovers(g, gp, ask)
	w.withdraw(file, karena, partyGP)
	withdrawn := g.ask(gp, ask).wantStatus(t, http.StatusForbidden, "withdrawn")
	w.wantEvent(withdrawn, audit.OutcomeDeny, "consent-withdrawn")
	until(t, startWithin, "the withdrawal to be archived", func() bool { return len(w.outbox()) == 0 })

	w.redis.Kill()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(data, os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	w.redis.Run()
	for range 5 {
		g.ask(gp, ask).wantUnavailable(t, "the backup, while running")
	}
	until(t, startWithin, "readiness to fail", func() bool { status, _ := g.readiness(); return status == http.StatusServiceUnavailable })
	if got := command(t, "", "store", "accept", "--config", file); got.code == 0 {
		t.Error("a store was accepted while a gateway runs")
	}
	g.terminate() // what it cannot archive makes the exit code 1, which is not the subject here
	g.ended()

	refused := w.launchAgain(g, file)
	if code := refused.ended(); code != 1 || !strings.Contains(refused.out.String(), "gateway store accept") {
		t.Errorf("a restart on the backup ended with exit code %d, want 1 and what to do:\n%s", code, refused.out.String())
	}
	if got := command(t, "", "store", "init", "--config", file); got.code == 0 {
		t.Error("a store was made anew over one that lost data")
	}
	must(t, "", "store", "accept", "--config", file)
	g = w.again(g, file)
	// The operator accepted what is there. The withdrawal is lost with the rest, and is made again.
	g.ask(gp, ask).wantStatus(t, http.StatusOK, "accepted")
	w.open(nil)
	w.withdraw(file, karena, partyGP)
	r := g.ask(gp, ask).wantStatus(t, http.StatusForbidden, "withdrawn again")
	w.wantEvent(r, audit.OutcomeDeny, "consent-withdrawn")
	g.stop()
	w.wantArchiveWhole()
}

// TestEmptiedRedis: an emptied Redis does not count as one with nothing on file.
func TestEmptiedRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	milan, doctor := demo.Milan(), demo.EmergencyDoctor()
	g.ask(doctor, declare(milan)).wantStatus(t, http.StatusCreated, "declaration")
	g.ask(doctor, search("Condition", milan)).wantStatus(t, http.StatusForbidden, "refused")
	until(t, startWithin, "the events to be archived", func() bool { return len(w.outbox()) == 0 })
	w.redis.Do("flushall")
	for _, q := range []question{search("Condition", milan), declare(milan), search("Condition", demo.Karena())} {
		g.ask(doctor, q).wantUnavailable(t, "emptied")
	}
	g.kill()
	again := w.launchAgain(g, file)
	if code := again.ended(); code != 1 {
		t.Errorf("a restart on an emptied Redis ended with exit code %d, want 1:\n%s", code, again.out.String())
	}
	if got := command(t, "", "store", "init", "--config", file); got.code == 0 {
		t.Error("a new store was made although the archive knows one")
	}
}
