package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/config/configtest"
)

// The person of these tests. The number passes the eleven-test; no output may ever contain it.
const (
	testBSN   = "999991346"
	otherBSN  = "999993008"
	goodGrant = `{"status":"active","decision":"permit","holder":{},"party":{"category":"gp"},"data":["GGC002"],"channel":"",
		"purposes":[],"valid_from":"","valid_to":"","given_by":["patient"],"recorded_by":"uzi:1","method":"written",
		"information":{"id":"leaflet","version":"1","language":"nl","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}`
)

// operator runs commands on one configuration.
type operator struct {
	t      *testing.T
	config string
}

// newOperator makes a configuration on a real redis-server that is set up as the store requires.
func newOperator(t *testing.T) operator {
	t.Helper()
	server := redistest.Start(t)
	text := strings.Replace(configtest.Good, "mode: embedded\n  folder: redis\n", fmt.Sprintf("mode: external\n  addresses: [%q]\n", server.Address()), 1)
	return operator{t, configtest.Place(t, text)}
}

// run runs an operator command.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := &cli.Environment{Context: ctx, Stdin: stdin, Stdout: stdout, Stderr: stderr, Software: "test"}
	return cli.Run(env, &Commands{}, args)
}

// result is the result of a command.
type result struct {
	code        int
	out, errors string
}

// do runs one command; it adds the configuration.
func (o operator) do(stdin string, args ...string) result {
	o.t.Helper()
	var out, errors bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // serve ends by itself only if it refuses
	defer cancel()
	code := run(ctx, append(args, "--config", o.config), strings.NewReader(stdin), &out, &errors)
	for _, canary := range []string{testBSN, otherBSN} {
		if strings.Contains(out.String()+errors.String(), canary) {
			o.t.Errorf("%v: the output holds the identifier of a person", args)
		}
	}
	return result{code, out.String(), errors.String()}
}

// must runs a command that succeeds, and returns its output without the line feed.
func (o operator) must(stdin string, args ...string) string {
	o.t.Helper()
	r := o.do(stdin, args...)
	if r.code != cli.ExitOK {
		o.t.Fatalf("%v: exit code %d: %s", args, r.code, r.errors)
	}
	return strings.TrimSuffix(r.out, "\n")
}

// fails runs a command that must end with this code and a message.
func (o operator) fails(code int, message, stdin string, args ...string) {
	o.t.Helper()
	r := o.do(stdin, args...)
	if r.code != code || !strings.Contains(r.errors, message) {
		o.t.Errorf("%v: got exit code %d and %q, want %d and something with %q", args, r.code, r.errors, code, message)
	}
}

func (o operator) list() standingView {
	o.t.Helper()
	var v standingView
	if err := json.Unmarshal([]byte(o.must(testBSN, "consent", "list")), &v); err != nil {
		o.t.Fatal(err)
	}
	return v
}

func (o operator) record(text string) string {
	o.t.Helper()
	return configtest.Write(o.t, filepath.Join(o.t.TempDir(), "record.json"), text)
}

// TestRecordOfTheDocs puts the record of docs/operating.md on file.
func TestRecordOfTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(page), "```json\n")
	shown, _, found := strings.Cut(shown, "```")
	if !found {
		t.Fatal("docs/operating.md shows no record")
	}
	o := newOperator(t)
	o.must("", "store", "init")
	o.must(testBSN, "consent", "put", "--record", o.record(shown))
}

func TestConsentCommands(t *testing.T) {
	o := newOperator(t)
	grant := o.record(goodGrant)
	o.fails(cli.ExitRuntime, "gateway store init", testBSN, "consent", "list")
	o.must("", "store", "init")
	o.fails(cli.ExitRuntime, "nothing to do", "", "store", "init")

	first := o.must(testBSN+"\n", "consent", "put", "--record", grant, "--request-id", "one")
	if again := o.must(testBSN, "consent", "put", "--record", grant, "--request-id", "one"); again != first {
		t.Errorf("the same request gave record %s, want %s as the first time", again, first)
	}
	if again := o.must(consent.SystemBSN+"|"+testBSN, "consent", "put", "--record", grant, "--request-id", "one"); again != first {
		t.Errorf("the same person by system and value gave record %s, want %s", again, first)
	}
	v := o.list()
	if len(v.Records) != 1 || v.Generation != 1 || string(v.Records[0].ID) != first || v.Records[0].RecordedAt.IsZero() {
		t.Fatalf("got %+v, want one record %s at generation 1", v, first)
	}

	second := o.must(testBSN, "consent", "put", "--record", grant, "--if-generation", "1")
	o.fails(cli.ExitRuntime, "another generation", testBSN, "consent", "put", "--record", grant, "--if-generation", "1")
	if got := o.must(testBSN, "consent", "withdraw", first, "--by", "patient", "--request-id", "two"); got != first {
		t.Errorf("got %q, want the id %s", got, first)
	}
	o.must(testBSN, "consent", "withdraw", first, "--by", "patient", "--request-id", "two")
	o.fails(cli.ExitRuntime, "not active", testBSN, "consent", "withdraw", first, "--by", "patient")
	o.fails(cli.ExitRuntime, "no record", testBSN, "consent", "withdraw", "00-0", "--by", "patient")
	o.fails(cli.ExitRuntime, "no record", otherBSN, "consent", "withdraw", second, "--by", "patient")
	o.fails(cli.ExitUsage, "--by", testBSN, "consent", "withdraw", second)
	o.fails(cli.ExitRuntime, "another change", testBSN, "consent", "put", "--record", grant, "--request-id", "two")

	v = o.list()
	if len(v.Records) != 2 || v.Records[0].Status != consent.StatusWithdrawn || v.Records[1].Status != consent.StatusActive || v.Generation != 3 {
		t.Errorf("got %+v, want one withdrawn and one active record at generation 3", v)
	}
	var history []standingView
	if err := json.Unmarshal([]byte(o.must(testBSN, "consent", "history")), &history); err != nil {
		t.Fatal(err)
	}
	if len(history) != 3 || history[0].Generation != 1 || history[2].Generation != 3 {
		t.Errorf("got %d versions, want 3 from generation 1 to 3", len(history))
	}
	if got := o.must("", "store", "check"); !strings.Contains(got, "good") {
		t.Errorf("got %q of a good store", got)
	}
}

func TestWhatConsentPutRefuses(t *testing.T) {
	o := newOperator(t)
	o.must("", "store", "init")
	tests := []struct {
		name, record, person, message string
	}{
		{"no person", goodGrant, "", "standard input"},
		{"a number that is no BSN", goodGrant, "123456789", "citizen service number"},
		{"an identifier that does not end", goodGrant, strings.Repeat("9", 5000), "too long"},
		{"no JSON", "permit everything", testBSN, "JSON object"},
		{"an unknown member", strings.Replace(goodGrant, `"method"`, `"methode"`, 1), testBSN, "methode"},
		{"a permit for everyone", strings.Replace(goodGrant, `{"category":"gp"}`, `{}`, 1), testBSN, "party"},
		{"a category that is not configured", strings.Replace(goodGrant, `"gp"`, `"clinic"`, 1), testBSN, "party.category"},
		{"a channel that is not configured", strings.Replace(goodGrant, `"channel":""`, `"channel":"lsp"`, 1), testBSN, "channel"},
		{"a permit without information", strings.Replace(goodGrant, `"leaflet"`, `""`, 1), testBSN, "information.id"},
		{"a moment in the future", strings.Replace(goodGrant, `"status"`, `"recorded_at":"2999-01-01T00:00:00Z","status"`, 1), testBSN, "recorded_at"},
		{"a record that is withdrawn already", strings.Replace(goodGrant, `"active"`,
			`"withdrawn","withdrawn_at":"2026-01-01T00:00:00Z","withdrawn_by":["patient"],"recorded_at":"2025-01-01T00:00:00Z"`, 1), testBSN, "status"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := operator{t, o.config}
			o.fails(cli.ExitUsage, tt.message, tt.person, "consent", "put", "--record", o.record(tt.record))
		})
	}
	o.fails(cli.ExitUsage, "no such file", testBSN, "consent", "put", "--record", "/nowhere/record.json")
	if v := o.list(); v.Generation != 0 {
		t.Errorf("got generation %d, want nothing on file", v.Generation)
	}
}

func TestPersonCommand(t *testing.T) {
	o := newOperator(t)
	o.must("", "store", "init")
	o.must(testBSN, "person", "set", "--incapacitated", "--withhold", "Condition", "--withhold", "Genomics")
	o.must(testBSN+"\nrepresentative-1\n", "person", "set", "--block-representative")
	o.must(testBSN, "person", "set", "--no-incapacitated", "--no-longer-withhold", "Condition")
	got := o.list().Flags
	if got.Incapacitated || fmt.Sprint(got.RepresentativesBlocked) != "[representative-1]" || fmt.Sprint(got.WithheldFromPatient) != "[Genomics]" {
		t.Errorf("got flags %+v", got)
	}
	o.must(testBSN+"\nrepresentative-1\n", "person", "set", "--unblock-representative")
	if got := o.list().Flags; len(got.RepresentativesBlocked) != 0 {
		t.Errorf("got flags %+v, want no blocked representative", got)
	}
	// A representative whom the patient chose is named by issuer and subject, or by their key; the key is on file.
	s, err := config.Load(o.config)
	if err != nil {
		t.Fatal(err)
	}
	anja := s.File.Issuers[0].URL + "|anja|1"
	o.must(testBSN+"\n"+anja+"\n", "person", "set", "--block-representative")
	blocked := o.list().Flags.RepresentativesBlocked
	if len(blocked) != 1 || len(blocked[0]) != 64 || strings.Trim(blocked[0], "0123456789abcdef") != "" {
		t.Fatalf("got %q, want one key", blocked)
	}
	o.must(testBSN+"\n"+blocked[0]+"\n", "person", "set", "--block-representative")
	if again := o.list().Flags.RepresentativesBlocked; !slices.Equal(again, blocked) {
		t.Errorf("by the key: got %q, want the same, %q", again, blocked)
	}
	o.must(testBSN+"\n"+anja+"\n", "person", "set", "--unblock-representative")
	if left := o.list().Flags.RepresentativesBlocked; len(left) != 0 {
		t.Errorf("got %q, want no blocked representative", left)
	}
	o.fails(cli.ExitUsage, "issuer that is configured", testBSN+"\nhttps://elsewhere.example|anja\n", "person", "set", "--block-representative")
	o.fails(cli.ExitUsage, "no citizen service number", testBSN+"\n"+s.File.Issuers[0].URL+"|"+otherBSN+"\n", "person", "set", "--block-representative")
	o.fails(cli.ExitUsage, "at least one flag", testBSN, "person", "set")
	o.fails(cli.ExitUsage, "representative", testBSN+"\n", "person", "set", "--block-representative")
	o.fails(cli.ExitUsage, "withheld_from_patient", testBSN, "person", "set", "--withhold", "Everything")
}

func TestStoreOfOthersIsRefused(t *testing.T) {
	o := newOperator(t)
	o.must("", "store", "init")
	folder := filepath.Dir(o.config)
	if err := os.Remove(filepath.Join(folder, "person-secret")); err != nil {
		t.Fatal(err)
	}
	configtest.Write(t, filepath.Join(folder, "person-secret"), configtest.Secret())
	o.fails(cli.ExitRuntime, "secrets", testBSN, "consent", "list")
	o.fails(cli.ExitRuntime, "secrets", "", "store", "accept")
	o.fails(cli.ExitRuntime, "there are keys of a store", "", "store", "init")
}

func TestServerThatLosesWritesIsRefused(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "everysec")
	text := strings.Replace(configtest.Good, "mode: embedded\n  folder: redis\n", fmt.Sprintf("mode: external\n  addresses: [%q]\n", server.Address()), 1)
	o := operator{t, configtest.Place(t, strings.Replace(text, "127.0.0.1:9464", "127.0.0.1:0", 1))}
	o.fails(cli.ExitRuntime, "appendfsync: set it to always", "", "store", "init")
	o.fails(cli.ExitRuntime, "appendfsync", "", "store", "check")
}

// TestEmbeddedStoreIsKept: what one command puts into the embedded Redis is there for the next one, which starts it again.
func TestEmbeddedStoreIsKept(t *testing.T) {
	o := operator{t, configtest.Place(t, configtest.Good)}
	o.must("", "store", "init")
	id := o.must(testBSN, "consent", "put", "--record", o.record(goodGrant))
	if v := o.list(); len(v.Records) != 1 || string(v.Records[0].ID) != id {
		t.Errorf("got %+v, want record %s", v, id)
	}
}

func TestKeysGenerate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "secrets")
	var out, errors bytes.Buffer
	if code := run(t.Context(), []string{"keys", "generate", "--folder", folder}, strings.NewReader(""), &out, &errors); code != cli.ExitOK {
		t.Fatalf("got exit code %d: %s", code, errors.String())
	}
	if _, err := config.Load(configtest.Write(t, filepath.Join(folder, "gateway.yaml"), configtest.Good)); err != nil {
		t.Errorf("got error %v, want secrets that a configuration can name", err)
	}
	before := map[string]string{}
	secrets, err := filepath.Glob(filepath.Join(folder, "*-*"))
	if err != nil || len(secrets) != 4 {
		t.Fatalf("got %v and error %v, want four secrets", secrets, err)
	}
	for _, name := range secrets {
		before[name] = configtest.Read(t, name)
	}
	if code := run(t.Context(), []string{"keys", "generate", "--folder", folder}, strings.NewReader(""), &out, &errors); code != cli.ExitRuntime {
		t.Errorf("got exit code %d of a second time, want %d", code, cli.ExitRuntime)
	}
	for _, name := range secrets {
		if configtest.Read(t, name) != before[name] {
			t.Errorf("%s was overwritten", name)
		}
	}
}

// grantFor returns a valid permit for one category of providers.
func grantFor(t *testing.T, category string) consent.Record {
	t.Helper()
	record, err := consent.ParseRecord([]byte(strings.Replace(goodGrant, `"gp"`, `"`+category+`"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return record
}
