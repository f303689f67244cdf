package proxy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// sealerOf returns a sealer whose keys each repeat one byte.
func sealerOf(tb testing.TB, keys ...byte) *sealer {
	tb.Helper()
	var all [][]byte
	for _, k := range keys {
		all = append(all, bytes.Repeat([]byte{k}, 32))
	}
	s, err := newSealer(all)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// FuzzSealer: only sealed text opens, unchanged, as the kind that it was sealed as, by a sealer that has the key.
func FuzzSealer(f *testing.F) {
	s, rotated, other := sealerOf(f, 1), sealerOf(f, 2, 1), sealerOf(f, 3)
	f.Add(strings.Repeat("A", 1500), "page", uint16(3), byte(1))
	f.Add("", "", uint16(0), byte(0))
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "attachment", uint16(9), byte(255))
	f.Fuzz(func(t *testing.T, text, kind string, at uint16, flip byte) {
		var got string
		if s.open("page", text, &got) == nil {
			t.Fatalf("%q opens though nothing was sealed", text)
		}
		sealed, err := s.seal(kind, text)
		if err != nil {
			if raw, _ := json.Marshal(text); len(raw) < 5000 {
				t.Fatalf("seal: %v", err)
			}
			return
		}
		raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
		if err != nil || (len(raw)-12-16)%sealStep != 0 {
			t.Fatalf("%d bytes were sealed, %v", len(raw), err)
		}
		if wide, err := s.sealWide(kind, text, pageSize); err != nil || len(raw)-12-16 < pageSize && len(wide) != base64.RawURLEncoding.EncodedLen(pageSize+12+16) {
			t.Fatalf("a page link has %d characters, %v", len(wide), err)
		}
		var want string // JSON alters text that is not UTF-8
		plain, _ := json.Marshal(text)
		_ = json.Unmarshal(plain, &want)
		for name, opener := range map[string]*sealer{"the same": s, "a rotated": rotated} {
			if err := opener.open(kind, sealed, &got); err != nil || got != want {
				t.Fatalf("%s sealer: %v, got %q, want %q", name, err, got, want)
			}
		}
		if other.open(kind, sealed, &got) == nil || s.open(kind+"x", sealed, &got) == nil {
			t.Fatal("it opens with another key, or as another kind")
		}
		if flip == 0 {
			return
		}
		raw[int(at)%len(raw)] ^= flip
		if s.open(kind, base64.RawURLEncoding.EncodeToString(raw), &got) == nil {
			t.Fatalf("it opens with byte %d changed", int(at)%len(raw))
		}
	})
}

// FuzzPosition: a position takes the same space whatever source link it contains and whatever must be escaped in it; what does not fit is
// refused.
func FuzzPosition(f *testing.F) {
	f.Add(0, "", 0)
	f.Add(63, "?_getpages=x&_getpagesoffset=50&_count=50&_bundletype=searchset", 49)
	f.Add(1, strings.Repeat("\"&<\u2028", 120), 1_000_000)
	f.Fuzz(func(t *testing.T, search int, next string, skip int) {
		p := position{search, next, skip}
		fill, ok := p.fill()
		at, err := compactJSON(p)
		if err != nil {
			t.Fatal(err)
		}
		if fits := len(at) <= positionSize; fits != ok || fits && len(at)+len(fill) != positionSize {
			t.Fatalf("%d bytes and %d to fill, %t", len(at), len(fill), ok)
		}
	})
}
