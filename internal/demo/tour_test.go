//go:build !release

package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// fakeGateway answers as the tour expects; wrong makes it do one thing differently. Its tokens are client ids.
type fakeGateway struct {
	wrong string

	mu       sync.Mutex
	consents map[string]string // person and party -> decision
	declared map[string]bool   // person
	events   []fakeEvent
}

type fakeEvent struct{ person, id, outcome, says string }

func newFakeGateway(t *testing.T, wrong string) (*fakeGateway, demo.Tour, *strings.Builder) {
	t.Helper()
	g := &fakeGateway{wrong: wrong, consents: map[string]string{}, declared: map[string]bool{}}
	if err := demo.Seed(t.Context(), g.put); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	var out strings.Builder
	return g, demo.Tour{
		Base: server.URL, Source: "demo", Older: "demo-stu3", Out: &out, Put: g.put,
		Token: func(c demo.Claims) (string, error) { return c.ClientID, nil },
		Withdraw: func(_ context.Context, person fhir.Identifier, party consent.Side) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			if wrong != "withdrawal without effect" {
				delete(g.consents, person.Value+party.Category)
			}
			return nil
		},
		Review: func(_ context.Context, person fhir.Identifier) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			if wrong != "review without verdict" {
				g.events = append(g.events, fakeEvent{person.Value, "of the review", "0", "review-justified: yes"})
			}
			return nil
		},
	}, &out
}

func (g *fakeGateway) put(r consent.Record, person fhir.Identifier) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.consents[person.Value+r.Party.Category+r.Party.Organization] = r.Decision
	return nil
}

func (g *fakeGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	caller := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	person := demo.Karena()
	for _, p := range demo.People() {
		if strings.Contains(string(body), p.BSN) {
			person = p
		}
	}
	switch {
	case r.URL.Path == "/gateway/AuditEvent" && caller != "patient" && g.wrong != "anybody sees events":
		g.record(demo.Person{}, r, "4")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"forbidden"}]}`)
	case r.URL.Path == "/gateway/AuditEvent":
		g.record(person, r, "0")
		g.writeEvents(w)
	case r.URL.Path == "/gateway/$break-glass-end":
		g.declared[person.BSN] = g.wrong == "end without effect"
		g.record(person, r, "0")
		fmt.Fprintf(w, `{"resourceType":"Parameters","parameter":[{"name":"declaration","valueString":"s01-x"},{"name":"ended","valueInstant":%q}]}`,
			time.Now().Format(time.RFC3339))
	case r.URL.Path == "/gateway/$break-glass":
		g.declared[person.BSN] = true
		g.record(person, r, "0")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"resourceType":"Parameters","parameter":[{"name":"declaration","valueString":"s01-x"},{"name":"expires","valueInstant":%q}]}`,
			time.Now().Add(time.Hour).Format(time.RFC3339))
	default:
		g.search(w, r, caller, person)
	}
}

func (g *fakeGateway) search(w http.ResponseWriter, r *http.Request, caller string, person demo.Person) {
	typ := strings.Split(r.URL.Path, "/")[3]
	state := map[string]string{
		"gp":               g.consents[person.BSN+"gp"],
		"pharmacist":       g.consents[person.BSN+"pharmacy"],
		"emergency-doctor": g.consents[person.BSN+"hospital"],
		"patient":          "permit",
	}[caller]
	if caller == "emergency-doctor" && state == "" && g.declared[person.BSN] {
		state = "permit"
	}
	if caller+" sees "+typ == g.wrong || caller+" sees "+person.Name == g.wrong {
		state = "permit"
	}
	if caller+" refused" == g.wrong {
		state = ""
	}
	switch {
	case state != "permit":
		g.record(person, r, "4")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"forbidden"}]}`)
	case caller == "pharmacist" && typ == "Condition" && g.wrong != "pharmacist sees Condition":
		g.record(person, r, "4")
		io.WriteString(w, `{"resourceType":"Bundle","type":"searchset"}`)
	default:
		said := "0"
		if g.wrong == "pharmacist sees Condition" && caller == "pharmacist" && typ == "Condition" {
			said = "4" // and hides it
		}
		g.record(person, r, said)
		if g.wrong == "another patient's data" {
			person = demo.Johanna()
		}
		fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":%q,"subject":{"reference":"Patient/%s"}}}]}`,
			typ, person.PatientID)
	}
}

func (g *fakeGateway) record(person demo.Person, r *http.Request, outcome string) {
	e := fakeEvent{person.BSN, r.Header.Get("X-Request-Id"), outcome, "ok"}
	switch {
	case g.wrong == "refusals unrecorded" && outcome == "4", g.wrong == "log unrecorded" && strings.HasSuffix(r.URL.Path, "AuditEvent") && outcome == "0":
		return
	case g.wrong == "recorded twice":
		g.events = append(g.events, e)
	case g.wrong == "refusals recorded as permitted":
		e.outcome = "0"
	case g.wrong == "permits recorded as refused":
		e.outcome = "4"
	case g.wrong == "events of others":
		e.person = demo.Karena().BSN
	}
	g.events = append(g.events, e)
}

func (g *fakeGateway) writeEvents(w http.ResponseWriter) {
	var entries []string
	for _, e := range slices.Backward(g.events) {
		if e.person == demo.Karena().BSN {
			entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"AuditEvent","outcome":%q,"outcomeDesc":%q,"entity":[{"type":{"code":"XrequestId"},"what":{"identifier":{"value":%q}}}]}}`,
				e.outcome, e.says, e.id))
		}
	}
	io.WriteString(w, `{"resourceType":"Bundle","type":"searchset","entry":[`+strings.Join(entries, ",")+`]}`)
}

func TestTourEndsWellWhereAllIsAsTold(t *testing.T) {
	g, tour, out := newFakeGateway(t, "")
	if err := tour.Run(t.Context()); err != nil {
		t.Fatalf("%v after\n%s", err, out)
	}
	if g.consents[demo.Karena().BSN+"gp"] != "permit" {
		t.Error("the tour did not leave the consents as they were")
	}
	for _, p := range demo.People() {
		if strings.Contains(out.String(), p.BSN) || strings.Contains(out.String(), string(p.PatientID)) {
			t.Errorf("the tour prints what identifies %s", p.Name)
		}
	}
}

func TestTourFindsEveryAnswerThatIsNotAsTold(t *testing.T) {
	for _, wrong := range []string{
		"gp refused", "pharmacist refused", "patient refused", "emergency-doctor refused",
		"pharmacist sees Condition", "company-doctor sees Condition", "insurer sees Condition",
		"gp sees Johanna van Putten-van der Giessen", "pharmacist sees Johanna van Putten-van der Giessen",
		"emergency-doctor sees Karena Pfeffer", "emergency-doctor sees Milan Beatty",
		"anybody sees events", "withdrawal without effect", "another patient's data",
		"refusals unrecorded", "log unrecorded", "recorded twice", "refusals recorded as permitted", "permits recorded as refused",
		"events of others", "end without effect", "review without verdict",
	} {
		t.Run(wrong, func(t *testing.T) {
			_, tour, out := newFakeGateway(t, wrong)
			if err := tour.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "tour: step ") {
				t.Errorf("got error %v after\n%s", err, out)
			}
		})
	}
}

func TestTourNeedsItsParts(t *testing.T) {
	if err := (demo.Tour{}).Run(t.Context()); err == nil {
		t.Error("a tour without parts ran")
	}
}

func TestSeedGivesRecordsThatAWriteAccepts(t *testing.T) {
	catalogue := consent.Catalogue{ProviderCategories: []string{"gp", "pharmacy", "hospital"}, Groups: []string{"GGC002", "GGC013"}}
	owners := map[string]int{}
	err := demo.Seed(t.Context(), func(r consent.Record, person fhir.Identifier) error {
		owners[person.Value]++
		if _, err := consent.NormalizePerson(person); err != nil {
			t.Error(err)
		}
		r.ID, r.RecordedAt = "s01-x", consent.Time{Time: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}
		if err := catalogue.CheckWrite(r, r.RecordedAt.Time); err != nil {
			t.Error(err)
		}
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, err = consent.ParseRecord(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if owners[demo.Karena().BSN] != 4 || owners[demo.Milan().BSN] != 2 || len(owners) != 2 {
		t.Errorf("got %v", owners)
	}
	broken := errors.New("store is down")
	if err := demo.Seed(t.Context(), func(consent.Record, fhir.Identifier) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want the store's error", err)
	}
}
