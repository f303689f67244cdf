package property_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
	"zorgsluis/policy"
)

// housekeeping is what versions and sources of resources look like in these records.
var housekeeping = regexp.MustCompile(`"meta":\{"versionId":"[^"]*",`)

// row is one resource of a searchset.
type row struct {
	name string
	raw  []byte
}

// If everything is permitted, also Restricted, the gate returns what the source returns: the same resources in the same order, nothing
// lost or duplicated, and byte for byte if no edit is due.
func TestFullConsentIsTransparent(t *testing.T) {
	s := newStage(t, fhir.R4)
	m := newMaker(t, s)
	data, err := demo.Load()
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, demo.LoadSynthetic(2, 40)...)
	for i := range data {
		if i%3 > 0 { // without the housekeeping, which is always removed, most need no edit
			data[i] = housekeeping.ReplaceAll(data[i], []byte(`"meta":{`))
		}
	}
	if err := s.source.Add(data...); err != nil {
		t.Fatal(err)
	}
	everything := []string{}
	for _, c := range s.categories {
		everything = append(everything, string(c))
	}
	store := newMemory()
	people := append(demo.People(), demo.SyntheticPerson(0), demo.SyntheticPerson(1))
	for _, p := range people {
		store.put(p, consent.Record{Decision: consent.DecisionPermit, Party: consent.Side{Category: "gp"}, Data: everything})
	}
	gate, err := s.gate(store, map[string]policy.Subject{"gp": provider("gp")})
	if err != nil {
		t.Fatal(err)
	}
	compared, same := 0, 0
	for _, p := range people {
		if bytes.Contains(s.source.Resource("Patient/"+string(p.PatientID)), []byte(`"deceasedDateTime"`)) {
			continue // a consent ends with the person: nothing is released
		}
		for _, typ := range fhir.Types(fhir.R4) {
			for _, count := range []int{0, 7, 50} {
				query := fmt.Sprintf("%s?%s", typ, m.binding(typ, p.PatientID))
				if count > 0 {
					query += fmt.Sprintf("&_count=%d", count)
				}
				want := slices.DeleteFunc(s.direct(t, query), m.consentOnly)
				got := through(t, func(path string) reply { return ask(gate, "gp", request{method: "GET", path: path}) }, "/fhir/s/"+query)
				for i := range max(len(got), len(want)) {
					if i >= len(got) || i >= len(want) || got[i].name != want[i].name {
						t.Fatalf("%s: got %d rows, want %d; they differ at row %d", query, len(got), len(want), i)
					}
					compared++
					if s.changed(t, want[i], got[i]) {
						continue
					}
					if same++; !bytes.Equal(got[i].raw, want[i].raw) {
						t.Errorf("%s changed without an edit:\n got %s\nwant %s", want[i].name, got[i].raw, want[i].raw)
					}
				}
			}
		}
	}
	t.Logf("%d resources, %d of them without any edit", compared, same)
	if compared < 2000 || same < 200 {
		t.Errorf("compared %d resources, %d without an edit: too few to show anything", compared, same)
	}
}

// binding is the parameter by which a search for a type is about one patient.
func (m *maker) binding(typ string, id fhir.ID) string {
	switch {
	case typ == "Patient":
		return "_id=" + string(id)
	case slices.Contains(m.params[typ], param{"patient", "reference"}):
		return "patient=" + string(id)
	}
	return "subject=Patient/" + string(id)
}

// consentOnly reports a Consent that is no advance directive: no consent opens those, which have a route of their own.
func (m *maker) consentOnly(r row) bool {
	typ, id, _ := strings.Cut(r.name, "/")
	err := m.reader.Resource(r.raw, fhir.LocalReference{Type: typ, ID: fhir.ID(id)}, &m.contents)
	return err == nil && slices.Contains(m.contents.Resources[0].Categories, fhir.CategoryConsent)
}

// changed reports whether one of the edits (fhir.Edits) is due in a resource, and checks that nothing else changed: without the elements that
// may be edited, both are equal.
func (s *stage) changed(t *testing.T, want, got row) bool {
	t.Helper()
	decode := func(raw []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", want.name, err)
		}
		return v
	}
	whole, err := json.Marshal(decode(want.raw))
	if err != nil {
		t.Fatal(err)
	}
	before, after := stripped(decode(want.raw), nil), stripped(decode(got.raw), nil)
	if before != after {
		t.Errorf("%s: more was changed than the edits:\n got %s\nwant %s", want.name, after, before)
	}
	return before != string(whole)
}

// stripped renders a value without what edits may change. Numbers keep their digits.
func stripped(v any, path []string) string {
	switch v := v.(type) {
	case map[string]any:
		meta := len(path) > 0 && path[len(path)-1] == "meta"
		for name, value := range v {
			_, contained := v["resourceType"]
			switch {
			case meta && (name == "versionId" || name == "source"), contained && name == "link" && v["resourceType"] == "Patient":
				delete(v, name)
			case name == "url" && isAttachment(v):
				delete(v, name)
			default:
				v[name] = json.RawMessage(stripped(value, append(path, name)))
			}
		}
		if meta && len(v) == 0 {
			return "null"
		}
		for name, value := range v {
			if raw, ok := value.(json.RawMessage); ok && name == "meta" && string(raw) == "null" {
				delete(v, name)
			}
		}
	case []any:
		for i := range v {
			v[i] = json.RawMessage(stripped(v[i], path))
		}
	}
	b, _ := json.Marshal(v) // what was decoded can be marshalled
	return string(b)
}

func isAttachment(v map[string]any) bool {
	_, typed := v["contentType"]
	return typed
}

// direct searches the source itself, in pages of its own size.
func (s *stage) direct(t *testing.T, query string) []row {
	t.Helper()
	return through(t, func(path string) reply {
		r := httptest.NewRequest("GET", s.source.URL()+path, nil)
		rec := httptest.NewRecorder()
		s.source.ServeHTTP(rec, r)
		return reply{rec.Code, rec.Header(), rec.Body.String()}
	}, "/"+query)
}

// through follows the pages of a search and returns all rows.
func through(t *testing.T, get func(path string) reply, path string) []row {
	t.Helper()
	var rows []row
	seen := map[string]bool{}
	for path != "" {
		r := get(path)
		var b struct {
			Link  []struct{ Relation, URL string }
			Entry []struct{ Resource json.RawMessage }
		}
		if err := json.Unmarshal([]byte(r.body), &b); err != nil || r.status != 200 {
			t.Fatalf("%s: status %d %s", path, r.status, r.body[:min(300, len(r.body))])
		}
		for _, e := range b.Entry {
			var head struct{ ResourceType, ID string }
			if err := json.Unmarshal(e.Resource, &head); err != nil {
				t.Fatal(err)
			}
			name := head.ResourceType + "/" + head.ID
			if seen[name] {
				t.Fatalf("%s: %s is there twice", path, name)
			}
			seen[name] = true
			rows = append(rows, row{name, e.Resource})
		}
		path = ""
		for _, l := range b.Link {
			if i := strings.Index(l.URL, "/fhir"); l.Relation == "next" {
				path = strings.TrimPrefix(l.URL[i:], "/fhir?")
				if path != l.URL[i:] { // a page of the source, whose base is not of the request
					path = "?" + path
				}
			}
		}
	}
	return rows
}
