package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zorgsluis/internal/config/configtest"
)

// certificateOf returns a certificate for host, parsed and as PEM.
func certificateOf(t *testing.T, host string) (*x509.Certificate, string) {
	t.Helper()
	folder := t.TempDir()
	name, _ := configtest.SelfSigned(t, folder, host, time.Now().Add(time.Hour))
	if !filepath.IsAbs(name) {
		name = filepath.Join(folder, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, string(text)
}

func TestCallerCertificate(t *testing.T) {
	caller, text := certificateOf(t, "caller.example")
	proxy, _ := certificateOf(t, "proxy.example")
	bytes := ":" + base64.StdEncoding.EncodeToString(caller.Raw) + ":"
	escaped := url.PathEscape(text)
	believes := CallerCertificates{header: "Client-Cert", proxies: Proxies{from: []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32")}}}
	verified := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{proxy}}, PeerCertificates: []*x509.Certificate{proxy}}
	unverified := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{caller}}
	tests := []struct {
		name   string
		how    CallerCertificates
		from   string
		tls    *tls.ConnectionState
		header []string
		want   *x509.Certificate
	}{
		{"of the connection", CallerCertificates{}, "10.0.0.9:1", verified, nil, proxy},
		{"of the connection, not verified", CallerCertificates{}, "10.0.0.9:1", unverified, nil, nil},
		{"no TLS", CallerCertificates{}, "10.0.0.9:1", nil, nil, nil},
		{"in a header that nobody configured", CallerCertificates{}, "10.0.0.7:1", nil, []string{bytes}, nil},
		{"in a header of the proxy", believes, "10.0.0.7:1", nil, []string{bytes}, caller},
		{"in a header of the proxy, over IPv6", believes, "[::ffff:10.0.0.7]:1", nil, []string{bytes}, caller},
		{"in a header of the proxy, as PEM", believes, "10.0.0.7:1", nil, []string{escaped}, caller},
		{"in a header of the proxy, whose own certificate is no caller's", believes, "10.0.0.7:1", verified, []string{bytes}, caller},
		{"the proxy says none, and its own is no caller's", believes, "10.0.0.7:1", verified, nil, nil},
		{"in a header of another address", believes, "10.0.0.8:1", nil, []string{bytes}, nil},
		{"in a header of another address, with the certificate of the connection", believes, "10.0.0.8:1", verified, []string{bytes}, proxy},
		{"of an address that is none", believes, "proxy", nil, []string{bytes}, nil},
		{"twice", believes, "10.0.0.7:1", nil, []string{bytes, bytes}, nil},
		{"empty", believes, "10.0.0.7:1", nil, []string{""}, nil},
		{"without its end", believes, "10.0.0.7:1", nil, []string{bytes[:len(bytes)-1]}, nil},
		{"a list", believes, "10.0.0.7:1", nil, []string{bytes + ", " + bytes}, nil},
		{"two in PEM", believes, "10.0.0.7:1", nil, []string{escaped + escaped}, nil},
		{"a key in PEM", believes, "10.0.0.7:1", nil, []string{strings.ReplaceAll(escaped, "CERTIFICATE", "PRIVATE%20KEY")}, nil},
		{"garbage", believes, "10.0.0.7:1", nil, []string{":AAAA:"}, nil},
		{"too large", believes, "10.0.0.7:1", nil, []string{":" + strings.Repeat("A", 17<<10) + ":"}, nil},
		{"broken escapes", believes, "10.0.0.7:1", nil, []string{"%zz"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.how.Of(&http.Request{RemoteAddr: tt.from, TLS: tt.tls, Header: http.Header{"Client-Cert": tt.header}})
			if got == nil != (tt.want == nil) || got != nil && !got.Equal(tt.want) {
				t.Errorf("got %v, want %v", got != nil, tt.want != nil)
			}
		})
	}
}

func TestTokenConfiguration(t *testing.T) {
	const (
		decryption = `{"kty":"EC","kid":"ours","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}`
		introspect = "    introspection: { endpoint: \"https://idp.example/introspect\", client_id: gateway, secret_file: secret }\n"
		encrypt    = "    encryption: { keys: [key], algorithms: [ECDH-ES] }\n"
	)
	load := func(t *testing.T, tls, issuer string) (*Settings, error) {
		text := strings.Replace(configtest.Good, "  terminated_in_front: false\n", "  terminated_in_front: false\n"+tls, 1)
		text = strings.Replace(text, "    channel: regional\n    claims", "    channel: regional\n"+issuer+"    claims", 1)
		file := configtest.Place(t, text)
		for name, content := range map[string]string{"secret": "canary-secret", "key": decryption, "signing": strings.Replace(decryption, `"kid"`, `"alg":"ES256","kid"`, 1)} {
			if err := os.WriteFile(filepath.Join(filepath.Dir(file), name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return Load(file)
	}
	s, err := load(t, "trusted_proxies: { certificate_header: client-cert, from: [\"10.0.0.0/8\"] }\n", introspect+encrypt+"    sender_constrained: required\n")
	if err != nil {
		t.Fatal(err)
	}
	i := s.Authn.Issuers[0]
	if i.Introspection == nil || i.Introspection.Secret != "canary-secret" || i.Encryption == nil || len(i.Encryption.Keys) != 1 || !i.SenderConstrained || s.Callers.header != "Client-Cert" {
		t.Errorf("got %+v", i)
	}
	if s, err = load(t, "", strings.Replace(introspect, "secret_file: secret", "assertion_key_file: signing", 1)); err != nil || s.Authn.Issuers[0].Introspection.Key == nil || s.Authn.Issuers[0].Encryption != nil {
		t.Errorf("an assertion key: %v", err)
	}
	for _, tt := range []struct{ name, tls, issuer, key, what string }{
		{"no secret", "", strings.Replace(introspect, ", secret_file: secret", "", 1), "issuers[0].introspection", "exactly one"},
		{"a secret that is not there", "", strings.Replace(introspect, "file: secret", "file: nowhere", 1), "issuers[0].introspection.secret_file", "does not exist"},
		{"introspection that says nothing", "", "    introspection: {}\n", "issuers[0].introspection.client_id", "missing"},
		{"a key of another form", "", strings.Replace(introspect, "secret_file: secret", "assertion_key_file: secret", 1), "issuers[0].introspection.assertion_key_file", "private key"},
		{"a key without alg", "", strings.Replace(introspect, "secret_file: secret", "assertion_key_file: key", 1), "issuers[0].introspection.assertion_key_file", "alg"},
		{"a certificate without key", "", strings.Replace(introspect, "secret_file: secret", "certificate_file: secret", 1), "issuers[0].introspection.key_file", "missing"},
		{"answers that are kept for long", "", strings.Replace(introspect, " }", ", cache: 2m }", 1), "issuers[0].introspection.cache", "between"},
		{"a decryption key of another form", "", strings.Replace(encrypt, "[key]", "[secret]", 1), "issuers[0].encryption.keys[0]", "JWK"},
		{"a password", "", strings.Replace(encrypt, "ECDH-ES", "PBES2-HS256+A128KW", 1), "issuers[0].encryption.algorithms", "not one of"},
		{"encryption that says nothing", "", "    encryption: {}\n", "issuers[0].encryption.keys", "at least one"},
		{"a constraint that is none", "", "    sender_constrained: sometimes\n", "issuers[0].sender_constrained", "required"},
		{"a header of anybody", "trusted_proxies: { certificate_header: Client-Cert }\n", "", "trusted_proxies", "belongs together"},
		{"a header of everybody", "trusted_proxies: { certificate_header: Client-Cert, from: [\"0.0.0.0/0\"] }\n", "", "trusted_proxies.from[0]", "address of a proxy"},
		{"a proxy by name", "trusted_proxies: { forwarded_for: true, from: [proxy] }\n", "", "trusted_proxies.from[0]", "address of a proxy"},
		{"proxies that are believed nothing", "trusted_proxies: { from: [10.0.0.7] }\n", "", "trusted_proxies", "belongs together"},
		{"a mode that is none", "  client_certificates: { mode: sometimes }\n", "", "tls.client_certificates.mode", "optional or required"},
		{"certificates that are required, of nobody", "  client_certificates: { mode: required }\n", "", "tls.client_certificates.ca_file", "missing"},
		{"an authority without TLS", "  client_certificates: { ca_file: secret }\n", "", "tls.client_certificates.ca_file", "without tls.certificate_file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.tls, tt.issuer)
			if err == nil {
				t.Fatal("got no error")
			}
			if p := problemsOf(t, err)[tt.key]; p == nil || !strings.Contains(p.What, tt.what) {
				t.Errorf("got %v, want a problem with %s that says %q", err, tt.key, tt.what)
			}
			if strings.Contains(err.Error(), "canary-secret") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}
