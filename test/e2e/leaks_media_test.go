package e2e_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"zorgsluis/internal/demo"
)

// canaryBundle is an answer full of what must not be released.
const canaryBundle = `{"resourceType":"Bundle","id":"CANARY7f3a","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"CANARY7f3a"}}]}`

// headed answers 200 with this body and these headers, pairs of name and value; an empty value removes the header.
func headed(body string, pairs ...string) demo.Interceptor {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/fhir+json")
		for i := 0; i+1 < len(pairs); i += 2 {
			if w.Header().Add(pairs[i], pairs[i+1]); pairs[i] == "Content-Type" {
				w.Header()["Content-Type"] = w.Header()["Content-Type"][1:]
			}
			if pairs[i+1] == "" {
				w.Header()[pairs[i]] = nil
			}
		}
		_, _ = io.WriteString(w, body)
		return true
	}
}

// notBelieved makes the source do this, and wants 502 for a read and for a search.
func (s *stage) notBelieved(does demo.Interceptor) {
	s.T.Helper()
	s.source.Intercept(demo.Only(func(r *http.Request) bool { return !strings.Contains(r.URL.Path, "Patient") }, does))
	s.bad(get("/fhir/demo/Observation/obs-lab-d"))
	s.bad(aboutD("Observation"))
	s.source.Intercept(nil)
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

// labD is a read of D's laboratory result, which gp may see.
var labD = get("/fhir/demo/Observation/obs-lab-d")

// mediaLeaks are the rows of leaks.md, 1.13: media types, encodings and framing.
var mediaLeaks = []leak{
	{"MT-1", "Only FHIR JSON is served: every other type, asked by Accept or by _format, is 406 before the source is asked, and the source is always asked for FHIR JSON", func(s *stage) {
		for _, accept := range []string{"application/fhir+xml", "text/turtle", "application/fhir+turtle", "text/html", "text/csv", "application/fhir+ndjson", "application/pdf", "text/*", "application/xml"} {
			s.refused(demo.GP(), labD.with("Accept", accept), http.StatusNotAcceptable, "not-supported")
		}
		for _, format := range []string{"xml", "html/json", "application%2Ffhir%2Bxml", "text/xml", "ttl", "ndjson", "html"} {
			s.refused(demo.GP(), get("/fhir/demo/Observation?patient=leak-d&_format="+format), http.StatusNotAcceptable, "not-supported")
			s.refused(demo.GP(), get("/fhir/demo/Observation/obs-lab-d?_format="+format), http.StatusNotAcceptable, "not-supported")
		}
		s.finds(get("/fhir/demo/Observation?patient=leak-d&_format=json").with("Accept", "application/fhir+json"), "JSON", "Observation/obs-lab-d")
		s.wantOwnHeaders()
	}},
	{"MT-2", "A caller or an answer of another FHIR version is refused: 406, 502", func(s *stage) {
		for _, version := range []string{"3.0", "5.0", "1.0", "4.3"} {
			s.refused(demo.GP(), labD.with("Accept", "application/fhir+json; fhirVersion="+version), http.StatusNotAcceptable, "not-supported")
			s.notBelieved(headed(canaryBundle, "Content-Type", "application/fhir+json; fhirVersion="+version))
		}
		s.source.Reset()
		s.finds(aboutD("Observation").with("Accept", "application/fhir+json; fhirVersion=4.0"), "4.0", "Observation/obs-lab-d")
	}},
	{"MT-3", "An answer must say that it is JSON in UTF-8, once", func(s *stage) {
		good := string(s.source.Resource("Observation/obs-lab-d"))
		for _, media := range []string{"text/json", "application/fhir+xml", "text/html", "text/plain", "application/fhir+json; charset=iso-8859-1", "application/fhir+json; charset=utf-16", "application/fhir+ndjson", "x", ""} {
			s.notBelieved(headed(good, "Content-Type", media))
		}
		s.notBelieved(headed(good, "content-type", "text/html", "Content-type", "application/json"))
		s.source.Intercept(headed(good, "Content-Type", "application/json;charset=UTF-8"))
		if r := s.tell(demo.GP(), labD); r.status != http.StatusOK {
			s.T.Errorf("JSON: got %d", r.status)
		}
	}},
	{"MT-4", "A search by POST is a form and nothing else: 415", func(s *stage) {
		for _, media := range []string{"application/json", "application/fhir+json", "multipart/form-data; boundary=x", "text/plain", "", "application/x-www-form-urlencoded;charset=utf-7", "application/x-www-form-urlencoded, text/plain"} {
			q := search("Observation", leakD)
			q.contentType = media
			s.refused(demo.GP(), q, http.StatusUnsupportedMediaType, "not-supported")
		}
		q := search("Observation", leakD)
		q.contentType = "application/x-www-form-urlencoded; charset=UTF-8"
		s.finds(q, "UTF-8", "Observation/obs-lab-d")
	}},
	{"MT-5", "A caller's Accept-Encoding does not reach the source, and an answer that is encoded is not believed", func(s *stage) {
		s.tell(demo.GP(), labD.with("Accept-Encoding", "gzip, br, zstd"))
		for _, asked := range s.source.Requests() {
			if e := asked.Header.Get("Accept-Encoding"); e != "" && e != "identity" {
				s.T.Errorf("the source was asked for %q", e)
			}
		}
		for _, encoding := range []string{"gzip", "br", "gzip, gzip", "x-gzip", "deflate", "zstd", "GZIP", "unknown"} {
			s.notBelieved(headed(zipped(canaryBundle), "Content-Encoding", encoding))
			s.notBelieved(headed(string(s.source.Resource("Observation/obs-lab-d")), "Content-Encoding", encoding)) // it could be read
		}
		s.notBelieved(headed(zipped(canaryBundle), "Content-Encoding", "identity", "Content-Encoding", "gzip"))
	}},
	{"MT-6", "A body that is compressed is neither taken from a caller nor from a source, so that none can grow", func(s *stage) {
		s.notBelieved(headed(zipped(strings.Repeat(" ", 5<<20)+canaryBundle), "Content-Encoding", "gzip"))
		s.notBelieved(headed(zipped("{}")+zipped(canaryBundle), "Content-Encoding", "gzip"))
		q := search("Observation", leakD)
		q.body = zipped(q.body)
		s.refused(demo.GP(), q.with("Content-Encoding", "gzip"), http.StatusUnsupportedMediaType, "not-supported")
		s.refused(demo.GP(), labD.with("Content-Encoding", "br"), http.StatusUnsupportedMediaType, "not-supported")
	}},
	{"MT-7", "A body that is not what its headers say is not believed", func(s *stage) {
		s.notBelieved(headed(zipped(canaryBundle)))
		s.notBelieved(headed(canaryBundle, "Content-Encoding", "gzip"))
	}},
	{"MT-8", "Informational answers, trailers and chunking of a source stay behind", func(s *stage) {
		s.source.Intercept(demo.EarlyHints("<http://CANARY7f3a/>; rel=preload"))
		s.finds(aboutD("Observation"), "103", "Observation/obs-lab-d")
		s.source.Intercept(s.source.Trailer("X-Patient", "CANARY7f3a"))
		if r := s.finds(aboutD("Observation"), "a trailer", "Observation/obs-lab-d"); len(r.trailer) > 0 || r.header.Get("Trailer") != "" {
			s.T.Errorf("a trailer left: %v", r.trailer)
		}
	}},
	{"MT-9", "Only 200 with a body is an answer to a read or a search", func(s *stage) {
		for _, status := range []int{201, 202, 203, 206, 207, 226, 299} {
			s.notBelieved(demo.Answer(status, "application/fhir+json", canaryBundle))
		}
		for _, status := range []int{204, 205, 304} {
			s.notBelieved(demo.Answer(status, "application/fhir+json", ""))
		}
		s.notBelieved(demo.Answer(200, "application/fhir+json", ""))
	}},
	{"MT-10", "A redirect of the source is neither followed nor passed on", func(s *stage) {
		var followed atomic.Int32
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
		defer other.Close()
		for _, status := range []int{300, 301, 302, 303, 307, 308} {
			s.notBelieved(func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Location", other.URL+"/CANARY7f3a")
				w.Header().Set("Content-Type", "application/fhir+json")
				w.WriteHeader(status)
				_, _ = w.Write(s.source.Resource("Observation/obs-lab-d")) // it could be read
				return true
			})
		}
		if n := followed.Load(); n != 0 {
			s.T.Errorf("the redirect was followed %d times", n)
		}
	}},
	{"MT-11", "The body of an error is never read: absent is 404 to a read, everything else 502", func(s *stage) {
		for _, status := range []int{400, 401, 403, 405, 409, 412, 422, 429, 451, 500, 501, 503, 504, 599} {
			s.notBelieved(demo.Answer(status, "application/fhir+json", canaryBundle))
		}
		for _, status := range []int{404, 410} {
			s.source.Intercept(demo.Answer(status, "application/fhir+json", canaryBundle))
			s.notFound(demo.GP(), "Observation/obs-lab-d")
			s.bad(aboutD("Observation"))
		}
	}},
	{"MT-12", "HEAD is a GET whose body is left out, and as alike for hidden and absent", func(s *stage) {
		head := func(path string) reply {
			return s.tell(demo.GP(), question{method: http.MethodHead, path: "/fhir/demo/" + path})
		}
		seen, hidden, absent := head("Observation/obs-lab-d"), head("Observation/obs-psy-a"), head("Observation/absent")
		if seen.status != http.StatusOK || seen.body != "" || hidden.status != http.StatusNotFound {
			s.T.Errorf("got %d %q and %d", seen.status, seen.body, hidden.status)
		}
		s.same(get("HEAD"), hidden, absent)
		for _, asked := range s.source.Requests() {
			if asked.Method != http.MethodGet {
				s.T.Errorf("the source was asked by %s", asked.Method)
			}
		}
	}},
	{"MT-13", "OPTIONS is answered by the gateway, by the form of the path and not by what is there, and without any word on origins", func(s *stage) {
		var first *reply
		for _, path := range []string{"Observation/obs-lab-d", "Observation/obs-psy-a", "Observation/absent", "Group/grp-ab", "nonsense", "Patient/leak-b"} {
			r := s.ask(demo.Caller{}, question{method: http.MethodOptions, path: "/fhir/demo/" + path}.with("Origin", "https://evil.example", "Access-Control-Request-Method", "GET"))
			if first == nil {
				first = &r
			}
			s.same(get(path), r, *first)
			if r.status != http.StatusNoContent || r.header.Get("Access-Control-Allow-Origin") != "" || r.header.Get("Allow") == "" {
				s.T.Errorf("%s: got %d %v", path, r.status, r.header)
			}
		}
		s.wantAsked()
	}},
	{"MT-14", "Methods that FHIR reads do not use are refused before anything else: 405", func(s *stage) {
		for _, method := range []string{"TRACE", "PROPFIND", "FOO", "get", "Get", "DELETE", "PUT", "PATCH", "LINK"} {
			s.refused(demo.GP(), question{method: method, path: "/fhir/demo/Observation/obs-lab-d"}, http.StatusMethodNotAllowed, "not-supported")
		}
		if status, answer := s.wire("CONNECT hapi:8080 HTTP/1.1\r\nHost: hapi:8080\r\n", ""); status < 400 || strings.Contains(answer, " 200 ") {
			s.T.Errorf("CONNECT: got %d", status)
		}
	}},
	{"MT-15", "The gateway renders by itself: what Accept weighs nought is refused, and white space is not on offer to ask the source for", func(s *stage) {
		for _, accept := range []string{"*/*", "application/*", "application/json;q=0.1, text/html", "application/fhir+json;q=0, */*;q=0.1, application/json"} {
			if r := s.tell(demo.GP(), labD.with("Accept", accept)); r.status != http.StatusOK {
				s.T.Errorf("%s: got %d, want 200", accept, r.status)
			}
		}
		for _, accept := range []string{"application/*;q=0", "*/*;q=0.0", "application/fhir+json;q=0", "application/json;q=0, */*"} {
			s.refused(demo.GP(), labD.with("Accept", accept), http.StatusNotAcceptable, "not-supported")
		}
		s.source.Reset()
		if r := s.tell(demo.GP(), get("/fhir/demo/Observation?patient=leak-d&_pretty=true")); r.status != http.StatusOK && r.status != http.StatusBadRequest {
			s.T.Errorf("_pretty: got %d", r.status)
		}
		for _, asked := range s.source.Requests() {
			if strings.Contains(asked.Query, "_pretty") {
				s.T.Error("_pretty reached the source")
			}
		}
	}},
	{"MT-16", "An HTML page of a source is never passed on, whatever its status", func(s *stage) {
		for _, status := range []int{200, 400, 500, 502} {
			s.notBelieved(demo.Answer(status, "text/html;charset=utf-8", "<html><h1>HTTP Status 500</h1><pre>java.lang.NullPointerException CANARY7f3a at ca.uhn.fhir</pre>"))
		}
	}},
}
