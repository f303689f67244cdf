package fhir

// Mode is Bundle.entry.search.mode (R4 §3.1.1.4).
type Mode string

// The search modes that the gateway keeps. Entries with another one (outcome) are left out: what they are for is not known.
const (
	ModeMatch   Mode = "match"
	ModeInclude Mode = "include"
	// ModeUnsaid is the mode of an entry that has none, which is allowed: what it is follows from its type.
	ModeUnsaid Mode = ""
)

// Resource is what one resource of a response discloses, found in one strict pass over its bytes. The zero value is unattributed
// and never released. A resource that is neither attributed nor shared has only type, id and mode.
// Several resources may have the same memory for a list: whoever changes one makes a copy first.
type Resource struct {
	Type string
	ID   ID
	Mode Mode // of a search entry; ModeMatch for a read

	// Shared means that the type belongs to no patient (Practitioner, Organization, …): released only when a kept entry refers to it.
	Shared bool
	// Attributed means that exactly one local patient is named, by the reference that decides membership; Patient is its id. A
	// shared resource is never attributed.
	Attributed bool
	Patient    ID
	// Identifiers are the person identifiers (of the configured systems) found anywhere in the resource except Patient.link.
	Identifiers []Identifier
	// Categories are all data categories of the resource and its contained resources; each must be permitted. Never empty for an
	// attributed resource; empty for a shared one unless a sensitive code or label adds one. Sorted.
	Categories []DataCategory
	// References are the local resources that it refers to, except patients.
	References []LocalReference
}

// PatientRecord is what the gateway learns about a patient from the source's own Patient resource. Dates are inclusive civil dates
// "YYYY-MM-DD"; a partial birth date gives the first and the last day that it may mean.
type PatientRecord struct {
	ID            ID
	Identifiers   []Identifier // current ones of the configured person systems
	BirthEarliest string       // "" where the source has no birth date
	BirthLatest   string
	Deceased      bool
	DiedEarliest  string // the first possible day of death, for an instant in any time zone; "" if not given
	DiedLatest    string // the last such day
	Replaced      bool   // has a link of type replaced-by, or is not active
}

// Contents is what a response discloses. It is reusable: each read discards the previous one. It refers to the body, which must not
// change until the contents have been rendered; its strings are copies and stay valid.
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

// textSpan is a range in Contents.texts.
type textSpan struct{ start, end int }

// place locates a resource and what was found in it.
type place struct {
	at                                  span     // in the body
	name                                textSpan // Type/id
	patient                             textSpan
	references, identifiers, categories [2]int // ranges in found and results
	edits, attachments                  [2]int // ranges in walk
}

// marks are the starts of a resource's entries in the lists of a walk.
type marks struct{ edits, attachments int }

// found holds what all resources disclose, until settle makes the strings.
type found struct {
	references  []foundText // owned by types
	identifiers []foundText // owned by systems
}

// foundText is an id or a value, and the type or system that it belongs to.
type foundText struct {
	owner string
	text  textSpan
}

// results holds the slices that Resources refers to.
type results struct {
	references  []LocalReference
	identifiers []Identifier
	categories  []DataCategory
}

// reset discards the previous response and takes the next one.
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

// forget drops everything after an error, so that nothing of a refused body can be rendered.
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

// settle makes the strings of all resources, as parts of one copy: the body is in pooled memory, and what outlives a response (a
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

// dropTwins drops resources that occur more than once in a response: all of them if they differ, since a client could take either
// (JS-24), and all but the first if they are identical.
func (c *Contents) dropTwins() {
	for i := range c.Resources {
		c.seen[c.Name(i)] = i
	}
	if len(c.seen) == len(c.Resources) {
		return // all differ
	}
	clear(c.seen)
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

// drop clears a resource except for type, id and mode.
func (c *Contents) drop(i int) {
	r := &c.Resources[i]
	*r = Resource{Type: r.Type, ID: r.ID, Mode: r.Mode}
}
