package e2e_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// secretValue is the value in every malformed request: no answer may contain it.
const secretValue = "Q9ZvalueQ9Z"

// TestBadInput: invalid requests are refused before the source is contacted, with the status and issue code of their kind, and an
// OperationOutcome that names the parameter or element, never its value.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	const form = "application/x-www-form-urlencoded"
	post := func(contentType, body string) question {
		return question{method: http.MethodPost, path: "/fhir/demo/Condition/_search", contentType: contentType, body: body}
	}
	with := func(method, path string) question { return question{method: method, path: path} }
	headed := func(name, value string) question {
		q := searchID("Condition", demo.Karena())
		q.header = http.Header{name: {value}}
		return q
	}
	about := "patient=" + string(demo.Karena().PatientID)
	breakGlass := func(contentType, body string) question {
		return question{method: http.MethodPost, path: "/gateway/$break-glass", contentType: contentType, body: body}
	}
	patient := `{"name":"patient","valueIdentifier":{"system":"` + demo.SystemBSN + `","value":"` + demo.Karena().BSN + `"}}`
	tests := []struct {
		name    string
		ask     question
		status  int
		code    string
		element string
	}{
		{"an unknown parameter", get("/fhir/demo/Condition?" + about + "&nonsense=" + secretValue), 400, "not-supported", "nonsense"},
		{"an unknown modifier", get("/fhir/demo/Condition?" + about + "&code:nonsense=" + secretValue), 400, "not-supported", "code:nonsense"},
		{"a modifier that is not served", get("/fhir/demo/Condition?" + about + "&code:below=" + secretValue), 400, "not-supported", "code:below"},
		{"a chain", get("/fhir/demo/Condition?" + about + "&encounter.type=" + secretValue), 400, "not-supported", "encounter.type"},
		{"a reverse chain", get("/fhir/demo/Patient?_has:Condition:patient:code=" + secretValue), 400, "not-supported", "_has:Condition:patient:code"},
		{"a count", get("/fhir/demo/Condition?" + about + "&_summary=count"), 400, "not-supported", "_summary"},
		{"a total", get("/fhir/demo/Condition?" + about + "&_total=accurate"), 400, "not-supported", "_total"},
		{"a filter", get("/fhir/demo/Condition?" + about + "&_filter=" + secretValue), 400, "not-supported", "_filter"},
		{"a text search", get("/fhir/demo/Condition?" + about + "&_content=" + secretValue), 400, "not-supported", "_content"},
		{"a page without entries", get("/fhir/demo/Condition?" + about + "&_count=0"), 400, "invalid", "_count"},
		{"a date that is none", get("/fhir/demo/Condition?" + about + "&recorded-date=" + secretValue), 400, "invalid", "recorded-date"},
		{"an empty value", get("/fhir/demo/Condition?" + about + "&code="), 400, "invalid", "code"},
		{"two patients", get("/fhir/demo/Condition?" + about + "&patient=" + secretValue), 400, "invalid", "patient"},
		{"no patient", get("/fhir/demo/Condition"), 400, "required", ""},
		{"a semicolon", get("/fhir/demo/Condition?" + about + ";code=" + secretValue), 400, "invalid", "patient"},
		{"a bad escape", get("/fhir/demo/Condition?" + about + "&code=%zz"), 400, "invalid", "code"},
		{"parameters in two places", question{method: http.MethodPost, path: "/fhir/demo/Condition/_search?" + about, contentType: form, body: "code=" + secretValue}, 400, "invalid", ""},
		{"a parameter of a read", get("/fhir/demo/Condition/x?code=" + secretValue), 400, "not-supported", "code"},
		{"XML by _format", get("/fhir/demo/Condition?" + about + "&_format=xml"), 406, "not-supported", "_format"},
		{"XML by Accept", headed("Accept", "application/fhir+xml"), 406, "not-supported", ""},
		{"a compressed body", headed("Content-Encoding", "gzip"), 415, "not-supported", ""},
		{"an upgrade", headed("Upgrade", "websocket"), 400, "invalid", ""},
		{"a header that others would fold", headed("X_Forwarded_User", secretValue), 400, "invalid", ""},
		{"a search in JSON", post("application/fhir+json", `{"patient":"`+secretValue+`"}`), 415, "not-supported", ""},
		{"a search without a media type", post("", about), 415, "not-supported", ""},
		{"a query that is too long", get("/fhir/demo/Condition?" + about + "&code=" + strings.Repeat("a", 9000)), 414, "too-long", ""},
		{"a body that is too long", post(form, about+"&code="+strings.Repeat("a", 70_000)), 413, "too-long", ""},
		{"a create", question{method: http.MethodPost, path: "/fhir/demo/Condition", contentType: "application/fhir+json", body: `{"resourceType":"` + secretValue + `"}`}, 405, "not-supported", ""},
		{"an update", with(http.MethodPut, "/fhir/demo/Condition/x"), 405, "not-supported", ""},
		{"a delete", with(http.MethodDelete, "/fhir/demo/Condition/x"), 405, "not-supported", ""},
		{"a patch", with(http.MethodPatch, "/fhir/demo/Condition/x"), 405, "not-supported", ""},
		{"a batch that is none", question{method: http.MethodPost, path: "/fhir/demo", contentType: "application/fhir+json", body: `{}`}, 400, "invalid", "resourceType"},
		{"TRACE", with(http.MethodTrace, "/fhir/demo/Condition"), 405, "not-supported", ""},
		{"an unknown method", with("FETCH", "/fhir/demo/Condition"), 405, "not-supported", ""},
		{"a history", get("/fhir/demo/Condition/x/_history"), 501, "not-supported", ""},
		{"a version", get("/fhir/demo/Condition/x/_history/1"), 501, "not-supported", ""},
		{"an operation", get("/fhir/demo/Patient/x/$meta"), 501, "not-supported", "$meta"},
		{"an operation that nobody knows", get("/fhir/demo/Patient/x/$" + secretValue), 501, "not-supported", ""},
		{"all types", get("/fhir/demo?_type=" + secretValue), 404, "not-found", ""},
		{"a type that is refused", get("/fhir/demo/Group?code=" + secretValue), 501, "not-supported", "Group"},
		{"a type that is none", get("/fhir/demo/" + secretValue), 404, "not-found", ""},
		{"a type in lower case", get("/fhir/demo/condition/x"), 404, "not-found", ""},
		{"a shared type, read", get("/fhir/demo/Practitioner/x"), 404, "not-found", ""},
		{"an unknown source", get("/fhir/other/Condition?" + about), 404, "not-found", ""},
		{"an unknown path", get("/" + secretValue), 404, "not-found", ""},
		{"the metrics, asked at the front", get("/metrics"), 404, "not-found", ""},
		{"the health, asked at the front", get("/healthz"), 404, "not-found", ""},
		{"the readiness, asked at the front", get("/readyz"), 404, "not-found", ""},
		{"a debugger", get("/debug/pprof/"), 404, "not-found", ""},
		{"a link that was never sealed", get("/fhir/demo/Condition?_cursor=" + secretValue), 404, "not-found", ""},
		{"a dot segment, escaped", get("/fhir/demo/Condition/%2e%2e/Patient"), 404, "not-found", ""},
		{"events, filtered", get("/gateway/AuditEvent?patient=" + secretValue), 400, "not-supported", "patient"},
		{"events, posted", with(http.MethodPost, "/gateway/AuditEvent"), 405, "not-supported", ""},
		{"a declaration by GET", get("/gateway/$break-glass"), 405, "not-supported", ""},
		{"a declaration as a form", breakGlass(form, "patient="+secretValue), 415, "not-supported", ""},
		{"a declaration without a reason", breakGlass("application/fhir+json", `{"resourceType":"Parameters","parameter":[`+patient+`]}`), 400, "invalid", "reason-code"},
		{"a declaration about nobody", breakGlass("application/fhir+json", `{"resourceType":"Parameters","parameter":[{"name":"reason","valueString":"Brought in unconscious"}]}`), 400, "invalid", "patient"},
		{"a declaration with more", breakGlass("application/fhir+json", `{"resourceType":"Parameters","parameter":[`+patient+`,{"name":"`+secretValue+`","valueString":"x"}]}`), 400, "invalid", "parameter"},
		{"a declaration that says a thing twice", breakGlass("application/fhir+json", `{"resourceType":"Parameters","resourceType":"Parameters","parameter":[]}`), 400, "invalid", ""},
	}
	for _, tt := range tests {
		w.source.Reset()
		by := demo.GP()
		if strings.HasPrefix(tt.ask.path, "/gateway/AuditEvent") {
			by = demo.Patient("patient", demo.Karena())
		}
		r := g.ask(by, tt.ask)
		code, element := r.outcome()
		if r.status != tt.status || code != tt.code || element != tt.element {
			t.Errorf("%s: got %d %s %q, want %d %s %q", tt.name, r.status, code, element, tt.status, tt.code, tt.element)
		}
		if strings.Contains(r.body, secretValue) || strings.Contains(fmt.Sprint(r.header), secretValue) {
			t.Errorf("%s: the answer echoes the value", tt.name)
		}
		if n := len(w.source.Requests()); n != 0 {
			t.Errorf("%s: the source was asked %d times", tt.name, n)
		}
		if events := w.eventsOf(r.id); len(events) != 1 || events[0].Outcome != audit.OutcomeDeny {
			t.Errorf("%s: got events %+v, want one denial", tt.name, events)
		} else if strings.Contains(text(events[0]), secretValue) {
			t.Errorf("%s: the event holds the value", tt.name)
		}
		if tt.status == 405 && r.header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", tt.name)
		}
	}
	if strings.Contains(g.logged(), secretValue) {
		t.Error("the log holds a value of a request")
	}
}

// TestRawTargets: forms of a request line that no FHIR client sends, and that other servers interpret differently.
func TestRawTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	id := string(demo.Karena().PatientID)
	host := strings.TrimPrefix(g.base, "http://")
	for _, target := range []string{
		"http://" + host + "/fhir/demo/Patient/" + id, "/fhir/demo/Patient/" + id + "#x", "//fhir/demo/Patient/" + id, "/fhir//demo/Patient/" + id,
		"/fhir/demo/./Patient/" + id, "/fhir/demo/x/../Patient/" + id, "/fhir/demo/Patient/" + id + "/", "/fhir/demo/Patient/" + id + ";x=y",
		"/fhir/demo/Patient%2f" + id, "/FHIR/demo/Patient/" + id, "/fhir/demo/Patient/" + id + "%00", "/fhir/demo\\Patient\\" + id,
		"/fhir/demo/%50atient/" + id, "*",
	} {
		w.source.Reset()
		status := g.raw(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n", target, host, tokenOf(t, demo.GP())))
		if status < 400 || status >= 500 {
			t.Errorf("%s: got status %d, want a refusal", target, status)
		}
		if n := len(w.source.Requests()); n != 0 {
			t.Errorf("%s: the source was asked %d times", target, n)
		}
	}
	good := g.raw(fmt.Sprintf("GET /fhir/demo/Patient/%s HTTP/1.1\r\nHost: elsewhere.example\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n",
		url.PathEscape(id), tokenOf(t, demo.GP())))
	if good != http.StatusOK {
		t.Errorf("the plain target got status %d, want 200", good)
	}
	smuggled := "POST /fhir/demo/Condition/_search HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + tokenOf(t, demo.GP()) +
		"\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /fhir/demo/Patient/" + id + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	w.source.Reset()
	if status := g.raw(smuggled); status < 400 {
		t.Errorf("two lengths of a body: got status %d, want a refusal", status)
	}
	if n := len(w.source.Requests()); n != 0 {
		t.Errorf("a smuggled request reached the source %d times", n)
	}
}

// raw sends bytes unchanged and returns the status of the answer.
func (g *gateway) raw(request string) int {
	g.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.base, "http://"))
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(endWithin))
	if _, err := conn.Write([]byte(request)); err != nil {
		g.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		g.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
