package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// TestPersonalNotesAreNeverDisclosed: what an operator's table names as never disclosed is released to nobody: not to the patient, not to a GP
// to whom the patient permitted everything, restricted data too; not by a read, a search, an include, a display text or the link to an
// attachment, and not if a contained resource or the Bundle is so marked.
func TestPersonalNotesAreNeverDisclosed(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, fhir.R4, leakFixtures()...)
	w.mustPut(permit(partyGP), leakD)
	w.mustPut(permit(partyGP, string(fhir.Restricted)), leakD)
	tables := filepath.Join(t.TempDir(), "tables")
	if err := os.CopyFS(tables, os.DirFS("../../configs")); err != nil {
		t.Fatal(err)
	}
	codes := filepath.Join(tables, "sensitive-codes.yaml")
	text, err := os.ReadFile(codes)
	if err != nil {
		t.Fatal(err)
	}
	named := strings.Replace(string(text), "\nnever_disclosed: []", "\nnever_disclosed: [{ system: \"urn:notes\", code: personal }]", 1)
	if err := os.WriteFile(codes, []byte(named), 0o600); err != nil {
		t.Fatal(err)
	}
	g, file := w.start("policy:\n", "policy:\n  tables_folder: "+tables+"\n")
	s := &stage{world: w, T: t, g: g, h: file, book: &ledger{}}
	own := demo.Patient("patient", leakD)

	const label, tag = `"meta":{"security":[{"system":"urn:notes","code":"personal"}]}`, `"meta":{"tag":[{"system":"urn:notes","code":"personal"}]}`
	letter := func(more string) string {
		return `{"resourceType":"DocumentReference","id":"note-d","status":"current",` + more + `,` + ofD + `,"content":[{"attachment":{"url":"Binary/binary-d","title":"CANARY"}}]}`
	}
	// The controls: with another label both see it, and a link to it stops working once it is a note.
	shown := seen(letter(`"meta":{"security":[{"system":"urn:notes","code":"shared"}]}`))
	link := s.linkIn(reply{body: s.shows(shown)})
	ownLink := s.linkIn(s.permitted(own, at("DocumentReference/note-d")))
	s.permitted(demo.GP(), get(link))
	s.permitted(own, get(ownLink))

	for _, note := range []string{letter(label), letter(tag), letter(`"securityLabel":[{"coding":[{"system":"urn:notes","code":"personal"}]}]`),
		letter(`"contained":[{"resourceType":"Practitioner","id":"c",` + label + `}]`), observation(label + `,` + ofD), observation(tag + `,` + ofD)} {
		s.hides(note)
		name := s.have(note)[0]
		typ, _, _ := strings.Cut(name, "/")
		s.notFound(own, name)
		s.answers(s.entry("match", note), s.entry("include", note))
		if r := s.tell(own, get("/fhir/demo/"+typ)); r.status != http.StatusOK || len(r.entries()) != 0 {
			t.Errorf("the patient's search: got %d %v, want nothing of %s", r.status, r.entries(), note)
		}
		s.source.Intercept(nil)
	}
	s.has(letter(label))
	s.absent(demo.GP(), get(link))
	s.absent(own, get(ownLink))

	// An include by the source itself, and the text of a reference to the note.
	note := observation(label + `,` + ofD)
	report := `{"resourceType":"DiagnosticReport","id":"dr-note","status":"final","code":{"text":"visible"},` + ofD + `,"result":[{"reference":"Observation/obs-x","display":"CANARY"}]}`
	s.have(note, report)
	for _, caller := range []demo.Caller{own, demo.GP()} {
		s.given(caller, at("DiagnosticReport?patient=leak-d&_include=DiagnosticReport:result"), "DiagnosticReport/dr-note")
		s.given(caller, at("DiagnosticReport/dr-note"))
	}
	// A Bundle that marks all of its content.
	s.replies(func(self string) string {
		return `{"resourceType":"Bundle","type":"searchset",` + label + `,"link":[{"relation":"self","url":"` + self + `"}],"entry":[` + s.entry("match", observation(ofD)) + `]}`
	})
	s.finds(aboutD("Observation"), "a Bundle of notes")
}
