package relations_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zorgsluis/fhir"
	"zorgsluis/policy"
	"zorgsluis/proxy/relations"
)

const (
	bsn    = "http://fhir.nl/fhir/NamingSystem/bsn"
	uzi    = "http://fhir.nl/fhir/NamingSystem/uzi-nr-pers"
	ura    = "http://fhir.nl/fhir/NamingSystem/ura"
	canary = "CANARY999991346"
)

var (
	person = fhir.Identifier{System: bsn, Value: "999991346"}
	doctor = policy.Subject{Practitioner: "uzi:900000001", Organization: "ura:90000001"}
	now    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

// server is a registry in process.
type server func(*http.Request) (*http.Response, error)

func (s server) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func answers(status int, media, body string) server {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {media}, "Location": {"https://elsewhere.example/"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

func registry(s http.RoundTripper, edit func(*relations.Options)) *relations.Registry {
	o := relations.Options{
		Base: "https://teams.example/fhir", Transport: s, Timeout: time.Second, InFlight: 2,
		Systems: map[string]string{"uzi:": uzi, "ura:": ura}, Now: func() time.Time { return now },
	}
	if edit != nil {
		edit(&o)
	}
	return relations.New(o)
}

// The parts of answers.
const (
	patient    = `"subject":{"reference":"Patient/1","identifier":{"system":"` + bsn + `","value":"999991346"}}`
	me         = `{"member":{"identifier":{"system":"` + uzi + `","value":"900000001"}}}`
	notMe      = `{"member":{"identifier":{"system":"` + uzi + `","value":"900000002"}}}`
	practice   = `{"member":{"reference":"Organization/1","identifier":{"system":"` + ura + `","value":"90000001"}}}`
	included   = `{"fullUrl":"https://teams.example/fhir/Patient/1","resource":{"resourceType":"Patient","id":"1","identifier":[{"system":"` + bsn + `","value":"999991346"}]}}`
	otherOne   = `{"resource":{"resourceType":"Patient","id":"1","identifier":[{"system":"` + bsn + `","value":"999990019"}]}}`
	asRole     = `{"member":{"reference":"PractitionerRole/1"}}`
	roleOf     = `{"resource":{"resourceType":"PractitionerRole","id":"1","practitioner":{"reference":"Practitioner/1"},"organization":{"reference":"Organization/1"}}}`
	doctorOne  = `{"resource":{"resourceType":"Practitioner","id":"1","identifier":[{"system":"` + uzi + `","value":"900000001"}]}}`
	organOne   = `{"resource":{"resourceType":"Organization","id":"1","identifier":[{"system":"` + ura + `","value":"90000001"}]}}`
	organOther = `{"resource":{"resourceType":"Organization","id":"1","identifier":[{"system":"` + ura + `","value":"90000002"}]}}`
)

func team(status, subject, participant string, more ...string) string {
	return `{"resource":{"resourceType":"CareTeam","id":"t","status":"` + status + `",` + subject + `,"participant":[` + participant + `]` + strings.Join(more, "") + `}}`
}

func searchset(entries ...string) string {
	return `{"resourceType":"Bundle","type":"searchset","entry":[` + strings.Join(entries, ",") + `]}`
}

func with(participant, member string) string {
	return strings.TrimSuffix(participant, "}") + "," + member + "}"
}

// TestAnswers: which answers show a relation, which none, and which allow no conclusion.
func TestAnswers(t *testing.T) {
	const treating, none = policy.RelationTreating, policy.RelationNone
	organizations := func(o *relations.Options) { o.Organizations = true }
	roles := func(o *relations.Options) {
		o.Roles = map[string]policy.Relationship{"s|locum": policy.RelationSubstitute, "s|planner": policy.RelationNone}
	}
	role := func(code string) string { return `"role":[{"coding":[{"system":"s","code":"` + code + `"}]}]` }
	onBehalf := func(number string) string {
		return `"onBehalfOf":{"identifier":{"system":"` + ura + `","value":"` + number + `"}}`
	}
	tests := []struct {
		name   string
		answer string
		edit   func(*relations.Options)
		want   policy.Relationship // "" is no answer
	}{
		{"a team with the doctor in it", searchset(team("active", patient, me)), nil, treating},
		{"the doctor among others", searchset(team("active", patient, notMe+","+me)), nil, treating},
		{"the patient is told by a resource that came along", searchset(team("active", `"subject":{"reference":"Patient/1"}`, me), included), nil, treating},
		{"by its full URL", searchset(team("active", `"subject":{"reference":"https://teams.example/fhir/Patient/1"}`, me), included), nil, treating},
		{"the number with a sectoral prefix", searchset(team("active", strings.Replace(patient, "999991346", "s00000000:999991346", 1), me)), nil, treating},
		{"the doctor in a role", searchset(team("active", patient, asRole), roleOf, doctorOne, organOne), nil, treating},
		{"the doctor for his organization", searchset(team("active", patient, with(me, onBehalf("90000001")))), nil, treating},
		{"a role that is configured", searchset(team("active", patient, with(me, role("locum")))), roles, policy.RelationSubstitute},
		{"the strongest of two", searchset(team("active", patient, with(me, role("locum"))), team("active", patient, me)), roles, treating},
		{"a period that is open", searchset(team("active", patient, me, `,"period":{"start":"2026-11-22"}`)), nil, treating},
		{"the last day of a period", searchset(team("active", patient, me, `,"period":{"end":"2026-11-22"}`)), nil, treating},
		{"the organization, where that is enough", searchset(team("active", patient, practice)), organizations, treating},

		{"no team", searchset(), nil, none},
		{"no entries", `{"resourceType":"Bundle","type":"searchset","total":0}`, nil, none},
		{"a team without the doctor", searchset(team("active", patient, notMe)), nil, none},
		{"the organization alone", searchset(team("active", patient, practice)), nil, none},
		{"a team that is proposed", searchset(team("proposed", patient, me)), nil, none},
		{"a team that has ended", searchset(team("active", patient, me, `,"period":{"end":"2026-11-21"}`)), nil, none},
		{"a team that has not begun", searchset(team("active", patient, me, `,"period":{"start":"2026-11-23"}`)), nil, none},
		{"a participation that has ended", searchset(team("active", patient, with(me, `"period":{"end":"2025"}`))), nil, none},
		{"a period that cannot be read", searchset(team("active", patient, me, `,"period":{"end":"never"}`)), nil, none},
		{"a period in another form", searchset(team("active", patient, me, `,"period":"now"`)), nil, none},
		{"a role that is configured as none", searchset(team("active", patient, with(me, role("planner")))), roles, none},
		{"the doctor for another organization", searchset(team("active", patient, with(me, onBehalf("90000002")))), nil, none},
		{"the doctor for an organization that is not known", searchset(team("active", patient, with(me, `"onBehalfOf":{"display":"x"}`))), nil, none},
		{"the doctor in a role elsewhere", searchset(team("active", patient, asRole), roleOf, doctorOne, organOther), nil, none},
		{"a role that does not count any more", searchset(team("active", patient, asRole), strings.Replace(roleOf, `"id"`, `"active":false,"id"`, 1), doctorOne, organOne), nil, none},
		{"a number of another system", searchset(team("active", patient, strings.Replace(me, uzi, ura, 1))), nil, none},
		{"an old number", searchset(team("active", patient, strings.Replace(me, `"system"`, `"use":"old","system"`, 1))), nil, none},
		{"an extension that may change everything", searchset(team("active", patient, me, `,"modifierExtension":[{"url":"x","valueBoolean":true}]`)), nil, none},

		{"a team of another patient", searchset(team("active", strings.Replace(patient, "999991346", "999990019", 1), me)), nil, ""},
		{"one of two is of another patient", searchset(team("active", patient, me), team("active", strings.Replace(patient, "999991346", "999990019", 1), notMe)), nil, ""},
		{"the number of one and the resource of another", searchset(team("active", patient, me), otherOne), nil, ""},
		{"a team of nobody", searchset(team("active", `"subject":{"reference":"Patient/9"}`, me)), nil, ""},
		{"a team of a group", searchset(team("active", `"subject":{"reference":"Group/1","identifier":{"system":"`+bsn+`","value":"999991346"}}`, me)), nil, ""},
		{"more pages", strings.Replace(searchset(team("active", patient, me)), `"entry"`, `"link":[{"relation":"next","url":"x"}],"entry"`, 1), nil, ""},
		{"a history", strings.Replace(searchset(team("active", patient, me)), "searchset", "history", 1), nil, ""},
		{"a member twice", strings.Replace(searchset(team("active", patient, me)), `"id":"t"`, `"id":"t","id":"t"`, 1), nil, ""},
		{"something after it", searchset(team("active", patient, me)) + "{}", nil, ""},
		{"no JSON", canary, nil, ""},
		{"too much", searchset(team("active", patient, me)) + strings.Repeat(" ", 1<<20), nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := registry(answers(200, "application/fhir+json;charset=UTF-8", tt.answer), tt.edit)
			got, err := r.Relationship(t.Context(), person, doctor)
			if got != tt.want || errors.Is(err, relations.ErrNoAnswer) != (tt.want == "") || (err != nil) != (tt.want == "") {
				t.Errorf("got %q and error %v, want %q", got, err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "99999") || strings.Contains(err.Error(), "90000")) {
				t.Errorf("the error holds a number: %v", err)
			}
		})
	}
}

// TestTheQuestion: identifiers are in the body and nowhere else, and no request is sent for a provider whom the registry could not know.
func TestTheQuestion(t *testing.T) {
	var asked []url.Values
	s := server(func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		asked = append(asked, form)
		if r.Method != http.MethodPost || r.URL.String() != "https://teams.example/fhir/CareTeam/_search" || r.Header.Get("Prefer") != "handling=strict" {
			t.Errorf("got %s %s with %v", r.Method, r.URL, r.Header)
		}
		return answers(200, "application/fhir+json", searchset())(r)
	})
	both := func(o *relations.Options) { o.Organizations = true }
	for _, tt := range []struct {
		subject policy.Subject
		edit    func(*relations.Options)
		want    string // participant.identifier; "" is not asked
	}{
		{doctor, nil, uzi + "|900000001"},
		{doctor, both, uzi + "|900000001," + ura + "|90000001"},
		{policy.Subject{Practitioner: `uzi:1,2|3\4$`}, nil, uzi + `|1\,2\|3\\4\$`},
		{policy.Subject{Organization: "ura:90000001"}, both, ura + "|90000001"},
		{policy.Subject{Organization: "ura:90000001"}, nil, ""},
		{policy.Subject{Practitioner: "dezi:900000001"}, nil, ""},
		{policy.Subject{}, both, ""},
	} {
		asked = nil
		got, err := registry(s, tt.edit).Relationship(t.Context(), person, tt.subject)
		if err != nil || got != policy.RelationNone || (len(asked) == 1) != (tt.want != "") {
			t.Errorf("%+v: got %q, error %v and %d questions", tt.subject, got, err, len(asked))
			continue
		}
		if tt.want != "" && (asked[0].Get("participant.identifier") != tt.want || asked[0].Get("patient.identifier") != bsn+"|999991346" || asked[0].Get("status") != "active") {
			t.Errorf("%+v: asked %v", tt.subject, asked[0])
		}
	}
}

// TestNoAnswer: a registry that is unavailable, slow or wrong shows no relation, in bounded time.
func TestNoAnswer(t *testing.T) {
	good := searchset(team("active", patient, me))
	for name, s := range map[string]server{
		"away":          func(*http.Request) (*http.Response, error) { return nil, errors.New(canary) },
		"silent":        func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
		"an error":      answers(500, "application/fhir+json", good),
		"a redirect":    answers(307, "application/fhir+json", good),
		"not found":     answers(404, "application/fhir+json", good),
		"not FHIR":      answers(200, "application/json", good),
		"no media type": answers(200, "", good),
		"slow to the end": func(r *http.Request) (*http.Response, error) {
			a, _ := answers(200, "application/fhir+json", "")(r)
			a.Body = stuck{r.Context()}
			return a, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				got, err := registry(s, nil).Relationship(t.Context(), person, doctor)
				if got != "" || !errors.Is(err, relations.ErrNoAnswer) || strings.Contains(err.Error(), "CANARY") {
					t.Errorf("got %q and error %v", got, err)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("took %s, want a second at most", took)
				}
			})
		})
	}
}

// stuck is a body that does not end.
type stuck struct{ ctx context.Context }

func (s stuck) Read([]byte) (int, error) { <-s.ctx.Done(); return 0, s.ctx.Err() }
func (s stuck) Close() error             { return nil }

// TestQuestionsAtOnce: requests beyond the configured number wait, but not for long.
func TestQuestionsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		silent := server(func(r *http.Request) (*http.Response, error) {
			asked++
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		r := registry(silent, func(o *relations.Options) { o.InFlight = 1 })
		done := make(chan error, 3)
		for range 3 {
			go func() { _, err := r.Relationship(t.Context(), person, doctor); done <- err }()
		}
		for range 3 {
			if err := <-done; !errors.Is(err, relations.ErrNoAnswer) {
				t.Errorf("got error %v", err)
			}
		}
		if asked != 1 {
			t.Errorf("got %d questions, want 1", asked)
		}
	})
}
