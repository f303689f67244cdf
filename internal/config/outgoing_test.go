package config

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/config/configtest"
)

// peer is a server that completes a TLS handshake and then stays silent; with NATS it speaks first, as that protocol requires.
type peer struct {
	net.Listener
	config atomic.Pointer[tls.Config]
	shaken atomic.Int64
	open   atomic.Int64 // connections that were accepted and have not ended
	ended  sync.Map     // addresses of clients
	served sync.WaitGroup
}

// helloOfNATS is what a NATS server sends before TLS.
const helloOfNATS = `INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"headers":true,"tls_required":true}` + "\r\n"

func newPeer(t *testing.T, first string) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Listener: l}
	p.served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.open.Add(1)
			p.served.Go(func() {
				defer p.open.Add(-1)
				defer p.ended.Store(conn.RemoteAddr().String(), true)
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				_, _ = io.WriteString(conn, first)
				if tls.Server(conn, p.config.Load()).Handshake() == nil {
					p.shaken.Add(1)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.served.Wait()
	})
	return p
}

// handshakes returns how many were completed, once every connection has ended that was made until now. The server can know of one a moment
// later than the client.
func (p *peer) handshakes(t *testing.T) int64 {
	t.Helper()
	last, err := net.Dial("tcp", p.Addr().String()) // is accepted after all others
	if err != nil {
		t.Fatal(err)
	}
	last.Close()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for ; ; <-poll.C { // a connection ends at its deadline at last
		if _, ended := p.ended.Load(last.LocalAddr().String()); ended && p.open.Load() == 0 {
			return p.shaken.Load()
		}
	}
}

// identity returns a certificate for 127.0.0.1 that is its own authority, and that authority as PEM.
func identity(t *testing.T, key crypto.Signer) (tls.Certificate, string) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: rand.Text()}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// outgoing returns a configuration in which the gateway connects only to this server.
func outgoing(server, nats string) string {
	source := `base_url: "https://` + server + `/fhir"
    tls: { ca_file: ca.pem }
    insecure_plaintext: false`
	text := strings.NewReplacer(
		`base_url: "http://127.0.0.1:9001/fhir"`, source, `"http://127.0.0.1:9000"`, `"https://`+server+`"`,
		"    channel: regional\n", "    channel: regional\n    tls_ca_file: ca.pem\n    introspection: { client_id: gateway, secret_file: secret }\n",
		"  mode: embedded\n  folder: redis\n", "  mode: external\n  addresses: [\""+server+"\"]\n  tls_ca_file: ca.pem\n",
		"break_glass:\n  lasts: 1h\n", "break_glass:\n  lasts: 1h\n  alert: { url: \"https://"+server+"/alert\", secret_file: hook, tls_ca_file: ca.pem }\n",
	).Replace(configtest.Good)
	text = strings.Replace(text, "policy:\n", `  - id: behind
    fhir_version: R4
    base_url: "http://127.0.0.1:9001/fhir"
    holder: { organization: "ura:00000001", category: hospital }
    timeout: 5s
    person_systems: ["http://fhir.nl/fhir/NamingSystem/bsn"]
    oauth: { token_url: "https://`+server+`/token", client_id: gateway, tls: { ca_file: ca.pem, certificate_file: own.pem, key_file: own.key } }
policy:
`, 1)
	return text + `followers:
  - { name: repository, kind: fhir, url: "https://` + server + `/fhir", timeout: 2s, tls: { ca_file: ca.pem } }
  - { name: siem, kind: syslog, address: "` + server + `", timeout: 2s, tls: { ca_file: ca.pem } }
  - { name: hook, kind: webhook, url: "https://` + server + `/hook", secret_file: hook, timeout: 2s, tls: { ca_file: ca.pem } }
  - { name: stream, kind: nats, addresses: ["` + nats + `"], subject: events, timeout: 2s, tls: { ca_file: ca.pem } }
  - { name: topic, kind: kafka, addresses: ["` + server + `"], topic: events, timeout: 300ms, tls: { ca_file: ca.pem } }
`
}

// told is a minimal event.
var told = audit.Event{Version: 1, ID: "s00-1", Time: time.Unix(1_700_000_000, 0), Kind: audit.KindUnauthenticated, Outcome: audit.OutcomeDeny, Reason: "token-missing", Request: "1"}

// dials returns every way in which a gateway with these settings connects to others.
func dials(t *testing.T, s *Settings) map[string]func(context.Context) {
	t.Helper()
	get := func(carrier http.RoundTripper) func(context.Context) {
		return func(ctx context.Context) {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.File.Redis.Addresses[0]+"/", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if resp, err := carrier.RoundTrip(r); err == nil {
				resp.Body.Close()
			}
		}
	}
	issuer := s.Authn.Issuers[0]
	all := map[string]func(context.Context){
		"source": get(s.toSources[0].Next), "provider": get(issuer.Transport), "introspection": get(issuer.Introspection.Transport),
		"redis": func(ctx context.Context) {
			client := redisstore.NewClient(s.ExternalRedis()).(*redis.Client)
			defer client.Close()
			_ = client.Ping(ctx).Err()
		},
		"alert": func(ctx context.Context) {
			d := s.MessageDestination(s.Alert, nil)
			defer d.Close()
			_, _ = d.Deliver(ctx, []audit.Event{told})
		},
	}
	for _, r := range s.Reloads {
		files, ok := r.(*Watched[http.Transport])
		if ok && files.get().Proxy != nil {
			t.Errorf("%s asks somebody for a proxy", r.Name())
		}
		if ok && r.Name() == "source:behind:token-endpoint" { // Tokens waits after a failure
			all["token endpoint"] = get(carrier{files})
		}
	}
	for _, o := range s.Following {
		all["follower "+o.Name] = func(ctx context.Context) {
			_, _ = o.Destination.Deliver(ctx, []audit.Event{told})
		}
	}
	return all
}

// TestOutgoingTLS: every connection of the gateway uses only TLS that NCSC calls good, with a server that its files vouch for; after these
// change, only with one that they vouch for then.
func TestOutgoingTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, curvePEM := identity(t, key)
	old, oldPEM := identity(t, rsaKey)
	next, nextPEM := identity(t, key)
	server, nats := newPeer(t, ""), newPeer(t, helloOfNATS)
	file := configtest.Place(t, outgoing(server.Addr().String(), nats.Addr().String()))
	folder := filepath.Dir(file)
	own, ownKey := configtest.SelfSigned(t, folder, "gateway.example", time.Now().Add(time.Hour))
	for name, content := range map[string]string{"ca.pem": curvePEM + oldPEM, "secret": "hush", "hook": configtest.Read(t, filepath.Join(folder, "cursor-key")), "own.pem": configtest.Read(t, own), "own.key": configtest.Read(t, ownKey)} {
		configtest.Write(t, filepath.Join(folder, name), content)
	}
	s, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	all := dials(t, s)
	wants := func(config *tls.Config, want bool, when string, shown ...tls.Certificate) {
		t.Helper()
		config.Certificates = shown
		server.config.Store(config)
		nats.config.Store(config)
		for name, dial := range all {
			before, got := server.handshakes(t)+nats.handshakes(t), false
			for try := 0; try == 0 || want && !got && try < 20; try++ { // a busy machine may take longer than a client waits
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				dial(ctx)
				cancel()
				got = server.handshakes(t)+nats.handshakes(t) > before
			}
			if got != want {
				t.Errorf("%s, %s: shook hands: %v, want %v", name, when, got, want)
			}
		}
	}
	only := func(suite uint16) *tls.Config {
		return &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}}
	}
	wants(&tls.Config{}, true, "TLS 1.3", curve)
	wants(only(tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384), true, "a good suite of TLS 1.2", old)
	wants(only(tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA), false, "a suite with CBC", old)
	wants(only(tls.TLS_RSA_WITH_AES_128_GCM_SHA256), false, "a suite without forward secrecy", old)
	wants(&tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, false, "TLS 1.1", old)
	wants(&tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP521}}, false, "a key exchange that is not among the good ones", curve)
	wants(&tls.Config{}, false, "somebody whom the files do not vouch for", next)
	configtest.Write(t, filepath.Join(folder, "ca.pem"), nextPEM)
	for _, r := range s.Reloads {
		if _, err := r.Look(false); err != nil {
			t.Errorf("%s: %v", r.Name(), err)
		}
	}
	wants(&tls.Config{}, true, "after the files changed", next)
	wants(&tls.Config{}, false, "somebody whom they vouched for before", curve)
}
