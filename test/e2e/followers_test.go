package e2e_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// followed is a system that follows the archive: it can be down, and it can answer badly.
type followed struct {
	t       testing.TB
	address string
	status  atomic.Int32 // its answer; 0: it accepts what it is sent

	mu  sync.Mutex
	ids []audit.EventID
	raw strings.Builder
	end func()
}

func newFollowed(t testing.TB) *followed {
	f := &followed{t: t, address: freeAddress(t)}
	t.Cleanup(f.down)
	return f
}

func (f *followed) down() {
	if f.end != nil {
		f.end()
		f.end = nil
	}
}

func (f *followed) listen() net.Listener {
	f.t.Helper()
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

func (f *followed) keep(raw string, ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.raw.WriteString(raw)
	for _, id := range ids {
		f.ids = append(f.ids, audit.EventID(id))
	}
}

// first returns the events that arrived, each once, in the order of first arrival.
func (f *followed) first() []audit.EventID {
	f.mu.Lock()
	defer f.mu.Unlock()
	var first []audit.EventID
	seen := map[audit.EventID]bool{}
	for _, id := range f.ids {
		if !seen[id] {
			first = append(first, id)
		}
		seen[id] = true
	}
	return first
}

func (f *followed) all() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.raw.String()
}

// serve answers HTTP; ids finds the events in a body, and answer is the reply if all is well.
func (f *followed) serve(ids func(body []byte) []string, answer func(n int) string) {
	f.t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // cut off
		}
		if status := f.status.Load(); status != 0 {
			w.WriteHeader(int(status))
			return
		}
		found := ids(body)
		f.keep(fmt.Sprint(r.URL, r.Header.Clone(), string(body)), found...)
		_, _ = io.WriteString(w, answer(len(found)))
	}))
	s.Listener.Close()
	s.Listener = f.listen()
	s.Start()
	f.end = s.Close
}

// collect reads syslog over TLS.
func (f *followed) collect(config *tls.Config) {
	f.t.Helper()
	l := f.listen()
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { f.messages(tls.Server(conn, config)) })
		}
	})
	f.end = func() { l.Close(); work.Wait() }
}

var dicomEventID = regexp.MustCompile(`ParticipantObjectID="([^"]+)"[^>]*><ParticipantObjectIDTypeCode csd-code="event-id"`)

// messages reads frames with octet counts (RFC 5425 §4.3) to the end of the connection.
func (f *followed) messages(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(startWithin))
	for r := bufio.NewReader(conn); ; {
		count, err := r.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(count))
		message := make([]byte, n)
		if err == nil {
			_, err = io.ReadFull(r, message)
		}
		if err != nil {
			return
		}
		id := dicomEventID.FindSubmatch(message)
		if !strings.HasPrefix(string(message), "<8") || id == nil {
			f.t.Errorf("got the message %.300s", message)
			return
		}
		f.keep(string(message), string(id[1]))
	}
}

func cloudEventIDs(body []byte) []string {
	var e struct{ ID string }
	_ = json.Unmarshal(body, &e)
	return []string{e.ID}
}

// auditEventIDs finds the events in a batch, or a single one.
func auditEventIDs(body []byte) []string {
	var e struct {
		ID    string
		Entry []struct{ Resource struct{ ID string } }
	}
	_ = json.Unmarshal(body, &e)
	if e.Entry == nil {
		return []string{e.ID}
	}
	var ids []string
	for _, entry := range e.Entry {
		ids = append(ids, entry.Resource.ID)
	}
	return ids
}

// following is the configuration of the three.
const following = `followers:
  - { name: repository, kind: fhir, url: "http://{repository}/fhir", batch: 7, header_file: follower-header }
  - { name: alerts, kind: webhook, url: "http://{alerts}/hook", secret_file: follower-secret }
  - { name: siem, kind: syslog, address: "{siem}", tls: { ca_file: follower-ca.pem } }
`

// TestFollowers: three systems follow the archive. All are down at the start, which no caller notices; two come up, and do not wait for the
// third; one answers errors for a while; the gateway is killed; the third comes up. In the end each has every event of the archive, in its
// order, under the same id, and no identifier of a patient and no secret was sent or logged.
func TestFollowers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, canaryRecords()...)
	w.mustPut(permit(partyGP), canary)
	repository, alerts, siem := newFollowed(t), newFollowed(t), newFollowed(t)
	stage := httptest.NewTLSServer(nil) // for its certificate
	certificates := stage.TLS.Certificates
	w.write("follower-ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: stage.Certificate().Raw})))
	stage.Close()
	w.write("follower-header", "Authorization: Bearer "+marker+"-header\n")
	secret := base64.StdEncoding.EncodeToString([]byte(marker + "-webhook-secret-000000"))
	w.write("follower-secret", secret+"\n")
	g, file := w.start("cursor_key_files", strings.NewReplacer("{repository}", repository.address, "{alerts}", alerts.address,
		"{siem}", siem.address).Replace(following)+"cursor_key_files")

	gp := demo.GP()
	ask := func(n int) {
		t.Helper()
		for range n {
			g.ask(gp, search("Condition", canary)).wantStatus(t, http.StatusOK, "while followers come and go")
			g.ask(demo.Insurer(), search("Condition", canary)).wantStatus(t, http.StatusForbidden, "while followers come and go")
		}
	}
	tells := func(text string) func() bool {
		return func() bool { _, said := g.admined("/metrics"); return strings.Contains(said, text) }
	}
	ask(5)
	for _, name := range []string{"repository", "alerts", "siem"} {
		until(t, startWithin, name+" to fail", func() bool {
			_, said := g.admined("/metrics")
			return !strings.Contains(said, `zorgsluis_follower_failures_total{follower="`+name+`"} 0`) &&
				!strings.Contains(said, `zorgsluis_follower_behind_events{follower="`+name+`"} 0`)
		})
	}
	if status, said := g.admined("/readyz"); status != http.StatusOK || !strings.Contains(said, "follower:siem") || !strings.Contains(said, "events behind") {
		t.Errorf("with dead followers readiness is %d %s, want 200 that tells of them", status, said)
	}

	repository.serve(auditEventIDs, func(n int) string {
		return `{"resourceType":"Bundle","type":"batch-response","entry":[` + strings.TrimSuffix(strings.Repeat(`{"response":{"status":"200"}},`, n), ",") + `]}`
	})
	alerts.serve(cloudEventIDs, func(int) string { return "" })
	until(t, startWithin, "the webhook to catch up", tells(`zorgsluis_follower_behind_events{follower="alerts"} 0`))
	until(t, startWithin, "the repository to catch up", tells(`zorgsluis_follower_behind_events{follower="repository"} 0`))

	alerts.status.Store(http.StatusInternalServerError)
	ask(5)
	g.kill()
	alerts.status.Store(0)
	siem.collect(&tls.Config{Certificates: certificates})
	before := g
	g = w.again(g, file)
	ask(3)
	for _, f := range []*followed{repository, alerts, siem} {
		until(t, endWithin, "everything to arrive at "+f.address, func() bool { return len(w.outbox()) == 0 && len(f.first()) >= len(w.archived()) })
		var want []audit.EventID
		for _, e := range w.archived() {
			want = append(want, e.ID)
		}
		if got := f.first(); !slices.Equal(got, want) {
			t.Errorf("got events\n%v\nwant those of the archive\n%v", got, want)
		}
	}
	g.stop()
	w.wantArchiveWhole()
	sent := strings.ReplaceAll(repository.all(), "Bearer "+marker+"-header", "")
	if sent == repository.all() {
		t.Error("the repository was not sent the header of its file")
	}
	for where, text := range map[string]string{
		"the repository": sent, "the webhook": alerts.all(), "the collector": siem.all(), "the log": before.out.String() + g.out.String(),
	} {
		for _, bad := range []string{marker, canary.BSN, strings.TrimLeft(canary.BSN, "0"), base64.StdEncoding.EncodeToString([]byte(canary.BSN)), secret} {
			if strings.Contains(text, bad) {
				t.Errorf("%s holds %q", where, bad)
			}
		}
	}
}
