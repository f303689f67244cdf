package consent_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"zorgsluis/consent"
)

// full is a record with every member.
const full = `{
	"id": "s01-abc", "status": "withdrawn", "decision": "permit", "emergency_exception": false,
	"holder": {"category": "hospital", "organization": "ura:1"}, "party": {"practitioner": "uzi:3", "person": "key"}, "party_name": "Anja",
	"data": ["GGC002", "Condition"], "channel": "regional", "purposes": ["TREAT"],
	"valid_from": "2026-01-01T00:00:00+01:00", "valid_to": "", "recorded_at": "2025-12-01T10:00:00Z",
	"given_by": ["patient", "representative"], "posthumous": true,
	"withdrawn_at": "2026-02-01T00:00:00Z", "withdrawn_by": ["patient"], "recorded_by": "portal", "method": "portal",
	"information": {"id": "leaflet", "version": "3", "language": "nl", "sha256": "00"}
}`

func TestParseRecord(t *testing.T) {
	want := consent.Record{
		ID: "s01-abc", Status: "withdrawn", Decision: "permit",
		Holder: consent.Side{Category: "hospital", Organization: "ura:1"}, Party: consent.Side{Practitioner: "uzi:3", Person: "key"}, PartyName: "Anja",
		Data: []string{"GGC002", "Condition"}, Channel: "regional", Purposes: []string{"TREAT"},
		ValidFrom: at("2025-12-31T23:00:00Z"), RecordedAt: at("2025-12-01T10:00:00Z"),
		GivenBy: []string{"patient", "representative"}, Posthumous: true,
		WithdrawnAt: at("2026-02-01T00:00:00Z"), WithdrawnBy: []string{"patient"}, RecordedBy: "portal", Method: "portal",
		Information: consent.Information{ID: "leaflet", Version: "3", Language: "nl", SHA256: "00"},
	}
	got, err := consent.ParseRecord([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	if !got.ValidFrom.Equal(want.ValidFrom.Time) {
		t.Errorf("valid_from: got %v, want %v", got.ValidFrom, want.ValidFrom)
	}
	got.ValidFrom = want.ValidFrom
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestParseRecordReadsEveryMember fails if a field is added to Record but not here.
func TestParseRecordReadsEveryMember(t *testing.T) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(full), &members); err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeFor[consent.Record]().NumField() {
		tag := reflect.TypeFor[consent.Record]().Field(i).Tag.Get("json")
		if name, _, _ := strings.Cut(tag, ","); members[name] == nil {
			t.Errorf("the test record lacks %s", name)
		}
	}
}

func TestParseRecordTakesBackWhatWasWritten(t *testing.T) {
	vectors, err := os.ReadFile("../policy/testdata/decisions.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(vectors) {
		var v struct {
			Consents []json.RawMessage `json:"consents"`
		}
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		for _, c := range v.Consents {
			once, err := consent.ParseRecord(c)
			if err != nil {
				t.Fatalf("%s: %v", c, err)
			}
			written, err := json.Marshal(once)
			if err != nil {
				t.Fatal(err)
			}
			twice, err := consent.ParseRecord(written)
			if err != nil || !reflect.DeepEqual(once, twice) {
				t.Errorf("got %+v, %v, want %+v", twice, err, once)
			}
		}
	}
}

func TestParseRecordRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string // the errors, in order
	}{
		{"an unknown member", `{"colour": "s3cret"}`, []string{"colour: is not a member of a consent record"}},
		{"a member in another case", `{"Status": "s3cret"}`, []string{"(a name that is not shown): is not a member of a consent record"}},
		{"a member whose name could be a value", `{"999991346": true}`, []string{"(a name that is not shown): is not a member of a consent record"}},
		{"a member with a very long name", `{"` + strings.Repeat("s", 33) + `": true}`, []string{"(a name that is not shown): is not a member of a consent record"}},
		{"a member twice", `{"status": "active", "status": "s3cret"}`, []string{"status: is there twice"}},
		{"a member twice, once escaped", `{"status": "active", "st\u0061tus": "s3cret"}`, []string{"status: is there twice"}},
		{"an unknown member of a side", `{"party": {"name": "s3cret"}}`, []string{"party.name: is not a member of a consent record"}},
		{"a member of a side twice", `{"holder": {"category": "a", "category": "s3cret"}}`, []string{"holder.category: is there twice"}},
		{"a side that is a string", `{"holder": "s3cret"}`, []string{"holder: is not a JSON object"}},
		{"a side that is null", `{"party": null}`, []string{"party: is not a JSON object"}},
		{"an unknown member of the information", `{"information": {"url": "s3cret"}}`, []string{"information.url: is not a member of a consent record"}},
		{"a number for a string", `{"channel": 5}`, []string{"channel: has a value of the wrong form"}},
		{"a string for a boolean", `{"posthumous": "s3cret"}`, []string{"posthumous: has a value of the wrong form"}},
		{"null for a string", `{"channel": null}`, []string{"channel: has a value of the wrong form"}},
		{"null for a time", `{"valid_to": null}`, []string{"valid_to: has a value of the wrong form"}},
		{"a time without a zone", `{"valid_to": "2026-01-01T00:00:00"}`, []string{"valid_to: has a value of the wrong form"}},
		{"a date for a time", `{"recorded_at": "2026-01-01"}`, []string{"recorded_at: has a value of the wrong form"}},
		{"a string for a list", `{"data": "s3cret"}`, []string{"data: is not a list of strings"}},
		{"null for a list", `{"data": null}`, []string{"data: is not a list of strings"}},
		{"a list of numbers", `{"given_by": [1]}`, []string{"given_by: is not a list of strings"}},
		{"a list with null", `{"purposes": ["TREAT", null]}`, []string{"purposes: is not a list of strings"}},
		{"several mistakes, all at once", `{"colour": 1, "channel": 5, "party": {"name": 1, "category": 2}}`, []string{
			"colour: is not a member of a consent record", "channel: has a value of the wrong form",
			"party.name: is not a member of a consent record", "party.category: has a value of the wrong form",
		}},
		{"a list", `[{}]`, []string{"is not a JSON object"}},
		{"nothing", ``, []string{"is not a JSON object"}},
		{"something after the end", `{} {}`, []string{"is not a JSON object"}},
		{"no end", `{"status": "active"`, []string{"is not a JSON object"}},
		{"no end of a value", `{"status": "s3cret`, []string{"is not a JSON object"}},
		{"a name without a value", `{"status"}`, []string{"is not a JSON object"}},
		{"a name that is no string", `{1: 2}`, []string{"is not a JSON object"}},
		{"a comma too many", `{"status": "active",}`, []string{"is not a JSON object"}},
		{"a broken name", `{"status": "active", "s3cret`, []string{"is not a JSON object"}},
		{"bytes that are not UTF-8", "{\"channel\": \"\xff\"}", []string{"is not UTF-8"}},
		{"too much", `{"channel": "` + strings.Repeat("s", 64<<10) + `"}`, []string{"is too long"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := consent.ParseRecord([]byte(tt.in))
			if !reflect.DeepEqual(got, consent.Record{}) {
				t.Errorf("got record %+v, want none", got)
			}
			if lines := errorLines(t, err); !slices.Equal(lines, tt.want) {
				t.Errorf("got errors %q, want %q", lines, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

// errorLines are the problems in an error, without their common prefix.
func errorLines(t *testing.T, err error) (lines []string) {
	t.Helper()
	if err == nil {
		return nil
	}
	var fieldError *consent.FieldError
	if !errors.As(err, &fieldError) {
		t.Errorf("got error of type %T, want a *FieldError", err)
	}
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "consent record: "))
	}
	return lines
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"status":"active","status":"active"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := consent.ParseRecord(b)
		if err != nil {
			return
		}
		written, err := json.Marshal(r)
		if err != nil {
			return // a year that RFC 3339 cannot write
		}
		again, err := consent.ParseRecord(written)
		if err != nil {
			t.Fatalf("%s was taken, and %s was not: %v", b, written, err)
		}
		if twice, err := json.Marshal(again); err != nil || !bytes.Equal(written, twice) {
			t.Fatalf("got %s, %v, want %s", twice, err, written)
		}
	})
}
