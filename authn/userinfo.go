package authn

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Userinfo says that an issuer describes the user of a token when asked with that token (OpenID Connect Core 1.0 §5.3), as a signed JWT
// encrypted to us. For an opaque token that is not introspected the answer replaces the token; for any other it is added to the token's
// claims, and claims in both must be equal.
type Userinfo struct {
	Endpoint    string // default: by discovery
	TokenPrefix string // what this issuer's opaque tokens begin with; required if several issuers are asked
	Audience    string // the expected aud: our client id there; default Issuer.Audience
	Keys        []DecryptionKey
	Algorithms  []string      // RSA-OAEP, RSA-OAEP-256, ECDH-ES
	Content     []string      // A128CBC-HS256, A256CBC-HS512, A256GCM
	CacheFor    time.Duration // how long it counts, at most 60 s; 0: every request asks
	Timeout     time.Duration // of one request, default 2 s, at most 5 s
	InFlight    int           // requests at once, default 32
	Transport   http.RoundTripper
}

// userinfoAlgorithm says whether a userinfo may be encrypted with an algorithm, and with which keys: those of tokens, and the additional
// one that MAX uses.
func userinfoAlgorithm(name string) (fits func(key crypto.PrivateKey) bool, known bool) {
	if name == string(jose.RSA_OAEP) {
		name = string(jose.RSA_OAEP_256) // the same keys
	}
	fits, known = encryptionAlgorithms[name]
	return fits, known
}

// userinfoContents are the allowed content ciphers: all are authenticated (RFC 7518 §5).
var userinfoContents = []string{string(jose.A128CBC_HS256), string(jose.A256CBC_HS512), string(jose.A256GCM)}

// userinfoHeaders are the allowed header parameters: those of tokens, and certificate thumbprints, which select no key.
var userinfoHeaders = append([]string{"x5t", "x5t#S256"}, encryptedHeaders...)

// maxUserinfo bounds the answer, in bytes.
const maxUserinfo = 64 << 10

// introspection are the settings shared with introspection.
func (u *Userinfo) introspection() *Introspection {
	return (&Introspection{
		Endpoint: u.Endpoint, TokenPrefix: u.TokenPrefix, CacheFor: u.CacheFor, Timeout: u.Timeout, InFlight: u.InFlight, Transport: u.Transport,
	}).withDefaults()
}

func (i Issuer) checkUserinfo(key string, f *faults) {
	u := i.Userinfo
	if u == nil {
		return
	}
	u.introspection().checkQuestions(key, f)
	if len(i.Algorithms) == 0 {
		f.add(key, "needs algorithms of the issuer beside it: what is encrypted must be signed")
	}
	if len(u.Keys) == 0 || len(u.Keys) > maxUserinfoKeys {
		f.add(key+".keys", "between one and %d are needed", maxUserinfoKeys)
	}
	if len(u.Algorithms) == 0 || len(u.Content) == 0 {
		f.add(key+".algorithms", "at least one is needed, and one of content")
	}
	for _, name := range u.Algorithms {
		if _, known := userinfoAlgorithm(name); !known {
			f.add(key+".algorithms", "%q is not one of RSA-OAEP, RSA-OAEP-256 and ECDH-ES", name)
		}
	}
	for _, name := range u.Content {
		if !slices.Contains(userinfoContents, name) {
			f.add(key+".content", "%q is not one of %q", name, userinfoContents)
		}
	}
}

// maxUserinfoKeys bounds how many keys are tried on an answer that does not name its key.
const maxUserinfoKeys = 4

// askUserinfo asks the issuer about the user of a token. The error is an [*Error] if the issuer does not know the token, or its answer is
// not valid now; it wraps [ErrIntrospectionUnavailable] if the answer is not reliable.
func (s *introspector) askUserinfo(ctx context.Context, address, raw string) (map[string]any, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, s.unavailable(errors.New("userinfo: the question could not be made"))
	}
	request.Header.Set("Accept", "application/jwt")
	request.Header.Set("Authorization", schemeBearer+" "+raw)
	response, err := s.client.Do(request)
	if err != nil {
		return nil, s.unavailable(err) // net/http names method and address
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, badToken(ReasonInactive, "userinfo")
	default:
		return nil, s.unavailable(fmt.Errorf("get %s: status %d", address, response.StatusCode))
	}
	if media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || media != "application/jwt" {
		return nil, s.unavailable(fmt.Errorf("get %s: the answer is not application/jwt", address))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxUserinfo+1))
	if err != nil || len(body) > maxUserinfo {
		return nil, s.unavailable(fmt.Errorf("get %s: the answer is cut off, or over %d bytes", address, maxUserinfo))
	}
	return s.openUserinfo(ctx, string(body))
}

// openUserinfo decrypts and verifies: of this issuer, for us, under one of its keys, and current.
func (s *introspector) openUserinfo(ctx context.Context, body string) (map[string]any, error) {
	i, u := s.issuer, s.userinfo
	signed, err := u.decrypt(body)
	if err != nil {
		return nil, s.unavailable(err)
	}
	t, e := parseToken(signed)
	if e != nil || !slices.Contains(i.Algorithms, t.algorithm) {
		return nil, s.unavailable(errors.New("userinfo: what was encrypted is no signed JWT, or under another algorithm"))
	}
	if _, err := (&signature{issuer: i, token: t}).VerifySignature(ctx, t.raw); err != nil {
		return nil, s.unavailable(errors.New("userinfo: the signature is not of a key of the issuer"))
	}
	audience := u.Audience
	if audience == "" {
		audience = i.Audience
	}
	if t.claims["iss"] != any(i.URL) || !holdsAudience(t.claims["aud"], audience) {
		return nil, s.unavailable(errors.New("userinfo: it is of another issuer, or for another client"))
	}
	now := i.now()
	if end, ok := numericDate(t.claims["exp"]); !ok || !now.Before(end) {
		return nil, badToken(ReasonExpired, "userinfo.exp")
	}
	if from, ok := numericDate(t.claims["nbf"]); t.claims["nbf"] != nil && (!ok || from.After(now.Add(i.skew))) {
		return nil, badToken(ReasonTime, "userinfo.nbf")
	}
	if _, ok := claimText(t.claims["sub"]); !ok {
		return nil, badToken(ReasonSubject, "userinfo.sub")
	}
	return t.claims, nil
}

// decrypt returns the content encrypted to one of the keys. If the answer names a key, it must be ours; otherwise all fitting ones are
// tried.
func (u *Userinfo) decrypt(raw string) (string, error) {
	bad := errors.New("userinfo: it is not encrypted to us as is configured")
	if strings.Count(raw, ".") != 4 {
		return "", bad
	}
	segments := strings.Split(raw, ".")
	for n, segment := range segments {
		if _, ok := decodeSegment(segment); !ok && (n != 1 || segment != "") {
			return "", bad
		}
	}
	protected, _ := decodeSegment(segments[0])
	header, err := parseObject(protected)
	if err != nil {
		return "", bad
	}
	for name := range header {
		if !slices.Contains(userinfoHeaders, name) {
			return "", bad
		}
	}
	algorithm, _ := header["alg"].(string)
	content, _ := header["enc"].(string)
	kind, _ := header["cty"].(string)
	keyID, named := header["kid"].(string)
	if !slices.Contains(u.Algorithms, algorithm) || !slices.Contains(u.Content, content) || !strings.EqualFold(kind, "JWT") {
		return "", bad
	}
	jwe, err := jose.ParseEncryptedCompact(raw, []jose.KeyAlgorithm{jose.KeyAlgorithm(algorithm)}, []jose.ContentEncryption{jose.ContentEncryption(content)})
	if err != nil {
		return "", bad
	}
	fits, _ := userinfoAlgorithm(algorithm)
	for _, key := range u.Keys {
		if named && key.ID != keyID || !fits(key.Private) {
			continue
		}
		if signed, err := jwe.Decrypt(key.Private); err == nil {
			return string(signed), nil
		}
	}
	return "", bad
}

// ofTheToken are claims about the JWT that contains them, not about its user.
var ofTheToken = []string{"iss", "aud", "exp", "iat", "nbf", "jti", "x5c"}

// complete adds the issuer's claims about the user to the verified claims of a token. It does not change the given claims; the time is
// until when the result counts.
func (i *issuer) complete(ctx context.Context, raw string, claims map[string]any) (map[string]any, time.Time, error) {
	asked := i.now()
	info, err := i.userinfo.ask(ctx, raw, asked)
	if err != nil {
		return nil, asked, err
	}
	if info["sub"] != claims["sub"] {
		return nil, asked, badToken(ReasonSubject, "userinfo.sub") // OpenID Connect Core 1.0 §5.3.2
	}
	whole := make(map[string]any, len(claims)+len(info))
	for name, value := range claims {
		whole[name] = value
	}
	for name, value := range info {
		if slices.Contains(ofTheToken, name) {
			continue
		}
		if said, given := claims[name]; given && !reflect.DeepEqual(said, value) {
			return nil, asked, badToken(ReasonClaim, "userinfo")
		}
		whole[name] = value
	}
	until := asked.Add(i.userinfo.rule.CacheFor)
	if end, ok := numericDate(info["exp"]); ok && until.After(end) {
		until = end
	}
	return whole, until, nil
}
