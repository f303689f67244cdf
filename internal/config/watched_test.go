package config

import (
	"os"
	"strings"
	"testing"
	"time"

	"zorgsluis/internal/config/configtest"
)

// TestFilesAreReadAgain: a good value stays in use until the files are good again, whatever happens to them in between.
func TestFilesAreReadAgain(t *testing.T) {
	folder := t.TempDir()
	certificate, key := configtest.SelfSigned(t, folder, "127.0.0.1", time.Now().Add(time.Hour))
	text := strings.Replace(configtest.Good, "  terminated_in_front: false", "  certificate_file: "+certificate+"\n  key_file: "+key, 1)
	s, err := Load(configtest.Place(t, text))
	if err != nil {
		t.Fatal(err)
	}
	first, files := s.Certificate.get(), s.Reloads[0]
	look := func(force bool, wantGood, wantNew bool, when string) {
		t.Helper()
		before := s.Certificate.get()
		_, err := files.Look(force)
		if (err == nil) != wantGood || (files.State() == nil) != wantGood {
			t.Errorf("%s: got errors %v and %v, want good: %v", when, err, files.State(), wantGood)
		}
		if (s.Certificate.get() != before) != wantNew {
			t.Errorf("%s: another certificate in use: %v, want %v", when, !wantNew, wantNew)
		}
		if err != nil && (strings.Contains(err.Error(), "PRIVATE") || !strings.Contains(err.Error(), "tls.")) {
			t.Errorf("%s: the error is %v, want the key of the configuration and nothing of the file", when, err)
		}
	}
	goodChain, goodKey := configtest.Read(t, certificate), configtest.Read(t, key)
	look(false, true, false, "nothing changed")
	configtest.Write(t, certificate, "nonsense")
	look(false, false, false, "a certificate that is none")
	look(false, false, false, "it still is")
	if err := os.Remove(certificate); err != nil {
		t.Fatal(err)
	}
	look(false, false, false, "a certificate that is gone")
	configtest.SelfSigned(t, folder, "127.0.0.1", time.Now().Add(2*time.Hour))
	nextChain, nextKey := configtest.Read(t, certificate), configtest.Read(t, key)
	configtest.Write(t, key, goodKey)
	look(false, false, false, "a key that does not fit yet")
	configtest.Write(t, key, nextKey)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	look(false, false, false, "a key that others may read")
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	look(false, true, true, "both are there")
	configtest.SelfSigned(t, folder, "127.0.0.1", time.Now().Add(-time.Hour))
	look(false, false, false, "one that expired")
	configtest.Write(t, certificate, nextChain)
	configtest.Write(t, key, nextKey)
	look(false, true, true, "the one before")
	configtest.Write(t, certificate, goodChain)
	configtest.Write(t, key, goodKey)
	look(true, true, true, "the first one")
	if got := s.Certificate.get().Leaf.SerialNumber; got.Cmp(first.Leaf.SerialNumber) != 0 {
		t.Errorf("got certificate %v, want the first", got)
	}
}
