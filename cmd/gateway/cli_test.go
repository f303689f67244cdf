package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config/configtest"
)

// runs runs the program, which must end by itself.
func runs(t *testing.T, args ...string) (out, told string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code = run(ctx, args, strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

func TestCommandLine(t *testing.T) {
	tests := []struct {
		name string
		args []string
		code int
		out  string // in the output or the message
	}{
		{"help", []string{"--help"}, cli.ExitOK, "Usage: gateway"},
		{"help of a command", []string{"serve", "--help"}, cli.ExitOK, "--config"},
		{"help as a word", []string{"help"}, cli.ExitOK, "Usage: gateway"},
		{"help of a command, as a word", []string{"help", "consent", "put"}, cli.ExitOK, "--record"},
		{"the version", []string{"version"}, cli.ExitOK, "zorgsluis"},
		{"no command", nil, cli.ExitUsage, "expected one of"},
		{"an unknown command", []string{"open"}, cli.ExitUsage, "open"},
		{"an unknown flag", []string{"version", "--all"}, cli.ExitUsage, "--all"},
		{"no configuration", []string{"serve"}, cli.ExitUsage, "--config"},
		{"a configuration that is not there", []string{"check", "--config", "/nowhere.yaml"}, cli.ExitUsage, "no such file"},
		{"an identifier as an argument", []string{"consent", "list", "999991346", "--config", "x"}, cli.ExitUsage, "unexpected argument"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, told, code := runs(t, tt.args...)
			if strings.Contains(out+told, "999991346") {
				t.Error("the output holds the identifier of a person")
			}
			if code != tt.code || !strings.Contains(out+told, tt.out) {
				t.Errorf("got exit code %d, %q and %q, want %d and something with %q", code, out, told, tt.code, tt.out)
			}
		})
	}
}

func TestCheckCommand(t *testing.T) {
	got, _, code := runs(t, "check", "--config", configtest.Place(t, configtest.Good))
	if code != cli.ExitOK {
		t.Fatalf("got exit code %d", code)
	}
	for _, want := range []string{
		"is good", "hospital", "all but Consent, Logging, Restricted", "from 12 years",
		"insurer           gets 0", "medical-examiner  gets 0", "policy     ", "tables     ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s\nwant something with %q", got, want)
		}
	}
	bad := configtest.Place(t, strings.Replace(configtest.Good, "shards: 4", "shards: 0", 1))
	if _, told, code := runs(t, "check", "--config", bad); code != cli.ExitUsage || !strings.Contains(told, "store.shards") {
		t.Errorf("got exit code %d and %q, want %d and something with store.shards", code, told, cli.ExitUsage)
	}
}

// TestServeRefuses: serve ends with a reason instead of serving what it must not.
func TestServeRefuses(t *testing.T) {
	place := func(server *redistest.Server) string {
		t.Helper()
		return configtest.Place(t, strings.NewReplacer(
			"mode: embedded\n  folder: redis\n", fmt.Sprintf("mode: external\n  addresses: [%q]\n", server.Address()), "127.0.0.1:9464", "127.0.0.1:0",
		).Replace(configtest.Good))
	}
	loses := place(redistest.Start(t, "--appendfsync", "everysec"))
	_, _, _ = runs(t, "store", "init", "--config", loses)
	widens := place(redistest.Start(t))
	for _, command := range []string{"store init", "catalogue activate"} {
		if _, told, code := runs(t, append(strings.Fields(command), "--config", widens)...); code != cli.ExitOK {
			t.Fatalf("%s: got exit code %d: %s", command, code, told)
		}
	}
	text := strings.Replace(configtest.Read(t, widens), "consent: explicit", "consent: implied", 1)
	if err := os.WriteFile(widens, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, config string
		code         int
		told         string
	}{
		{"a server that loses writes", loses, cli.ExitRuntime, "appendfsync"},
		{"categories by which consents on file would open more", widens, cli.ExitUsage, "catalogue.carry"},
	} {
		if _, told, code := runs(t, "serve", "--config", tt.config); code != tt.code || !strings.Contains(told, tt.told) {
			t.Errorf("%s: got exit code %d and %q, want %d and something with %q", tt.name, code, told, tt.code, tt.told)
		}
	}
}
