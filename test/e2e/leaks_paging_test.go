package e2e_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"zorgsluis/internal/demo"
)

// firstPage returns a page of D's Observations, of which there are then several, and the link to the next.
func (s *stage) firstPage() (first reply, next string) {
	s.T.Helper()
	for i := range 3 {
		s.has(fmt.Sprintf(`{"resourceType":"Observation","id":"obs-page-%d","status":"final",LABORATORY,"code":{"text":"visible"},"subject":{"reference":"Patient/PATIENT-D"}}`, i))
	}
	first = s.ask(demo.GP(), at("Observation?patient=leak-d&_count=2"))
	if next = first.link(s.g, "next"); first.status != http.StatusOK || len(first.entries()) != 2 || next == "" {
		s.T.Fatalf("got %d %v, next %q", first.status, first.entries(), next)
	}
	return first, next
}

// expired returns an expired sealed page link, which only somebody with the key can make.
func (s *stage) expired(next string) string {
	s.T.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder, "cursor-key"))
	if err != nil {
		s.T.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		s.T.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		s.T.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		s.T.Fatal(err)
	}
	path, sealed, _ := strings.Cut(next, "_cursor=")
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		s.T.Fatal(err)
	}
	nonce := raw[:aead.NonceSize()]
	plain, err := aead.Open(nil, nonce, raw[len(nonce):], []byte("page"))
	if err != nil {
		s.T.Fatal(err)
	}
	over := regexp.MustCompile(`"e":\d+`).ReplaceAll(plain, []byte(`"e":1700000000`))
	if string(over) == string(plain) {
		s.T.Fatalf("the link has no time: %s", plain)
	}
	return path + "_cursor=" + base64.RawURLEncoding.EncodeToString(aead.Seal(slices.Clone(nonce), nonce, over, []byte("page")))
}

// leaksOfPages are the rows PG of chapter 1.10.
var leaksOfPages = []leak{
	{"PG-1", "Page links are the gateway's own, sealed; those of sources and vendors are refused.", func(s *stage) {
		first, next := s.firstPage()
		for _, secret := range []string{"_getpages", "leak-d", leakD.BSN, "_count"} {
			if strings.Contains(next, secret) {
				s.Errorf("the link tells %s: %s", secret, next)
			}
		}
		second := s.ask(demo.GP(), get(next))
		if got := second.entries(); second.status != 200 || len(got) != 2 || slices.Contains(first.entries(), got[0]) {
			s.Errorf("the second page: %d %v after %v", second.status, got, first.entries())
		}
		s.turnedAway(demo.GP(), 404, "not-found", ats("?_getpages=1&_getpagesoffset=20&_count=20", "?_getpages=1")...)
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-d&_getpages=1", "Observation?patient=leak-d&ct=1", "Observation?patient=leak-d&_page=2", "Observation?patient=leak-d&_offset=2", "Observation?patient=leak-d&page-token=1", "Observation?patient=leak-d&_page_token=1")...)
		cursor := strings.TrimPrefix(next, "/fhir/demo/Observation?")
		s.turnedAway(demo.GP(), 400, "invalid", ats("Observation?_id=obs-lab-b&"+cursor, "Observation?"+cursor+"&patient=leak-b", "Observation?"+cursor+"&"+cursor)...)
	}},
	{"PG-2", "A page link works for the caller who got it, on the same type and source.", func(s *stage) {
		_, next := s.firstPage()
		again := demo.GP()
		again.Claims.UZI = "900000099"
		moved := demo.GP()
		moved.Claims.OrganizationURA = "90000099"
		for _, other := range []demo.Caller{demo.Pharmacist(), demo.EmergencyDoctor(), demo.Patient("patient", leakD), again, moved} {
			s.turnedAway(other, 404, "not-found", get(next))
		}
		s.turnedAway(demo.GP(), 404, "not-found", get(strings.Replace(next, "Observation", "Condition", 1)))
	}},
	{"PG-3", "Every page is decided anew; a link that expired, or was sealed with a key that is gone, is as one that never was, and a second instance opens those of the first.", func(s *stage) {
		_, next := s.firstPage()
		s.absent(demo.GP(), get(s.expired(next)))
		same := s.beside()
		if r := same.ask(demo.GP(), get(next)); r.status != 200 || len(r.entries()) != 2 {
			s.Errorf("a second instance: got %d %v", r.status, r.entries())
		}
		s.write("rotated-key", base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))+"\n")
		rotated := s.beside("cursor_key_files: [cursor-key]", "cursor_key_files: [rotated-key]")
		rotated.absent(demo.GP(), get(next))
		both := s.beside("cursor_key_files: [cursor-key]", "cursor_key_files: [rotated-key, cursor-key]")
		if r := both.ask(demo.GP(), get(next)); r.status != 200 {
			s.Errorf("with the old key kept: got %d", r.status)
		}
		p := s.passing("999909654", "leak-g")
		for i := range 3 {
			s.has(fmt.Sprintf(`{"resourceType":"Observation","id":"obs-g-%d","status":"final",LABORATORY,"code":{"text":"visible"},"subject":{"reference":"Patient/leak-g"}}`, i))
		}
		r := s.gets(demo.GP(), at("Observation?patient=leak-g&_count=2"), "Observation/obs-g-0", "Observation/obs-g-1")
		s.withdraw(s.h, p, partyGP)
		s.refusedAll(demo.GP(), 403, "forbidden", get(r.link(s.g, "next")))
	}},
	{"PG-4", "A damaged, cut, foreign or endless link opens nothing.", func(s *stage) {
		_, next := s.firstPage()
		at := strings.Index(next, "_cursor=") + len("_cursor=")
		for _, i := range []int{at, at + 20, len(next) - 2} {
			flipped := []byte(next)
			flipped[i] = map[bool]byte{true: 'B', false: 'A'}[flipped[i] == 'A']
			s.absent(demo.GP(), get(string(flipped)))
		}
		letter := s.letter()
		s.absent(demo.GP(), get(next[:len(next)-4]), get(next[:at]+"AAAA"), get(next+"AAAA"), get(next[:at]+letter[strings.LastIndex(letter, "/")+1:]), get("/fhir/demo/Binary/"+next[at:]))
		s.turnedAway(demo.GP(), 400, "invalid", get(next+"=="), get(next[:at]), get(next[:at]+"%00"), get(next+"+"))
		s.turnedAway(demo.GP(), 414, "too-long", get(next[:at]+strings.Repeat("A", 20<<10)))
		// The server itself refuses a header of a megabyte, and may close the connection while it is still arriving.
		if r, err := s.g.try(demo.GP(), get(next[:at]+strings.Repeat("A", 1<<20))); err == nil && r.status != http.StatusRequestHeaderFieldsTooLarge {
			s.Errorf("a megabyte: got %d", r.status)
		}
	}},
	{"PG-5", "A source's next link must be on exactly its own base; any other gives a 502, and nobody is asked there.", func(s *stage) {
		host := strings.TrimSuffix(strings.TrimPrefix(s.source.URL(), "http://"), "/fhir")
		for _, next := range []string{
			"http://evil.example/fhir?_getpages=1", "BASE.evil.example?_getpages=1", "http://HOST/fhirX?_getpages=1", "http://HOST/other?_getpages=1", "http://user@HOST/fhir?_getpages=1", "https://HOST/fhir?_getpages=1",
			"/fhir?_getpages=1", "http://HOST/fhir/../admin?_getpages=1", "http://HOST/fhir/%2e%2e/admin?_getpages=1", "http://HOST/fhir?_getpages=1#x", "ftp://HOST/fhir?_getpages=1", "http://HOST1/fhir?_getpages=1", "http://evil.example/http://HOST/fhir", "//HOST/fhir?x",
		} {
			next = strings.NewReplacer("BASE", s.source.URL(), "HOST", host).Replace(next)
			s.source.Reset()
			s.source.Intercept(onlyObservations(s.searchset("Observation?patient=Patient/leak-a", `,{"relation":"next","url":"`+next+`"}`, `{"resource":`+string(s.source.Resource("Observation/obs-lab-a"))+`,"search":{"mode":"match"}}`)))
			s.failing(demo.GP(), at("Observation?patient=leak-a"))
			s.wantAsked("GET Observation?patient=Patient/leak-a&_count=50")
		}
	}},
	{"PG-6", "Every entry of every page is checked: what another page mixes in is dropped.", func(s *stage) {
		entry := func(name string) string {
			return `{"resource":` + string(s.source.Resource(name)) + `,"search":{"mode":"match"}}`
		}
		second := s.searchset("x", "", entry("Observation/obs-lab-b"), entry("Observation/obs-psy-a"), entry("Patient/leak-b"), entry("Condition/cond-a"), entry("MedicationRequest/rx-a"), entry("Observation/obs-lab-a"), entry("Observation/obs-lab-d"))
		first := s.searchset("Observation?patient=Patient/leak-a", `,{"relation":"next","url":"`+s.source.URL()+`?_getpages=1"}`, entry("Observation/obs-lab-b"))
		s.source.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case r.URL.Query().Has("_getpages"):
				return second(w, r)
			case strings.HasSuffix(r.URL.Path, "/Observation"):
				return first(w, r)
			}
			return false
		})
		s.gets(demo.GP(), at("Observation?patient=leak-a&_count=5"), "Observation/obs-lab-a")
	}},
	{"PG-7", "Pages are refilled, whatever their size; where hundreds of hidden rows follow each other a page ends early, and nothing is lost.", func(s *stage) {
		for _, rows := range []int{60, 600} {
			s.rows(rows, func(i int) bool { return i != rows-1 })
			pages := s.walk(demo.GP(), "Observation?patient=leak-a&_count=2")
			if got := slices.Concat(pages...); !slices.Equal(got, []string{fmt.Sprintf("Observation/row-%03d", rows-1)}) || len(pages) != 1+rows/600 {
				s.Errorf("got %v of %d rows", pages, rows)
			}
		}
		s.rows(7, func(i int) bool { return i%2 == 0 })
		if pages := s.walk(demo.GP(), "Observation?patient=leak-a&_count=2"); len(pages) != 2 || len(pages[0]) != 2 || len(pages[1]) != 1 {
			s.Errorf("got %v, want pages of 2 and 1", pages)
		}
	}},
	{"PG-8", "Of the links of a Bundle there are the gateway's own self, with the patient masked, and next.", func(s *stage) {
		evil := url.QueryEscape(marker)
		links := ""
		for _, relation := range []string{"first", "last", "previous", "prev", "related", "alternate"} {
			links += `,{"relation":"` + relation + `","url":"` + s.source.URL() + `?_getpages=` + evil + `"}`
		}
		links += `,{"extension":[{"url":"http://x","valueString":"` + marker + `"}],"relation":"about","url":"http://evil.example/` + evil + `"}`
		s.source.Intercept(onlyObservations(s.searchset("Observation?patient=Patient/leak-a", links, `{"fullUrl":"`+s.source.URL()+`/Observation/obs-lab-a","link":[{"relation":"x","url":"`+evil+`"}],"resource":`+string(s.source.Resource("Observation/obs-lab-a"))+`,"search":{"mode":"match","score":0.7}}`)))
		r := s.gets(demo.GP(), at("Observation?patient=leak-a"), "Observation/obs-lab-a")
		if n := strings.Count(r.body, `"relation"`); n != 1 || r.link(s.g, "self") != "/fhir/demo/Observation?patient=***" {
			s.Errorf("got %d links: %s", n, r.body)
		}
	}},
}
