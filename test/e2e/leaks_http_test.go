package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"zorgsluis/internal/demo"
)

// wire sends a request head unchanged, with gp's token and the end of the head, and this body; and returns what came back until the connection
// ended.
func (s *stage) wire(head, body string) (status int, answer string) {
	s.T.Helper()
	return s.bytes(head + "Authorization: Bearer " + tokenOf(s.T, demo.GP()) + "\r\nConnection: close\r\n\r\n" + body)
}

// bytes sends bytes, and searches the answer for canaries.
func (s *stage) bytes(request string) (status int, answer string) {
	s.T.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.g.base, "http://"))
	if err != nil {
		s.T.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(endWithin))
	_, _ = io.WriteString(conn, request) // it may answer, and end the connection, while we are writing
	all, _ := io.ReadAll(conn)           // what came before the end, whatever ended it
	_, _ = fmt.Sscanf(string(all), "HTTP/1.1 %d", &status)
	s.clean(reply{body: string(all)})
	return status, string(all)
}

// target returns the head of a GET of this target, unchanged.
func (s *stage) target(target string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.g.base, "http://") + "\r\n"
}

// stopped wants a raw request to be refused without contacting the source.
func (s *stage) stopped(head, body string) {
	s.T.Helper()
	s.source.Reset()
	status, _ := s.wire(head, body)
	if status < 400 || status >= 600 {
		s.T.Errorf("%q: got status %d, want a refusal", tail(head, 200), status)
	}
	if n := len(s.source.Requests()); n != 0 {
		s.T.Errorf("%q: the source was asked %d times", tail(head, 200), n)
	}
}

// httpLeaks are the rows of leaks.md, 1.14: targets, queries, headers and framing that others interpret differently.
var httpLeaks = []leak{
	{"HT-1", "A target with dot segments, escaped slashes, control characters or anything escaped that needs none is refused as it stands: nothing is cleaned, nothing redirected", func(s *stage) {
		for _, target := range []string{
			"Patient/leak-d/../leak-b", "%2e%2e/actuator/env", "../actuator/env", "Patient/leak-d%2F..%2Fleak-b", "Patient%2Fleak-d", "Patient/leak-d%2f$everything", "Patient/leak-d%5C..%5Cleak-b",
			"Patient/leak-d\\..\\leak-b", "Patient/leak-d%00", "Patient/leak-d%0d%0aX:y", "Patient/leak-d%7F", "Patient/leak%2Dd", "Patient/leak-d%25", "Patient/leak-d;x=1", "Patient/leak-d%3Bx=1", "Patient/l\u00e9ak", "Patient/leak-d%c3%a9", "%50atient/leak-d",
		} {
			s.stopped(s.target("/fhir/demo/"+target), "")
		}
	}},
	{"HT-2", "Double slashes, slashes at the end, other letters and path parameters are other paths: 404", func(s *stage) {
		for _, target := range []string{"//fhir/demo/Patient/leak-d", "/fhir//demo/Patient/leak-d", "/fhir/demo//Patient/leak-d", "/fhir/./demo/Patient/leak-d", "/fhir/demo/./Patient", "/fhir/demo/Patient/leak-d/", "/fhir/demo/Patient/leak-d%20",
			"/FHIR/demo/Patient/leak-d", "/fhir/Demo/Patient/leak-d", "/fhir/demo/patient/leak-d", "/fhir/demo/Patient;x=1/leak-d;jsessionid=1", "/fhir;x/demo/Patient/leak-d"} {
			s.stopped(s.target(target), "")
		}
	}},
	{"HT-3", "A target in absolute form, or one that names no path, is refused; no host that a caller names is ever asked", func(s *stage) {
		for _, target := range []string{"http://hapi:8080/fhir/demo/Patient/leak-d", s.source.URL() + "/Patient/leak-d", s.g.base + "/fhir/demo/Patient/leak-d", "//hapi:8080/fhir", "*", "fhir/demo/Patient/leak-d", "/fhir/demo/Patient/leak-d#x"} {
			s.stopped(s.target(target), "")
		}
		s.stopped(strings.Replace(s.target("*"), "GET", "OPTIONS", 1), "")
	}},
	{"HT-4", "Host and forwarded headers decide nothing: links are built from the configuration, the event has the peer's own address, the source sees none of them", func(s *stage) {
		head := strings.Replace(s.target("/fhir/demo/Observation?patient=leak-d"), "Host: ", "Host: evil.example\r\nX-Was: ", 1)
		status, answer := s.wire(head+"X-Forwarded-Host: CANARY7f3a\r\nForwarded: host=CANARY7f3a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /CANARY7f3a\r\nX-Forwarded-For: 10.0.0.1\r\n", "")
		if status != http.StatusOK || !strings.Contains(answer, s.g.base+"/fhir/demo/Observation") || strings.Contains(answer, "evil.example") {
			s.T.Errorf("got %d %s", status, answer)
		}
		s.wantOwnHeaders()
		for _, e := range s.events() {
			if e.Address == "10.0.0.1" {
				s.T.Error("an event has an address that a caller made up")
			}
		}
	}},
	{"HT-5", "No header and no parameter changes the method or the path", func(s *stage) {
		for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Original-Method"} {
			s.source.Reset()
			s.finds(aboutD("Observation").with(name, "DELETE"), name, "Observation/obs-lab-d")
			s.wantAsked("GET Observation?patient=Patient/leak-d&_count=50")
			s.wantOwnHeaders()
		}
		s.refused(demo.GP(), get("/fhir/demo/Observation?patient=leak-d&_method=DELETE"), http.StatusBadRequest, "not-supported")
	}},
	{"HT-6", "Connection names no header of the gateway's away: the source gets the gateway's own headers, all of them", func(s *stage) {
		for _, names := range []string{"Authorization, Accept, Prefer", "X-Consent-Decision, X-Request-Id, User-Agent", "close, Accept"} {
			s.source.Reset()
			s.finds(aboutD("Observation").with("Connection", names), names, "Observation/obs-lab-d")
			s.wantOwnHeaders()
			for _, asked := range s.source.Requests() {
				if asked.Header.Get("X-Request-Id") == "" || asked.Header.Get("User-Agent") != "zorgsluis" {
					s.T.Errorf("the source got %v", asked.Header)
				}
			}
		}
	}},
	{"HT-7", "A request of which anybody could tell another length is refused, a read with a body too; behind these and behind chunks, whatever length stands beside them, nothing is read on the connection", func(s *stage) {
		post := strings.Replace(s.target("/fhir/demo/Observation/_search"), "GET", "POST", 1) + "Content-Type: application/x-www-form-urlencoded\r\n"
		read := s.target("/fhir/demo/Observation/obs-lab-d")
		smuggled := "GET /fhir/demo/Observation/obs-lab-d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + tokenOf(s.T, demo.GP()) + "\r\n\r\n"
		for _, odd := range [][2]string{
			{post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + smuggled}, {post + "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"},
			{post + "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"}, {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"},
			{post + "Content-Length: +5\r\n", "a=b&c"}, {post + "Content-Length: 0x5\r\n", "a=b&c"}, {post + "Content-Length: 5\r\nContent-Length: 6\r\n", "a=b&cd"}, {post + "Content-Length: 5, 5\r\n", "a=b&c"}, {post + "Content-Length: -1\r\n", ""},
			{post + "Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\nx\r\n0\r\n\r\n"}, {post + "Transfer-Encoding: chunked\r\n", "5\rX\r\na=b&c\r\n0\r\n\r\n"}, {post + "Transfer-Encoding : chunked\r\n", "0\r\n\r\n"},
			{read + "Content-Length: 5\r\n", "hello"}, {read + "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n" + smuggled}, {read + "X\x00Y: 1\r\n", ""}, {read + " : 1\r\n", ""}, {read + "Host: second\r\n", ""},
		} {
			s.stopped(odd[0], odd[1])
		}
		const form = "patient=PATIENT-D1"
		bearer := "Authorization: Bearer " + tokenOf(s.T, demo.GP()) + "\r\n"
		chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(form), form)
		for _, open := range []string{
			post + bearer + "Transfer-Encoding: chunked\r\n\r\n" + chunks, post + bearer + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
			post + bearer + "Transfer-Encoding: chunked\r\nContent-Length: 500\r\n\r\n" + chunks, read + bearer + "Content-Length: 5\r\n\r\nhello",
			read + bearer + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", post + "Transfer-Encoding: chunked\r\n\r\n" + chunks, // refused, without a token
		} {
			s.source.Reset()
			if _, answer := s.bytes(open + smuggled); strings.Count(answer, "HTTP/1.1 ") != 1 {
				s.T.Errorf("%q: got %d answers, want one", tail(open, 200), strings.Count(answer, "HTTP/1.1 "))
			}
			for _, asked := range s.source.Requests() {
				if strings.Contains(fmt.Sprint(asked), "obs-lab-d") {
					s.T.Errorf("%q: what stood behind it was asked for", tail(open, 200))
				}
			}
		}
	}},
	{"HT-8", "There is no way past HTTP/1.1: upgrades are refused, and so are HTTP/2 in the clear and header values with line ends", func(s *stage) {
		read := s.target("/fhir/demo/Observation/obs-lab-d")
		for _, more := range []string{"Upgrade: websocket\r\n", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", "Upgrade: TLS/1.0\r\n", "X-A: a\rb\r\n"} {
			s.stopped(read+more, "")
		}
		s.source.Reset()
		if status, answer := s.bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); status == http.StatusOK || len(s.source.Requests()) > 0 {
			s.T.Errorf("HTTP/2 in the clear: got %d %q", status, answer)
		}
	}},
	{"HT-9", "A query has one reading or none: semicolons, bad escapes, empty names, control characters and broken UTF-8 are refused, and what is understood is written anew", func(s *stage) {
		for _, query := range []string{
			"patient=leak-d;patient=leak-b", "patient=leak-d&amp;patient=leak-b", "patient=leak-d%26patient=leak-b", "%70atient=leak-d&patient=leak-b", "patient%5B%5D=leak-d", "patient%20=leak-d", "patient=", "=leak-d",
			"patient", "patient=leak-d&&=", "patient=leak-d%0d%0aX:%20y", "patient=leak+d", "patient=leak-d&code=%c0%af", "patient=leak-d&code=%u0042", "patient=leak-d&code=%zz", "patient=leak-d&code=%", "patient=leak-d&code=%00", "patient=leak-d&code=\xff", "patient=leak-d?patient=leak-b",
		} {
			s.stopped(s.target("/fhir/demo/Observation?"+query), "")
		}
		s.source.Reset()
		s.finds(get("/fhir/demo/Observation?%70atient=leak%2Dd&code=718%2d7"), "escapes", "Observation/obs-lab-d")
		s.wantAsked("GET Observation?patient=Patient/leak-d&_count=50&code=718-7")
	}},
	{"HT-10", "Names of parameters are exact", func(s *stage) {
		for _, query := range []string{"Patient=leak-d", "PATIENT=leak-d", "patient=leak-d&Code=718-7", "patient=leak-d&subject%3apatient=leak-d", "patient=leak-d&CODE=x", "patient=leak-d&_Count=1"} {
			s.refused(demo.GP(), get("/fhir/demo/Observation?"+query), http.StatusBadRequest, "not-supported")
		}
	}},
	{"HT-11", "FHIR's escapes in values are understood and written anew; an id with a backslash is none", func(s *stage) {
		for _, id := range []string{`leak-d\`, `leak-d\,leak-b`, `leak\-d`, `leak-d%5C%24`, `leak-d\|x`} {
			s.refused(demo.GP(), get("/fhir/demo/Observation?patient="+strings.ReplaceAll(id, `\`, "%5C")), http.StatusBadRequest, "invalid")
		}
		s.finds(get(`/fhir/demo/Observation?patient=leak-d&code=718-7%5C,x`), "one code with a comma in it")
		s.wantAsked(`GET Observation?patient=Patient/leak-d&_count=50&code=718-7%5C,x`)
		s.finds(get(`/fhir/demo/Observation?patient=leak-d&code=718-7,x`), "two codes", "Observation/obs-lab-d")
	}},
	{"HT-12", "A value that is a URL of elsewhere names no patient: 400 before the source is asked", func(s *stage) {
		host := strings.TrimPrefix(s.source.URL(), "http://")
		for _, value := range []string{"http://evil.example/Patient/leak-d", "http://" + host + "@evil.example/Patient/leak-d", "http:/hapi/Patient/leak-d", "//evil.example/Patient/leak-d", "http://evil.example:80/fhir/Patient/leak-d", "http://x\u00e4.example/Patient/leak-d", "Patient/leak-d%23x", "file:///Patient/leak-d", "urn:uuid:leak-d"} {
			s.refused(demo.GP(), get("/fhir/demo/Observation?patient="+strings.NewReplacer("%23", "%23", "\u00e4", "%c3%a4").Replace(value)), http.StatusBadRequest, "invalid")
		}
	}},
	{"HT-13", "Exactly one Authorization header with exactly one bearer token: everything else is 400 or 401 before the source is asked", func(s *stage) {
		good := tokenOf(s.T, demo.GP())
		line := func(values ...string) (head string) {
			for _, v := range values {
				head += "Authorization: " + v + "\r\n"
			}
			return s.target("/fhir/demo/Observation/obs-lab-d") + head + "Connection: close\r\n\r\n"
		}
		s.source.Reset()
		for _, head := range []string{
			line("Bearer "+good, "Bearer "+good), line("Bearer " + good + ", Bearer " + good), line("Bearer\t" + good), line("Bearer  " + good), line("Bearer"), line(good), line("Bearer " + good + " x"), line("Bearer " + strings.Repeat("a", 64<<10)),
			line("Basic Z3A6ZGVtbw=="), line("DPoP " + good), line(), line("Bearer "+good, "Basic x"), strings.Replace(line("Bearer "+good), "Authorization", "Authorization : x\r\nX-A", 1),
		} {
			if status, _ := s.bytes(head); status != http.StatusBadRequest && status != http.StatusUnauthorized && status != http.StatusRequestHeaderFieldsTooLarge {
				s.T.Errorf("%s: got %d", tail(head, 80), status)
			}
		}
		s.wantAsked()
		q := search("Observation", leakD)
		s.refused(demo.GP(), q.with("Content-Type", "application/json", "content-type", "application/x-www-form-urlencoded"), http.StatusUnsupportedMediaType, "not-supported")
		if status, _ := s.bytes(line("bearer " + good)); status != http.StatusOK { // the scheme has no case (RFC 9110 §11.1)
			s.T.Errorf("bearer: got %d", status)
		}
	}},
	{"HT-14", "No header but Authorization tells who asks; names with an underscore are refused", func(s *stage) {
		for _, name := range []string{"X-Consent-Decision", "X-User", "X-Patient-Id", "X-Break-Glass", "X-Authorization-Scope", "X-Authorization-Subject", "X-Security-Context", "X-Client-Cert", "X-Forwarded-Client-Cert", "X-SSL-Client-Verify", "Cookie", "Category"} {
			s.forbidden(demo.GP(), searchID("Observation", leakB).with(name, "permit; patient=leak-b; role=gp; purpose=BTG"))
		}
		s.refused(demo.GP(), labD.with("X_User", "admin"), http.StatusBadRequest, "invalid")
		s.answered(demo.Caller{}, labD.with("Cookie", "token="+tokenOf(s.T, demo.GP()), "X-User", "gp"), http.StatusUnauthorized, "login")
		s.source.Reset()
		s.tell(demo.GP(), labD.with("Cookie", "CANARY7f3a", "X-User", "CANARY7f3a"))
		s.wantOwnHeaders()
	}},
	{"HT-15", "A caller who is slow or sends without end is cut off, before authentication too, and others are served meanwhile", func(s *stage) {
		own := s.beside("{ lookups_per_minute: 100000 }", "{ lookups_per_minute: 100000, timeouts: { header: 1s } }")
		conn, err := net.Dial("tcp", strings.TrimPrefix(own.g.base, "http://"))
		if err != nil {
			s.T.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(endWithin))
		_, _ = io.WriteString(conn, "GET /fhir/demo/Observation/obs-lab-d HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		own.finds(aboutD("Observation"), "meanwhile", "Observation/obs-lab-d")
		if all, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(string(all), "200 OK") { // ended by the gateway, not by our deadline
			s.T.Errorf("a slow head: got %q, %v", all, err)
		}
		read := s.target("/fhir/demo/Observation/obs-lab-d")
		s.stopped(read+"X-Large: "+strings.Repeat("a", 2<<20)+"\r\n", "")
		s.stopped(read+strings.Repeat("X-Many: a\r\n", 100_000), "")
	}},
	{"HT-16", "The gateway proves itself to the source by a credential that nobody else has: a direct call is refused, and the credential never leaves", func(s *stage) {
		source, err := demo.NewSource(demo.Data{s.source.Resource("Patient/leak-d"), s.source.Resource("Observation/obs-lab-d")}, demo.SourceOptions{Credential: "Bearer CANARY7f3a"})
		if err != nil {
			s.T.Fatal(err)
		}
		defer source.Close()
		direct, err := http.Get(source.URL() + "/Observation/obs-lab-d")
		if err != nil || direct.StatusCode != http.StatusUnauthorized {
			s.T.Fatalf("a direct call: got %v, %v", direct, err)
		}
		direct.Body.Close()
		own := s.beside("    base_url: \"{source}\"\n", "    base_url: \""+source.URL()+"\"\n    credential_file: "+s.write("credential", "Authorization: Bearer CANARY7f3a\n")+"\n")
		own.finds(aboutD("Observation"), "through the gateway", "Observation/obs-lab-d")
		if strings.Contains(own.g.logged(), marker) {
			s.T.Error("the log holds the credential")
		}
	}},
	{"HT-17", "Health, metrics and profiles are not on the public listener", func(s *stage) {
		for _, path := range []string{"/healthz", "/readyz", "/metrics", "/debug/pprof/", "/debug/vars", "/debug/pprof/heap", "/admin", "/gateway/healthz"} {
			s.refused(demo.GP(), get(path), http.StatusNotFound, "not-found")
		}
	}},
	{"HT-18", "No origin is allowed to read across origins", func(s *stage) {
		for _, origin := range []string{"https://evil.example", "null", s.g.base} {
			r := s.tell(demo.GP(), labD.with("Origin", origin))
			for name := range r.header {
				if strings.HasPrefix(name, "Access-Control-") {
					s.T.Errorf("%s: got %s", origin, name)
				}
			}
		}
	}},
	{"HT-19", "Proxy variables of the environment divert nothing", func(s *stage) {
		var asked atomic.Int32
		trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
		defer trap.Close()
		// Go never sends loopback addresses through a proxy, so the source uses another address of this machine.
		source, err := demo.NewSource(demo.Data{s.source.Resource("Patient/leak-d"), s.source.Resource("Observation/obs-lab-d")}, demo.SourceOptions{Address: ownAddress(s) + ":0"})
		if err != nil {
			s.T.Fatal(err)
		}
		defer source.Close()
		os.Setenv("HTTP_PROXY", trap.URL)
		defer os.Unsetenv("HTTP_PROXY")
		own := s.beside("    base_url: \"{source}\"\n", "    base_url: \""+source.URL()+"\"\n    insecure_plaintext: true\n")
		own.finds(aboutD("Observation"), "past the proxy", "Observation/obs-lab-d")
		if n := asked.Load(); n != 0 {
			s.T.Errorf("the proxy was asked %d times", n)
		}
	}},
	{"HT-20", "A request id that is not plain is replaced, so that nothing of it comes back or is logged", func(s *stage) {
		for _, id := range []string{"a%0d%0aSet-Cookie: x", "CANARY7f3a x", strings.Repeat("a", 200), "\u00e9", `"CANARY7f3a"`, "<script>"} {
			r := s.ask(demo.GP(), labD.with("X-Request-Id", id))
			if got := r.header.Get("X-Request-Id"); r.status != http.StatusOK || got == id || len(got) != 36 {
				s.T.Errorf("%q: got %d %q", id, r.status, got)
			}
		}
		if strings.Contains(s.g.logged(), "Set-Cookie") {
			s.T.Error("the log holds what a caller made up")
		}
	}},
	{"HT-21", "No answer may be kept by anybody: no-store and Vary on each, whatever the request says", func(s *stage) {
		for _, q := range []question{labD, labD.with("Cache-Control", "max-age=60, only-if-cached"), aboutD("Observation"), get("/fhir/demo/Observation/absent"), get("/nowhere"), searchID("Observation", leakB)} {
			if r := s.tell(demo.GP(), q); r.header.Get("Cache-Control") != "no-store" || !strings.Contains(r.header.Get("Vary"), "Authorization") {
				s.T.Errorf("%s: got %v", q, r.header)
			}
		}
	}},
	{"HT-22", "Requests are not put together: two callers with one question ask the source twice, and each gets the own answer", func(s *stage) {
		s.tell(demo.GP(), labD) // the mapping of the patient is cached from here on
		block := s.source.Block()
		defer block.Release()
		gp, pharmacist := s.g.later(demo.GP(), labD), s.g.later(demo.Pharmacist(), labD)
		for range 2 {
			receive(s.T, block.Arrived, "the source to be asked twice")
		}
		block.Release()
		a, b := receive(s.T, gp, "gp"), receive(s.T, pharmacist, "the pharmacist")
		if got := []int{a.status, b.status}; !slices.Equal(got, []int{200, 404}) {
			s.T.Errorf("got %v, want 200 for gp and 404 for a pharmacist", got)
		}
		s.clean(a)
	}},
}

// ownAddress returns an address of this machine that is not loopback.
func ownAddress(s *stage) string {
	s.T.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		s.T.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	return "127.0.0.1" // there is no other: the row shows less
}
