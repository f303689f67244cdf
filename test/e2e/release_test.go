package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// The deceased: an adult of the demo, and a child.
const childBSN = "999994001"

func deceased(t testing.TB) (adult, child demo.Person) {
	t.Helper()
	people := demo.People()
	at := slices.IndexFunc(people, func(p demo.Person) bool { return strings.HasPrefix(p.Story, "deceased") })
	if at < 0 {
		t.Fatal("the demo has nobody who died")
	}
	return people[at], demo.Person{BSN: childBSN, PatientID: "dead-child"}
}

// sensitive is a condition of the adult whose code is in sensitive-codes.yaml: it is restricted, and no other name covers it.
const sensitive = "Condition/8681c71f-94bb-43f8-b078-f2536a99f0d0"

// clerk makes copies by hand.
type clerk struct {
	*world
	file, folder string
	copies       int
}

// args returns those of a valid release; changes replace the value of a flag, or remove the flag with "".
func (c *clerk) args(changes ...string) (args []string, out string) {
	c.copies++
	out = filepath.Join(c.folder, fmt.Sprintf("copy-%d.json", c.copies))
	flags := [][2]string{
		{"--config", c.file}, {"--source", "demo"}, {"--ground", "hereditary-condition"}, {"--data", "Condition,GGC013"}, {"--to", "a daughter's physician"},
		{"--by", "P. Officer"}, {"--approved-by", "D. Director"}, {"--why", "a heart condition that may be hereditary"}, {"--out", out}, {"--no-objection-presumed", "true"},
	}
	args = []string{"release"}
	for _, f := range flags {
		for i := 0; i+1 < len(changes); i += 2 {
			if changes[i] == f[0] {
				f[1] = changes[i+1]
			}
		}
		if f[1] != "" {
			args = append(args, f[0]+"="+f[1])
		}
	}
	return args, out
}

// gets wants a copy, and returns its entries and its event.
func (c *clerk) gets(of demo.Person, changes ...string) (entries []string, body string, e audit.Event) {
	c.t.Helper()
	args, out := c.args(changes...)
	printed := must(c.t, of.BSN+"\n", args...)
	var made struct {
		Event, SHA256 string
		Resources     int
	}
	content, err := os.ReadFile(out)
	if err = first(err, json.Unmarshal([]byte(printed), &made)); err != nil {
		c.t.Fatalf("%v: %v, %s", changes, err, printed)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		c.t.Errorf("the copy is %v, %v, want it to be its owner's only", info, err)
	}
	entries = reply{body: string(content)}.entries()
	sum := sha256.Sum256(content)
	all := c.events()
	at := slices.IndexFunc(all, func(e audit.Event) bool { return string(e.ID) == made.Event })
	if at < 0 {
		c.t.Fatalf("no event %s on record", made.Event)
	}
	if e = all[at]; e.Outcome != audit.OutcomePermit || e.Reason != "ok-after-death" || e.Digest != hex.EncodeToString(sum[:]) || made.SHA256 != e.Digest ||
		made.Resources != len(entries) || len(e.Disclosed) != len(entries) || e.Person != c.store.Key(of.Identifier()) {
		c.t.Errorf("%v: printed %s, event %+v", changes, printed, e)
	}
	return entries, string(content), e
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// refused wants no copy, this message, and one event with this reason; none if reason is "".
func (c *clerk) refused(of demo.Person, code int, said, reason string, changes ...string) {
	c.t.Helper()
	args, out := c.args(changes...)
	before := map[audit.EventID]bool{}
	for _, e := range c.events() {
		before[e.ID] = true
	}
	r := command(c.t, of.BSN+"\n", args...)
	if r.code != code || !strings.Contains(r.stderr, said) || r.stdout != "" {
		c.t.Errorf("%v: got exit code %d, %q and %q, want %d and %q", changes, r.code, r.stdout, r.stderr, code, said)
	}
	if strings.Contains(r.stderr, of.BSN) {
		c.t.Errorf("%v: it tells the number of the person", changes)
	}
	if _, err := os.Lstat(out); err == nil {
		c.t.Errorf("%v: there is a copy", changes)
	}
	fresh := slices.DeleteFunc(c.events(), func(e audit.Event) bool { return before[e.ID] })
	if want := min(1, len(reason)); len(fresh) != want {
		c.t.Fatalf("%v: got %d events, want %d: %+v", changes, len(fresh), want, fresh)
	}
	for _, e := range fresh {
		if e.LegalGround == "" || e.Outcome != audit.OutcomeDeny || string(e.Reason) != reason || len(e.Disclosed) > 0 || e.Digest != "" ||
			e.Recipient == "" || e.ApprovedBy == "" || e.Grounds == "" || e.Person != c.store.Key(of.Identifier()) {
			c.t.Errorf("%v: the event of the refusal is %+v", changes, e)
		}
	}
}

// restrictedOf returns a condition labelled as restricted.
func restrictedOf(p demo.Person) demo.Resource {
	return demo.Resource(`{"resourceType":"Condition","id":"kept-back","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]},"code":{"text":"` +
		marker + `"},"subject":{"reference":"Patient/` + string(p.PatientID) + `"}}`)
}

// TestReleaseAfterDeath: a privacy officer and a second person copy named data of a deceased patient, on a legal ground: the event comes first,
// the copy has exactly those data, and whatever the law leaves no room to weigh is refused, and recorded.
func TestReleaseAfterDeath(t *testing.T) {
	t.Parallel()
	adult, child := deceased(t)
	w := newWorld(t, restrictedOf(adult),
		demo.Resource(`{"resourceType":"Patient","id":"dead-child","identifier":[{"system":"`+demo.SystemBSN+`","value":"`+childBSN+`"}],"birthDate":"2005-03","deceasedDateTime":"2019-05-06"}`),
		demo.Resource(`{"resourceType":"Condition","id":"of-the-child","code":{"text":"visible"},"subject":{"reference":"Patient/dead-child"}}`))
	g, file := w.start()
	c := &clerk{world: w, file: file, folder: t.TempDir()}
	data, err := demo.Load()
	if err != nil {
		t.Fatal(err)
	}
	var want []string // of the named data, what the demo has about the adult
	for _, resource := range data {
		var r struct {
			ResourceType, ID string
			Subject, Patient struct{ Reference string }
		}
		_ = json.Unmarshal(resource, &r)
		medication := []string{"MedicationRequest", "MedicationDispense", "MedicationAdministration", "MedicationStatement", "Immunization", "AllergyIntolerance"}
		if of := "Patient/" + string(adult.PatientID); (r.Subject.Reference == of || r.Patient.Reference == of) && (r.ResourceType == "Condition" || slices.Contains(medication, r.ResourceType)) {
			want = append(want, r.ResourceType+"/"+r.ID)
		}
	}
	slices.Sort(want)
	want = slices.DeleteFunc(want, func(name string) bool { return name == sensitive })
	own := func(entries []string) (own []string) {
		for _, entry := range entries {
			if typ, _, _ := strings.Cut(entry, "/"); !slices.Contains([]string{"Practitioner", "PractitionerRole", "Organization", "Location", "Medication"}, typ) {
				own = append(own, entry)
			}
		}
		slices.Sort(own)
		return own
	}

	// A source that also returns others' records changes nothing.
	karenas := g.ask(demo.GP(), search("Condition", demo.Karena())).wantStatus(t, 200, "Karena's").entries()
	w.source.Intercept(w.source.ExtraEntries(w.source.Resource(karenas[0])))
	entries, body, e := c.gets(adult)
	w.source.Intercept(nil)
	if got := own(entries); !slices.Equal(got, want) || len(want) < 10 {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, never := range []string{adult.BSN, marker, string(demo.Karena().PatientID), w.source.URL(), "kept-back", sensitive} {
		if strings.Contains(body, never) {
			t.Errorf("the copy holds %q", never)
		}
	}
	if e.LegalGround != "hereditary-condition" || e.ApprovedBy != "D. Director" || e.Actor.Name != "P. Officer" || e.Recipient != "a daughter's physician" ||
		e.Grounds != "a heart condition that may be hereditary" || !slices.Contains(e.Categories, "Condition") || slices.Contains(e.Categories, "Restricted") {
		t.Errorf("the event is %+v", e)
	}

	t.Run("what is no release", func(t *testing.T) {
		for _, r := range []struct {
			of           demo.Person
			said, reason string
			changes      []string
		}{
			{adult, "dispute about a will is no ground, and neither are personal interests", "ground-not-listed", []string{"--ground", "testament-dispute"}},
			{adult, "dispute about a will is no ground", "ground-not-listed", []string{"--ground", "personal-interest"}},
			{adult, "two people", "four-eyes", []string{"--approved-by", "p. officer"}},
			{adult, "--no-objection-presumed was not stated", "presumption-missing", []string{"--no-objection-presumed", ""}},
			{adult, "never released", "not-shareable", []string{"--data", "Consent"}},
			{adult, "policy.after_death.restricted", "restricted-not-allowed", []string{"--data", "Condition,Restricted"}},
			{adult, "before the age of 16", "age-at-death", []string{"--ground", "parents-under-16"}},
			{adult, "nothing of the named data", "absent", []string{"--data", "Genomics"}},
			{demo.Karena(), "does not say that the patient has died", "not-deceased", nil},
			{demo.Person{BSN: "999990342"}, "does not know the person", "patient-unresolved", nil},
		} {
			c.refused(r.of, 1, r.said, r.reason, r.changes...)
		}
		other, _, _, _ := w.configure("regional: { consent: explicit }", "regional: { consent: explicit }, lsp: { consent: explicit }")
		c.refused(adult, 1, "gateway catalogue activate first", "", "--config", other)
		// What never became a release leaves no event of one.
		taken := filepath.Join(c.folder, "copy-1.json")
		before, _ := os.ReadFile(taken)
		for said, changes := range map[string][]string{
			"no name for everything": {"--data", "all"}, "missing flags: --data": {"--data", ""}, "not the id of a": {"--source", "elsewhere"},
			"nothing is overwritten": {"--out", taken}, "number of a person": {"--out", filepath.Join(c.folder, adult.BSN+".json")},
		} {
			c.refused(adult, 2, said, "", changes...)
		}
		if after, _ := os.ReadFile(taken); !bytes.Equal(before, after) || len(before) == 0 {
			t.Error("a copy was written over")
		}
	})

	t.Run("a child", func(t *testing.T) {
		parents := []string{"--ground", "parents-under-16", "--data", "GGC002"}
		if entries, _, _ := c.gets(child, parents...); !slices.Equal(entries, []string{"Patient/dead-child", "Condition/of-the-child"}) {
			t.Errorf("got %q", entries)
		}
		refusal := deny(partyGP)
		refusal.GivenBy = []string{consent.ByRepresentative}
		w.mustPut(refusal, child)
		c.gets(child, parents...)
		c.refused(child, 1, "objected in life", "objected-in-life", "--data", "Condition")
		must(t, child.BSN+"\nparent-1\n", "person", "set", "--config", file, "--block-representative")
		c.refused(child, 1, "which parent asks is not known", "representative-blocked", parents...)
	})

	t.Run("what the deceased objected to", func(t *testing.T) {
		refusal := deny(partyGP)
		refusal.Data, refusal.EmergencyException = []string{"GGC012"}, true
		w.mustPut(refusal, adult)
		c.refused(adult, 1, "objected in life, as to DiagnosticReport", "objected-in-life", "--data", "GGC012")
		c.refused(adult, 1, "objected in life", "objected-in-life", "--data", "GGC002") // which includes it
		if entries, _, _ := c.gets(adult); !slices.Equal(own(entries), want) {
			t.Errorf("got %q of what nobody objected to", entries)
		}
		w.mustPut(permit(partyHospital), adult)
		must(t, adult.BSN+"\n", "consent", "withdraw", "--config", file, "--by", "patient", string(w.recordsOf(adult, partyHospital)[0]))
		c.refused(adult, 1, "objected in life, as to AllergyIntolerance, Condition", "objected-in-life")
	})

	c.listed(t, g, adult)
}

// listed checks where disclosures are listed, and searches everything for numbers of persons.
func (c *clerk) listed(t *testing.T, g *gateway, of demo.Person) {
	g.stop() // everything recorded is in the archive then
	report := must(t, of.BSN+"\n", "report", "recipients", "--config", c.file)
	if !strings.Contains(report, `"name": "a daughter's physician"`) || !strings.Contains(report, `"legal_ground": "hereditary-condition"`) || strings.Contains(report, "P. Officer") {
		t.Errorf("the report of recipients says %s", report)
	}
	if erased := must(t, of.BSN+"\n", "erasure", "tell", "--config", c.file, "--by", "officer", "--why", "erased"); !strings.Contains(erased, `"name": "a daughter's physician"`) {
		t.Errorf("an erasure would not be told to who received the copy: %s", erased)
	}
	disclosures := must(t, of.BSN+"\n", "events", "export", "--config", c.file, "--format", "fhir", "--form", "disclosure", "--from", "2020-01-01", "--to", "2100-01-01", "--patient")
	if !strings.Contains(disclosures, `"display":"a daughter's physician"`) || !strings.Contains(disclosures, `"VRF"`) {
		t.Errorf("the disclosures are %s", tail(disclosures, 2000))
	}
	must(t, "", "events", "verify", "--config", c.file)
	said := g.out.String() + report + disclosures
	for _, folder := range []string{c.folder, filepath.Join(c.world.folder, "archive")} {
		err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				content, failed := os.ReadFile(name)
				said, err = said+filepath.Base(name)+string(content), failed
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range append(demo.People(), demo.Person{BSN: childBSN}) {
		if strings.Contains(said, p.BSN) {
			t.Errorf("the number of %s stands in a log, a report, an event or a copy", p.Name)
		}
	}
}

// TestReleaseOfRestrictedData: an operator may allow it, and then it is in the copy if it was named.
func TestReleaseOfRestrictedData(t *testing.T) {
	t.Parallel()
	adult, _ := deceased(t)
	w := newWorld(t, restrictedOf(adult))
	file, _, _, _ := w.configure("  channels: { regional", "  after_death: { restricted: true }\n  channels: { regional")
	c := &clerk{world: w, file: file, folder: t.TempDir()}
	if _, body, _ := c.gets(adult, "--data", "Condition"); strings.Contains(body, "kept-back") || strings.Contains(body, sensitive) {
		t.Error("restricted data that was not named is in the copy")
	}
	if _, body, e := c.gets(adult, "--data", "Condition,Restricted"); !strings.Contains(body, marker) || !strings.Contains(body, sensitive) || !slices.Contains(e.Categories, "Restricted") {
		t.Errorf("restricted data that was named is not in the copy: %q", e.Categories)
	}
}

// TestReleaseKilledBetween: a release that is killed when its event is on the way to Redis leaves the event and no byte of a copy.
func TestReleaseKilledBetween(t *testing.T) {
	t.Parallel()
	adult, _ := deceased(t)
	w := newWorld(t)
	r := startRelay(t, w.redis.Address())
	w.redisAddress = r.address()
	file, _, _, _ := w.configure()
	c := &clerk{world: w, file: file, folder: t.TempDir()}
	_, _, before := c.gets(adult) // Redis has the script of the commit then, so it is sent once
	args, out := c.args()
	cmd := exec.Command(binary, args...)
	cmd.Stdin = strings.NewReader(adult.BSN + "\n")
	killed := make(chan struct{})
	r.on(`"reason":"ok-after-death"`, justBefore, 1, func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("kill: %v", err)
		}
		<-killed
	})
	var failed error
	done, err := spawn(cmd, &failed)
	if err != nil {
		t.Fatal(err)
	}
	<-done
	close(killed)
	until(t, endWithin, "the commit to have been met", func() bool { return r.interfered() == 1 })
	if cmd.ProcessState.Success() {
		t.Fatalf("the command ended with %v", cmd.ProcessState)
	}
	told := func() (found int) {
		for _, e := range w.events() {
			if e.Reason == "ok-after-death" && e.ID != before.ID && e.Digest == before.Digest {
				found++
			}
		}
		return found
	}
	until(t, endWithin, "the event", func() bool { return told() == 1 })
	if left, _ := filepath.Glob(filepath.Join(c.folder, "*")); len(left) != 1 {
		t.Errorf("got %q, want no copy but the first", left)
	}
	// Without the answer nothing is written either: the event may exist, and records more than happened.
	r.on(`"reason":"ok-after-death"`, cutAfter, 9, nil)
	if again := command(t, adult.BSN+"\n", args...); again.code != 1 || !strings.Contains(again.stderr, "nothing was released") {
		t.Errorf("got exit code %d and %q", again.code, again.stderr)
	}
	if _, err := os.Lstat(out); err == nil {
		t.Error("there is a copy without an acknowledged event")
	}
	r.on("", 0, 0, nil)
	must(t, adult.BSN+"\n", args...)
	if _, err := os.Lstat(out); err != nil || told() < 2 {
		t.Errorf("the next one: %v, %d events", err, told())
	}
}

// TestReleaseFromAnOlderSystem: a STU3 source works the same, with its letters.
func TestReleaseFromAnOlderSystem(t *testing.T) {
	t.Parallel()
	_, child := deceased(t)
	w := newWorldOf(t, fhir.STU3,
		demo.Resource(`{"resourceType":"Patient","id":"dead-child","identifier":[{"system":"`+demo.SystemBSN+`","value":"`+childBSN+`"}],"birthDate":"2005-03","deceasedDateTime":"2019-05-06"}`),
		demo.Resource(`{"resourceType":"DocumentReference","id":"letter","status":"current","subject":{"reference":"Patient/dead-child"},"content":[{"attachment":{"url":"Binary/the-letter"}},{"attachment":{"url":"Binary/lost"}}]}`),
		demo.Resource(`{"resourceType":"Binary","id":"the-letter","contentType":"text/plain","content":"ZGVhciBjb2xsZWFndWU="}`))
	file, _, _, _ := w.configure()
	c := &clerk{world: w, file: file, folder: t.TempDir()}
	entries, body, e := c.gets(child, "--ground", "parents-under-16", "--data", "GGC002")
	if want := []string{"Patient/dead-child", "DocumentReference/letter", "Binary/the-letter"}; !slices.Equal(entries, want) || !strings.Contains(body, `"content":"ZGVhciBjb2xsZWFndWU="`) ||
		strings.Contains(body, "Binary/lost") || !slices.Contains(e.Disclosed, "Binary/the-letter") {
		t.Errorf("got %q, event %q, %s", entries, e.Disclosed, body)
	}
}
