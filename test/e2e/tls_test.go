package e2e_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// secure is the part of a configuration that turns TLS on; more is added to it.
func secure(more string) []string {
	return []string{`listen: "{listen}"`, "listen: \"{listen}\"\ntls: { certificate_file: certificate.pem, key_file: key.pem" + more + " }"}
}

// hangUp makes a gateway read its files again, and waits for it.
func (g *gateway) hangUp() {
	g.t.Helper()
	before := strings.Count(g.out.String(), `"msg":"reloaded"`)
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		g.t.Fatalf("signal: %v", err)
	}
	until(g.t, endWithin, "the gateway to read its files again", func() bool {
		return strings.Count(g.out.String(), `"msg":"reloaded"`) > before
	})
}

// shakeHands opens a connection as a client with this configuration.
func (g *gateway) shakeHands(config *tls.Config) (tls.ConnectionState, error) {
	conn, err := tls.Dial("tcp", strings.TrimPrefix(g.base, "https://"), config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

// TestCertificateRotation: certificates change under load, and no request fails; invalid files change nothing, and are reported.
func TestCertificateRotation(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), newAuthority(t)
	w.roots = a.pool()
	w.show(a.issue(curveKey(t), "127.0.0.1", time.Hour))
	g, _ := w.start(secure("")...)
	gp, ask := demo.GP(), search("Condition", demo.Karena())
	first := g.ask(gp, ask).wantStatus(t, http.StatusOK, "before")
	if got := first.header.Get("Strict-Transport-Security"); !strings.HasPrefix(got, "max-age=") {
		t.Errorf("got Strict-Transport-Security %q, want one", got)
	}
	var (
		load     sync.WaitGroup
		answered atomic.Int32
		stop     = make(chan struct{})
	)
	for range 3 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// A connection for each request: each is a handshake.
				if r, err := g.try(gp, ask); err != nil || r.status != http.StatusOK {
					t.Errorf("while the certificate changed: got status %d, error %v", r.status, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	serial := func() int64 {
		state, err := g.shakeHands(&tls.Config{RootCAs: w.roots})
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	for range 4 {
		seen := answered.Load()
		w.show(a.issue(curveKey(t), "127.0.0.1", time.Hour))
		g.hangUp()
		if got := serial(); got != a.issued {
			t.Errorf("got certificate %d, want %d", got, a.issued)
		}
		until(t, endWithin, "requests under the new certificate", func() bool { return answered.Load() > seen+3 || t.Failed() })
	}
	good := a.issued
	for name, spoil := range map[string]func(){
		"a certificate that is none":   func() { w.write("certificate.pem", marker) },
		"a key of another certificate": func() { w.write("key.pem", a.issue(curveKey(t), "127.0.0.1", time.Hour).key) },
		"one for another host":         func() { w.show(a.issue(curveKey(t), "elsewhere.example", time.Hour)) },
		"one that has expired":         func() { w.show(a.issue(curveKey(t), "127.0.0.1", -time.Minute)) },
	} {
		spoil()
		g.hangUp()
		if got := serial(); got != good {
			t.Errorf("%s: got certificate %d, want %d, which was good", name, got, good)
		}
		if !strings.Contains(g.out.String(), "files are not good") {
			t.Errorf("%s: the log does not tell of it", name)
		}
		if _, metrics := g.admined("/metrics"); !strings.Contains(metrics, `zorgsluis_files_bad{what="listen"} 1`) {
			t.Errorf("%s: the metric does not tell of it", name)
		}
		if status, said := g.readiness(); status != http.StatusOK {
			t.Errorf("%s: got readiness %d %s, want 200: it serves", name, status, said)
		}
	}
	until(t, endWithin, "readiness to tell of the bad files", func() bool {
		_, ready := g.admined("/readyz")
		return strings.Contains(ready, `"files:listen":"the files are not good`)
	})
	w.show(a.issue(curveKey(t), "127.0.0.1", time.Hour))
	g.hangUp()
	if _, metrics := g.admined("/metrics"); serial() != a.issued || !strings.Contains(metrics, `zorgsluis_files_bad{what="listen"} 0`) {
		t.Error("a good certificate after bad ones is not taken")
	}
	close(stop)
	load.Wait()
	if log := g.out.String(); strings.Contains(log, "PRIVATE KEY") || strings.Contains(log, marker) {
		t.Error("the log holds something of the files")
	}
}

// TestClientCertificates: if a certificate is required, callers without one, or with one of an untrusted authority, do not reach the gate.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	w, a, callers, next, others := newWorld(t), newAuthority(t), newAuthority(t), newAuthority(t), newAuthority(t)
	w.roots = a.pool()
	w.show(a.issue(curveKey(t), "127.0.0.1", time.Hour))
	w.write("callers.pem", callers.pem)
	gp, ask := demo.GP(), search("Condition", demo.Karena())
	valid, expired := callers.issue(curveKey(t), "caller.example", time.Hour), callers.issue(curveKey(t), "caller.example", -time.Minute)
	stranger, successor := others.issue(curveKey(t), "caller.example", time.Hour), next.issue(curveKey(t), "caller.example", time.Hour)
	sessions := tls.NewLRUClientSessionCache(8)
	passes := func(g *gateway, want bool, when string, certificates ...tls.Certificate) {
		t.Helper()
		config := &tls.Config{RootCAs: w.roots, ClientSessionCache: sessions, Certificates: certificates}
		if len(certificates) > 0 {
			// Also if the gateway does not name its authority.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificates[0], nil }
		}
		caller := &gateway{t: t, base: g.base}
		caller.client = &http.Client{Timeout: endWithin, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		r, err := caller.try(gp, ask)
		switch {
		case want && (err != nil || r.status != http.StatusOK):
			t.Errorf("%s: got status %d, error %v, want 200", when, r.status, err)
		case !want && err == nil:
			t.Errorf("%s: got status %d, want no connection", when, r.status)
		case !want && len(w.eventsOf(r.id)) > 0:
			t.Errorf("%s: the gate was reached", when)
		}
	}
	for _, mode := range []string{"required", "optional", "off"} {
		w.write("callers.pem", callers.pem)
		g, _ := w.start(secure(", client_certificates: { ca_file: callers.pem, mode: " + mode + " }")...)
		passes(g, mode != "required", mode+", no certificate")
		passes(g, true, mode+", a certificate of the authority", valid.pair)
		passes(g, mode == "off", mode+", one that has expired", expired.pair)
		passes(g, mode == "off", mode+", one of another authority", stranger.pair)
		passes(g, mode == "off", mode+", one of the server's authority", a.issue(curveKey(t), "caller.example", time.Hour).pair)
		// The authority changes: certificates of the old one are no longer valid, not even in a resumed session.
		w.write("callers.pem", next.pem)
		g.hangUp()
		passes(g, mode == "off", mode+", one of the authority before", valid.pair)
		passes(g, true, mode+", one of the next authority", successor.pair)
		// A file without an authority opens nothing.
		w.write("callers.pem", "")
		g.hangUp()
		passes(g, mode != "required", mode+", no certificate, no authority in the file")
		passes(g, mode == "off", mode+", one of another authority, no authority in the file", stranger.pair)
		passes(g, true, mode+", one of the authority that stays in use", successor.pair)
		g.stop()
	}
	for name, content := range map[string]string{"missing": "", "empty": "\n", "no certificate": marker} {
		w.write("callers.pem", content)
		file, scheme, listen, admin := w.configure(secure(", client_certificates: { ca_file: callers.pem, mode: required }")...)
		if code := w.launch(file, scheme, listen, admin).ended(); code != 2 {
			t.Errorf("authorities %s: got exit code %d, want 2", name, code)
		}
	}
}

// TestTLSMatrix tries every handshake that Go's client can do: what NCSC rates good is accepted, everything else is refused.
func TestTLSMatrix(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), newAuthority(t)
	w.roots = a.pool()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w.show(a.issue(key, "127.0.0.1", time.Hour))
	g, _ := w.start(secure("")...)
	g.wantLog("RSA key of 2048 bits", "a warning of an RSA key that is not good")
	matrix := func(kind string) {
		t.Helper()
		wants := func(config *tls.Config, want bool, what string) {
			t.Helper()
			config.RootCAs, config.NextProtos = w.roots, []string{"h2", "http/1.1"}
			state, err := g.shakeHands(config)
			if (err == nil) != want {
				t.Errorf("%s, %s: got %v, want connection: %v", kind, what, err, want)
			}
			if err == nil && state.NegotiatedProtocol != "h2" {
				t.Errorf("%s, %s: got protocol %q, want h2", kind, what, state.NegotiatedProtocol)
			}
		}
		for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			wants(&tls.Config{MinVersion: version, MaxVersion: version}, want, tls.VersionName(version))
		}
		for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
			if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
				continue
			}
			good := strings.HasPrefix(suite.Name, "TLS_ECDHE_"+kind+"_") && (strings.Contains(suite.Name, "_GCM_") || strings.Contains(suite.Name, "_CHACHA20_"))
			wants(&tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}}, good, suite.Name)
		}
		for group, want := range map[tls.CurveID]bool{
			tls.X25519MLKEM768: true, tls.X25519: true, tls.CurveP256: true, tls.CurveP384: true, tls.CurveP521: false,
			tls.SecP256r1MLKEM768: false, tls.SecP384r1MLKEM1024: false,
		} {
			wants(&tls.Config{CurvePreferences: []tls.CurveID{group}}, want, fmt.Sprint(group))
		}
	}
	matrix("RSA")
	w.show(a.issue(curveKey(t), "127.0.0.1", time.Hour))
	g.hangUp()
	matrix("ECDSA")
}

// TestForwardedAddress: what a caller claims as its own address reaches no event; what a trusted proxy says does.
func TestForwardedAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	forge := func(q question) question {
		return q.with("X-Forwarded-For", "127.0.0.1, 203.0.113.5", "Forwarded", "for=203.0.113.5", "X-Real-Ip", "203.0.113.5",
			"X-Forwarded-Host", marker, "X-Forwarded-Proto", "https", "Client-Cert", ":AAAA:")
	}
	for _, tt := range []struct{ name, trust, want string }{
		{"nobody is trusted", "# nobody\n", "127.0.0.1"},
		{"another address is trusted", "trusted_proxies: { from: [\"10.0.0.0/28\"], forwarded_for: true }\n", "127.0.0.1"},
		{"the address is trusted for certificates only", "trusted_proxies: { from: [127.0.0.1], certificate_header: Client-Cert }\n", "127.0.0.1"},
		{"the address is trusted", "trusted_proxies: { from: [127.0.0.1], forwarded_for: true }\n", "203.0.113.5"},
	} {
		g, _ := w.start("cursor_key_files:", tt.trust+"cursor_key_files:")
		r := g.ask(demo.GP(), forge(search("Condition", demo.Karena()))).wantStatus(t, http.StatusOK, tt.name)
		if e := w.wantEvent(r, audit.OutcomePermit, "ok-consent"); e.Address != tt.want {
			t.Errorf("%s: the event of a release has address %s, want %s", tt.name, e.Address, tt.want)
		}
		if got := r.link(g, "self"); !strings.HasPrefix(got, "/fhir/demo/") {
			t.Errorf("%s: the self link is %q, want one below public_url", tt.name, got)
		}
		q := forge(search("Condition", demo.Karena()))
		q.token = "nonsense"
		r = g.ask(demo.Caller{}, q).wantStatus(t, http.StatusUnauthorized, tt.name)
		if e := w.wantEvent(r, audit.OutcomeDeny, "token-malformed"); e.Address != tt.want {
			t.Errorf("%s: the event of a refusal has address %s, want %s", tt.name, e.Address, tt.want)
		}
		for _, asked := range w.source.Requests() {
			for name := range asked.Header {
				if strings.Contains(strings.ToLower(name), "forwarded") || strings.EqualFold(name, "Client-Cert") || strings.EqualFold(name, "X-Real-Ip") {
					t.Errorf("%s: %s reached the source", tt.name, name)
				}
			}
		}
		g.stop()
	}
}
