//go:build !release

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/config/configtest"
	"zorgsluis/internal/demo"
	"zorgsluis/internal/operator"
)

// gatewayUnderTest is a gateway in this process, in the environment of the demo.
type gatewayUnderTest struct {
	t     *testing.T
	world *world
	addresses
	settings deployment
	client   *http.Client
	log      *syncBuffer
	stop     context.CancelFunc
	stopped  chan error
}

// syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newTestWorld makes the demo's environment and its configuration, which edit may change.
func newTestWorld(t *testing.T, edit func(string) string) (*world, deployment) {
	t.Helper()
	w, err := newWorld("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	s, err := w.configure(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if edit == nil {
		return w, s
	}
	file := filepath.Join(w.folder, "gateway.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if s.Settings, err = config.Load(configtest.Write(t, file, edit(string(text)))); err != nil {
		t.Fatal(err)
	}
	return w, s
}

// runGateway starts a gateway and stops it when the test ends, if the test did not.
func runGateway(t *testing.T, w *world, s deployment) *gatewayUnderTest {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g := &gatewayUnderTest{
		t: t, world: w, settings: s, log: &syncBuffer{}, stop: cancel, stopped: make(chan error, 1),
		client: &http.Client{Transport: &http.Transport{}, Timeout: time.Minute},
	}
	ready := make(chan addresses, 1)
	go func() {
		g.stopped <- serve(ctx, s, slog.New(slog.NewJSONHandler(g.log, nil)), func(r *running, a addresses) {
			put := operator.NewRecord{Record: permit, Person: demo.Karena().Identifier(), Request: "seed"}
			if _, err := operator.Put(ctx, s.Settings, r.store, put); err != nil {
				t.Errorf("seed: %v", err)
			}
			ready <- a
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-g.stopped
		g.client.CloseIdleConnections()
	})
	select {
	case g.addresses = <-ready:
	case err := <-g.stopped:
		g.stopped <- err
		t.Fatalf("serve: %v", err)
	}
	return g
}

// end stops the gateway and returns what serve returned.
func (g *gatewayUnderTest) end() error {
	g.stop()
	err := <-g.stopped
	g.stopped <- err // for the cleanup
	return err
}

// permit returns a consent that every general practitioner may see everything.
var permit = consent.Record{
	Status: consent.StatusActive, Decision: consent.DecisionPermit, Party: consent.Side{Category: "gp"}, Data: []string{"GGC002"},
	GivenBy: []string{consent.ByPatient}, RecordedBy: "uzi:1", Method: "written",
	Information: consent.Information{ID: "leaflet", Version: "1", Language: "nl", SHA256: strings.Repeat("0", 64)},
}

// read requests Karena's conditions as her GP.
func (g *gatewayUnderTest) read() (*http.Response, error) {
	token, err := g.world.issuer.Token(demo.GP().Claims)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodGet, g.settings.File.PublicURL+"/fhir/demo/Condition?patient="+string(demo.Karena().PatientID), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := g.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response, err
}

// awaitReady polls readiness until it is as wanted: components are checked only once per second.
func (g *gatewayUnderTest) awaitReady(status int, part string) string {
	g.t.Helper()
	last := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		code, body := g.admin("/readyz")
		if last = body; code == status && strings.Contains(body, part) {
			return body
		}
		<-time.After(20 * time.Millisecond)
	}
	g.t.Fatalf("readyz did not become %d with %q; last it was %s", status, part, last)
	return ""
}

// awaitMetrics reads the metrics until they contain part: an exchange is counted after it was answered.
func (g *gatewayUnderTest) awaitMetrics(part string) (metrics string) {
	g.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if _, metrics = g.admin("/metrics"); strings.Contains(metrics, part) {
			return metrics
		}
		<-time.After(10 * time.Millisecond)
	}
	return metrics
}

func (g *gatewayUnderTest) admin(path string) (int, string) {
	g.t.Helper()
	response, err := g.client.Get("http://" + g.addresses.admin + path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestHealthAndMetrics(t *testing.T) {
	w, s := newTestWorld(t, nil)
	g := runGateway(t, w, s)
	body := g.awaitReady(http.StatusOK, `"ready"`)
	for _, name := range []string{"redis", "store", "archive", "issuer:" + w.issuer.URL()} {
		if !strings.Contains(body, `"`+name+`":"ok"`) {
			t.Errorf("got %s, want component %s", body, name)
		}
	}
	response, err := g.read()
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got %v and error %v", response, err)
	}
	g.awaitMetrics(`zorgsluis_requests_total{interaction="search-type",status="200"} 1`) // counted after the answer is sent
	metrics := g.awaitMetrics("zorgsluis_requests_in_flight 0")
	for _, want := range []string{
		`zorgsluis_step_seconds_count{step="commit"}`, `zorgsluis_step_seconds_count{step="source"}`,
		`zorgsluis_step_seconds_count{step="standing"}`, `zorgsluis_step_seconds_count{step="authenticate"} 1`,
		"zorgsluis_requests_in_flight 0", "zorgsluis_archive_lag_seconds", "zorgsluis_build_info", "go_goroutines",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	for _, canary := range []string{demo.Karena().BSN, string(demo.Karena().PatientID), demo.Karena().Name} {
		if strings.Contains(metrics+g.log.String(), canary) {
			t.Error("metrics or log hold what identifies a patient")
		}
	}
	// The public listener serves nothing of the admin listener, nor vice versa.
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		response, err := g.client.Get(s.File.PublicURL + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("got %d for %s on the public listener, want 404", response.StatusCode, path)
		}
	}
	if code, _ := g.admin("/fhir/demo/metadata"); code != http.StatusNotFound {
		t.Errorf("got %d for a FHIR path on the admin listener, want 404", code)
	}
	if err := g.end(); err != nil {
		t.Errorf("got error %v of a stop in order", err)
	}
}

// TestStopLosesNoRequest holds a request at the source while the gateway is told to stop: readiness fails, the process lives, and the
// request is answered; its event is in the archive before the process ends.
func TestStopLosesNoRequest(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w, s := newTestWorld(t, nil)
	g := runGateway(t, w, s)
	g.awaitReady(http.StatusOK, `"ready"`)
	block := w.source.Block()
	type answer struct {
		status int
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		response, err := g.read()
		if err != nil {
			answered <- answer{0, err}
			return
		}
		answered <- answer{response.StatusCode, nil}
	}()
	<-block.Arrived
	g.stop()
	g.awaitReady(http.StatusServiceUnavailable, `"draining"`)
	if code, _ := g.admin("/healthz"); code != http.StatusOK {
		t.Errorf("got %d from healthz while draining, want 200", code)
	}
	select {
	case a := <-answered:
		t.Fatalf("the request was answered before the source did: %+v", a)
	default:
	}
	block.Release()
	if a := <-answered; a.err != nil || a.status != http.StatusOK {
		t.Errorf("got %+v for a request in flight, want 200", a)
	}
	if err := g.end(); err != nil {
		t.Errorf("got error %v of a stop in order", err)
	}
	summary, err := audit.Verify(s.ArchiveFolder, s.ArchivePublicKeys()...)
	if err != nil || summary.Events != 2 {
		t.Errorf("got %d archived events and error %v, want the consent and the access", summary.Events, err)
	}
	w.close()
	g.client.CloseIdleConnections()
}

func TestReadinessFollowsItsParts(t *testing.T) {
	redis := redistest.Start(t)
	w, s := newTestWorld(t, func(text string) string {
		return strings.Replace(text, "redis: { mode: embedded, folder: redis }", fmt.Sprintf("redis: { mode: external, addresses: [%q] }", redis.Address()), 1)
	})
	g := runGateway(t, w, s)
	g.awaitReady(http.StatusOK, `"ready"`)
	redis.Kill()
	var state struct{ Components map[string]string }
	if err := json.Unmarshal([]byte(g.awaitReady(http.StatusServiceUnavailable, "not ready")), &state); err != nil {
		t.Fatal(err)
	}
	if state.Components["redis"] == "ok" || state.Components["store"] == "ok" {
		t.Errorf("got %v without Redis, want redis and store down", state.Components)
	}
	if code, _ := g.admin("/healthz"); code != http.StatusOK {
		t.Errorf("got %d from healthz without Redis, want 200: a restart heals nothing", code)
	}
	response, err := g.read()
	if err != nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("got %v and error %v without Redis, want 503 with Retry-After", response, err)
	}
	redis.Run()
	g.awaitReady(http.StatusOK, `"ready"`)
	if response, err := g.read(); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("got %v and error %v after Redis came back, want 200", response, err)
	}
}

// TestStartsWithoutIdentityProvider: the gateway is not ready, but serves, and recovers by itself.
func TestStartsWithoutIdentityProvider(t *testing.T) {
	w, s := newTestWorld(t, nil)
	w.issuer.SetDown(true)
	g := runGateway(t, w, s)
	g.awaitReady(http.StatusServiceUnavailable, "issuer:"+w.issuer.URL())
	if response, err := g.read(); err != nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %v and error %v while keys are unknown, want 503", response, err)
	}
}

func TestTwoInstancesShareStoreAndArchive(t *testing.T) {
	w, s := newTestWorld(t, nil)
	first := runGateway(t, w, s)
	second, settings := s, *s.Settings
	config := *s.File
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config.PublicURL = "http://" + listener.Addr().String()
	settings.File = &config
	second.Settings, second.listener = &settings, listener
	other := runGateway(t, w, second)
	for _, g := range []*gatewayUnderTest{first, other} {
		if response, err := g.read(); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("got %v and error %v", response, err)
		}
		g.awaitReady(http.StatusOK, `"archive":"ok"`)
	}
	if err := other.end(); err != nil {
		t.Errorf("got error %v of a stop in order", err)
	}
	if response, err := first.read(); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("got %v and error %v after the other instance stopped", response, err)
	}
}

func TestTLS(t *testing.T) {
	w, _ := newTestWorld(t, nil)
	certificate, key := configtest.SelfSigned(t, w.folder, "127.0.0.1", time.Now().Add(time.Hour))
	text, err := os.ReadFile(filepath.Join(w.folder, "gateway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	tlsText := fmt.Sprintf("tls: { certificate_file: %q, key_file: %q }\n", certificate, key)
	edited := strings.Replace(string(text), `public_url: "http:`, `public_url: "https:`, 1) + tlsText
	s, err := config.Load(configtest.Write(t, filepath.Join(w.folder, "tls.yaml"), edited))
	if err != nil {
		t.Fatal(err)
	}
	g := runGateway(t, w, deployment{Settings: s, initialise: true, listener: w.listener})
	g.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	response, err := g.read()
	if err != nil || response.StatusCode != http.StatusOK || response.ProtoMajor != 2 {
		t.Errorf("got %v and error %v, want 200 over HTTP/2", response, err)
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}
	if conn, err := tls.Dial("tcp", g.public, old); err == nil {
		conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
	plain, err := http.Get("http://" + g.public + "/fhir/demo/metadata")
	if err == nil {
		plain.Body.Close()
		if plain.StatusCode == http.StatusOK {
			t.Error("plain HTTP was answered on a TLS listener")
		}
	}
}

// TestSlowCallersAreCutOff: headers that never end do not hold a connection for ever.
func TestSlowCallersAreCutOff(t *testing.T) {
	w, s := newTestWorld(t, nil)
	s.File.Limits.Timeouts.Header = 200 * time.Millisecond
	g := runGateway(t, w, s)
	conn, err := net.Dial("tcp", g.public)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /fhir/demo/metadata HTTP/1.1\r\nHost: x\r\n")
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) { // closed or, with something unread, reset
		t.Error("the connection was not closed")
	}
}

// TestPortInUse: a gateway that cannot listen ends, and leaves nothing running.
func TestPortInUse(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w, s := newTestWorld(t, nil)
	s.listener = nil // the world has the port
	if err := serve(t.Context(), s, slog.New(slog.DiscardHandler), nil); err == nil || !strings.Contains(err.Error(), "listen") {
		t.Errorf("got error %v, want one about the address", err)
	}
	w.close()
}

// TestDemoTour plays the demo's story, as a newcomer runs it.
func TestDemoTour(t *testing.T) {
	var out, errors bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--tour"}, strings.NewReader(""), &out, &errors); code != cli.ExitOK {
		t.Fatalf("got exit code %d: %s\n%s", code, errors.String(), out.String())
	}
	if !strings.Contains(out.String(), "Everything went as told") {
		t.Errorf("got %s", out.String())
	}
}

// TestDemoInMemory is the same on a machine without redis-server.
func TestDemoInMemory(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var out, errors bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--tour"}, strings.NewReader(""), &out, &errors); code != cli.ExitOK {
		t.Fatalf("got exit code %d: %s\n%s", code, errors.String(), out.String())
	}
	if !strings.Contains(out.String(), "nothing is kept") {
		t.Error("the demo does not say that nothing is kept")
	}
}

// TestLogIssuers: an issuer whose keys cannot be fetched is logged once, and once when they can be again.
func TestLogIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const url = "https://login.example"
		away := map[string]error{url: errors.New("no route")}
		well := map[string]error{url: nil}
		var out bytes.Buffer
		log, _ := newLog(&out)
		down := map[string]bool{}
		for _, ready := range []map[string]error{well, away, away, well, well, away} {
			logIssuers(log, ready, down)
		}
		var levels []string
		for line := range strings.Lines(out.String()) {
			_, rest, _ := strings.Cut(line, `"level":"`)
			level, _, _ := strings.Cut(rest, `"`)
			levels = append(levels, level)
		}
		if want := []string{"ERROR", "INFO", "ERROR"}; !slices.Equal(levels, want) {
			t.Errorf("got %v, want %v: %s", levels, want, out.String())
		}
	})
}

// TestReportArchive: an archive that fails every second for every shard does not fill the log.
func TestReportArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log, _ := newLog(&out)
		report := reportArchive(log)
		for range 3 {
			report(errors.Join(errors.New("shard 0: away"), errors.New("shard 1: away")))
		}
		report(errors.New("held"))
		if got := strings.Count(out.String(), "\n"); got != 2 || !strings.Contains(out.String(), `"errors":2`) || !strings.Contains(out.String(), "held") {
			t.Errorf("got %d lines, want one for each kind of error: %s", got, out.String())
		}
	})
}
