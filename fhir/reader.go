package fhir

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The default limits of a Reader.
const (
	defaultMaxDepth   = 64
	defaultMaxEntries = 5000
)

// ReaderOptions configures a Reader.
type ReaderOptions struct {
	Version Version
	// Base is the source's FHIR base URL, exactly as the source writes it, without a trailing slash.
	Base string
	// PersonSystems are the identifier systems that identify persons (the BSN).
	PersonSystems []string
	Classifier    *Classifier
	// MaxDepth bounds the nesting of objects and arrays, MaxEntries the entries of a searchset; 0 means 64 and 5000.
	MaxDepth, MaxEntries int
}

// Reader determines what the responses of one source disclose. It is immutable and safe for concurrent use.
type Reader struct {
	base       string
	host       sourceHost
	persons    []string                // with their aliases, sorted
	systems    map[string]*systemFacts // by plainSystem
	classifier *Classifier
	maxDepth   int
	maxEntries int
	labels     string // the code system whose labels can mean that nothing is restricted

	lexicon   *lexicon
	decides   [256]bool // by keyword: does the element decide membership
	types     map[string]*readType
	typeNames []string // by readType.number
}

// readType is what a Reader knows about a resource type.
type readType struct {
	name    string
	number  uint16
	class   Class
	patient bool
	member  [][]keyword // paths of the references that decide membership
	shapes  []elementShape
	rules   *typeCategories
}

// elementShape is the standard shape of an element that may refer to a patient or that classifies: bit n of lists is set if
// path[n-1] is a list.
type elementShape struct {
	path  []keyword
	lists uint8
}

// NewReader checks the options and creates a Reader.
func NewReader(o ReaderOptions) (*Reader, error) {
	table := tableOf(o.Version)
	switch {
	case table == nil:
		return nil, errors.New("reader: no such FHIR version")
	case o.Classifier == nil || o.Classifier.version != o.Version:
		return nil, errors.New("reader: no classifier of this FHIR version")
	case o.MaxDepth < 0 || o.MaxDepth > 1000 || o.MaxEntries < 0:
		return nil, errors.New("reader: limits out of range")
	}
	host, err := parseSourceHost(o.Base)
	if err != nil {
		return nil, fmt.Errorf("reader: %w", err)
	}
	r := &Reader{
		base: o.Base, host: host, persons: personSystems(o.PersonSystems), classifier: o.Classifier,
		maxDepth: o.MaxDepth, maxEntries: o.MaxEntries, labels: confidentiality(o.Version),
		lexicon: newLexicon(), types: make(map[string]*readType, len(table.types)), typeNames: []string{""},
	}
	r.systems = systemsOf(r.classifier, r.persons)
	if r.maxDepth == 0 {
		r.maxDepth = defaultMaxDepth
	}
	if r.maxEntries == 0 {
		r.maxEntries = defaultMaxEntries
	}
	for _, name := range slices.Sorted(maps.Keys(table.types)) {
		rule := table.types[name]
		t := &readType{
			name: name, number: uint16(len(r.typeNames)), class: rule.class, patient: name == typePatient, rules: o.Classifier.types[name],
		}
		r.typeNames = append(r.typeNames, name)
		for _, path := range rule.member {
			t.member = append(t.member, r.memberPath(path))
		}
		for _, path := range slices.Sorted(maps.Keys(rule.shapes)) {
			t.shapes = append(t.shapes, r.elementShape(rule.shapes[path]))
		}
		r.types[name] = t
	}
	return r, nil
}

// personSystems returns the systems with their aliases: an identifier is recognized under each of them.
func personSystems(systems []string) (all []string) {
	for _, system := range systems {
		all = append(all, system)
		if PersonSystem(system) == bsnSystems[0] {
			all = append(all, bsnSystems...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// memberPath turns a dotted path of the table into keywords, and marks the last one as deciding membership.
func (r *Reader) memberPath(path string) []keyword {
	var kws []keyword
	for name := range strings.SplitSeq(path, ".") {
		kws = append(kws, r.lexicon.member(name))
	}
	r.decides[kws[len(kws)-1]] = true
	return kws
}

// elementShape turns a shape of the table into keywords.
func (r *Reader) elementShape(shape string) elementShape {
	var s elementShape
	for name := range strings.SplitSeq(shape, ".") {
		name, list := strings.CutSuffix(name, "[]")
		s.path = append(s.path, r.lexicon.member(name))
		if list {
			s.lists |= 1 << len(s.path)
		}
	}
	return s
}

// hasShape reports whether a path has lists exactly where the standard has them. A path that is not in the table may have any
// shape.
func (t *readType) hasShape(path []keyword, lists uint8) bool {
	for _, s := range t.shapes {
		if slices.Equal(s.path, path) {
			return s.lists == lists
		}
	}
	return true
}

// Resource reads the response to a read: the resource with exactly this type and id. Anything else is an ErrContent.
func (r *Reader) Resource(body []byte, want LocalReference, dst *Contents) error {
	err := r.read(body, dst, dst.resource)
	if err != nil {
		return err
	}
	if got := dst.Resources[0]; (LocalReference{got.Type, got.ID}) != want {
		dst.forget()
		return contentError("another resource than was asked")
	}
	return nil
}

// Searchset reads the response to a search: a Bundle of type searchset. Entries without a resource, and entries with a search mode
// other than match or include, are left out.
func (r *Reader) Searchset(body []byte, dst *Contents) error {
	return r.read(body, dst, dst.searchset)
}

// read makes one pass over the body; parse reads the top-level value.
func (r *Reader) read(body []byte, dst *Contents, parse func(i int) int) error {
	dst.reset(r, body)
	w := &dst.walk
	switch {
	case len(body) >= 1<<31:
		w.fail(errTooLarge)
	case !utf8.Valid(body):
		w.fail(errUTF8)
	default:
		i := w.space(0)
		if w.at(i) != '{' {
			w.fail(errSyntax)
			break
		}
		if i = parse(i); i >= 0 && w.space(i) != len(body) {
			w.fail(errTrailing)
		}
	}
	if w.err != nil {
		err := w.err
		dst.forget()
		return err
	}
	return nil
}

// resource reads a body that is a single resource.
func (c *Contents) resource(i int) int {
	if i = c.entryResource(i, ModeMatch, c.walk.alone); i < 0 {
		return -1
	}
	c.settle(textSpan{}, textSpan{})
	return i
}

// entryResource reads one resource and judges it.
func (c *Contents) entryResource(i int, mode Mode, read func(i int) int) int {
	w := &c.walk
	w.facts.reset()
	from := marks{len(w.edits), len(w.attachments)}
	end := read(i)
	if end < 0 {
		return -1
	}
	at, broken := span{uint32(i), uint32(end)}, contentError("")
	if p := w.precedents.followed; p != nil {
		broken = c.judgeAlong(p, at, from, mode)
	} else {
		broken = c.judge(at, from, mode)
	}
	if broken != "" {
		return w.fail(broken)
	}
	return end
}

// alone reads a resource along no other.
func (w *walk) alone(i int) int {
	i, _ = w.object(i, 0)
	return i
}

// reset prepares the walk for the next body.
func (w *walk) reset(r *Reader, body []byte) {
	w.scanner = scanner{body: body, host: &r.host, scratch: w.scratch[:0]}
	if w.r != r || w.known.full() {
		w.r, w.recent, w.systems = r, [64]*readType{}, [64]knownSystem{}
		w.known.reset()
	}
	w.depth, w.trail, w.lists = 0, 0, 0
	w.precedents.reset()
	w.memory.on, w.targets = false, [16]knownTarget{}
	w.outer, w.strange = 0, w.strange[:0]
	w.edits, w.attachments = w.edits[:0], w.attachments[:0]
	if len(w.path) < r.maxDepth+2 {
		w.path = make([]keyword, r.maxDepth+2)
	}
	w.facts.reset()
}
