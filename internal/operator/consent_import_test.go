package operator

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config/configtest"
)

// elsewhere is an identifier system of the imported persons.
const elsewhere = "https://example.org/patients"

// moment is when the imported consents were recorded.
var moment = consent.Time{Time: time.Date(2024, 2, 29, 10, 30, 0, 0, time.UTC)}

// resource returns one line: the Consent with some records of a person.
func resource(t *testing.T, person fhir.Identifier, records ...consent.Record) string {
	t.Helper()
	c := consentfhir.Consent{Patient: person, Records: records}
	line, err := (consentfhir.Profile{Groups: []string{"GGC002"}}).Write(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(line) + "\n"
}

func patient(n int) fhir.Identifier {
	return fhir.Identifier{System: elsewhere, Value: fmt.Sprint("p", n)}
}

// recorded returns a valid permit for a category of providers, recorded elsewhere.
func recorded(t *testing.T, category string) consent.Record {
	r := grantFor(t, category)
	r.RecordedAt = moment
	return r
}

func TestConsentImport(t *testing.T) {
	o, _ := operatorOn(t)
	gone := recorded(t, "hospital")
	gone.Status, gone.WithdrawnAt, gone.WithdrawnBy = consent.StatusWithdrawn, consent.Time{Time: moment.AddDate(0, 1, 0)}, []string{"patient"}
	bsn := fhir.Identifier{System: consent.SystemBSN, Value: testBSN}
	nobody := recorded(t, "gp")
	nobody.Information = consent.Information{}
	late := recorded(t, "gp")
	late.RecordedAt = consent.Time{Time: time.Now().AddDate(1, 0, 0)}
	good := []string{
		resource(t, bsn, recorded(t, "gp")), resource(t, bsn, gone), resource(t, patient(1), recorded(t, "gp")), "\n", resource(t, patient(1), recorded(t, "pharmacy")),
	}
	file := func(lines ...string) string {
		return configtest.Write(t, filepath.Join(t.TempDir(), "consents.ndjson"), strings.Join(lines, ""))
	}
	if got := o.must("", "consent", "import", file()); !strings.HasPrefix(got, "0 lines") {
		t.Errorf("got %q of a file without a line", got)
	}
	name := file(good...)
	if got := o.must("", "consent", "import", name); !strings.Contains(got, "5 lines: 4 imported, 0 on file already, 0 refused") {
		t.Errorf("got %q", got)
	}
	v := o.list()
	if len(v.Records) != 2 || !v.Records[0].RecordedAt.Equal(moment.Time) || !v.Records[1].WithdrawnAt.Equal(gone.WithdrawnAt.Time) || v.Generation != 2 {
		t.Errorf("got %+v, want two records with the moments that they brought along", v)
	}
	// Again, now without the final line feed: nothing more is imported. A consent withdrawn here stays so; one withdrawn there is withdrawn
	// here too.
	o.must(testBSN, "consent", "withdraw", string(v.Records[0].ID), "--by", "patient")
	ended := recorded(t, "gp")
	ended.Status, ended.WithdrawnAt, ended.WithdrawnBy = consent.StatusWithdrawn, consent.Time{Time: moment.AddDate(0, 0, 1)}, []string{"patient"}
	good[2] = resource(t, patient(1), ended)
	if got := o.must("", "consent", "import", file(append(slices.Clone(good[:4]), strings.TrimSpace(good[4]))...)); !strings.Contains(got, "1 imported, 3 on file already, 0 refused") {
		t.Errorf("got %q", got)
	}
	if v := o.list(); v.Generation != 3 || v.Records[0].Status != consent.StatusWithdrawn {
		t.Errorf("got %+v, want the withdrawal to stay", v)
	}
	if _, err := os.Stat(name + ".progress"); err == nil {
		t.Error("an import that is done leaves its progress behind")
	}

	// Bad lines are reported with number and reason, delay no others, and leave nothing.
	long := `{"resourceType":"Consent","text":"` + strings.Repeat("x", longestRow) + "\"}\n"
	r := o.do("", "consent", "import", file(resource(t, patient(2), recorded(t, "gp")), "{}\n", long, resource(t, patient(2), nobody), resource(t, patient(2), late),
		resource(t, fhir.Identifier{System: consent.SystemBSN, Value: "123456789"}, recorded(t, "gp")),
		resource(t, fhir.Identifier{System: consentfhir.SystemPersonKey, Value: strings.Repeat("ab", 32)}, recorded(t, "gp")), resource(t, patient(3), recorded(t, "ambulance")), resource(t, patient(3), recorded(t, "lab"))))
	if r.code != cli.ExitRuntime || !strings.Contains(r.out, "9 lines: 2 imported, 0 on file already, 7 refused") {
		t.Errorf("got exit code %d, %q and %q", r.code, r.out, r.errors)
	}
	for _, want := range []string{"line 2: refused: ", "line 3: refused: is longer", "line 4: refused: ", "line 5: refused: consent record: recorded_at: is in the future",
		"line 6: refused: person identifier is not", "line 7: refused: consent record: patient: must be", "line 8: refused: consent record: party.category: is not configured"} {
		if !strings.Contains(r.errors, want) {
			t.Errorf("got no %q in\n%s", want, r.errors)
		}
	}
	// Each imported line is on record, and the chains are intact; the archive is up to date although no gateway ran.
	if got := o.must("", "consent", "verify", "--all"); !strings.Contains(got, "4 persons, 8 versions") || !strings.Contains(got, "(4)") {
		t.Errorf("got %q", got)
	}
	if got := o.must("", "events", "export"); strings.Count(got, `"reason":"imported"`) != 7 {
		t.Errorf("got %d events of lines, want 7", strings.Count(got, `"reason":"imported"`))
	}
	o.fails(cli.ExitUsage, "no such file", "", "consent", "import", "/nowhere.ndjson")
}

// TestConsentOfSeveralRecordsIsWithdrawnWhole: a permit with an exception is one Consent over FHIR. Whichever of its records is named, all of it is
// withdrawn, and it can still be shown.
func TestConsentOfSeveralRecordsIsWithdrawnWhole(t *testing.T) {
	o, _ := operatorOn(t)
	permit := recorded(t, "gp")
	exception := permit
	exception.Decision, exception.Data = consent.DecisionDeny, []string{"Condition"}
	bsn := fhir.Identifier{System: consent.SystemBSN, Value: testBSN}
	o.must("", "consent", "import", configtest.Write(t, filepath.Join(t.TempDir(), "consents.ndjson"), resource(t, bsn, permit, exception)+resource(t, bsn, recorded(t, "lab"))))
	records := o.list().Records
	if len(records) != 3 || records[1].Decision != consent.DecisionDeny {
		t.Fatalf("got %+v", records)
	}
	o.must(testBSN, "consent", "withdraw", string(records[1].ID), "--by", "patient")
	for i, want := range []string{consent.StatusWithdrawn, consent.StatusWithdrawn, consent.StatusActive} {
		if got := o.list().Records[i]; got.Status != want {
			t.Errorf("record %d is %s, want %s", i, got.Status, want)
		}
	}
	var out, errors strings.Builder
	code := run(t.Context(), []string{"consent", "export", "--config", o.config}, strings.NewReader(""), &out, &errors)
	if code != cli.ExitOK || strings.Count(out.String(), `"inactive"`) != 1 || strings.Count(out.String(), `"active"`) != 1 {
		t.Errorf("got exit code %d, %s and %s", code, &out, &errors)
	}
}

// TestImportKnowsWhatIsOnFile: the same content recorded at the same time is the same consent, whatever its line looks like.
func TestImportKnowsWhatIsOnFile(t *testing.T) {
	o, _ := operatorOn(t)
	line := resource(t, patient(1), recorded(t, "gp"))
	file := func(lines ...string) string {
		return configtest.Write(t, filepath.Join(t.TempDir(), "consents.ndjson"), strings.Join(lines, ""))
	}
	o.must("", "consent", "import", file(line))
	named := strings.Replace(line, `"status":`, `"id":"elsewhere","status":`, 1)
	if r := o.do("", "consent", "import", file(named)); named == line || r.code != cli.ExitOK || !strings.Contains(r.out, "0 imported, 1 on file already, 0 refused") {
		t.Errorf("got exit code %d, %q and %q of the same consent in another line", r.code, r.out, r.errors)
	}
	two := resource(t, patient(1), recorded(t, "gp"), recorded(t, "lab"))
	if r := o.do("", "consent", "import", file(two)); r.code != cli.ExitRuntime || !strings.Contains(r.errors, "line 1: refused: a part of it is on file already") {
		t.Errorf("got exit code %d, %q and %q of a consent of which a part is on file", r.code, r.out, r.errors)
	}
	if got := o.must("", "consent", "verify", "--all"); !strings.Contains(got, "1 persons, 1 versions") {
		t.Errorf("got %q", got)
	}
}

// TestImportOfDatesWithoutATime: it is not known whether a refusal with only a date came before or after a permit of that day, so it counts
// as the later one.
func TestImportOfDatesWithoutATime(t *testing.T) {
	o, _ := operatorOn(t)
	bsn := fhir.Identifier{System: consent.SystemBSN, Value: testBSN}
	permit := recorded(t, "gp")
	refusal := permit
	refusal.Decision, refusal.Method, refusal.Information = consent.DecisionDeny, "", consent.Information{}
	ended := recorded(t, "lab")
	ended.Status, ended.WithdrawnAt, ended.WithdrawnBy = consent.StatusWithdrawn, moment, []string{"patient"}
	today := refusal
	today.Party.Category = "pharmacy"
	day, now := moment.Format(time.DateOnly), time.Now().In(consent.Zone()).Format(time.DateOnly)
	dated := func(date string, r consent.Record) string {
		return strings.ReplaceAll(resource(t, bsn, r), moment.UTC().Format(time.RFC3339), date)
	}
	file := configtest.Write(t, filepath.Join(t.TempDir(), "consents.ndjson"), dated(day, refusal)+resource(t, bsn, permit)+dated(day, ended)+dated(now, today))
	o.must("", "consent", "import", file)
	records := o.list().Records
	evening := time.Date(2024, 2, 29, 22, 59, 59, 999_999_000, time.UTC)
	if len(records) != 4 || !records[0].RecordedAt.Equal(evening) || !records[1].RecordedAt.Equal(moment.Time) ||
		records[2].RecordedAt.After(moment.Time) || !records[2].WithdrawnAt.Equal(evening) || records[3].RecordedAt.After(time.Now()) {
		t.Fatalf("got %+v", records)
	}
	query := consent.Query{At: time.Now(), Born: "1980-01-01", Party: consent.Side{Category: "gp"}, Category: "Condition", Groups: []string{"GGC002"}, Purpose: "TREAT"}
	if state, _ := consent.Evaluate(query, records); state != consent.Refused {
		t.Errorf("got state %v of a permit and a refusal of one day, want the refusal", state)
	}
	again := configtest.Write(t, filepath.Join(t.TempDir(), "again.ndjson"), dated(day, refusal)+" "+dated(now, today)+" "+dated(day, ended))
	if got := o.must("", "consent", "import", again); !strings.Contains(got, "0 imported, 3 on file already") {
		t.Errorf("again: got %q", got)
	}
}

func TestImportGoesOnWhereItEnded(t *testing.T) {
	o, _ := operatorOn(t)
	var text strings.Builder
	for n := range 2*chunkLines + 100 {
		text.WriteString(resource(t, patient(n%1000), recorded(t, []string{"gp", "lab", "pharmacy"}[n/1000])))
	}
	name := configtest.Write(t, filepath.Join(t.TempDir(), "consents.ndjson"), text.String())
	progress := name + ".progress"
	broken := configtest.Write(t, filepath.Join(filepath.Dir(name), "broken"), "{")
	o.fails(cli.ExitUsage, "unexpected end", "", "consent", "import", name, "--progress", broken)

	s, b := o.backend()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	i := &importing{env: &cli.Environment{Context: t.Context(), Stdout: os.Stdout, Stderr: &strings.Builder{}}, settings: s, store: b.Store, progress: progress, profile: s.ConsentProfile(b.Store.Key)}
	if err := i.resume(f); err != nil {
		t.Fatal(err)
	}
	if err := i.run(t.Context(), &failing{f, 2*chunkLines*int64(len(text.String()))/int64(2*chunkLines+100) - 9999}); err == nil {
		t.Fatal("a file that cannot be read was imported")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got := i.at.Line; got != chunkLines {
		t.Fatalf("got line %d, want that it ended behind the first chunk", got)
	}
	other := configtest.Write(t, filepath.Join(filepath.Dir(name), "other"), " "+text.String())
	o.fails(cli.ExitUsage, "remove that to begin anew", "", "consent", "import", other, "--progress", progress)
	r := o.do("", "consent", "import", name)
	if want := fmt.Sprintf("going on after line %d", chunkLines); r.code != cli.ExitOK || !strings.Contains(r.errors, want) || !strings.Contains(r.out, "2148 lines: 2148 imported, 0 on file already, 0 refused") {
		t.Errorf("got exit code %d, %q and %q", r.code, r.out, r.errors)
	}
	if got := o.must("", "consent", "verify", "--all"); !strings.Contains(got, "1000 persons, 2148 versions") {
		t.Errorf("got %q", got)
	}
}

// failing is a file that cannot be read beyond some bytes.
type failing struct {
	f    *os.File
	left int64
}

func (r *failing) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := r.f.Read(b[:min(int64(len(b)), r.left)])
	r.left -= int64(n)
	return n, err
}

func TestWhatIsExportedImportsAsTheSame(t *testing.T) {
	o, _ := operatorOn(t)
	gone := recorded(t, "hospital")
	gone.Status, gone.WithdrawnAt, gone.WithdrawnBy = consent.StatusWithdrawn, consent.Time{Time: moment.AddDate(0, 1, 0)}, []string{"patient"}
	o.must(testBSN, "consent", "put", "--record", o.record(goodGrant))
	name := configtest.Write(t, filepath.Join(t.TempDir(), "consents.ndjson"), resource(t, patient(1), gone)+resource(t, patient(1), recorded(t, "lab"))+resource(t, patient(2), recorded(t, "gp")))
	o.must("", "consent", "import", name)
	export := func(o operator, args ...string) []string {
		t.Helper()
		var out, errors strings.Builder
		if code := run(t.Context(), append([]string{"consent", "export", "--config", o.config}, args...), strings.NewReader(testBSN), &out, &errors); code != cli.ExitOK {
			t.Fatalf("got exit code %d: %s", code, errors.String())
		}
		lines := strings.SplitAfter(out.String(), "\n")
		lines = lines[:len(lines)-1]
		slices.Sort(lines)
		return lines
	}
	all := export(o)
	if own := export(o, "--patient"); len(all) != 4 || len(own) != 1 || !slices.Contains(all, own[0]) || !strings.Contains(own[0], testBSN) {
		t.Fatalf("got %d lines, and of one person %v", len(all), own)
	}
	fresh, _ := operatorOn(t)
	fresh.must("", "consent", "import", configtest.Write(t, filepath.Join(t.TempDir(), "again.ndjson"), strings.Join(all, "")))
	again := export(fresh)
	for i := range again {
		if without, with := withoutIDs(again[i]), withoutIDs(all[i]); !slices.Contains(mapped(all, withoutIDs), without) {
			t.Errorf("got\n%s\nwant\n%s", without, with)
		}
	}
	o.drain()
	if got := o.must("", "events", "export"); strings.Count(got, `"reason":"exported"`) != 2 {
		t.Errorf("the exports are not on record:\n%s", got)
	}
}

// withoutIDs returns a line without version and ids, which each store assigns.
func withoutIDs(line string) string {
	_, rest, _ := strings.Cut(line, `"status"`)
	return rest
}

func mapped(list []string, f func(string) string) []string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = f(s)
	}
	return all
}
