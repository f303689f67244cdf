package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/configs"
	"zorgsluis/internal/config/configtest"
)

// problemsOf returns the problems of a configuration, by key.
func problemsOf(t *testing.T, err error) map[string]*configs.Problem {
	t.Helper()
	found := map[string]*configs.Problem{}
	for _, e := range unjoin(err) {
		var p *configs.Problem
		if !errors.As(e, &p) {
			t.Errorf("got error %v, which names no key", e)
			continue
		}
		found[p.Key] = p
	}
	return found
}

func TestGoodConfigurationLoads(t *testing.T) {
	s, err := Load(configtest.Place(t, configtest.Good))
	if err != nil {
		t.Fatalf("got error %v", err)
	}
	if s.Policy == nil || s.PolicyHash == "" || len(s.CursorKeys) != 1 || len(s.Authn.Issuers) != 1 {
		t.Errorf("got settings that are not whole: %+v", s)
	}
	if got, want := s.File.Limits.Memory, size(256<<20); got != want {
		t.Errorf("got memory %s, want %s", got, want)
	}
	if got, want := s.File.Admin.Listen, "127.0.0.1:9464"; got != want {
		t.Errorf("got admin.listen %q, want %q", got, want)
	}
}

// TestBadConfiguration breaks one thing at a time. line is a text in the broken file: the problem must be reported with its line.
func TestBadConfiguration(t *testing.T) {
	tests := []struct {
		name      string
		old, new  string
		key, line string
		what      string
	}{
		{"an unknown key", "  shards: 4\n", "  shards: 4\n  shard: 5\n", "store.shard", "  shard: 5", "unknown key"},
		{"a key that is there twice", "  shards: 4\n", "  shards: 4\n  shards: 5\n", "store.shards", "  shards: 5", "twice"},
		{"a value of the wrong type", "shards: 4", "shards: many", "store.shards", "shards: many", "whole number"},
		{"a time without a unit", "lasts: 1h", "lasts: 60", "break_glass.lasts", "lasts: 60", "length of time"},
		{"a size without a unit", "memory: 256MiB", "memory: 256", "limits.memory", "memory: 256", "bytes"},
		{"a route that there is not", "break_glass:\n", "sign_in: { portal: { patient: { max_age: 1h } } }\nbreak_glass:\n", "sign_in.portal", "sign_in", "break_glass, own, sources"},
		{"a sign-in of nobody", "break_glass:\n", "sign_in: { own: { other: { max_age: 1h } } }\nbreak_glass:\n", "sign_in.own.other", "sign_in", "patient, representative or provider"},
		{"a level below the policy's", "break_glass:\n", "sign_in: { own: { patient: { assurance: low } } }\nbreak_glass:\n", "sign_in.own.patient.assurance", "sign_in", "not below"},
		{"a sign-in of any age", "break_glass:\n", "sign_in: { break_glass: { provider: { max_age: 0s } } }\nbreak_glass:\n", "sign_in.break_glass.provider.max_age", "sign_in", "between"},
		{"an authorization server that there is not", "    fhir_version: R4\n", "    fhir_version: R4\n    smart_issuer: \"https://x.example\"\n", "sources[0].smart_issuer", "smart_issuer", "configured issuer"},
		{"a profile that there is not", "    audience: zorgsluis\n", "    audience: zorgsluis\n    profile: digid\n", "issuers[0].profile", "profile: digid", "must be one of"},
		{"no public URL", "public_url: \"http://127.0.0.1:8080\"\n", "", "public_url", "listen:", "missing"},
		{"a public URL without TLS", "http://127.0.0.1:8080", "http://gw.example", "public_url", "public_url", "https"},
		{"a public URL with a slash", "http://127.0.0.1:8080", "http://127.0.0.1:8080/", "public_url", "public_url", "slash"},
		{"a public URL with a password", "http://127.0.0.1:8080", "http://a:b@127.0.0.1:8080", "public_url", "public_url", "password"},
		{"plain HTTP for everyone", `listen: "127.0.0.1:8080"`, `listen: ":8080"`, "listen", `listen: ":8080"`, "plain HTTP"},
		{"plain HTTP on a name that could be anything", `listen: "127.0.0.1:8080"`, `listen: "gw.local:8080"`, "listen", `"gw.local`, "plain HTTP"},
		{"no port", `listen: "127.0.0.1:8080"`, `listen: "127.0.0.1"`, "listen", `listen: "127.0.0.1"`, "host:port"},
		{"health among the callers", `"127.0.0.1:9464"`, `"127.0.0.1:8080"`, "admin.listen", "admin:", "differ"},
		{"a certificate that is not there", "  terminated", "  certificate_file: no.pem\n  key_file: person-secret\n  terminated", "tls.certificate_file", "no.pem", "no such file"},
		{"a certificate without a key", "  terminated", "  certificate_file: person-secret\n  terminated", "tls.key_file", "tls:", "missing"},
		{"a certificate that is none", "  terminated", "  certificate_file: person-secret\n  key_file: person-secret\n  terminated", "tls.certificate_file", "certificate_file", "certificate"},
		{"no mode of Redis", "  mode: embedded\n", "", "redis.mode", "redis:", "missing"},
		{"an unknown mode of Redis", "mode: embedded", "mode: cloud", "redis.mode", "mode: cloud", "embedded or external"},
		{"a key of the other mode", "  folder: redis\n", "  folder: redis\n  replicas: 2\n", "redis.replicas", "replicas: 2", "no meaning"},
		{"an external Redis without address", "mode: embedded\n  folder: redis\n", "mode: external\n", "redis.addresses", "redis:", "missing"},
		{"an external Redis in clear", "mode: embedded\n  folder: redis\n", "mode: external\n  addresses: [\"redis.example:6379\"]\n", "redis.tls_ca_file", "redis:", "in clear"},
		{"a user of Redis without password", "mode: embedded\n  folder: redis\n", "mode: external\n  addresses: [\"127.0.0.1:6379\"]\n  username: me\n", "redis.password_file", "redis:", "needs it"},
		{"an authority that is none", "mode: embedded\n  folder: redis\n", "mode: external\n  addresses: [\"127.0.0.1:6379\"]\n  tls_ca_file: cursor-key\n", "redis.tls_ca_file", "tls_ca_file", "PEM"},
		{"no shards", "shards: 4", "shards: 0", "store.shards", "shards: 0", "1 to 256"},
		{"a secret that is not there", "person_secret_file: person-secret", "person_secret_file: nowhere", "store.person_secret_file", "nowhere", "does not exist"},
		{"one secret for two purposes", "sealing_key_file: sealing-key", "sealing_key_file: person-secret", "store.sealing_key_file", "sealing_key_file", "same secret"},
		{"a cursor key that is the sealing key", "- cursor-key", "- sealing-key", "cursor_key_files[0]", "- sealing-key", "same secret"},
		{"no key of checkpoints", "  checkpoint_key_files: [checkpoint-key]\n", "", "archive.checkpoint_key_files", "archive:", "gateway keys generate"},
		{"a key of checkpoints that is the sealing key", "[checkpoint-key]", "[sealing-key]", "archive.checkpoint_key_files[0]", "checkpoint_key_files", "same secret"},
		{"a retention of less than five years", "  folder: archive\n", "  folder: archive\n  retention_days: 1829\n", "archive.retention_days", "retention_days: 1829", "1830"},
		{"checkpoints too seldom", "  folder: archive\n", "  folder: archive\n  checkpoint_every: 2h\n", "archive.checkpoint_every", "checkpoint_every", "between"},
		{"no cursor key", "cursor_key_files:\n  - cursor-key\n", "", "cursor_key_files", "public_url", "missing"},
		{"an archive that is a file", "folder: archive", "folder: cursor-key", "archive.folder", "folder: cursor-key", "not a folder"},
		{"an archive inside of Redis' folder", "folder: archive", "folder: redis", "archive.folder", "archive:\n  folder", "differ"},
		{"no issuer", configtest.Good[strings.Index(configtest.Good, "issuers:"):strings.Index(configtest.Good, "clients:")], "", "issuers", "public_url", "at least one"},
		{"an issuer without TLS", "http://127.0.0.1:9000", "http://login.example", "issuers[0].url", "login.example", "https"},
		{"an algorithm with a shared secret", "[ES256]", "[HS256]", "issuers[0].algorithms", "HS256", "not one of"},
		{"an issuer on no channel", "channel: regional", "channel: lsp", "issuers[0].channel", "channel: lsp", "policy.channels"},
		{"an unknown kind of caller", "fixed: provider", "fixed: doctor", "issuers[0].kind.fixed", "fixed: doctor", "patient or provider"},
		{"a path of claims that is none", "assurance: acr", "assurance: \"acr..x\"", "issuers[0].claims.assurance", "claims:", "path"},
		{"a client with an unknown relation", "relationship: treating", "relationship: friend", "clients.app.relationship", "app:", "treating"},
		{"an issuer with a registry that is not there", "channel: regional\n", "channel: regional\n    relationship_registry: network\n", "issuers[0].relationship_registry", "relationship_registry", "not one of"},
		{"a registry in clear", "policy:\n", "relationship_registries: [{ name: network, base_url: \"http://teams.example/fhir\" }]\npolicy:\n", "relationship_registries[0].base_url", "teams.example", "https"},
		{"a registry that may take its time", "policy:\n", "relationship_registries: [{ name: network, base_url: \"https://teams.example/fhir\", timeout: 1m }]\npolicy:\n", "relationship_registries[0].timeout", "timeout: 1m", "between"},
		{"a registry whose roles are relations of no kind", "policy:\n", "relationship_registries: [{ name: network, base_url: \"https://teams.example/fhir\", roles: { \"a|b\": friend } }]\npolicy:\n", "relationship_registries[0].roles.a|b", "friend", "treating"},
		{"two registries of one name", "policy:\n", "relationship_registries: [{ name: network, base_url: \"https://a.example\" }, { name: network, base_url: \"https://b.example\" }]\npolicy:\n", "relationship_registries[1].name", "b.example", "twice"},
		{"a client with an unknown basis of secrecy", "relationship: treating", "secrecy: honour", "clients.app.secrecy", "app:", "secrecy.yaml"},
		{"recorders of whom nobody is known", "policy:\n", "consents: { recorders: [gp] }\npolicy:\n", "consents.known_senders", "consents:", "belongs together"},
		{"a known sender at no address", "policy:\n", "consents: { recorders: [gp], known_senders: [{ organization: \"ura:1\" }] }\npolicy:\n", "consents.known_senders[0].addresses", "known_senders", "missing"},
		{"a known sender at every address", "policy:\n", "consents: { recorders: [gp], known_senders: [{ organization: \"ura:1\", addresses: [0.0.0.0/0] }] }\npolicy:\n", "consents.known_senders[0].addresses[0]", "0.0.0.0/0", "network"},
		{"a client of another issuer", "relationship: treating", "issuer: \"http://else\"", "clients.app.issuer", "app:", "issuer"},
		{"no source", configtest.Good[strings.Index(configtest.Good, "sources:"):strings.Index(configtest.Good, "policy:")], "", "sources", "public_url", "at least one"},
		{"a source id that is no path element", "id: hospital", "id: Hospital/1", "sources[0].id", "id: Hospital", "lower-case"},
		{"an interaction that does not exist", "fhir_version: R4", "fhir_version: R4\n    interactions: [write]", "sources[0].interactions[0]", "interactions", "must be vread or history"},
		{"a version that is not served", "fhir_version: R4", "fhir_version: R5", "sources[0].fhir_version", "R5", "must be R4 or STU3"},
		{"a source in clear", "http://127.0.0.1:9001/fhir", "http://fhir.example/r4", "sources[0].base_url", "fhir.example", "https"},
		{"a source with a query", "http://127.0.0.1:9001/fhir", "http://127.0.0.1:9001/fhir?a=b", "sources[0].base_url", "?a=b", "query"},
		{"a holder without a prefix", `"ura:00000001"`, `"00000001"`, "sources[0].holder.organization", "holder:", "prefix"},
		{"a holder of no category", "category: hospital", "category: clinic", "sources[0].holder.category", "clinic", "not a provider category"},
		{"a credential without a header", `credential_file: ""`, "credential_file: cursor-key", "sources[0].credential_file", "credential_file", "Header: value"},
		{"a source slower than a request", "timeout: 5s", "timeout: 5m", "sources[0].timeout", "timeout: 5m", "between"},
		{"a source without persons", `["http://fhir.nl/fhir/NamingSystem/bsn"]`, "[]", "sources[0].person_systems", "person_systems", "missing"},
		{"an assurance that is none", "minimum_assurance: substantial", "minimum_assurance: none", "policy.minimum_assurance", "none", "low, substantial or high"},
		{"emergencies of nobody that is known", "emergency_categories: [gp]", "emergency_categories: [gp, fire]", "policy.emergency_categories[1]", "fire", "not a provider category"},
		{"nothing said about emergencies", "  emergency_categories: [gp]\n", "", "policy.emergency_categories", "policy:", "missing"},
		{"a blocked category in emergencies", "emergency_categories: [gp]", "emergency_categories: [insurer]", "policy.emergency_categories[0]", "insurer", "not a provider category"},
		{"a cap on nobody that is known", "policy:\n", "policy:\n  necessary: { fire: [GGC013] }\n", "policy.necessary.fire", "fire", "not a provider category"},
		{"a cap on a blocked category", "policy:\n", "policy:\n  necessary: { insurer: [GGC013] }\n", "policy.necessary.insurer", "insurer", "not a provider category"},
		{"a cap with data that does not exist", "policy:\n", "policy:\n  necessary:\n    pharmacy: [GGC013, Medicine]\n", "policy.necessary.pharmacy[1]", "Medicine", "not a data category"},
		{"a cap with data that is nobody's", "policy:\n", "policy:\n  necessary: { pharmacy: [Logging] }\n", "policy.necessary.pharmacy[0]", "Logging", "never shared"},
		{"a cap that leaves nothing", "policy:\n", "policy:\n  necessary: { pharmacy: [] }\n", "policy.necessary.pharmacy", "pharmacy", "names no data"},
		{"consent that is neither", "consent: explicit", "consent: yes-please", "policy.channels.regional.consent", "yes-please", "explicit or implied"},
		{"children on their own", "consent: explicit", "consent: explicit, minimum_age: 6", "policy.channels.regional.minimum_age", "minimum_age", "at least 12"},
		{"tables that are not there", "policy:\n", "policy:\n  tables_folder: tables\n", "policy.tables_folder", "tables_folder", "not a folder"},
		{"emergencies without end", "lasts: 1h", "lasts: 100h", "break_glass.lasts", "lasts: 100h", "between"},
		{"too little memory for one answer", "memory: 256MiB", "memory: 1MiB", "limits.memory", "memory: 1MiB", "twice"},
		{"a stop that cuts requests off", "request: 30s", "request: 30s, stop: 5s", "limits.timeouts.stop", "timeouts:", "at least"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(configtest.Good, tt.old, tt.new, 1)
			if text == configtest.Good {
				t.Fatal("the case changes nothing")
			}
			file := configtest.Place(t, text)
			_, err := Load(file)
			p := problemsOf(t, err)[tt.key]
			if p == nil {
				t.Fatalf("got %v, want a problem with key %s", err, tt.key)
			}
			if want := lineOf(t, text, tt.line); p.Line != want || p.File != file {
				t.Errorf("got %s:%d, want line %d", p.File, p.Line, want)
			}
			if !strings.Contains(p.What, tt.what) {
				t.Errorf("got %q, want something with %q", p.What, tt.what)
			}
		})
	}
}

func lineOf(t *testing.T, text, part string) int {
	t.Helper()
	before, _, found := strings.Cut(text, part)
	if !found {
		t.Fatalf("the file has no %q", part)
	}
	return strings.Count(before+part, "\n") + 1
}

func TestEveryProblemIsToldAtOnce(t *testing.T) {
	text := strings.NewReplacer("shards: 4", "shards: 0", "mode: embedded", "mode: cloud", "R4", "R5", "lasts: 1h", "lasts: soon", "  id:", "  idd: x\n    id:").Replace(configtest.Good)
	_, err := Load(configtest.Place(t, text))
	got := problemsOf(t, err)
	for _, key := range []string{"store.shards", "redis.mode", "sources[0].fhir_version", "break_glass.lasts"} {
		if got[key] == nil {
			t.Errorf("got %v, want a problem with key %s too", err, key)
		}
	}
}

// TestWhatCouldNotBeReadIsNotMissing: one mistake is one problem.
func TestWhatCouldNotBeReadIsNotMissing(t *testing.T) {
	_, err := Load(configtest.Place(t, strings.Replace(configtest.Good, "lasts: 1h", "lasts: soon", 1)))
	if got := unjoin(err); len(got) != 1 {
		t.Errorf("got problems %v, want one", got)
	}
}

func TestSecretFiles(t *testing.T) {
	folder := t.TempDir()
	good := configtest.Write(t, filepath.Join(folder, "good"), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
	tests := []struct {
		name, content string
		mode          os.FileMode
		want          error
	}{
		{"empty", "\n", 0o600, errSecretEmpty},
		{"readable by the group", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", 0o640, errSecretReadable},
		{"readable by the world", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", 0o604, errSecretReadable},
		{"writable by the group", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", 0o620, errSecretReadable},
		{"too short", "AAECAwQ=", 0o600, errSecretShort},
		{"too long", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISI=", 0o600, errSecretLong},
		{"no base64", "correct horse battery staple, and more of it", 0o600, errSecretForm},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := configtest.Write(t, filepath.Join(t.TempDir(), "secret"), tt.content)
			if err := os.Chmod(name, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := readKey(name)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got error %v, want %v", err, tt.want)
			}
			if content := strings.TrimSpace(tt.content); content != "" && strings.Contains(err.Error(), content) {
				t.Error("the error repeats the secret")
			}
		})
	}
	if key, err := readKey(good); err != nil || len(key) != keyLength {
		t.Errorf("got %d bytes and error %v of a good key", len(key), err)
	}
	if _, err := readKey(filepath.Join(folder, "nowhere")); !errors.Is(err, errSecretMissing) {
		t.Errorf("got error %v, want %v", err, errSecretMissing)
	}
	if _, err := readKey(folder); err == nil {
		t.Error("a folder was read as a key")
	}
}

func TestCredentialFile(t *testing.T) {
	tests := []struct {
		name, content string
		want          fixedHeader
	}{
		{"a bearer token", "Authorization: Bearer abc\n", fixedHeader{"Authorization", "Bearer abc"}},
		{"a header of the source's own", "X-Api-Key:k", fixedHeader{"X-Api-Key", "k"}},
		{"two lines", "A: b\nC: d", fixedHeader{}},
		{"no value", "Authorization:", fixedHeader{}},
		{"a header that frames the request", "Host: else.example", fixedHeader{}},
		{"a header name with a space", "My Header: x", fixedHeader{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &checker{file: filepath.Join(t.TempDir(), "gateway.yaml")}
			name := configtest.Write(t, c.path("credential"), tt.content)
			got := c.credential("credential_file", name)
			if got != tt.want || (len(c.problems) == 0) != (tt.want != fixedHeader{}) {
				t.Errorf("got %+v with problems %v, want %+v", got, c.problems, tt.want)
			}
		})
	}
}

// TestShippedConfiguration loads configs/gateway.yaml, and checks that it shows every key.
func TestShippedConfiguration(t *testing.T) {
	text, err := os.ReadFile("../../configs/gateway.yaml")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if _, err := GenerateSecrets(filepath.Join(folder, "secrets")); err != nil {
		t.Fatal(err)
	}
	s, err := Load(configtest.Write(t, filepath.Join(folder, "gateway.yaml"), string(text)))
	if err != nil {
		t.Fatalf("got error %v", err)
	}
	for _, key := range keysOf(reflect.TypeFor[File]()) {
		if !regexp.MustCompile(`(?m)[\s{-]` + key + `:|^` + key + `:`).Match(text) {
			t.Errorf("configs/gateway.yaml does not show the key %s", key)
		}
	}
	if got, want := s.File.Limits, defaults().Limits; got != want {
		t.Errorf("got limits %+v, but configs/gateway.yaml says that they are the defaults, %+v", got, want)
	}
}

// TestExampleConfigurations loads configs/examples with the files that they name. An example must cause no warning.
func TestExampleConfigurations(t *testing.T) {
	examples, err := filepath.Glob("../../configs/examples/*.yaml")
	if err != nil || len(examples) == 0 {
		t.Fatalf("got %d examples, error %v", len(examples), err)
	}
	for _, example := range examples {
		t.Run(filepath.Base(example), func(t *testing.T) {
			text, err := os.ReadFile(example)
			if err != nil {
				t.Fatal(err)
			}
			folder := t.TempDir()
			secrets, shown := filepath.Join(folder, "secrets"), filepath.Join(folder, "tls")
			_, err = GenerateSecrets(secrets)
			err = errors.Join(err, writeKey(filepath.Join(secrets, "alert-secret")), writeKey(filepath.Join(secrets, "notice-secret")), os.Mkdir(shown, 0o700))
			if err != nil {
				t.Fatal(err)
			}
			configtest.Write(t, filepath.Join(secrets, "redis-password"), "password")
			certificate, key := configtest.SelfSigned(t, shown, "sluis.region.example", time.Now().Add(time.Hour))
			for name, as := range map[string]string{"certificate.pem": certificate, "callers-ca.pem": certificate, "redis-ca.pem": certificate, "key.pem": key} {
				if err := os.Link(as, filepath.Join(shown, name)); err != nil {
					t.Fatal(err)
				}
			}
			s, err := Load(configtest.Write(t, filepath.Join(folder, "gateway.yaml"), string(text)))
			if err != nil {
				t.Fatalf("got error %v", err)
			}
			if got := s.Warnings(); len(got) != 0 {
				t.Errorf("got warnings %q, want none", got)
			}
		})
	}
}

// keysOf returns the names of all keys in a configuration struct, once each.
func keysOf(t reflect.Type) (keys []string) {
	switch t.Kind() {
	case reflect.Slice, reflect.Map:
		return keysOf(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			keys = append(keys, t.Field(i).Tag.Get("yaml"))
			keys = append(keys, keysOf(t.Field(i).Type)...)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// TestPolicyHash: whatever affects decisions changes the hash, and nothing else does.
func TestPolicyHash(t *testing.T) {
	hash := func(old, new string) string {
		s, err := Load(configtest.Place(t, strings.Replace(configtest.Good, old, new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return s.PolicyHash
	}
	before := hash("", "")
	for _, change := range [][2]string{
		{"emergency_categories: [gp]", "emergency_categories: []"}, {"consent: explicit", "consent: implied"},
		{"policy:\n", "policy:\n  necessary: { gp: [GGC013] }\n"}, {"policy:\n", "policy:\n  after_death: { restricted: true }\n"},
		{"relationship: treating", "relationship: substitute"}, {"category: hospital", "category: gp"}, {"assurance: acr", "assurance: loa"},
	} {
		if hash(change[0], change[1]) == before {
			t.Errorf("%q instead of %q leaves the hash of the policy as it was", change[1], change[0])
		}
	}
	if hash("timeout: 5s", "timeout: 6s") != before {
		t.Error("a timeout changes the hash of the policy")
	}
}

func TestSizeText(t *testing.T) {
	for text, want := range map[string]size{"64KiB": 64 << 10, "16MiB": 16 << 20, "2GiB": 2 << 30} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want || got.String() != text {
			t.Errorf("got %s and error %v for %s", got, err, text)
		}
	}
	for _, text := range []string{"", "5", "5MB", "-1KiB", "1.5MiB", "9999999999GiB", "KiB"} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("got %s for %q, want an error", got, text)
		}
	}
}

func TestCertificateOfAnotherHost(t *testing.T) {
	folder := t.TempDir()
	certificate, key := configtest.SelfSigned(t, folder, "gw.example", time.Now().Add(time.Hour))
	text := strings.Replace(configtest.Good, "  terminated_in_front: false", "  certificate_file: "+certificate+"\n  key_file: "+key, 1)
	_, err := Load(configtest.Place(t, text))
	if p := problemsOf(t, err)["tls.certificate_file"]; p == nil || !strings.Contains(p.What, "host of public_url") {
		t.Errorf("got %v, want a problem with the host", err)
	}
	expired, key := configtest.SelfSigned(t, folder, "127.0.0.1", time.Now().Add(-time.Hour))
	text = strings.Replace(configtest.Good, "  terminated_in_front: false", "  certificate_file: "+expired+"\n  key_file: "+key, 1)
	_, err = Load(configtest.Place(t, text))
	if p := problemsOf(t, err)["tls.certificate_file"]; p == nil || !strings.Contains(p.What, "expired") {
		t.Errorf("got %v, want a problem with the date", err)
	}
}

// TestBadIdentityTowardsSources: the gateway must authenticate to a token endpoint, and credentials must not travel in clear.
func TestBadIdentityTowardsSources(t *testing.T) {
	const good = "    oauth: { token_url: \"https://login.example/token\", client_id: gw, assertion_key_file: signing }\n"
	load := func(t *testing.T, more string) error {
		text := strings.Replace(configtest.Good, "    credential_file: \"\"\n", more, 1)
		if text == configtest.Good {
			t.Fatal("the source of the configuration has another form")
		}
		file := configtest.Place(t, text)
		for name, content := range map[string]string{"signing": assertionKey, "header": "Authorization: Basic Y2FuYXJ5", "canary": "canary-key"} {
			configtest.Write(t, filepath.Join(filepath.Dir(file), name), content)
		}
		_, err := Load(file)
		return err
	}
	if err := load(t, good); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, more, key, what string }{
		{"a token endpoint in clear", strings.Replace(good, "https", "http", 1), "sources[0].oauth.token_url", "https"},
		{"nobody", strings.Replace(good, "client_id: gw, ", "", 1), "sources[0].oauth.client_id", "missing"},
		{"no proof", strings.Replace(good, ", assertion_key_file: signing", "", 1), "sources[0].oauth.assertion_key_file", "exactly one"},
		{"a key of another form", strings.Replace(good, "signing", "canary", 1), "sources[0].oauth.assertion_key_file", "JWK"},
		{"two proofs", strings.Replace(good, " }", ", tls: { certificate_file: canary, key_file: canary } }", 1), "sources[0].oauth.assertion_key_file", "exactly one"},
		{"a certificate that is none", "    tls: { certificate_file: canary, key_file: canary }\n", "sources[0].tls.certificate_file", "does not hold"},
		{"authorities that are none", "    tls: { ca_file: canary }\n", "sources[0].tls.ca_file", "no certificate"},
		{"two headers of one name", good + "    credential_file: header\n", "sources[0].credential_file", "beside oauth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := load(t, tt.more)
			if p := problemsOf(t, err)[tt.key]; p == nil || !strings.Contains(p.What, tt.what) {
				t.Errorf("got %v, want a problem with %s", err, tt.key)
			}
			if strings.Contains(fmt.Sprint(err), "canary-key") || strings.Contains(fmt.Sprint(err), "Y2FuYXJ5") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}
