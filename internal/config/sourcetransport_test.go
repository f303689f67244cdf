package config

import (
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"zorgsluis/internal/config/configtest"
	"zorgsluis/proxy/direct"
	"zorgsluis/proxy/sourcetest"
)

// TestDirectSources: only what net/http need not translate or encrypt is sent without it.
func TestDirectSources(t *testing.T) {
	for base, want := range map[string]bool{
		"http://127.0.0.1:9001/fhir": true, "https://127.0.0.1:9001/fhir": false, "http://zörg.example/fhir": false,
	} {
		text := strings.Replace(configtest.Good, `base_url: "http://127.0.0.1:9001/fhir"`, "insecure_plaintext: true\n    base_url: \""+base+`"`, 1)
		s, err := Load(configtest.Place(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if _, got := s.toSources[0].Next.(*direct.Transport); got != want {
			t.Errorf("%s: direct is %t, want %t", base, got, want)
		}
	}
}

// TestHostileSources: whatever a source does on the wire, each request gets its own answer or an error, in bounded time.
func TestHostileSources(t *testing.T) {
	sourcetest.Run(t, sourcetest.Carrier{Methods: []string{http.MethodGet, http.MethodPost}, New: func(_ string, authority *x509.Certificate) http.RoundTripper {
		transport := sourceTransport(Source{Timeout: time.Minute}, Limits{InFlight: 64})
		transport.TLSClientConfig = goodTLS()
		if authority != nil {
			transport.TLSClientConfig.RootCAs = x509.NewCertPool()
			transport.TLSClientConfig.RootCAs.AddCert(authority)
		}
		return transport
	}})
}
