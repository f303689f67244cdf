package credential

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// ErrElsewhere is what a request to anywhere but the source gets: nothing was sent.
var ErrElsewhere = errors.New("source: the request is not for it")

// Transport sends requests to one source, with what shows who asks. What is for the source goes to its exact scheme, host and port,
// below its base path; it is never sent without. Redirects are the caller's to follow, and would not pass here.
type Transport struct {
	Base   *url.URL                    // of the source
	Next   http.RoundTripper           // that carries requests
	Tokens *Tokens                     // nil: the source wants no token
	Header func() (name, value string) // nil, or an empty name: the source wants no header
}

// RoundTrip implements http.RoundTripper. A source that refuses the token of a GET is asked once more, with another one.
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
		return response, nil // that is what the source said; the caller knows what to make of it
	}
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10) // so that the connection can be used again
	response.Body.Close()
	return t.send(r, another)
}

// send sends a copy with headers of its own, where there is something to add: a RoundTripper leaves the request alone (net/http).
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

// holds reports whether an address is the source's. A base that another address merely begins with is not enough: hosts are
// compared, and a path that is not the base's own must go on with a slash (CVE-2026-34359). Page links are often the base with a query.
func (t *Transport) holds(u *url.URL) bool {
	path, base := u.EscapedPath(), t.Base.EscapedPath()
	return u.Scheme == t.Base.Scheme && u.Host == t.Base.Host && u.User == nil && u.Opaque == "" &&
		(path == base || strings.HasPrefix(path, base+"/"))
}
