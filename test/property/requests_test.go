package property_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// param is a search parameter of the closed grammar, as in the gate's CapabilityStatement.
type param struct{ name, kind string }

// makers are the makers of all versions.
type makers []*maker

func newMakers(t *testing.T) makers {
	t.Helper()
	return makers{newMaker(t, newStage(t, fhir.R4)), newMaker(t, newStage(t, fhir.STU3))}
}

// draw draws a world of one of the versions.
func (all makers) draw(t *rapid.T, draw func(*maker, *rapid.T) world) (*maker, world) {
	m := all[rapid.IntRange(0, len(all)-1).Draw(t, "version")]
	return m, rapid.Custom(func(t *rapid.T) world { return draw(m, t) }).Draw(t, "world")
}

// newMaker gets the elements and parameters from the gate and the reader.
func newMaker(t *testing.T, s *stage) *maker {
	t.Helper()
	m := &maker{stage: s, vocabulary: vocabularies[s.version], members: map[string]string{}, params: map[string][]param{}}
	for _, typ := range fhir.Types(s.version) {
		for _, path := range []string{"subject", "subject[]", "patient", "beneficiary", "participant[].actor", "actor", "deliverTo"} {
			r := object{"resourceType": typ, "id": "x"}
			put(r, path, object{"reference": "Patient/p"})
			err := s.reader.Resource(m.entry(r).raw, fhir.LocalReference{Type: typ, ID: "x"}, &m.contents)
			if err == nil && m.contents.Resources[0].Attributed && typ != "Patient" {
				m.members[typ] = path
			}
		}
		if m.members[typ] == "" && typ != "Patient" {
			t.Fatalf("no known element says whose a %s is", typ)
		}
	}
	gate, err := s.gate(newMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var statement struct {
		Rest []struct {
			Resource []struct {
				Type        string
				SearchParam []struct{ Name, Type string }
			}
		}
	}
	if err := json.Unmarshal([]byte(ask(gate, "", request{method: "GET", path: "/fhir/s/metadata"}).body), &statement); err != nil {
		t.Fatal(err)
	}
	for _, r := range statement.Rest[0].Resource {
		for _, p := range r.SearchParam {
			m.params[r.Type] = append(m.params[r.Type], param{p.Name, p.Type})
		}
	}
	return m
}

// action is one step of a transcript: a request, or a link of an earlier answer.
type action struct {
	request
	follow int // > 0: the link of this number, modulo the links seen so far
}

// String implements fmt.Stringer.
func (a action) String() string {
	if a.follow > 0 {
		return fmt.Sprintf("%s link %d", a.method, a.follow)
	}
	return strings.TrimSpace(a.method + " " + a.path + " " + a.body)
}

// actions draws the requests.
func (m *maker) actions(t *rapid.T, w *world) []action {
	var all []action
	for range rapid.IntRange(1, 12).Draw(t, "requests") {
		one := m.action(t, w)
		all = append(all, one)
		if one.follow == 0 && strings.Contains(one.path+one.body, "_count") {
			for range rapid.IntRange(0, 3).Draw(t, "pages") {
				all = append(all, action{request: request{method: "GET"}, follow: 1_000_000}) // the newest link
			}
		}
	}
	return all
}

func (m *maker) action(t *rapid.T, w *world) action {
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0, 1:
		return action{request: request{method: m.method(t), path: "/fhir/s/" + m.target(t, w)}}
	case 2:
		return action{request: request{method: m.method(t), accept: rapid.SampledFrom([]string{"", "application/fhir+json"}).Draw(t, "accept")}, follow: rapid.IntRange(1, 9).Draw(t, "link")}
	case 3:
		return action{request: m.batch(t, w)}
	case 4:
		p := m.person(t, w)
		path := fmt.Sprintf("/fhir/s/Patient/%s/$everything%s", w.people[p].PatientID, m.count(t, "?"))
		return action{request: request{method: "GET", path: path}}
	case 5:
		p := m.person(t, w)
		path := fmt.Sprintf("/fhir/s/Observation/$lastn?patient=%s&max=%d", w.people[p].PatientID, rapid.IntRange(1, 3).Draw(t, "max"))
		return action{request: request{method: "GET", path: path}}
	}
	path, query := m.search(t, w)
	if rapid.Bool().Draw(t, "by POST") {
		return action{request: request{
			method: "POST", path: "/fhir/s/" + path + "/_search", contentType: "application/x-www-form-urlencoded", body: query,
		}}
	}
	return action{request: request{method: m.method(t), path: "/fhir/s/" + path + "?" + query}}
}

func (m *maker) method(t *rapid.T) string {
	return rapid.SampledFrom([]string{"GET", "GET", "GET", "HEAD"}).Draw(t, "method")
}

func (m *maker) person(t *rapid.T, w *world) int {
	return max(0, rapid.IntRange(-2, len(w.people)-1).Draw(t, "person"))
}

// target draws what is read, which may not exist.
func (m *maker) target(t *rapid.T, w *world) string {
	name := rapid.SampledFrom(w.entries).Draw(t, "target").name
	switch rapid.IntRange(0, 7).Draw(t, "read") {
	case 7:
		return name + "-absent"
	case 6:
		return name + "/_history/" + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version")
	}
	return name
}

// batch draws reads and searches in one Bundle.
func (m *maker) batch(t *rapid.T, w *world) request {
	var entries []object
	for range rapid.IntRange(1, 5).Draw(t, "entries") {
		target := m.target(t, w)
		if rapid.Bool().Draw(t, "search") {
			path, query := m.search(t, w)
			target = path + "?" + query
		}
		entries = append(entries, object{"request": object{"method": "GET", "url": target}})
	}
	body, err := json.Marshal(object{"resourceType": "Bundle", "type": "batch", "entry": entries})
	if err != nil {
		panic(err) // strings and maps can always be marshalled
	}
	return request{method: "POST", path: "/fhir/s", contentType: "application/fhir+json", body: string(body)}
}

// search draws a search of the closed grammar about one person.
func (m *maker) search(t *rapid.T, w *world) (path, query string) {
	names := make([]string, 0, len(w.entries))
	for _, e := range w.entries {
		if typ, _, _ := strings.Cut(e.name, "/"); m.params[typ] != nil {
			names = append(names, typ)
		}
	}
	typ := rapid.SampledFrom(names).Draw(t, "searched")
	p := m.person(t, w)
	values := url.Values{}
	switch naming := rapid.IntRange(0, 3).Draw(t, "naming"); {
	case typ == "Patient" && naming < 2:
		values.Set("_id", string(w.people[p].PatientID))
	case typ == "Patient":
		values.Set("identifier", demo.SystemBSN+"|"+w.people[p].BSN)
	case !slices.Contains(m.params[typ], param{"patient", "reference"}):
		return "Patient/" + string(w.people[p].PatientID) + "/" + typ, m.narrow(t, w, typ, values)
	case naming == 0:
		values.Set("patient.identifier", demo.SystemBSN+"|"+w.people[p].BSN)
	default:
		values.Set("patient", string(w.people[p].PatientID))
	}
	return typ, m.narrow(t, w, typ, values)
}

// narrow adds parameters that filter, order and include.
func (m *maker) narrow(t *rapid.T, w *world, typ string, values url.Values) string {
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "filters") {
		p := rapid.SampledFrom(m.params[typ]).Draw(t, "parameter")
		if !values.Has(p.name) && p.name != "patient" && p.name != "subject" && typ != "Patient" {
			values.Set(p.name, m.value(t, w, p))
		}
	}
	m.include(t, typ, values)
	if rapid.IntRange(0, 2).Draw(t, "sorted") == 2 {
		values.Set("_sort", rapid.SampledFrom([]string{"_id", "-_id", "date", "-date", "_lastUpdated"}).Draw(t, "_sort"))
	}
	return values.Encode() + m.count(t, "&")
}

// include adds includes: of matches, of what refers to matches, and iterated ones; with and without their target type.
func (m *maker) include(t *rapid.T, typ string, values url.Values) {
	add := func(name string, most int, fits func(link) bool) {
		var some []link
		for _, l := range m.links {
			if l.param != "" && fits(l) {
				some = append(some, l)
			}
		}
		for range min(rapid.SampledFrom([]int{most, most, 0}).Draw(t, name), len(some)) {
			l := rapid.SampledFrom(some).Draw(t, name)
			value := l.from + ":" + l.param
			if rapid.Bool().Draw(t, "typed") {
				value += ":" + l.to
			}
			if !slices.Contains(values[name], value) {
				values.Add(name, value)
			}
		}
	}
	add("_include", 3, func(l link) bool { return l.from == typ })
	add("_revinclude", 2, func(l link) bool { return l.to == typ })
	add("_include:iterate", 3, func(l link) bool { return l.from == typ || values.Has("_include") || values.Has("_revinclude") })
}

func (m *maker) value(t *rapid.T, w *world, p param) string {
	switch p.kind {
	case "date":
		return rapid.SampledFrom([]string{"ge2026-03-01", "lt2026-06", "2026", "2026-02-01"}).Draw(t, "date")
	case "reference":
		return rapid.SampledFrom(w.entries).Draw(t, "reference").name
	case "quantity", "number":
		return "gt1"
	case "token":
		if p.name == "_id" {
			_, id, _ := strings.Cut(rapid.SampledFrom(w.entries).Draw(t, "id").name, "/")
			return id
		}
		return rapid.SampledFrom([]string{snomed + "|c1", snomed + "|" + sensitiveCode, "c2,c3", m.categorySystem + "|laboratory", "survey"}).Draw(t, "token")
	}
	return "a"
}

// count draws a page size such that a world has fewer hidden rows than one page of ours may take from the source (proxy/plan.go, maxExtraPages).
func (m *maker) count(t *rapid.T, before string) string {
	count := rapid.SampledFrom([]int{0, 1, 2, 3, 5, 20}).Draw(t, "_count")
	if count == 0 {
		return ""
	}
	return fmt.Sprintf("%s_count=%d", before, count)
}

// transcript sends all requests in order and returns what the caller got, with sealed links replaced by their length.
func (w *world) transcript(gate http.Handler) []string {
	var links, all []string
	for _, a := range w.asked {
		q := a.request
		if a.follow > 0 {
			if len(links) == 0 {
				all = append(all, "no link yet")
				continue
			}
			q.path = links[min(a.follow, len(links))-1]
		}
		r := ask(gate, "caller", q)
		r.header.Del("X-Request-Id")
		r.header.Del("Date")
		for _, found := range sealed.FindAllStringSubmatch(r.body, -1) {
			if links = append(links, strings.TrimPrefix(found[0], publicURL)); strings.HasSuffix(found[0], q.path) {
				links = links[:len(links)-1] // the page's own
			}
		}
		all = append(all, fmt.Sprintf("%d %v\n%s", r.status, r.header, sealed.ReplaceAllStringFunc(r.body, func(link string) string {
			return fmt.Sprintf("%s<sealed, %d characters>", sealed.FindStringSubmatch(link)[1], len(link))
		})))
	}
	return all
}
