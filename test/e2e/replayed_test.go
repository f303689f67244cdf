package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/demo"
)

// backup copies the data of Redis, as a backup does; the returned function restores it.
func (w *world) backup() (restore func()) {
	w.t.Helper()
	data, copied := filepath.Join(w.redis.Folder(), "appendonlydir"), filepath.Join(w.t.TempDir(), "backup")
	w.redis.Kill()
	if err := os.CopyFS(copied, os.DirFS(data)); err != nil {
		w.t.Fatal(err)
	}
	w.redis.Run()
	return func() {
		w.t.Helper()
		w.redis.Kill()
		if err := os.RemoveAll(data); err != nil {
			w.t.Fatal(err)
		}
		if err := os.CopyFS(data, os.DirFS(copied)); err != nil {
			w.t.Fatal(err)
		}
		w.redis.Run()
	}
}

// known returns a person's events in the store, newest first, without duplicates.
func (w *world) known(person demo.Person) []audit.EventID {
	w.t.Helper()
	events, err := w.store.Events(w.t.Context(), w.store.Key(person.Identifier()), 1000)
	if err != nil {
		w.t.Fatalf("events: %v", err)
	}
	var ids []audit.EventID
	for _, e := range events {
		if slices.Contains(ids, e.ID) {
			w.t.Errorf("event %s is in the person's list twice", e.ID)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

// TestReplay: Redis is restored from a backup from before a consent, a withdrawal, an emergency and several accesses. Nobody gets anything, nor
// does an operator, until the archive is replayed; then everything since the backup is there, once.
func TestReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	gp, doctor, karena, johanna := demo.GP(), demo.EmergencyDoctor(), demo.Karena(), demo.Johanna()
	ask := search("Condition", karena)
	g.ask(gp, ask).wantStatus(t, http.StatusOK, "before the backup")
	restore := w.backup()
	w.recovers(g, gp, ask)

	record := func(r consent.Record) string {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return w.write("record.json", string(b))
	}
	put := []string{"consent", "put", "--config", file, "--request-id", "after-the-backup", "--record", record(permit(partyGP, "GGC002"))}
	made := must(t, johanna.BSN, put...)
	g.ask(gp, search("Condition", johanna)).wantStatus(t, http.StatusOK, "permitted after the backup")
	w.withdraw(file, karena, partyGP)
	g.ask(gp, ask).wantStatus(t, http.StatusForbidden, "withdrawn")
	g.ask(doctor, declare(demo.Milan())).wantStatus(t, http.StatusCreated, "declaration")
	g.ask(demo.Patient("patient", karena), get("/gateway/AuditEvent")).wantStatus(t, http.StatusOK, "who looked")
	until(t, startWithin, "the events to be archived", func() bool { return len(w.outbox()) == 0 })
	people := []demo.Person{karena, johanna, demo.Milan()}
	want, histories := map[string][]audit.EventID{}, map[string]string{}
	for _, p := range people {
		want[p.BSN], histories[p.BSN] = w.known(p), must(t, p.BSN, "consent", "history", "--config", file)
	}
	reviews := must(t, "", "review", "list", "--config", file)

	restore()
	for range 3 {
		g.ask(gp, ask).wantUnavailable(t, "the backup, while running")
	}
	until(t, startWithin, "readiness to fail and to name the store", func() bool {
		status, said := g.admined("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(said, `"store":"`) && !strings.Contains(said, `"store":"ok"`)
	})
	if got := command(t, "", "events", "replay", "--config", file); got.code == 0 || !strings.Contains(got.stderr, "stop the gateway first") {
		t.Errorf("a replay while a gateway runs: got exit code %d and %q", got.code, got.stderr)
	}
	g.terminate() // what it cannot archive makes the exit code 1, which is not the subject here
	g.ended()
	refused := w.launchAgain(g, file)
	if code := refused.ended(); code != 1 || !strings.Contains(refused.out.String(), "gateway events replay") {
		t.Errorf("a start on the backup: got exit code %d, want 1 and what to do:\n%s", code, refused.out.String())
	}
	if got := command(t, karena.BSN, "consent", "list", "--config", file); got.code != 1 {
		t.Errorf("an operator's command on the backup: got exit code %d, want 1", got.code)
	}

	if out := must(t, "", "events", "replay", "--config", file); !strings.Contains(out, "of these 3 changes") {
		t.Errorf("got %q, want the consent, the withdrawal and the declaration back", out)
	}
	for _, p := range people { // before anybody reads again
		if got := w.known(p); !slices.Equal(got, want[p.BSN]) {
			t.Errorf("got events %v, want %v", got, want[p.BSN])
		}
		if got := must(t, p.BSN, "consent", "history", "--config", file); got != histories[p.BSN] {
			t.Errorf("got history\n%s\nwant\n%s", got, histories[p.BSN])
		}
	}
	if got := must(t, "", "review", "list", "--config", file); got != reviews {
		t.Errorf("got open reviews\n%s\nwant\n%s", got, reviews)
	}
	if again := must(t, johanna.BSN, put...); again != made {
		t.Errorf("the same request after the replay made %s, want %s once", again, made)
	}
	g = w.again(g, file) // without an accept
	w.wantEvent(g.ask(gp, ask).wantStatus(t, http.StatusForbidden, "the withdrawal is honoured"), audit.OutcomeDeny, "consent-withdrawn")
	g.ask(gp, search("Condition", johanna)).wantStatus(t, http.StatusOK, "and so is the consent")
	g.ask(doctor, search("Condition", demo.Milan())).wantStatus(t, http.StatusForbidden, "a refusal stays one in an emergency")
	must(t, "", "store", "check", "--config", file)
	g.stop()
	if out := must(t, "", "events", "replay", "--config", file); !strings.Contains(out, "brought back 0 events") {
		t.Errorf("got %q for a second replay, want that there is nothing to bring back", out)
	}
	w.events() // none is doubled
	if s := w.wantArchiveWhole(); s.Signed != s.Last {
		t.Errorf("%d of %d events are signed after a clean stop", s.Signed, s.Last)
	}
}

// TestReplayOfNothingButTheArchive: Redis is lost with all its data. The archive alone restores every consent.
func TestReplayOfNothingButTheArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	gp, ask := demo.GP(), search("Condition", demo.Karena())
	g.ask(gp, ask).wantStatus(t, http.StatusOK, "before")
	g.stop()
	w.redis.Do("flushall")
	out := must(t, "", "events", "replay", "--config", file)
	if out == "" || strings.Contains(out, "brought back 0 events") {
		t.Errorf("got %q", out)
	}
	g = w.again(g, file)
	g.ask(gp, ask).wantStatus(t, http.StatusOK, "after")
	g.ask(demo.EmergencyDoctor(), search("Condition", demo.Milan())).wantStatus(t, http.StatusForbidden, "a refusal is still one")
	g.stop()
	w.wantArchiveWhole()
}

// TestEventsVerify: an auditor with a copy of the archive and the public key finds what was done to it, and where.
func TestEventsVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start("folder: archive,", "folder: archive, rotate_size: 64KiB, checkpoint_events: 20,")
	l := startLoad(g, 8)
	until(t, endWithin, "three files", func() bool { return len(segmentFiles(t, filepath.Join(w.folder, "archive"))) > 3 })
	l.end()
	g.stop()
	key := strings.TrimSpace(must(t, "", "events", "key", "--config", file))
	noted := w.write("noted", must(t, "", "events", "checkpoint", "--config", file))
	verify := func(folder string, more ...string) result {
		return command(t, "", append([]string{"events", "verify", "--folder", folder, "--public-key", key}, more...)...)
	}
	if got := verify(filepath.Join(w.folder, "archive"), "--checkpoint", noted); got.code != 0 || !strings.Contains(got.stdout, "intact") ||
		!strings.Contains(got.stdout, "1 noted checkpoints fit") || !strings.Contains(got.stdout, "signatures checked") {
		t.Fatalf("got exit code %d, want 0\n%s%s", got.code, got.stdout, got.stderr)
	}
	must(t, "", "events", "verify", "--config", file)

	for _, tt := range damages() {
		folder := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(folder, os.DirFS(filepath.Join(w.folder, "archive"))); err != nil {
			t.Fatal(err)
		}
		where := tt.damage(t, folder)
		got := verify(folder, "--checkpoint", noted)
		if got.code != 3 || !strings.Contains(got.stderr, where) {
			t.Errorf("%s: got exit code %d and %q, want 3 and %q", tt.name, got.code, got.stderr, where)
		}
	}
	if got := command(t, "", "events", "verify", "--folder", filepath.Join(w.folder, "absent")); got.code != 2 {
		t.Errorf("no folder: got exit code %d, want 2", got.code)
	}
}

func segmentFiles(t testing.TB, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "events-*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// newestSegment is the name of the newest file that holds an event. Newer ones, which are empty or have only a header when the last event filled
// a file, are removed: that loses nothing, so verify rightly finds nothing.
func newestSegment(t *testing.T, folder string) string {
	t.Helper()
	files := segmentFiles(t, folder)
	for _, name := range slices.Backward(files) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), `"event":`) {
			return filepath.Base(name)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("none of %d files holds an event", len(files))
	return ""
}

// archiveDamage is a kind of damage to an archive, and where it is found.
type archiveDamage struct {
	name   string
	damage func(t *testing.T, folder string) (where string)
}

// damages are all kinds of damage that verify must find and locate.
func damages() []archiveDamage {
	lines := func(name string, change func(lines []string) (changed []string, line, before int)) func(*testing.T, string) string {
		return func(t *testing.T, folder string) string {
			full := filepath.Join(folder, name)
			content, err := os.ReadFile(full)
			if err != nil {
				t.Fatal(err)
			}
			all := strings.SplitAfter(strings.TrimSuffix(string(content), "\n"), "\n")
			all[len(all)-1] += "\n"
			offset := 0
			changed, line, before := change(all)
			for _, l := range changed[:before] {
				offset += len(l)
			}
			if err := os.WriteFile(full, []byte(strings.Join(changed, "")), 0o600); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%s line %d, byte %d", name, line, offset)
		}
	}
	const second, third = "events-000002.jsonl", "events-000003.jsonl"
	return []archiveDamage{
		{"a flipped bit", lines(second, func(l []string) ([]string, int, int) {
			b := []byte(l[4])
			b[len(b)/2] ^= 1
			l[4] = string(b)
			return l, 5, 4
		})},
		{"a removed line", lines(second, func(l []string) ([]string, int, int) { return slices.Delete(l, 4, 5), 5, 4 })},
		{"swapped lines", lines(second, func(l []string) ([]string, int, int) { l[4], l[5] = l[5], l[4]; return l, 5, 4 })},
		{"a doubled line", lines(second, func(l []string) ([]string, int, int) { return slices.Insert(l, 4, l[4]), 6, 5 })},
		{"an inserted line", lines(second, func(l []string) ([]string, int, int) { return slices.Insert(l, 4, "{}\n"), 5, 4 })},
		{"a line of another file", lines(second, func(l []string) ([]string, int, int) { return slices.Insert(l, 4, l[8]), 5, 4 })},
		{"the end of a file cut off", func(t *testing.T, folder string) string {
			return lines(second, func(l []string) ([]string, int, int) { l = l[:len(l)-2]; return l, len(l) + 1, len(l) })(t, folder)
		}},
		{"the end of the archive cut off", func(t *testing.T, folder string) string {
			return lines(newestSegment(t, folder), func(l []string) ([]string, int, int) { l = l[:len(l)-1]; return l, len(l) + 1, len(l) })(t, folder)
		}},
		{"the newest file and its checkpoints removed", func(t *testing.T, folder string) string {
			newest := newestSegment(t, folder)
			for _, name := range []string{newest, strings.Replace(newest, "events", "checkpoints", 1)} {
				if err := os.Remove(filepath.Join(folder, name)); err != nil {
					t.Fatal(err)
				}
			}
			return "the end is missing: the noted checkpoint"
		}},
		{"a removed file", func(t *testing.T, folder string) string {
			if err := os.Remove(filepath.Join(folder, second)); err != nil {
				t.Fatal(err)
			}
			return second + " line 1, byte 0: the file is missing"
		}},
		{"the first file removed", func(t *testing.T, folder string) string {
			if err := os.Remove(segmentFiles(t, folder)[0]); err != nil {
				t.Fatal(err)
			}
			return "events-000001.jsonl line 1, byte 0: the file is missing"
		}},
		{"swapped files", func(t *testing.T, folder string) string {
			spare := filepath.Join(folder, "spare")
			for _, move := range [][2]string{{second, "spare"}, {third, second}, {"spare", third}} {
				if err := os.Rename(filepath.Join(folder, move[0]), filepath.Join(folder, move[1])); err != nil {
					t.Fatal(err, spare)
				}
			}
			return second + " line 1, byte 0"
		}},
		{"a forged checkpoint", lines("checkpoints-000002.jsonl", func(l []string) ([]string, int, int) {
			l[0] = strings.Replace(l[0], "checkpoint ", "checkpoint 1", 1)
			return l, 1, 0
		})},
		{"a missing checkpoint", lines("checkpoints-000002.jsonl", func(l []string) ([]string, int, int) { return l[1:], 1, 0 })},
		{"a file without checkpoints", func(t *testing.T, folder string) string {
			if err := os.Remove(filepath.Join(folder, "checkpoints-000002.jsonl")); err != nil {
				t.Fatal(err)
			}
			return "checkpoints-000002.jsonl line 1, byte 0"
		}},
	}
}

// TestEventsExport: an export prints what was requested, in both forms, and is recorded before it prints anything.
func TestEventsExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	g.ask(demo.GP(), search("Condition", demo.Karena())).wantStatus(t, http.StatusOK, "one")
	g.ask(demo.GP(), search("Condition", demo.Johanna())).wantStatus(t, http.StatusForbidden, "another")
	until(t, startWithin, "the events to be archived", func() bool { return len(w.outbox()) == 0 })
	key := w.store.Key(demo.Karena().Identifier())
	export := func(args ...string) []string {
		out := must(t, demo.Karena().BSN, append([]string{"events", "export", "--config", file}, args...)...)
		return slices.DeleteFunc(strings.Split(out, "\n"), func(l string) bool { return l == "" })
	}
	everything := export()
	own := export("--patient")
	if len(own) == 0 || len(own) >= len(everything) {
		t.Errorf("got %d events of one person of %d, want some", len(own), len(everything))
	}
	for _, line := range own {
		if e, err := audit.ParseEvent([]byte(line)); err != nil || e.Person != key {
			t.Errorf("got an event of another person, or none: %v", err)
		}
	}
	for _, line := range export("--patient", "--format", "fhir") {
		var resource struct{ ResourceType string }
		if err := json.Unmarshal([]byte(line), &resource); err != nil || resource.ResourceType != "AuditEvent" {
			t.Errorf("got %+v and error %v, want an AuditEvent", resource, err)
		}
	}
	if n := len(export("--to", "2020-01-01")); n != 0 {
		t.Errorf("got %d events of before 2020, want none", n)
	}
	exported := 0
	for _, e := range w.events() {
		if e.Reason == "exported" {
			exported++
		}
	}
	if exported != 4 {
		t.Errorf("got %d events of exports, want 4", exported)
	}
	w.redis.Kill()
	if got := command(t, "", "events", "export", "--config", file); got.code != 1 || got.stdout != "" {
		t.Errorf("an export that could not be recorded: got exit code %d and %d bytes, want 1 and none", got.code, len(got.stdout))
	}
}

// TestAnotherStore: Redis was lost, and somebody made a new store. The archive does not continue with it until an operator names it.
func TestAnotherStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	g.ask(demo.GP(), search("Condition", demo.Karena())).wantStatus(t, http.StatusOK, "before")
	g.stop()
	w.redis.Do("flushall")
	w.open(redisstore.Initialise)
	if got := command(t, "", "store", "accept", "--config", file); got.code == 0 {
		t.Error("another store was accepted without being named")
	}
	if got := command(t, "", "store", "accept", "--config", file, "--other-store", "guessed"); got.code == 0 {
		t.Error("a store was adopted that is not there")
	}
	if code := w.launchAgain(g, file).ended(); code != 1 {
		t.Errorf("a start on another store ended with exit code %d, want 1", code)
	}
	must(t, "", "store", "accept", "--config", file, "--other-store", w.store.StoreID())
	g = w.again(g, file)
	r := g.ask(demo.GP(), search("Condition", demo.Karena())).wantStatus(t, http.StatusForbidden, "nothing is on file in the other store")
	g.stop()
	w.wantEvent(r, audit.OutcomeDeny, "no-consent")
	if s := w.wantArchiveWhole(); s.Store != w.store.StoreID() {
		t.Errorf("got store %s at the end of the archive, want the other one", s.Store)
	}
}
