package fhir_test

import (
	"encoding/json"
	"testing"

	"zorgsluis/fhir"
)

// TestTheNumberIsMaskedInEveryString: where identifiers are stripped, the patient's number does not stay in a text, in an identifier that does
// not say of which system it is, or as a value.
func TestTheNumberIsMaskedInEveryString(t *testing.T) {
	for _, tt := range []struct{ name, number, in, want string }{
		{"in a text", "999999990", `"note":[{"text":"BSN 999999990."}]`, `"note":[{"text":"BSN *********."}]`},
		{"in an identifier without a system", "999999990", `"identifier":[{"value":"999999990"}]`, `"identifier":[{"value":"*********"}]`},
		{"in an OID", "999999990", `"valueUri":"urn:oid:2.16.840.1.113883.2.4.6.3.999999990"`, `"valueUri":"urn:oid:2.16.840.1.113883.2.4.6.3.*********"`},
		{"with dots and spaces", "999999990", `"a":"9999.99.990","b":"999 999 990"`, `"a":"****.**.***","b":"*** *** ***"`},
		{"without its zero, and with it", "012345672", `"a":"12345672","b":"012345672"`, `"a":"********","b":"*********"`},
		{"behind escapes", "999999990", `"a":"\"\\ 999999990"`, `"a":"\"\\ *********"`},
		{"twice", "999999990", `"a":"999999990,999999990"`, `"a":"*********,*********"`},
		{"as a number", "999999990", `"valueInteger":999999990`, `"valueInteger":0        `},
		{"as a number in a list", "999999990", `"a":[999999990,1]`, `"a":[0        ,1]`},
		{"in the name of a member", "999999990", `"999999990":1`, `"*********":1`},

		{"a longer number stays", "999999990", `"a":"9999999901 1999999990","b":1999999990,"c":9999999901`, ""},
		{"another one stays", "999999990", `"a":"999999991"`, ""},
		{"a fraction and an exponent stay", "999999990", `"a":[999999990.5,0.999999990,999999990e1,-999999990]`, ""},
		{"an escape that ends in it stays", "999999990", `"a":"\u999999990"`, ""},
		{"one that is too short stays", "1234567", `"a":"1234567"`, ""},
		{"one that is no number stays", "AB1234567", `"a":"AB1234567"`, ""},
		{"none", "", `"a":""`, ""},
	} {
		around := func(member string) string {
			return `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/A"},` + member + `}`
		}
		edits := fhir.Edits{Base: "https://gw.example/fhir/h", Number: tt.number}
		if got := render(t, around(tt.in), edits); got != around(tt.in) {
			t.Errorf("%s: for who may know it, got %s", tt.name, got)
		}
		edits.StripIdentifiers = true
		if tt.want == "" {
			tt.want = tt.in
		}
		if got := render(t, around(tt.in), edits); got != around(tt.want) || !json.Valid([]byte(got)) {
			t.Errorf("%s: got %s, want %s", tt.name, got, around(tt.want))
		}
	}
}
