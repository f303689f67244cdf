package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zorgsluis/internal/demo"
)

func TestReplace(t *testing.T) {
	for _, tt := range []struct{ name, old, want string }{
		{"what stood there is replaced", "a\n<!-- bench -->\nold\n<!-- /bench -->\nb", "a\n<!-- bench -->\nnew\n<!-- /bench -->\nb"},
		{"there may be nothing yet", "<!-- bench --><!-- /bench -->", "<!-- bench -->\nnew\n<!-- /bench -->"},
		{"no markers", "a", ""},
		{"only the first", "<!-- bench -->", ""},
		{"the wrong order", "<!-- /bench --><!-- bench -->", ""},
		{"twice", "<!-- bench --><!-- /bench --><!-- bench --><!-- /bench -->", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "README.md")
			if err := os.WriteFile(file, []byte(tt.old), 0o600); err != nil {
				t.Fatal(err)
			}
			err := replaceInFile(file, "\nnew\n\n")
			got, readErr := os.ReadFile(file)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if tt.want == "" && (err == nil || string(got) != tt.old) {
				t.Errorf("got %q and error %v, want an error and the file as it was", got, err)
			}
			if tt.want != "" && (err != nil || string(got) != tt.want) {
				t.Errorf("got %q and error %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestParseWrk(t *testing.T) {
	got, err := parseWrk("Running 3s test @ http://127.0.0.1:1\ncounted 1200 34000 2000000 1500 9000 3\n")
	want := load{requests: 1200, bytes: 34000, failures: 3, took: 2 * time.Second, p50: 1500 * time.Microsecond, p99: 9 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("got %+v and error %v, want %+v", got, err, want)
	}
	if _, err := parseWrk("unable to connect"); err == nil {
		t.Error("got no error where nothing was counted")
	}
}

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte("812 (a (strange) name) S 7 812 812 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 5 0 100 1 1"))
	if want := (stat{pid: 812, parent: 7, used: 2 * time.Second}); err != nil || got != want {
		t.Errorf("got %+v and error %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "812", "812 (x) S 7", "x (x) S 7 812 812 0 -1 4194560 1 2 3 4 150 50"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("got no error for %q", bad)
		}
	}
	if _, err := cpuTimes(os.Getpid(), 0); err != nil {
		t.Errorf("own CPU time: %v", err)
	}
	if _, err := cpuTimes(1 << 30); err == nil {
		t.Error("got a CPU time of a process that is not there")
	}
}

// TestSource: the source answers the requests of the gateway, in the sizes of the table.
func TestSource(t *testing.T) {
	server := httptest.NewServer(newSource(2, "http://source.example"))
	defer server.Close()
	person := demo.SyntheticPerson(1)
	found := func(resp *http.Response, err error) (size, entries int) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b struct{ Entry []any }
		if err := json.NewDecoder(resp.Body).Decode(&b); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d, error %v", resp.StatusCode, err)
		}
		return int(resp.ContentLength), len(b.Entry)
	}
	if size, _ := found(http.Get(server.URL + base + "/Patient/" + string(person.PatientID))); size < 1800 || size > 2300 {
		t.Errorf("the Patient has %d bytes, want about 2 kB", size)
	}
	for _, value := range []string{string(person.PatientID), "Patient/" + string(person.PatientID), "Patient%2F" + string(person.PatientID)} {
		size, entries := found(http.Get(server.URL + base + "/Observation?_count=50&patient=" + value))
		if entries != observations || size < 95_000 || size > 120_000 {
			t.Errorf("patient=%s: got %d entries in %d bytes, want %d in about 100 kB", value, entries, size, observations)
		}
	}
	form := url.Values{"identifier": {demo.SystemBSN + "|" + person.BSN}}
	if _, entries := found(http.PostForm(server.URL+base+"/Patient/_search", form)); entries != 1 {
		t.Errorf("search by BSN: got %d entries, want 1", entries)
	}
	resp, err := http.Get(server.URL + base + "/Patient/unknown")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("unknown patient: got status %d, want 404", resp.StatusCode)
	}
}

// TestGenerators: both count answers and failures; the plain proxy in between passes everything on.
func TestGenerators(t *testing.T) {
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer bad" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		w.Write([]byte(strings.Repeat("x", 100)))
	}))
	defer source.Close()
	target, err := url.Parse(source.URL)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(newPlain(target))
	defer server.Close()
	withWrk, err := newWrk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]generator{"built in": builtIn{}, "wrk": withWrk}
	for name, g := range all {
		if name == "wrk" && !installed("wrk") {
			t.Log("wrk is not installed")
			continue
		}
		good, err := g.run(t.Context(), server.URL, []request{{"/a", "one"}, {"/b", "two"}}, 2, time.Second)
		if err != nil || good.requests == 0 || good.failures != 0 || good.bytes < int64(100*good.requests) || good.p99 < good.p50 || good.p50 <= 0 {
			t.Errorf("%s: got %+v and error %v", name, good, err)
		}
		mixed, err := g.run(t.Context(), server.URL, []request{{"/a", "one"}, {"/b", "bad"}}, 2, time.Second)
		if err != nil || mixed.failures < mixed.requests/3 || mixed.failures > mixed.requests*2/3+2 {
			t.Errorf("%s: got %d failures of %d requests and error %v, want half", name, mixed.failures, mixed.requests, err)
		}
	}
}

// TestReport: medians, and ratios of medians; what is missing is left out.
func TestReport(t *testing.T) {
	w := workloads()[0]
	made := func(name string, beside int, rates ...float64) *result {
		r := &result{target: &target{name: name, beside: beside}, workload: w, size: 1900}
		for _, n := range rates {
			r.busy = append(r.busy, sample{rate: n, cpu: 50, beside: 10, p50: time.Millisecond, p99: 2 * time.Millisecond})
			r.crowded = append(r.crowded, sample{rate: 2 * n})
			r.single = append(r.single, sample{p50: time.Duration(n) * time.Microsecond, p99: 3 * time.Millisecond})
		}
		return r
	}
	got := report([]*result{made(gatewayName, 7, 100, 900, 500), made(favouredName, 7, 600), made(plainName, 0, 1000, 1000, 2000)}, options{connections: 64, many: 256}, "a machine")
	for _, want := range []string{
		"| **`GET Patient/{id}`, 1.9 kB** |",
		"| 64 connections: | req/s |", "| 256: req/s |",
		"| gateway | 500 | 0.50 | – | 50 + Redis 10 | 1.00 / 2.00 | 1000 | 0.50 | 0.50 / 3.00 | -0.50 / +0.00 |",
		"| gateway, Redis at nice -10 | 600 | 0.60 | ",
		"| plain Go proxy | 1000 | 1.00 | – | 50 | 1.00 / 2.00 | 2000 | 1.00 | 1.00 / 3.00 | – |",
		"\na machine\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, nginxName+" |") && !strings.Contains(got, "× nginx |") || strings.Contains(got, "Observation") {
		t.Errorf("rows of what was not measured:\n%s", got)
	}
}
