package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
)

// maxCertificate limits the header with a certificate, in bytes.
const maxCertificate = 16 << 10

// ClientCertificates says whether callers present a certificate to the gateway itself. A proxy in front that ends TLS passes on the
// certificate in a header (trusted_proxies.certificate_header).
type ClientCertificates struct {
	CAFile string `yaml:"ca_file"`
	Mode   string `yaml:"mode"`
}

// certificateModes are the values of tls.client_certificates.mode.
var certificateModes = map[string]tls.ClientAuthType{
	"off": tls.NoClientCert, "optional": tls.VerifyClientCertIfGiven, "required": tls.RequireAndVerifyClientCert,
}

// CallerCertificates finds the verified certificate of a caller.
type CallerCertificates struct {
	mode        tls.ClientAuthType
	authorities *Watched[x509.CertPool] // of certificates that callers present to the gateway itself; nil: it asks for none
	header      string                  // of a proxy in front; "": no header is trusted
	proxies     Proxies                 // that set the header
}

// clientCertificates checks how callers present certificates.
func (s *Settings) clientCertificates(c *checker) {
	const key = "tls.client_certificates"
	cfg := s.File.TLS.ClientCertificates
	s.Callers.header = http.CanonicalHeaderKey(s.File.TrustedProxies.CertificateHeader)
	s.Callers.proxies = s.Proxies
	mode, known := certificateModes[cmp.Or(cfg.Mode, "optional")]
	switch {
	case !known:
		c.add(key+".mode", "is %q, must be off, optional or required", cfg.Mode)
	case cfg.CAFile == "" && cfg.Mode != "" && mode != tls.NoClientCert:
		c.add(key+".ca_file", "missing: without authorities no certificate can be told from another")
	case cfg.CAFile != "" && s.File.TLS.CertificateFile == "":
		c.add(key+".ca_file", "has no meaning without tls.certificate_file: TLS ends in front")
	case cfg.CAFile != "":
		s.Callers.mode = mode
		s.Callers.authorities = watched(s, c, &Watched[x509.CertPool]{
			what: "callers", files: []string{cfg.CAFile},
			read: func(c *checker) *x509.CertPool { return c.pool(key+".ca_file", cfg.CAFile) },
		})
	}
}

// ask makes a server request a certificate from callers, if there are authorities for it. One that these did not issue ends the connection;
// if the mode is optional, a caller may present none.
func (c CallerCertificates) ask(config *tls.Config) {
	if c.authorities == nil || c.mode == tls.NoClientCert {
		return
	}
	config.ClientAuth = c.mode
	// A resumed session would not present its certificate again: one of an authority that was removed would remain valid (CVE-2025-68121).
	config.SessionTicketsDisabled = true
	template := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := template.Clone()
		now.ClientCAs = c.authorities.get()
		return now, nil
	}
}

// Of returns the certificate of a request's sender; nil if there is none. The header counts from a trusted proxy only, and from there
// nothing else does: the certificate of that connection is the proxy's own.
func (c CallerCertificates) Of(r *http.Request) *x509.Certificate {
	if c.header != "" && c.proxies.sent(r) {
		values := r.Header.Values(c.header)
		if len(values) != 1 {
			return nil
		}
		return parseCertificate(values[0])
	}
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil
	}
	return r.TLS.VerifiedChains[0][0]
}

// parseCertificate reads a certificate as proxies pass it on: as bytes of a structured field (RFC 9440 §2.1), or as percent-encoded PEM
// (nginx, Traefik). It returns nil for anything else: the token that needs it is refused.
func parseCertificate(value string) *x509.Certificate {
	if len(value) > maxCertificate {
		return nil
	}
	der, err := []byte(nil), error(nil)
	if inner, ok := strings.CutPrefix(value, ":"); ok {
		if inner, ok = strings.CutSuffix(inner, ":"); !ok {
			return nil
		}
		der, err = base64.StdEncoding.Strict().DecodeString(inner)
	} else {
		var text string
		text, err = url.PathUnescape(value)
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" || len(strings.TrimSpace(string(rest))) > 0 {
			return nil
		}
		der = block.Bytes
	}
	if err != nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return certificate
}
