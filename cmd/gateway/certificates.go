package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// maxCertificate bounds the header that a certificate comes in, in bytes.
const maxCertificate = 16 << 10

// ClientCertificates says how callers show a certificate (RFC 8705): to the gateway, or to a proxy in front that ends TLS.
type ClientCertificates struct {
	CAFile string   `yaml:"ca_file"`
	Header string   `yaml:"header"`
	From   []string `yaml:"from"`
}

// callerCertificates finds the verified certificate of a caller.
type callerCertificates struct {
	authorities *x509.CertPool // of certificates that callers show to the gateway itself; nil: it asks for none
	header      string         // of a proxy in front; "": none is believed
	from        []netip.Prefix // where that proxy is
}

// clientCertificates checks how callers show certificates.
func (s *settings) clientCertificates(c *checker) {
	const key = "tls.client_certificates"
	cfg := s.config.TLS.ClientCertificates
	if cfg.CAFile != "" {
		s.callers.authorities = c.pool(key+".ca_file", cfg.CAFile)
		if s.config.TLS.CertificateFile == "" {
			c.add(key+".ca_file", "has no meaning without tls.certificate_file: TLS ends in front")
		}
	}
	if (cfg.Header == "") != (len(cfg.From) == 0) {
		c.add(key, "header and from belong together: a header is believed from these addresses only")
	}
	s.callers.header = http.CanonicalHeaderKey(cfg.Header)
	for i, text := range cfg.From {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix != prefix.Masked() || prefix.Bits() == 0 {
			c.add(fmt.Sprintf("%s.from[%d]", key, i), "is %q, must be the address of a proxy with its length, such as 10.0.0.7/32", text)
			continue
		}
		s.callers.from = append(s.callers.from, prefix)
	}
}

// ask makes a server ask callers for a certificate, where there are authorities for it. One that they do not vouch for ends the
// connection; a caller may show none.
func (c callerCertificates) ask(config *tls.Config) {
	if c.authorities != nil {
		config.ClientAuth, config.ClientCAs = tls.VerifyClientCertIfGiven, c.authorities
	}
}

// of gives the certificate of whoever sent a request, nil where there is none. What the header says counts from a configured proxy
// only, and from there nothing else counts: the certificate of that connection is the proxy's own.
func (c callerCertificates) of(r *http.Request) *x509.Certificate {
	if c.header != "" && c.isFromProxy(r.RemoteAddr) {
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

func (c callerCertificates) isFromProxy(address string) bool {
	peer, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	for _, prefix := range c.from {
		if prefix.Contains(peer.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// parseCertificate reads a certificate as proxies hand it on: as bytes of a structured field (RFC 9440 §2.1), or in PEM form and
// percent-encoded (nginx, Traefik). nil is everything else: the token that needs it is refused.
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
