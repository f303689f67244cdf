package redisstore

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"zorgsluis/consent"
)

// TestSealBindsEverything opens a value as something other than what it was sealed as.
func TestSealBindsEverything(t *testing.T) {
	s, err := newSealer(slices.Repeat([]byte("k"), sealingBytes))
	if err != nil {
		t.Fatal(err)
	}
	other, err := newSealer(slices.Repeat([]byte("o"), sealingBytes))
	if err != nil {
		t.Fatal(err)
	}
	person := consent.PersonKey(strings.Repeat("a", personKeyLength))
	plain := []byte("what was decided")
	sealed := s.seal(kindStanding, person, 12, plain)
	if got, err := s.open(kindStanding, person, 12, sealed); err != nil || got != string(plain) {
		t.Errorf("got %q, %v", got, err)
	}
	if s.seal(kindStanding, person, 12, plain) == sealed {
		t.Error("the same value is sealed the same way twice")
	}
	refused := map[string]func() (string, error){
		"as a version":           func() (string, error) { return s.open(kindVersion, person, 12, sealed) },
		"of another person":      func() (string, error) { return s.open(kindStanding, person[1:]+"b", 12, sealed) },
		"of another generation":  func() (string, error) { return s.open(kindStanding, person, 2, sealed) },
		"with digits moved over": func() (string, error) { return s.open(kindStanding, person+"1", 2, sealed) },
		"under another key":      func() (string, error) { return other.open(kindStanding, person, 12, sealed) },
		"of another format":      func() (string, error) { return s.open(kindStanding, person, 12, "\x02"+sealed[1:]) },
		"cut":                    func() (string, error) { return s.open(kindStanding, person, 12, sealed[:len(sealed)-1]) },
		"cut to nothing":         func() (string, error) { return s.open(kindStanding, person, 12, sealed[:1]) },
		"empty":                  func() (string, error) { return s.open(kindStanding, person, 12, "") },
	}
	for name, open := range refused {
		if got, err := open(); got != "" || !errors.Is(err, ErrSealed) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// TestGenerationsAreBounded: the memory never exceeds the limit, and the most recent entries are kept.
func TestGenerationsAreBounded(t *testing.T) {
	const limit = 100
	g := newGenerations(limit)
	name := func(i int) consent.PersonKey { return consent.PersonKey(strings.Repeat("x", i+1)) }
	for i := range 10 * limit {
		g.note(name(i), version{0, uint64(i + 1)})
		if n := len(g.recent) + len(g.older); n > limit {
			t.Fatalf("%d persons are remembered, the limit is %d", n, limit)
		}
		for _, recent := range []int{i, max(i-limit/4, 0)} {
			if got := g.seen(name(recent)); got.generation != uint64(recent+1) {
				t.Fatalf("person %d was forgotten at %d: %+v", recent, i, got)
			}
		}
	}
	g.note(name(999), version{0, 3})
	if got := g.seen(name(999)); got.generation != 1000 {
		t.Errorf("a lower generation was noted: %+v", got)
	}
	g.note(name(999), version{1, 3})
	if got := g.seen(name(999)); got != (version{1, 3}) {
		t.Errorf("after an operator accepted: got %+v", got)
	}
}

// TestPersonKeysAreNotConfused: the parts are length-prefixed, and other uses of the secret cannot collide with persons.
func TestPersonKeysAreNotConfused(t *testing.T) {
	secret, other := newSecret(slices.Repeat([]byte("p"), minSecret)), newSecret(slices.Repeat([]byte("q"), minSecret))
	seen := map[string]string{}
	for name, key := range map[string]string{
		"a|bc":     secret.hmac("", "a", "bc"),
		"ab|c":     secret.hmac("", "ab", "c"),
		"abc":      secret.hmac("", "abc"),
		"|abc":     secret.hmac("", "", "abc"),
		"rate":     secret.hmac("professional", "a", "bc"),
		"as value": secret.hmac("", "professional", "a", "bc"),
		"secret":   other.hmac("", "a", "bc"),
	} {
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[key] = name
	}
}
