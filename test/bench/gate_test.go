package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/configs"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// BenchmarkGate measures the gate's own work on one request, without network, Redis and token. It shows the cost of a change of the gate, even on a
// busy machine.
func BenchmarkGate(b *testing.B) {
	p := demo.SyntheticPerson(0)
	root := "http://127.0.0.1:18080"
	gate, err := proxy.NewGate(gateParts(b, p, newSource(1, root), root))
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range workloads() {
		b.Run(l.name, func(b *testing.B) {
			target := l.path(string(p.PatientID))
			r := httptest.NewRequest(http.MethodGet, "http://gw.example"+target, nil)
			r.RequestURI = target
			b.ReportAllocs()
			for b.Loop() {
				w := &thrown{header: http.Header{}}
				gate.ServeHTTP(w, r)
				if w.status != http.StatusOK {
					b.Fatalf("status %d: %s", w.status, w.body)
				}
			}
		})
	}
}

// BenchmarkReader measures reading one response, with the configured tables.
func BenchmarkReader(b *testing.B) {
	p := demo.SyntheticPerson(0)
	root := "http://127.0.0.1:18080"
	s := newSource(1, root)
	reader := gateParts(b, p, s, root).Sources[0].Reader
	body := s.searches[string(p.PatientID)]
	var c fhir.Contents
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := reader.Searchset(body, &c); err != nil || len(c.Resources) != observations {
			b.Fatal(err)
		}
	}
}

func gateParts(tb testing.TB, p demo.Person, s *source, root string) proxy.Parts {
	tables, err := configs.Default()
	if err != nil {
		tb.Fatal(err)
	}
	decider, err := policy.New(policy.Config{
		Categories: []policy.ProviderCategory{"gp", "pharmacy", "hospital"}, MinimumAssurance: policy.AssuranceSubstantial,
		EmergencyCategories: []policy.ProviderCategory{"gp", "hospital"}, Channels: map[policy.Channel]policy.ChannelRule{"regional": {}},
		DefaultMinimumAge: 12, Groups: tables.Groups, GroupIncludes: tables.GroupIncludes,
	})
	if err != nil {
		tb.Fatal(err)
	}
	classifier, err := fhir.NewClassifier(fhir.R4, tables.Rules(fhir.R4), tables.Sensitive)
	if err != nil {
		tb.Fatal(err)
	}
	reader, err := fhir.NewReader(fhir.ReaderOptions{
		Version: fhir.R4, Base: root + base, PersonSystems: []string{demo.SystemBSN}, Classifier: classifier,
	})
	if err != nil {
		tb.Fatal(err)
	}
	store := &still{key: consent.PersonKey("0000000000000000000000000000000000000000000000000000000000000001")}
	store.standing = consent.Standing{Person: p.Identifier(), Generation: 1, Newest: time.Now()}
	err = demo.Seed(tb.Context(), func(r consent.Record, person fhir.Identifier) error {
		if person == demo.Karena().Identifier() {
			r.ID, r.RecordedAt.Time = consent.RecordID(rune('a'+len(store.standing.Records))), time.Now()
			store.standing.Records = append(store.standing.Records, r)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return proxy.Parts{
		PublicURL: "http://gw.example", PolicyHash: "x", Software: "bench", Started: time.Now(),
		StepUp: func(string, policy.AssuranceLevel) string { return "acr" },
		SignIn: map[proxy.Route]map[policy.SubjectKind]proxy.SignIn{
			proxy.RouteBreakGlass: {policy.KindProvider: {MaxAge: time.Hour}},
		},
		Authorization: proxy.Authorization{Servers: []string{"https://idp"}},
		SMART:         func(context.Context, string) ([]byte, bool, error) { return nil, false, nil },
		Sources: []*proxy.Source{{
			ID: "bench", Version: fhir.R4, Base: root + base, Holder: policy.Holder{Organization: "ura:90000009", Category: "hospital"},
			Timeout: time.Second, PersonSystems: []string{demo.SystemBSN}, Reader: reader, Classifier: classifier, Transport: direct{s},
		}},
		Address:       func(*http.Request) string { return "192.0.2.1" },
		Authenticator: anybody{}, Policy: decider, Categories: tables.DataCategories,
		Standings: store, Recorder: store, Declarations: store, Events: store,
		Consents:   proxy.Consents{Store: store, Check: func(consent.Record, time.Time) error { return nil }},
		CursorKeys: [][]byte{make([]byte, 32)},
		Limits: proxy.Limits{
			RequestBody: 64 << 10, ResponseBody: 16 << 20, Memory: 256 << 20, InFlight: 512, Request: 30 * time.Second, Store: time.Second,
			Lookups: 1 << 30, Unrecognised: 60, PersonMapping: time.Minute,
		},
		BreakGlass: proxy.BreakGlass{Lasts: time.Hour, PerHour: 5},
		Now:        time.Now, Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Observe: func(proxy.Summary) {},
	}
}

// anybody takes every token for that of the general practitioner.
type anybody struct{}

func (anybody) Authenticate(context.Context, *http.Request) (policy.Subject, error) {
	return policy.Subject{
		Issuer: "https://issuer", ID: "uzi-900000001", ClientID: "gp", TokenID: "token", Kind: policy.KindProvider, Assurance: policy.AssuranceHigh,
		Categories: []policy.ProviderCategory{"gp"}, Organization: "ura:90000001", Practitioner: "uzi:900000001",
		Secrecy: "big-3", Relationship: policy.RelationTreating, Purposes: []policy.PurposeOfUse{"TREAT"}, Channel: "regional", Expires: time.Now().Add(time.Hour),
	}, nil
}

// still is a store that never changes.
type still struct {
	key      consent.PersonKey
	standing consent.Standing
}

func (s *still) Key(fhir.Identifier) consent.PersonKey { return s.key }

func (s *still) Standing(context.Context, consent.PersonKey) (consent.Standing, time.Time, error) {
	return s.standing, time.Now(), nil
}

func (s *still) Commit(_ context.Context, r audit.Release) error {
	r.Event.ID, r.Event.Time = "event", time.Now()
	r.Event.Marshal()
	return nil
}

func (s *still) CountDeclaration(context.Context, string, time.Duration, int) (bool, error) {
	return true, nil
}

func (s *still) Change(context.Context, audit.Change) (consent.Standing, error) {
	return s.standing, nil
}

func (s *still) NewDeclarationID(fhir.Identifier) consent.DeclarationID { return "declaration" }

func (s *still) NewRecordID(fhir.Identifier) consent.RecordID { return "record" }

func (s *still) History(context.Context, consent.PersonKey) ([]consent.Standing, error) {
	return nil, nil
}

func (s *still) Owner(context.Context, consent.RecordID) (consent.PersonKey, error) { return "", nil }

func (s *still) Events(context.Context, consent.PersonKey, audit.Mark, int) ([]audit.Event, bool, error) {
	return nil, true, nil
}

func (s *still) Event(context.Context, consent.PersonKey, audit.EventID) (audit.Event, error) {
	return audit.Event{}, nil
}

// direct calls the source without a network.
type direct struct{ source *source }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &thrown{header: http.Header{}}
	d.source.ServeHTTP(w, r)
	return &http.Response{
		StatusCode: http.StatusOK, Header: w.header, ContentLength: int64(len(w.body)), Body: io.NopCloser(bytes.NewReader(w.body)), Request: r,
	}, nil
}

// thrown is a ResponseWriter that checks the answer and discards it.
type thrown struct {
	header http.Header
	status int
	body   []byte
}

func (t *thrown) Header() http.Header { return t.header }

func (t *thrown) WriteHeader(status int) { t.status = status }

func (t *thrown) Write(b []byte) (int, error) {
	t.body = b
	return len(b), nil
}
