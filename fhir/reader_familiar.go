package fhir

// familiar is an object or array that was read before in the same body, and of which nothing was noted. What is noted of a value follows
// from its bytes and from the names that lead to it; so where the same bytes stand at the same place again, nothing is noted of them
// again, and they need not be read again. Responses are full of them: the resources of a searchset differ in little.
type familiar struct {
	turn  uint64 // of the body that at is in
	trail uint64
	level level
	at    span
	shape shape
}

// level is how deep a value stands: behind how many names, and in how many objects and arrays.
type level struct{ names, depth uint32 }

const (
	familiarPlaces = 512 // of which values are remembered
	minFamiliar    = 24  // the least bytes that are worth remembering
	maxTrail       = 8   // how many names fit in a trail
)

// familiars are two values of each place: measurements come in pairs.
type familiars [2]familiar

// remember has what is read from now on remembered. For one resource it is not worth it.
func (w *walk) remember() {
	if w.familiar == nil {
		w.familiar = make([]familiars, familiarPlaces)
	}
}

// value reads the object or array at i, whose names are path[:d], unless it is familiar.
func (w *walk) value(i, d int) (int, shape) {
	if len(w.familiar) == 0 {
		i, _, s := w.any(i, d)
		return i, s
	}
	slot := (w.trail<<8 ^ uint64(w.outer)) * 0x9E3779B97F4A7C15 >> 32
	pair, here := &w.familiar[slot%uint64(len(w.familiar))], level{uint32(d), uint32(w.depth)}
	for n := range pair {
		f := &pair[n]
		if f.turn != w.turn || f.trail != w.trail || f.level != here {
			break
		}
		if end := i + int(f.at.end-f.at.start); end <= len(w.body) && string(w.body[i:end]) == string(w.body[f.at.start:f.at.end]) {
			return end, f.shape
		}
	}
	before := w.noted()
	end, _, s := w.any(i, d)
	if end-i >= minFamiliar && d <= maxTrail && w.noted() == before && w.isBlank() {
		f := &pair[0]
		pair[1] = *f
		f.turn, f.trail, f.level, f.at, f.shape = w.turn, w.trail, here, span{uint32(i), uint32(end)}, s
	}
	return end, s
}

// noted is how much has been noted so far. It never gets less while a resource is read.
func (w *walk) noted() int {
	return len(w.references) + len(w.codings) + len(w.persons) + len(w.edits) + len(w.attachments)
}

// isBlank reports whether nothing has been noted that is said once for a resource or a part of it. What was said is not unsaid, so that
// it need be asked only afterwards.
func (w *walk) isBlank() bool {
	p := &w.parts[w.current]
	return !w.odd && !p.categoryOdd && !p.codeOdd && w.added.empty()
}
