package consent_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

func TestBSNVectors(t *testing.T) {
	content, err := os.ReadFile("testdata/bsn.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		In   string  `json:"in"`
		BSN  *string `json:"bsn"`
		Note string  `json:"note"`
	}
	if err := json.Unmarshal(content, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range vectors {
		got, err := consent.NormalizePerson(fhir.Identifier{System: consent.SystemBSN, Value: v.In})
		switch {
		case v.BSN == nil && !errors.Is(err, consent.ErrNotBSN):
			t.Errorf("%q (%s): got %v, %v, want ErrNotBSN", v.In, v.Note, got, err)
		case v.BSN == nil && got != fhir.Identifier{}:
			t.Errorf("%q: got %v beside the error", v.In, got)
		case v.BSN != nil && (err != nil || got != fhir.Identifier{System: consent.SystemBSN, Value: *v.BSN}):
			t.Errorf("%q (%s): got %v, %v, want %s", v.In, v.Note, got, err, *v.BSN)
		}
	}
}

func TestNormalizePerson(t *testing.T) {
	const other = "urn:oid:2.16.840.1.113883.2.4.6.99"
	id := func(system, value string) fhir.Identifier { return fhir.Identifier{System: system, Value: value} }
	tests := []struct {
		name     string
		in, want fhir.Identifier
		err      error
	}{
		{"a sectoral prefix and eight digits", id(consent.SystemBSN, "s00000000:00009830"), id(consent.SystemBSN, "000009830"), nil},
		{"one prefix is stripped, not two", id(consent.SystemBSN, "s00000000:s00000000:999991346"), fhir.Identifier{}, consent.ErrNotBSN},
		{"one wrong digit", id(consent.SystemBSN, "999991347"), fhir.Identifier{}, consent.ErrNotBSN},
		{"two digits swapped", id(consent.SystemBSN, "999993146"), fhir.Identifier{}, consent.ErrNotBSN},
		{"a letter that would pass the test", id(consent.SystemBSN, "99999134A"), fhir.Identifier{}, consent.ErrNotBSN},
		{"the character after 9, where it would pass the test", id(consent.SystemBSN, "99999105:"), fhir.Identifier{}, consent.ErrNotBSN},
		{"the character before 0, where it would pass the test", id(consent.SystemBSN, "99999105/"), fhir.Identifier{}, consent.ErrNotBSN},
		{"a character after 9", id(consent.SystemBSN, "99999134:"), fhir.Identifier{}, consent.ErrNotBSN},
		{"a digit of another script that has nine bytes", id(consent.SystemBSN, "999999६"), fhir.Identifier{}, consent.ErrNotBSN},
		{"a citizen service number under the OID of its system", id("urn:oid:2.16.840.1.113883.2.4.6.3", "00009830"), id(consent.SystemBSN, "000009830"), nil},
		{"another system is taken as it is", id(other, "s00000000:12 Ab"), id(other, "s00000000:12 Ab"), nil},
		{"the system's name counts exactly", id(strings.ToUpper(consent.SystemBSN), "999991346"), id(strings.ToUpper(consent.SystemBSN), "999991346"), nil},
		{"no system", id("", "1"), fhir.Identifier{}, consent.ErrNotIdentifier},
		{"no value", id(other, ""), fhir.Identifier{}, consent.ErrNotIdentifier},
		{"a space before the value", id(other, " 1"), fhir.Identifier{}, consent.ErrNotIdentifier},
		{"a space after the system", id(other+" ", "1"), fhir.Identifier{}, consent.ErrNotIdentifier},
		{"a control character", id(other, "1\x002"), fhir.Identifier{}, consent.ErrNotIdentifier},
		{"an invisible character", id(other, "1\u200b2"), fhir.Identifier{}, consent.ErrNotIdentifier},
		{"a value that is not UTF-8", id(other, "1\xff"), fhir.Identifier{}, consent.ErrNotIdentifier},
		{"the longest value", id(other, strings.Repeat("1", 256)), id(other, strings.Repeat("1", 256)), nil},
		{"a value that is too long", id(other, strings.Repeat("1", 257)), fhir.Identifier{}, consent.ErrNotIdentifier},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := consent.NormalizePerson(tt.in)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %v, %v, want %v, %v", got, err, tt.want, tt.err)
			}
			if err != nil && tt.in.Value != "" && strings.Contains(err.Error(), tt.in.Value) {
				t.Errorf("the error holds the value: %v", err)
			}
			if again, err := consent.NormalizePerson(got); tt.err == nil && (again != got || err != nil) {
				t.Errorf("normalised again: got %v, %v, want the same", again, err)
			}
		})
	}
}
