package authn

import (
	"context"
	"crypto/sha256"
	"strings"
)

// bindingClaim says which key or certificate a token is bound to (RFC 7800 §3.1). It is processed in every token that has it.
const bindingClaim = "cnf"

// binding is what a token is bound to, as base64url of SHA-256; "" if it is not. A token may be bound to both.
type binding struct {
	certificate string // x5t#S256: certificate (RFC 8705 §3.1)
	key         string // jkt: thumbprint of the DPoP key (RFC 9449 §6.1)
}

func (b binding) none() bool { return b == binding{} }

// readBinding reads cnf. An unknown confirmation method refuses the token, although RFC 7800 §3.1 allows ignoring it: ignoring it would
// turn the token into a bearer token.
func (i *issuer) readBinding(claims map[string]any) (binding, *Error) {
	var b binding
	for name := range claims {
		if name != bindingClaim && strings.EqualFold(name, bindingClaim) {
			return b, badToken(ReasonBinding, bindingClaim)
		}
	}
	value, given := claims[bindingClaim]
	if !given {
		if i.SenderConstrained {
			return b, badToken(ReasonBinding, bindingClaim)
		}
		return b, nil
	}
	methods, ok := value.(map[string]any)
	if !ok {
		return b, badToken(ReasonBinding, bindingClaim)
	}
	for method, value := range methods {
		digest, ok := value.(string)
		if !ok || !isDigest(digest) {
			return b, badToken(ReasonBinding, bindingClaim)
		}
		switch method {
		case "x5t#S256":
			b.certificate = digest
		case "jkt":
			b.key = digest
		default:
			return b, badToken(ReasonBinding, bindingClaim)
		}
	}
	if b.none() {
		return b, badToken(ReasonBinding, bindingClaim)
	}
	return b, nil
}

// isDigest reports whether s is a SHA-256 digest in canonical base64url.
func isDigest(s string) bool {
	b, ok := decodeSegment(s)
	return ok && len(b) == sha256.Size
}

// digestText is the SHA-256 digest of b in base64url.
func digestText(b []byte) string {
	sum := sha256.Sum256(b)
	return encodeSegment(sum[:])
}

// checkBinding requires proof of everything that the token is bound to. It runs on every use of a token, cached or not.
func (a *Authenticator) checkBinding(ctx context.Context, v *verified, c credentials, r Request) error {
	b := v.binding
	// RFC 9449 §7.1, §7.2: tokens bound to a key use the scheme DPoP, and no others do.
	if (b.key != "") != (c.scheme == schemeDPoP) {
		return badToken(ReasonProofScheme, bindingClaim)
	}
	if b.certificate != "" && (r.Certificate == nil || digestText(r.Certificate.Raw) != b.certificate) {
		return badToken(ReasonCertificate, bindingClaim)
	}
	if b.key == "" {
		return nil
	}
	return a.checkProof(ctx, v, c, r)
}
