package fhir_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

func TestPatients(t *testing.T) {
	const at = "2026-06-15"
	bsn := func(rest string) string { return `{"system":"` + systemBSN + `","value":"999999990"` + rest + `}` }
	patient := func(member string) string { return `{"resourceType":"Patient","id":"A",` + member + `}` }
	one := []fhir.Identifier{{System: systemBSN, Value: "999999990"}}
	record := fhir.PatientRecord{ID: "A"}
	identified := fhir.PatientRecord{ID: "A", Identifiers: one}
	tests := []struct {
		name, body string
		want       []fhir.PatientRecord // nil: refused
	}{
		{"nothing but an id", `{"resourceType":"Patient","id":"A"}`, []fhir.PatientRecord{record}},
		{"a BSN", patient(`"identifier":[` + bsn("") + `,{"system":"u","value":"1"}]`), []fhir.PatientRecord{identified}},
		{"the same BSN twice", patient(`"identifier":[` + bsn("") + `,` + bsn(`,"use":"official"`) + `]`), []fhir.PatientRecord{identified}},
		{"two BSNs", patient(`"identifier":[` + bsn("") + `,{"system":"` + systemBSN + `","value":"1"}]`), []fhir.PatientRecord{{ID: "A", Identifiers: append(one[:1:1], fhir.Identifier{System: systemBSN, Value: "1"})}}},
		{"an old BSN", patient(`"identifier":[` + bsn(`,"use":"old"`) + `]`), []fhir.PatientRecord{record}},
		{"a BSN without a value", patient(`"identifier":[{"system":"` + systemBSN + `","_value":{"id":"x"}}]`), []fhir.PatientRecord{record}},
		{"a BSN that is in use", patient(`"identifier":[` + bsn(`,"period":{"start":"2026","end":"2026-06"}`) + `]`), []fhir.PatientRecord{identified}},
		{"a BSN since that day", patient(`"identifier":[` + bsn(`,"period":{"start":"2026-06-15"}`) + `]`), []fhir.PatientRecord{identified}},
		{"a BSN until that instant", patient(`"identifier":[` + bsn(`,"period":{"end":"2026-06-15T10:00:00+02:00"}`) + `]`), []fhir.PatientRecord{identified}},
		{"a BSN that is not in use yet", patient(`"identifier":[` + bsn(`,"period":{"start":"2026-06-16"}`) + `]`), []fhir.PatientRecord{record}},
		{"a BSN that is out of use", patient(`"identifier":[` + bsn(`,"period":{"end":"2026-05"}`) + `]`), []fhir.PatientRecord{record}},
		{"a BSN for an empty period", patient(`"identifier":[` + bsn(`,"period":{}`) + `]`), []fhir.PatientRecord{identified}},
		{"a birth date", patient(`"birthDate":"2010-02-28"`), []fhir.PatientRecord{{ID: "A", BirthEarliest: "2010-02-28", BirthLatest: "2010-02-28"}}},
		{"a birth month in a leap year", patient(`"birthDate":"2012-02"`), []fhir.PatientRecord{{ID: "A", BirthEarliest: "2012-02-01", BirthLatest: "2012-02-29"}}},
		{"a birth month at the end of the year", patient(`"birthDate":"2012-12"`), []fhir.PatientRecord{{ID: "A", BirthEarliest: "2012-12-01", BirthLatest: "2012-12-31"}}},
		{"a birth year", patient(`"birthDate":"2012"`), []fhir.PatientRecord{{ID: "A", BirthEarliest: "2012-01-01", BirthLatest: "2012-12-31"}}},
		{"RM-25 not deceased", patient(`"deceasedBoolean":false`), []fhir.PatientRecord{record}},
		{"RM-25 deceased", patient(`"deceasedBoolean":true`), []fhir.PatientRecord{{ID: "A", Deceased: true}}},
		{"RM-25 deceased on a day", patient(`"deceasedDateTime":"2020-01-01"`), []fhir.PatientRecord{{ID: "A", Deceased: true, DiedEarliest: "2020-01-01", DiedLatest: "2020-01-01"}}},
		{"RM-25 deceased in a month", patient(`"deceasedDateTime":"2020-02"`), []fhir.PatientRecord{{ID: "A", Deceased: true, DiedEarliest: "2020-02-01", DiedLatest: "2020-02-29"}}},
		{"RM-25 deceased at an instant", patient(`"deceasedDateTime":"2020-01-01T10:00:00.123Z"`), []fhir.PatientRecord{{ID: "A", Deceased: true, DiedEarliest: "2019-12-31", DiedLatest: "2020-01-02"}}},
		{"RM-25 deceased at an instant of another day here", patient(`"deceasedDateTime":"2020-01-01T23:30:00-05:00"`), []fhir.PatientRecord{{ID: "A", Deceased: true, DiedEarliest: "2020-01-01", DiedLatest: "2020-01-02"}}},
		{"RM-25 deceased on a day that is not known", patient(`"_deceasedDateTime":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}`), []fhir.PatientRecord{{ID: "A", Deceased: true}}},
		{"RM-20 active", patient(`"active":true,"link":[{"other":{"reference":"Patient/B"},"type":"replaces"}]`), []fhir.PatientRecord{record}},
		{"RM-20 not active", patient(`"active":false`), []fhir.PatientRecord{{ID: "A", Replaced: true}}},
		{"RM-20 replaced by another", patient(`"link":[{"other":{"reference":"Patient/B"},"type":"seealso"},{"other":{"reference":"Patient/B"},"type":"replaced-by"}]`), []fhir.PatientRecord{{ID: "A", Replaced: true}}},
		{"JS-3 escaped names and values", patient(`"b\u0069rthDate":"20\u003110","d\u0065ceasedBoolean":true`), nil},
		{"JS-3 an escaped value", patient(`"b\u0069rthDate":"201\u0030"`), []fhir.PatientRecord{{ID: "A", BirthEarliest: "2010-01-01", BirthLatest: "2010-12-31"}}},
		{"JS-2 names in another case are other names", patient(`"BirthDate":"2010","DeceasedBoolean":true,"Active":false,"Identifier":[` + bsn("") + `]`), []fhir.PatientRecord{record}},

		{"a search with one Patient", searchset(match(patient(`"active":true`))), []fhir.PatientRecord{record}},
		{"a search with two Patients", searchset(match(patient(`"active":true`)), match(`{"resourceType":"Patient","id":"B"}`)), []fhir.PatientRecord{record, {ID: "B"}}},
		{"a search with an outcome, an include and a Patient", searchset(`{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}}`,
			`{"resource":{"resourceType":"Patient","id":"B"},"search":{"mode":"include"}}`, match(patient(`"active":true`))), []fhir.PatientRecord{record}},
		{"a search without a Patient", searchset(), []fhir.PatientRecord{}},
		{"no Patient", `{"resourceType":"Practitioner","id":"A"}`, nil},

		{"JS-1 a birth date twice", patient(`"birthDate":"2010","birthDate":"1950"`), nil},
		{"JS-7 two Patients without a Bundle", patient(`"active":true`) + patient(`"active":true`), nil},
		{"JS-12 null", "null", nil},
		{"JS-16 a history", `{"resourceType":"Bundle","type":"history"}`, nil},
		{"no id", `{"resourceType":"Patient"}`, nil},
		{"an odd id", `{"resourceType":"Patient","id":"a b"}`, nil},
		{"a birth date of another shape", patient(`"birthDate":20100228`), nil},
		{"a birth date that is null", patient(`"birthDate":null`), nil},
		{"a birth date that is no day", patient(`"birthDate":"2010-02-30"`), nil},
		{"a birth date that is empty", patient(`"birthDate":""`), nil},
		{"a birth date with a time", patient(`"birthDate":"2010-02-28T00:00:00Z"`), nil},
		{"a birth date the other way round", patient(`"birthDate":"28-02-2010"`), nil},
		{"RM-25 deceased as a string", patient(`"deceasedBoolean":"true"`), nil},
		{"RM-25 deceased at no time", patient(`"deceasedDateTime":"yes"`), nil},
		{"RM-25 deceased both ways", patient(`"deceasedBoolean":false,"deceasedDateTime":"2020"`), nil},
		{"RM-20 active as a string", patient(`"active":"false"`), nil},
		{"RM-20 link is no array", patient(`"link":{"type":"replaced-by"}`), nil},
		{"RM-20 a link without type", patient(`"link":[{"other":{"reference":"Patient/B"}}]`), nil},
		{"RM-20 a link of an unknown type", patient(`"link":[{"type":"Replaced-By"}]`), nil},
		{"RM-20 a link that is null", patient(`"link":[null]`), nil},
		{"identifier is no array", patient(`"identifier":` + bsn("")), nil},
		{"a value that is a number", patient(`"identifier":[{"system":"` + systemBSN + `","value":999999990}]`), nil},
		{"a system of another shape", patient(`"identifier":[{"system":["` + systemBSN + `"],"value":"1"}]`), nil},
		{"an unknown use", patient(`"identifier":[` + bsn(`,"use":"OLD"`) + `]`), nil},
		{"a period of another shape", patient(`"identifier":[` + bsn(`,"period":"2020"`) + `]`), nil},
		{"a period without dates", patient(`"identifier":[` + bsn(`,"period":{"start":"soon"}`) + `]`), nil},
		{"a period with a number", patient(`"identifier":[` + bsn(`,"period":{"end":2020}`) + `]`), nil},
	}
	r := newReader(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := r.Patients([]byte(tt.body), at)
			if tt.want == nil {
				if !errors.Is(err, fhir.ErrContent) || got != nil {
					t.Fatalf("got %+v, %v, want ErrContent", got, err)
				}
				if strings.Contains(err.Error(), "2010") || strings.Contains(err.Error(), "99999") {
					t.Errorf("the error has content in it: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(tt.want) || len(got) > 0 && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	if _, err := r.Patients([]byte(patient(`"active":true`)), "today"); err == nil {
		t.Error("no civil date: got no error")
	}
}
