package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"zorgsluis/fhir"
)

// samples is a folder for the FHIR that gateways answer in the tests, for an external validator (make validate). Empty: none is kept.
var samples = os.Getenv("ZORGSLUIS_SAMPLES")

// sampler keeps a copy of each FHIR answer that a test reads to its end, below the folder of its version.
type sampler struct {
	http.RoundTripper
	source fhir.Version // FHIR version of the source "demo"
}

func (s sampler) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(req)
	if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/fhir+json") {
		return resp, err
	}
	version := "r4"
	if s.source == fhir.STU3 && strings.HasPrefix(req.URL.Path+"/", "/fhir/demo/") {
		version = "stu3"
	}
	resp.Body = &sampled{ReadCloser: resp.Body, folder: filepath.Join(samples, version)}
	return resp, nil
}

// sampled is a body that is copied.
type sampled struct {
	io.ReadCloser
	folder string
	read   bytes.Buffer
}

func (s *sampled) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b)
	s.read.Write(b[:n])
	if err == io.EOF && s.read.Len() > 0 {
		name := fmt.Sprintf("%x.json", sha256.Sum256(s.read.Bytes()))
		if failed := os.WriteFile(filepath.Join(s.folder, name), s.read.Bytes(), 0o600); failed != nil {
			return n, failed
		}
	}
	return n, err
}
