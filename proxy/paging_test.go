package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"zorgsluis/proxy"
)

// paged makes the source return Observation searches in two pages; next is the URL of the second.
func (w *world) paged(next string) {
	page := func(link string, entries ...string) string {
		return `{"resourceType":"Bundle","type":"searchset","total":2,"link":[` + link + `],"entry":[` + strings.Join(entries, ",") + `]}`
	}
	entry := func(id string) string {
		return `{"fullUrl":"` + w.source.base() + `/` + id + `","resource":` + w.source.records[id] + `,"search":{"mode":"match"}}`
	}
	w.source.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		rw.Header().Set("Content-Type", "application/fhir+json")
		switch {
		case r.URL.Query().Get("_getpages") != "":
			io.WriteString(rw, page(`{"relation":"previous","url":"`+w.source.base()+`?x"}`, entry("Observation/survey-A"), entry("Observation/lab-B")))
		case strings.HasSuffix(r.URL.Path, "/Observation"):
			io.WriteString(rw, page(`{"relation":"next","url":"`+next+`"}`, entry("Observation/lab-A")))
		default:
			return false
		}
		return true
	}
}

func TestPagesAreSealedAndDecidedAnew(t *testing.T) {
	w := newWorld(t)
	w.story()
	w.paged(w.source.base() + "?_getpages=handle1&_getpagesoffset=1")
	first := w.get("gp", searchA+"&_count=1")
	next := first.link("next")
	if first.status != 200 || !strings.HasPrefix(next, "/fhir/demo/Observation?_cursor=") {
		t.Fatalf("got %d, next %q", first.status, next)
	}
	for _, secret := range []string{"_getpages", "handle1", bsnA, "Patient"} {
		if strings.Contains(next, secret) {
			t.Errorf("the page link tells %q", secret)
		}
	}
	second := w.get("gp", next)
	if got := second.entries(); second.status != 200 || len(got) != 1 || got[0] != "Observation/survey-A" {
		t.Fatalf("second page: %d %v", second.status, got)
	}
	if second.link("next") != "" || second.link("previous") != "" {
		t.Errorf("links of the source left: %s", second.body)
	}
	if w.store.count() != 2 || w.store.last(t).Query != w.store.events[0].Query {
		t.Errorf("want one event a page, with the query of the first")
	}
	w.store.withdrawAll(bsnA)
	if third := w.get("gp", next); third.status != 403 {
		t.Errorf("a page after the withdrawal: %d", third.status)
	}
}

func TestPageLinksOfOthersDoNotWork(t *testing.T) {
	w := newWorld(t)
	w.story()
	w.paged(w.source.base() + "?_getpages=handle1")
	next := w.get("gp", searchA+"&_count=1").link("next")
	if next == "" {
		t.Fatal("no next link")
	}
	flipped := []byte(next)
	flipped[len(flipped)-5] ^= 1
	tests := map[string]struct{ caller, target string }{
		"PG-2 another caller":    {"gp2", next},
		"PG-2 the patient":       {"patient-a", next},
		"PG-4 a flipped bit":     {"gp", string(flipped)},
		"PG-4 cut short":         {"gp", next[:len(next)-3]},
		"PG-4 nothing":           {"gp", "/fhir/demo/Observation?_cursor=AAAA"},
		"PG-1 on another type":   {"gp", strings.Replace(next, "Observation", "Condition", 1)},
		"PG-1 with a parameter":  {"gp", next + "&code=x"},
		"PG-4 of a megabyte":     {"gp", "/fhir/demo/Observation?_cursor=" + strings.Repeat("A", 1<<20)},
		"PG-1 the source's link": {"gp", "/fhir/demo?_getpages=handle1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := len(w.source.requests())
			got := w.get(tt.caller, tt.target)
			if got.status == 200 || len(w.source.requests()) != before {
				t.Errorf("got %d, source asked %v", got.status, w.source.requests()[before:])
			}
		})
	}
	w.clock = w.clock.Add(11 * time.Minute)
	if got := w.get("gp", next); got.status != 404 {
		t.Errorf("PG-3 an expired link: got %d, want 404", got.status)
	}
}

func TestKeysOfPageLinksRotate(t *testing.T) {
	old, fresh := []byte("0123456789abcdef0123456789abcdef"), []byte("fedcba9876543210fedcba9876543210")
	w := newWorld(t)
	w.story()
	w.paged(w.source.base() + "?_getpages=handle1")
	next := w.get("gp", searchA+"&_count=1").link("next")
	for name, tt := range map[string]struct {
		keys [][]byte
		want int
	}{
		"the old key still opens":           {[][]byte{fresh, old}, 200},
		"PG-3 a key that is gone does not":  {[][]byte{fresh}, 404},
		"another instance has the same key": {[][]byte{old}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			parts := w.parts()
			parts.CursorKeys = tt.keys
			gate, err := proxy.NewGate(parts)
			if err != nil {
				t.Fatal(err)
			}
			w.gate = gate
			if got := w.get("gp", next); got.status != tt.want {
				t.Errorf("got %d, want %d", got.status, tt.want)
			}
		})
	}
}

// TestNextLinksElsewhereAreRefused: the source's credential goes to exactly the configured origin (PG-5).
func TestNextLinksElsewhereAreRefused(t *testing.T) {
	for _, link := range []string{
		"http://evil.example/fhir?_getpages=1", "BASE.evil.example?_getpages=1", "HOST/fhirX?_getpages=1", "HOST/other?_getpages=1",
		"http://user@HOSTONLY/fhir?_getpages=1", "https://HOSTONLY/fhir?_getpages=1", "/fhir?_getpages=1", "HOST/fhir/../admin?_getpages=1",
		"HOST/fhir/%2e%2e/admin?_getpages=1", "HOST/fhir?_getpages=1#x", "ftp://HOSTONLY/fhir?_getpages=1", "HOST/fhir",
	} {
		t.Run(link, func(t *testing.T) {
			w := newWorld(t)
			w.story()
			host := strings.TrimPrefix(w.source.server.URL, "http://")
			next := strings.NewReplacer("BASE", w.source.base(), "HOSTONLY", host, "HOST", w.source.server.URL).Replace(link)
			w.paged(next)
			if got := w.get("gp", searchA); got.status != 502 || strings.Contains(got.body, "lab-A") {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
}
