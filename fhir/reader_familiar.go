package fhir

// familiar is an object or array that was read before in the same body. What is noted of a value follows from its bytes and from the
// names that lead to it; so where the same bytes stand at the same place again, the same is noted of them again, and they need not be read
// again. Responses are full of them: the resources of a searchset are of one patient, and differ in little.
type familiar struct {
	trail uint64
	at    span
	level level
	shape shape
	// How many references and codings were noted of it, and where the first of them is kept.
	references, codings         uint8
	firstReference, firstCoding uint32
}

// level is how deep a value stands: behind how many names, in how many objects and arrays, and which of the names are of lists.
type level struct {
	depth        uint16
	names, lists uint8
}

const (
	familiarPlaces = 256 // of which values are remembered: a power of two
	minFamiliar    = 24  // the least bytes that are worth remembering
	maxTrail       = 8   // how many names fit in a trail
)

// familiars are two values of each place: measurements come in pairs.
type familiars [2]familiar

// memory is what was read before in a body.
type memory struct {
	on         bool
	values     []familiars
	references []reference
	codings    []classifying
}

// remember has what is read from now on remembered. For one resource it is not worth it.
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

// value reads the object or array at i, whose names are path[:d], unless it is familiar.
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
	pair[0] = familiar{trail: w.trail, level: here, at: span{uint32(i), uint32(end)}, shape: s}
	if len(w.references)+len(w.codings) > references+codings {
		w.memory.keep(&pair[0], w.references[references:], w.codings[codings:])
	}
	return end, s
}

// others is how much has been noted so far that is not noted again. It never gets less while a resource is read.
func (w *walk) others() int { return len(w.persons) + len(w.edits) + len(w.attachments) }

// isBlank reports whether nothing has been noted that is said once for a resource or a part of it. What was said is not unsaid, so that
// it need be asked only afterwards.
func (w *walk) isBlank() bool {
	p := &w.parts[w.current]
	return !w.odd && !p.categoryOdd && !p.codeOdd && w.added.empty()
}

// keep keeps what was noted of a value.
func (m *memory) keep(f *familiar, references []reference, codings []classifying) {
	if len(references) > 255 || len(codings) > 255 {
		*f = familiar{}
		return
	}
	f.references, f.firstReference = uint8(len(references)), uint32(len(m.references))
	f.codings, f.firstCoding = uint8(len(codings)), uint32(len(m.codings))
	m.references, m.codings = append(m.references, references...), append(m.codings, codings...)
}

// noteAgain notes what was noted of a value that stands again, by so many bytes later. Its strings can be read where they stood before;
// what may be cut out is what stands here.
func (w *walk) noteAgain(f *familiar, by uint32) {
	for _, ref := range w.memory.references[f.firstReference:][:f.references] {
		ref.part = w.current
		ref.display, ref.twin = ref.display.later(by), ref.twin.later(by)
		w.references = append(w.references, ref)
	}
	for _, c := range w.memory.codings[f.firstCoding:][:f.codings] {
		c.part = w.current
		w.codings = append(w.codings, c)
	}
}

// later is the same member in a value that stands again.
func (s span) later(by uint32) span {
	if s == (span{}) {
		return s
	}
	return span{s.start + by, s.end + by}
}
