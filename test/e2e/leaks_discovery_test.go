package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// unreached wants these paths to lead to nothing, with and without a token, and the source not to be contacted.
func (s *stage) unreached(paths ...string) {
	s.T.Helper()
	var questions []question
	for _, path := range paths {
		questions = append(questions, get(path))
	}
	s.turnedAway(demo.GP(), http.StatusNotFound, "not-found", questions...)
	s.turnedAway(demo.Caller{}, http.StatusNotFound, "not-found", questions...)
}

// metricLine and metricLabel match Prometheus' text format.
var (
	metricLine  = regexp.MustCompile(`^([a-z0-9_]+)(?:\{(.*)\})? \S+$`)
	metricLabel = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
)

// metricLabels are all labels that a metric may have, and their values; those of the others are numbers.
var metricLabels = map[string][]string{
	"interaction": {"read", "vread", "history-instance", "search-type", "everything", "lastn", "attachment", "batch", "capabilities", "options", "break-glass", "break-glass-end", "access-events", "access-event", "consent-read", "consent-vread", "consent-history", "consent-search", "consent-create", "consent-update", "consent-withdraw", "consent-object", "other"},
	"step":        {"authenticate", "standing", "source", "commit"},
	"what":        {"declared", "ended", "limited", "refused", "used"},
	"status":      nil, "le": nil, "quantile": nil,
}

// buildVersion is the version of a gateway built for a test, with the commit if the build knows it.
var buildVersion = regexp.MustCompile(`^(\(?devel\)?)?(-[0-9a-f]{12})?(-[a-z]+|\+[a-z]+)?$`)

// admin reads from the admin listener.
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

// leaksDiscovery are the rows of leaks.md, 1.19: what is revealed about the gateway, the source and errors.
var leaksDiscovery = []leak{
	{"DE-1", "The capability statement is the gateway's own, the same for everybody and whatever mode is asked; the source's is never asked for", func(s *stage) {
		s.source.Intercept(demo.Answer(200, "application/fhir+json", `{"resourceType":"CapabilityStatement","software":{"name":"CANARY7f3a"}}`))
		for _, base := range []string{"/fhir/demo", "/gateway"} {
			s.source.Reset()
			first := s.ask(demo.Caller{}, get(base+"/metadata"))
			for _, query := range []string{"", "?mode=full", "?mode=normative", "?mode=terminology", "?_format=xml&x=CANARY7f3a"} {
				for _, by := range []demo.Caller{{}, demo.GP(), demo.Insurer()} {
					s.same(get(base+query), s.ask(by, get(base+"/metadata"+query)), first)
				}
			}
			s.wantAsked()
			var statement struct {
				ResourceType   string
				Software       struct{ Name string }
				Implementation struct{ URL string }
				Rest           []struct {
					Resource []struct {
						Type        string
						Interaction []struct{ Code string }
					}
				}
			}
			if err := json.Unmarshal([]byte(first.body), &statement); err != nil || first.status != http.StatusOK {
				s.T.Fatalf("%s: got %d, %v", base, first.status, err)
			}
			if statement.ResourceType != "CapabilityStatement" || statement.Software.Name != "Zorgsluis" || statement.Implementation.URL != s.g.base+base || len(statement.Rest) != 1 {
				s.T.Errorf("%s: got %s", base, tail(first.body, 300))
			}
			for _, told := range statement.Rest[0].Resource {
				if base == "/fhir/demo" && told.Type != "Binary" && !slices.Contains(fhir.Types(fhir.R4), told.Type) {
					s.T.Errorf("%s is told of, and not served", told.Type)
				}
				for _, i := range told.Interaction {
					own := base == "/gateway" && told.Type == "Consent" && slices.Contains([]string{"create", "update", "vread", "history-instance"}, i.Code)
					if i.Code != "read" && i.Code != "search-type" && !own {
						s.T.Errorf("%s: %s is told of, and not served", told.Type, i.Code)
					}
				}
			}
			for _, word := range []string{"Group", "Provenance", "_has", "_filter", "create", "update", "delete", "HAPI"} {
				ours := base == "/gateway" && (word == "create" || word == "update") // of Consent
				if strings.Contains(first.body, `"`+word+`"`) && !ours {
					s.T.Errorf("the statement speaks of %s", word)
				}
			}
		}
		s.turnedAway(demo.GP(), http.StatusNotFound, "not-found", sent(http.MethodPost, "metadata", "application/fhir+json", "{}"), sent(http.MethodDelete, "metadata", "", ""))
		s.unreached("/fhir/other/metadata", "/metadata", "/fhir/metadata")
	}},
	{"DE-2", "The well-known documents are the gateway's own, and tell nothing of a source's; every other one leads nowhere", func(s *stage) {
		s.source.Intercept(demo.Answer(200, "application/json", `{"authorization_endpoint":"http://CANARY7f3a"}`))
		own := []string{
			"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/fhir/demo", "/.well-known/oauth-protected-resource/gateway",
			"/fhir/demo/.well-known/smart-configuration",
		}
		for _, path := range own {
			if r := s.g.ask(demo.Caller{}, get(path)); r.status != http.StatusOK || strings.Contains(r.body, "CANARY7f3a") || strings.Contains(r.body, s.source.URL()) {
				s.T.Errorf("%s: got %d %s, want a document of the gateway's own", path, r.status, tail(r.body, 300))
			}
		}
		var paths []string
		for _, base := range []string{"", "/fhir", "/fhir/demo", "/gateway"} {
			for _, name := range []string{"smart-configuration", "oauth-protected-resource", "openid-configuration", "oauth-authorization-server", "udap", "security.txt"} {
				if path := base + "/.well-known/" + name; !slices.Contains(own, path) {
					paths = append(paths, path)
				}
			}
		}
		s.unreached(append(paths, "/.well-known/oauth-protected-resource/fhir/other", "/.well-known/")...)
	}},
	{"DE-3", "Every other door of a FHIR server leads nowhere: 404, and the source is not asked", func(s *stage) {
		s.source.Intercept(demo.Answer(200, "text/html", "<html>CANARY7f3a"))
		paths := []string{"/", "/fhir", "/fhir/", "/fhir/demo", "/fhir/demo/", "/gateway", "/gateway/", "//", "/fhir//", "/FHIR/demo/Patient/leak-d"}
		for _, base := range []string{"/", "/fhir/", "/fhir/demo/"} {
			for _, name := range []string{"swagger-ui", "swagger-ui/", "swagger-ui/index.html", "api-docs", "v3/api-docs", "actuator", "actuator/health", "actuator/env", "actuator/heapdump", "tester", "tester/home", "favicon.ico", "index.html", "robots.txt", "h2-console", "console", "admin"} {
				paths = append(paths, base+name)
			}
		}
		s.unreached(paths...)
	}},
	{"DE-4", "What a source says when it refuses is not even read: its status becomes a fixed text, and the log holds none of it", func(s *stage) {
		absent, failed := s.tell(demo.GP(), get("/fhir/demo/Observation/absent")), reply{}
		for _, text := range []string{"HAPI-2001: Resource Patient/CANARY7f3a is not known", "HAPI-0389: CANARY7f3a", "Access denied by rule: CANARY7f3a", "Unknown search parameter CANARY7f3a. Valid values are: [x]", "Resource was deleted at 2025-CANARY7f3a", "unique key: CANARY7f3a", "SELECT * FROM CANARY7f3a", "java.lang.Exception at CANARY7f3a"} {
			body := `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"` + text + `"}]}`
			for _, status := range []int{404, 410} {
				s.source.Intercept(demo.Answer(status, "application/fhir+json", body))
				s.same(labD, s.tell(demo.GP(), labD), absent)
			}
			for _, status := range []int{400, 403, 422, 500, 200} {
				s.notBelieved(demo.Answer(status, "application/fhir+json", body))
				s.source.Intercept(demo.Answer(status, "application/fhir+json", body))
				if r := s.tell(demo.GP(), labD); failed.status == 0 {
					failed = r
				} else {
					s.same(labD, r, failed)
				}
			}
		}
		s.unusable(`{"resourceType":"OperationOutcome","issue":[{"diagnostics":"CANARY7f3a"}]}`)
		s.answers(`{"resource":{"resourceType":"OperationOutcome","id":"x","issue":[{"severity":"warning","code":"processing","diagnostics":"CANARY7f3a"}]},"search":{"mode":"outcome"}}`, s.entry("match", visible))
		s.finds(aboutD("Observation"), "a warning among the entries", "Observation/obs-visible")
		if strings.Contains(s.g.logged(), marker) {
			s.T.Error("the log holds what the source said")
		}
	}},
	{"DE-5", "An error names parameters and elements that the gateway knows, never what the caller sent; nor does the log", func(s *stage) {
		from, token := len(s.g.out.String()), tokenOf(s.T, demo.GP())
		for _, value := range []string{"<script>CANARY7f3a</script>", "CANARY7f3a", leakD.BSN, `"},CANARY7f3a`, token} {
			v, p := url.QueryEscape(value), url.PathEscape(value)
			for _, q := range []question{
				at("Observation?patient=leak-d&date=" + v), at("Observation?patient=" + v + "%20"), at("Observation?patient=leak-d&_count=" + v), at(p), at(p + "/leak-d"), at("Observation/" + p + "%20"), at("Observation?patient=leak-d&_sort=" + v),
				at("Observation?patient=leak-d&" + v + "=1"), at("Observation?patient=leak-d&code:" + v + "=1"), at("Observation?patient=leak-d&_include=" + v), at("Observation?patient=leak-d&_format=" + v),
				at("Patient/leak-d/$" + p), at("Observation?patient=leak-d&_cursor=" + v), get("/fhir/" + p + "/Patient"), get("/" + p), get("/gateway/" + p), get("/gateway/AuditEvent?" + v),
				sent(http.MethodPost, "Observation/_search", "application/x-www-form-urlencoded", "patient=leak-d&"+v+"="+v), sent(http.MethodPost, "Observation/_search", "text/CANARY7f3a", v),
				{method: http.MethodPost, path: "/fhir/demo", contentType: "application/fhir+json", body: `{"` + v + `":"` + v + `"}`}, at("Observation/absent").with("Accept", "text/CANARY7f3a"),
			} {
				r := s.tell(demo.GP(), q)
				if r.status < 400 {
					s.T.Errorf("%s: got %d", short(q), r.status)
				}
				for _, echo := range []string{"script", leakD.BSN, token[:40]} {
					if strings.Contains(r.body+text(r.header), echo) {
						s.T.Errorf("%s: the answer says %q again:\n%s", short(q), echo, r.body)
					}
				}
			}
		}
		if r := s.tell(demo.GP(), at("Observation?patient=leak-d&_sort=nonsense")); !strings.Contains(r.body, "_sort") {
			s.T.Errorf("the parameter is not named: %s", r.body)
		}
		log := s.g.logged()[from:]
		for _, secret := range []string{marker, leakD.BSN, token[:40], "script"} {
			if strings.Contains(log, secret) {
				s.T.Errorf("the log holds %q", secret)
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
		before := own.g.ask(demo.Pharmacist(), get("/fhir/demo/Observation?patient=leak-c"))
		s.same(at("denied and absent"), own.g.ask(demo.Pharmacist(), get("/fhir/demo/Observation?patient=nobody-z")), before)
		slow := s.beside("timeout: 8s", "timeout: 200ms")
		s.source.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
		first := slow.answered(demo.GP(), labD, http.StatusGatewayTimeout, "timeout")
		for _, name := range []string{"obs-psy-a", "obs-lab-b", "absent"} {
			s.same(at(name), slow.tell(demo.GP(), at("Observation/"+name)), first)
		}
	}},
	{"DE-7", "Health says ok and nothing else, to operators only", func(s *stage) {
		if status, body := s.admin("/healthz"); status != http.StatusOK || body != "ok\n" {
			s.T.Errorf("got %d %q", status, body)
		}
		if status, body := s.admin("/readyz"); status != http.StatusOK || strings.Contains(body, s.redis.Address()) || strings.Contains(body, s.source.URL()) {
			s.T.Errorf("got %d %q", status, body)
		}
		s.unreached("/healthz", "/readyz", "/metrics", "/health", "/version", "/status", "/fhir/demo/healthz", "/fhir/demo/metrics", "/gateway/healthz", "/gateway/metrics")
	}},
	{"DE-8", "The labels of metrics and their values are closed lists: none names a patient, a number, a resource or a caller", func(s *stage) {
		s.tell(demo.GP(), aboutD("Observation"))
		s.tell(demo.GP(), get("/fhir/demo/CANARY7f3a"))
		s.tell(demo.Patient("patient", leakD), get("/fhir/demo/Observation"))
		s.tell(demo.GP(), question{method: "CANARY7f3a", path: "/fhir/demo/Patient/leak-d"})
		s.tell(demo.GP(), at("Patient/leak-d/$CANARY7f3a"))
		status, body := s.admin("/metrics")
		if status != http.StatusOK || !strings.Contains(body, "# TYPE") {
			s.T.Fatalf("got %d %s", status, tail(body, 200))
		}
		for _, secret := range []string{marker, leakD.BSN, leakA.BSN, "leak-", "obs-lab", string(s.store.Key(leakD.Identifier())), demo.GP().Claims.UZI, "uzi", demo.OrganizationGP, `"gp"`, "patient="} {
			if strings.Contains(body, secret) {
				s.T.Errorf("the metrics hold %q", secret)
			}
		}
		number, labels := regexp.MustCompile(`^([0-9.e+-]+|\+Inf)$`), 0
		for line := range strings.Lines(body) {
			parts := metricLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
			if parts == nil && !strings.HasPrefix(line, "#") {
				s.T.Errorf("%q is no metric", line)
			}
			if parts == nil || strings.HasPrefix(parts[1], "go_") {
				continue
			}
			for _, label := range metricLabel.FindAllStringSubmatch(parts[2], -1) {
				if label[1] == "version" && buildVersion.MatchString(label[2]) {
					labels++
					continue
				}
				values, known := metricLabels[label[1]]
				if labels++; !known || values != nil && !slices.Contains(values, label[2]) || values == nil && !number.MatchString(label[2]) {
					s.T.Errorf("%s has the label %s=%q", parts[1], label[1], label[2])
				}
			}
		}
		if labels < 20 {
			s.T.Errorf("there are %d labels: too few to show anything", labels)
		}
	}},
	{"DE-9", "Trace headers and baggage of a caller do not reach the source, nor come back; the source gets the id of the exchange", func(s *stage) {
		for _, q := range []question{labD, aboutD("Observation"), search("Observation", leakD)} {
			s.source.Reset()
			r := s.tell(demo.GP(), q.with("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate", "x=CANARY7f3a", "Baggage", "patient=CANARY7f3a", "B3", "CANARY7f3a", "X-B3-Traceid", "80f198ee56343ba864fe8b2a57d3eff7",
				"Uber-Trace-Id", "1:1:0:1", "X-Amzn-Trace-Id", "Root=CANARY7f3a", "X-Cloud-Trace-Context", "x", "X-Correlation-Id", leakB.BSN, "Sentry-Trace", "x"))
			s.wantOwnHeaders()
			for _, asked := range s.source.Requests() {
				if asked.Header.Get("X-Request-Id") != r.id {
					s.T.Errorf("the source knows the exchange as %q", asked.Header.Get("X-Request-Id"))
				}
			}
			for name := range r.header {
				if n := strings.ToLower(name); r.status != http.StatusOK || strings.Contains(n, "trace") || n == "baggage" || n == "b3" {
					s.T.Errorf("%d: %s came back", r.status, name)
				}
			}
		}
		s.source.Intercept(headed(string(s.source.Resource("Observation/obs-lab-d")), "Traceparent", "00-CANARY7f3a", "Server-Timing", "CANARY7f3a", "Baggage", "CANARY7f3a"))
		s.permitted(demo.GP(), labD)
	}},
	{"DE-10", "There is no profiler and no dump on any listener, and no body that is broken, of a caller or of a source, brings a stack to light", func(s *stage) {
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=2", "/debug/vars", "/debug/"} {
			if status, body := s.admin(path); status != http.StatusNotFound {
				s.T.Errorf("%s at the operators' listener: got %d %s", path, status, tail(body, 100))
			}
			s.refused(demo.GP(), get(path), http.StatusNotFound, "not-found")
		}
		for _, body := range []string{"null", "[]", `""`, "0", "{", strings.Repeat(`{"a":`, 5000), strings.Repeat("[", 100000), `{"resourceType":null}`, `{"resourceType":"Observation","id":[]}`, `{"resourceType":"Bundle","type":"searchset","entry":[null]}`,
			`{"resourceType":"Bundle","type":"searchset","entry":{}}`, `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":null}]}`, `{"resourceType":"Bundle","type":"searchset","link":[null]}`, "\xff\xfe", "CANARY7f3a"} {
			s.notBelieved(headed(body))
			r := s.tell(demo.GP(), question{method: http.MethodPost, path: "/fhir/demo", contentType: "application/fhir+json", body: body})
			if r.status < 400 || r.status == http.StatusInternalServerError || issueCode(r.body) == "" {
				s.T.Errorf("a batch of %q: got %d %s", tail(body, 40), r.status, r.body)
			}
		}
		log := s.g.logged()
		for _, bad := range []string{"goroutine ", `"msg":"panic"`, "runtime error", ".go:"} {
			if strings.Contains(log, bad) {
				s.T.Errorf("the log holds %q", bad)
			}
		}
	}},
}
