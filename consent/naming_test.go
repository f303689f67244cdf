package consent_test

import (
	"testing"

	"zorgsluis/consent"
)

func TestNamingSystem(t *testing.T) {
	for prefix, want := range map[string]string{
		"ura:": "http://fhir.nl/fhir/NamingSystem/ura", "uzovi:": "http://fhir.nl/fhir/NamingSystem/uzovi", "ura": "", "URA:": "", "": "",
	} {
		if got := consent.NamingSystem(prefix); got != want {
			t.Errorf("%q: got %q, want %q", prefix, got, want)
		}
	}
}
