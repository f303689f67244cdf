package explain

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/internal/config"
	"zorgsluis/internal/config/configtest"
)

// overviewOf returns the overview of a configuration, by language.
func overviewOf(t *testing.T, file string) map[string]string {
	t.Helper()
	s, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := Overview(s)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, text := range texts {
		if sum := sha256.Sum256([]byte(text.Text)); text.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: the hash is not that of the text", text.Language)
		}
		found[text.Language] = text.Text
	}
	return found
}

// TestOverviewSaysWhatIsConfigured: the overview of a deployment names holders, channels and how consent is asked on them, provider
// categories, groups of data and who is blocked by law, in Dutch and in English; it follows the configuration, and reveals none of the
// operator's addresses.
func TestOverviewSaysWhatIsConfigured(t *testing.T) {
	got := overviewOf(t, configtest.Place(t, configtest.Good))
	for language, words := range map[string][]string{
		"nl": {
			"Apotheken", "Geestelijke gezondheidszorg", "Behandelgegevens. Daar horen ook bij: Uitslagen; Medicatiegegevens", "Allergieën en overgevoeligheid",
			"alleen als u daar toestemming voor hebt gegeven", "zorgverzekeraars", "bedrijfsartsen", "verzekeringsartsen", "keuren", "Extra gevoelige gegevens: alleen als u die bij de naam noemt",
		},
		"en": {
			"Pharmacies", "Mental health care", "Data about treatment. This includes: Results; Medication", "Allergies and intolerances",
			"only if you have given consent for it", "health insurers", "company doctors", "insurance doctors", "examine you", "Particularly sensitive data: only if you name them",
		},
	} {
		for _, word := range words {
			if !strings.Contains(got[language], word) {
				t.Errorf("%s: no %q in\n%s", language, word, got[language])
			}
		}
	}
	for _, tt := range []struct{ name, old, new, language, wants string }{
		{"a channel where silence permits", "consent: explicit", "consent: implied", "nl", "ook als u niets hebt gekozen"},
		{"a channel with an age", "consent: explicit", "consent: explicit, minimum_age: 17", "en", "from the age of 17"},
		{"a channel with a name", "consent: explicit", "consent: explicit, label: Regionaal netwerk, label_en: Regional network", "en", "- Regional network: only"},
		{"a channel with a Dutch name only", "consent: explicit", "consent: explicit, label: Regionaal netwerk", "en", "- Regionaal netwerk: only"},
		{"a holder with a name", "category: hospital }", "category: hospital, name: Ziekenhuis De Brug }", "nl", "- Ziekenhuis De Brug (Ziekenhuizen, medische centra en klinieken)"},
		{"whom patients must name", "    channel: regional\n", "    channel: regional\n    named_representatives_only: true\n", "nl", "als u die persoon hier hebt genoemd"},
		{"no emergencies", "emergency_categories: [gp]", "emergency_categories: []", "nl", "dan wordt er niets gedeeld."},
		{"a cap on what pharmacies get", "policy:\n", "policy:\n  necessary: { pharmacy: [GGC013] }\n", "nl", "- Apotheken. Zij krijgen alleen wat zij voor hun werk nodig hebben, wat u ook kiest: Medicatiegegevens"},
		{"who may declare an emergency", "emergency_categories: [gp]", "emergency_categories: [hospital]", "en", "if you have chosen nothing: Hospitals"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(got[tt.language], tt.wants) {
				t.Fatalf("%q is in the overview in any case", tt.wants)
			}
			if !strings.Contains(configtest.Good, tt.old) {
				t.Fatalf("the configuration has no %q", tt.old)
			}
			changed := overviewOf(t, configtest.Place(t, strings.Replace(configtest.Good, tt.old, tt.new, 1)))
			if !strings.Contains(changed[tt.language], tt.wants) {
				t.Errorf("no %q in\n%s", tt.wants, changed[tt.language])
			}
		})
	}
	s, err := config.Load(configtest.Place(t, configtest.Good))
	if err != nil {
		t.Fatal(err)
	}
	inner := []string{s.File.Sources[0].BaseURL, s.File.Issuers[0].URL, s.File.Admin.Listen, filepath.Dir(s.File.Archive.Folder), "secret"}
	for language, text := range got {
		for _, one := range inner {
			if one != "" && one != "." && strings.Contains(text, one) {
				t.Errorf("%s: the overview names %q", language, one)
			}
		}
		if n := strings.Count(text, "://"); n != 1 { // that of the texts, at the public URL
			t.Errorf("%s: %d URLs in the overview, want one", language, n)
		}
		if strings.Contains(text, "<no value>") || strings.Contains(text, "GGC") || strings.Contains(text, "ObservationSurvey") {
			t.Errorf("%s: a name of the tables is not in words:\n%s", language, text)
		}
	}
}
