package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"zorgsluis/internal/config/configtest"
)

// goodFollowers has one follower of each kind.
const goodFollowers = `followers:
  - { name: repository, kind: fhir, url: "https://audit.example/fhir", interaction: create, also: [decision], header_file: header, batch: 5, timeout: 3s }
  - { name: siem, kind: syslog, address: "siem.example:6514", format: json, accept_unannounced_close: true }
  - { name: alerts, kind: webhook, url: "http://127.0.0.1:9/hook", secret_file: cursor-key, from: now, oauth: { token_url: "https://login.example/token", client_id: gateway, tls: { certificate_file: client.example.pem, key_file: client.example.key } } }
  - { name: stream, kind: nats, addresses: ["nats.example:4222"], subject: zorgsluis.events, credentials_file: header }
  - { name: topic, kind: kafka, addresses: ["kafka.example:9093"], topic: events, user: gateway, password_file: cursor-key, insecure_plaintext: true }
`

// assertionKey is a private JWK that nobody uses.
const assertionKey = `{"kty":"EC","alg":"ES256","kid":"ours","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}`

func placeFollowers(t *testing.T, followers string) string {
	t.Helper()
	file := configtest.Place(t, configtest.Good+followers)
	configtest.Write(t, filepath.Join(filepath.Dir(file), "header"), "Authorization: Bearer canary-header\n")
	configtest.Write(t, filepath.Join(filepath.Dir(file), "signing"), assertionKey)
	configtest.SelfSigned(t, filepath.Dir(file), "client.example", time.Now().Add(time.Hour))
	return file
}

func TestFollowersAreConfigured(t *testing.T) {
	file := placeFollowers(t, goodFollowers)
	s, err := Load(file)
	if err != nil {
		t.Fatalf("got error %v", err)
	}
	if len(s.Following) != 5 {
		t.Fatalf("got %d followers, want 5", len(s.Following))
	}
	first, third := s.Following[0], s.Following[2]
	if first.Name != "repository" || first.Batch != 5 || first.FromNow || !third.FromNow || third.Batch != followerBatch {
		t.Errorf("got %+v and %+v", first, third)
	}
	if want := filepath.Join(filepath.Dir(file), "archive", "followers"); first.Folder != want {
		t.Errorf("got folder %s, want %s", first.Folder, want)
	}
	if got := strings.Join(s.Warnings(), "\n"); !strings.Contains(got, "follower siem: accept_unannounced_close") || !strings.Contains(got, "follower topic: insecure_plaintext") {
		t.Errorf("got warnings %s", got)
	}
	if s, err = Load(configtest.Place(t, configtest.Good)); err != nil || len(s.Following) != 0 {
		t.Errorf("without the key: got %d followers and error %v, want none", len(s.Following), err)
	}
}

// TestBadFollowers breaks one thing at a time; every problem is reported with its key and line, and never with the content of a file.
func TestBadFollowers(t *testing.T) {
	for _, tt := range []struct{ name, old, new, key, what string }{
		{"a kind that is none", "kind: fhir", "kind: smtp", "followers[0].kind", "nats or kafka"},
		{"a name that is no name", "name: siem", "name: My SIEM", "followers[1].name", "lower-case"},
		{"a name of the gateway's own", "name: siem", "name: break-glass-alert", "followers[1].name", "own"},
		{"the name of its message of an erasure", "name: siem", "name: erasure-notice", "followers[1].name", "own"},
		{"a name twice", "name: siem", "name: repository", "followers[1].name", "twice"},
		{"a key of another kind", "format: json", "topic: x", "followers[1].topic", "no meaning with kind: syslog"},
		{"an unknown key", "format: json", "colour: x", "followers[1].colour", "unknown key"},
		{"http to another machine", "https://audit.example", "http://audit.example", "followers[0].url", "https"},
		{"a password in a URL", "https://audit", "https://a:canary-secret@audit", "followers[0].url", "password"},
		{"an interaction that is none", "interaction: create", "interaction: delete", "followers[0].interaction", "update or create"},
		{"a form that is none", "also: [decision]", "also: [event]", "followers[0].also[0]", "decision or disclosure"},
		{"a form twice", "also: [decision]", "also: [decision, decision]", "followers[0].also[1]", "each once"},
		{"a header file that is not there", "header_file: header", "header_file: nowhere", "followers[0].header_file", "does not exist"},
		{"a header file of another form", "header_file: header", "header_file: cursor-key", "followers[0].header_file", "Header: value"},
		{"no batch", "batch: 5", "batch: 0", "followers[0].batch", "from 1 to 1000"},
		{"no time", "timeout: 3s", "timeout: 0s", "followers[0].timeout", "between"},
		{"a format that is none", "format: json", "format: cef", "followers[1].format", "dicom or json"},
		{"no port", "siem.example:6514", "siem.example", "followers[1].address", "host:port"},
		{"no secret", "secret_file: cursor-key, ", "", "followers[2].secret_file", "missing"},
		{"a secret of another form", "secret_file: cursor-key", "secret_file: header", "followers[2].secret_file", "base64"},
		{"a token over the network in the clear", `"https://login.example/token"`, `"http://login.example/token"`, "followers[2].oauth.token_url", "https"},
		{"a token for nobody", "client_id: gateway, ", "", "followers[2].oauth.client_id", "missing"},
		{"a token without showing who asks", "tls: { certificate_file: client.example.pem, key_file: client.example.key } ", "scopes: [a] ", "followers[2].oauth.assertion_key_file", "exactly one"},
		{"a token and a header for the same", "oauth: {", "header_file: header, oauth: {", "followers[2].header_file", "Authorization"},
		{"a token for a kind without", "format: json", "oauth: { client_id: x }", "followers[1].oauth", "no meaning with kind: syslog"},
		{"a start that is none", "from: now", "from: yesterday", "followers[2].from", "start or now"},
		{"no addresses", `addresses: ["nats.example:4222"], `, "", "followers[3].addresses", "at least one"},
		{"a subject with a wildcard", "subject: zorgsluis.events", `subject: "zorgsluis.>"`, "followers[3].subject", "wildcards"},
		{"a user without password", "password_file: cursor-key, ", "", "followers[4].password_file", "missing"},
		{"no topic", "topic: events, ", "", "followers[4].topic", "topic"},
		{"an authority that is none", "format: json", "tls: { ca_file: header }", "followers[1].tls.ca_file", "PEM"},
		{"a certificate without a key", "format: json", "tls: { certificate_file: header }", "followers[1].tls.key_file", "missing"},
		{"a certificate that is none", "format: json", "tls: { certificate_file: header, key_file: header }", "followers[1].tls.certificate_file", "does not hold"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken := strings.Replace(goodFollowers, tt.old, tt.new, 1)
			if broken == goodFollowers {
				t.Fatalf("the configuration has no %q", tt.old)
			}
			_, err := Load(placeFollowers(t, broken))
			if err == nil {
				t.Fatal("got no error")
			}
			found := problemsOf(t, err)
			p := found[tt.key]
			if p == nil || !strings.Contains(p.What, tt.what) || len(found) != 1 {
				t.Fatalf("got %v, want one problem with %s that says %q", err, tt.key, tt.what)
			}
			var number int
			if _, err := fmt.Sscanf(tt.key, "followers[%d]", &number); err != nil {
				t.Fatal(err)
			}
			want := strings.Count(configtest.Good, "\n") + 2 + number
			if p.Line != want {
				t.Errorf("got line %d, want %d", p.Line, want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// TestShownFollowersAreGood uncomments the followers in configs/gateway.yaml.
func TestShownFollowersAreGood(t *testing.T) {
	text, err := os.ReadFile("../../configs/gateway.yaml")
	if err != nil {
		t.Fatal(err)
	}
	shown := string(text)
	from := strings.Index(shown, "followers: []")
	shown = "followers:\n" + regexp.MustCompile(`(?m)^# ?`).ReplaceAllString(shown[strings.Index(shown[from:], "\n")+from+1:strings.Index(shown, "# Keys that seal page links")], "")
	shown = regexp.MustCompile(`(?m)^  tls: .*$`).ReplaceAllString(shown, "") // these files do not exist
	shown = strings.Replace(shown, "secrets/alerts-key.json", "signing", 1)
	shown = regexp.MustCompile(`secrets/(repository|nats)`).ReplaceAllString(shown, "header")
	shown = regexp.MustCompile(`secrets/(alerts|kafka)`).ReplaceAllString(shown, "cursor-key")
	s, err := Load(placeFollowers(t, shown))
	if err != nil {
		t.Fatalf("got error %v", err)
	}
	if len(s.Following) != len(followerKeys) {
		t.Errorf("configs/gateway.yaml shows %d followers, want one of each kind", len(s.Following))
	}
	if want := "default " + followerTimeout.String(); !strings.Contains(string(text), want) || followerTimeout != 10*time.Second {
		t.Errorf("configs/gateway.yaml does not say %q", want)
	}
}

// TestFollowersAreReadAgain: changes of a follower's files take effect without a restart, and reading them again leaks nothing.
func TestFollowersAreReadAgain(t *testing.T) {
	file := placeFollowers(t, goodFollowers)
	s, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	connectionOf := func(i int) *connection { return s.Following[i].Destination.(*renewed[connection]).files.get() }
	before, webhook := len(s.Reloads), connectionOf(2)
	for range 3 {
		for _, r := range s.Reloads {
			if _, err := r.Look(true); err != nil {
				t.Errorf("%s: %v", r.Name(), err)
			}
		}
	}
	if len(s.Reloads) != before {
		t.Errorf("%d things are followed, want %d as before", len(s.Reloads), before)
	}
	if connectionOf(2) == webhook || connectionOf(2).identify == nil {
		t.Error("the destination is the one before, or forgot how it shows who we are")
	}
	header := filepath.Join(filepath.Dir(file), "header")
	repository := connectionOf(0)
	configtest.Write(t, header, "no header")
	for _, r := range s.Reloads {
		if _, err := r.Look(false); (err == nil) == (r.Name() == "follower:repository") || err != nil && strings.Contains(err.Error(), "no header") {
			t.Errorf("%s with a bad file of one: %v", r.Name(), err)
		}
	}
	if connectionOf(0) != repository {
		t.Error("a file that is not good changed the destination")
	}
}
