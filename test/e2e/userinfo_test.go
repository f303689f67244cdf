package e2e_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestUserinfoOfTheIssuer: the real gateway uses an encrypted userinfo about the user (MAX): its content can block, content about somebody else
// is refused, and while it is unavailable nobody gets anything.
func TestUserinfoOfTheIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ours, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, err := json.Marshal(jose.JSONWebKey{Key: ours, KeyID: "ours"})
	if err != nil {
		t.Fatal(err)
	}
	w.write("userinfo-key", string(private))
	gp := demo.GP()
	token := tokenOf(t, gp)
	var answer atomic.Value // string; empty: out of order
	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := answer.Load().(string)
		if r.Header.Get("Authorization") != "Bearer "+token || body == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/jwt")
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(desk.Close)
	says := func(more m) {
		t.Helper()
		claims := m{"iss": issuer.URL(), "aud": "max-client", "sub": gp.Claims.Subject, "exp": time.Now().Add(time.Hour).Unix()}
		for name, value := range more {
			claims[name] = value
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		answer.Store(sealUserinfo(t, payload, ours.Public()))
	}
	g, _ := w.start("    channel: regional\n", "    channel: regional\n    userinfo: { endpoint: \""+desk.URL+
		"/userinfo\", audience: max-client, keys: [userinfo-key], algorithms: [RSA-OAEP], content: [A128CBC-HS256] }\n")
	ask := func(status int, when string) reply {
		t.Helper()
		return g.ask(gp, search("Condition", demo.Karena())).wantStatus(t, status, when)
	}

	says(nil)
	w.wantEvent(ask(http.StatusOK, "it says the same"), audit.OutcomePermit, "ok-consent")
	says(m{"organization_uzovi": "0104"})
	w.wantEvent(ask(http.StatusForbidden, "it says that the organization is an insurer"), audit.OutcomeDeny, "blocked-insurer")
	says(m{"sub": "somebody else"})
	w.wantEvent(ask(http.StatusUnauthorized, "it is about somebody else"), audit.OutcomeDeny, "token-subject")
	says(m{"iss": "https://elsewhere.example"})
	ask(http.StatusServiceUnavailable, "it is of somebody else").wantNothing(t, "of somebody else")
	answer.Store("")
	ask(http.StatusServiceUnavailable, "it is away").wantNothing(t, "away")
	says(nil)
	ask(http.StatusOK, "it is back")
	if out := g.out.String(); strings.Contains(out, token) {
		t.Error("the log holds a token")
	}
}

// sealUserinfo signs with the key of the issuer and encrypts as MAX does.
func sealUserinfo(t *testing.T, payload []byte, to any) string {
	t.Helper()
	key := issuer.SigningKey()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	encrypter, err := jose.NewEncrypter(jose.A128CBC_HS256, jose.Recipient{Algorithm: jose.RSA_OAEP, Key: to}, (&jose.EncrypterOptions{}).WithType("JWT").WithContentType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := encrypter.Encrypt([]byte(compact))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}
