package config

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"os"
	"slices"
	"time"

	"zorgsluis/internal/files"
)

// goodSuites are the suites of TLS 1.2 with only algorithms that NCSC calls good (IT Security Guidelines for TLS v2.1, tables 3 to 6):
// ECDHE, and AES-GCM or ChaCha20-Poly1305. All suites of TLS 1.3 are good, and Go has no switch for them.
var goodSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
}

// goodGroups are the key exchanges that NCSC calls good (table 9) and that are in common use, and the hybrid of one of them with ML-KEM
// (its guidelines of 2025-05).
var goodGroups = []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384}

// goodTLS is the base of every TLS configuration of the gateway, as server and as client. Go has no compression, no 0-RTT, and no
// renegotiation unless it is switched on.
func goodTLS() *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS12, // NCSC: older versions are insufficient
		CipherSuites:     slices.Clone(goodSuites),
		CurvePreferences: slices.Clone(goodGroups),
	}
}

// Bits of an RSA key: NCSC calls fewer than leastRSA insufficient, and fewer than goodRSA sufficient (table 7).
const (
	leastRSA = 2048
	goodRSA  = 3072
)

// rsaBits returns the length of a certificate's RSA key; zero if its key is not RSA.
func rsaBits(certificate *x509.Certificate) int {
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return 0
	}
	return key.N.BitLen()
}

// isWeak reports whether NCSC calls the key of a certificate insufficient.
func isWeak(certificate *x509.Certificate) bool {
	if key, ok := certificate.PublicKey.(*ecdsa.PublicKey); ok {
		return key.Params().BitSize < 256
	}
	bits := rsaBits(certificate)
	return bits != 0 && bits < leastRSA
}

// ListenerTLS returns the TLS configuration towards callers. Each handshake uses the current certificate and authorities.
func (s *Settings) ListenerTLS() *tls.Config {
	config := goodTLS()
	config.NextProtos = []string{"h2", "http/1.1"} // net/http adds these to config, but not to what GetConfigForClient returns
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.Certificate.get(), nil }
	s.Callers.ask(config)
	return config
}

// OwnTLS says which authorities the gateway trusts for a server, and which certificate it presents. The zero OwnTLS trusts the authorities
// of the system and presents none. The name of a server is always checked.
type OwnTLS struct {
	CAFile          string `yaml:"ca_file"`
	CertificateFile string `yaml:"certificate_file"`
	KeyFile         string `yaml:"key_file"`
}

// files returns all files that it names.
func (o OwnTLS) files() []string { return []string{o.CAFile, o.CertificateFile, o.KeyFile} }

// keyedTLS is an OwnTLS and the keys of the configuration file under which its problems are reported.
type keyedTLS struct {
	OwnTLS
	ca   string // key of the authorities
	pair string // prefix of the keys of certificate and key
}

// at gives the OwnTLS whose keys have a prefix.
func (o OwnTLS) at(prefix string) keyedTLS { return keyedTLS{o, prefix + "ca_file", prefix} }

// authorities gives the OwnTLS that is only a file of authorities, under a key of its own.
func authorities(key, file string) keyedTLS { return keyedTLS{OwnTLS: OwnTLS{CAFile: file}, ca: key} }

// ownTLS reads an OwnTLS.
func (c *checker) ownTLS(own keyedTLS) *tls.Config {
	config := goodTLS()
	if own.CAFile != "" {
		config.RootCAs = c.pool(own.ca, own.CAFile)
	}
	if own.CertificateFile != "" || own.KeyFile != "" {
		if shown := c.keyPair(own.pair, own.CertificateFile, own.KeyFile); shown != nil {
			config.Certificates = []tls.Certificate{*shown}
		}
	}
	return config
}

// shownUntil returns when the certificate that a client presents expires; zero if it presents none.
func shownUntil(config *tls.Config) time.Time {
	if config == nil || len(config.Certificates) == 0 {
		return time.Time{}
	}
	return notAfter(&config.Certificates[0])
}

// certificate loads the key pair and checks that callers will accept it.
func (c *checker) certificate(cfg *File) *tls.Certificate {
	pair := c.keyPair("tls.", cfg.TLS.CertificateFile, cfg.TLS.KeyFile)
	if pair == nil {
		return nil
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		c.add("tls.certificate_file", "expired on %s", pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	if isWeak(pair.Leaf) {
		c.add("tls.certificate_file", "has a key that is too short: RSA of %d bits or more, or a curve of 256 bits or more", leastRSA)
	}
	// If TLS ends in front, callers see that certificate; this one is for the hop behind it.
	if u, err := url.Parse(cfg.PublicURL); err == nil && !cfg.TLS.TerminatedInFront {
		if pair.Leaf.VerifyHostname(u.Hostname()) != nil {
			c.add("tls.certificate_file", "is not for the host of public_url")
		}
	}
	return pair
}

// keyPair loads a certificate with its chain, and its key; prefix precedes the names of both keys.
func (c *checker) keyPair(prefix, certificateFile, keyFile string) *tls.Certificate {
	if !c.need(prefix+"certificate_file", certificateFile) || !c.need(prefix+"key_file", keyFile) {
		return nil
	}
	chain, err := os.ReadFile(c.path(certificateFile))
	if err != nil {
		c.add(prefix+"certificate_file", "%s: %v", certificateFile, files.WithoutName(err))
		return nil
	}
	key := c.secret(prefix+"key_file", keyFile)
	if key == "" {
		return nil
	}
	pair, err := tls.X509KeyPair(chain, []byte(key+"\n"))
	if err != nil {
		c.add(prefix+"certificate_file", "does not hold a certificate that fits %skey_file", prefix)
		return nil
	}
	return &pair
}

// pool reads certificates of authorities. A file without any would make every connection fail later, with a worse message.
func (c *checker) pool(key, name string) *x509.CertPool {
	content, err := os.ReadFile(c.path(name))
	if err != nil {
		c.add(key, "%s: %v", name, files.WithoutName(err))
		return nil
	}
	pool := x509.NewCertPool()
	if block, _ := pem.Decode(content); block == nil || !pool.AppendCertsFromPEM(content) {
		c.add(key, "%s: holds no certificate in PEM form", name)
		return nil
	}
	return pool
}
