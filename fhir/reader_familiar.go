package fhir

// familiar is an object or array that was read before in the same body. What is recorded about a value follows from its bytes and
// its path, so where the same bytes recur at the same path, the records are repeated without reading the value again. This is
// common: the resources of a searchset are about one patient and differ little.
type familiar struct {
	trail uint64
	at    span
	level level
	shape shape
	// The number of references and codings recorded for it, and the index of the first of each in memory.
	references, codings         uint8
	firstReference, firstCoding uint32
}

// level is the nesting of a value: the open objects and arrays, the names of its path, and which of these are lists.
type level struct {
	depth        uint16
	names, lists uint8
}

const (
	familiarPlaces = 256 // hash slots, a power of two
	minFamiliar    = 24  // shortest value worth remembering, in bytes
	maxTrail       = 8   // how many names fit in a trail
)

// familiars are the two values of a slot: measurements come in pairs.
type familiars [2]familiar

// memory holds the familiar values of a body.
type memory struct {
	on         bool
	values     []familiars
	references []reference
	codings    []classifying
}

// remember turns the memory on. For a single resource it is not worth it.
func (m *memory) remember() {
	if m.on {
		return
	}
	m.on = true
	if m.values == nil {
		m.values = make([]familiars, familiarPlaces)
	}
	clear(m.values)
	m.references, m.codings = m.references[:0], m.codings[:0]
}

// value reads the object or array at i, at path[:d], or skips it if it is familiar.
func (w *walk) value(i, d int) (int, shape) {
	if !w.memory.on || d > maxTrail {
		i, _, s := w.any(i, d)
		return i, s
	}
	slot := (w.trail<<8 ^ uint64(w.outer) ^ uint64(w.depth)<<48) * 0x9E3779B97F4A7C15 >> 56
	pair := &w.memory.values[slot&uint64(len(w.memory.values)-1)]
	here := level{uint16(w.depth), uint8(d), w.lists}
	for n := range pair {
		f := &pair[n]
		if f.trail != w.trail || f.level != here {
			continue
		}
		if end := i + int(f.at.end-f.at.start); end <= len(w.body) && string(w.body[i:end]) == string(w.body[f.at.start:f.at.end]) {
			if f.references|f.codings != 0 {
				w.noteAgain(f, uint32(i)-f.at.start)
			}
			return end, f.shape
		}
	}
	references, codings, others := len(w.references), len(w.codings), w.others()
	end, _, s := w.any(i, d)
	if end-i < minFamiliar || w.others() != others || !w.isBlank() {
		return end, s
	}
	pair[1] = pair[0]
	f := &pair[0]
	f.trail, f.level, f.at, f.shape = w.trail, here, span{uint32(i), uint32(end)}, s
	f.references, f.codings = 0, 0
	if len(w.references)+len(w.codings) > references+codings {
		w.memory.keep(f, w.references[references:], w.codings[codings:])
	}
	return end, s
}

// others counts the records that cannot be repeated for a familiar value. It never decreases while a resource is read.
func (w *walk) others() int { return len(w.persons) + len(w.edits) + len(w.attachments) }

// isBlank reports whether no flag or category of the resource or the current part is set. They are never unset, so it is enough to
// check after reading a value.
func (w *walk) isBlank() bool {
	p := &w.parts[w.current]
	return !w.odd && !p.categoryOdd && !p.codeOdd && w.added.empty()
}

// keep stores the references and codings of a value; with too many of them it forgets the value.
func (m *memory) keep(f *familiar, references []reference, codings []classifying) {
	if len(references) > 255 || len(codings) > 255 {
		*f = familiar{}
		return
	}
	f.references, f.firstReference = uint8(len(references)), uint32(len(m.references))
	f.codings, f.firstCoding = uint8(len(codings)), uint32(len(m.codings))
	m.references, m.codings = append(m.references, references...), append(m.codings, codings...)
}

// noteAgain repeats the records of a familiar value that recurs that many bytes later. Its strings can be read at the earlier
// place; spans that may be cut out are shifted to this one.
func (w *walk) noteAgain(f *familiar, by uint32) {
	w.precedents.used(f.at)
	first := len(w.references)
	w.references = append(w.references, w.memory.references[f.firstReference:][:f.references]...)
	for n := range w.references[first:] {
		ref := &w.references[first+n]
		ref.part = w.current
		ref.display, ref.twin = ref.display.later(by), ref.twin.later(by)
	}
	first = len(w.codings)
	w.codings = append(w.codings, w.memory.codings[f.firstCoding:][:f.codings]...)
	for n := range w.codings[first:] {
		w.codings[first+n].part = w.current
	}
}

// later is the span shifted by that many bytes; an absent one stays absent.
func (s span) later(by uint32) span {
	if s == (span{}) {
		return s
	}
	return span{s.start + by, s.end + by}
}
