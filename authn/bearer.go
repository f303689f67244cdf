package authn

import (
	"net/http"
	"net/url"
	"strings"
)

// maxToken bounds a token in bytes. What is longer is refused before a byte of it is looked at (CVE-2025-30204, CVE-2025-27144).
const maxToken = 16 << 10

// BearerToken takes the token out of a request: from exactly one Authorization header and from nowhere else (RFC 6750 §2.1). The
// error is [ErrNoToken] or an [*Error] with code invalid_request.
func BearerToken(h http.Header, rawQuery string) (string, error) {
	if tokenInQuery(rawQuery) {
		return "", badRequest(ReasonRequestQuery)
	}
	var values []string
	for name, v := range h {
		// Not h.Values: a second spelling of the name must not hide a second header.
		if strings.EqualFold(name, "Authorization") {
			values = append(values, v...)
		}
	}
	switch len(values) {
	case 0:
		return "", ErrNoToken
	case 1:
		return parseCredentials(values[0])
	default:
		return "", badRequest(ReasonRequestRepeated)
	}
}

// parseCredentials reads `Bearer SP b64token`. RFC 9110 §11.4 allows more than one space; we do not, so that nothing in front of
// us can read the header in another way.
func parseCredentials(value string) (string, error) {
	scheme, token, found := strings.Cut(value, " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer"):
		return "", badRequest(ReasonRequestScheme) // also DPoP: its proof is not processed
	case strings.ContainsRune(token, ','):
		return "", badRequest(ReasonRequestRepeated)
	case !found || !isToken68(token):
		return "", badRequest(ReasonRequestForm)
	}
	return token, nil
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

// token68 has the bytes of a token, but for the padding at its end.
var token68 = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		set[c] = true
	}
	return set
}()

// tokenInQuery finds access_token in any spelling that some server would accept. The value has then been in logs already.
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
