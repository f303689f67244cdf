package proxy

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// cursorLasts is how long a page link is valid.
const cursorLasts = 10 * time.Minute

// maxCursor limits a sealed cursor, in characters, before it is opened. The query that contains it has a limit of its own.
const maxCursor = 8000

// cursor is the sealed content of a page link of ours: where the source continues, and everything that the link is bound to. It opens only
// for the same caller, about the same person, for the same purpose; the page is then decided anew.
type cursor struct {
	Source  string              `json:"s"`
	Asked   fhir.Interaction    `json:"a"` // without the patient
	At      position            `json:"n"`
	Fill    string              `json:"f"` // pads At to positionSize
	Patient fhir.ID             `json:"i"`
	Person  consent.PersonKey   `json:"p"`
	Caller  []byte              `json:"c"`
	Purpose policy.PurposeOfUse `json:"u"`
	Query   string              `json:"q"` // redacted, for the event
	Expires int64               `json:"e"` // Unix seconds
}

// Sizes of sealed data, in bytes. Whether a page link of ours contains one of the source's, and which one, depends on rows that may be
// withheld. So each position is padded to positionSize, and each page link to pageSize, or in steps of sealStep above it if the caller's
// own query is longer. A source whose links do not fit a position is refused as soon as it sends one.
const (
	positionSize = 1280
	pageSize     = 2560
	sealStep     = 512
)

var errCursor = errors.New("page link not valid")

// sealer seals and opens cursors. All instances have the same keys: the first seals, any opens (rotation).
type sealer struct{ aeads []cipher.AEAD }

func newSealer(keys [][]byte) (*sealer, error) {
	s := &sealer{}
	for _, key := range keys {
		if len(key) != 32 {
			return nil, fmt.Errorf("cursor key: %d bytes instead of 32", len(key))
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("cursor key: %w", err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("cursor key: %w", err)
		}
		s.aeads = append(s.aeads, aead)
	}
	return s, nil
}

// seal returns v sealed, as a query value or path segment. It opens only as the same kind.
func (s *sealer) seal(kind string, v any) (string, error) { return s.sealWide(kind, v, sealStep) }

// sealWide is seal with a minimum size in bytes, a multiple of sealStep.
func (s *sealer) sealWide(kind string, v any, size int) (string, error) {
	plain, err := compactJSON(v)
	if err != nil {
		return "", err
	}
	size = max(size, (len(plain)+sealStep-1)/sealStep*sealStep)
	plain = append(plain, bytes.Repeat([]byte(" "), size-len(plain))...)
	aead := s.aeads[0]
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	_, _ = rand.Read(nonce)
	sealed := base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, plain, []byte(kind)))
	if len(sealed) > maxCursor {
		return "", errCursor
	}
	return sealed, nil
}

// compactJSON marshals v without HTML escaping: the & of a link stays one byte.
func compactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// fill returns the padding of a position to positionSize; false if it is longer.
func (p position) fill() (string, bool) {
	at, err := compactJSON(p)
	if err != nil || len(at) > positionSize {
		return "", false
	}
	return strings.Repeat(" ", positionSize-len(at)), true
}

// open unseals value into into. Whatever is wrong with it, the error is errCursor (leaks.md PG-2 … PG-4).
func (s *sealer) open(kind, value string, into any) error {
	if len(value) > maxCursor {
		return errCursor
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return errCursor
	}
	for _, aead := range s.aeads {
		if len(raw) < aead.NonceSize() {
			return errCursor
		}
		plain, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(kind))
		if err != nil {
			continue
		}
		if json.Unmarshal(plain, into) != nil {
			return errCursor
		}
		return nil
	}
	return errCursor
}

// callerDigest binds a cursor to the caller without storing who it is.
func (x *exchange) callerDigest() []byte {
	sum := sha256.Sum256([]byte(x.caller))
	return sum[:]
}

// nextLink returns the sealed link to the next page; "" if there is none.
func (g *Gate) nextLink(x *exchange, j *judge, more *position) (string, *refusal) {
	if more == nil {
		return "", nil
	}
	asked := x.interaction
	asked.Patient = fhir.PatientName{}
	fill, ok := more.fill()
	if !ok {
		return "", refuse(causeInternal, "cursor") // sourcePage.read has checked that it fits
	}
	sealed, err := g.cursors.sealWide("page", cursor{
		Source: x.source.ID, Asked: asked, At: *more, Fill: fill, Patient: j.person.id, Person: j.person.key,
		Caller: x.callerDigest(), Purpose: x.purpose, Query: x.query, Expires: g.parts.Now().Add(cursorLasts).Unix(),
	}, pageSize)
	if err != nil {
		return "", refuse(causeTooLong, "query-too-long-to-page")
	}
	return g.base(x.source) + "/" + x.interaction.Page(sealed), nil
}

// openCursor opens and checks a page link for this caller, and restores the interaction that it continues. Every failure looks like an
// absent resource.
func (g *Gate) openCursor(x *exchange) (cursor, *refusal) {
	var c cursor
	err := g.cursors.open("page", x.interaction.Cursor, &c)
	if err != nil || g.parts.Now().Unix() >= c.Expires || c.Source != x.source.ID || c.Asked.Code != x.interaction.Code || c.Asked.Type != x.interaction.Type ||
		c.Purpose != x.purpose || string(c.Caller) != string(x.callerDigest()) {
		return cursor{}, refuse(causeNotFound, "cursor-invalid")
	}
	x.cursor, x.query, x.interaction = x.interaction.Cursor, c.Query, c.Asked
	x.interaction.Patient = fhir.PatientName{ID: c.Patient}
	return c, nil
}

// below returns the part of link under base, if link is an absolute URL on exactly that origin and path (leaks.md PG-5: compared part by
// part, never as a text prefix).
func below(base, link string) (string, bool) {
	b, err := url.Parse(base)
	if err != nil {
		return "", false
	}
	l, err := url.Parse(link)
	if err != nil || l.Scheme != b.Scheme || !strings.EqualFold(l.Host, b.Host) || l.User != nil || l.Opaque != "" ||
		l.Fragment != "" || strings.Contains(link, "#") {
		return "", false
	}
	path := l.EscapedPath()
	for _, segment := range strings.Split(path, "/") {
		if s := strings.ToLower(segment); s == "." || s == ".." || strings.Contains(s, "%2e") || strings.Contains(s, "%2f") || strings.ContainsAny(s, `\;`) {
			return "", false
		}
	}
	rest, ok := strings.CutPrefix(path, b.EscapedPath())
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	if l.RawQuery != "" {
		rest += "?" + l.RawQuery
	}
	return rest, rest != ""
}
