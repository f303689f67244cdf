package proxy_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// callerIs is an authenticator that returns one caller.
type callerIs policy.Subject

func (c callerIs) Authenticate(context.Context, *http.Request) (policy.Subject, error) {
	return policy.Subject(c), nil
}

// keyed notes the identifiers from which keys are made.
type keyed struct {
	proxy.Standings
	made *[]fhir.Identifier
}

func (k keyed) Key(id fhir.Identifier) consent.PersonKey {
	*k.made = append(*k.made, id)
	return k.Standings.Key(id)
}

const proxyBSN = "999990019" // of the patients' representative

// represents returns somebody who represents patient A.
func represents(authority, number, pseudonym string) policy.Subject {
	s := policy.Subject{
		Issuer: "https://idp", ID: "sub", ClientID: "pgo", Kind: policy.KindRepresentative, Assurance: policy.AssuranceSubstantial,
		Purposes: []policy.PurposeOfUse{"PATRQT"}, Channel: "medmij", Expires: epoch.Add(1 << 40),
		Person: fhir.Identifier{System: bsnSystem, Value: bsnA}, Authority: authority, Representative: number, Pseudonym: pseudonym,
	}
	if number != "" {
		s.RepresentativeSystem = bsnSystem
	}
	return s
}

// flag sets the flags of patient A.
func (s *fakeStore) flag(flags consent.Flags) {
	s.put(bsnA, permit("flagged", "gp", "GGC002"))
	key := s.Key(fhir.Identifier{System: bsnSystem, Value: bsnA})
	st := s.standings[key]
	st.Flags = flags
	s.standings[key] = st
}

// TestWhoRepresentsByWhichKey: events name a legal representative by the key of the number, and one chosen by the patient by the key of the
// issuer's pseudonym; no key is made of that person's number. A block applies under each name by which it can have been recorded.
func TestWhoRepresentsByWhichKey(t *testing.T) {
	const otherBSN, someBody = "999992223", "0000000000000000000000000000000000000000000000000000000000000000"
	store := &fakeStore{}
	numbered := string(store.Key(fhir.Identifier{System: bsnSystem, Value: proxyBSN}))
	pseudonym, err := consent.Pseudonym("https://idp", "anja")
	if err != nil {
		t.Fatal(err)
	}
	chosen := string(store.Key(pseudonym))
	curator, neighbour := represents("curator", proxyBSN, ""), represents("written", proxyBSN, "anja")
	unnumbered := represents("written", "", "anja")
	elsewhere := neighbour
	elsewhere.Issuer = "https://idp2"
	friend := represents("friend", proxyBSN, "anja")
	tests := []struct {
		name    string
		by      policy.Subject
		blocked []string
		key     string
		reason  policy.Reason
	}{
		{"a curator", curator, nil, numbered, "ok-representative"},
		{"a curator, by the key", curator, []string{numbered}, numbered, "representative-blocked"},
		{"a curator, by the number, as it was recorded before", curator, []string{proxyBSN}, numbered, "representative-blocked"},
		{"another is blocked than the curator", curator, []string{someBody, otherBSN}, numbered, "ok-representative"},
		{"who was chosen", neighbour, nil, chosen, "ok-representative"},
		{"who was chosen, by the key", neighbour, []string{someBody, chosen}, chosen, "representative-blocked"},
		{"who was chosen, by the number, as it was recorded before", neighbour, []string{proxyBSN}, chosen, "representative-blocked"},
		{"another is blocked than who was chosen", neighbour, []string{someBody, otherBSN, numbered}, chosen, "ok-representative"},
		{"a pseudonym of another issuer", elsewhere, []string{chosen}, "", "ok-representative"},
		{"who was chosen and brings no number, by the key", unnumbered, []string{chosen}, chosen, "representative-blocked"},
		{"who was chosen and could be whoever is blocked by a number", unnumbered, []string{someBody, proxyBSN}, chosen, "representative-blocked"},
		{"who was chosen, where others are blocked by keys", unnumbered, []string{someBody, numbered}, chosen, "ok-representative"},
		{"who has no right that is known", friend, nil, chosen, "representative-not-authorised"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var made []fhir.Identifier
			w := newWorld(t, func(p *proxy.Parts) { p.Authenticator, p.Standings = callerIs(tt.by), keyed{p.Standings, &made} })
			w.store.flag(consent.Flags{RepresentativesBlocked: tt.blocked, Incapacitated: tt.by.Authority == "curator"})
			got := w.get("representative", "/fhir/demo/Condition")
			e := w.store.last(t)
			want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[tt.reason == "ok-representative"]
			if got.status != want || e.Reason != tt.reason {
				t.Errorf("got %d for %q, want %d for %q", got.status, e.Reason, want, tt.reason)
			}
			if tt.key != "" && string(e.Actor.Representative) != tt.key {
				t.Errorf("the event names %q, want %q", e.Actor.Representative, tt.key)
			}
			numbers := slices.ContainsFunc(made, func(id fhir.Identifier) bool { return strings.Contains(id.System+id.Value, proxyBSN) })
			if legal := tt.by.Authority == "curator"; numbers != legal {
				t.Errorf("a key was made of the number: %v, want %v", numbers, legal)
			}
		})
	}
}

// TestARepresentativesSayIsOfTheStoresClock: the birthday on which a parent's say ends is by the store's clock, whatever the clock of the
// instance says.
func TestARepresentativesSayIsOfTheStoresClock(t *testing.T) {
	for _, tt := range []struct {
		name, born string
		clock      time.Duration // how far the instance's clock is ahead of the store's
		status     int
	}{
		{"sixteen since midnight", "2010-11-21", 0, http.StatusNotFound},
		{"sixteen since midnight, on an instance that is behind", "2010-11-21", -24 * time.Hour, http.StatusNotFound},
		{"sixteen tomorrow", "2010-11-22", 0, http.StatusOK},
		{"sixteen tomorrow, on an instance that is ahead", "2010-11-22", 24 * time.Hour, http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(p *proxy.Parts) {
				p.Authenticator = callerIs(represents("parental", proxyBSN, ""))
				p.Now = func() time.Time { return epoch.Add(tt.clock) }
			})
			w.source.records["Patient/A"] = strings.Replace(w.source.records["Patient/A"], "1961-02-03", tt.born, 1)
			if got := w.get("representative", "/gateway/Consent"); got.status != tt.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, tt.status)
			}
		})
	}
}
