//go:build !release

package demo

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Audience is the default audience of the demo's access tokens.
const Audience = "zorgsluis-demo"

// IssuerOptions configure an Issuer. The zero value is valid.
type IssuerOptions struct {
	Address   string           // to listen on; default "127.0.0.1:0"
	Audience  string           // default Audience
	Algorithm string           // "ES256" (default) or "RS256"
	Lifetime  time.Duration    // of access tokens; default one hour
	Callers   []Caller         // who can get a token by client_credentials; default Callers()
	Now       func() time.Time // default time.Now
}

// Issuer is an OpenID provider for development. It signs whatever it is asked to: never use it with real data.
type Issuer struct {
	options  IssuerOptions
	url      string
	server   *http.Server
	serving  chan error
	down     atomic.Bool
	fetches  atomic.Int64
	keyCount int

	mu   sync.Mutex
	keys []jose.JSONWebKey // private; the last one signs
}

// NewIssuer starts an issuer. Close stops it.
func NewIssuer(o IssuerOptions) (*Issuer, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.Audience == "" {
		o.Audience = Audience
	}
	if o.Algorithm == "" {
		o.Algorithm = string(jose.ES256)
	}
	if o.Lifetime == 0 {
		o.Lifetime = time.Hour
	}
	if o.Callers == nil {
		o.Callers = Callers()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	i := &Issuer{options: o, serving: make(chan error, 1)}
	if err := i.Rotate(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("start issuer: %w", err)
	}
	i.url = "http://" + listener.Addr().String()
	i.server = &http.Server{Handler: i.handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { i.serving <- i.server.Serve(listener) }()
	return i, nil
}

// URL is the issuer identifier: the claim "iss", and the base of discovery.
func (i *Issuer) URL() string { return i.url }

// TokenURL is the token endpoint.
func (i *Issuer) TokenURL() string { return tokenEndpoint().Absolute(i.url) }

// Audience is the audience of its tokens if the claims name none.
func (i *Issuer) Audience() string { return i.options.Audience }

// Algorithm is the signature algorithm of its keys.
func (i *Issuer) Algorithm() string { return i.options.Algorithm }

// Close stops the issuer and waits for it.
func (i *Issuer) Close() error {
	err := i.server.Close()
	if serveErr := <-i.serving; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	i.serving <- http.ErrServerClosed // for a second Close
	return err
}

// SetDown makes the issuer drop every connection without an answer, or answer again.
func (i *Issuer) SetDown(down bool) { i.down.Store(down) }

// KeyFetches returns how often its keys were requested, successfully or not.
func (i *Issuer) KeyFetches() int64 { return i.fetches.Load() }

// Rotate makes a new signing key. The older ones are still served.
func (i *Issuer) Rotate() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	key, err := newKey(i.options.Algorithm)
	if err != nil {
		return fmt.Errorf("rotate issuer key: %w", err)
	}
	i.keyCount++
	i.keys = append(i.keys, jose.JSONWebKey{
		Key: key, KeyID: fmt.Sprintf("demo-%d-%s", i.keyCount, randomID()), Algorithm: i.options.Algorithm, Use: "sig",
	})
	return nil
}

// RemoveOldKey removes all keys but the signing one from the key set.
func (i *Issuer) RemoveOldKey() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = i.keys[len(i.keys)-1:]
}

// SigningKey returns the current signing key, for tests that make tokens that no issuer would.
func (i *Issuer) SigningKey() jose.JSONWebKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1]
}

// Token signs an access token with these claims (RFC 9068); see [Claims] for what is filled in.
func (i *Issuer) Token(c Claims) (string, error) {
	payload, err := i.complete(c).payload()
	if err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	return i.sign(payload, c.Type)
}

// complete fills in the claims that every token needs.
func (i *Issuer) complete(c Claims) Claims {
	if c.Issuer == "" {
		c.Issuer = i.url
	}
	if c.Audience == nil {
		c.Audience = []string{i.options.Audience}
	}
	if c.ID == "" {
		c.ID = randomID()
	}
	if c.IssuedAt.IsZero() {
		c.IssuedAt = i.options.Now()
	}
	if c.Expires.IsZero() {
		c.Expires = c.IssuedAt.Add(i.options.Lifetime)
	}
	if c.AuthenticatedAt.IsZero() {
		c.AuthenticatedAt = c.IssuedAt
	}
	return c
}

func (i *Issuer) sign(payload []byte, typ string) (string, error) {
	var options jose.SignerOptions
	switch typ {
	case "":
		options.WithType("at+jwt")
	case "-":
	default:
		options.WithType(jose.ContentType(typ))
	}
	key := i.SigningKey()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, &options)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed.CompactSerialize()
}

func newKey(algorithm string) (crypto.Signer, error) {
	switch jose.SignatureAlgorithm(algorithm) {
	case jose.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.RS256:
		return rsa.GenerateKey(rand.Reader, 2048)
	default:
		return nil, errors.New("algorithm is neither ES256 nor RS256")
	}
}

// randomID returns an id that nobody can guess.
func randomID() string { return rand.Text() }
