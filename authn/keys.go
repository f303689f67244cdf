package authn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are those that may be configured, each with the keys that fit: all asymmetric (leaks.md TK-1, TK-2).
var algorithms = map[string]func(key any) bool{
	"RS256": isRSA, "RS384": isRSA, "RS512": isRSA,
	"PS256": isRSA, "PS384": isRSA, "PS512": isRSA,
	"ES256": isCurve("P-256"), "ES384": isCurve("P-384"), "ES512": isCurve("P-521"),
	"EdDSA": isEd25519,
}

func isRSA(key any) bool {
	public, ok := key.(*rsa.PublicKey)
	return ok && public.N.BitLen() >= 2048
}

func isCurve(name string) func(key any) bool {
	return func(key any) bool {
		public, ok := key.(*ecdsa.PublicKey)
		return ok && public.Curve.Params().Name == name
	}
}

func isEd25519(key any) bool {
	public, ok := key.(ed25519.PublicKey)
	return ok && len(public) == ed25519.PublicKeySize
}

// keyIdentity distinguishes a key, including everything that says what it may be used for, from every other.
type keyIdentity [sha256.Size]byte

// verificationKey is one public key of an issuer.
type verificationKey struct {
	identity  keyIdentity
	id        string // kid
	algorithm string // alg, "" if the set does not say
	public    any
}

// fits reports whether the key may verify a token of this algorithm.
func (k *verificationKey) fits(algorithm string) bool {
	isFit, known := algorithms[algorithm]
	return known && isFit(k.public) && (k.algorithm == "" || k.algorithm == algorithm)
}

// keyring is the result of one fetch. It never changes.
type keyring struct {
	fetched time.Time
	keys    []*verificationKey
	byID    map[keyIdentity]bool
}

// candidates are the keys that may have signed: those with this kid, or, for a token without kid, the only key that fits at all. known says
// whether the kid is in the set, fitting or not.
func (r *keyring) candidates(keyID, algorithm string) (fit []*verificationKey, known bool) {
	for _, key := range r.keys {
		if keyID != "" && key.id != keyID {
			continue
		}
		known = true
		if key.fits(algorithm) {
			fit = append(fit, key)
		}
	}
	if keyID == "" {
		known = true // another fetch would not help
		if len(fit) > 1 {
			fit = nil
		}
	}
	return fit, known
}

// holds reports whether the set still has exactly this key.
func (r *keyring) holds(identity keyIdentity) bool { return r.byID[identity] }

// maxKeys bounds a key set. Providers publish two or three.
const maxKeys = 100

// parseKeySet reads a JWK Set (RFC 7517 §5). Keys that are not understood, not for signatures, private, symmetric or too small are left
// out, as §5 requires; an answer that is not a key set is an error.
func parseKeySet(body []byte, fetched time.Time) (*keyring, error) {
	set, err := parseObject(body)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	members, ok := set["keys"].([]any)
	if !ok || len(members) > maxKeys {
		return nil, fmt.Errorf("key set: no list of at most %d keys", maxKeys)
	}
	ring := &keyring{fetched: fetched, byID: make(map[keyIdentity]bool)}
	for _, member := range members {
		if key, ok := parseKey(member); ok {
			ring.keys = append(ring.keys, key)
			ring.byID[key.identity] = true
		}
	}
	return ring, nil
}

// privateMembers are the JWK members that only a private or symmetric key has (RFC 7518 §6).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

func parseKey(member any) (*verificationKey, bool) {
	object, ok := member.(map[string]any)
	if !ok || slices.ContainsFunc(privateMembers, func(name string) bool { return hasMember(object, name) }) {
		return nil, false
	}
	if operations, given := object["key_ops"]; given {
		list, ok := operations.([]any)
		if !ok || !slices.Contains(list, any("verify")) {
			return nil, false
		}
	}
	plain, err := json.Marshal(object)
	if err != nil {
		return nil, false
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(plain); err != nil || !jwk.Valid() || !jwk.IsPublic() {
		return nil, false
	}
	if jwk.Use != "" && jwk.Use != "sig" || len(jwk.KeyID) > maxKeyID {
		return nil, false
	}
	key := &verificationKey{id: jwk.KeyID, algorithm: jwk.Algorithm, public: jwk.Key}
	if !fitsAny(key) {
		return nil, false
	}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, false
	}
	key.identity = sha256.Sum256(fmt.Appendf(nil, "%q %q %x", key.id, key.algorithm, thumbprint))
	return key, true
}

func fitsAny(key *verificationKey) bool {
	for algorithm := range algorithms {
		if key.fits(algorithm) {
			return true
		}
	}
	return false
}
