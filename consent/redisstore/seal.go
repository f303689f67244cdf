package redisstore

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"zorgsluis/consent"
)

// sealVersion is the first byte of every sealed value: AES-256-GCM with a random nonce, which comes first.
const sealVersion = 1

// The kinds of sealed values. The kind is part of the associated data, so a version cannot replace a standing.
const (
	kindStanding = "standing"
	kindVersion  = "version"
)

// sealer seals values for one person and generation: a value that is moved to another does not open.
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, fmt.Errorf("%w: sealing key: %w", ErrInvalid, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return sealer{}, fmt.Errorf("%w: sealing key: %w", ErrInvalid, err)
	}
	return sealer{aead}, nil
}

func (s sealer) seal(kind string, person consent.PersonKey, generation uint64, plain []byte) string {
	sealed := make([]byte, 1, 1+len(plain)+s.aead.Overhead())
	sealed[0] = sealVersion
	return string(s.aead.Seal(sealed, nil, plain, associated(nil, kind, person, generation)))
}

func (s sealer) open(kind string, person consent.PersonKey, generation uint64, sealed string) (string, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return "", fmt.Errorf("%w: %s: unknown format", ErrSealed, kind)
	}
	buffer := opened.Get().(*[]byte)
	defer opened.Put(buffer)
	b := associated((*buffer)[:0], kind, person, generation)
	ad := len(b)
	b = slices.Grow(append(b, sealed[1:]...), len(sealed)) // the sealed value, with room for the plain one
	*buffer = b
	plain, err := s.aead.Open(b[len(b):], nil, b[ad:], b[:ad])
	if err != nil {
		return "", fmt.Errorf("%w: %s does not open", ErrSealed, kind)
	}
	return string(plain), nil
}

// opened are buffers for opening values.
var opened = sync.Pool{New: func() any { return new([]byte) }}

// associated appends the associated data.
func associated(dst []byte, kind string, person consent.PersonKey, generation uint64) []byte {
	dst = append(append(dst, kind...), 0)
	dst = append(append(dst, person...), 0)
	return strconv.AppendUint(dst, generation, 10)
}

// deflate compresses a version: all versions of a person are kept, and their content is repetitive.
func deflate(plain []byte) ([]byte, error) {
	var b bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&b)
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// deflaters are reused: one takes most of a megabyte, far more than a version of a few hundred bytes. The fastest level makes a
// version with one consent 6 bytes longer than the default level, one with a hundred 13, and takes less than half the time.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil {
		panic(err) // cannot happen: the level exists
	}
	return w
}}

// inflate undoes deflate, up to limit bytes.
func inflate(small string, limit int) ([]byte, error) {
	r := flate.NewReader(strings.NewReader(small))
	defer r.Close()
	plain, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(plain) > limit {
		return nil, fmt.Errorf("%w: larger than a version can be", ErrSealed)
	}
	return plain, nil
}
