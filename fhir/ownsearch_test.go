package fhir_test

import (
	"errors"
	"testing"
	"time"

	"zorgsluis/fhir"
)

func own(query string) fhir.Request {
	return fhir.Request{Method: "GET", Path: "/gateway/AuditEvent", RawQuery: query}
}

func TestParseOwnSearch(t *testing.T) {
	form := fhir.Request{
		Method: "POST", Path: "/gateway/AuditEvent/_search", ContentType: "application/x-www-form-urlencoded",
		Body: []byte("patient.identifier=" + bsnToken + "&date=ge2026-01-01&date=lt2027"),
	}
	for _, tt := range []struct {
		name     string
		request  fhir.Request
		redacted string
	}{
		{"nothing narrows it", own(""), "AuditEvent"},
		{"a period", own("date=lt2027&date=ge2026-11-22T10:00:00Z"), "AuditEvent?date=lt2027&date=ge2026-11-22T10:00:00Z"},
		{"a form that names the patient", form, "AuditEvent?date=ge2026-01-01&date=lt2027"},
		{"presentation and order say nothing", own("_format=json&_pretty=true&_sort=-date&_count=5"), "AuditEvent"},
		{"an organization", own("agent.identifier=http://fhir.nl/fhir/NamingSystem/ura|00000001"), "AuditEvent?agent.identifier=http://fhir.nl/fhir/NamingSystem/ura%7C00000001"},
		{"a page", own("_cursor=abc"), "AuditEvent?_cursor=***"},
		{"outcomes", own("outcome=4,8"), "AuditEvent?outcome=4,8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := fhir.ParseOwnSearch("AuditEvent", tt.request)
			if err != nil || s.Redacted() != tt.redacted {
				t.Errorf("got %q and error %v, want %q", s.Redacted(), err, tt.redacted)
			}
		})
	}
	if s, err := fhir.ParseOwnSearch("AuditEvent", form); err != nil || s.Patient.Identifier.Value != "999990019" {
		t.Errorf("got patient %v and error %v, want the one in the form", s.Patient, err)
	}
	if s, err := fhir.ParseOwnSearch("AuditEvent", own("_count=20")); err != nil || s.Count != 20 {
		t.Errorf("got count %d and error %v, want 20", s.Count, err)
	}
}

func TestParseOwnSearchRefuses(t *testing.T) {
	post := func(path, contentType, query, body string) fhir.Request {
		return fhir.Request{Method: "POST", Path: path, ContentType: contentType, RawQuery: query, Body: []byte(body)}
	}
	const formType = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		name    string
		request fhir.Request
		kind    fhir.Kind
		element string
	}{
		{"another patient parameter", own("patient=x"), fhir.NotSupported, "patient"},
		{"an unknown parameter", own("agent=x"), fhir.NotSupported, "agent"},
		{"a modifier", own("date:missing=true"), fhir.NotSupported, "date:missing"},
		{"an include", own("_include=AuditEvent:agent"), fhir.NotSupported, "_include"},
		{"another order", own("_sort=date"), fhir.NotSupported, "_sort"},
		{"XML", own("_format=xml"), fhir.NotAcceptable, "_format"},
		{"pretty or not", own("_pretty=yes"), fhir.Malformed, "_pretty"},
		{"a count of nothing", own("_count=0"), fhir.Malformed, "_count"},
		{"no date", own("date=yesterday"), fhir.Malformed, "date"},
		{"no such day", own("date=2026-02-30"), fhir.Malformed, "date"},
		{"about a date", own("date=ap2026"), fhir.Malformed, "date"},
		{"a leap second that was not", own("date=2026-11-22T10:00:60Z"), fhir.Malformed, "date"},
		{"no identifier", own("agent.identifier=00000001"), fhir.Malformed, "agent.identifier"},
		{"no patient", own("patient.identifier=999990019"), fhir.Malformed, "patient.identifier"},
		{"two bars in a token", own("type=a|b|c"), fhir.Malformed, "type"},
		{"a parameter twice", own("outcome=0&outcome=4"), fhir.Malformed, "outcome"},
		{"a cursor with company", own("_cursor=abc&date=2026"), fhir.Malformed, "_cursor"},
		{"a cursor that is none", own("_cursor=a.b"), fhir.Malformed, "_cursor"},
		{"not a query", own("date"), fhir.Malformed, ""},
		{"a body with a GET", fhir.Request{Method: "GET", Path: "/gateway/AuditEvent", Body: []byte("x")}, fhir.Malformed, ""},
		{"a search that creates", post("/gateway/AuditEvent", "application/fhir+json", "", "{}"), fhir.NoMethod, ""},
		{"a GET of _search", fhir.Request{Method: "GET", Path: "/gateway/AuditEvent/_search"}, fhir.NoMethod, ""},
		{"a form of another type", post("/gateway/AuditEvent/_search", "application/json", "", "{}"), fhir.MediaType, ""},
		{"a form and a query", post("/gateway/AuditEvent/_search", formType, "date=2026", ""), fhir.Malformed, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := fhir.ParseOwnSearch("AuditEvent", tt.request)
			var refused *fhir.RequestError
			if !errors.As(err, &refused) || refused.Kind != tt.kind || refused.Element != tt.element || len(s.Params) > 0 {
				t.Errorf("got %v and error %#v, want kind %v of %q", s, err, tt.kind, tt.element)
			}
		})
	}
}

func TestMatchesInstant(t *testing.T) {
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 9, 30, 15, 500, time.UTC) // 10:30 in Amsterdam
	for value, want := range map[string]bool{
		"2026": true, "2026-11": true, "2026-11-22": true, "2025": false, "2026-11-21": false,
		"2026-11-22T10:30": true, "2026-11-22T09:30": false, "2026-11-22T09:30Z": true, "2026-11-22T09:30:15Z": true,
		"2026-11-22T11:30:15+02:00": true, "2026-11-22T09:30:15.0000005Z": true, "2026-11-22T09:30:15.1Z": false,
		"eq2026": true, "ne2026": false, "ne2025": true, "ge2026-11-22": true, "ge2026-11-23": false, "gt2026-11-21": true,
		"gt2026-11-22": false, "sa2026-11-21": true, "le2026-11-22": true, "le2026-11-21": false, "lt2026-11-22": false,
		"lt2026-11-23": true, "eb2026-11-23": true, "ap2026": false, "": false, "2026-11-22T00:00:00+14:00": false,
	} {
		if got := (fhir.Param{Name: "date", Value: value}).MatchesInstant(at, amsterdam); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
	midnight := time.Date(2026, 7, 1, 22, 0, 0, 0, time.UTC) // the second of July in Amsterdam
	if (fhir.Param{Value: "2026-07-01"}).MatchesInstant(midnight, amsterdam) || !(fhir.Param{Value: "2026-07-02"}).MatchesInstant(midnight, amsterdam) {
		t.Error("a day does not begin at midnight in Amsterdam")
	}
}

func TestMatchesTokenAndIdentifier(t *testing.T) {
	coding := fhir.Coding{System: "urn:s", Code: "a,b"}
	for value, want := range map[string]bool{
		`a\,b`: true, `urn:s|a\,b`: true, "urn:s|": true, `|a\,b`: false, "a,b": false, `x,a\,b`: true, "urn:t|": false, `urn:t|a\,b`: false,
	} {
		if got := (fhir.Param{Value: value}).MatchesToken(fhir.Coding{System: "urn:x", Code: "y"}, coding); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
	mine := fhir.Identifier{System: "urn:s", Value: "1"}
	for value, want := range map[string]bool{"urn:s|1": true, "urn:s|2": false, "urn:t|1": false, "1": false} {
		if got := (fhir.Param{Value: value}).MatchesIdentifier(mine); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

func TestOwnSearchParams(t *testing.T) {
	got := fhir.OwnSearchParams("AuditEvent")
	if len(got) != 6 || got[0] != (fhir.OwnSearchParam{Name: "agent.identifier", Kind: "token"}) || got[1] != (fhir.OwnSearchParam{Name: "date", Kind: "date"}) {
		t.Errorf("got %v", got)
	}
	if got := fhir.OwnSearchParams("Observation"); got != nil {
		t.Errorf("got %v of a type that the gateway does not keep", got)
	}
}

func TestParseOwnSearchOfConsents(t *testing.T) {
	get := func(query string) fhir.Request {
		return fhir.Request{Method: "GET", Path: "/gateway/Consent", RawQuery: query}
	}
	s, err := fhir.ParseOwnSearch("Consent", get("patient=Patient/abc&status=active&period=ge2026&period=le2027&_lastUpdated=gt2026-01&_sort=-_lastUpdated"))
	if err != nil || s.Reference != "Patient/abc" || s.Redacted() != "Consent?_lastUpdated=gt2026-01&period=ge2026&period=le2027&status=active" {
		t.Errorf("got %+v, %q, %v", s, s.Redacted(), err)
	}
	if s, err := fhir.ParseOwnSearch("Consent", get("patient=https://gateway.example/fhir/demo/Patient/abc")); err != nil || s.Reference != "https://gateway.example/fhir/demo/Patient/abc" {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, query := range []string{"patient=Group/abc", "patient=ftp://gateway.example/Patient/abc", "patient=https://gateway.example/Patient/", "patient=fhir/demo/Patient/abc", "patient=abc&patient=abc", "patient=a%20b", "patient=abc&patient.identifier=a|b", "_sort=-date", "status=active&status=active", "date=2026"} {
		if _, err := fhir.ParseOwnSearch("Consent", get(query)); err == nil {
			t.Errorf("%s: got no error", query)
		}
	}
	kinds := map[string]string{}
	for _, p := range fhir.OwnSearchParams("Consent") {
		kinds[p.Name] = p.Kind
	}
	if kinds["patient"] != "reference" || kinds["period"] != "date" || kinds["status"] != "token" || len(kinds) != 6 {
		t.Errorf("got %v", kinds)
	}
}

func TestMatchesPeriod(t *testing.T) {
	day := func(s string) time.Time {
		if s == "" {
			return time.Time{}
		}
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, tt := range []struct {
		value, from, to string
		want            bool
	}{
		{"2026", "2026-02-01", "2026-03-01", true}, {"2026", "2025-02-01", "2026-03-01", false}, {"2026", "2026-02-01", "", false},
		{"ne2026", "2026-02-01", "2026-03-01", false}, {"ne2026", "", "", true},
		{"ge2026", "2020-01-01", "2026-06-01", false}, {"ge2026", "2020-01-01", "2027-06-01", true}, {"ge2026", "2026-01-01", "2026-06-01", true}, {"ge2026", "", "", true},
		{"gt2026", "2026-01-01", "2026-06-01", false}, {"gt2026", "2026-01-01", "", true},
		{"le2026", "2026-06-01", "2027-06-01", false}, {"le2026", "2025-06-01", "2027-06-01", true}, {"le2026", "2026-06-01", "2026-07-01", true},
		{"lt2026", "2026-06-01", "2026-07-01", false}, {"lt2026", "", "2020-01-01", true},
		{"sa2026", "2027-01-01", "", true}, {"sa2026", "2026-12-31", "", false}, {"sa2026", "", "", false},
		{"eb2026", "", "2026-01-01", true}, {"eb2026", "", "2026-01-02", false}, {"eb2026", "", "", false},
		{"nonsense", "", "", false},
	} {
		if got := (fhir.Param{Name: "period", Value: tt.value}).MatchesPeriod(day(tt.from), day(tt.to), time.UTC); got != tt.want {
			t.Errorf("%s of %s to %s: got %v, want %v", tt.value, tt.from, tt.to, got, tt.want)
		}
	}
}

// TestCheckPresentation: clients that say with every request that they want JSON are served; nothing else is taken.
func TestCheckPresentation(t *testing.T) {
	for query, want := range map[string]*fhir.RequestError{
		"": nil, "_format=json": nil, "_format=application/fhir%2Bjson&_pretty=true": nil,
		"_format=xml":               {Kind: fhir.NotAcceptable, Element: "_format"},
		"_format=json&_format=json": {Kind: fhir.Malformed, Element: "_format"},
		"_summary=true":             {Kind: fhir.NotSupported, Element: "_summary"},
		"_pretty=1":                 {Kind: fhir.Malformed, Element: "_pretty"},
		"_format":                   {Kind: fhir.Malformed},
	} {
		err := fhir.CheckPresentation(query)
		got, refused := errors.AsType[*fhir.RequestError](err)
		if refused != (want != nil) || refused && (got.Kind != want.Kind || got.Element != want.Element) {
			t.Errorf("%q: got %v, want %v", query, err, want)
		}
	}
}
