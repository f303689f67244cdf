package fhir

// removal says whether a value goes when the response is rendered.
type removal uint8

const (
	keep        removal = iota
	removed             // in every rendering
	stripped            // where person identifiers are stripped
	withDisplay         // where the display of references to a type is not kept
	rewritten           // not removed: a string with a URL of the source
)

// valueKind is the JSON type of a value, as far as FHIR tells them apart by shape.
type valueKind uint8

const (
	otherValue valueKind = iota // number, true, false, null
	stringValue
	objectValue
	arrayValue
)

// value is what the walk keeps of a value that it has read.
type value struct {
	kind valueKind
	text token // stringValue
	// removal is set for an object or array of which nothing would be left.
	removal removal
	// person: an object that is an Identifier of a person. objects: an array that is not empty and holds objects only.
	person, objects bool
}

// span is a place in the body.
type span struct{ start, end uint32 }

// object is what the walk keeps of the object that it is reading: the members that FHIR types are told apart by.
type object struct {
	reference, typ, system, code, value, url            token
	displayAt, displayTwinAt, urlAt, urlTwinAt          span
	referenceOdd, typeOdd, codingOdd, valueOdd          bool // a member of another JSON type than R4 gives it
	identifier, person, coding, codings, attachmentPart bool
	members, removed, stripped                          int
}

// walk is the state of one pass over a body. Its slices are reused from one response to the next.
type walk struct {
	scanner
	names
	r *Reader

	path     []keyword // the names that lead from the resource to the value that is read
	depth    int
	mentions []uint32 // where the source's host is named, and the end of the body
	mention  int      // the first that has not been passed
	scratch  []byte   // decoded strings

	facts // of the resource that is read

	edits []edit
}

// value reads the value at i, whose names are path[:d].
func (w *walk) value(i, d int) (int, value) {
	switch w.at(i) {
	case '"':
		i, text := w.text(i)
		if i >= 0 && w.mentioned(text) {
			w.edit(int(text.start)-1, i, rewritten, 0)
		}
		return i, value{kind: stringValue, text: text}
	case '{':
		return w.object(i, d)
	case '[':
		return w.array(i, d)
	default:
		return w.literal(i), value{}
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

// name reads a member's name, the colon, and the white space about it, and gives the position of the member's value.
func (w *walk) name(i, base int) (int, keyword) {
	if w.at(i) != '"' {
		return w.fail(errSyntax), kwNone
	}
	i, text := w.text(i)
	if i < 0 {
		return -1, kwNone
	}
	if w.mentioned(text) {
		w.odd = true
	}
	kw, broken := w.names.add(base, w.bytes(text))
	if broken != "" {
		return w.fail(broken), kwNone
	}
	if i = w.space(i); w.at(i) != ':' {
		return w.fail(errSyntax), kwNone
	}
	return w.space(i + 1), kw
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
func (w *walk) object(i, d int) (int, value) {
	start, base := i, len(w.names.stack)
	if i = w.enter(i); i < 0 {
		return -1, value{}
	}
	var o object
	for more := w.at(i) != '}'; more; {
		from := i
		var kw keyword
		if i, kw = w.name(i, base); i < 0 {
			return -1, value{}
		}
		w.path[d] = kw
		var v value
		if kw == kwContained && d == 0 && w.current == 0 {
			i, v = w.contained(i)
		} else {
			i, v = w.value(i, d+1)
		}
		if i < 0 {
			return -1, value{}
		}
		o.members++
		if v.removal != keep {
			w.editMember(&o, span{uint32(from), uint32(i)}, v.removal)
		}
		if kw != kwNone {
			w.note(&o, kw, d, span{uint32(from), uint32(i)}, v)
		}
		if i, more = w.next(i, '}'); i < 0 {
			return -1, value{}
		}
	}
	w.names.stack = w.names.stack[:base]
	return w.leave(i), w.close(&o, d, span{uint32(start), uint32(i + 1)})
}

// array reads the array whose bracket is at i. Its elements have the names of the array.
func (w *walk) array(i, d int) (int, value) {
	if i = w.enter(i); i < 0 {
		return -1, value{}
	}
	elements, objects, gone, always := 0, 0, 0, 0
	for more := w.at(i) != ']'; more; elements++ {
		from := i
		var v value
		if i, v = w.value(i, d); i < 0 {
			return -1, value{}
		}
		switch v.kind {
		case objectValue:
			objects++
		case arrayValue:
			w.odd = true // R4 §2.6.2 has no arrays of arrays
		}
		if v.removal != keep {
			gone++
			if v.removal == removed {
				always++
			}
			w.edit(from, i, v.removal, 0)
		}
		if i, more = w.next(i, ']'); i < 0 {
			return -1, value{}
		}
	}
	v := value{kind: arrayValue, objects: elements > 0 && objects == elements}
	switch {
	case elements > 0 && always == elements:
		v.removal = removed
	case elements > 0 && gone == elements:
		v.removal = stripped
	}
	return w.leave(i), v
}

// contained reads the contained resources of the resource that is read (R4 §2.3.0.4), each with facts of its own.
func (w *walk) contained(i int) (int, value) {
	if w.at(i) != '[' {
		w.odd = true
		return w.value(i, 1)
	}
	if i = w.enter(i); i < 0 {
		return -1, value{}
	}
	for more := w.at(i) != ']'; more; {
		w.current = len(w.parts)
		w.parts = append(w.parts, part{})
		if w.at(i) != '{' {
			w.odd = true
		}
		if i, _ = w.value(i, 0); i < 0 {
			return -1, value{}
		}
		if i, more = w.next(i, ']'); i < 0 {
			return -1, value{}
		}
	}
	w.current = 0
	return w.leave(i), value{kind: arrayValue}
}

// edit records that the value or member in body[from:to] is not copied as it is.
func (w *walk) edit(from, to int, kind removal, typ uint16) {
	w.edits = append(w.edits, edit{span{uint32(from), uint32(to)}, kind, typ})
}

// editMember records that a member of o goes.
func (w *walk) editMember(o *object, at span, kind removal) {
	w.edits = append(w.edits, edit{at, kind, 0})
	if kind == removed {
		o.removed++
	} else {
		o.stripped++
	}
}

// bytes is the value of a string. It stays valid until the next response is read.
func (w *walk) bytes(t token) []byte {
	raw := w.body[t.start:t.end]
	if t.esc == plain {
		return raw
	}
	from := len(w.scratch)
	w.scratch = appendDecoded(w.scratch, raw)
	return w.scratch[from:]
}

// mentioned reports whether a string names the source's host. Strings are asked about in the order in which they are read.
func (w *walk) mentioned(t token) bool {
	if w.mentions[w.mention] < t.end {
		for w.mentions[w.mention] < t.end {
			w.mention++
		}
		return true
	}
	if t.esc != hidden {
		return false
	}
	at, _ := w.r.host.next(w.bytes(t), 0)
	return at >= 0
}
