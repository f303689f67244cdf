package proxy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// mandate returns a record that names somebody, by the key of the issuer's pseudonym, for data.
func mandate(t *testing.T, store *fakeStore, id, subject string, data ...string) consent.Record {
	t.Helper()
	pseudonym, err := consent.Pseudonym("https://idp", subject)
	if err != nil {
		t.Fatal(err)
	}
	r := permit(id, "", data...)
	r.Party, r.PartyName, r.Purposes = consent.Side{Person: store.Key(pseudonym)}, subject, []string{consent.PurposeMandate}
	return r
}

// TestNamedRepresentatives: if an issuer's word is not enough, a representative whom the patient did not name, or not for this data, has no
// authority; the records that do name one are in the event. Legal representatives, and issuers whose word is enough, need no such record.
func TestNamedRepresentatives(t *testing.T) {
	anja := represents("written", "", "anja")
	anja.MustBeNamed = true
	trusted, curator := represents("written", "", "anja"), represents("curator", proxyBSN, "")
	const medication, conditions = "/fhir/demo/MedicationRequest", "/fhir/demo/Condition"
	tests := []struct {
		name, target string
		by           policy.Subject
		named        []string // whom the patient named, for medication
		status       int
		reason       policy.Reason
	}{
		{"nobody was named", medication, anja, nil, 403, "representative-not-authorised"},
		{"somebody else was named", medication, anja, []string{"jan"}, 403, "representative-not-authorised"},
		{"named", medication, anja, []string{"jan", "anja"}, 200, "ok-representative"},
		{"named for other data", conditions, anja, []string{"anja"}, 200, "representative-not-authorised"},
		{"named for other data, a read", conditions + "/c-A", anja, []string{"anja"}, 404, "representative-not-authorised"},
		{"an issuer whose word is enough", conditions, trusted, nil, 200, "ok-representative"},
		{"a curator", conditions, curator, nil, 200, "ok-representative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(p *proxy.Parts) { p.Authenticator = callerIs(tt.by) })
			w.store.flag(consent.Flags{Incapacitated: tt.by.Authority == "curator"})
			for _, subject := range tt.named {
				w.store.put(bsnA, mandate(t, w.store, "names-"+subject, subject, "GGC013"))
			}
			got := w.get("representative", tt.target)
			e := w.store.last(t)
			if got.status != tt.status || e.Reason != tt.reason {
				t.Errorf("got %d for %q, want %d for %q: %s", got.status, e.Reason, tt.status, tt.reason, got.body)
			}
			if seen := strings.Contains(got.body, "c-A") || strings.Contains(got.body, "rx-A"); seen != (tt.reason == "ok-representative") {
				t.Errorf("data in the answer: %v: %s", seen, got.body)
			}
			var want []consent.RecordID
			if tt.by.MustBeNamed && tt.reason == "ok-representative" {
				want = []consent.RecordID{"names-anja"}
			}
			if !slices.Equal(e.Records, want) {
				t.Errorf("the event names the records %v, want %v", e.Records, want)
			}
		})
	}
}

// TestAMandateEndsInFlight is promise 3 for representatives whom the patient named: a mandate that is ended while the source answers
// releases nothing, and one that expires releases only before it does.
func TestAMandateEndsInFlight(t *testing.T) {
	anja := represents("written", "", "anja")
	anja.MustBeNamed = true
	for _, target := range []string{"/fhir/demo/MedicationRequest", "/fhir/demo/MedicationRequest/rx-A"} {
		w := newWorld(t, func(p *proxy.Parts) { p.Authenticator = callerIs(anja) })
		w.store.put(bsnA, mandate(t, w.store, "m", "anja", "GGC013"))
		if got := w.get("representative", target); got.status != 200 || !strings.Contains(got.body, "rx-A") {
			t.Fatalf("%s: before: %d %s", target, got.status, got.body)
		}
		ended := false
		w.source.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			if !ended && strings.Contains(r.URL.Path, "MedicationRequest") {
				ended = true
				w.store.withdrawAll(bsnA)
			}
			return false
		}
		if got := w.get("representative", target); got.status == 200 || strings.Contains(got.body, "rx-A") {
			t.Errorf("%s: released after the end: %d %s", target, got.status, got.body)
		}
		if e := w.store.last(t); !ended || e.Reason != "representative-not-authorised" {
			t.Errorf("%s: ended %v, the event says %q", target, ended, e.Reason)
		}
	}
	w := newWorld(t, func(p *proxy.Parts) { p.Authenticator = callerIs(anja) })
	until := mandate(t, w.store, "m", "anja", "GGC013")
	until.ValidTo.Time = epoch.Add(time.Minute)
	w.store.put(bsnA, until)
	var released audit.Release
	w.store.onCommit = func(r audit.Release) error { released = r; return nil }
	if got := w.get("representative", "/fhir/demo/MedicationRequest"); got.status != 200 || !released.NotAfter.Equal(until.ValidTo.Time) {
		t.Errorf("got %d, released until %v, want %v", got.status, released.NotAfter, until.ValidTo)
	}
}

// TestNamedRepresentativesAndConsents: a representative named for everything does not see the patient's consents; one named for those does,
// until the mandate ends.
func TestNamedRepresentativesAndConsents(t *testing.T) {
	anja := represents("written", "", "anja")
	anja.MustBeNamed = true
	for _, tt := range []struct {
		name   string
		data   []string
		status int
	}{{"for everything", nil, 404}, {"for medication", []string{"GGC013"}, 404}, {"for the choices", []string{"Consent"}, 200}} {
		w := newWorld(t, func(p *proxy.Parts) { p.Authenticator = callerIs(anja) })
		until := mandate(t, w.store, "01-00000000000000000000000000000000", "anja", tt.data...)
		until.ValidTo.Time = epoch.Add(time.Minute)
		until.Method, until.Information = "app", consent.Information{ID: "i", Version: "1", Language: "nl", SHA256: strings.Repeat("0", 64)}
		w.store.put(bsnA, until)
		var released audit.Release
		w.store.onCommit = func(r audit.Release) error { released = r; return nil }
		got := w.get("representative", "/gateway/Consent")
		if got.status != tt.status {
			t.Errorf("%s: got %d %s, want %d", tt.name, got.status, got.body, tt.status)
		}
		if tt.status == 200 && (!released.NotAfter.Equal(until.ValidTo.Time) || !slices.Equal(released.Event.Records, []consent.RecordID{until.ID})) {
			t.Errorf("%s: released until %v on %v, want %v", tt.name, released.NotAfter, released.Event.Records, until.ValidTo)
		}
	}
}
