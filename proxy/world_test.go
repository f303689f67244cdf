package proxy_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/configs"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// canary is in everything that must never reach a caller who may not see it, the log, or an event.
const canary = "CANARY7f3a"

const (
	bsnSystem = "http://fhir.nl/fhir/NamingSystem/bsn"
	bsnA      = "999991346"
	bsnB      = "999993008"
)

// epoch is the store's time at the start of every test.
var epoch = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is one gate with a source, a store and callers that the test controls. The store meets the contract of audit.Release and nothing
// more; the real one is tested in consent/redisstore and end to end.
type world struct {
	t      *testing.T
	gate   *proxy.Gate
	source *fakeSource
	store  *fakeStore
	log    *strings.Builder
	logMu  sync.Mutex
	seen   []proxy.Summary
	clock  time.Time
}

func newWorld(t *testing.T, change ...func(*proxy.Parts)) *world {
	t.Helper()
	w := &world{t: t, log: &strings.Builder{}, clock: epoch}
	w.source = newFakeSource(t)
	w.store = &fakeStore{done: map[string]consent.Standing{}, standings: map[consent.PersonKey]consent.Standing{}, now: func() time.Time { return w.clock }}
	parts := w.parts()
	for _, c := range change {
		c(&parts)
	}
	gate, err := proxy.NewGate(parts)
	if err != nil {
		t.Fatal(err)
	}
	w.gate = gate
	return w
}

func (w *world) parts() proxy.Parts {
	tables, err := configs.Default()
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := policy.New(policy.Config{
		Categories:       []policy.ProviderCategory{"gp", "pharmacy", "hospital", "lab", "nursing", "ggz", "other"},
		MinimumAssurance: policy.AssuranceSubstantial, EmergencyCategories: []policy.ProviderCategory{"gp", "hospital"},
		Channels:          map[policy.Channel]policy.ChannelRule{"medmij": {MinimumAge: 16}},
		DefaultMinimumAge: 12, Groups: tables.Groups, GroupIncludes: tables.GroupIncludes,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	classifier, err := fhir.NewClassifier(fhir.R4, tables.Rules(fhir.R4), tables.Sensitive)
	if err != nil {
		w.t.Fatal(err)
	}
	reader, err := fhir.NewReader(fhir.ReaderOptions{
		Version: fhir.R4, Base: w.source.base(), PersonSystems: []string{bsnSystem}, Classifier: classifier,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return proxy.Parts{
		PublicURL: "https://gw.example", PolicyHash: "h", Software: "test", Started: epoch,
		Sources: []*proxy.Source{{
			ID: "demo", Version: fhir.R4, Base: w.source.base(), Holder: policy.Holder{Organization: "ura:00000001", Category: "hospital"},
			Timeout: time.Second, PersonSystems: []string{bsnSystem},
			Reader: reader, Classifier: classifier, Transport: &http.Transport{DisableCompression: true},
		}},
		StepUp: func(_ string, least policy.AssuranceLevel) string {
			return "urn:level:" + max(least, policy.AssuranceSubstantial).String()
		},
		SignIn: map[proxy.Route]map[policy.SubjectKind]proxy.SignIn{
			proxy.RouteBreakGlass: {policy.KindProvider: {MaxAge: 15 * time.Minute}},
		},
		Authorization: proxy.Authorization{Servers: []string{"https://idp"}, ProofAlgorithms: []string{"ES256"}},
		SMART:         func(context.Context, string) ([]byte, bool, error) { return nil, false, nil },
		Address:       func(r *http.Request) string { return strings.Split(r.RemoteAddr, ":")[0] }, Authenticator: fakeCallers{}, Policy: p, Categories: tables.DataCategories,
		Standings: w.store, Recorder: w.store, Declarations: w.store, Events: w.store,
		Consents:   proxy.Consents{Store: w.store, Check: func(consent.Record, time.Time) error { return nil }},
		CursorKeys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")},
		Limits: proxy.Limits{
			RequestBody: 64 << 10, ResponseBody: 1 << 20, Memory: 8 << 20, InFlight: 64, Request: 5 * time.Second, Store: time.Second,
			Lookups: 100, Unrecognised: 3, PersonMapping: time.Minute,
		},
		BreakGlass: proxy.BreakGlass{Lasts: time.Hour, PerHour: 3, Reasons: []proxy.EmergencyReason{
			{Code: "unconscious", Dutch: "De patiënt is buiten bewustzijn", English: "The patient is unconscious"},
			{Code: "danger", Dutch: "Er is gevaar voor een ander", English: "Somebody else is in danger"},
		}},
		Now: func() time.Time { return w.clock },
		Log: slog.New(slog.NewJSONHandler(&lockedWriter{w: w.log, mu: &w.logMu}, nil)),
		Observe: func(s proxy.Summary) {
			w.logMu.Lock()
			defer w.logMu.Unlock()
			w.seen = append(w.seen, s)
		},
	}
}

type lockedWriter struct {
	w  io.Writer
	mu *sync.Mutex
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// reply is the response to a caller.
type reply struct {
	status int
	header http.Header
	body   string
}

// get sends a request as caller; target is the request target as on the wire.
func (w *world) get(caller, target string) reply { return w.send(caller, "GET", target, "", "") }

func (w *world) send(caller, method, target, contentType, body string, headers ...string) reply {
	w.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://gw.example/", reader)
	r.RequestURI = target
	if caller != "" {
		r.Header.Set("Authorization", "Bearer "+caller)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.gate.ServeHTTP(rec, r)
	return reply{status: rec.Code, header: rec.Header(), body: rec.Body.String()}
}

// issue returns OperationOutcome.issue[0].code of a reply.
func (r reply) issue() string {
	var o struct {
		ResourceType string
		Issue        []struct{ Code string }
	}
	if json.Unmarshal([]byte(r.body), &o) != nil || o.ResourceType != "OperationOutcome" || len(o.Issue) != 1 {
		return ""
	}
	return o.Issue[0].Code
}

// entries returns "Type/id" of a searchset's entries.
func (r reply) entries() []string {
	var b struct {
		Entry []struct {
			Resource struct{ ResourceType, ID string }
		}
	}
	_ = json.Unmarshal([]byte(r.body), &b)
	var ids []string
	for _, e := range b.Entry {
		ids = append(ids, e.Resource.ResourceType+"/"+e.Resource.ID)
	}
	return ids
}

// link returns the href of one of a searchset's links, without the gateway's own address.
func (r reply) link(relation string) string {
	var b struct {
		Link []struct{ Relation, URL string }
	}
	_ = json.Unmarshal([]byte(r.body), &b)
	for _, l := range b.Link {
		if l.Relation == relation {
			return strings.TrimPrefix(l.URL, "https://gw.example")
		}
	}
	return ""
}

// fakeCallers authenticates callers by their token.
type fakeCallers struct{}

func (fakeCallers) Authenticate(_ context.Context, r *http.Request) (policy.Subject, error) {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	provider := policy.Subject{
		Issuer: "https://idp", ID: "sub-" + token, ClientID: "client", TokenID: "jti", Kind: policy.KindProvider,
		Assurance: policy.AssuranceSubstantial, Organization: "ura:00000002", Practitioner: "uzi:900000001",
		Secrecy: "big-3", Relationship: policy.RelationTreating, Purposes: []policy.PurposeOfUse{"TREAT"}, Channel: "regional",
		AuthenticatedAt: epoch, Expires: epoch.Add(time.Hour),
	}
	patient := policy.Subject{
		Issuer: "https://idp", ID: canary + token, ClientID: "pgo", Kind: policy.KindPatient, Assurance: policy.AssuranceSubstantial,
		Purposes: []policy.PurposeOfUse{"PATRQT"}, Channel: "medmij", Expires: epoch.Add(time.Hour),
	}
	switch token {
	case "":
		return policy.Subject{}, &proxy.Unauthenticated{Reason: "no-credentials", Challenge: "Bearer"}
	case "gp":
		provider.Categories = []policy.ProviderCategory{"gp"}
	case "gp2":
		provider.Categories = []policy.ProviderCategory{"gp"}
	case "gp-low":
		provider.Categories, provider.Assurance = []policy.ProviderCategory{"gp"}, policy.AssuranceLow
	case "pharmacist":
		provider.Categories = []policy.ProviderCategory{"pharmacy"}
	case "hospital":
		provider.Categories, provider.Relationship = []policy.ProviderCategory{"hospital"}, "none"
	case "hospital-other-client", "hospital-other-organization", "hospital-other-issuer", "hospital-research", "hospital-claims-emergency", "hospital-service":
		provider.Categories, provider.Relationship = []policy.ProviderCategory{"hospital"}, "none"
		switch token {
		case "hospital-other-client":
			provider.ClientID = "client2"
		case "hospital-other-organization":
			provider.Organization = "ura:00000003"
		case "hospital-other-issuer":
			provider.Issuer = "https://idp2"
		case "hospital-research":
			provider.Purposes = []policy.PurposeOfUse{"HRESCH"}
		case "hospital-claims-emergency":
			provider.Purposes = []policy.PurposeOfUse{"ETREAT"}
		case "hospital-service":
			provider.Practitioner = ""
		}
	case "hospital2":
		provider.Categories, provider.Relationship, provider.Practitioner = []policy.ProviderCategory{"hospital"}, "none", "uzi:900000002"
	case "gp-no-secrecy":
		provider.Categories, provider.Secrecy = []policy.ProviderCategory{"gp"}, ""
	case "insurer":
		provider.Categories = []policy.ProviderCategory{"insurer"}
	case "company-doctor":
		provider.Categories = []policy.ProviderCategory{"company-doctor", "hospital"}
	case "patient-a":
		patient.Person = fhir.Identifier{System: bsnSystem, Value: bsnA}
		return patient, nil
	case "patient-b":
		patient.Person = fhir.Identifier{System: bsnSystem, Value: bsnB}
		return patient, nil
	case "no-keys":
		return policy.Subject{}, errors.New("keys unavailable")
	default:
		return policy.Subject{}, &proxy.Unauthenticated{Reason: "token-signature", Challenge: `Bearer error="invalid_token"`}
	}
	return provider, nil
}

// fakeStore keeps standings and events in memory, by the contract of audit.Release. Its hooks inject failures.
type fakeStore struct {
	mu        sync.Mutex
	standings map[consent.PersonKey]consent.Standing
	events    []audit.Event
	declared  int
	done      map[string]consent.Standing // result of each changing request
	cut       bool                        // it lacks older events that exist
	now       func() time.Time
	onCommit  func(audit.Release) error // called before anything is read
	onRead    func() error
	deadline  time.Time // of the last commit
	bounded   bool      // it had one
}

func (s *fakeStore) Key(p fhir.Identifier) consent.PersonKey {
	sum := sha256.Sum256([]byte(p.System + p.Value))
	return consent.PersonKey(hex.EncodeToString(sum[:]))
}

func (s *fakeStore) Standing(_ context.Context, key consent.PersonKey) (consent.Standing, time.Time, error) {
	if s.onRead != nil {
		if err := s.onRead(); err != nil {
			return consent.Standing{}, time.Time{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standings[key], s.now(), nil
}

func (s *fakeStore) Commit(ctx context.Context, r audit.Release) error {
	if s.onCommit != nil {
		if err := s.onCommit(r); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline, s.bounded = ctx.Deadline()
	if r.Conditional {
		if s.standings[r.Event.Person].Generation != r.Generation {
			return audit.ErrMoved
		}
		if !r.NotAfter.IsZero() && !s.now().Before(r.NotAfter) {
			return audit.ErrTooLate
		}
	}
	if r.Event.ID == "" {
		r.Event.ID = audit.EventID(strings.Repeat("e", len(s.events)+1))
	}
	if slices.ContainsFunc(s.events, func(e audit.Event) bool { return e.ID == r.Event.ID }) {
		return nil
	}
	r.Event.Time = s.now()
	s.events = append(s.events, *r.Event)
	return nil
}

func (s *fakeStore) Change(_ context.Context, c audit.Change) (consent.Standing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.Key(c.Person)
	request := string(key) + c.Request
	if made, known := s.done[request]; known {
		return made, nil
	}
	st := s.standings[key]
	st.Declarations = slices.Clone(st.Declarations)
	st.Person, st.Newest = c.Person, s.now()
	if err := c.Apply(&st); err != nil {
		return consent.Standing{}, err
	}
	st.Generation++
	for i := range st.Declarations {
		if d := &st.Declarations[i]; d.DeclaredAt.IsZero() {
			d.DeclaredAt = s.now()
		}
	}
	s.standings[key], s.done[request] = st, st
	c.Event.ID, c.Event.Time = "declared", s.now()
	s.events = append(s.events, *c.Event)
	return st, nil
}

func (s *fakeStore) CountDeclaration(context.Context, string, time.Duration, int) (bool, error) {
	s.declared++
	return s.declared <= 3, nil
}

func (s *fakeStore) NewDeclarationID(fhir.Identifier) consent.DeclarationID { return "s00-declaration" }

func (s *fakeStore) NewRecordID(fhir.Identifier) consent.RecordID {
	return "01-0123456789abcdef0123456789abcdef"
}

func (s *fakeStore) History(context.Context, consent.PersonKey) ([]consent.Standing, error) {
	return nil, nil
}

func (s *fakeStore) Owner(context.Context, consent.RecordID) (consent.PersonKey, error) {
	return "", nil
}

func (s *fakeStore) Events(_ context.Context, key consent.PersonKey, before audit.Mark, limit int) ([]audit.Event, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var own []audit.Event
	for _, e := range slices.Backward(s.events) {
		if e.Person == key && e.Older(before) {
			own = append(own, e)
		}
	}
	slices.SortFunc(own, func(a, b audit.Event) int { return audit.Newest(a.Mark(), b.Mark()) })
	return own[:min(limit, len(own))], !s.cut, nil
}

func (s *fakeStore) Event(_ context.Context, key consent.PersonKey, id audit.EventID) (audit.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Person == key && e.ID == id {
			return e, nil
		}
	}
	return audit.Event{}, nil
}

// put puts a record on file, as recorded an hour ago.
func (s *fakeStore) put(bsn string, r consent.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	person := fhir.Identifier{System: bsnSystem, Value: bsn}
	key := s.Key(person)
	st := s.standings[key]
	st.Person = person
	r.Status, r.GivenBy, r.RecordedAt = "active", []string{"patient"}, consent.Time{Time: epoch.Add(-time.Hour)}
	st.Records = append(st.Records, r)
	st.Generation++
	st.Newest = epoch.Add(-time.Hour)
	s.standings[key] = st
}

// permit returns a record that lets a category of providers see data categories or groups.
func permit(id, party string, data ...string) consent.Record {
	return consent.Record{ID: consent.RecordID(id), Decision: "permit", Party: consent.Side{Category: party}, Data: data}
}

// withdrawAll ends every record of a person now.
func (s *fakeStore) withdrawAll(bsn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.Key(fhir.Identifier{System: bsnSystem, Value: bsn})
	st := s.standings[key]
	st.Records = slices.Clone(st.Records)
	for i := range st.Records {
		r := &st.Records[i]
		r.Status, r.WithdrawnAt, r.WithdrawnBy = "withdrawn", consent.Time{Time: s.now()}, []string{"patient"}
	}
	st.Generation++
	st.Newest = s.now()
	s.standings[key] = st
}

// last returns the newest event.
func (s *fakeStore) last(t *testing.T) audit.Event {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) == 0 {
		t.Fatal("no event was recorded")
	}
	return s.events[len(s.events)-1]
}

func (s *fakeStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}
