package authn

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// maxToken bounds a token in bytes. Longer tokens are refused before a byte is examined (CVE-2025-30204, CVE-2025-27144).
const maxToken = 16 << 10

// The schemes for presenting a token.
const (
	schemeBearer = "Bearer" // RFC 6750
	schemeDPoP   = "DPoP"   // RFC 9449 §7.1
)

// credentials are what a request presents to authenticate its caller.
type credentials struct {
	scheme string
	token  string
	proofs []string // DPoP headers
}

// readCredentials takes the token from exactly one Authorization header and from nowhere else (RFC 6750 §2.1). The error is [ErrNoToken] or
// an [*Error] with code invalid_request.
func readCredentials(h http.Header, rawQuery string) (credentials, error) {
	if tokenInQuery(rawQuery) {
		return credentials{}, badRequest(ReasonRequestQuery)
	}
	values, proofs := authorization(h)
	switch len(values) {
	case 0:
		return credentials{}, ErrNoToken
	case 1:
	default:
		return credentials{}, badRequest(ReasonRequestRepeated)
	}
	c, err := parseCredentials(values[0])
	if err != nil {
		return credentials{}, err
	}
	c.proofs = proofs
	return c, nil
}

// authorization returns all values of Authorization and of DPoP, in any spelling of their names: unlike with h.Values, a second spelling
// cannot hide a second header.
func authorization(h http.Header) (values, proofs []string) {
	for name, v := range h {
		switch {
		case strings.EqualFold(name, "Authorization"):
			values = append(values, v...)
		case strings.EqualFold(name, "DPoP"):
			proofs = append(proofs, v...)
		}
	}
	return values, proofs
}

// parseCredentials reads `Bearer SP b64token`, or the same with DPoP. RFC 9110 §11.4 allows more than one space; we do not, so that nothing
// in front of us can read the header differently.
func parseCredentials(value string) (credentials, error) {
	scheme, token, found := strings.Cut(value, " ")
	c := credentials{token: token}
	switch {
	case strings.EqualFold(scheme, schemeBearer):
		c.scheme = schemeBearer
	case strings.EqualFold(scheme, schemeDPoP):
		c.scheme = schemeDPoP
	default:
		return credentials{}, badRequest(ReasonRequestScheme)
	}
	switch {
	case strings.ContainsRune(token, ','):
		return credentials{}, badRequest(ReasonRequestRepeated)
	case !found || !isToken68(token):
		return credentials{}, badRequest(ReasonRequestForm)
	}
	return c, nil
}

// answer sets an error to the scheme of the request, in which the challenge is sent (RFC 9449 §7.1).
func (c credentials) answer(err error) error {
	var e *Error
	if c.scheme != schemeDPoP || !errors.As(err, &e) {
		return err
	}
	told := *e // e may be shared with the cache
	told.dpop = true
	return &told
}

// isToken68 reports whether s is 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" (RFC 6750 §2.1).
func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	if body == "" {
		return false
	}
	for i := range len(body) {
		if !token68[body[i]] {
			return false
		}
	}
	return true
}

// token68 are the bytes allowed in a token, except the padding at its end.
var token68 = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		set[c] = true
	}
	return set
}()

// tokenInQuery detects access_token in any spelling that some server would accept. By then the value is in logs already.
func tokenInQuery(rawQuery string) bool {
	for pair := range strings.FieldsFuncSeq(rawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
		if strings.EqualFold(name, "access_token") {
			return true
		}
	}
	return false
}
