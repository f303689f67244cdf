package credential

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// ErrElsewhere is the error of a request to anywhere but the source. Nothing was sent.
var ErrElsewhere = errors.New("source: the request is not for it")

// Transport sends requests to one source, with the gateway's credential, to its exact scheme, host and port and below its base path. No
// request is sent without the credential. Redirects are not followed, and would not pass here.
type Transport struct {
	Base   *url.URL                    // of the source
	Next   http.RoundTripper           // sends the requests
	Tokens *Tokens                     // nil: the source needs no token
	Header func() (name, value string) // nil, or an empty name: the source needs no header
}

// RoundTrip implements http.RoundTripper. If the source refuses the token of a GET, it is sent once more with another token.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.holds(r.URL) {
		return nil, ErrElsewhere
	}
	if t.Tokens == nil {
		return t.send(r, "")
	}
	token, err := t.Tokens.Token(r.Context())
	if err != nil {
		return nil, err
	}
	response, err := t.send(r, token)
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	another, err := t.Tokens.Replace(r.Context(), token)
	if err != nil || r.Method != http.MethodGet {
		return response, nil // the source's answer is for the caller to judge
	}
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10) // so that the connection can be reused
	response.Body.Close()
	return t.send(r, another)
}

// send sends a copy of the request if there are headers to add: a RoundTripper must not modify the request (net/http).
func (t *Transport) send(r *http.Request, token string) (*http.Response, error) {
	var name, value string
	if t.Header != nil {
		name, value = t.Header()
	}
	if name == "" && token == "" {
		return t.Next.RoundTrip(r)
	}
	out := r.WithContext(r.Context())
	out.Header = maps.Clone(r.Header)
	if name != "" {
		out.Header.Set(name, value)
	}
	if token != "" {
		out.Header.Set("Authorization", "Bearer "+token)
	}
	return t.Next.RoundTrip(out)
}

// holds reports whether a URL is the source's. A common prefix is not enough: hosts are compared, and a path other than the base's own must
// continue with a slash (CVE-2026-34359). Page links are often the base with a query.
func (t *Transport) holds(u *url.URL) bool {
	path, base := u.EscapedPath(), t.Base.EscapedPath()
	return u.Scheme == t.Base.Scheme && u.Host == t.Base.Host && u.User == nil && u.Opaque == "" &&
		(path == base || strings.HasPrefix(path, base+"/"))
}
