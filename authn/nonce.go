package authn

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

const (
	// nonceLasts is how long, and as often as the caller likes, a nonce may be used: also by somebody who learned one, or who made proofs
	// in advance while holding the key.
	nonceLasts  = 5 * time.Minute
	nonceSecret = 32 // bytes, at least
	nonceTime   = 8
	nonceTag    = 16
)

// nonces makes and checks the nonces of DPoP proofs (RFC 9449 §8). A nonce is the time at which it was made, under a MAC: every instance
// with the same secrets recognises it, and nothing is stored.
type nonces struct{ keys [][]byte }

// newNonces takes the secrets shared by all instances: the first makes nonces, all verify them. They may have other uses.
func newNonces(secrets [][]byte) (n nonces) {
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte("zorgsluis dpop nonce 1"))
		n.keys = append(n.keys, mac.Sum(nil))
	}
	return n
}

// fresh is a nonce that can be used from now on.
func (n nonces) fresh(now time.Time) string {
	at := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	return encodeSegment(append(at, tagOf(n.keys[0], at)...))
}

// good reports whether a nonce is ours and current, as far as clocks may differ.
func (n nonces) good(nonce string, now time.Time, skew time.Duration) bool {
	b, ok := decodeSegment(nonce)
	if !ok || len(b) != nonceTime+nonceTag {
		return false
	}
	known := false
	for _, key := range n.keys {
		known = hmac.Equal(tagOf(key, b[:nonceTime]), b[nonceTime:]) || known
	}
	made := time.Unix(int64(binary.BigEndian.Uint64(b)), 0) // if known, it is ours
	return known && !made.After(now.Add(skew)) && !made.Before(now.Add(-nonceLasts-skew))
}

func tagOf(key, at []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(at)
	return mac.Sum(nil)[:nonceTag]
}
