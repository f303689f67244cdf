package e2e_test

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/demo"
)

// TestWhomThePatientChoseHasNoNumber: a neighbour collects data for Karena, and the token brings the neighbour's citizen service number. The
// gateway knows the neighbour by what the issuer says beside it: the number, and the key that is made of numbers, are nowhere. A block names
// whichever of the two kinds of representatives it is about.
func TestWhomThePatientChoseHasNoNumber(t *testing.T) {
	t.Parallel()
	w := newNLGov(t)
	g, file := w.start(issuedAs(nlGov)...)
	karena, johanna := demo.Karena(), demo.Johanna()
	neighbour := demo.Person{Name: "a neighbour", BSN: "012345672", PatientID: "no-patient"}
	conditions := get("/fhir/demo/Condition")
	var told strings.Builder
	ask := func(token string, status int, reason, when string) audit.Event {
		t.Helper()
		r := g.ask(demo.Caller{}, conditions.as(token)).wantStatus(t, status, when)
		told.WriteString(r.body + fmt.Sprint(r.header))
		outcome := audit.OutcomePermit
		if status != http.StatusOK {
			outcome = audit.OutcomeDeny
		}
		return w.wantEvent(r, outcome, reason)
	}
	chosen, legal := onBehalf(t, neighbour, karena, "machtiging"), onBehalf(t, johanna, child, "ouderlijk-gezag")
	key := func(e audit.Event) string { return string(e.Actor.Representative) }
	theNeighbour := ask(chosen, http.StatusOK, "ok-representative", "the neighbour")
	if theNeighbour.Actor.Representative != w.chosen(t, neighbour) {
		t.Errorf("the event names %s, want the neighbour's pseudonym", theNeighbour.Actor.Representative)
	}
	view := g.ask(demo.Caller{}, get("/gateway/AuditEvent").as(own(t, karena))).wantStatus(t, http.StatusOK, "Karena's view")
	if told.WriteString(view.body); !strings.Contains(view.body, key(theNeighbour)) {
		t.Error("Karena does not see who asked for her")
	}
	// By the key that the event shows, for both kinds; and by what the issuer calls the neighbour.
	theParent := ask(legal, http.StatusOK, "ok-representative", "a parent")
	operate := func(of demo.Person, name string, args ...string) {
		t.Helper()
		told.WriteString(must(t, of.BSN+"\n"+name+"\n", append([]string{"person", "set", "--config", file}, args...)...))
	}
	for _, tt := range []struct {
		of                demo.Person
		name, token, when string
	}{
		{karena, key(theNeighbour), chosen, "the neighbour, by the key"},
		{karena, w.issuer.URL() + "|" + alias(neighbour), chosen, "the neighbour, by issuer and subject"},
		{child, key(theParent), legal, "a parent, by the key"},
	} {
		operate(tt.of, tt.name, "--block-representative")
		ask(tt.token, http.StatusForbidden, "representative-blocked", tt.when)
		operate(tt.of, tt.name, "--unblock-representative")
	}
	ask(chosen, http.StatusOK, "ok-representative", "the neighbour, who is not blocked any more")
	nowhere(t, w, g, told.String(), neighbour)

	// What was recorded before there were keys still holds: by number. It is not of this story's doing that the number is on file then.
	if err := w.change(karena.Identifier(), func(st *consent.Standing) error {
		st.Flags.RepresentativesBlocked = []string{neighbour.BSN}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	g = w.again(g, file)
	ask(chosen, http.StatusForbidden, "representative-blocked", "the neighbour, blocked by a number")
}

// nowhere wants the number of somebody, and any key that could be made of it, to be in nothing that the gateway keeps or tells: what it
// answered and told operators, its log, Redis' keys and files, and the archive. It ends the gateway.
func nowhere(t *testing.T, w *world, g *gateway, told string, somebody demo.Person) {
	t.Helper()
	number := somebody.BSN
	secrets := []string{number, strings.TrimLeft(number, "0"), base64.StdEncoding.EncodeToString([]byte(number)), string(w.store.Key(somebody.Identifier()))}
	find := func(where, text string) {
		t.Helper()
		if slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(text, secret) }) {
			t.Errorf("%s holds the number, or the key of it", where)
		}
	}
	_, metrics := g.admined("/metrics")
	find("what was told", told+metrics)
	keys, err := w.redis.Client().Keys(t.Context(), "*").Result()
	if err != nil || len(keys) < 5 {
		t.Fatalf("keys of Redis: %d, %v", len(keys), err)
	}
	find("a key of Redis", strings.Join(keys, "\n"))
	for _, e := range w.events() {
		find("an event", fmt.Sprintf("%+v", e))
	}
	g.stop()
	find("the log", g.out.String())
	for _, folder := range []string{w.redis.Folder(), filepath.Join(w.folder, "archive")} {
		read := 0
		err := fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(filepath.Join(folder, path))
			read += len(content)
			find(path, string(content))
			return err
		})
		if err != nil || read < 1000 {
			t.Errorf("%s: %d bytes, %v", folder, read, err)
		}
	}
	for _, id := range []demo.Person{demo.Karena()} { // what is sealed
		st, _, err := w.store.Standing(t.Context(), w.store.Key(id.Identifier()))
		if err != nil {
			t.Fatal(err)
		}
		find("what is on file", fmt.Sprintf("%+v", st))
	}
}
