package authn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Encryption says that an issuer's tokens may be encrypted to us: a signed token in a JWE (RFC 7519 §5.2), its content under A256GCM.
type Encryption struct {
	Keys       []DecryptionKey
	Algorithms []string // RSA-OAEP-256, ECDH-ES
	Required   bool     // a token that is only signed is refused
}

// DecryptionKey is a private key of ours, RSA or on P-256, P-384 or P-521.
type DecryptionKey struct {
	ID      string // kid; the token must contain it
	Private crypto.PrivateKey
}

// encryptionAlgorithms are the algorithms that may be configured, each with the keys that fit. The content of a token is always under
// A256GCM: no passwords (PBES2), no RSA1_5, no symmetric keys, no compression (CVE-2024-28180).
var encryptionAlgorithms = map[string]func(key crypto.PrivateKey) bool{
	"RSA-OAEP-256": func(key crypto.PrivateKey) bool {
		private, ok := key.(*rsa.PrivateKey)
		return ok && private.N.BitLen() >= 2048
	},
	"ECDH-ES": func(key crypto.PrivateKey) bool {
		_, ok := key.(*ecdsa.PrivateKey)
		return ok
	},
}

// ParseDecryptionKey reads a private JWK (RFC 7517) that has a kid.
func ParseDecryptionKey(text []byte) (DecryptionKey, error) {
	if _, err := parseObject(text); err != nil {
		return DecryptionKey{}, errNoDecryptionKey
	}
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(text, &jwk); err != nil || !jwk.Valid() || jwk.IsPublic() || jwk.KeyID == "" || len(jwk.KeyID) > maxKeyID {
		return DecryptionKey{}, errNoDecryptionKey
	}
	for _, fits := range encryptionAlgorithms {
		if fits(jwk.Key) {
			return DecryptionKey{ID: jwk.KeyID, Private: jwk.Key}, nil
		}
	}
	return DecryptionKey{}, errNoDecryptionKey
}

// recipients are the issuers whose tokens may be encrypted to one key; open means that the token is not encrypted.
type recipients struct {
	open    bool
	issuers []*issuer
}

// include reports whether the token may be of this issuer: one encrypted to an issuer's key is no token of another issuer, and one that is
// not encrypted is none of an issuer that must encrypt.
func (r recipients) include(i *issuer) bool {
	if r.open {
		return i.Encryption == nil || !i.Encryption.Required
	}
	return slices.Contains(r.issuers, i)
}

// encryptedHeaders are the header parameters that a JWE may have. The list is closed: any other would change how it is read.
var encryptedHeaders = []string{"alg", "enc", "kid", "typ", "cty", "epk", "apu", "apv"}

// decrypt returns the signed token in an encrypted one, and an unencrypted token unchanged. It decides nothing else: the result must be
// exactly one signed token.
func (a *Authenticator) decrypt(raw string) (string, recipients, *Error) {
	if strings.Count(raw, ".") != 4 {
		return raw, recipients{open: true}, nil
	}
	algorithm, keyID, e := readEncryptedHeader(raw)
	if e != nil {
		return "", recipients{}, e
	}
	var to recipients
	var key crypto.PrivateKey
	for _, i := range a.issuers {
		if found := i.Encryption.key(algorithm, keyID); found != nil {
			key, to.issuers = found, append(to.issuers, i)
		}
	}
	if key == nil {
		return "", recipients{}, badToken(ReasonEncryption, "kid")
	}
	jwe, err := jose.ParseEncryptedCompact(raw, []jose.KeyAlgorithm{jose.KeyAlgorithm(algorithm)}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return "", recipients{}, badToken(ReasonEncryption, "")
	}
	signed, err := jwe.Decrypt(key)
	if err != nil {
		return "", recipients{}, badToken(ReasonEncryption, "")
	}
	return string(signed), to, nil
}

// key is the key with this id that fits the algorithm, or nil.
func (e *Encryption) key(algorithm, id string) crypto.PrivateKey {
	if e == nil || !slices.Contains(e.Algorithms, algorithm) {
		return nil
	}
	for _, key := range e.Keys {
		if key.ID == id && encryptionAlgorithms[algorithm](key.Private) {
			return key.Private
		}
	}
	return nil
}

// readEncryptedHeader reads the header of a JWE in compact form (RFC 7516 §7.1) and checks the form of the rest, so that there is only one
// way to split it.
func readEncryptedHeader(raw string) (algorithm, keyID string, e *Error) {
	const protected, encryptedKey, vector, tag = 0, 1, 2, 4
	var parts [5][]byte
	for i, segment := range strings.Split(raw, ".") {
		part, ok := decodeSegment(segment)
		if !ok && (i != encryptedKey || segment != "") {
			return "", "", badToken(ReasonMalformed, "")
		}
		parts[i] = part
	}
	header, err := parseObject(parts[protected])
	if err != nil {
		return "", "", badToken(ReasonMalformed, "")
	}
	for name := range header {
		if !slices.Contains(encryptedHeaders, name) {
			return "", "", badToken(ReasonHeader, "")
		}
	}
	if kind, ok := header["cty"].(string); !ok || !strings.EqualFold(kind, "JWT") {
		return "", "", badToken(ReasonHeader, "cty")
	}
	if header["enc"] != any(string(jose.A256GCM)) {
		return "", "", badToken(ReasonEncryption, "enc")
	}
	algorithm, _ = header["alg"].(string)
	if _, known := encryptionAlgorithms[algorithm]; !known {
		return "", "", badToken(ReasonEncryption, "alg")
	}
	if agreed := algorithm == string(jose.ECDH_ES); agreed != (len(parts[encryptedKey]) == 0) {
		return "", "", badToken(ReasonEncryption, "") // ECDH-ES derives the key directly (RFC 7518 §4.6)
	}
	if len(parts[vector]) != 12 || len(parts[tag]) != 16 {
		return "", "", badToken(ReasonMalformed, "")
	}
	keyID, _ = header["kid"].(string)
	return algorithm, keyID, nil
}
