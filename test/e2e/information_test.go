package e2e_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/internal/demo"
)

// TestInformationIsServed: everybody can read what patients are shown before they choose, in their language; what a Consent says of it is what
// was served.
func TestInformationIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, text := range map[string]string{"sharing/1/nl": "Mag het?\n", "sharing/1/en": "May we?\n", "sharing/2/de": "Dürfen wir?\n"} {
		if err := os.MkdirAll(filepath.Join(w.folder, "texts", filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		w.write("texts/"+name+".txt", text)
	}
	g, _ := w.start("break_glass: {", "information: { folder: texts }\nbreak_glass: {")
	nobody := demo.Caller{}
	listed := g.ask(nobody, get("/gateway/information")).wantStatus(t, http.StatusOK, "list")
	var list struct {
		Information []struct{ ID, Version, Language, SHA256, URL string }
		Overview    []struct{ Language, SHA256, URL string }
	}
	if err := json.Unmarshal([]byte(listed.body), &list); err != nil || len(list.Information) != 3 || listed.header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %s %v", listed.body, err)
	}
	for _, one := range list.Information {
		r := g.ask(nobody, get(strings.TrimPrefix(one.URL, g.base))).wantStatus(t, http.StatusOK, one.URL)
		sum := sha256.Sum256([]byte(r.body))
		if hex.EncodeToString(sum[:]) != one.SHA256 || r.header.Get("ETag") != `"`+one.SHA256+`"` || r.header.Get("Content-Language") != one.Language ||
			r.header.Get("Repr-Digest") != "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" {
			t.Errorf("%s: got %q with %v", one.URL, r.body, r.header)
		}
		known := get(strings.TrimPrefix(one.URL, g.base))
		known.header = http.Header{"If-None-Match": {`"x", ` + r.header.Get("ETag")}}
		if r := g.ask(nobody, known).wantStatus(t, http.StatusNotModified, "known"); r.body != "" || r.header.Get("ETag") == "" {
			t.Errorf("known: got %q with %v", r.body, r.header)
		}
		// The Consent that names it is accepted, and one that names other bytes is not.
		johanna := demo.Johanna()
		naming := func(sha string) func(m) {
			return func(c m) {
				c["extension"].([]any)[1] = m{"url": "urn:zorgsluis:consent:information", "extension": []any{
					m{"url": "id", "valueString": one.ID}, m{"url": "version", "valueString": one.Version},
					m{"url": "language", "valueString": one.Language}, m{"url": "sha256", "valueString": sha},
				}}
			}
		}
		patient := demo.Patient("patient-johanna", johanna)
		g.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna, naming(one.SHA256)))).wantStatus(t, http.StatusCreated, "what was shown")
		g.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna, naming(strings.Repeat("0", 64))))).wantStatus(t, http.StatusUnprocessableEntity, "something else")
	}
	seen := map[string]bool{}
	for _, one := range list.Overview {
		r := g.ask(nobody, get(strings.TrimPrefix(one.URL, g.base))).wantStatus(t, http.StatusOK, one.URL)
		sum := sha256.Sum256([]byte(r.body))
		if hex.EncodeToString(sum[:]) != one.SHA256 || r.header.Get("ETag") != `"`+one.SHA256+`"` || r.header.Get("Content-Language") != one.Language ||
			!strings.Contains(r.body, demo.OrganizationSourceHolder) || strings.Contains(r.body, w.source.URL()) {
			t.Errorf("%s: got %q with %v", one.URL, r.body, r.header)
		}
		known := get(strings.TrimPrefix(one.URL, g.base))
		known.header = http.Header{"If-None-Match": {r.header.Get("ETag")}}
		g.ask(nobody, known).wantStatus(t, http.StatusNotModified, "the overview that is known")
		seen[one.Language] = true
	}
	if !seen["nl"] || !seen["en"] || len(seen) != 2 {
		t.Errorf("the overview is in %v, want Dutch and English", seen)
	}
	for _, tt := range []struct{ path, accept, want string }{
		{"overview", "", "nl"}, {"overview", "en-GB, nl;q=0.5", "en"}, {"overview", "fr", "nl"}, {"sharing/1", "de-AT, en;q=0.1", "en"}, {"sharing/1", "x-y;;q=,nl", "nl"},
		{"sharing/1", "", "nl"}, {"sharing/1", "en-GB,nl;q=0.5", "en"}, {"sharing/1", "fr, en;q=0.3, nl;q=0.7", "nl"}, {"sharing/1", "fr;q=x, *", "nl"},
		{"sharing/1?language=en", "nl", "en"}, {"sharing/2", "nl", "de"}, {"sharing/1", "en;q=0", "nl"},
	} {
		q := get("/gateway/information/" + tt.path)
		q.header = http.Header{"Accept-Language": {tt.accept}}
		if got := g.ask(nobody, q).wantStatus(t, http.StatusOK, tt.path).header; got.Get("Content-Language") != tt.want || got.Get("Vary") != "Accept-Language" {
			t.Errorf("%s, %q: got %v, want %s", tt.path, tt.accept, got, tt.want)
		}
	}
	for _, path := range []string{"/sharing", "/sharing/1/nl", "/sharing/3", "/sharing/1?language=fr", "/sharing/1?language=nl&language=en", "/sharing/1?x=y", "/overview/1", "/overview?language=fr", "/../secrets", "?x=y", "/"} {
		g.ask(nobody, get("/gateway/information"+path)).wantStatus(t, http.StatusNotFound, path)
	}
}

// TestProfilesAreServed: the definitions of Consent can be read where the capability statement says.
func TestProfilesAreServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	for _, id := range []string{"consent", "consent-information", "consent-data-category"} {
		r := g.ask(demo.Caller{}, get("/gateway/StructureDefinition/"+id)).wantStatus(t, http.StatusOK, id).resource(t)
		if r["resourceType"] != "StructureDefinition" || r["id"] != id {
			t.Errorf("%s: got %v %v", id, r["resourceType"], r["id"])
		}
	}
	g.ask(demo.Caller{}, get("/gateway/StructureDefinition/nothing")).wantStatus(t, http.StatusNotFound, "nothing")
	answer := g.ask(demo.Caller{}, get("/gateway/metadata")).wantStatus(t, http.StatusOK, "metadata")
	if !strings.Contains(answer.body, "urn:zorgsluis:StructureDefinition:consent") || !strings.Contains(answer.body, "/gateway/information") {
		t.Errorf("the statement does not tell of it: %s", answer.body)
	}
	var statement r4.CapabilityStatement
	if err := json.Unmarshal([]byte(answer.body), &statement); err != nil {
		t.Fatal(err)
	}
	operations := statement.Rest[0].Operation
	for _, typ := range statement.Rest[0].Resource {
		if len(typ.SupportedProfile) > 0 {
			t.Errorf("%s: says that what it writes has the profiles %v, of which nothing is tested", typ.Type, typ.SupportedProfile)
		}
		operations = append(operations, typ.Operation...)
	}
	if len(operations) != 4 {
		t.Errorf("got %d operations, want 4", len(operations))
	}
	for _, op := range operations {
		id := op.Definition[strings.LastIndexByte(op.Definition, ':')+1:]
		d := g.ask(demo.Caller{}, get("/gateway/OperationDefinition/"+id)).wantStatus(t, http.StatusOK, id).resource(t)
		if d["url"] != op.Definition || d["code"] != op.Name {
			t.Errorf("the operation %s is defined by %s, and that is %v, of %v", op.Name, op.Definition, d["url"], d["code"])
		}
	}
	g.ask(demo.Caller{}, get("/gateway/CodeSystem/audit-entity")).wantStatus(t, http.StatusOK, "a code system")
}
