//go:build !release

package demo_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"zorgsluis/internal/demo"
)

func startIssuer(t *testing.T, o demo.IssuerOptions) *demo.Issuer {
	t.Helper()
	i, err := demo.NewIssuer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

// verify checks a token as a relying party does: by discovery and the published keys.
func verify(t *testing.T, i *demo.Issuer, token string) (*oidc.IDToken, error) {
	t.Helper()
	provider, err := oidc.NewProvider(context.Background(), i.URL())
	if err != nil {
		return nil, err
	}
	return provider.Verifier(&oidc.Config{ClientID: demo.Audience}).Verify(context.Background(), token)
}

func mint(t *testing.T, i *demo.Issuer, c demo.Claims) string {
	t.Helper()
	token, err := i.Token(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokensVerifyThroughThePublishedKeys(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256"} {
		t.Run(algorithm, func(t *testing.T) {
			i := startIssuer(t, demo.IssuerOptions{Algorithm: algorithm})
			token := mint(t, i, demo.GP().Claims)
			verified, err := verify(t, i, token)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := verified.Claims(&got); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{
				"iss": i.URL(), "sub": "uzi-900000001", "client_id": "gp", "kind": "provider", "organization_ura": "90000001",
				"organization_type": "Z3", "uzi": "900000001", "relationship": "treating", "acr": "http://eidas.europa.eu/LoA/high",
			} {
				if got[name] != want {
					t.Errorf("%s: got %v, want %s", name, got[name], want)
				}
			}
			for _, name := range []string{"jti", "iat", "exp", "auth_time", "aud", "uzi_roles", "purpose_of_use"} {
				if got[name] == nil {
					t.Errorf("no %s", name)
				}
			}
			parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
			if err != nil {
				t.Fatal(err)
			}
			if typ := parsed.Headers[0].ExtraHeaders[jose.HeaderType]; typ != "at+jwt" {
				t.Errorf("got typ %v, want at+jwt", typ)
			}
		})
	}
	if _, err := demo.NewIssuer(demo.IssuerOptions{Algorithm: "HS256"}); err == nil {
		t.Error("an issuer with HS256 started")
	}
}

func TestExtraClaimsNestReplaceAndRemove(t *testing.T) {
	i := startIssuer(t, demo.IssuerOptions{})
	c := demo.GP().Claims
	c.Extra = map[string]any{
		"extensions": map[string]any{"ihe_iua": map[string]any{"purpose_of_use": []string{"TREAT"}}},
		"acr":        "other", "uzi": nil, "cnf": map[string]any{"jkt": "x"},
	}
	verified, err := verify(t, i, mint(t, i, c))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ACR        string
		UZI        *string
		Extensions struct {
			IUA struct {
				Purpose []string `json:"purpose_of_use"`
			} `json:"ihe_iua"`
		}
	}
	if err := verified.Claims(&got); err != nil {
		t.Fatal(err)
	}
	if got.ACR != "other" || got.UZI != nil || len(got.Extensions.IUA.Purpose) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestBadTokensCanBeMadeToOrder(t *testing.T) {
	i := startIssuer(t, demo.IssuerOptions{})
	for name, c := range map[string]demo.Claims{
		"expired":        {Subject: "x", IssuedAt: time.Now().Add(-2 * time.Hour)},
		"other audience": {Subject: "x", Audience: []string{"other"}},
		"other issuer":   {Subject: "x", Issuer: "https://other.example"},
	} {
		if _, err := verify(t, i, mint(t, i, c)); err == nil {
			t.Errorf("%s: the token verifies", name)
		}
	}
	for typ, want := range map[string]any{"JWT": "JWT", "-": nil} {
		parsed, err := jwt.ParseSigned(mint(t, i, demo.Claims{Type: typ}), []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.Headers[0].ExtraHeaders[jose.HeaderType]; got != want {
			t.Errorf("got typ %v, want %v", got, want)
		}
	}
}

func TestRotationKeepsTheOldKeyUntilItIsRemoved(t *testing.T) {
	i := startIssuer(t, demo.IssuerOptions{})
	before := mint(t, i, demo.GP().Claims)
	if err := i.Rotate(); err != nil {
		t.Fatal(err)
	}
	after := mint(t, i, demo.GP().Claims)
	for name, token := range map[string]string{"old key": before, "new key": after} {
		if _, err := verify(t, i, token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	i.RemoveOldKey()
	if _, err := verify(t, i, before); err == nil {
		t.Error("a token of the removed key verifies")
	}
	if _, err := verify(t, i, after); err != nil {
		t.Error(err)
	}
	if i.KeyFetches() < 4 {
		t.Errorf("counted %d fetches of keys", i.KeyFetches())
	}
}

func TestDownMeansNoAnswer(t *testing.T) {
	i := startIssuer(t, demo.IssuerOptions{})
	token := mint(t, i, demo.GP().Claims)
	i.SetDown(true)
	if _, err := verify(t, i, token); err == nil {
		t.Error("an issuer that is down answers")
	}
	i.SetDown(false)
	if _, err := verify(t, i, token); err != nil {
		t.Error(err)
	}
}

func TestEveryCallerGetsATokenByClientCredentials(t *testing.T) {
	i := startIssuer(t, demo.IssuerOptions{})
	for _, caller := range demo.Callers() {
		status, answer := requestToken(t, i, url.Values{
			"grant_type": {"client_credentials"}, "client_id": {caller.ClientID}, "client_secret": {demo.Secret},
		})
		if status != http.StatusOK || answer.TokenType != "Bearer" || answer.ExpiresIn != 3600 {
			t.Fatalf("%s: got %d, %q, %d", caller.ClientID, status, answer.TokenType, answer.ExpiresIn)
		}
		verified, err := verify(t, i, answer.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		if verified.Subject != caller.Claims.Subject {
			t.Errorf("%s: got the token of %s", caller.ClientID, verified.Subject)
		}
		if found, ok := demo.CallerByID(caller.ClientID); !ok || found.Title != caller.Title {
			t.Errorf("%s is not found by its id", caller.ClientID)
		}
	}
	if _, ok := demo.CallerByID("nobody"); ok {
		t.Error("nobody is found")
	}
}

func TestTheTokenEndpointRefuses(t *testing.T) {
	i := startIssuer(t, demo.IssuerOptions{})
	for name, form := range map[string]url.Values{
		"a wrong secret":      {"grant_type": {"client_credentials"}, "client_id": {"gp"}, "client_secret": {"other"}},
		"an unknown client":   {"grant_type": {"client_credentials"}, "client_id": {"nobody"}, "client_secret": {demo.Secret}},
		"no client":           {"grant_type": {"client_credentials"}},
		"no grant":            {"client_id": {"gp"}, "client_secret": {demo.Secret}},
		"an unknown grant":    {"grant_type": {"password"}, "client_id": {"gp"}, "client_secret": {demo.Secret}},
		"a code":              {"grant_type": {"authorization_code"}, "client_id": {"gp"}, "client_secret": {demo.Secret}, "code": {"x"}, "redirect_uri": {"x"}},
		"a refresh token":     {"grant_type": {"refresh_token"}, "client_id": {"gp"}, "client_secret": {demo.Secret}, "refresh_token": {"x"}},
		"a token to exchange": {"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "client_id": {"gp"}, "client_secret": {demo.Secret}},
		"a JWT as grant":      {"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {"x"}},
	} {
		if status, answer := requestToken(t, i, form); status < 400 || status >= 500 || answer.AccessToken != "" || answer.Error == "" {
			t.Errorf("%s: got %d with error %q", name, status, answer.Error)
		}
	}
}

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Error       string `json:"error"`
}

func requestToken(t *testing.T, i *demo.Issuer, form url.Values) (int, tokenAnswer) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, i.TokenURL(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, body := ask(t, r)
	var answer tokenAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return resp.StatusCode, answer
}
