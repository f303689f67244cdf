package fhir

import (
	"bytes"
)

// shape is what the walk keeps of a value that it has read: enough to recognize FHIR types by.
type shape uint8

const (
	isString shape = 1 << iota
	isObject
	isArray
	ofObjects  // isArray: not empty, and holds objects only
	isPerson   // isObject: an Identifier of a person
	isRemoved  // nothing of it remains: in any rendering, or under the conditions below
	isStripped // isRemoved: only where person identifiers are stripped
	isUnlinked // isRemoved: only where the attachments in it get no links
)

func (s shape) is(any shape) bool { return s&any != 0 }

// span is a range of bytes in the body.
type span struct{ start, end uint32 }

// member is a member by which the type of its object is recognized.
type member struct {
	at    span
	text  token // its value, if it is a string
	shape shape
}

// object is the state of an object that is being read.
type object struct {
	names   nameSet
	strange int      // start of its names without a number in walk.strange
	next    location // location of its next name
	trail   uint64   // the last names of its path
	has     uint32   // a bit for each keyword that is set in told
	told    [kwTelling]member

	members, gone, stripped, unlinked int32
}

// begin resets the object that was read before at the same depth. Entries of told are invalid without their bit in has.
func (o *object) begin(outer nameID, strange int) {
	o.names, o.has = nameSet{}, 0
	o.strange, o.next = strange, firstIn(outer)
	o.members, o.gone, o.stripped, o.unlinked = 0, 0, 0, 0
}

// tell stores a member by which the object's type is recognized.
func (o *object) tell(kw keyword, at span, t token, s shape) {
	m := &o.told[kw]
	m.at, m.text, m.shape = at, t, s
	o.has |= 1 << kw
}

// hasAny reports whether the object has a member of one of the keywords.
func (o *object) hasAny(kws uint32) bool { return o.has&kws != 0 }

// get returns a member, the zero value if absent.
func (o *object) get(kw keyword) member {
	if o.has&(1<<kw) == 0 {
		return member{}
	}
	return o.told[kw]
}

// text returns the value of a member; the zero token if it is absent or not a string.
func (o *object) text(kw keyword) token {
	if o.has&(1<<kw) == 0 {
		return token{}
	}
	return o.told[kw].text
}

// odd reports whether a member is present and has none of the shapes.
func (o *object) odd(kw keyword, shapes shape) bool {
	return o.has&(1<<kw) != 0 && !o.told[kw].shape.is(shapes)
}

// walk is the state of one pass over a body. Its slices are reused from one response to the next.
type walk struct {
	scanner
	r *Reader

	known   knownNames
	strange []token   // names without a number in all open objects, innermost last
	objects []*object // by depth, reused
	outer   nameID    // name of the object or array being read
	trail   uint64    // the last names of its path
	memory  memory
	path    []keyword // the names from the resource to the value being read
	depth   int
	lists   uint8 // bit n: path[:n] leads to an open list (n < 8)
	recent  [64]*readType
	systems [64]knownSystem
	targets [16]knownTarget

	precedents precedents

	facts // of the resource being read

	edits       []edit
	attachments []attachment
}

// any reads the value at i, at path[:d].
func (w *walk) any(i, d int) (int, token, shape) {
	switch w.at(i) {
	case '"':
		i, t := w.text(i)
		switch {
		case t.host:
			w.edit(span{t.start - 1, t.end + 1}, rewritten, 0)
		case w.precedents.noting && t.present() && t.esc == plain:
			w.precedents.note(span{t.start - 1, t.end + 1})
		}
		return i, t, isString
	case '{':
		i, s := w.object(i, d)
		return i, token{}, s
	case '[':
		i, s := w.array(i, d)
		return i, token{}, s
	default:
		end := w.literal(i)
		if w.precedents.noting && end >= 0 && w.body[i] <= '9' { // a number
			w.precedents.note(span{uint32(i), uint32(end)})
		}
		return end, token{}, 0
	}
}

// enter and leave track the depth.
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

// open begins the object whose brace is at i.
func (w *walk) open(i int) (int, *object) {
	if i = w.enter(i); i < 0 {
		return -1, nil
	}
	for w.depth >= len(w.objects) {
		w.objects = append(w.objects, new(object))
	}
	o := w.objects[w.depth]
	o.begin(w.outer, len(w.strange))
	o.trail = w.trail
	return i, o
}

// end finishes the object whose closing brace is at i.
func (w *walk) end(i int, o *object) int {
	w.outer, w.trail, w.strange = o.next.outer(), o.trail, w.strange[:o.strange]
	return w.leave(i)
}

// name reads the next member name of an object, the colon, and the white space around it, and returns the position of the value.
func (w *walk) name(i int, o *object) (int, keyword) {
	guess := w.known.guess(o.next)
	n := *guess
	known := &w.known.names[n]
	kw := known.keyword
	if i+16 <= len(w.body) && known.isAt(w.body[i:i+16]) && (known.rest == "" || known.hasRest(w.body[i+16:])) {
		i += int(known.size)
	} else if i, n, kw = w.otherName(i, o); i < 0 {
		return -1, kwNone
	} else {
		*guess = n
	}
	if n != 0 && !o.names.add(n) {
		return w.fail(errDuplicate), kwNone
	}
	if o.members++; o.members > maxMembers {
		return w.fail(errMembers), kwNone
	}
	o.next, w.outer = o.next.behind(n), n
	if i+1 < len(w.body) && w.body[i] == ':' && w.body[i+1] > ' ' {
		return i + 1, kw
	}
	return w.colon(i), kw
}

// otherName reads a name that differs from the guess.
func (w *walk) otherName(i int, o *object) (int, nameID, keyword) {
	if w.at(i) != '"' {
		return w.fail(errSyntax), 0, kwNone
	}
	i, t := w.text(i)
	if i < 0 {
		return -1, 0, kwNone
	}
	text := w.bytes(t)
	if t.host {
		w.odd = true // names are not rewritten
	}
	if n := w.known.find(text, w.r.lexicon, !t.host); n != 0 {
		return i, n, w.known.names[n].keyword
	}
	for _, other := range w.strange[o.strange:] {
		if bytes.Equal(w.bytes(other), text) {
			return w.fail(errDuplicate), 0, kwNone
		}
	}
	w.strange = append(w.strange, t)
	return i, 0, w.r.lexicon.keywords[string(text)]
}

// nameText returns the name that was read last.
func (w *walk) nameText() string {
	if w.outer == 0 {
		return string(w.bytes(w.strange[len(w.strange)-1]))
	}
	return w.known.names[w.outer].name
}

// colon reads the colon after a name, and the white space around it.
func (w *walk) colon(i int) int {
	if w.at(i) != ':' {
		if i = w.space(i); w.at(i) != ':' {
			return w.fail(errSyntax)
		}
	}
	return w.space(i + 1)
}

// next reads what follows a member or an element: a comma and the start of another one, or the closing bracket.
func (w *walk) next(i int, closing byte) (int, bool) {
	if i+1 < len(w.body) && w.body[i] == ',' && w.body[i+1] > ' ' {
		return i + 1, true
	}
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
	i, o := w.open(i)
	if i < 0 {
		return -1, 0
	}
	for more := w.at(i) != '}'; more; {
		var (
			from = uint32(i)
			kw   keyword
			t    token
			s    shape
		)
		if i, kw = w.name(i, o); i < 0 {
			return -1, 0
		}
		w.path[d], w.trail = kw, o.trail<<8|uint64(kw)
		switch c := w.at(i); {
		case kw == kwContained && d == 0 && w.current == 0:
			i, s = w.contained(i)
		case c == '{' || c == '[':
			i, s = w.value(i, d+1)
		default:
			i, t, s = w.any(i, d+1)
		}
		if i < 0 {
			return -1, 0
		}
		if kw == kwHousekeeping && d == 1 && w.path[0] == kwMeta {
			s = isRemoved
		}
		if s.is(isRemoved) {
			w.editMember(o, span{from, uint32(i)}, s)
		}
		if kw != kwNone {
			if kw < kwTelling {
				o.tell(kw, span{from, uint32(i)}, t, s)
			}
			w.note(kw, d, span{from, uint32(i)}, t, s)
		}
		if i, more = w.next(i, '}'); i < 0 {
			return -1, 0
		}
	}
	return w.end(i, o), w.close(o, d)
}

// array reads the array whose bracket is at i. Its elements have the path of the array.
func (w *walk) array(i, d int) (int, shape) {
	if i = w.enter(i); i < 0 {
		return -1, 0
	}
	before := w.lists
	w.lists |= 1 << d
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
	w.lists = before
	return w.leave(i), s
}

// contained reads the contained resources (R4 §2.3.0.4), each as a part of its own.
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

// edit records that a value or member is not copied verbatim.
func (w *walk) edit(at span, kind removal, typ uint16) {
	w.edits = append(w.edits, edit{at, kind, typ})
}

// removal is the edit of a value of which nothing remains.
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

// editMember records that a member of o is removed.
func (w *walk) editMember(o *object, at span, s shape) {
	w.edit(at, s.removal(), 0)
	o.count(s, 1)
}

// count counts n members that are removed on the same conditions.
func (o *object) count(s shape, n int32) {
	o.gone += n
	if s.is(isStripped) {
		o.stripped += n
	}
	if s.is(isUnlinked) {
		o.unlinked += n
	}
}

// when returns the conditions on which nothing of the object remains: those of all its members together; 0 if any member stays.
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

// bytes returns the value of a string. It stays valid until the next response is read.
func (w *walk) bytes(t token) []byte {
	if w.precedents.noting {
		w.precedents.looked(t)
	}
	raw := w.body[t.start:t.end]
	if t.esc != plain {
		return w.decode(raw)
	}
	return raw
}

// typeOf returns the resource type of a name, nil if the version has none. It caches, because a response repeats few types.
func (w *walk) typeOf(name []byte) *readType {
	if len(name) == 0 {
		return nil
	}
	recent := &w.recent[(len(name)+int(name[0])*5+int(name[len(name)-1])*11)%len(w.recent)]
	if t := *recent; t != nil && t.name == string(name) {
		return t
	}
	t := w.r.types[string(name)]
	if t != nil {
		*recent = t
	}
	return t
}
