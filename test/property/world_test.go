package property_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
	"zorgsluis/policy"
)

// object is a generated element of a resource.
type object = map[string]any

// entry is one resource of a world, and what the world's caller may see of it.
type entry struct {
	name string // "Type/id"
	raw  demo.Resource
	// owner is the person whose resource it is; -1 if it is nobody's or cannot be attributed.
	owner   int
	shared  bool
	visible bool // of a shared one: by its content alone
	refs    []string
	// medications are those it is about, which the caller must be permitted to see as well (leaks.md CA-6).
	medications []string
	decisive    bool // a Medication that hides what is about it, so that it cannot be removed unnoticed
}

// world is one population at a source, what its people consented to, and who asks.
type world struct {
	people   []demo.Person
	consents [][]consent.Record
	caller   policy.Subject
	entries  []entry
	removed  []string // hidden resources that the other source does not have
	asked    []action
	// allowed says of which person the caller may see anything.
	allowed []bool
}

// GoString is what rapid prints of a counterexample.
func (w world) GoString() string {
	var b strings.Builder
	fmt.Fprintf(&b, "caller %v %v\n", w.caller.Kind, w.caller.Categories)
	for i, records := range w.consents {
		for _, r := range records {
			fmt.Fprintf(&b, "consent of %s: %s %v\n", w.people[i].PatientID, r.Decision, r.Data)
		}
	}
	for _, e := range w.entries {
		mark := "hidden "
		switch {
		case slices.Contains(w.removed, e.name):
			mark = "REMOVED"
		case e.visible:
			mark = "visible"
		}
		fmt.Fprintf(&b, "%s %s\n", mark, e.raw)
	}
	for i, a := range w.asked {
		fmt.Fprintf(&b, "request %d: %s\n", i, a)
	}
	return b.String()
}

// maker makes worlds of one stage.
type maker struct {
	*stage
	vocabulary
	members  map[string]string // by type: the element that names the owner
	params   map[string][]param
	contents fhir.Contents
}

// world draws a world and the requests in it.
func (m *maker) world(t *rapid.T) world {
	w := world{}
	for i := range rapid.IntRange(2, 4).Draw(t, "people") {
		w.people = append(w.people, demo.SyntheticPerson(i))
		w.consents = append(w.consents, m.consents(t))
	}
	if rapid.IntRange(0, 3).Draw(t, "generous") > 0 { // worlds in which much is permitted show most
		w.consents[0] = append(w.consents[0], consent.Record{Decision: consent.DecisionPermit, Party: consent.Side{Category: "gp"}, Data: []string{"GGC002"}})
	}
	w.caller = provider("gp")
	if rapid.IntRange(0, 5).Draw(t, "patient asks") == 5 {
		w.caller = patient(w.people[0])
	}
	m.populate(t, &w)
	m.judge(&w)
	w.removed = m.remove(t, &w)
	w.asked = m.actions(t, &w)
	return w
}

// consents draws what one person decided about general practitioners.
func (m *maker) consents(t *rapid.T) []consent.Record {
	data := func() []string {
		names := []string{"GGC012", "GGC013", "GGC002", "Restricted"}
		for _, c := range m.categories {
			if c != fhir.CategoryConsent && c != fhir.CategoryLogging {
				names = append(names, string(c))
			}
		}
		return rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 8, rapid.ID).Draw(t, "data")
	}
	var records []consent.Record
	for range rapid.IntRange(0, 3).Draw(t, "consents") {
		r := consent.Record{Decision: consent.DecisionPermit, Party: consent.Side{Category: "gp"}, Data: data()}
		if rapid.IntRange(0, 3).Draw(t, "refusal") == 3 {
			r.Decision = consent.DecisionDeny
		}
		records = append(records, r)
	}
	return records
}

// joined draws a world of few types in which resources refer to each other often and some are hidden, and searches that include.
func (m *maker) joined(t *rapid.T) world {
	w := world{people: []demo.Person{demo.SyntheticPerson(0), demo.SyntheticPerson(1)}, consents: make([][]consent.Record, 2), caller: provider("gp")}
	w.consents[0] = []consent.Record{{Decision: consent.DecisionPermit, Party: consent.Side{Category: "gp"}, Data: []string{"GGC002"}}}
	m.persons(&w)
	from := rapid.SampledFrom(m.links).Draw(t, "link")
	types := []string{from.from, from.to}
	for range 2 {
		l := rapid.SampledFrom(m.links).Draw(t, "another link")
		types = append(types, l.from, l.to)
	}
	types = slices.DeleteFunc(types, func(typ string) bool { return m.members[typ] == "" })
	if len(types) == 0 {
		types = []string{"Observation"}
	}
	m.resources(t, &w, types, rapid.IntRange(6, 24).Draw(t, "resources"))
	m.judge(&w)
	w.removed = m.remove(t, &w)
	for range 4 {
		typ := rapid.SampledFrom(types).Draw(t, "searched")
		values := url.Values{"_count": {rapid.SampledFrom([]string{"3", "20"}).Draw(t, "_count")}}
		m.include(t, typ, values)
		w.asked = append(w.asked, action{request: request{method: "GET", path: "/fhir/s/Patient/" + string(w.people[0].PatientID) + "/" + typ + "?" + values.Encode()}})
		w.asked = append(w.asked, action{request: request{method: "GET"}, follow: 1_000_000})
	}
	return w
}

// populate draws people and resources.
func (m *maker) populate(t *rapid.T, w *world) {
	m.persons(w)
	served := slices.DeleteFunc(fhir.Types(m.version), func(typ string) bool { return typ == "Patient" })
	types := append(rapid.SliceOfNDistinct(rapid.SampledFrom(m.usual), 1, 4, rapid.ID).Draw(t, "types"), rapid.SampledFrom(served).Draw(t, "type"))
	m.resources(t, w, types, rapid.IntRange(3, 50).Draw(t, "resources"))
}

// persons adds the people's own resources, and a group of any of them.
func (m *maker) persons(w *world) {
	for i, p := range w.people {
		w.entries = append(w.entries, m.entry(object{
			"resourceType": "Patient", "id": string(p.PatientID), "birthDate": "1970-01-01",
			"identifier": []any{object{"system": demo.SystemBSN, "value": p.BSN}}, "name": []any{object{"family": fmt.Sprint("Name", i)}},
		}))
	}
	w.entries = append(w.entries, m.entry(object{"resourceType": "Group", "id": "g", "type": "person", "actual": true}))
}

// resources draws count resources of some types and of shared ones.
func (m *maker) resources(t *rapid.T, w *world, types []string, count int) {
	byType := map[string][]string{}
	var drawn []object
	for i := range count {
		typ := rapid.SampledFrom(types).Draw(t, "type")
		if rapid.IntRange(0, 5).Draw(t, "shared") > 3 {
			typ = rapid.SampledFrom(sharedTypes).Draw(t, "shared type")
		}
		// Ids are in random order, so that an order by id is not the order of the source.
		id := fmt.Sprintf("%c%d", 'a'+rapid.IntRange(0, 25).Draw(t, "letter"), i)
		r := object{"resourceType": typ, "id": id}
		drawn = append(drawn, r)
		byType[typ] = append(byType[typ], id)
		m.fill(t, w, r)
	}
	for _, r := range drawn {
		m.connect(t, r, byType)
		w.entries = append(w.entries, m.entry(r))
		if r["resourceType"] == "DocumentReference" && rapid.Bool().Draw(t, "attachment") {
			b := object{"resourceType": "Binary", "id": "b-" + r["id"].(string), "contentType": "text/plain", m.binaryData: "dGV4dA=="}
			m.label(t, b)
			w.entries = append(w.entries, m.entry(b))
			r["content"] = []any{object{"attachment": object{"contentType": "text/plain", "url": "Binary/b-" + r["id"].(string)}}}
			w.entries[len(w.entries)-2] = m.entry(r)
		}
	}
}

// fill gives a resource its patient, codes, dates, labels and contained resources.
func (m *maker) fill(t *rapid.T, w *world, r object) {
	typ := r["resourceType"].(string)
	m.label(t, r)
	if m.members[typ] == "" { // owned by nobody
		return
	}
	owner := max(0, rapid.IntRange(-2, len(w.people)-1).Draw(t, "owner"))
	subject := "Patient/" + string(w.people[owner].PatientID)
	if rapid.IntRange(0, 15).Draw(t, "odd subject") == 15 {
		subject = rapid.SampledFrom([]string{"Group/g", "Patient/absent", "http://other.example/fhir/Patient/1"}).Draw(t, "subject")
	}
	put(r, m.members[typ], object{"reference": subject})
	code := rapid.SampledFrom([]string{"c1", "c2", "c3", sensitiveCode}).Draw(t, "code")
	r["code"] = object{"coding": []any{object{"system": snomed, "code": code}}}
	date := fmt.Sprintf("2026-0%d-01", rapid.IntRange(1, 9).Draw(t, "month"))
	switch typ {
	case "Observation":
		r["effectiveDateTime"] = date
		category := rapid.SampledFrom([]string{"laboratory", "vital-signs", "survey", "unheard-of", ""}).Draw(t, "category")
		if category != "" {
			r["category"] = []any{object{"coding": []any{object{"system": m.categorySystem, "code": category}}}}
		}
	case "Condition":
		r["recordedDate"], r["assertedDate"] = date, date // one of R4, the other of STU3
	case "MedicationRequest":
		r["authoredOn"] = date
	case "Encounter":
		r["period"] = object{"start": date}
		delete(r, "code")
	}
	if rapid.IntRange(0, 9).Draw(t, "contained") == 9 {
		inner := object{"resourceType": rapid.SampledFrom([]string{"Condition", "Medication", "Observation"}).Draw(t, "contained type"), "id": "in"}
		inner["code"] = object{"coding": []any{object{"system": snomed, "code": rapid.SampledFrom([]string{"c1", sensitiveCode}).Draw(t, "contained code")}}}
		r["contained"] = []any{inner}
	}
	if rapid.IntRange(0, 15).Draw(t, "names") == 15 { // a person's number in somebody else's resource
		p := w.people[rapid.IntRange(0, len(w.people)-1).Draw(t, "named")]
		r["extension"] = []any{object{"url": "urn:x", "valueIdentifier": object{"system": demo.SystemBSN, "value": p.BSN}}}
	}
}

// label draws a security label.
func (m *maker) label(t *rapid.T, r object) {
	if code := rapid.SampledFrom([]string{"", "", "", "", "N", "R", "V", "unheard-of"}).Draw(t, "label"); code != "" {
		r["meta"] = object{"security": []any{object{"system": m.labelSystem, "code": code}}}
	}
}

// connect draws references to other resources.
func (m *maker) connect(t *rapid.T, r object, byType map[string][]string) {
	for _, l := range m.links {
		if l.from != r["resourceType"] || len(byType[l.to]) == 0 {
			continue
		}
		for range rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(t, l.path) {
			put(r, l.path, m.reference(t, l.to+"/"+rapid.SampledFrom(byType[l.to]).Draw(t, "to")))
		}
	}
	if contained, ok := r["contained"].([]any); ok && len(byType["Organization"]) > 0 {
		put(contained[0].(object), "manufacturer", m.reference(t, "Organization/"+rapid.SampledFrom(byType["Organization"]).Draw(t, "manufacturer")))
	}
}

// reference draws the form of a reference.
func (m *maker) reference(t *rapid.T, name string) object {
	switch rapid.IntRange(0, 11).Draw(t, "form") {
	case 9:
		return object{"reference": m.source.URL() + "/" + name}
	case 10:
		return object{"reference": name + "/_history/1"}
	case 11:
		typ, id, _ := strings.Cut(name, "/")
		return object{"type": typ, "identifier": object{"system": "urn:ids", "value": id}, "display": "text"}
	}
	return object{"reference": name, "display": "text"}
}

// put sets or adds a value at a dotted path; "[]" after a name is a list.
func put(to object, path string, value any) {
	name, rest, deeper := strings.Cut(path, ".")
	name, list := strings.CutSuffix(name, "[]")
	if deeper {
		inner, there := to[name].(object)
		if !there {
			inner = object{}
		}
		put(inner, rest, value)
		value = inner
	}
	if list {
		others, _ := to[name].([]any)
		value = append(others, value)
	}
	to[name] = value
}

// references matches the names in references of the forms that reference draws.
var references = regexp.MustCompile(`"reference":"(?:http://[^"]*/)?([A-Z][A-Za-z]+/[A-Za-z0-9-]+)(?:/_history/1)?"`)

// entry renders a resource.
func (m *maker) entry(r object) entry {
	raw, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and maps can always be marshalled
	}
	return entry{name: fmt.Sprintf("%s/%s", r["resourceType"], r["id"]), raw: raw, owner: -1}
}

// judge determines what the caller may see, from what the resource discloses and the policy.
func (m *maker) judge(w *world) {
	permitted := make([]map[fhir.DataCategory]bool, len(w.people))
	w.allowed = make([]bool, len(w.people))
	shown := map[string][]bool{} // of each Medication: about whom it may be seen
	store := w.store()
	for i, p := range w.people {
		permitted[i] = map[fhir.DataCategory]bool{}
		for _, c := range m.categories {
			permitted[i][c] = m.decide(w.caller, store, p, c)
			w.allowed[i] = w.allowed[i] || permitted[i][c]
		}
	}
	for n := range w.entries {
		e := &w.entries[n]
		typ, id, _ := strings.Cut(e.name, "/")
		if typ == "Binary" || typ == "Group" {
			continue
		}
		if err := m.reader.Resource(e.raw, fhir.LocalReference{Type: typ, ID: fhir.ID(id)}, &m.contents); err != nil {
			panic(fmt.Sprintf("%v: %s", err, e.raw))
		}
		r := m.contents.Resources[0]
		e.shared = r.Shared
		for _, ref := range references.FindAllStringSubmatch(string(e.raw), -1) {
			e.refs = append(e.refs, ref[1])
		}
		for i, p := range w.people {
			if r.Attributed && r.Patient == p.PatientID {
				e.owner = i
			}
		}
		all := func(permitted map[fhir.DataCategory]bool) bool {
			return !slices.ContainsFunc(r.Categories, func(c fhir.DataCategory) bool { return !permitted[c] })
		}
		if typ == "Medication" {
			for i := range w.people {
				shown[e.name] = append(shown[e.name], r.Shared && len(r.Identifiers) == 0 && all(permitted[i]))
			}
		}
		if e.shared { // the person whose resource leads to it decides on its content
			e.visible = len(r.Identifiers) == 0 && slices.ContainsFunc(permitted, all)
			continue
		}
		if e.owner < 0 {
			continue
		}
		e.visible = all(permitted[e.owner])
		for _, identifier := range r.Identifiers {
			e.visible = e.visible && identifier.Value == w.people[e.owner].BSN
		}
		for _, ref := range r.References {
			if ref.Type == "Medication" && fhir.NamesMedication(m.version, typ) {
				e.medications = append(e.medications, "Medication/"+string(ref.ID))
			}
		}
	}
	w.judgeMedications(shown)
	w.judgeBinaries()
}

// judgeMedications hides what is about a Medication that may not be seen.
func (w *world) judgeMedications(shown map[string][]bool) {
	for n := range w.entries {
		e := &w.entries[n]
		for _, name := range e.medications {
			if may := shown[name]; e.visible && !e.shared && may != nil && !may[e.owner] {
				e.visible = false
				i := slices.IndexFunc(w.entries, func(m entry) bool { return m.name == name })
				w.entries[i].decisive = true
			}
		}
	}
}

// judgeBinaries gives documents the visibility of what contains them. Their own labels are checked by the gate alone, so a labelled
// document counts neither as hidden nor as visible.
func (w *world) judgeBinaries() {
	for i := range w.entries {
		if e := &w.entries[i]; strings.HasPrefix(e.name, "Binary/") {
			holder := w.entries[i-1]
			e.owner, e.visible = holder.owner, holder.visible
		}
	}
}

// decide applies the policy to one data category of one person.
func (m *maker) decide(caller policy.Subject, store *memory, p demo.Person, c fhir.DataCategory) bool {
	key := store.Key(p.Identifier())
	r := policy.Request{
		Actor: policy.Actor{
			Kind: caller.Kind, Assurance: caller.Assurance, Categories: caller.Categories, Organization: caller.Organization,
			Practitioner: caller.Practitioner, Relationship: caller.Relationship,
		},
		Purpose: caller.Purposes[0], Channel: caller.Channel, Category: c,
		Holder: policy.Holder{Organization: "ura:00000001", Category: "hospital"},
	}
	if caller.Kind == policy.KindPatient {
		r.Actor.PatientKey = store.Key(caller.Person)
	}
	return m.policy.Decide(policy.Input{
		At: now, Request: r, Records: store.standings[key].Records, Patient: policy.Patient{Key: key, BirthDate: "1970-01-01"},
	}).Permit
}

// store stores the consents.
func (w *world) store() *memory {
	store := newMemory()
	for i, p := range w.people {
		if len(w.consents[i]) > 0 {
			store.put(p, w.consents[i]...)
		}
	}
	return store
}

// remove draws the hidden resources that the other source does not have. The Patient of whom something is visible stays: without it
// there is nobody to ask about.
func (m *maker) remove(t *rapid.T, w *world) []string {
	referred := map[string]bool{}
	for _, e := range w.entries {
		if e.visible && !e.shared {
			for _, ref := range e.refs {
				referred[ref] = true
			}
		}
	}
	for range w.entries { // shared ones to which shared ones lead
		for _, e := range w.entries {
			if e.shared && e.visible && referred[e.name] {
				for _, ref := range e.refs {
					referred[ref] = true
				}
			}
		}
	}
	var hidden []string
	for _, e := range w.entries {
		switch {
		case e.visible && !e.shared, e.visible && referred[e.name], e.decisive, e.name == "Group/g":
		case strings.HasPrefix(e.name, "Patient/") && w.allowed[e.owner]:
		default:
			hidden = append(hidden, e.name)
		}
	}
	if len(hidden) == 0 {
		return nil
	}
	if rapid.Bool().Draw(t, "remove all hidden") {
		return hidden
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(hidden), 1, len(hidden), rapid.ID).Draw(t, "removed")
}
