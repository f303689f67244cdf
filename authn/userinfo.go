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

// Userinfo says that an issuer tells about the user of a token where it is asked with that token (OpenID Connect Core 1.0 §5.3), as a signed
// JWT that is encrypted to us. An opaque token that is not introspected stands for what is said there; what is said of the user of any other
// token is added to its claims, and what both say must be the same.
type Userinfo struct {
	Endpoint    string // default: what discovery says
	TokenPrefix string // what opaque tokens of this issuer begin with; needed where several issuers are asked
	Audience    string // whom it is for: our client id there; default Issuer.Audience
	Keys        []DecryptionKey
	Algorithms  []string      // RSA-OAEP, RSA-OAEP-256, ECDH-ES
	Content     []string      // A128CBC-HS256, A256CBC-HS512, A256GCM
	CacheFor    time.Duration // how long it counts, at most 60 s; 0: every request asks
	Timeout     time.Duration // of one question, default 2 s, at most 5 s
	InFlight    int           // questions at once, default 32
	Transport   http.RoundTripper
}

// userinfoAlgorithm says of an algorithm whether a userinfo may be encrypted with it, and by which keys: of those of tokens, and of the one
// that MAX knows beside.
func userinfoAlgorithm(name string) (fits func(key crypto.PrivateKey) bool, known bool) {
	if name == string(jose.RSA_OAEP) {
		name = string(jose.RSA_OAEP_256) // the same keys
	}
	fits, known = encryptionAlgorithms[name]
	return fits, known
}

// userinfoContents are the ciphers of its content: all authenticate what they encrypt (RFC 7518 §5).
var userinfoContents = []string{string(jose.A128CBC_HS256), string(jose.A256CBC_HS512), string(jose.A256GCM)}

// userinfoHeaders are the header parameters that it may have: those of tokens, and the thumbprints of a certificate, by which no key is chosen.
var userinfoHeaders = append([]string{"x5t", "x5t#S256"}, encryptedHeaders...)

// maxUserinfo bounds it, in bytes.
const maxUserinfo = 64 << 10

// introspection is the part of a Userinfo that is as for introspection.
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

// maxUserinfoKeys bounds how many keys are tried on one answer that does not name its key.
const maxUserinfoKeys = 4

// askUserinfo gets what the issuer says about the user of a token. The error is an [*Error] where it does not know the token, or says what
// does not hold now, and wraps [ErrIntrospectionUnavailable] where it says nothing that can be relied on.
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

// openUserinfo decrypts and verifies: of this issuer, for us, under one of its keys; and of now.
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

// decrypt gives what was encrypted to one of the keys. A key that is named must be ours; where none is, all that fit are tried.
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

// ofTheToken are claims that say what the JWT that they stand in is, and not who its user is.
var ofTheToken = []string{"iss", "aud", "exp", "iat", "nbf", "jti", "x5c"}

// complete adds what the issuer says about the user of a token to the verified claims of that token, which say whose it is. The claims that it
// is given are left alone; the time is until when the result counts.
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
