package e2e_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"zorgsluis/internal/demo"
)

// gatewayAudience is the resource (RFC 8707) for which the provider issues signed tokens; those for opaqueAudience are opaque.
const (
	gatewayAudience = "urn:zorgsluis"
	opaqueAudience  = "urn:zorgsluis:opaque"
)

// openID is a real, public OpenID provider (oidc-provider/provider.mjs), in its own process.
type openID struct {
	t       testing.TB
	address string
	port    int
	clients []map[string]any
	stop    func()
	in      io.Writer
	out     *bufio.Scanner
}

const openIDSecret = "a-secret-that-is-long-enough-for-it"

// installing serialises npm: the tests run in parallel and share each folder of modules.
var installing sync.Mutex

// nodeModules installs what the lock file in a folder says, once.
func nodeModules(folder string) error {
	installing.Lock()
	defer installing.Unlock()
	if _, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json")); err == nil {
		return nil
	}
	install := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = folder
	out, err := install.CombinedOutput()
	if err != nil {
		_, _ = os.Stderr.Write(out)
	}
	return err
}

// newOpenID chooses where the provider will be. It is not started yet.
func newOpenID(t testing.TB) *openID {
	t.Helper()
	if err := nodeModules("oidc-provider"); err != nil {
		t.Fatalf("the tests need node, npm and the modules of test/e2e/oidc-provider: run  make node : %v", err)
	}
	p := &openID{t: t, address: freeAddress(t), stop: func() {}}
	u, err := url.Parse(p.url())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(u.Port()), &p.port); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *openID) url() string { return "http://" + p.address }

// newSigningKey makes a private key as a JWK.
func newSigningKey(t testing.TB, id string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: id, Algorithm: "ES256", Use: "sig"}
}

// run starts the process, with these keys.
func (p *openID) run(keys ...jose.JSONWebKey) {
	p.t.Helper()
	cmd := exec.Command("node", "provider.mjs")
	cmd.Dir = "oidc-provider"
	stdin, err := cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	said := &output{}
	cmd.Stderr = said
	var failed error
	done, err := spawn(cmd, &failed)
	if err != nil {
		p.t.Fatalf("start the OpenID provider: %v", err)
	}
	p.in, p.out = stdin, bufio.NewScanner(stdout)
	p.stop = func() {
		_ = cmd.Process.Kill() // it may have exited
		<-done
	}
	p.t.Cleanup(func() {
		p.stop()
		if p.t.Failed() {
			p.t.Logf("the OpenID provider said:\n%s", tail(said.String(), 3000))
		}
	})
	p.become(keys...)
}

// become replaces its keys; the first signs.
func (p *openID) become(keys ...jose.JSONWebKey) {
	p.t.Helper()
	line, err := json.Marshal(map[string]any{"port": p.port, "keys": keys, "opaque": opaqueAudience, "clients": p.clients})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		p.t.Fatalf("tell the OpenID provider: %v", err)
	}
	for p.out.Scan() { // it prints advice as well
		if p.out.Text() == "listening" {
			return
		}
	}
	p.t.Fatal("the OpenID provider ended")
}

// register makes a client of a caller: the provider makes the same claims about it as the demo's issuer.
func (p *openID) register(caller demo.Caller, claims map[string]any) {
	p.clients = append(p.clients, map[string]any{"id": caller.ClientID, "secret": openIDSecret, "claims": claims})
}

// token obtains a token by client_credentials, for a resource.
func (p *openID) token(client, resource string) string {
	p.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"zorgsluis"}, "resource": {resource}}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url()+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	req.SetBasicAuth(client, openIDSecret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatalf("token: %v", err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		p.t.Fatalf("token: status %d, %q, %v", resp.StatusCode, answer.Error, err)
	}
	return answer.Token
}

// gpClaims are the claims of the demo's general practitioner.
func gpClaims() map[string]any {
	gp := demo.GP().Claims
	return map[string]any{
		"sub": gp.Subject, "kind": gp.Kind, "acr": gp.ACR, "name": gp.Name, "organization_ura": gp.OrganizationURA,
		"organization_type": gp.OrganizationType, "uzi": gp.UZI, "uzi_roles": gp.UZIRoles, "relationship": gp.Relationship,
		"purpose_of_use": gp.PurposeOfUse,
	}
}

// startWith starts a gateway with this provider as its issuer; keys is its issuer_keys.
func (w *world) startWith(p *openID, audience, keys, more string) *gateway {
	w.t.Helper()
	g, _ := w.start(
		"issuers:\n", "issuer_keys: "+keys+"\nissuers:\n", "{issuer}", p.url(), "{audience}", audience, "{algorithm}", "ES256",
		"    kind:", more+"    kind:",
	)
	return g
}

// TestAnOpenIDProviderThatIsNotOurs: discovery, tokens, rotation, removal, outage and recovery of a certified provider.
func TestAnOpenIDProviderThatIsNotOurs(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newOpenID(t)
	p.register(demo.GP(), gpClaims())
	first, second := newSigningKey(t, "first"), newSigningKey(t, "second")
	p.run(first)
	token := p.token("gp", gatewayAudience)
	p.stop()

	g := w.startWith(p, gatewayAudience, "{ refresh: 1s, cool_down: 1s, keep: 6s }", "    required_scope: zorgsluis\n")
	ask := func(token string) reply {
		q := searchID("Condition", demo.Karena())
		q.token = token
		return g.ask(demo.GP(), q)
	}
	becomes := func(token string, status int, what string) {
		t.Helper()
		until(t, startWithin, what, func() bool { return ask(token).status == status })
	}
	ask(token).wantUnavailable(t, "a gateway that started before the provider")
	if _, text := g.readyText(); !strings.Contains(text, p.url()) {
		t.Errorf("readiness does not name the issuer that is missing: %s", text)
	}

	p.run(first)
	becomes(token, http.StatusOK, "the provider to be found")
	until(t, startWithin, "the gateway to be ready", func() bool { status, _ := g.readiness(); return status == http.StatusOK })
	for name, bad := range map[string]string{
		"a token for another resource": p.token("gp", "urn:another"),
		"an opaque token":              p.token("gp", opaqueAudience),
	} {
		ask(bad).wantStatus(t, http.StatusUnauthorized, name).wantNothing(t, name)
	}

	p.become(second, first)
	rotated := p.token("gp", gatewayAudience)
	becomes(rotated, http.StatusOK, "the new key to be found")
	ask(token).wantStatus(t, http.StatusOK, "a token of the older key, which is still there")
	p.become(second)
	becomes(token, http.StatusUnauthorized, "the removed key to stop")
	ask(rotated).wantStatus(t, http.StatusOK, "a token of the key that stayed")

	p.stop()
	ask(rotated).wantStatus(t, http.StatusOK, "a provider that has just gone")
	becomes(rotated, http.StatusServiceUnavailable, "keys that are too old to stop")
	p.run(second)
	becomes(rotated, http.StatusOK, "the provider to be back")
}

// TestAnOpenIDProviderThatIsAskedAboutOpaqueTokens: the same provider, asked about its opaque tokens (RFC 7662).
func TestAnOpenIDProviderThatIsAskedAboutOpaqueTokens(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newOpenID(t)
	p.register(demo.GP(), gpClaims())
	p.register(demo.Caller{ClientID: "zorgsluis"}, nil)
	p.run(newSigningKey(t, "only"))
	w.write("introspection-secret", openIDSecret+"\n")
	g := w.startWith(p, opaqueAudience, "{ refresh: 1s, cool_down: 1s, keep: 6s }",
		"    introspection: { client_id: zorgsluis, secret_file: introspection-secret }\n")
	until(t, startWithin, "the provider to be found", func() bool { status, _ := g.readiness(); return status == http.StatusOK })
	q := searchID("Condition", demo.Karena())
	q.token = p.token("gp", opaqueAudience)
	g.ask(demo.GP(), q).wantStatus(t, http.StatusOK, "an opaque token that the provider vouches for")
	q.token = strings.Repeat("x", len(q.token))
	g.ask(demo.GP(), q).wantStatus(t, http.StatusUnauthorized, "an opaque token that it does not know").wantNothing(t, "an unknown opaque token")
	q.token = p.token("gp", gatewayAudience)
	g.ask(demo.GP(), q).wantStatus(t, http.StatusUnauthorized, "a signed token for another audience")
}

// readyText returns the whole of /readyz.
func (g *gateway) readyText() (int, string) {
	g.t.Helper()
	resp, err := g.client.Get(g.admin + "/readyz")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}
