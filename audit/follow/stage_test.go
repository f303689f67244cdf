package follow_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/audit/follow"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// within is how long a test waits for what takes far less time on an idle machine.
const within = time.Minute

// gatewayURL is the public URL of the gateway whose events these are.
const gatewayURL = "https://zorgsluis.example"

// until polls what can be observed, with a deadline.
func until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(within); !reached(); <-poll.C {
		if time.Now().After(end) {
			t.Fatalf("waited %s for %s", within, what)
		}
	}
}

// archive is a real archive, with an outbox in memory.
type archive struct {
	*audit.Archive
	t      *testing.T
	folder string
	outbox outbox
	ids    []string // of all events
}

// outbox holds events that are not archived yet: of one shard, for one goroutine.
type outbox struct{ entries []audit.Entry }

func (o *outbox) Shards() int { return 1 }

func (o *outbox) Read(context.Context, int, string, int64) ([]audit.Entry, error) {
	return slices.Clone(o.entries), nil
}

func (o *outbox) Trim(_ context.Context, _ int, through string) error {
	n := slices.IndexFunc(o.entries, func(e audit.Entry) bool { return e.Position == through })
	o.entries = o.entries[n+1:]
	return nil
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	a := &archive{t: t, folder: t.TempDir()}
	key, err := audit.NewCheckpointKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if a.Archive, err = audit.OpenArchive(a.folder, key); err != nil {
		t.Fatalf("OpenArchive: %v", err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// add archives events, first changed by change if given.
func (a *archive) add(n int, change ...func(*audit.Event)) {
	a.t.Helper()
	for range n {
		number := len(a.ids) + 1
		e := sample(number)
		for _, c := range change {
			c(&e)
		}
		a.ids = append(a.ids, string(e.ID))
		a.outbox.entries = append(a.outbox.entries, audit.Entry{Position: fmt.Sprintf("%d-0", number), Payload: e.Marshal(), Sequence: uint64(number)})
	}
	if err := a.Drain(a.t.Context(), &a.outbox); err != nil {
		a.t.Fatalf("Drain: %v", err)
	}
}

// Values that must not reach a destination that gets references and categories only.
const (
	secretName    = "Canary-Name"
	secretQuery   = "canary-query"
	secretAddress = "192.0.2.77"
	secretText    = "canary-emergency-text"
	secretToken   = "canary-jti"
)

const person = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// sample is an event with every member set.
func sample(number int) audit.Event {
	return audit.Event{
		ID: audit.EventID(fmt.Sprintf("00-%06d", number)), Version: audit.SchemaVersion, Kind: audit.KindAccess,
		Time:    time.Date(2026, 11, 20, 10, 0, 0, 123456000, time.UTC).Add(time.Duration(number) * time.Second),
		Request: fmt.Sprintf("request-%d", number), Person: person, Outcome: audit.OutcomePermit, Reason: "ok-consent",
		Source: "huisarts", Interaction: fhir.CodeSearch, Type: "Observation", Query: "Observation?patient=***&code=" + secretQuery,
		Actor: audit.Actor{
			Issuer: "https://idp.example", Subject: "u-1", Client: "his-app", Token: secretToken, Kind: "provider", Name: secretName,
			Organization: "ura:00000001", Practitioner: "uzi:900000001", Roles: []string{"01.015"},
			Categories: []policy.ProviderCategory{"gp"}, Assurance: "substantial", Relationship: policy.RelationTreating,
			Purpose: policy.PurposeTreatment, Channel: "regional",
		},
		Categories: []fhir.DataCategory{"LabResult"}, Disclosed: []string{"Observation/o1", "Observation/o2"},
		Records: []consent.RecordID{"00-c1"}, Emergency: secretText, Address: secretAddress, Policy: "sha256-abc",
	}
}

// started is a running follower.
type started struct {
	*follow.Follower
	archive *archive
	stop    func()
}

// start runs a follower with short waits, until the test ends or it is stopped.
func (a *archive) start(o follow.Options) started {
	a.t.Helper()
	if o.Name == "" {
		o.Name = "test"
	}
	if o.Folder == "" {
		o.Folder = a.folder + "/followers"
	}
	if o.Batch == 0 {
		o.Batch = 7
	}
	o.Idle, o.LeastWait, o.MostWait = time.Millisecond, time.Millisecond, 20*time.Millisecond
	f := follow.New(o)
	ctx, cancel := context.WithCancel(a.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx, a)
	}()
	s := started{Follower: f, archive: a, stop: func() { cancel(); <-done }}
	a.t.Cleanup(s.stop)
	return s
}

// fails waits for the next failed delivery.
func (s started) fails() {
	s.archive.t.Helper()
	before := s.Status(s.archive).Failures
	until(s.archive.t, "a delivery to fail", func() bool { return s.Status(s.archive).Failures > before+1 })
}

// arrives waits until everything has arrived.
func (s started) arrives() {
	s.archive.t.Helper()
	var status follow.Status
	defer func() {
		if s.archive.t.Failed() {
			s.archive.t.Logf("status %+v", status)
		}
	}()
	until(s.archive.t, "everything to arrive", func() bool {
		status = s.Status(s.archive)
		return status.Delivered > 0 && status.Behind == 0 && status.Err == nil
	})
}

// arrivals are the ids of the events that reached a destination.
type arrivals struct {
	mu  sync.Mutex
	ids []string
	raw []string
}

func (a *arrivals) add(id, raw string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids, a.raw = append(a.ids, id), append(a.raw, raw)
}

// all is everything that was sent.
func (a *arrivals) all() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.raw, "\n")
}

// wantAll checks what a follower guarantees: every event of the archive at least once, first in the order of the archive.
func (a *arrivals) wantAll(t *testing.T, archived []string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	var first []string
	seen := map[string]bool{}
	for _, id := range a.ids {
		if !seen[id] {
			seen[id] = true
			first = append(first, id)
		}
	}
	if !slices.Equal(first, archived) {
		t.Errorf("got %d different events\n%v\nwant %d\n%v", len(first), first, len(archived), archived)
	}
	t.Logf("%d events, %d arrivals", len(archived), len(a.ids))
}

// fault is how a path to a destination is broken.
type fault int

const (
	well       fault = iota
	cutRequest       // the connection ends in the middle of what is sent
	cutAnswer        // what was sent arrives, and the connection ends in the middle of the answer
	silence          // what was sent arrives, and no answer comes
	noArrival        // nothing that is sent arrives
)

// passes is how many bytes of requests pass before a connection breaks: a handshake, and part of a delivery.
const passes = 3000

// path is the network path to a destination. Its address stays the same, up or down.
type path struct {
	t        *testing.T
	upstream string
	address  string

	mu       sync.Mutex
	fault    fault
	isDown   bool
	listener net.Listener
	open     map[net.Conn]bool
	work     sync.WaitGroup
}

// newPath makes a path to an address, down at first.
func newPath(t *testing.T, upstream string) *path {
	t.Helper()
	p := &path{t: t, upstream: upstream, address: fmt.Sprintf("127.0.0.1:%d", redistest.FreePort(t)), open: map[net.Conn]bool{}}
	p.up()
	p.down()
	t.Cleanup(p.down)
	return p
}

func (p *path) up() {
	p.t.Helper()
	l, err := net.Listen("tcp", p.address)
	if err != nil {
		p.t.Fatalf("path: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.isDown = l, false
	p.work.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.work.Go(func() { p.serve(client) })
		}
	})
}

// down ends every connection and refuses new ones.
func (p *path) down() {
	p.mu.Lock()
	p.isDown = true
	p.listener.Close()
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}

// is breaks or repairs the path for new connections, and ends the old ones.
func (p *path) is(f fault) {
	p.t.Helper()
	p.down()
	p.mu.Lock()
	p.fault = f
	p.mu.Unlock()
	p.up()
}

func (p *path) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	if p.isDown { // since it was accepted
		p.mu.Unlock()
		return
	}
	p.open[client], p.open[server] = true, true
	f := p.fault
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, client)
		delete(p.open, server)
	}()
	var requests atomic.Int64
	var done sync.WaitGroup
	done.Go(func() {
		defer client.Close()
		defer server.Close()
		pump(server, client, func(n int) (int, bool) {
			sent := requests.Add(int64(n))
			switch {
			case f == noArrival:
				return 0, true
			case f == cutRequest && sent > passes:
				return n / 2, false
			}
			return n, true
		})
	})
	done.Go(func() {
		defer client.Close()
		defer server.Close()
		pump(client, server, func(n int) (int, bool) {
			switch late := requests.Load() > passes; {
			case late && f == silence:
				return 0, true
			case late && f == cutAnswer:
				return n / 2, false
			}
			return n, true
		})
	})
	done.Wait()
}

// pump copies data; fate says how much of a piece passes, and whether there is more to come.
func pump(to io.Writer, from io.Reader, fate func(n int) (int, bool)) {
	piece := make([]byte, 16<<10)
	for {
		n, err := from.Read(piece)
		if err != nil {
			return
		}
		most, more := fate(n)
		if _, err := to.Write(piece[:most]); err != nil || !more {
			return
		}
	}
}

// ride runs a follower to a destination that is down at first, comes up, fails in every possible way, and recovers; then the follower is
// restarted. The 100 events that arrive are in got, or the test reads them afterwards. connect makes the destination for an address.
func ride(t *testing.T, way *path, got *arrivals, connect func(address string) follow.Destination) {
	t.Helper()
	a := newArchive(t)
	a.add(10)
	f := a.start(follow.Options{Destination: connect(way.address)})
	f.fails()
	if s := f.Status(a); s.Behind != 10 || s.Err == nil || s.Late <= 0 {
		t.Errorf("got status %+v of a destination that is dead, want 10 behind, late, with an error", s)
	}
	way.up()
	f.arrives()
	for _, bad := range []fault{cutRequest, cutAnswer, silence, noArrival} {
		way.is(bad)
		a.add(20)
		f.fails()
		way.is(well)
		f.arrives()
	}
	a.add(5)
	f.arrives()
	f.stop()
	a.add(5)
	again := a.start(follow.Options{Destination: connect(way.address)})
	again.arrives()
	if s := again.Status(a); s.Delivered != 5 {
		t.Errorf("after a restart %d events were delivered, want the 5 new ones", s.Delivered)
	}
	if got != nil {
		got.wantAll(t, a.ids)
	}
}

// authority makes certificates.
type authority struct {
	pool *x509.CertPool
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{pool: pool, cert: cert, key: key}
}

// issue makes a certificate for this machine, for both ends.
func (a *authority) issue(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// both returns the configurations of a server that requires a certificate, and of a client that has one.
func (a *authority) both(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	server = &tls.Config{Certificates: []tls.Certificate{a.issue(t)}, ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert}
	return server, &tls.Config{Certificates: []tls.Certificate{a.issue(t)}, RootCAs: a.pool, MinVersion: tls.VersionTLS12}
}
