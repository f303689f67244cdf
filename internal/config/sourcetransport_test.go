package config

import (
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"zorgsluis/proxy/sourcetest"
)

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
