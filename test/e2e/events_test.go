package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// maxArchiveLine is more than the longest line of the archive.
const maxArchiveLine = 1 << 20

// events returns every access event, from the outbox and the archive. The outbox is read first, so that an event on its way from one to the
// other is seen at least once; an event in both is the same event, and one twice in either is a defect.
func (w *world) events() []audit.Event {
	w.t.Helper()
	seen := map[audit.EventID]bool{}
	all := w.outbox()
	for _, e := range all {
		if seen[e.ID] {
			w.t.Errorf("event %s is in the outbox twice", e.ID)
		}
		seen[e.ID] = true
	}
	archived := map[audit.EventID]bool{}
	for _, e := range w.archived() {
		if archived[e.ID] {
			w.t.Errorf("event %s is in the archive twice", e.ID)
		}
		archived[e.ID] = true
		if !seen[e.ID] {
			all = append(all, e)
		}
	}
	return all
}

// outbox returns the events that are in Redis and not in the archive yet.
func (w *world) outbox() []audit.Event {
	w.t.Helper()
	var all []audit.Event
	for shard := range shards {
		var entries []redis.XMessage
		until(w.t, startWithin, "the outbox", func() bool { // the server may have changed
			var err error
			entries, err = w.client().XRange(w.t.Context(), fmt.Sprintf("zs:{s%02d}:events", shard), "-", "+").Result()
			return err == nil
		})
		for _, entry := range entries {
			var e audit.Event // its time is stored beside it
			if err := json.Unmarshal([]byte(entry.Values["e"].(string)), &e); err != nil {
				w.t.Fatalf("event in the outbox: %v", err)
			}
			all = append(all, e)
		}
	}
	return all
}

// archived returns the events in the archive, whole lines only.
func (w *world) archived() []audit.Event {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.folder, "archive*", "events-*.jsonl"))
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(files)
	var all []audit.Event
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		lines := bufio.NewScanner(strings.NewReader(string(content)))
		lines.Buffer(nil, maxArchiveLine)
		for lines.Scan() {
			var record struct{ Event *audit.Event }
			if json.Unmarshal(lines.Bytes(), &record) == nil && record.Event != nil {
				all = append(all, *record.Event)
			}
		}
	}
	return all
}

// eventsOf returns the events of one request.
func (w *world) eventsOf(id string) []audit.Event {
	w.t.Helper()
	return slices.DeleteFunc(w.events(), func(e audit.Event) bool { return e.Request != id })
}

// told returns the ids and reasons of a request's events, for a failed test.
func (w *world) told(id string) (all []string) {
	w.t.Helper()
	for _, e := range w.eventsOf(id) {
		all = append(all, fmt.Sprintf("%s %s generation %d at %s", e.ID, e.Reason, e.Generation, e.Time))
	}
	return all
}

// wantEvent wants exactly one event of this answer, with this outcome and reason.
func (w *world) wantEvent(r reply, outcome audit.Outcome, reason string) audit.Event {
	w.t.Helper()
	found := w.eventsOf(r.id)
	if len(found) != 1 {
		w.t.Fatalf("got %d events of the request, want exactly 1: %+v", len(found), found)
	}
	if e := found[0]; e.Outcome != outcome || string(e.Reason) != reason {
		w.t.Errorf("got event %s %s, want %s %s", e.Outcome, e.Reason, outcome, reason)
	}
	return found[0]
}

// perRequest counts events by request id.
func (w *world) perRequest() map[string]int {
	w.t.Helper()
	n := map[string]int{}
	for _, e := range w.events() {
		n[e.Request]++
	}
	return n
}

// wantArchiveWhole verifies the chain of the archive.
func (w *world) wantArchiveWhole() audit.Summary {
	w.t.Helper()
	return verified(w.t, filepath.Join(w.folder, "archive"))
}

// checkpointSecret is the secret of the key that signs the checkpoints of all stories.
var checkpointSecret = []byte("checkpoint-key-of-the-stories-00")

func checkpointKey(t testing.TB) *audit.CheckpointKey {
	t.Helper()
	key, err := audit.NewCheckpointKey(checkpointSecret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func verified(t testing.TB, folder string) audit.Summary {
	t.Helper()
	s, err := audit.Verify(folder, checkpointKey(t).PublicKey)
	if err != nil {
		t.Fatalf("the archive does not verify: %v", err)
	}
	if s.Unreadable > 0 {
		t.Errorf("%d events of the archive cannot be read", s.Unreadable)
	}
	return s
}
