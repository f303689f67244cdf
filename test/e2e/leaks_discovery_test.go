package e2e_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"zorgsluis/internal/demo"
)

// admin reads from the operators' listener.
func (s *stage) admin(path string) (status int, body string) {
	s.T.Helper()
	resp, err := s.g.client.Get(s.g.admin + path)
	if err != nil {
		s.T.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.T.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// leaksDiscovery are the rows of leaks.md, 1.19: what is told about the gateway, the source and errors.
var leaksDiscovery = []leak{
	{"DE-1", "The capability statement is the gateway's own, whatever mode is asked; the source's is never asked for", func(s *stage) {
		s.source.Intercept(demo.Answer(200, "application/fhir+json", `{"resourceType":"CapabilityStatement","software":{"name":"CANARY7f3a"}}`))
		first := s.ask(demo.Caller{}, get("/fhir/demo/metadata"))
		if first.status != http.StatusOK || !strings.Contains(first.body, `"CapabilityStatement"`) {
			s.T.Errorf("got %d %s", first.status, tail(first.body, 200))
		}
		for _, word := range []string{"Group", "Provenance", "_has", "_filter", `"create"`, `"update"`, `"delete"`, "HAPI"} {
			if strings.Contains(first.body, `"`+strings.Trim(word, `"`)+`"`) {
				s.T.Errorf("the statement speaks of %s", word)
			}
		}
		for _, query := range []string{"?mode=full", "?mode=normative", "?mode=terminology", "?_format=xml&x=CANARY7f3a"} {
			if r := s.ask(demo.Caller{}, get("/fhir/demo/metadata"+query)); r.body != first.body && r.status == http.StatusOK {
				s.T.Errorf("%s: another statement", query)
			}
		}
		s.wantAsked()
	}},
	{"DE-2", "No well-known document of a source is served, at the root or below the FHIR base", func(s *stage) {
		for _, path := range []string{"/.well-known/smart-configuration", "/fhir/demo/.well-known/smart-configuration", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/fhir/demo/.well-known/openid-configuration", "/.well-known/security.txt"} {
			s.refused(demo.GP(), get(path), http.StatusNotFound, "not-found")
		}
	}},
	{"DE-3", "Every other door of a FHIR server leads nowhere", func(s *stage) {
		for _, path := range []string{"/", "/favicon.ico", "/swagger-ui", "/swagger-ui/index.html", "/api-docs", "/actuator/env", "/tester", "/fhir", "/fhir/", "/fhir/swagger-ui", "/fhir/demo/swagger-ui/", "/fhir/demo/api-docs", "/fhir/demo/actuator/env", "/robots.txt", "/h2-console", "/console"} {
			s.refused(demo.GP(), get(path), http.StatusNotFound, "not-found")
		}
	}},
	{"DE-4", "What a source says when it refuses is not even read: its status becomes a fixed text, and the log holds none of it", func(s *stage) {
		for _, text := range []string{"HAPI-2001: Resource Patient/CANARY7f3a is not known", "HAPI-0389: CANARY7f3a", "Access denied by rule: CANARY7f3a", "Unknown search parameter CANARY7f3a. Valid values are: [x]", "Resource was deleted at 2025-CANARY7f3a", "unique key: CANARY7f3a", "SELECT * FROM CANARY7f3a", "java.lang.Exception at CANARY7f3a"} {
			body := `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"` + text + `"}]}`
			for _, status := range []int{404, 410} {
				s.source.Intercept(demo.Answer(status, "application/fhir+json", body))
				s.notFound(demo.GP(), "Observation/obs-lab-d")
			}
			for _, status := range []int{400, 403, 422, 500} {
				s.notBelieved(demo.Answer(status, "application/fhir+json", body))
			}
		}
		s.unusable(`{"resourceType":"OperationOutcome","issue":[{"diagnostics":"CANARY7f3a"}]}`)
		s.answers(`{"resource":{"resourceType":"OperationOutcome","id":"x","issue":[{"severity":"warning","code":"processing","diagnostics":"CANARY7f3a"}]},"search":{"mode":"outcome"}}`, s.entry("match", visible))
		s.finds(aboutD("Observation"), "a warning among the entries", "Observation/obs-visible")
		if strings.Contains(s.g.out.String(), marker) {
			s.T.Error("the log holds what the source said")
		}
	}},
	{"DE-5", "An error names parameters and elements, never a value", func(s *stage) {
		for _, value := range []string{"<script>CANARY7f3a</script>", "CANARY7f3a", leakD.BSN, "eyJCANARY7f3a"} {
			v := url.QueryEscape(value)
			for _, path := range []string{"/fhir/demo/Observation?patient=leak-d&date=" + v, "/fhir/demo/Observation?patient=" + v + "%20", "/fhir/demo/Observation?patient=leak-d&_count=" + v, "/fhir/demo/" + url.PathEscape(value), "/fhir/demo/Observation?patient=leak-d&_sort=" + v,
				"/fhir/demo/Patient/leak-d/$" + v, "/fhir/demo/Observation?patient=leak-d&_cursor=" + v, "/fhir/" + url.PathEscape(value) + "/Patient"} {
				r := s.tell(demo.GP(), get(path))
				if r.status < 400 || strings.Contains(r.body, value) || strings.Contains(r.body, "script") {
					s.T.Errorf("%s: got %d %s", path, r.status, r.body)
				}
			}
		}
	}},
	{"DE-6", "Limits are of the caller, not of the record: hidden, absent and visible patients count alike, and a source that is slow is 504 for all", func(s *stage) {
		own := s.beside("{ lookups_per_minute: 100000 }", "{ lookups_per_minute: 3 }")
		var last []int
		for _, patient := range []string{"leak-b", "nobody-x", "leak-d", "leak-c", "nobody-y", "leak-a"} {
			r := own.tell(demo.GP(), get("/fhir/demo/Observation?patient="+patient))
			if last = append(last, r.status); r.status == http.StatusTooManyRequests && r.header.Get("Retry-After") != "60" {
				s.T.Errorf("%s: Retry-After is %q", patient, r.header.Get("Retry-After"))
			}
		}
		if got := text(last); got != text([]int{403, 403, 200, 429, 429, 429}) {
			s.T.Errorf("got %s", got)
		}
		slow := s.beside("timeout: 2s", "timeout: 200ms")
		s.source.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
		for _, name := range []string{"obs-lab-d", "obs-psy-a", "absent"} {
			slow.answered(demo.GP(), get("/fhir/demo/Observation/"+name), http.StatusGatewayTimeout, "timeout")
		}
	}},
	{"DE-7", "Health says ok and nothing else, to operators only", func(s *stage) {
		if status, body := s.admin("/healthz"); status != http.StatusOK || body != "ok\n" {
			s.T.Errorf("got %d %q", status, body)
		}
		if status, body := s.admin("/readyz"); status != http.StatusOK || strings.Contains(body, s.redis.Address()) || strings.Contains(body, s.source.URL()) {
			s.T.Errorf("got %d %q", status, body)
		}
		s.refused(demo.GP(), get("/healthz"), http.StatusNotFound, "not-found")
	}},
	{"DE-8", "No metric names a patient, a number, a resource or a caller", func(s *stage) {
		s.tell(demo.GP(), aboutD("Observation"))
		s.tell(demo.GP(), get("/fhir/demo/CANARY7f3a"))
		s.tell(demo.Patient("patient", leakD), get("/fhir/demo/Observation"))
		status, body := s.admin("/metrics")
		if status != http.StatusOK || !strings.Contains(body, "# TYPE") {
			s.T.Fatalf("got %d %s", status, tail(body, 200))
		}
		for _, secret := range []string{marker, leakD.BSN, leakA.BSN, "leak-", "obs-lab", string(s.store.Key(leakD.Identifier())), demo.GP().Claims.UZI, "uzi", demo.OrganizationGP, `"gp"`, "patient="} {
			if strings.Contains(body, secret) {
				s.T.Errorf("the metrics hold %q", secret)
			}
		}
	}},
	{"DE-9", "Trace headers and baggage of a caller do not reach the source, nor come back", func(s *stage) {
		r := s.tell(demo.GP(), labD.with("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate", "x=CANARY7f3a", "Baggage", "patient=CANARY7f3a", "B3", "CANARY7f3a"))
		s.wantOwnHeaders()
		for _, name := range []string{"Traceparent", "Tracestate", "Baggage"} {
			if r.header.Get(name) != "" {
				s.T.Errorf("%s came back", name)
			}
		}
	}},
	{"DE-10", "There is no profiler and no dump on any listener, and a failure inside is a fixed text", func(s *stage) {
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=2", "/debug/vars", "/debug/"} {
			if status, body := s.admin(path); status != http.StatusNotFound {
				s.T.Errorf("%s at the operators' listener: got %d %s", path, status, tail(body, 100))
			}
			s.refused(demo.GP(), get(path), http.StatusNotFound, "not-found")
		}
		if log := s.g.out.String(); strings.Contains(log, "goroutine ") || strings.Contains(log, `"msg":"panic"`) {
			s.T.Error("the log holds a panic")
		}
	}},
}
