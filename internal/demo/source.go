//go:build !release

package demo

import (
	"net/http"
)

// SourceOptions configure a Source. The zero value is a good source.
type SourceOptions struct {
	Address  string // to listen on; default "127.0.0.1:0"
	PageSize int    // entries of a page where _count is absent; default 50
	// Credential, when set, is the exact value of the Authorization header without which every request gets 401.
	Credential string
	// Unrecorded leaves requests unrecorded, for benchmarks.
	Unrecorded bool
}

// Request is one request as the source got it. Path is below the FHIR base, without a leading slash.
type Request struct {
	Method string
	Path   string
	Query  string
	Header http.Header
	Body   []byte
}
