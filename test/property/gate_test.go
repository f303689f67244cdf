// Package property_test tests properties of the whole gate: the real packages wired together, with a source in memory and a store that
// fulfils the contract of audit.Release and no more, so that thousands of worlds can be tried.
package property_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
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

// TestMain keeps the properties short on a busy machine; -rapid.checks or RAPID_CHECKS makes them longer.
func TestMain(m *testing.M) {
	flag.Parse()
	given := os.Getenv("RAPID_CHECKS") != ""
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "90"); err != nil {
			fmt.Fprintln(os.Stderr, "property:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// publicURL is the public URL of the gate.
const publicURL = "https://gw.example"

// now is the constant time of every world.
var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// stage is what all worlds share: the source and everything made from the configuration.
type stage struct {
	version    fhir.Version
	source     *demo.Source
	policy     *policy.Policy
	classifier *fhir.Classifier
	reader     *fhir.Reader
	categories []fhir.DataCategory
	transport  http.RoundTripper
}

func newStage(t *testing.T, v fhir.Version) *stage {
	t.Helper()
	s := &stage{version: v}
	var err error
	if s.source, err = demo.NewSource(nil, demo.SourceOptions{Version: v, Unrecorded: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.source.Close() })
	tables, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	s.categories = tables.DataCategories
	s.policy, err = policy.New(policy.Config{
		Categories: []policy.ProviderCategory{"gp", "hospital"}, MinimumAssurance: policy.AssuranceSubstantial,
		EmergencyCategories: []policy.ProviderCategory{"gp"}, DefaultMinimumAge: 12,
		Channels: map[policy.Channel]policy.ChannelRule{"medmij": {MinimumAge: 16}},
		Groups:   tables.Groups, GroupIncludes: tables.GroupIncludes,
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.classifier, err = fhir.NewClassifier(v, tables.Rules(v), tables.Sensitive); err != nil {
		t.Fatal(err)
	}
	s.reader, err = fhir.NewReader(fhir.ReaderOptions{
		Version: v, Base: s.source.URL(), PersonSystems: []string{demo.SystemBSN}, Classifier: s.classifier,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.transport = inProcess{s.source}
	return s
}

// inProcess calls a handler without a network.
type inProcess struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	p.handler.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// gate makes a fresh gate.
func (s *stage) gate(store *memory, callers map[string]policy.Subject) (*proxy.Gate, error) {
	return proxy.NewGate(proxy.Parts{
		PublicURL: publicURL, PolicyHash: "h", Software: "test", Started: now,
		StepUp: func(string, policy.AssuranceLevel) string { return "acr" },
		SignIn: map[proxy.Route]map[policy.SubjectKind]proxy.SignIn{
			proxy.RouteBreakGlass: {policy.KindProvider: {MaxAge: time.Hour}},
		},
		Authorization: proxy.Authorization{Servers: []string{"https://idp"}},
		SMART:         func(context.Context, string) ([]byte, bool, error) { return nil, false, nil },
		Sources: []*proxy.Source{{
			ID: "s", Version: s.version, Base: s.source.URL(), Holder: policy.Holder{Organization: "ura:00000001", Category: "hospital"},
			Timeout: time.Minute, PersonSystems: []string{demo.SystemBSN}, Allow: fhir.AllowVRead,
			Reader: s.reader, Classifier: s.classifier, Transport: s.transport,
		}},
		Address:       func(*http.Request) string { return "192.0.2.1" },
		Authenticator: tokens(callers), Policy: s.policy, Categories: s.categories,
		Standings: store, Recorder: store, Declarations: store, Events: store,
		Consents:   proxy.Consents{Store: store, Check: func(consent.Record, time.Time) error { return nil }},
		CursorKeys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")},
		Limits: proxy.Limits{
			RequestBody: 1 << 20, ResponseBody: 16 << 20, Memory: 256 << 20, InFlight: 64, Request: time.Minute, Store: time.Minute,
			Lookups: 1_000_000, Unrecognised: 1000, PersonMapping: time.Minute,
		},
		BreakGlass: proxy.BreakGlass{Lasts: time.Hour, PerHour: 3},
		Now:        func() time.Time { return now },
		Log:        slog.New(slog.DiscardHandler),
		Observe:    func(proxy.Summary) {},
	})
}

// tokens maps bearer tokens to callers.
type tokens map[string]policy.Subject

// Authenticate implements proxy.Authenticator.
func (k tokens) Authenticate(_ context.Context, r *http.Request) (policy.Subject, error) {
	subject, known := k[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !known {
		return policy.Subject{}, &proxy.Unauthenticated{Reason: "no-credentials", Challenge: "Bearer"}
	}
	return subject, nil
}

// provider returns a professional of a category who treats the patient.
func provider(category policy.ProviderCategory) policy.Subject {
	return policy.Subject{
		Issuer: "https://idp", ID: string(category), ClientID: "client", Kind: policy.KindProvider, Assurance: policy.AssuranceSubstantial,
		Categories: []policy.ProviderCategory{category}, Organization: "ura:00000002", Practitioner: "uzi:900000001",
		Secrecy: "big-3", Relationship: policy.RelationTreating, Purposes: []policy.PurposeOfUse{policy.PurposeTreatment}, Channel: "regional",
		Expires: now.Add(time.Hour),
	}
}

// patient returns a person who asks for their own record.
func patient(p demo.Person) policy.Subject {
	return policy.Subject{
		Issuer: "https://idp", ID: "p", ClientID: "pgo", Kind: policy.KindPatient, Assurance: policy.AssuranceSubstantial,
		Purposes: []policy.PurposeOfUse{policy.PurposePatientRequest}, Channel: "medmij", Person: p.Identifier(), Expires: now.Add(time.Hour),
	}
}

// memory keeps standings in memory and drops events.
type memory struct {
	mu        sync.Mutex
	standings map[consent.PersonKey]consent.Standing
	events    int
}

func newMemory() *memory { return &memory{standings: map[consent.PersonKey]consent.Standing{}} }

// put stores records of a person as recorded an hour ago.
func (m *memory) put(p demo.Person, records ...consent.Record) {
	key := m.Key(p.Identifier())
	st := consent.Standing{Person: p.Identifier(), Generation: 1, Newest: now.Add(-time.Hour)}
	for i, r := range records {
		r.ID = consent.RecordID(fmt.Sprintf("r%d", i))
		r.Status, r.GivenBy, r.RecordedAt = consent.StatusActive, []string{consent.ByPatient, consent.ByRepresentative}, consent.Time{Time: now.Add(-time.Hour)}
		st.Records = append(st.Records, r)
	}
	m.standings[key] = st
}

// Key implements proxy.Standings.
func (m *memory) Key(p fhir.Identifier) consent.PersonKey {
	sum := sha256.Sum256([]byte(p.System + "|" + p.Value))
	return consent.PersonKey(hex.EncodeToString(sum[:]))
}

// Standing implements proxy.Standings.
func (m *memory) Standing(_ context.Context, key consent.PersonKey) (consent.Standing, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.standings[key], now, nil
}

// Commit implements proxy.Recorder.
func (m *memory) Commit(_ context.Context, r audit.Release) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Conditional && m.standings[r.Event.Person].Generation != r.Generation {
		return audit.ErrMoved
	}
	if r.Conditional && !r.NotAfter.IsZero() && !now.Before(r.NotAfter) {
		return audit.ErrTooLate
	}
	m.events++
	r.Event.ID, r.Event.Time = audit.EventID(fmt.Sprintf("e%d", m.events)), now
	return nil
}

// Change implements proxy.Declarations; nothing is declared in these worlds.
func (m *memory) Change(context.Context, audit.Change) (consent.Standing, error) {
	return consent.Standing{}, audit.ErrUnavailable
}

// CountDeclaration implements proxy.Declarations.
func (m *memory) CountDeclaration(context.Context, string, time.Duration, int) (bool, error) {
	return false, nil
}

// NewDeclarationID implements proxy.Declarations.
func (m *memory) NewDeclarationID(fhir.Identifier) consent.DeclarationID { return "s00-d" }

// NewRecordID implements proxy.ConsentStore; nothing is recorded in these worlds.
func (m *memory) NewRecordID(fhir.Identifier) consent.RecordID { return "s00-r" }

// History implements proxy.ConsentStore.
func (m *memory) History(context.Context, consent.PersonKey) ([]consent.Standing, error) {
	return nil, nil
}

// Owner implements proxy.ConsentStore.
func (m *memory) Owner(context.Context, consent.RecordID) (consent.PersonKey, error) { return "", nil }

// Events implements proxy.Events.
func (m *memory) Events(context.Context, consent.PersonKey, audit.Mark, int) ([]audit.Event, bool, error) {
	return nil, true, nil
}

// Event implements proxy.Events.
func (m *memory) Event(context.Context, consent.PersonKey, audit.EventID) (audit.Event, error) {
	return audit.Event{}, nil
}

// request is what a caller sends.
type request struct {
	method, path, contentType, body string
	accept                          string
}

// reply is what a caller receives.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request as the caller with this token.
func ask(gate http.Handler, token string, q request) reply {
	r := httptest.NewRequest(q.method, publicURL, strings.NewReader(q.body))
	r.RequestURI = q.path
	r.Header.Set("Authorization", "Bearer "+token)
	if q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	if q.accept != "" {
		r.Header.Set("Accept", q.accept)
	}
	rec := httptest.NewRecorder()
	gate.ServeHTTP(rec, r)
	return reply{rec.Code, rec.Header(), rec.Body.String()}
}
