// Package configtest makes configurations for tests: a good one to break, with the files that it names.
package configtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Good is a valid configuration; each test breaks one thing in it.
const Good = `public_url: "http://127.0.0.1:8080"
listen: "127.0.0.1:8080"
admin: { listen: "127.0.0.1:9464" }
tls:
  terminated_in_front: false
redis:
  mode: embedded
  folder: redis
store:
  shards: 4
  person_secret_file: person-secret
  sealing_key_file: sealing-key
archive:
  folder: archive
  checkpoint_key_files: [checkpoint-key]
cursor_key_files:
  - cursor-key
issuers:
  - url: "http://127.0.0.1:9000"
    audience: zorgsluis
    algorithms: [ES256]
    kind: { fixed: provider }
    channel: regional
    claims: { assurance: acr }
clients:
  app: { relationship: treating }
sources:
  - id: hospital
    fhir_version: R4
    base_url: "http://127.0.0.1:9001/fhir"
    holder: { organization: "ura:00000001", category: hospital }
    credential_file: ""
    timeout: 5s
    person_systems: ["http://fhir.nl/fhir/NamingSystem/bsn"]
policy:
  minimum_assurance: substantial
  emergency_categories: [gp]
  channels:
    regional: { consent: explicit }
break_glass:
  lasts: 1h
limits:
  memory: 256MiB
  timeouts: { request: 30s }
`

// Place makes a folder with secrets and a configuration, and returns the file.
func Place(t *testing.T, text string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"person-secret", "sealing-key", "cursor-key", "checkpoint-key"} {
		Write(t, filepath.Join(folder, name), Secret())
	}
	return Write(t, filepath.Join(folder, "gateway.yaml"), text)
}

// Secret makes the content of a secret file.
func Secret() string {
	return base64.StdEncoding.EncodeToString([]byte((rand.Text() + rand.Text())[:32]))
}

// Read returns the content of a file.
func Read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Write makes a file for its owner only, and returns its name.
func Write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// SelfSigned makes a certificate for one host, and returns the names of its two files.
func SelfSigned(t *testing.T, folder, host string, until time.Time) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate = Write(t, filepath.Join(folder, host+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	key = Write(t, filepath.Join(folder, host+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	return certificate, key
}
