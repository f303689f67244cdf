package fhir

import "bytes"

// shape is what the walk keeps of a value that it has read, as far as FHIR tells types apart by it.
type shape uint8

const (
	isString shape = 1 << iota
	isObject
	isArray
	ofObjects  // isArray: not empty, and holds objects only
	isPerson   // isObject: an Identifier of a person
	isRemoved  // nothing of it would be left: in any rendering, unless there is a condition
	isStripped // isRemoved: only where person identifiers are stripped
	isUnlinked // isRemoved: only where the attachments in it get no links
)

func (s shape) is(any shape) bool { return s&any != 0 }

// span is a place in the body.
type span struct{ start, end uint32 }

// object is what the walk keeps of the object that it is reading: the members that FHIR types are told apart by.
type object struct {
	reference, typ, system, code, value, url            token
	displayAt, displayTwinAt, urlAt, urlTwinAt          span
	referenceOdd, typeOdd, codingOdd, valueOdd          bool // a member of another JSON type than R4 gives it
	identifier, person, coding, codings, attachmentPart bool
	urlShape, urlTwinShape                              shape
	members, gone, stripped, unlinked                   int32
}

// walk is the state of one pass over a body. Its slices are reused from one response to the next.
type walk struct {
	scanner
	r *Reader

	names    []memberName // of all objects that are open, innermost last
	path     []keyword    // the names that lead from the resource to the value that is read
	depth    int
	mentions []uint32 // where the source's host is named, and an end that no string reaches
	passed   int      // how many of them have been passed
	mention  uint32   // the next one
	scratch  []byte   // decoded strings
	known    nameCache
	recent   [16]*readType

	facts // of the resource that is read

	edits       []edit
	attachments []attachment
}

// any reads the value at i, whose names are path[:d].
func (w *walk) any(i, d int) (int, token, shape) {
	switch w.at(i) {
	case '"':
		i, t := w.text(i)
		if i >= 0 && (t.end > w.mention || t.esc == hidden) && w.mentioned(t) {
			w.edit(span{t.start - 1, t.end + 1}, rewritten, 0)
		}
		return i, t, isString
	case '{':
		i, s := w.object(i, d)
		return i, token{}, s
	case '[':
		i, s := w.array(i, d)
		return i, token{}, s
	default:
		return w.literal(i), token{}, 0
	}
}

// enter and leave keep the depth.
func (w *walk) enter(i int) int {
	if w.depth++; w.depth > w.r.maxDepth {
		return w.fail(errDepth)
	}
	return w.space(i + 1)
}

func (w *walk) leave(i int) int {
	w.depth--
	return i + 1
}

// name reads the next member's name of an object, the colon, and the white space about it, and gives the position of the value.
func (w *walk) name(i int, m *members) (int, keyword) {
	if w.at(i) != '"' {
		return w.fail(errSyntax), kwNone
	}
	name := memberName{whole: true, text: token{start: uint32(i + 1), present: true}}
	kw := kwNone
	key, end := w.shortName(i + 1)
	if known := &w.known[key.hash()>>56]; end >= 0 && known.key == key {
		name.key, name.text.end, kw, i = key, uint32(end), known.keyword, end+1
	} else if i, name, kw = w.newName(i); i < 0 {
		return -1, kwNone
	}
	if (name.text.end > w.mention || name.text.esc == hidden) && w.mentioned(name.text) {
		w.odd = true // names are not rewritten
	}
	bit := uint64(1) << (name.key.hash() >> 50 & 63)
	if m.seen&bit != 0 && w.isDuplicate(name, m) {
		return w.fail(errDuplicate), kwNone
	}
	if len(w.names)-m.base >= maxMembers {
		return w.fail(errMembers), kwNone
	}
	m.seen |= bit
	w.names = append(w.names, name)
	if w.at(i) != ':' {
		if i = w.space(i); w.at(i) != ':' {
			return w.fail(errSyntax), kwNone
		}
	}
	return w.space(i + 1), kw
}

// newName reads a name that is not in the cache, and puts it there if it may be.
func (w *walk) newName(i int) (int, memberName, keyword) {
	i, t := w.text(i)
	if i < 0 {
		return -1, memberName{}, kwNone
	}
	text := w.bytes(t)
	key, whole := keyOf(text)
	kw := w.r.lexicon.find(key, whole, text)
	if whole && t.esc == plain {
		known := &w.known[key.hash()>>56]
		known.key, known.keyword = key, kw
	}
	return i, memberName{key, whole, t}, kw
}

// isDuplicate reports whether an object has a name already, however either of them is escaped.
func (w *walk) isDuplicate(name memberName, m *members) bool {
	for _, other := range w.names[m.base:] {
		if other.key == name.key && other.whole == name.whole && (name.whole || bytes.Equal(w.bytes(other.text), w.bytes(name.text))) {
			return true
		}
	}
	return false
}

// next reads what follows a member or an element: a comma and the start of another one, or the closing bracket.
func (w *walk) next(i int, closing byte) (int, bool) {
	i = w.space(i)
	switch w.at(i) {
	case ',':
		return w.space(i + 1), true
	case closing:
		return i, false
	}
	return w.fail(errSyntax), false
}

// object reads the object whose brace is at i.
func (w *walk) object(i, d int) (int, shape) {
	m := members{base: len(w.names)}
	if i = w.enter(i); i < 0 {
		return -1, 0
	}
	var o object
	for more := w.at(i) != '}'; more; {
		var (
			from = uint32(i)
			kw   keyword
			t    token
			s    shape
		)
		if i, kw = w.name(i, &m); i < 0 {
			return -1, 0
		}
		w.path[d] = kw
		if kw == kwContained && d == 0 && w.current == 0 {
			i, s = w.contained(i)
		} else {
			i, t, s = w.any(i, d+1)
		}
		if i < 0 {
			return -1, 0
		}
		o.members++
		if kw == kwHousekeeping && d == 1 && w.path[0] == kwMeta {
			s = isRemoved
		}
		if s.is(isRemoved) {
			w.editMember(&o, span{from, uint32(i)}, s)
		}
		if kw != kwNone {
			w.note(&o, kw, d, span{from, uint32(i)}, t, s)
		}
		if i, more = w.next(i, '}'); i < 0 {
			return -1, 0
		}
	}
	w.names = w.names[:m.base]
	return w.leave(i), w.close(&o, d)
}

// array reads the array whose bracket is at i. Its elements have the names of the array.
func (w *walk) array(i, d int) (int, shape) {
	if i = w.enter(i); i < 0 {
		return -1, 0
	}
	elements, objects, gone, when := 0, 0, 0, isRemoved
	for more := w.at(i) != ']'; more; elements++ {
		from := uint32(i)
		var s shape
		if i, _, s = w.any(i, d); i < 0 {
			return -1, 0
		}
		switch {
		case s.is(isObject):
			objects++
		case s.is(isArray):
			w.odd = true // R4 §2.6.2 has no arrays of arrays
		}
		if s.is(isRemoved) {
			gone, when = gone+1, when|s&(isStripped|isUnlinked)
			w.edit(span{from, uint32(i)}, s.removal(), 0)
		}
		if i, more = w.next(i, ']'); i < 0 {
			return -1, 0
		}
	}
	s := isArray
	if elements > 0 && objects == elements {
		s |= ofObjects
	}
	if elements > 0 && gone == elements {
		s |= when
	}
	return w.leave(i), s
}

// contained reads the contained resources of the resource that is read (R4 §2.3.0.4), each with facts of its own.
func (w *walk) contained(i int) (int, shape) {
	if w.at(i) != '[' {
		w.odd = true
		i, _, s := w.any(i, 1)
		return i, s
	}
	if i = w.enter(i); i < 0 {
		return -1, 0
	}
	for more := w.at(i) != ']'; more; {
		w.current = len(w.parts)
		w.parts = append(w.parts, part{})
		if w.at(i) != '{' {
			w.odd = true
		}
		if i, _, _ = w.any(i, 0); i < 0 {
			return -1, 0
		}
		if i, more = w.next(i, ']'); i < 0 {
			return -1, 0
		}
	}
	w.current = 0
	return w.leave(i), isArray
}

// edit records that a value or member is not copied as it is.
func (w *walk) edit(at span, kind removal, typ uint16) {
	w.edits = append(w.edits, edit{at, kind, typ})
}

// removal is what becomes of a value of which nothing would be left.
func (s shape) removal() removal {
	switch s & (isStripped | isUnlinked) {
	case isStripped:
		return stripped
	case isUnlinked:
		return unlinked
	case isStripped | isUnlinked:
		return strippedUnlinked
	}
	return removed
}

// editMember records that a member of o goes.
func (w *walk) editMember(o *object, at span, s shape) {
	w.edit(at, s.removal(), 0)
	o.count(s, 1)
}

// count counts n members that go on the same conditions.
func (o *object) count(s shape, n int32) {
	o.gone += n
	if s.is(isStripped) {
		o.stripped += n
	}
	if s.is(isUnlinked) {
		o.unlinked += n
	}
}

// when is on what conditions nothing would be left of the object: those of all its members; none if one of them stays.
func (o *object) when() shape {
	if o.members == 0 || o.gone < o.members {
		return 0
	}
	s := isRemoved
	if o.stripped > 0 {
		s |= isStripped
	}
	if o.unlinked > 0 {
		s |= isUnlinked
	}
	return s
}

// bytes is the value of a string. It stays valid until the next response is read.
func (w *walk) bytes(t token) []byte {
	raw := w.body[t.start:t.end]
	if t.esc == plain {
		return raw
	}
	return w.decode(raw)
}

func (w *walk) decode(raw []byte) []byte {
	from := len(w.scratch)
	w.scratch = appendDecoded(w.scratch, raw)
	return w.scratch[from:]
}

// mentioned reports whether a string names the source's host. Strings are asked about in the order in which they are read.
func (w *walk) mentioned(t token) bool {
	if w.mention < t.end {
		for w.mention < t.end {
			w.passed++
			w.mention = w.mentions[w.passed]
		}
		return true
	}
	if t.esc != hidden {
		return false
	}
	at, _ := w.r.host.next(w.bytes(t), 0)
	return at >= 0
}

// typeOf is the resource type of a name, nil for none of this version. A response names few types again and again.
func (w *walk) typeOf(name []byte) *readType {
	recent := &w.recent[len(name)%len(w.recent)]
	if t := *recent; t != nil && t.name == string(name) {
		return t
	}
	t := w.r.types[string(name)]
	if t != nil {
		*recent = t
	}
	return t
}
