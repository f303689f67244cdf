package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

func ecKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// introspection answers about opaque tokens (RFC 7662), unless it is away.
type introspection struct {
	*httptest.Server
	table *credentialTable
	asked atomic.Int64
	away  atomic.Bool
}

func newIntrospection(t testing.TB, table *credentialTable) *introspection {
	o := &introspection{table: table}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.asked.Add(1)
		id, secret, _ := r.BasicAuth()
		switch {
		case o.away.Load():
			http.Error(w, "<html>", http.StatusBadGateway)
			return
		case id != "zorgsluis" || secret != "introspection%2Bsecret":
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		claims, active := o.table.opaque[r.PostFormValue("token")]
		answer := m{"active": false}
		if active {
			answer = replaced(claims, "active", true)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(o.Close)
	return o
}

// newCredentials sets the stage for tokens of all kinds: the issuer is asked about opaque ones, encrypts to the gateway, and a proxy on this
// machine passes certificates on. It returns what to replace in the configuration.
func newCredentials(t *testing.T) (*world, *credentialTable, *introspection, []string) {
	w := newWorldOf(t, fhir.R4, leakFixtures()...)
	w.mustPut(permit(partyGP), leakD)
	table := newCredentialTable()
	o := newIntrospection(t, table)
	w.write("introspection-secret", "introspection+secret\n")
	key, err := json.Marshal(jose.JSONWebKey{Key: table.recipient, KeyID: "ours"})
	if err != nil {
		t.Fatal(err)
	}
	w.write("decryption-key", string(key))
	return w, table, o, []string{
		"admin:", "trusted_proxies: { certificate_header: Client-Cert, from: [\"127.0.0.1/32\"] }\nadmin:",
		"    channel: regional\n", "    channel: regional\n    encryption: { keys: [decryption-key], algorithms: [ECDH-ES] }\n" +
			"    introspection: { endpoint: \"" + o.URL + "\", token_prefix: opaque-, client_id: zorgsluis, secret_file: introspection-secret, cache: 60s }\n",
	}
}

// credentialed returns a read of D's laboratory result with exactly these headers.
func credentialed(h http.Header) question {
	q := labD
	q.header = h
	return q
}

// TestBadCredentials runs the whole table of bad tokens, proofs and other credentials on one gateway: first before it has seen good ones, then
// when it has all of them cached. Each is refused for its own reason, which is in its only event; none reaches the source or causes a lookup of
// consents; and no answer reveals more than the scheme that was used.
func TestBadCredentials(t *testing.T) {
	t.Parallel()
	w, table, _, configured := newCredentials(t)
	g, _ := w.start(append(configured, "events_per_minute: 1000", "events_per_minute: 100000")...)
	table.target = g.base + labD.path
	table.fill()
	if n := len(table.rows); n < 600 {
		t.Fatalf("%d bad credentials, want at least 600", n)
	}
	w.source.Reset()
	standings := g.steps(t, "standing")
	replies := map[string]badCredentials{}
	play := func() {
		for i, r := range askAll(t, g, table.rows) {
			table.rows[i].wantTold(t, r)
			replies[r.id] = table.rows[i]
		}
	}
	play()
	if asked := w.source.Requests(); len(asked) > 0 {
		t.Errorf("the source was asked %d times", len(asked))
	}
	if n := g.steps(t, "standing") - standings; n != 0 {
		t.Errorf("%g standings were read", n)
	}
	for range 2 {
		for name, h := range table.good() {
			if r := g.ask(demo.Caller{}, credentialed(h)); r.status != http.StatusOK {
				t.Errorf("%s: got %d %s", name, r.status, r.body)
			}
		}
	}
	w.source.Reset()
	standings = g.steps(t, "standing")
	play()
	if asked := w.source.Requests(); len(asked) > 0 {
		t.Errorf("with warm caches the source was asked %d times", len(asked))
	}
	if n := g.steps(t, "standing") - standings; n != 0 {
		t.Errorf("with warm caches %g standings were read", n)
	}
	w.wantReasons(t, replies)
	if log := g.logged(); strings.Contains(log, table.sign(table.header, table.claim)[:60]) || strings.Contains(log, "opaque-") {
		t.Error("the log holds a token")
	}
}

// askAll asks a few at a time, in the order of the rows.
func askAll(t *testing.T, g *gateway, rows []badCredentials) []reply {
	replies := make([]reply, len(rows))
	var work sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i, row := range rows {
		work.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			r, err := g.try(demo.Caller{}, credentialed(row.header))
			if err != nil {
				t.Errorf("%s: %v", row.name, err)
			}
			replies[i] = r
		})
	}
	work.Wait()
	return replies
}

// wantTold wants the answer that depends only on the scheme and the kind of fault.
func (row badCredentials) wantTold(t *testing.T, r reply) {
	t.Helper()
	status, code := http.StatusUnauthorized, "invalid_token"
	switch {
	case strings.HasPrefix(row.reason, "authorization-"):
		status, code = http.StatusBadRequest, "invalid_request"
	case strings.HasPrefix(row.reason, "proof-"):
		code = "invalid_dpop_proof"
	}
	challenge := r.header.Get("Www-Authenticate")
	scheme := "Bearer"
	if strings.HasPrefix(strings.Join(row.header["Authorization"], ""), "DPoP ") && status == http.StatusUnauthorized {
		scheme = "DPoP"
	}
	want := fmt.Sprintf(`%s error=%q, `, scheme, code)
	if row.reason == "token-missing" {
		want = `Bearer resource_metadata="`
	}
	if r.status != status || !strings.HasPrefix(challenge, want) || issueCode(r.body) != "login" {
		t.Errorf("%s: got %d %s %s, want %d %s", row.name, r.status, challenge, r.body, status, want)
	}
	for _, told := range []string{challenge, r.body} {
		if strings.Contains(told, row.reason) {
			t.Errorf("%s: the caller is told the reason", row.name)
		}
	}
}

// wantReasons wants exactly one event for each reply, with the reason of its row.
func (w *world) wantReasons(t *testing.T, replies map[string]badCredentials) {
	t.Helper()
	found := map[string]int{}
	for _, e := range w.events() {
		row, ours := replies[e.Request]
		if !ours {
			continue
		}
		found[e.Request]++
		if string(e.Reason) != row.reason || e.Outcome != audit.OutcomeDeny || e.Kind != audit.KindUnauthenticated || e.Person != "" {
			t.Errorf("%s: the event says %s %s %s, want %s", row.name, e.Kind, e.Outcome, e.Reason, row.reason)
		}
	}
	for id, row := range replies {
		if found[id] != 1 {
			t.Errorf("%s: left %d events, want 1", row.name, found[id])
		}
	}
}

// steps returns how often a step of requests was done.
func (g *gateway) steps(t *testing.T, step string) (n float64) {
	t.Helper()
	resp, err := g.client.Get(g.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), fmt.Sprintf("zorgsluis_step_seconds_count{step=%q} ", step))
	if !found {
		return 0
	}
	_, _ = fmt.Sscan(rest, &n)
	return n
}

// TestProofsOnTwoInstances: a proof is valid for one request, on whichever instance; Redis keeps only a hash of it.
func TestProofsOnTwoInstances(t *testing.T) {
	t.Parallel()
	w, table, _, configured := newCredentials(t)
	configured = append(configured, `public_url: "{scheme}://{listen}"`, `public_url: "https://gateway.example"`)
	a, _ := w.start(configured...)
	b, _ := w.start(configured...)
	table.target = "https://gateway.example" + labD.path
	token := table.bound(table.jkt())
	proved := func() question {
		return credentialed(http.Header{"Authorization": {"DPoP " + token}, "Dpop": {table.proof(token, nil, nil)}})
	}
	q := proved()
	a.ask(demo.Caller{}, q).wantStatus(t, http.StatusOK, "a proof")
	for _, g := range []*gateway{a, b} {
		r := g.ask(demo.Caller{}, q).wantStatus(t, http.StatusUnauthorized, "the proof once more")
		w.wantEvent(r, audit.OutcomeDeny, "proof-replayed")
	}
	q = proved()
	var taken, replayed atomic.Int64
	var work sync.WaitGroup
	for i := range 16 {
		g := []*gateway{a, b}[i%2]
		work.Go(func() {
			r, err := g.try(demo.Caller{}, q)
			switch {
			case err == nil && r.status == http.StatusOK:
				taken.Add(1)
			case err == nil && r.status == http.StatusUnauthorized:
				replayed.Add(1)
			}
		})
	}
	work.Wait()
	if taken.Load() != 1 || replayed.Load() != 15 {
		t.Errorf("one proof sixteen times: %d taken, %d replayed", taken.Load(), replayed.Load())
	}
	keys, err := w.client().Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, key := range keys {
		if strings.Contains(key, "}:u:") {
			used++
		}
		if strings.Contains(key, "proof-") || strings.Contains(key, table.jkt()["jkt"].(string)) {
			t.Errorf("key %s tells of a proof", key)
		}
	}
	if used != 2 {
		t.Errorf("%d used proofs are remembered, want 2", used)
	}
	w.source.Reset()
	w.redis.Kill()
	b.ask(demo.Caller{}, proved()).wantStatus(t, http.StatusServiceUnavailable, "a proof, and nobody knows whether it was used")
	if asked := w.source.Requests(); len(asked) > 0 {
		t.Errorf("the source was asked %d times", len(asked))
	}
}

// TestIntrospectionAway: while the issuer is unavailable, unknown opaque tokens are not accepted, and not called invalid either; earlier answers
// count as long as configured.
func TestIntrospectionAway(t *testing.T) {
	t.Parallel()
	w, table, o, configured := newCredentials(t)
	g, _ := w.start(configured...)
	table.opaque["opaque-known"], table.opaque["opaque-new"] = table.claim, table.claim
	bearer := func(token string) question { return credentialed(http.Header{"Authorization": {"Bearer " + token}}) }
	w.wantEvent(g.ask(demo.Caller{}, bearer("opaque-known")).wantStatus(t, http.StatusOK, "a token"), audit.OutcomePermit, "ok-consent")
	o.away.Store(true)
	w.source.Reset()
	for range 2 {
		g.ask(demo.Caller{}, bearer("opaque-new")).wantStatus(t, http.StatusServiceUnavailable, "a new token while the issuer is away")
	}
	if asked := w.source.Requests(); len(asked) > 0 {
		t.Errorf("the source was asked %d times", len(asked))
	}
	g.ask(demo.Caller{}, bearer("opaque-known")).wantStatus(t, http.StatusOK, "a token that is kept")
	o.away.Store(false)
	g.ask(demo.Caller{}, bearer("opaque-new")).wantStatus(t, http.StatusOK, "when the issuer is back")
	if n := o.asked.Load(); n != 4 {
		t.Errorf("the issuer was asked %d times, want 4", n)
	}
}

// TestCertificateOfTheConnection: a token bound to a certificate is valid only on a connection of its holder. A certificate of another authority
// cannot even connect, and a header has no effect here.
func TestCertificateOfTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, fhir.R4, leakFixtures()...)
	w.mustPut(permit(partyGP), leakD)
	w.certificate()
	table := newCredentialTable()
	w.write("callers.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: table.certificate.Raw})))
	g, _ := w.start("admin:", "tls: { certificate_file: certificate.pem, key_file: key.pem, client_certificates: { ca_file: callers.pem } }\nadmin:")
	bound := credentialed(http.Header{"Authorization": {"Bearer " + table.bound(table.x5t())}})
	transport := func(certificates ...tls.Certificate) *gateway {
		other := &gateway{t: t, base: g.base}
		config := &tls.Config{RootCAs: w.roots}
		if len(certificates) > 0 { // whichever authorities the server names
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificates[0], nil }
		}
		other.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}, Timeout: endWithin}
		return other
	}
	holder := transport(tls.Certificate{Certificate: [][]byte{table.certificate.Raw}, PrivateKey: table.key})
	w.wantEvent(holder.ask(demo.Caller{}, bound).wantStatus(t, http.StatusOK, "the holder"), audit.OutcomePermit, "ok-consent")
	w.source.Reset()
	nobody := transport()
	w.wantEvent(nobody.ask(demo.Caller{}, bound).wantStatus(t, http.StatusUnauthorized, "without a certificate"), audit.OutcomeDeny, "token-certificate")
	w.wantEvent(nobody.ask(demo.Caller{}, bound.with("Client-Cert", table.shown())).wantStatus(t, http.StatusUnauthorized, "with a header"), audit.OutcomeDeny, "token-certificate")
	nobody.ask(demo.GP(), labD).wantStatus(t, http.StatusOK, "another token needs no certificate")
	stranger := newCredentialTable()
	if r, err := transport(tls.Certificate{Certificate: [][]byte{stranger.certificate.Raw}, PrivateKey: stranger.key}).try(demo.Caller{}, bound); err == nil {
		t.Errorf("a certificate of another authority: got %d", r.status)
	}
}

// TestProofNonces: if an issuer is configured so, a proof must contain a nonce of the gateway. A caller without one gets it, and can use it at
// every instance.
func TestProofNonces(t *testing.T) {
	t.Parallel()
	w, table, _, configured := newCredentials(t)
	configured = append(configured, `public_url: "{scheme}://{listen}"`, `public_url: "https://gateway.example"`, "    encryption:", "    dpop_nonce: true\n    encryption:")
	a, _ := w.start(configured...)
	b, _ := w.start(configured...)
	table.target = "https://gateway.example" + labD.path
	proved := func(token string, claims m) question {
		return credentialed(http.Header{"Authorization": {"DPoP " + token}, "Dpop": {table.proof(token, nil, claims)}})
	}
	token := table.bound(table.jkt())
	w.source.Reset()
	nonce := ""
	for name, claims := range map[string]m{"no nonce": nil, "another's nonce": {"nonce": "x"}} {
		r := a.ask(demo.Caller{}, proved(token, claims)).wantStatus(t, http.StatusUnauthorized, name)
		w.wantEvent(r, audit.OutcomeDeny, "proof-nonce")
		nonce = r.header.Get("DPoP-Nonce")
		if challenge := r.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, `DPoP error="use_dpop_nonce", `) || nonce == "" {
			t.Errorf("%s: got challenge %s and nonce %q", name, challenge, nonce)
		}
	}
	if n := len(w.source.Requests()); n != 0 {
		t.Errorf("the source was asked %d times", n)
	}
	for _, g := range []*gateway{a, b, a} {
		r := g.ask(demo.Caller{}, proved(token, m{"nonce": nonce})).wantStatus(t, http.StatusOK, "with the nonce")
		w.wantEvent(r, audit.OutcomePermit, "ok-consent")
	}
	used := proved(token, m{"nonce": nonce})
	b.ask(demo.Caller{}, used).wantStatus(t, http.StatusOK, "with the nonce, at the other")
	r := a.ask(demo.Caller{}, used).wantStatus(t, http.StatusUnauthorized, "the same proof")
	if w.wantEvent(r, audit.OutcomeDeny, "proof-replayed"); r.header.Get("DPoP-Nonce") != "" {
		t.Error("a nonce is told to somebody who needs none")
	}
	// An insufficient sign-in is reported in the scheme of the request.
	low := table.sign(table.header, replaced(replaced(table.claim, "acr", "http://eidas.europa.eu/LoA/low"), "cnf", table.jkt()))
	r = a.ask(demo.Caller{}, proved(low, m{"nonce": nonce})).wantStatus(t, http.StatusUnauthorized, "a level that is too low")
	w.wantEvent(r, audit.OutcomeDeny, "insufficient-assurance")
	if challenge := r.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, `DPoP error="insufficient_user_authentication", `) || !strings.Contains(challenge, `algs="ES256 ES384 PS256 EdDSA"`) {
		t.Errorf("got challenge %s, want one for DPoP", challenge)
	}
}
