package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"zorgsluis/internal/demo"
)

// ownHeaders are all headers that an answer may have.
var ownHeaders = map[string]bool{
	"Content-Type": true, "Content-Length": true, "Cache-Control": true, "Vary": true, "X-Content-Type-Options": true, "X-Robots-Tag": true, "X-Request-Id": true, "Date": true,
}

// saying makes the source send headers, and wants neither these, nor any that is not the gateway's own, to reach the caller.
func (s *stage) saying(pairs ...string) {
	s.T.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		for _, q := range ats("Observation/obs-lab-a", "Observation?patient=leak-a", "Observation/obs-psy-a", "Observation?patient=leak-b", "Observation/does-not-exist") {
			s.source.Intercept(nil)
			plain := s.ask(demo.GP(), q)
			s.source.Intercept(demo.Header(pairs[i], pairs[i+1]))
			r := s.booked(pairs[i], s.ask(demo.GP(), q), "")
			s.same(q, r, plain)
			for name := range r.header {
				if !ownHeaders[name] {
					s.T.Errorf("the header %s left", name)
				}
			}
			if r.header.Get("X-Request-Id") != r.id || r.header.Get("Cache-Control") != "no-store" {
				s.T.Errorf("got %v", r.header)
			}
		}
	}
}

// leaksOfHeaders are the rows HD and UR of chapter 1.10.
var leaksOfHeaders = []leak{
	{"HD-1", "Addresses in the source's headers do not leave.", func(s *stage) {
		s.saying("Location", s.source.URL()+"/Patient/"+marker, "Content-Location", s.source.URL()+"/"+marker, "Link", "<"+s.source.URL()+"/"+marker+">; rel=self", "Refresh", "0; url=http://"+marker)
	}},
	{"HD-2", "Versions and ages of what was not filtered do not leave.", func(s *stage) {
		s.saying("ETag", `W/"`+marker+`"`, "Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT", "Age", "42", "X-Cache", "HIT", "Expires", "Wed, 21 Oct 2099 07:28:00 GMT", "Cache-Control", "public, max-age=3600")
	}},
	{"HD-3", "Answers have the gateway's own headers only.", func(s *stage) {
		s.saying("Server", marker, "X-Powered-By", "HAPI FHIR 7.4.0 "+marker, "X-Request-Id", marker, "X-Fhir-Version", marker, "Via", "1.1 "+marker, "X-Correlation-Id", marker, "Content-Language", "nl")
	}},
	{"HD-4", "Cookies of the source are neither passed on nor kept.", func(s *stage) {
		s.saying("Set-Cookie", "JSESSIONID="+marker, "Set-Cookie2", marker)
		for _, r := range s.source.Requests() {
			if r.Header.Get("Cookie") != "" {
				s.Errorf("the source got a cookie back: %v", r.Header)
			}
		}
	}},
	{"HD-5", "A source that rejects the gateway's own credential is a 502; its challenge does not leave.", func(s *stage) {
		for _, status := range []int{401, 403, 407, 511} {
			s.source.Intercept(onlyObservations(func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("WWW-Authenticate", `Basic realm="`+marker+`"`)
				w.Header().Set("Proxy-Authenticate", `Basic realm="`+marker+`"`)
				return demo.Answer(status, fhirJSON, `{"resourceType":"OperationOutcome","issue":[{"diagnostics":"`+marker+`"}]}`)(w, r)
			}))
			s.failing(demo.GP(), at("Observation/obs-lab-a"))
			s.failing(demo.GP(), at("Observation?patient=leak-a"))
			if r := s.ask(demo.GP(), at("Observation/obs-lab-a")); r.header.Get("WWW-Authenticate")+r.header.Get("Proxy-Authenticate") != "" {
				s.Errorf("the challenge left: %v", r.header)
			}
		}
	}},
	{"HD-6", "Warnings, names of files and rules for browsers are not the source's to say.", func(s *stage) {
		s.saying("Warning", `199 - "`+marker+`"`, "Content-Disposition", `attachment; filename="`+marker+`.pdf"`, "Access-Control-Allow-Origin", "*", "Access-Control-Allow-Credentials", "true", "Strict-Transport-Security", "max-age=1", "Clear-Site-Data", `"*"`)
		r := s.ask(demo.GP(), at("Observation/obs-lab-a").with("Origin", "https://evil.example"))
		if r.header.Get("Access-Control-Allow-Origin") != "" {
			s.Errorf("other origins are let in: %v", r.header)
		}
	}},
	{"HD-7", "Trailers and early hints of the source end at the gateway.", func(s *stage) {
		for _, does := range []demo.Interceptor{demo.EarlyHints("<" + s.source.URL() + "/Patient/" + marker + ">; rel=preload"), s.source.Trailer("X-Patient", marker), demo.Header("Trailer", "X-Patient")} {
			for _, q := range ats("Observation/obs-lab-a", "Observation?patient=leak-a", "Observation/obs-psy-a", "Observation?patient=leak-b") {
				s.source.Intercept(does)
				if r := s.ask(demo.GP(), q); r.informational > 0 || len(r.trailer) > 0 || r.header.Get("Trailer") != "" || r.header.Get("Link") != "" {
					s.Errorf("%s: %d informational answers, trailer %v, headers %v", q, r.informational, r.trailer, r.header)
				}
			}
		}
	}},
	{"UR-1", "fullUrl is made anew of the gateway's own base; an entry whose fullUrl is of something else is dropped.", func(s *stage) {
		entry := func(full string) demo.Interceptor {
			return onlyObservations(s.searchset("Observation?patient=Patient/leak-a", "", `{"fullUrl":"`+full+`","resource":`+string(s.source.Resource("Observation/obs-lab-a"))+`,"search":{"mode":"match"}}`))
		}
		s.source.Intercept(entry(s.source.URL() + "/Observation/obs-lab-a"))
		if r := s.gets(demo.GP(), at("Observation?patient=leak-a"), "Observation/obs-lab-a"); !strings.Contains(r.body, `"fullUrl":"`+s.g.base+`/fhir/demo/Observation/obs-lab-a"`) {
			s.Errorf("got %s", r.body)
		}
		for _, full := range []string{"http://evil.example/fhir/Observation/" + marker, s.source.URL() + "/Observation/obs-lab-b", s.source.URL() + "/Patient/leak-a", s.source.URL() + "X/Observation/obs-lab-a"} {
			s.source.Intercept(entry(full))
			s.gets(demo.GP(), at("Observation?patient=leak-a"))
		}
	}},
	{"UR-2", "The source's address does not leave in any writing: plain, escaped, encoded, in capitals, with and without its port.", func(s *stage) {
		base := s.source.URL()
		name := strings.Split(strings.TrimPrefix(base, "http://"), ":")[0]
		s.source.Intercept(nil)
		for _, address := range []string{
			base, strings.ReplaceAll(base, "/", `\/`), strings.ReplaceAll(base, "/", `\u002f`), strings.Replace(base, "http", "HTTP", 1), "http://" + name, "https://" + name + ":9999", strings.ToUpper(base), url.QueryEscape(base), strings.ToLower(url.QueryEscape(base)), base + "/fhir@" + name,
		} {
			s.has(`{"resourceType":"Observation","id":"obs-url","meta":{"source":"` + address + `#x"},"text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'><a href='` + address + `/x'>x</a><img src='` + address + `/y.png'/></div>"},` +
				`"extension":[{"url":"` + address + `/StructureDefinition/x","valueUri":"` + address + `/z"},{"url":"http://x","valueString":"see ` + address + `/q and ` + address + `."}],"identifier":[{"system":"` + address + `/numbers","value":"1"}],` +
				`"status":"final",LABORATORY,"code":{"text":"visible"},"subject":{"reference":"Patient/PATIENT-D"},"derivedFrom":[{"reference":"` + address + `/Observation/obs-lab-d"}]}`)
			read := s.ask(demo.GP(), at("Observation/obs-url"))
			found := s.ask(demo.GP(), at("Observation?patient=leak-d&_id=obs-url"))
			for _, r := range []reply{read, found} {
				for _, text := range decodings(r.body) {
					for _, bad := range []string{"://" + name + "/", "://" + name + `"`, "://" + name + ":9999"} {
						if strings.Contains(strings.ToLower(text), bad) {
							s.Errorf("%s: the address left: %s", address, r.body)
						}
					}
				}
				if r.status != http.StatusOK && r.status != http.StatusNotFound {
					s.Errorf("%s: got %d", address, r.status)
				}
			}
			if address == base && (read.status != http.StatusOK || !strings.Contains(read.body, s.g.base+"/fhir/demo/z")) {
				s.Errorf("got %d %s, want the address rewritten", read.status, read.body)
			}
		}
		s.T.Cleanup(func() { s.source.Remove("Observation/obs-url") })
	}},
	{"UR-3", "Addresses are found in the decoded text as a whole, wherever they stand in it.", func(s *stage) {
		for _, before := range []int{0, 1, 511, 512, 4090, 4096, 32<<10 - 10, 32 << 10, 64<<10 - 5} {
			text := strings.Repeat("h", before) + "http:" + s.source.URL() + " h" + s.source.URL() + " " + strings.Repeat("/", 9) + strings.TrimPrefix(s.source.URL(), "http:") + " "
			s.has(`{"resourceType":"Observation","id":"obs-long","status":"final",LABORATORY,"code":{"text":"visible"},"note":[{"text":"` + text + strings.Repeat("x", 100) + `"}],"subject":{"reference":"Patient/PATIENT-D"}}`)
			s.permitted(demo.GP(), at("Observation/obs-long"))
		}
	}},
	{"UR-4", "Only addresses of the source are rewritten: other text stays as the patient's record has it, and becomes no link.", func(s *stage) {
		note := "see " + s.g.base + "/fhir/demo/Patient/leak-b and https://other.example/fhir/Patient/x, mail a@127.0.0.1"
		text := `{"resourceType":"Observation","id":"obs-text","status":"final",LABORATORY,"code":{"text":"visible"},"note":[{"text":"` + note + `"}],"subject":{"reference":"Patient/PATIENT-D"},"device":{"reference":"https://other.example/fhir/Device/x"}}`
		s.has(text)
		if r := s.permitted(demo.GP(), at("Observation/obs-text")); r.body != string(leakResource(text)) {
			s.Errorf("got %s, want %s", r.body, leakResource(text))
		}
	}},
	{"UR-5", "A patient named on another base is nobody: the resource is dropped.", func(s *stage) {
		base := s.source.URL()
		for _, reference := range []string{"http://other.example/fhir/Patient/leak-d", base + "X/Patient/leak-d", base + "@evil.example/Patient/leak-d", strings.TrimSuffix(base, "/fhir") + "/Patient/leak-d", "https" + strings.TrimPrefix(base, "http") + "/Patient/leak-d", "//other.example/fhir/Patient/leak-d", base + "//Patient/leak-d"} {
			one := leakResource(`{"resourceType":"Observation","id":"obs-foreign","status":"final",LABORATORY,"code":{"text":"CANARY"},"subject":{"reference":"` + reference + `"}}`)
			s.source.Intercept(demo.Only(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "obs-foreign") }, demo.Answer(200, fhirJSON, string(one))))
			s.absent(demo.GP(), at("Observation/obs-foreign"))
			s.source.Intercept(onlyObservations(s.source.ExtraEntries(one)))
			s.gets(demo.GP(), at("Observation?patient=leak-d"), "Observation/obs-lab-d")
		}
	}},
	{"UR-6", "The source is part of every address and of every sealed link: the same id at another source is somebody else.", func(s *stage) {
		other, err := demo.NewSource([]demo.Resource{
			leakResource(`{"resourceType":"Patient","id":"PATIENT-D","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-B"}],"name":[{"family":"CANARY"}],"birthDate":"1971-01-01"}`),
			leakResource(`{"resourceType":"Observation","id":"obs-lab-d","status":"final",LABORATORY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-D"}}`),
			leakResource(`{"resourceType":"DocumentReference","id":"doc-d","status":"current","subject":{"reference":"Patient/PATIENT-D"},"content":[{"attachment":{"contentType":"application/pdf","url":"Binary/binary-d"}}]}`),
			leakResource(`{"resourceType":"Binary","id":"binary-d","contentType":"application/pdf","data":"Q0FOQVJZN2YzYSBi"}`),
		}, demo.SourceOptions{})
		if err != nil {
			s.T.Fatal(err)
		}
		defer other.Close()
		two := s.beside("sources:\n  - id: demo", fmt.Sprintf("sources:\n  - id: other\n    fhir_version: R4\n    base_url: %q\n    holder: { organization: \"{holder}\", category: hospital }\n    timeout: 2s\n"+
			"    person_systems: [\"http://fhir.nl/fhir/NamingSystem/bsn\"]\n  - id: demo", other.URL()))
		_, next := two.firstPage()
		letter := two.letter()
		for _, path := range []string{"Patient/leak-d", "Observation/obs-lab-d", "DocumentReference/doc-d"} {
			two.permitted(demo.GP(), at(path))
			two.absent(demo.GP(), get("/fhir/other/"+path))
		}
		two.refusedAll(demo.GP(), 403, "forbidden", get("/fhir/other/Observation?patient=leak-d"))
		two.permitted(demo.GP(), at("Observation?patient=leak-d"))
		other.Reset()
		two.turnedAway(demo.GP(), 404, "not-found", get(strings.Replace(next, "/demo/", "/other/", 1)), get(strings.Replace(letter, "/demo/", "/other/", 1)), get("/fhir/nowhere/Patient/leak-d"))
		if asked := other.Requests(); len(asked) > 0 {
			s.Errorf("the other source was asked %v", asked)
		}
	}},
}
