package authn

import (
	"encoding/base64"
	"strings"

	"zorgsluis/policy"
)

// maxKeyID bounds kid, in bytes.
const maxKeyID = 256

// token is a JWT whose form was checked completely but whose content is not trusted yet.
type token struct {
	raw       string
	algorithm string
	typ       string
	keyID     string
	payload   []byte
	claims    map[string]any
}

// refusedHeaders are header parameters that bring a key, change how the rest is read, or make it an encrypted or nested token
// (RFC 7515 §4.1, RFC 7516 §4.1, RFC 7797). They are refused, not ignored: no honest sender uses them here.
var refusedHeaders = []string{"jku", "jwk", "x5u", "x5c", "crit", "zip", "cty", "enc", "b64", "epk", "p2c", "p2s"}

// parseToken checks everything that can be checked of a token of bounded size before anything is trusted: its form and its header
// parameters. A token that passes reads the same for every JOSE library.
func parseToken(raw string) (*token, *Error) {
	t, header, e := parseJWS(raw)
	if e != nil {
		return nil, e
	}
	if e := t.readHeader(header); e != nil {
		return nil, e
	}
	return t, nil
}

// parseJWS reads a JWS of bounded size in compact form: exactly three segments, strict base64url, strict JSON.
func parseJWS(raw string) (*token, map[string]any, *Error) {
	// Not Split: a megabyte of dots would make a million segments.
	if strings.Count(raw, ".") != 2 {
		return nil, nil, badToken(ReasonMalformed, "")
	}
	segments := strings.Split(raw, ".")
	var decoded [3][]byte
	for i, segment := range segments {
		b, ok := decodeSegment(segment)
		if !ok {
			return nil, nil, badToken(ReasonMalformed, "")
		}
		decoded[i] = b
	}
	header, err := parseObject(decoded[0])
	if err != nil {
		return nil, nil, badToken(ReasonMalformed, "")
	}
	claims, err := parseObject(decoded[1])
	if err != nil {
		return nil, nil, badToken(ReasonMalformed, "")
	}
	return &token{raw: raw, payload: decoded[1], claims: claims}, header, nil
}

// decodeSegment decodes base64url without padding, line breaks or stray bits in the last character (leaks.md TK-10).
func decodeSegment(segment string) ([]byte, bool) {
	// encoding/base64 skips line breaks even in strict mode.
	if segment == "" || strings.ContainsAny(segment, "\r\n") {
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	return b, err == nil
}

// encodeSegment is the inverse.
func encodeSegment(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (t *token) readHeader(header map[string]any) *Error {
	for _, name := range refusedHeaders {
		if hasMember(header, name) {
			return badToken(ReasonHeader, name)
		}
	}
	for _, parameter := range []struct {
		name   string
		into   *string
		reason policy.Reason
	}{
		{"alg", &t.algorithm, ReasonAlgorithm},
		{"typ", &t.typ, ReasonType},
		{"kid", &t.keyID, ReasonKey},
	} {
		value, given := header[parameter.name]
		if !given {
			continue
		}
		text, ok := value.(string)
		if !ok || text == "" || len(text) > maxKeyID {
			return badToken(parameter.reason, parameter.name)
		}
		*parameter.into = text
	}
	return nil
}

// hasMember reports whether the object has a member of this name in any case: some later reader may fold it.
func hasMember(object map[string]any, name string) bool {
	if _, ok := object[name]; ok {
		return true
	}
	for key := range object {
		if strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}
