package authn

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// times are the instants in a token. They are cached with it, because they are checked again on every use.
type times struct {
	expires   time.Time // exp, required
	issued    time.Time // iat, required
	notBefore time.Time // nbf, zero when absent
	signedIn  time.Time // auth_time, zero when absent
}

// readTimes reads the instants and checks the lifetime, which stays the same while the token is cached.
func (i *issuer) readTimes(claims map[string]any) (times, *Error) {
	var t times
	for _, claim := range []struct {
		name     string
		into     *time.Time
		required bool
	}{
		{"exp", &t.expires, true},
		{"iat", &t.issued, true},
		{"nbf", &t.notBefore, false},
	} {
		value, given := claims[claim.name]
		if !given && !claim.required {
			continue
		}
		instant, ok := numericDate(value)
		if !ok {
			return times{}, badToken(ReasonTime, claim.name)
		}
		*claim.into = instant
	}
	nodes, err := i.paths.authTime.nodes(claims)
	if err != nil || len(nodes) > 1 {
		return times{}, badToken(ReasonTime, "auth_time")
	}
	if len(nodes) == 1 {
		instant, ok := numericDate(nodes[0])
		if !ok {
			return times{}, badToken(ReasonTime, "auth_time")
		}
		t.signedIn = instant
	}
	if lifetime := t.expires.Sub(t.issued); lifetime <= 0 || lifetime > i.MaxLifetime {
		return times{}, badToken(ReasonLifetime, "exp")
	}
	return t, nil
}

// check says whether a token with these instants is valid now. It runs on every use of a token, cached or not. exp gets no leeway: a
// release is bound to it as well, by another clock.
func (t times) check(now time.Time, skew time.Duration) *Error {
	switch {
	case !now.Before(t.expires):
		return badToken(ReasonExpired, "exp")
	case t.issued.After(now.Add(skew)):
		return badToken(ReasonTime, "iat")
	case t.notBefore.After(now.Add(skew)):
		return badToken(ReasonTime, "nbf")
	case t.signedIn.After(now.Add(skew)):
		return badToken(ReasonTime, "auth_time")
	}
	return nil
}

// numericDate reads a NumericDate (RFC 7519 §2) written as plain digits; a fraction is dropped. No sign, exponent, string, or year beyond
// 9999.
func numericDate(value any) (time.Time, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	whole, fraction, _ := strings.Cut(number.String(), ".")
	if len(whole) > 12 || strings.Trim(whole+fraction, "0123456789") != "" {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds > 253402300799 {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}
