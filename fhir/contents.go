package fhir

// Mode is Bundle.entry.search.mode (R4 §3.1.1.4).
type Mode string

// The search modes that the gateway knows. An entry with another one (outcome) is not among the contents: what it is there for is
// not known.
const (
	ModeMatch   Mode = "match"
	ModeInclude Mode = "include"
	// ModeUnsaid is the mode of an entry that has none, which is allowed: what it is follows from its type.
	ModeUnsaid Mode = ""
)

// Resource is what one resource of a response discloses, found in one strict pass over its bytes. Its zero value is
// unattributed and is never released. A resource that is neither attributed nor shared has nothing but type, id and mode.
type Resource struct {
	Type string
	ID   ID
	Mode Mode // of a search entry; ModeMatch for a read

	// Shared says that the type belongs to nobody (Practitioner, Organization, …): released only when a kept entry refers to it.
	Shared bool
	// Attributed says that exactly one local patient is named, and by the reference that decides membership. Patient is that
	// patient's id. A shared resource is never attributed.
	Attributed bool
	Patient    ID
	// Identifiers are the person identifiers (of the configured systems) found anywhere in the resource, Patient.link excepted.
	Identifiers []Identifier
	// Categories are all data categories it falls in, contained resources included; each must be permitted. Never empty for an
	// attributed resource; empty for a shared one unless a sensitive code or label adds one. Sorted.
	Categories []DataCategory
	// References are the local resources that it refers to, patients excepted.
	References []LocalReference
}

// PatientRecord is what the gateway learns of a patient from the source's own Patient resource. Dates are inclusive civil dates
// "YYYY-MM-DD"; a partial birth date gives the first and the last day that it may mean.
type PatientRecord struct {
	ID            ID
	Identifiers   []Identifier // current ones of the configured person systems
	BirthEarliest string       // "" where the source has no birth date
	BirthLatest   string
	Deceased      bool
	DiedEarliest  string // the first day that the death may have been on, of an instant the first that it was on anywhere; "" where none is said
	DiedLatest    string // the last
	Replaced      bool   // has a link of type replaced-by, or is not active
}

// Contents is what a response discloses. It is reused: each reading forgets the one before. It refers to the body that was read,
// which must not change until the contents have been rendered; its strings are copies and stay valid.
type Contents struct {
	Resources []Resource
	// Next and Self are the source's own links of a searchset, decoded and unchecked; "" when absent.
	Next, Self string

	walk    walk
	places  []place // of each resource
	texts   []byte  // all strings of the contents, until they are copied at once
	text    string  // that copy
	found   found
	results results
	seen    map[string]int
}

// textSpan is a place in Contents.texts.
type textSpan struct{ start, end int }

// place says where a resource and all that was found in it stand.
type place struct {
	at                                  span     // in the body
	name                                textSpan // Type/id
	patient                             textSpan
	references, identifiers, categories [2]int // in found and results
	edits, attachments                  [2]int // in walk
}

// marks are where what is found in a resource begins in the lists of a walk.
type marks struct{ edits, attachments int }

// found holds what all resources disclose, before the strings are known.
type found struct {
	references  []foundText // of types
	identifiers []foundText // of systems
}

// foundText is an id or a value, and the type or system that it belongs to.
type foundText struct {
	owner string
	text  textSpan
}

// results are what Resources refers to.
type results struct {
	references  []LocalReference
	identifiers []Identifier
	categories  []DataCategory
}

// reset forgets the response before, and takes the next one.
func (c *Contents) reset(r *Reader, body []byte) {
	c.Resources, c.Next, c.Self = c.Resources[:0], "", ""
	c.places, c.texts, c.text = c.places[:0], c.texts[:0], ""
	c.found.references, c.found.identifiers = c.found.references[:0], c.found.identifiers[:0]
	c.results.references, c.results.identifiers = c.results.references[:0], c.results.identifiers[:0]
	c.results.categories = c.results.categories[:0]
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	clear(c.seen)
	c.walk.reset(r, body)
}

// forget drops everything after an error, so that nothing of a body that was refused can be rendered.
func (c *Contents) forget() {
	r := c.walk.r
	c.reset(r, nil)
}

// keepText copies a string for later.
func (c *Contents) keepText(b []byte) textSpan {
	start := len(c.texts)
	c.texts = append(c.texts, b...)
	return textSpan{start, len(c.texts)}
}

// keepName copies the name of a resource for later.
func (c *Contents) keepName(typ string, id []byte) textSpan {
	start := len(c.texts)
	c.texts = append(append(append(c.texts, typ...), '/'), id...)
	return textSpan{start, len(c.texts)}
}

// Name is resource i as a local reference, Type/id.
func (c *Contents) Name(i int) string {
	name := c.places[i].name
	return c.text[name.start:name.end]
}

// settle makes the strings of all resources. They are one copy: the body is in pooled memory, and what is kept of a response (a
// patient's id in a cache) must not change with it.
func (c *Contents) settle(next, self textSpan) {
	c.text = string(c.texts)
	cut := func(s textSpan) string { return c.text[s.start:s.end] }
	for _, f := range c.found.references {
		c.results.references = append(c.results.references, LocalReference{f.owner, ID(cut(f.text))})
	}
	for _, f := range c.found.identifiers {
		c.results.identifiers = append(c.results.identifiers, Identifier{f.owner, cut(f.text)})
	}
	for i := range c.Resources {
		r, p := &c.Resources[i], &c.places[i]
		r.ID = ID(cut(p.name)[len(r.Type)+len("/"):])
		if !r.Attributed && !r.Shared {
			continue
		}
		r.Patient = ID(cut(p.patient))
		r.References = c.results.references[p.references[0]:p.references[1]:p.references[1]]
		r.Identifiers = c.results.identifiers[p.identifiers[0]:p.identifiers[1]:p.identifiers[1]]
		r.Categories = c.results.categories[p.categories[0]:p.categories[1]:p.categories[1]]
	}
	c.Next, c.Self = cut(next), cut(self)
}

// dropTwins drops resources that stand in a response twice: all of them where they differ, since a client would take either
// (JS-24), and all but the first where they are the same bytes.
func (c *Contents) dropTwins() {
	for i := range c.Resources {
		name := c.Name(i)
		first, twice := c.seen[name]
		if !twice {
			c.seen[name] = i
			continue
		}
		a, b := c.places[first].at, c.places[i].at
		if body := c.walk.body; string(body[a.start:a.end]) != string(body[b.start:b.end]) {
			c.drop(first)
		}
		c.drop(i)
	}
}

// drop leaves nothing of a resource but its name.
func (c *Contents) drop(i int) {
	r := &c.Resources[i]
	*r = Resource{Type: r.Type, ID: r.ID, Mode: r.Mode}
}
