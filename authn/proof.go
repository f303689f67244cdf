package authn

import (
	"context"
	"crypto"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxProof = 8 << 10 // bytes; checked before any is examined
	// proofAge is the maximum age of a proof. It is made for one request.
	proofAge = time.Minute
	// proofKept is how long a used proof is remembered: longer than any instance accepts it, as far as clocks may differ.
	proofKept = proofAge + 3*maxSkew
	// maxProofID bounds jti: what distinguishes proofs is short.
	maxProofID = 256
)

// proofAlgorithms are the algorithms for signing a proof: all asymmetric, and the same for every issuer.
var proofAlgorithms = []string{"ES256", "ES384", "PS256", "EdDSA"}

// proofAlgorithmList lists them for callers (RFC 9449 §7.1).
const proofAlgorithmList = "ES256 ES384 PS256 EdDSA"

// Replays remembers which DPoP proofs were used, across all instances of the gateway.
type Replays interface {
	// FirstUse reports whether the proof with this digest is used for the first time, and remembers its use for the time kept.
	FirstUse(ctx context.Context, digest string, kept time.Duration) (bool, error)
}

// proof is a DPoP proof whose form was checked completely but whose content is not trusted yet.
type proof struct {
	*token
	key *verificationKey // its own
}

// checkProof checks the DPoP proof of a request with a token bound to a key (RFC 9449 §4.3). The key is compared before anything is
// computed with it: only a key that the token's issuer has seen is worth the work.
func (a *Authenticator) checkProof(ctx context.Context, v *verified, c credentials, r Request) error {
	thumbprint := v.binding.key
	switch {
	case len(c.proofs) == 0:
		return badProof(ReasonProofMissing, "")
	case len(c.proofs) > 1:
		return badProof(ReasonProofRepeated, "")
	}
	p, e := parseProof(c.proofs[0])
	if e != nil {
		return e
	}
	if p.thumbprint() != thumbprint {
		return badProof(ReasonProofBinding, "jwk")
	}
	if e := p.verify(); e != nil {
		return e
	}
	if e := p.check(c, r, a.now(), a.skew); e != nil {
		return e
	}
	if v.issuer.ProofNonce {
		if nonce, _ := p.claims["nonce"].(string); !a.nonces.good(nonce, a.now(), a.skew) {
			return wantsNonce(a.nonces.fresh(a.now()))
		}
	}
	return a.firstUse(ctx, thumbprint, p.claims["jti"].(string)) // check made sure that it is text
}

// firstUse refuses a proof that was used before. It runs last, so that a proof refused for another reason leaves no trace.
func (a *Authenticator) firstUse(ctx context.Context, thumbprint, id string) error {
	if a.replays == nil {
		return fmt.Errorf("dpop proof: %w", ErrReplaysUnavailable)
	}
	// The thumbprint has a fixed length, so the pair is unambiguous. Another key's proof with the same jti is another proof.
	first, err := a.replays.FirstUse(ctx, digestText([]byte(thumbprint+id)), proofKept)
	if err != nil {
		return fmt.Errorf("dpop proof: %w: %w", ErrReplaysUnavailable, err)
	}
	if !first {
		return badProof(ReasonProofReplayed, "jti")
	}
	return nil
}

// parseProof checks everything that can be checked before a proof's key is trusted.
func parseProof(raw string) (proof, *Error) {
	if len(raw) > maxProof {
		return proof{}, badProof(ReasonProofMalformed, "")
	}
	t, header, e := parseJWS(raw)
	if e != nil {
		return proof{}, badProof(ReasonProofMalformed, "")
	}
	for _, name := range refusedHeaders {
		if name != "jwk" && hasMember(header, name) {
			return proof{}, badProof(ReasonProofHeader, name)
		}
	}
	if typ, _ := header["typ"].(string); typ != "dpop+jwt" {
		return proof{}, badProof(ReasonProofType, "typ")
	}
	t.algorithm, _ = header["alg"].(string)
	if !slices.Contains(proofAlgorithms, t.algorithm) {
		return proof{}, badProof(ReasonProofAlgorithm, "alg")
	}
	// parseKey refuses what is private, symmetric, too small or no key at all.
	key, ok := parseKey(header["jwk"])
	if !ok || !key.fits(t.algorithm) {
		return proof{}, badProof(ReasonProofKey, "jwk")
	}
	return proof{t, key}, nil
}

// thumbprint is the RFC 7638 thumbprint, in base64url.
func (p proof) thumbprint() string {
	sum, err := (&jose.JSONWebKey{Key: p.key.public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "" // no token is bound to it
	}
	return encodeSegment(sum)
}

// verify checks the signature.
func (p proof) verify() *Error {
	jws, err := jose.ParseSignedCompact(p.raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(p.algorithm)})
	if err != nil {
		return badProof(ReasonProofMalformed, "")
	}
	payload, err := jws.Verify(p.key.public)
	if err != nil || string(payload) != string(p.payload) {
		return badProof(ReasonProofSignature, "")
	}
	return nil
}

// check compares the claims exactly with the request: whoever makes a proof knows the address it is for. If no nonce is required, one from
// elsewhere is ignored.
func (p proof) check(c credentials, r Request, now time.Time, skew time.Duration) *Error {
	id, ok := claimText(p.claims["jti"])
	switch {
	case !ok || len(id) > maxProofID:
		return badProof(ReasonProofID, "jti")
	case r.Method == "" || p.claims["htm"] != any(r.Method):
		return badProof(ReasonProofMethod, "htm")
	case r.Target == "" || p.claims["htu"] != any(r.Target):
		return badProof(ReasonProofTarget, "htu")
	case p.claims["ath"] != any(digestText([]byte(c.token))):
		return badProof(ReasonProofToken, "ath")
	}
	return p.checkTimes(now, skew)
}

func (p proof) checkTimes(now time.Time, skew time.Duration) *Error {
	made, ok := numericDate(p.claims["iat"])
	if !ok || made.After(now.Add(skew)) || made.Before(now.Add(-proofAge-skew)) {
		return badProof(ReasonProofTime, "iat")
	}
	if value, given := p.claims["exp"]; given {
		if end, ok := numericDate(value); !ok || !now.Before(end) {
			return badProof(ReasonProofTime, "exp")
		}
	}
	if value, given := p.claims["nbf"]; given {
		if start, ok := numericDate(value); !ok || start.After(now.Add(skew)) {
			return badProof(ReasonProofTime, "nbf")
		}
	}
	return nil
}
