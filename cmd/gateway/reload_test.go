package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestFilesAreReadAgain: what was good stays in use until the files hold something as good, whatever happens to them in between.
func TestFilesAreReadAgain(t *testing.T) {
	folder := t.TempDir()
	certificate, key := selfSigned(t, folder, "127.0.0.1", time.Now().Add(time.Hour))
	text := strings.Replace(base, "  terminated_in_front: false", "  certificate_file: "+certificate+"\n  key_file: "+key, 1)
	s, err := loadSettings(place(t, text))
	if err != nil {
		t.Fatal(err)
	}
	first, files := s.certificate.get(), s.reloads[0]
	look := func(force bool, wantGood, wantNew bool, when string) {
		t.Helper()
		before := s.certificate.get()
		_, err := files.look(force)
		if (err == nil) != wantGood || (files.state() == nil) != wantGood {
			t.Errorf("%s: got errors %v and %v, want good: %v", when, err, files.state(), wantGood)
		}
		if (s.certificate.get() != before) != wantNew {
			t.Errorf("%s: another certificate in use: %v, want %v", when, !wantNew, wantNew)
		}
		if err != nil && (strings.Contains(err.Error(), "PRIVATE") || !strings.Contains(err.Error(), "tls.")) {
			t.Errorf("%s: the error is %v, want the key of the configuration and nothing of the file", when, err)
		}
	}
	goodChain, goodKey := read(t, certificate), read(t, key)
	look(false, true, false, "nothing changed")
	write(t, certificate, "nonsense")
	look(false, false, false, "a certificate that is none")
	look(false, false, false, "it still is")
	if err := os.Remove(certificate); err != nil {
		t.Fatal(err)
	}
	look(false, false, false, "a certificate that is gone")
	selfSigned(t, folder, "127.0.0.1", time.Now().Add(2*time.Hour))
	nextChain, nextKey := read(t, certificate), read(t, key)
	write(t, key, goodKey)
	look(false, false, false, "a key that does not fit yet")
	write(t, key, nextKey)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	look(false, false, false, "a key that others may read")
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	look(false, true, true, "both are there")
	selfSigned(t, folder, "127.0.0.1", time.Now().Add(-time.Hour))
	look(false, false, false, "one that expired")
	write(t, certificate, nextChain)
	write(t, key, nextKey)
	look(false, true, true, "the one before")
	write(t, certificate, goodChain)
	write(t, key, goodKey)
	look(true, true, true, "the first one")
	if got := s.certificate.get().Leaf.SerialNumber; got.Cmp(first.Leaf.SerialNumber) != 0 {
		t.Errorf("got certificate %v, want the first", got)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
