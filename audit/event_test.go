package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

const (
	personKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	eventTime = "2026-11-21T12:00:00.123456Z"
)

// access is an access event with every member set.
func access() audit.Event {
	at, err := time.Parse(time.RFC3339, eventTime)
	if err != nil {
		panic(err)
	}
	return audit.Event{
		ID: "07-3f2a", Time: at, Version: audit.SchemaVersion, Kind: audit.KindAccess,
		Request: "76d148b6-586d-11ec-bf63-0242ac130002", Person: personKey,
		Outcome: audit.OutcomePermit, Reason: "ok-consent",
		Source: "huisarts", Interaction: fhir.CodeSearch, Type: "Observation", Query: "Observation?patient=***&code=http://loinc.org|1-1",
		Actor: audit.Actor{
			Issuer: "https://idp.example", Subject: "u-1", Client: "his-app", Token: "jti-1", Kind: "provider", Name: "J. de Vries",
			Organization: "ura:00000001", Practitioner: "uzi:900000001", Roles: []string{"01.015"},
			Categories: []policy.ProviderCategory{"gp"}, Assurance: "substantial", Relationship: policy.RelationTreating,
			Purpose: policy.PurposeTreatment, Channel: "regional",
		},
		Categories: []fhir.DataCategory{"LabResult"}, Disclosed: []string{"Observation/o1", "Observation/o2"},
		Records: []consent.RecordID{"07-c1"}, Address: "192.0.2.7", Policy: "sha256-abc",
	}
}

func TestEventIsReadBackAsItWasWritten(t *testing.T) {
	want := access()
	got, err := audit.ParseEvent(want.Marshal())
	if err != nil {
		t.Fatalf("ParseEvent: %v", err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseEventRefuses(t *testing.T) {
	good := string(access().Marshal())
	replace := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("the event has no %s", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	tests := []struct{ name, event, want string }{
		{"nothing", "", "JSON object"},
		{"no object", "[]", "JSON object"},
		{"half an event", good[:len(good)/2], "not JSON"},
		{"two events", good + good, "follows"},
		{"a member that is not known", replace(`{"id"`, `{"x":1,"id"`), "not known"},
		{"a member of the actor that is not known", replace(`{"issuer"`, `{"x":1,"issuer"`), "not known"},
		{"a member of the actor outside", replace(`{"id"`, `{"issuer":"x","id"`), "not known"},
		{"a member in another case", replace(`"kind":"access"`, `"Kind":"access"`), "not known"},
		{"a member given twice", replace(`"kind":"access"`, `"kind":"access","kind":"log"`), "kind: given twice"},
		{"a member of the actor given twice", replace(`"issuer"`, `"issuer":"x","issuer"`), "issuer: given twice"},
		{"null", replace(`"person":"`+personKey+`"`, `"person":null`), "person: null"},
		{"null in a list", replace(`["07-c1"]`, `[null]`), "records: null"},
		{"a list in a list", replace(`["07-c1"]`, `[["07-c1"]]`), "list in a list"},
		{"an object for a text", replace(`"kind":"access"`, `"kind":{}`), "an object"},
		{"a number for a text", replace(`"kind":"access"`, `"kind":1`), "not the JSON of an event"},
		{"another version", replace(`"v":1`, `"v":2`), "v: "},
		{"no version", replace(`"v":1,`, ``), "v: "},
		{"an unknown kind", replace(`"kind":"access"`, `"kind":"gossip"`), "kind: unknown"},
		{"an unknown outcome", replace(`"outcome":"permit"`, `"outcome":"maybe"`), "outcome: unknown"},
		{"a reason that is no code", replace(`"ok-consent"`, `"ok\nconsent"`), "reason: not a code"},
		{"no reason", replace(`"ok-consent"`, `""`), "reason: not a code"},
		{"an interaction that is no code", replace(`"search-type"`, `"a b"`), "interaction: not a code"},
		{"no id", replace(`"07-3f2a"`, `""`), "id and time"},
		{"an id that cannot stand in a URL", replace(`"07-3f2a"`, `"07/3f2a"`), "id: not an id"},
		{"no time", replace(`"`+eventTime+`"`, `"0001-01-01T00:00:00Z"`), "id and time"},
		{"a time that is none", replace(eventTime, "yesterday"), "not the JSON of an event"},
		{"a BSN for a person key", replace(personKey, "999990019"), "person: not a person key"},
		{"a person key in upper case", replace(personKey, strings.ToUpper(personKey)), "person: not a person key"},
		{"a source's id of a patient", replace("Observation/o1", "Patient/p1"), "over its bound"},
		{"a text over its bound", replace("J. de Vries", strings.Repeat("x", 300)), "over its bound"},
		{"a list over its bound", replace(`["01.015"]`, `["`+strings.Repeat(`1","`, 70)+`1"]`), "over its bound"},
		{"a total below the list", replace(`"records"`, `"disclosed_total":2,"records"`), "disclosed_total"},
		{"invalid UTF-8", replace("J. de Vries", "J\xff"), "not UTF-8"},
		{"more than an event can be", good + strings.Repeat(" ", audit.MaxEventBytes), "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := audit.ParseEvent([]byte(tt.event))
			if !errors.Is(err, audit.ErrEvent) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want ErrEvent with %q", err, tt.want)
			}
			if !reflect.DeepEqual(got, audit.Event{}) {
				t.Errorf("got an event beside the error: %+v", got)
			}
			for _, value := range []string{"gossip", "maybe", "999990019", "yesterday", "Patient/p1"} {
				if err != nil && strings.Contains(err.Error(), value) {
					t.Errorf("the error quotes the value: %v", err)
				}
			}
		})
	}
}

// worst fills every text and every list of a value with the same text.
func worst(v reflect.Value, text string, items int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Slice:
		list := reflect.MakeSlice(v.Type(), items, items)
		for i := range items {
			worst(list.Index(i), text, items)
		}
		v.Set(list)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			worst(v.Field(i), text, items)
		}
	case reflect.Int:
		v.SetInt(1 << 62)
	case reflect.Uint64:
		v.SetUint(1 << 63)
	}
}

func TestNoContentMakesAnEventTooLarge(t *testing.T) {
	tests := []struct{ name, text string }{
		{"plain letters", strings.Repeat("x", 10_000)},
		{"control characters", strings.Repeat("\x00", 10_000)},
		{"control characters of the second kind", strings.Repeat("\u0085", 10_000)},
		{"line separators", strings.Repeat("\u2028", 10_000)},
		{"quotes", strings.Repeat(`"`, 10_000)},
		{"letters of four bytes", strings.Repeat("😀", 10_000)},
		{"invalid UTF-8", strings.Repeat("\xff", 10_000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e audit.Event
			worst(reflect.ValueOf(&e).Elem(), tt.text, 2000)
			b := e.Marshal()
			if len(b) > audit.MaxEventBytes {
				t.Errorf("got %d bytes, want at most %d", len(b), audit.MaxEventBytes)
			}
			var back audit.Event
			if err := json.Unmarshal(b, &back); err != nil {
				t.Fatalf("not JSON: %v", err)
			}
			if len(back.Disclosed) != audit.MaxDisclosed || back.DisclosedTotal < 2000 {
				t.Errorf("got %d references and a total of %d, want %d and at least 2000", len(back.Disclosed), back.DisclosedTotal, audit.MaxDisclosed)
			}
			if len(back.Records) != 1000 {
				t.Errorf("got %d records, want 1000: as many as a person can have", len(back.Records))
			}
		})
	}
}

func TestControlCharactersStayEscaped(t *testing.T) {
	e := access()
	e.Emergency = "line\nbreak\x1b[31m\x7f\u0085\u202e\u2028"
	e.Actor.Name = "\r\n{\"forged\":true}"
	b := e.Marshal()
	for _, r := range string(b) {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' {
			t.Errorf("the event holds %U as it is", r)
		}
	}
	got, err := audit.ParseEvent(b)
	if err != nil {
		t.Fatalf("ParseEvent: %v", err)
	}
	if got.Emergency != e.Emergency || got.Actor.Name != e.Actor.Name {
		t.Errorf("got %q and %q, want what was written", got.Emergency, got.Actor.Name)
	}
}

func TestPatientIsHiddenInWhatWasDisclosed(t *testing.T) {
	e := access()
	e.Disclosed = []string{"Patient/secret-1", "Observation/o1"}
	b := e.Marshal()
	if bytes.Contains(b, []byte("secret-1")) {
		t.Errorf("the event holds the source's id of the patient: %s", b)
	}
	if e.Disclosed[0] != "Patient/secret-1" {
		t.Error("Marshal changed the event itself")
	}
}

// canary is a BSN that passes the eleven-test, as it may stand in a token.
const canary = "999990019"

func TestNoPatientIdentifierInAnyForm(t *testing.T) {
	for _, kind := range []policy.SubjectKind{policy.KindPatient, policy.KindRepresentative} {
		subject := policy.Subject{
			Issuer: "https://digid.example", ID: canary, ClientID: "pgo", TokenID: "jti-9", Name: "Patient " + canary, Kind: kind,
			Assurance: policy.AssuranceHigh, Purposes: []policy.PurposeOfUse{policy.PurposePatientRequest}, Channel: "medmij",
			Person:         fhir.Identifier{System: "http://fhir.nl/fhir/NamingSystem/bsn", Value: canary},
			Representative: canary, Authority: "written",
		}
		for _, eventKind := range []audit.Kind{audit.KindAccess, audit.KindLog, audit.KindConsent, audit.KindPerson} {
			e := access()
			e.Kind, e.Reason, e.Actor = eventKind, "ok-self", audit.NewActor(subject)
			e.Actor.Purpose, e.Version = policy.PurposePatientRequest, e.Actor.Version()
			resource, err := e.FHIR(audit.FHIROptions{Gateway: "https://gw.example"})
			if err != nil {
				t.Fatalf("FHIR: %v", err)
			}
			for form, b := range map[string][]byte{"event": e.Marshal(), "FHIR": resource} {
				if bytes.Contains(b, []byte(canary)) {
					t.Errorf("%s of kind %s, actor kind %v holds the BSN: %s", form, eventKind, kind, b)
				}
			}
		}
	}
}

func TestActorOfAProfessionalIsNamed(t *testing.T) {
	got := audit.NewActor(policy.Subject{
		Issuer: "https://idp.example", ID: "u-1", ClientID: "his-app", TokenID: "jti-1", Name: "J. de Vries", Kind: policy.KindProvider,
		Assurance: policy.AssuranceSubstantial, Categories: []policy.ProviderCategory{"gp"}, Organization: "ura:00000001",
		Practitioner: "uzi:900000001", Roles: []string{"01.015"}, Relationship: policy.RelationTreating, Channel: "regional",
	})
	want := access().Actor
	want.Purpose = ""
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// FuzzParseEvent looks for accepted input that is ambiguous: what is accepted must be written and read back as the same event, and be free
// of what an event may not contain.
func FuzzParseEvent(f *testing.F) {
	f.Add(access().Marshal())
	f.Add([]byte(`{"id":"1-a","time":"2026-01-01T00:00:00Z","v":1,"kind":"access","request_id":"","outcome":"deny","reason":"no-consent","actor":{}}`))
	f.Add([]byte(`{"id":"1-a","id":"1-b"}`))
	f.Add([]byte(`{"actor":{"roles":["\u202e"]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := audit.ParseEvent(b)
		if err != nil {
			if !reflect.DeepEqual(e, audit.Event{}) {
				t.Fatalf("an event beside the error %v", err)
			}
			return
		}
		again := e.Marshal()
		back, err := audit.ParseEvent(again)
		if err != nil {
			t.Fatalf("refused its own form: %v\n%s", err, again)
		}
		if !bytes.Equal(back.Marshal(), again) {
			t.Fatalf("changed on the way:\n%s\n%s", again, back.Marshal())
		}
		if _, err := e.FHIR(audit.FHIROptions{Gateway: "https://gw.example"}); err != nil {
			t.Fatalf("FHIR: %v", err)
		}
	})
}

func TestNoBSNStaysInTheReasonOfAnEmergency(t *testing.T) {
	tests := []struct{ name, reason, want string }{
		{"a BSN", "patient 999990019 unconscious", "patient *** unconscious"},
		{"nothing but a BSN", "999990019", "***"},
		{"with dots", "BSN 9999.90.019.", "BSN ***."},
		{"with spaces", "BSN 999 990 019 found", "BSN *** found"},
		{"two of them", "999990019/999990019", "***/***"},
		{"nine digits that are none", "order 999990018", "order 999990018"},
		{"more digits", "call 0999990019", "call 0999990019"},
		{"a time and a number", "at 12.30, room 7", "at 12.30, room 7"},
		{"letters of other scripts", "na val — é 😀 999990019", "na val — é 😀 ***"},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := access()
			e.Emergency, e.Grounds = tt.reason, tt.reason
			got, err := audit.ParseEvent(e.Marshal())
			if err != nil {
				t.Fatalf("ParseEvent: %v", err)
			}
			if got.Emergency != tt.want || got.Grounds != tt.want {
				t.Errorf("got %q and %q, want %q", got.Emergency, got.Grounds, tt.want)
			}
		})
	}
}

// TestAnEventWithoutTimeHasOnePlaceForIt: the store relies on this when it fills in the time, which it keeps separately.
func TestAnEventWithoutTimeHasOnePlaceForIt(t *testing.T) {
	e := access()
	e.Time, e.Emergency = time.Time{}, `"time":"0001-01-01T00:00:00Z"`
	if got := bytes.Count(e.Marshal(), []byte(`"time":"0001-01-01T00:00:00Z"`)); got != 1 {
		t.Errorf("got %d places, want 1: %s", got, e.Marshal())
	}
}

// TestEveryMemberIsDocumented compares docs/events.md with what is written.
func TestEveryMemberIsDocumented(t *testing.T) {
	doc := string(read(t, "../docs/events.md"))
	for _, typ := range []reflect.Type{reflect.TypeFor[audit.Event](), reflect.TypeFor[audit.Actor]()} {
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !strings.Contains(doc, "`"+name+"`") {
				t.Errorf("docs/events.md does not tell of %s", name)
			}
		}
	}
	for _, kind := range []audit.Kind{
		audit.KindAccess, audit.KindLog, audit.KindConsent, audit.KindPerson, audit.KindBreakGlass, audit.KindReview, audit.KindUnauthenticated,
	} {
		if !strings.Contains(doc, "`"+string(kind)+"`") {
			t.Errorf("docs/events.md does not tell of kind %s", kind)
		}
	}
}
