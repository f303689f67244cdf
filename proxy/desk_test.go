package proxy_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// desk returns a desk on the world's source and store, where patient A has died.
func (w *world) desk(change ...func(*proxy.DeskParts)) *proxy.Desk {
	w.t.Helper()
	w.source.records["Patient/A"] = strings.Replace(fixtures()["Patient/A"], `"birthDate"`, `"deceasedDateTime":"2019-05-01","birthDate"`, 1)
	parts := w.deskParts()
	for _, c := range change {
		c(&parts)
	}
	d, err := proxy.NewDesk(parts)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) deskParts() proxy.DeskParts {
	p := w.parts()
	return proxy.DeskParts{
		PublicURL: p.PublicURL, PolicyHash: p.PolicyHash, Source: p.Sources[0], Policy: p.Policy.(proxy.Posthumous), Categories: p.Categories,
		Standings: p.Standings, Recorder: p.Recorder, Limits: p.Limits, Now: p.Now,
	}
}

// order returns a valid order about patient A.
func order(data ...string) proxy.Order {
	return proxy.Order{
		Person: fhir.Identifier{System: bsnSystem, Value: bsnA}, To: "the physician of a son", Why: "a condition that may be hereditary",
		Handover: policy.Handover{Ground: policy.GroundHereditary, By: "A. Officer", ApprovedBy: "B. Director", NoObjectionPresumed: true, Data: data},
	}
}

// refusal returns a deny of the patient for data.
func refusal(id string, data ...string) consent.Record {
	return consent.Record{ID: consent.RecordID(id), Decision: "deny", Party: consent.Side{Category: "pharmacy"}, Data: data}
}

// TestDeskCopies: a copy contains the named data of the deceased and what that refers to, whatever else the source sends; its event comes
// first and lists all of it.
func TestDeskCopies(t *testing.T) {
	for name, tt := range map[string]struct {
		data       []string
		restricted bool
		want       []string
		categories []fhir.DataCategory
	}{
		"one category":          {[]string{"ObservationLaboratory"}, false, []string{"Observation/lab-A", "Practitioner/p1"}, []fhir.DataCategory{"ObservationLaboratory"}},
		"a group":               {[]string{"GGC013"}, false, []string{"MedicationRequest/rx-A", "Medication/m1"}, []fhir.DataCategory{"MedicationRequest"}},
		"a group, restricted":   {[]string{"GGC013", "Restricted"}, true, []string{"MedicationRequest/rx-A", "MedicationRequest/rxpsy-A", "Medication/m1"}, []fhir.DataCategory{"MedicationRequest", "Restricted"}},
		"the patient, a number": {[]string{"Patient"}, false, []string{"Patient/A"}, []fhir.DataCategory{"Patient"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.store.put(bsnA, permit("c1", "gp", "GGC002"))
			o := order(tt.data...)
			o.Handover.Restricted = tt.restricted
			got, err := w.desk().Copy(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			r := reply{body: string(got.Body)}
			if !slices.Equal(r.entries(), tt.want) || got.Resources != len(tt.want) || !slices.Equal(got.Categories, tt.categories) {
				t.Errorf("got %q, %d in %q, want %q in %q", r.entries(), got.Resources, got.Categories, tt.want, tt.categories)
			}
			for _, never := range []string{bsnA, bsnB, "lab-B", strings.TrimPrefix(w.source.server.URL, "http://")} {
				if strings.Contains(r.body, never) {
					t.Errorf("the copy holds %q: %s", never, r.body)
				}
			}
			e := w.store.last(t)
			sum := sha256.Sum256(got.Body)
			if w.store.count() != 1 || e.ID != got.Event || e.Kind != audit.KindAccess || e.Outcome != audit.OutcomePermit || e.Reason != policy.ReasonAfterDeath ||
				e.Person != w.store.Key(o.Person) || !slices.Equal(e.Disclosed, tt.want) || !slices.Equal(e.Categories, tt.categories) ||
				e.LegalGround != policy.GroundHereditary || e.ApprovedBy != "B. Director" || e.Recipient != o.To || e.Grounds != o.Why ||
				e.Digest != hex.EncodeToString(sum[:]) || e.Digest != got.Digest || e.Actor.Name != "A. Officer" || !slices.Equal(e.Actor.Roles, []string{audit.RoleOperator}) ||
				e.Query != "Patient/***/$everything?data="+strings.Join(tt.data, ",") {
				t.Errorf("%d events, the last %+v", w.store.count(), e)
			}
			line := string(e.Marshal())
			if _, err := audit.ParseEvent([]byte(line)); err != nil {
				t.Error(err)
			}
			if strings.Contains(line, bsnA) || strings.Contains(line, `Patient/A`) {
				t.Errorf("the event names the patient: %s", line)
			}
		})
	}
}

// TestDeskRefuses: the source is asked only who the patient is, nothing is released, and the refusal is on record.
func TestDeskRefuses(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*world, *proxy.Order)
		reason  policy.Reason
		outcome audit.Outcome
	}{
		{"a ground that is none", func(_ *world, o *proxy.Order) { o.Handover.Ground = "the will of " + canary }, policy.ReasonGroundNotListed, audit.OutcomeDeny},
		{"one pair of eyes", func(_ *world, o *proxy.Order) { o.Handover.ApprovedBy = "a. officer" }, policy.ReasonFourEyes, audit.OutcomeDeny},
		{"nothing said of an objection", func(_ *world, o *proxy.Order) { o.Handover.NoObjectionPresumed = false }, policy.ReasonPresumptionMissing, audit.OutcomeDeny},
		{"no data", func(_ *world, o *proxy.Order) { o.Handover.Data = nil }, policy.ReasonDataNotNamed, audit.OutcomeDeny},
		{"data that nobody knows", func(_ *world, o *proxy.Order) { o.Handover.Data = []string{"all"} }, policy.ReasonDataNotNamed, audit.OutcomeDeny},
		{"restricted data", func(_ *world, o *proxy.Order) { o.Handover.Data = []string{"Restricted"} }, policy.ReasonRestrictedNotAllowed, audit.OutcomeDeny},
		{"somebody who lives", func(_ *world, o *proxy.Order) { o.Person.Value = bsnB }, policy.ReasonNotDeceased, audit.OutcomeDeny},
		{"somebody whom the source does not know", func(_ *world, o *proxy.Order) { o.Person.Value = "900029365" }, "patient-unresolved", audit.OutcomeDeny},
		{"parents of an adult", func(_ *world, o *proxy.Order) { o.Handover.Ground = policy.GroundParents }, policy.ReasonAgeAtDeath, audit.OutcomeDeny},
		{"somebody who objected to something of it", func(w *world, _ *proxy.Order) { w.store.put(bsnA, refusal("c9", "Imaging")) }, policy.ReasonObjectedInLife, audit.OutcomeDeny},
		{"somebody who withdrew a permit", func(w *world, _ *proxy.Order) {
			w.store.put(bsnA, permit("c9", "gp"))
			w.store.withdrawAll(bsnA)
		}, policy.ReasonObjectedInLife, audit.OutcomeDeny},
		{"a record without any of it", func(_ *world, o *proxy.Order) { o.Handover.Data = []string{"Genomics"} }, "absent", audit.OutcomeDeny},
		{"a source that is away", func(w *world, _ *proxy.Order) {
			w.source.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "_search") {
					return false
				}
				rw.WriteHeader(http.StatusInternalServerError)
				return true
			}
		}, "source-status", audit.OutcomeError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			desk, o := w.desk(), order("GGC012")
			tt.change(w, &o)
			got, err := desk.Copy(t.Context(), o)
			not, ok := errors.AsType[*proxy.NotReleased](err)
			if !ok || not.Reason != tt.reason || !not.Recorded || got.Body != nil {
				t.Fatalf("got %+v, %v, want %s", got, err, tt.reason)
			}
			e := w.store.last(t)
			if w.store.count() != 1 || e.Outcome != tt.outcome || e.Reason != tt.reason || e.Person != w.store.Key(o.Person) || len(e.Disclosed) > 0 || e.Digest != "" ||
				e.Grounds != o.Why || e.Recipient != o.To || e.Actor.Name != o.Handover.By || e.Validate() != nil {
				t.Errorf("%d events, the last %+v, %v", w.store.count(), e, e.Validate())
			}
			if e.LegalGround != o.Handover.Ground && (e.LegalGround != "not-listed" || tt.reason != policy.ReasonGroundNotListed) {
				t.Errorf("got the ground %q", e.LegalGround)
			}
			if objected := tt.reason == policy.ReasonObjectedInLife; objected != (len(not.Objected) > 0) || objected != slices.Equal(e.Records, []consent.RecordID{"c9"}) || objected && !slices.Equal(not.Records, e.Records) {
				t.Errorf("objected to %q by %q, on record %q", not.Objected, not.Records, e.Records)
			}
			if line := string(e.Marshal()) + err.Error(); strings.Contains(line, o.Person.Value) || strings.Contains(line, canary) {
				t.Errorf("it tells too much: %s", line)
			}
			if _, admitted := o.Handover.Admit(); !admitted && len(w.source.all()) > 0 {
				t.Errorf("the source was asked %q", w.source.all())
			}
			if asked := w.source.requests(); tt.outcome == audit.OutcomeDeny && tt.reason != "absent" && len(asked) > 0 {
				t.Errorf("the source was asked %q", asked)
			}
		})
	}
}

// TestDeskCommitsFirst: without its event there is no copy, and the error says that the refusal is not on record either.
func TestDeskCommitsFirst(t *testing.T) {
	for name, away := range map[string]func(*fakeStore){
		"the commit fails":   func(s *fakeStore) { s.onCommit = func(audit.Release) error { return audit.ErrUnavailable } },
		"the store is away":  func(s *fakeStore) { s.onRead = func() error { return audit.ErrUnavailable } },
		"it never settles":   func(s *fakeStore) { s.onCommit = func(audit.Release) error { return audit.ErrMoved } },
		"it is always late":  func(s *fakeStore) { s.onCommit = func(audit.Release) error { return audit.ErrTooLate } },
		"it is somebody new": func(s *fakeStore) { s.put(bsnA, refusal("c9")); s.rename(bsnA) },
	} {
		w := newWorld(t)
		desk := w.desk()
		away(w.store)
		got, err := desk.Copy(t.Context(), order("GGC012"))
		if not, ok := errors.AsType[*proxy.NotReleased](err); !ok || not.Recorded || got.Body != nil || w.store.count() != 0 {
			t.Errorf("%s: got %+v, %v, %d events", name, got, err, w.store.count())
		}
	}
}

// rename gives the standing of a person the number of patient B.
func (s *fakeStore) rename(bsn string) {
	key := s.Key(fhir.Identifier{System: bsnSystem, Value: bsn})
	st := s.standings[key]
	st.Person.Value = bsnB
	s.standings[key] = st
}

// TestDeskLooksAgain: an objection recorded while the source answers is honoured; any other change does no harm.
func TestDeskLooksAgain(t *testing.T) {
	for _, tt := range []struct {
		record consent.Record
		want   policy.Reason
	}{{refusal("c9"), policy.ReasonObjectedInLife}, {permit("c9", "gp", "GGC002"), policy.ReasonAfterDeath}} {
		w := newWorld(t)
		desk, once := w.desk(), false
		w.source.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if !once && !strings.HasSuffix(r.URL.Path, "_search") {
				once = true
				w.store.put(bsnA, tt.record)
			}
			return false
		}
		got, err := desk.Copy(t.Context(), order("GGC012"))
		if e := w.store.last(t); w.store.count() != 1 || e.Reason != tt.want || (err == nil) != (tt.want == policy.ReasonAfterDeath) || (got.Body == nil) != (err != nil) || (e.Digest == "") != (err != nil) {
			t.Errorf("got %v, %d events, the last %s %s; want %s", err, w.store.count(), e.Outcome, e.Reason, tt.want)
		}
	}
}

// TestDeskTakesEveryPage: however the source pages the record, the copy contains all of it; a record larger than the memory is refused with
// that reason, on record.
func TestDeskTakesEveryPage(t *testing.T) {
	w := newWorld(t)
	delete(w.source.records, "Observation/survey-A")
	pages := 0
	w.source.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/Observation") {
			return false
		}
		next := ""
		if pages++; pages < 40 {
			next = `,{"relation":"next","url":"` + w.source.base() + "/Observation?page=" + strings.Repeat("x", pages) + `"}`
		}
		name := "page-" + strings.Repeat("i", pages)
		rw.Header().Set("Content-Type", "application/fhir+json")
		_, _ = rw.Write([]byte(`{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"` + w.source.base() + "/Observation?" + r.URL.RawQuery + `"}` + next + `],"entry":[{"resource":` +
			strings.Replace(w.source.records["Observation/lab-A"], "lab-A", name, 1) + `}]}`))
		return true
	}
	got, err := w.desk().Copy(t.Context(), order("ObservationLaboratory"))
	if err != nil || pages != 40 || got.Resources != 41 { // plus their companion
		t.Fatalf("got %d resources of %d pages, %v", got.Resources, pages, err)
	}
	pages = 0
	small := w.desk(func(p *proxy.DeskParts) { p.Limits.ResponseBody, p.Limits.Memory = 4<<10, 64<<10 })
	if _, err := small.Copy(t.Context(), order("ObservationLaboratory")); err == nil || w.store.last(t).Reason != "copy-too-large" {
		t.Errorf("got %v, event %s", err, w.store.last(t).Reason)
	}
}

// TestNoDeskWithoutItsParts: no desk lacks one of its protections.
func TestNoDeskWithoutItsParts(t *testing.T) {
	whole := newWorld(t).deskParts()
	for name, take := range map[string]func(*proxy.DeskParts){
		"public URL": func(p *proxy.DeskParts) { p.PublicURL = "" }, "policy hash": func(p *proxy.DeskParts) { p.PolicyHash = "" },
		"source": func(p *proxy.DeskParts) { p.Source = nil }, "policy": func(p *proxy.DeskParts) { p.Policy = nil },
		"categories": func(p *proxy.DeskParts) { p.Categories = nil }, "standings": func(p *proxy.DeskParts) { p.Standings = nil },
		"recorder": func(p *proxy.DeskParts) { p.Recorder = nil }, "clock": func(p *proxy.DeskParts) { p.Now = nil },
		"limits": func(p *proxy.DeskParts) { p.Limits = proxy.Limits{} },
	} {
		lacking := whole
		take(&lacking)
		if _, err := proxy.NewDesk(lacking); !errors.Is(err, proxy.ErrMissingPart) {
			t.Errorf("without its %s: got %v", name, err)
		}
	}
	if _, err := proxy.NewDesk(whole); err != nil {
		t.Error(err)
	}
}

// TestDeskAttaches: letters of the named data are in the copy, with working links; a letter's own metadata can only withhold it, and what
// the source does not have is counted.
func TestDeskAttaches(t *testing.T) {
	const here = "https://gw.example/fhir/demo/Binary/bin-A"
	for name, tt := range map[string]struct {
		extra   string // of the Binary
		change  func(*world)
		given   bool
		leftOut int
	}{
		"a letter":             {"", nil, true, 0},
		"of the patient":       {`,"securityContext":{"reference":"Patient/A"}`, nil, true, 0},
		"of its holder":        {`,"securityContext":{"reference":"DocumentReference/doc-A"}`, nil, true, 0},
		"of somebody else":     {`,"securityContext":{"reference":"Patient/B"}`, nil, false, 1},
		"restricted by itself": {`,"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}`, nil, false, 1},
		"that is not there":    {"", func(w *world) { delete(w.source.records, "Binary/bin-A") }, false, 1},
		"that is none":         {"", func(w *world) { w.source.records["Binary/bin-A"] = `{"resourceType":"Binary","id":"other"}` }, false, 1},
		"of a document that is not released": {"", func(w *world) {
			w.source.records["DocumentReference/doc-A"] = strings.Replace(w.source.records["DocumentReference/doc-A"], "Patient/A", "Patient/B", 1)
		}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			desk := w.desk()
			w.document("application/pdf", canary+" the letter", tt.extra)
			if tt.change != nil {
				tt.change(w)
			}
			got, err := desk.Copy(t.Context(), order("Unclassified", "Condition"))
			if err != nil {
				t.Fatal(err)
			}
			r, e := reply{body: string(got.Body)}, w.store.last(t)
			letter := `{"resourceType":"Binary","id":"bin-A","contentType":"application/pdf","data":"` + base64.StdEncoding.EncodeToString([]byte(canary+" the letter")) + `"}`
			if strings.Contains(r.body, letter) != tt.given || strings.Contains(r.body, `"url":"`+here+`"`) != tt.given || strings.Contains(r.body, "signature") ||
				slices.Contains(e.Disclosed, "Binary/bin-A") != tt.given || slices.Contains(r.entries(), "Binary/bin-A") != tt.given {
				t.Errorf("given %v: %s\n%+v", tt.given, r.body, e)
			}
			if got.LeftOut != tt.leftOut || got.Resources != len(r.entries()) || len(e.Disclosed) != len(r.entries()) {
				t.Errorf("got %d resources, %d left out, want %d and %d", got.Resources, got.LeftOut, len(r.entries()), tt.leftOut)
			}
		})
	}
	w := newWorld(t)
	desk := w.desk(func(p *proxy.DeskParts) { p.Limits.ResponseBody, p.Limits.Memory = 64<<10, 100<<10 })
	w.document("application/pdf", strings.Repeat("x", 20<<10), "")
	for _, more := range []string{"bin-2", "bin-3"} { // each would fit by itself
		w.source.records["Binary/"+more] = strings.Replace(w.source.records["Binary/bin-A"], "bin-A", more, 1)
		w.source.records["DocumentReference/doc-A"] = strings.Replace(w.source.records["DocumentReference/doc-A"], `"content":[`, `"content":[{"attachment":{"url":"Binary/`+more+`"}},`, 1)
	}
	if _, err := desk.Copy(t.Context(), order("Unclassified")); err == nil || w.store.last(t).Reason != "copy-too-large" {
		t.Errorf("letters beyond the memory: got %v", err)
	}
	w.source.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "Binary") {
			rw.WriteHeader(http.StatusInternalServerError)
		}
		return strings.Contains(r.URL.Path, "Binary")
	}
	if _, err := w.desk().Copy(t.Context(), order("Unclassified")); err == nil || w.store.last(t).Reason != "source-status" {
		t.Errorf("a source that fails: got %v", err)
	}
}
