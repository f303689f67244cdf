package e2e_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// guarded accepts events with the newest token of an endpoint.
func guarded(t *testing.T, f *followed, endpoint *tokenEndpoint, ids func([]byte) []string, answer func(n int) string) (server *httptest.Server, bare *atomic.Int32) {
	bare = new(atomic.Int32)
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || token == "" {
			bare.Add(1)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || token != endpoint.newest() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		found := ids(body)
		f.keep(string(body), found...)
		_, _ = io.WriteString(w, answer(len(found)))
	}))
	t.Cleanup(server.Close)
	return server, bare
}

// TestFollowersBehindOAuth: a repository requires a token obtained with a signed assertion, and a webhook one obtained with a certificate. The
// token endpoint is unavailable at first, and a token is refused in between: nothing is sent without a token, and all events arrive.
func TestFollowersBehindOAuth(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), newAuthority(t)
	key := curveKey(t)
	private, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: "gateway", Algorithm: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	own := a.issue(curveKey(t), "gateway.example", time.Hour)
	for name, text := range map[string]string{
		"assertion-key": string(private), "ca.pem": a.pem, "own.pem": own.certificate, "own.key": own.key,
		"follower-secret": base64.StdEncoding.EncodeToString([]byte(marker + "-webhook-secret-000000")),
	} {
		w.write(name, text)
	}
	served := []tls.Certificate{a.issue(curveKey(t), "127.0.0.1", time.Hour).pair}
	signed := newTokenEndpoint(t, &tls.Config{Certificates: served}, func(r *http.Request) string {
		assertion, err := jwt.ParseSigned(r.PostFormValue("client_assertion"), []jose.SignatureAlgorithm{jose.ES256})
		var claims jwt.Claims
		if err != nil || assertion.Claims(&key.PublicKey, &claims) != nil || claims.Subject != "zorgsluis" {
			return "the assertion is not good"
		}
		return ""
	})
	shown := newTokenEndpoint(t, &tls.Config{Certificates: served, ClientCAs: a.pool(), ClientAuth: tls.RequireAndVerifyClientCert}, func(*http.Request) string { return "" })
	signed.does(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, marker, http.StatusServiceUnavailable) })

	repository, alerts := &followed{t: t}, &followed{t: t}
	fhirServer, bareFHIR := guarded(t, repository, signed, auditEventIDs, func(n int) string {
		return `{"resourceType":"Bundle","type":"batch-response","entry":[` + strings.TrimSuffix(strings.Repeat(`{"response":{"status":"200"}},`, n), ",") + `]}`
	})
	hook, bareHook := guarded(t, alerts, shown, cloudEventIDs, func(int) string { return "" })
	g, _ := w.start("cursor_key_files", `followers:
  - { name: repository, kind: fhir, url: "`+fhirServer.URL+`/fhir", batch: 3, oauth: { token_url: "`+signed.URL+`/token", client_id: zorgsluis, assertion_key_file: assertion-key, scopes: ["system/*.read"], tls: { ca_file: ca.pem } } }
  - { name: alerts, kind: webhook, url: "`+hook.URL+`/hook", secret_file: follower-secret, oauth: { token_url: "`+shown.URL+`/token", client_id: zorgsluis, scopes: ["system/*.read"], tls: { ca_file: ca.pem, certificate_file: own.pem, key_file: own.key } } }
cursor_key_files`)
	ask := func() {
		t.Helper()
		for range 5 {
			g.ask(demo.GP(), search("Condition", demo.Karena())).wantStatus(t, http.StatusOK, "while followers come and go")
		}
	}
	ask()
	until(t, endWithin, "the repository to fail", func() bool {
		_, said := g.admined("/metrics")
		return !strings.Contains(said, `zorgsluis_follower_failures_total{follower="repository"} 0`)
	})
	until(t, endWithin, "the webhook to have all of them", func() bool { return len(alerts.first()) >= 5 })
	if got := repository.first(); len(got) > 0 || bareFHIR.Load() > 0 {
		t.Errorf("without a token the repository was sent %v, asked %d times", got, bareFHIR.Load())
	}
	signed.give(3600)
	until(t, endWithin, "the repository to have all of them", func() bool { return len(repository.first()) >= 5 })
	signed.mu.Lock()
	signed.given = append(signed.given, marker+"-in-between") // the repository accepts another one now
	signed.mu.Unlock()
	ask()
	for _, f := range []*followed{repository, alerts} {
		until(t, endWithin, "everything to arrive", func() bool { return len(w.outbox()) == 0 && len(f.first()) >= len(w.archived()) })
		var want []audit.EventID
		for _, e := range w.archived() {
			want = append(want, e.ID)
		}
		if got := f.first(); !slices.Equal(got, want) {
			t.Errorf("got events\n%v\nwant those of the archive\n%v", got, want)
		}
	}
	if bareFHIR.Load()+bareHook.Load() > 0 || len(signed.refused)+len(shown.refused) > 0 {
		t.Errorf("got %d and %d requests without a token, refusals %v and %v", bareFHIR.Load(), bareHook.Load(), signed.refused, shown.refused)
	}
	_, metrics := g.admined("/metrics")
	_, ready := g.admined("/readyz")
	if strings.Contains(g.logged()+metrics+ready, marker) {
		t.Error("a token, or what the endpoint said, is in the log, the metrics or readiness")
	}
}
