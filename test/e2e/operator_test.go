package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/demo"
)

// TestConfigurationErrors: an invalid configuration stops serve and check alike with exit code 2, and reports every problem at once, each with
// file, line and key.
func TestConfigurationErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file, _, _, _ := w.configure("store: { shards: {shards},", "nonsense: 1\nstore: { shards: 0,", "timeout: 8s", "timeout: soon", "emergency_categories: [gp, hospital]", "emergency_categories: [gp, fire]")
	for _, sub := range []string{"serve", "check"} {
		r := command(t, "", sub, "--config", file)
		if r.code != 2 {
			t.Errorf("%s: got exit code %d, want 2", sub, r.code)
		}
		for _, want := range []string{`:\d+:.*nonsense`, `:\d+:.*store\.shards`, `:\d+:.*sources\[0\]\.timeout`, `:\d+:.*policy\.emergency_categories\[1\]`} {
			if !regexp.MustCompile(regexp.QuoteMeta(file) + want).MatchString(r.stderr) {
				t.Errorf("%s: no line with %s in\n%s", sub, want, r.stderr)
			}
		}
	}
	for name, replace := range map[string][]string{
		"plain HTTP on every address":   {`listen: "{listen}"`, `listen: "0.0.0.0:18080"`},
		"a secret that others may read": {"cursor_key_files: [cursor-key]", "cursor_key_files: [readable]"},
		"a key given twice":             {"{ folder: archive,", "{ folder: archive, folder: other,"},
		"public_url without TLS":        {`"{scheme}://{listen}"`, `"http://zorgsluis.example"`},
	} {
		readable := w.write("readable", "aaaa\n")
		if err := os.Chmod(readable, 0o644); err != nil {
			t.Fatal(err)
		}
		file, _, _, _ := w.configure(replace...)
		if r := command(t, "", "serve", "--config", file); r.code != 2 || !regexp.MustCompile(regexp.QuoteMeta(file)+`:\d+:`).MatchString(r.stderr) {
			t.Errorf("%s: got exit code %d, want 2 and a line\n%s", name, r.code, r.stderr)
		}
	}
	for _, args := range [][]string{{}, {"nonsense"}, {"serve"}, {"serve", "--config", filepath.Join(w.folder, "absent.yaml")}, {"serve", "--nonsense"}} {
		if r := command(t, "", args...); r.code != 2 {
			t.Errorf("gateway %v: got exit code %d, want 2\n%s", args, r.code, r.stderr)
		}
	}
}

// TestRefusesAnUnsafeRedis: the gateway does not serve with a server that could lose what it acknowledged; the message names the setting.
func TestRefusesAnUnsafeRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for setting, bad := range map[string]string{"appendfsync": "everysec", "maxmemory-policy": "allkeys-lru", "maxmemory": "0", "no-appendfsync-on-rewrite": "yes"} {
		before := w.redis.Client().ConfigGet(t.Context(), setting).Val()[setting]
		w.redis.Do("config", "set", setting, bad)
		file, scheme, listen, admin := w.configure()
		g := w.launch(file, scheme, listen, admin)
		if code := g.ended(); code != 1 || !strings.Contains(g.out.String(), setting) {
			t.Errorf("%s %s: got exit code %d, want 1 and the setting\n%s", setting, bad, code, g.out.String())
		}
		w.redis.Do("config", "set", setting, before)
	}
	w.start()
}

// TestCheckAndVersion: check prints what the policy amounts to, version the running version.
func TestCheckAndVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file, _, _, _ := w.configure()
	out := must(t, "", "check", "--config", file)
	for _, want := range []string{"is good", "demo", w.source.URL(), w.issuer.URL(), "emergency-doctor", "at least substantial",
		"shut out by law", "insurer", "gets 0 of all data categories", "from 12 years"} {
		if !strings.Contains(out, want) {
			t.Errorf("check does not say %q:\n%s", want, out)
		}
	}
	if out := must(t, "", "version"); !regexp.MustCompile(`^zorgsluis \S+`).MatchString(out) {
		t.Errorf("got version %q", out)
	}
	if out := must(t, "", "--help"); !strings.Contains(out, "consent") || !strings.Contains(out, "serve") {
		t.Errorf("the help is %q", out)
	}
}

// TestAdminListener: health and metrics have their own listener, which leads to no source.
func TestAdminListener(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	g.ask(demo.GP(), search("Condition", demo.Karena())).wantStatus(t, http.StatusOK, "a request")
	g.ask(demo.Insurer(), search("Condition", demo.Karena())).wantStatus(t, http.StatusForbidden, "a refusal")
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/metrics": 200, "/": 404, "/gateway/metadata": 404,
		"/fhir/demo/Patient/" + string(demo.Karena().PatientID): 404,
	} {
		if status, body := g.admined(path); status != want {
			t.Errorf("%s: got status %d, want %d\n%s", path, status, want, tail(body, 300))
		}
	}
	w.wantMetric(g, `zorgsluis_requests_total{interaction="search-type",status="200"} 1`,
		`zorgsluis_requests_total{interaction="search-type",status="403"} 1`, "zorgsluis_alerts_total 1")
	_, metrics := g.admined("/metrics")
	for _, want := range []string{"zorgsluis_step_seconds", "zorgsluis_build_info"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	_, ready := g.admined("/readyz")
	var state struct{ Components map[string]string }
	if err := json.Unmarshal([]byte(ready), &state); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"redis", "store", "archive", "issuer:" + w.issuer.URL()} {
		if state.Components[name] != "ok" {
			t.Errorf("component %s is %q, want ok", name, state.Components[name])
		}
	}
	for _, path := range []string{"/fhir/demo/metadata", "/gateway/metadata"} {
		r := g.ask(demo.Caller{}, get(path)).wantStatus(t, http.StatusOK, path)
		var statement struct{ ResourceType, FhirVersion string }
		if err := json.Unmarshal([]byte(r.body), &statement); err != nil || statement.ResourceType != "CapabilityStatement" || statement.FhirVersion != "4.0.1" {
			t.Errorf("%s: got %+v %v", path, statement, err)
		}
	}
}

func (g *gateway) admined(path string) (int, string) {
	g.t.Helper()
	resp, err := g.client.Get(g.admin + path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestTLS: with a certificate from files the gateway uses TLS, and plain HTTP does not reach the gate.
func TestTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.certificate()
	g, _ := w.start(`listen: "{listen}"`, "listen: \"{listen}\"\ntls: { certificate_file: certificate.pem, key_file: key.pem }")
	r := g.ask(demo.GP(), search("Condition", demo.Karena())).wantStatus(t, http.StatusOK, "TLS")
	w.wantEvent(r, audit.OutcomePermit, "ok-consent")
	if next := g.ask(demo.GP(), search("Observation", demo.Karena(), "_count", "2")).link(g, "next"); !strings.HasPrefix(next, "/fhir/") {
		t.Errorf("the link is %q, want one on %s", next, g.base)
	}
	plain := &gateway{t: t, base: "http://" + strings.TrimPrefix(g.base, "https://"), client: g.client}
	if got, err := plain.try(demo.GP(), search("Condition", demo.Karena())); err == nil && got.status != http.StatusBadRequest {
		t.Errorf("plain HTTP got status %d, want 400", got.status)
	}
}

// certificate makes a certificate for 127.0.0.1 and its key in the test's folder.
func (w *world) certificate() {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "zorgsluis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		w.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	w.write("certificate.pem", string(chain))
	w.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	w.roots = x509.NewCertPool()
	w.roots.AppendCertsFromPEM(chain)
}

// TestConsentCommands: an operator's way from an empty Redis to a consent that works, and back.
func TestConsentCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.redis.Do("flushall")
	must(t, "", "keys", "generate", "--folder", filepath.Join(w.folder, "secrets"))
	file, scheme, listen, admin := w.configure("person_secret_file: person-secret, sealing_key_file: sealing-key", "person_secret_file: secrets/person-secret, sealing_key_file: secrets/sealing-key",
		"[cursor-key]", "[secrets/cursor-key]")
	early := w.launch(file, scheme, listen, admin)
	if code := early.ended(); code != 1 || !strings.Contains(early.out.String(), "gateway store init") {
		t.Errorf("serving without a store: got exit code %d, want 1 and what to do\n%s", code, early.out.String())
	}
	must(t, "", "store", "init", "--config", file)
	g := w.launch(file, scheme, listen, admin).started()
	karena := demo.Karena()
	record := func(r consent.Record) string {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return w.write("record.json", string(b))
	}
	g.ask(demo.GP(), search("Condition", karena)).wantStatus(t, http.StatusForbidden, "nothing on file")
	everybody := permit(consent.Side{}, "GGC002")
	if r := command(t, karena.BSN, "consent", "put", "--config", file, "--record", record(everybody)); r.code != 2 || !strings.Contains(r.stderr, "party") {
		t.Errorf("a consent for everybody: got exit code %d, want 2 and the field\n%s", r.code, r.stderr)
	}
	granted := record(permit(partyGP, "GGC002"))
	id := strings.TrimSpace(must(t, karena.BSN+"\n", "consent", "put", "--config", file, "--record", granted, "--request-id", "one"))
	if again := strings.TrimSpace(must(t, karena.BSN+"\n", "consent", "put", "--config", file, "--record", granted, "--request-id", "one")); again != id {
		t.Errorf("the same request gave %s and %s, want the same id", id, again)
	}
	g.ask(demo.GP(), search("Condition", karena)).wantStatus(t, http.StatusOK, "permitted")
	if r := command(t, karena.BSN, "consent", "withdraw", "--config", file, "--by", "patient", "--if-generation", "7", id); r.code != 1 {
		t.Errorf("a withdrawal at another generation: got exit code %d, want 1", r.code)
	}
	if r := command(t, demo.Milan().BSN, "consent", "withdraw", "--config", file, "--by", "patient", id); r.code == 0 {
		t.Error("another person's record was withdrawn")
	}
	must(t, karena.BSN, "consent", "withdraw", "--config", file, "--by", "patient", "--if-generation", "1", id)
	g.ask(demo.GP(), search("Condition", karena)).wantStatus(t, http.StatusForbidden, "withdrawn")
	list := must(t, karena.BSN, "consent", "list", "--config", file)
	history := must(t, karena.BSN, "consent", "history", "--config", file)
	var versions []json.RawMessage
	if err := json.Unmarshal([]byte(history), &versions); err != nil || len(versions) != 2 {
		t.Errorf("the history has %d versions, want 2: %v", len(versions), err)
	}
	if !strings.Contains(list, id) || !strings.Contains(list, `"withdrawn"`) {
		t.Errorf("the list does not tell of the withdrawal:\n%s", list)
	}
	must(t, "", "store", "check", "--config", file)
	g.stop()
	kinds := []audit.Kind{}
	for _, e := range w.archived() {
		kinds = append(kinds, e.Kind)
	}
	if n := len(slices.DeleteFunc(kinds, func(k audit.Kind) bool { return k != audit.KindConsent })); n != 2 {
		t.Errorf("got %d events of consent changes, want 2", n)
	}
}

// TestTour: the tour of the demo, with its embedded Redis, exits with code 0.
func TestTour(t *testing.T) {
	t.Parallel()
	out := must(t, "", "demo", "--tour")
	for _, want := range []string{"Everything went as told", "company doctor", "withdraws", "emergency"} {
		if !strings.Contains(out, want) {
			t.Errorf("the tour does not say %q", want)
		}
	}
	for _, p := range demo.People() {
		if strings.Contains(out, p.BSN) {
			t.Errorf("the tour shows the BSN of %s", p.Name)
		}
	}
}

// TestEmbeddedRedis: a gateway with its own Redis keeps what it acknowledged, also when it is killed.
func TestEmbeddedRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file, scheme, listen, admin := w.configure(`{ mode: external, addresses: ["{redis}"] }`, "{ mode: embedded, folder: redis }")
	must(t, "", "store", "init", "--config", file)
	g := w.launch(file, scheme, listen, admin).started()
	b, err := json.Marshal(permit(partyGP, "GGC002"))
	if err != nil {
		t.Fatal(err)
	}
	karena, ask := demo.Karena(), search("Condition", demo.Karena())
	g.ask(demo.GP(), ask).wantStatus(t, http.StatusForbidden, "nothing on file")
	id := strings.TrimSpace(must(t, karena.BSN, "consent", "put", "--config", file, "--record", w.write("record.json", string(b))))
	released := g.ask(demo.GP(), ask).wantStatus(t, http.StatusOK, "permitted")
	g.kill()
	g = w.again(g, file)
	g.ask(demo.GP(), ask).wantStatus(t, http.StatusOK, "permitted, after a kill")
	must(t, karena.BSN, "consent", "withdraw", "--config", file, "--by", "patient", id)
	g.kill()
	g = w.again(g, file)
	g.ask(demo.GP(), ask).wantStatus(t, http.StatusForbidden, "withdrawn, after a kill")
	g.stop()
	n := 0
	for _, e := range w.archived() {
		if e.Request == released.id {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the archive has %d events of the release before the kill, want 1", n)
	}
	w.wantArchiveWhole()
}
