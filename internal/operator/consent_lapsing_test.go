package operator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/config/configtest"
)

func TestConsentLapsing(t *testing.T) {
	zone := consent.Zone()
	soon := time.Now().In(zone).AddDate(-12, 0, 30).Format(time.DateOnly)
	later := time.Now().In(zone).AddDate(-12, 0, 200).Format(time.DateOnly)
	births := map[string]string{"p1": soon, "p2": later, "p3": soon, "p5": "2014"}
	var asked atomic.Int64
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, value, _ := strings.Cut(r.PostFormValue("identifier"), "|")
		w.Header().Set("Content-Type", "application/fhir+json")
		entry := ""
		if born, known := births[value]; known {
			entry = fmt.Sprintf(`{"fullUrl":"http://%s/fhir/Patient/x","resource":{"resourceType":"Patient","id":"x","identifier":[{"system":%q,"value":%q}],"birthDate":%q},"search":{"mode":"match"}}`, r.Host, elsewhere, value, born)
		}
		fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset","entry":[%s]}`, entry)
		if r.URL.RawQuery != "" || r.Method != http.MethodPost || r.URL.Path != "/fhir/Patient/_search" {
			t.Errorf("got %s %s, want a POST", r.Method, r.URL)
		}
	}))
	defer source.Close()
	o, _ := operatorOn(t, "http://127.0.0.1:9001/fhir", source.URL+"/fhir", `person_systems: ["http://fhir.nl/fhir/NamingSystem/bsn"]`, fmt.Sprintf("person_systems: [%q]", elsewhere))
	parent := recorded(t, "gp")
	parent.GivenBy = []string{consent.ByRepresentative}
	both := recorded(t, "gp")
	both.GivenBy = []string{consent.ByPatient, consent.ByRepresentative}
	lines := []string{resource(t, patient(1), parent), resource(t, patient(2), parent), resource(t, patient(3), both), resource(t, patient(4), parent)}
	o.must("", "consent", "import", configtest.Write(t, filepath.Join(t.TempDir(), "c.ndjson"), strings.Join(lines, "")))
	for range 2 { // one notice
		var got struct {
			Lapsing []lapsing           `json:"lapsing"`
			Unknown []consent.PersonKey `json:"birth_date_unknown"`
		}
		if err := json.Unmarshal([]byte(o.must("", "consent", "lapsing", "--within", "90d")), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Lapsing) != 1 || got.Lapsing[0].Age != 12 || got.Lapsing[0].Identifier != nil || got.Lapsing[0].At.In(zone).Format(time.DateOnly) != time.Now().In(zone).AddDate(0, 0, 30).Format(time.DateOnly) {
			t.Errorf("got %+v, want the one of patient 1", got.Lapsing)
		}
		if len(got.Unknown) != 1 {
			t.Errorf("got %d patients without a date of birth, want patient 4", len(got.Unknown))
		}
	}
	if n := asked.Load(); n != 6 {
		t.Errorf("the source was asked %d times, want only about those whose representative chose alone, 6", n)
	}
	if got := o.must("", "consent", "lapsing", "--identify"); !strings.Contains(got, `"value": "p1"`) {
		t.Errorf("got %s, want the identifier that was asked for", got)
	}
	o.drain()
	if got := o.must("", "events", "export"); strings.Count(got, `"reason":"consent-lapsing"`) != 1 {
		t.Errorf("the notice is on record %d times, want once", strings.Count(got, `"reason":"consent-lapsing"`))
	}
	for _, within := range []string{"90", "d", "0d", "a year"} {
		o.fails(cli.ExitUsage, "--within", "", "consent", "lapsing", "--within", within)
	}
	source.Close()
	o.fails(cli.ExitRuntime, "does not answer", "", "consent", "lapsing")
}

// TestBirthOf: a date of birth counts if a source has exactly one Patient of that person; of several possible dates the earliest does.
func TestBirthOf(t *testing.T) {
	answer := ""
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset","entry":[%s]}`, answer)
	}))
	defer source.Close()
	s, err := config.Load(configtest.Place(t, strings.NewReplacer("http://127.0.0.1:9001/fhir", source.URL+"/fhir",
		`person_systems: ["http://fhir.nl/fhir/NamingSystem/bsn"]`, fmt.Sprintf("person_systems: [%q]", elsewhere)).Replace(configtest.Good)))
	if err != nil {
		t.Fatal(err)
	}
	sources, err := s.ProxySources()
	if err != nil {
		t.Fatal(err)
	}
	entry := func(id, value, more string) string {
		return fmt.Sprintf(`{"fullUrl":"%s/fhir/Patient/%s","resource":{"resourceType":"Patient","id":%q,"identifier":[{"system":%q,"value":%q}]%s},"search":{"mode":"match"}}`,
			source.URL, id, id, elsewhere, value, more)
	}
	born := `,"birthDate":"2014-05-06"`
	for name, tt := range map[string]struct{ answer, want string }{
		"one Patient":                   {entry("x", "p1", born), "2014-05-06"},
		"a month":                       {entry("x", "p1", `,"birthDate":"2014-05"`), "2014-05-01"},
		"a year":                        {entry("x", "p1", `,"birthDate":"2014"`), "2014-01-01"},
		"no date":                       {entry("x", "p1", ""), ""},
		"nobody":                        {"", ""},
		"two Patients":                  {entry("x", "p1", born) + "," + entry("y", "p1", born), ""},
		"somebody else":                 {entry("x", "p2", born), ""},
		"one that another took over of": {entry("x", "p1", born+`,"link":[{"other":{"reference":"Patient/y"},"type":"replaced-by"}]`), ""},
	} {
		answer = tt.answer
		if got, err := birthOf(t.Context(), sources, patient(1), time.Now()); err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tt.want)
		}
	}
}
