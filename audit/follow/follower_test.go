package follow_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"zorgsluis/audit"
	"zorgsluis/audit/follow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a destination in memory: answer says what becomes of one event.
type desk struct {
	arrivals
	mu     sync.Mutex
	answer func(id string) error
}

func (d *desk) Deliver(_ context.Context, events []audit.Event) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, e := range events {
		if d.answer != nil {
			if err := d.answer(string(e.ID)); err != nil {
				return i, err
			}
		}
		d.add(string(e.ID), "")
	}
	return len(events), nil
}

func (d *desk) answers(answer func(id string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = answer
}

func (d *desk) Close() {}

func refuse(ids ...string) func(string) error {
	return func(id string) error {
		if slices.Contains(ids, id) {
			return fmt.Errorf("%w: status 422", follow.ErrRefused)
		}
		return nil
	}
}

// TestARefusedEventIsSetAside: an event that the destination rejects does not hold up later ones, and is recorded.
func TestARefusedEventIsSetAside(t *testing.T) {
	for _, batch := range []int{3, 50} {
		a, d := newArchive(t), &desk{}
		bad := []string{"00-000004", "00-000005", "00-000011"}
		d.answers(refuse(bad...))
		a.add(20)
		f := a.start(follow.Options{Destination: d, Batch: batch})
		f.arrives()
		d.wantAll(t, slices.DeleteFunc(slices.Clone(a.ids), func(id string) bool { return slices.Contains(bad, id) }))
		if s := f.Status(a); s.SetAside != 3 {
			t.Errorf("batch %d: %d events were set aside, want 3", batch, s.SetAside)
		}
		content, err := os.ReadFile(filepath.Join(a.folder, "followers", "test.refused.jsonl"))
		if want := `{"n":4,"id":"00-000004"}` + "\n" + `{"n":5,"id":"00-000005"}` + "\n" + `{"n":11,"id":"00-000011"}` + "\n"; err != nil || string(content) != want {
			t.Errorf("batch %d: got %s and error %v, want %s", batch, content, err, want)
		}
	}
}

// TestWhereEverythingIsRefusedNothingIsPassed: then the destination is at fault, not the events.
func TestWhereEverythingIsRefusedNothingIsPassed(t *testing.T) {
	a, d := newArchive(t), &desk{}
	d.answers(func(string) error { return follow.ErrRefused })
	a.add(20)
	f := a.start(follow.Options{Destination: d})
	f.fails()
	f.fails()
	if s := f.Status(a); s.Behind != 20 || s.SetAside != 0 {
		t.Errorf("got status %+v, want all 20 behind and none set aside", s)
	}
	d.answers(nil)
	f.arrives()
	d.wantAll(t, a.ids)
}

// TestAnEventThatWasDeliveredMayComeAgain: with the cursor from before the crash, events delivered since are sent again.
func TestAnEventThatWasDeliveredMayComeAgain(t *testing.T) {
	a, d := newArchive(t), &desk{}
	a.add(10)
	f := a.start(follow.Options{Destination: d})
	f.arrives()
	f.stop() // the cursor is on disk
	cursor := filepath.Join(a.folder, "followers", "test.cursor")
	before, err := os.ReadFile(cursor)
	if err != nil {
		t.Fatal(err)
	}
	a.add(10)
	f = a.start(follow.Options{Destination: d})
	f.arrives()
	f.stop()
	if err := os.WriteFile(cursor, before, 0o600); err != nil {
		t.Fatal(err)
	}
	a.start(follow.Options{Destination: d}).arrives()
	d.wantAll(t, a.ids)
	if len(d.ids) != 30 {
		t.Errorf("got %d arrivals, want 30: ten came twice, with the same ids", len(d.ids))
	}
}

// TestACursorThatCannotBeTrustedIsNotGuessedAt: nothing is sent until somebody has looked.
func TestACursorThatCannotBeTrustedIsNotGuessedAt(t *testing.T) {
	other := newArchive(t)
	other.add(30, func(e *audit.Event) { e.Type = "Condition" })
	elsewhere := &desk{}
	of := other.start(follow.Options{Destination: elsewhere})
	of.arrives()
	of.stop()
	foreign, err := os.ReadFile(filepath.Join(other.folder, "followers", "test.cursor"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty": "", "no JSON": "x", "another member": `{"segment":1,"offset":0,"n":0,"sum":"","x":1}`, "two": `{}{}`,
		"of another archive": string(foreign),
	} {
		a, d := newArchive(t), &desk{}
		a.add(40)
		folder := filepath.Join(a.folder, "followers")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "test.cursor"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f := a.start(follow.Options{Destination: d})
		f.fails()
		if s := f.Status(a); s.Err == nil || len(d.ids) != 0 {
			t.Errorf("%s: got %d arrivals and status %+v, want none and an error", name, len(d.ids), s)
		}
		if n := f.Needs(); n != 1 {
			t.Errorf("%s: file %d is needed, want 1: everything", name, n)
		}
		f.stop()
	}
}

// TestAFullDiskStopsAFollowerNotItsPlace: while the cursor cannot be written, nothing that arrived is sent again, and nothing more is sent.
func TestAFullDiskStopsAFollowerNotItsPlace(t *testing.T) {
	a, d := newArchive(t), &desk{}
	a.add(5)
	f := a.start(follow.Options{Destination: d})
	f.arrives()
	f.stop()                                                           // the cursor is on disk
	blocked := filepath.Join(a.folder, "followers", "test.cursor.new") // the file that a cursor is first written to
	if err := os.Mkdir(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	a.add(30)
	f = a.start(follow.Options{Destination: d})
	f.fails()
	f.fails()
	d.arrivals.mu.Lock()
	n := len(d.ids)
	d.arrivals.mu.Unlock()
	if n > 12 {
		t.Errorf("got %d arrivals, want no more than a batch that is not in the cursor", n)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	f.arrives()
	d.wantAll(t, a.ids)
	if len(d.ids) != 35 {
		t.Errorf("got %d arrivals, want 35", len(d.ids))
	}
}

func TestAFollowerThatBeginsNowLeavesOutWhatWas(t *testing.T) {
	a, d := newArchive(t), &desk{}
	a.add(10)
	o := follow.Options{Destination: d, FromNow: true, Name: "late", Folder: a.folder + "/followers"}
	if n := follow.New(o).Needs(); n != 0 {
		t.Errorf("before it begins file %d is needed, want none", n)
	}
	f := follow.New(o)
	if err := f.Begin(a); err != nil {
		t.Fatal(err)
	}
	a.add(5)
	s := a.start(o)
	s.arrives()
	d.wantAll(t, a.ids[10:])
}

// TestAnEventOfALaterVersionWaits: earlier events arrive; it and later ones wait for a gateway that can read it.
func TestAnEventOfALaterVersionWaits(t *testing.T) {
	a, d := newArchive(t), &desk{}
	a.add(3)
	later := strings.Replace(string(sample(4).Marshal()), `"v":`, `"v":9`, 1)
	a.outbox.entries = append(a.outbox.entries, audit.Entry{Position: "4-0", Payload: []byte(later), Sequence: 4})
	a.ids = append(a.ids, "later")
	a.add(3)
	f := a.start(follow.Options{Destination: d})
	f.fails()
	f.fails()
	if s := f.Status(a); s.Behind != 4 || s.SetAside != 0 || s.Err == nil {
		t.Errorf("got status %+v, want 4 behind with an error", s)
	}
	d.wantAll(t, a.ids[:3])
}

// TestStatusIsReported: once when a failure begins, and once when it ends.
func TestStatusIsReported(t *testing.T) {
	a, d := newArchive(t), &desk{}
	d.answers(func(string) error { return errors.New("away") })
	var mu sync.Mutex
	var reports []follow.Status
	a.add(3)
	f := a.start(follow.Options{Destination: d, Report: func(s follow.Status) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, s)
	}})
	f.fails()
	d.answers(nil)
	f.arrives()
	f.stop()
	if len(reports) != 2 || reports[0].Err == nil || reports[0].Behind != 3 || reports[1].Err != nil {
		t.Errorf("got reports %+v, want that it fails and that it goes on", reports)
	}
}

// TestStatusesOfWebServers: which answers are about the event, and which about the server. No redirect is followed.
func TestStatusesOfWebServers(t *testing.T) {
	h := &hook{t: t, secret: []byte("canary-secret-of-the-webhook-32b")}
	way, clientTLS := listen(t, h)
	way.up()
	d := follow.Webhook(follow.WebhookOptions{
		URL: "https://" + way.address + "/canary-path", Secret: h.secret, TLS: clientTLS, Timeout: within, Gateway: gatewayURL,
	})
	defer d.Close()
	events := []audit.Event{sample(1), sample(2), sample(3)}
	for status, refused := range map[int]bool{
		200: false, 204: false, 301: false, 302: false, 307: false, 400: true, 401: false, 403: false, 404: false, 409: false, 413: true, 422: true,
		429: false, 500: false, 502: false, 503: false,
	} {
		h.status = func(id string) int {
			if id == "00-000002" {
				return status
			}
			return http.StatusOK
		}
		n, err := d.Deliver(t.Context(), events)
		if well := status < 300; well && (n != 3 || err != nil) || !well && (n != 1 || err == nil || errors.Is(err, follow.ErrRefused) != refused) {
			t.Errorf("status %d: got %d and error %v", status, n, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the error holds the URL: %v", err)
		}
	}
}
