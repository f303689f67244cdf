package fhir

import "bytes"

// facts are what the walk finds in one resource, contained ones included. They are judged when all of it has been read, because
// the resource type, which says what they mean, can stand last.
type facts struct {
	parts      []part // the resource, then its contained resources
	current    int    // the part that is read
	odd        bool   // something has a shape that FHIR does not have: the resource is not released
	references []reference
	codings    []classifying
	persons    []person
	added      categorySet // by sensitive codes and labels
}

// part is the resource itself or one of its contained resources.
type part struct {
	typ, id              token
	text, link, linkTwin span // members; zero when absent
	idOdd                bool // a member of another JSON type than R4 gives it
	categoryOdd, codeOdd bool
	category             shape // 0 when absent
}

// referenceKind says how an object refers.
type referenceKind uint8

const (
	literalReference referenceKind = iota // by its member reference
	logicalReference                      // by identifier, of a type that is not Patient or not told
	unknownPatient                        // to a patient, but not by an id of the source
	unreadable                            // reference is neither a string nor an object
	unnamed                               // refers to nothing, at a place that can decide membership
	plainURL                              // no Reference: a uri, url or canonical, which counts if it names a patient
)

// reference is a reference found in the resource.
type reference struct {
	kind          referenceKind
	text, typ     token
	typeOdd       bool
	part          int // in which it stands; 0 is the resource itself
	path          [3]keyword
	names         uint8 // of path; more than its length where it does not fit
	lists         uint8 // bit n: path[:n] leads through a list
	display, twin span  // members; zero when absent
}

// classifying is a coding in the top-level category or code of a part. Without system and code it stands for text alone.
type classifying struct {
	part         int
	element      keyword
	system, code token
}

// person is a person identifier.
type person struct {
	system int // of ReaderOptions.PersonSystems
	value  token
	linked bool // stands in the top-level link
}

// reset forgets the resource before.
func (f *facts) reset() {
	*f = facts{parts: append(f.parts[:0], part{}), references: f.references[:0], codings: f.codings[:0], persons: f.persons[:0]}
}

// note takes a member whose name has a meaning: t is its value where that is a string.
func (w *walk) note(kw keyword, d int, at span, t token, s shape) {
	switch {
	case kw == kwValueURL && s.is(isString):
		w.refer(reference{kind: plainURL, text: t}, d+1)
	case kw == kwResourceType:
		w.odd = w.odd || d > 0 // a resource where only contained may hold one (JS-15)
	}
	switch {
	case d == 0:
		w.noteTop(kw, at, t, s)
	case d == 1 && w.path[0] == kwMeta:
		w.noteMeta(kw, s)
	}
	if w.r.decides[kw] && !s.is(isObject|ofObjects) {
		w.refer(reference{kind: unnamed}, d+1)
	}
}

// noteTop takes a member of the resource, or of a contained one.
func (w *walk) noteTop(kw keyword, at span, t token, s shape) {
	p := &w.parts[w.current]
	switch kw {
	case kwResourceType:
		p.typ = t
	case kwID:
		p.id, p.idOdd = t, !s.is(isString)
	case kwMeta:
		w.odd = w.odd || !s.is(isObject)
	case kwExtension:
		w.odd = w.odd || !s.is(ofObjects)
	case kwText:
		p.text = at
	case kwLink:
		p.link = at
	case kwLinkTwin:
		p.linkTwin = at
	case kwCategory:
		p.category, p.categoryOdd = s, p.categoryOdd || !s.is(isObject|ofObjects)
	case kwCode:
		p.codeOdd = p.codeOdd || !s.is(isObject)
	case kwSecurityLabel:
		if !s.is(ofObjects) { // a list in every type that has it
			w.restrict()
		}
	case kwConfidentiality:
		if !s.is(isString) || !isOpenLabel(w.bytes(t)) {
			w.restrict()
		}
	}
}

// noteMeta takes a member of meta.
func (w *walk) noteMeta(kw keyword, s shape) {
	switch kw {
	case kwSecurity:
		if !s.is(ofObjects) {
			w.restrict()
		}
	case kwSecurityTwin:
		w.restrict()
	}
}

// tellsType are the members of which an object with a type of its own has at least one, unless its name tells the type.
const tellsType = 1<<kwReference | 1<<kwType | 1<<kwIdentifier | 1<<kwSystem | 1<<kwAttachmentPart

// close takes the object that ends. Its type is told by its shape, wherever it stands: extensions and unknown elements can hold
// anything (RF-15).
func (w *walk) close(o *object, d int) shape {
	s := isObject
	if d > 0 {
		if name := w.path[d-1]; o.hasAny(tellsType) || name == kwAttachment || w.r.decides[name] {
			w.closeReference(o, d)
			if w.closeIdentifier(o) {
				s |= isPerson | isRemoved | isStripped
			}
			w.closeAttachment(o, d)
		}
		s |= o.when()
	}
	if o.hasAny(1 << kwSystem) {
		if system, code := o.text(kwSystem), o.text(kwCode); system.present() && code.present() {
			w.r.classifier.addCode(&w.added, w.bytes(system), w.bytes(code))
		}
	}
	switch d {
	case 1:
		w.closeConcept(o, w.path[0])
	case 2:
		w.closeCoding(o, w.path[0], w.path[1])
	}
	return s
}

// closeReference takes an object that refers to a resource, or that ought to.
func (w *walk) closeReference(o *object, d int) {
	const telling = 1<<kwReference | 1<<kwIdentifier | 1<<kwType
	decides := w.r.decides[w.path[d-1]]
	if !decides && !o.hasAny(telling) {
		return // most objects
	}
	text, typ, identifier := o.text(kwReference), o.text(kwType), o.get(kwIdentifier).shape
	var kind referenceKind
	switch {
	case text.present():
		kind = literalReference
	case o.odd(kwReference, isString|isObject):
		kind = unreadable
	case identifier.is(isPerson), typ.present() && isPatientType(w.bytes(typ)):
		kind = unknownPatient
	case decides:
		kind = unnamed
	case identifier.is(isObject):
		kind = logicalReference
	default:
		return
	}
	ref := reference{kind: kind, text: text, typ: typ, typeOdd: o.odd(kwType, isString)}
	if text.present() || identifier.is(isObject) {
		ref.display, ref.twin = o.get(kwDisplay).at, o.get(kwDisplayTwin).at
	}
	w.refer(ref, d)
}

// refer records a reference whose names are path[:d].
func (w *walk) refer(ref reference, d int) {
	ref.part, ref.lists = w.current, w.lists
	copy(ref.path[:], w.path[:d])
	ref.names = uint8(min(d, 255))
	w.references = append(w.references, ref)
}

// closeIdentifier reports whether the object is an Identifier of a person.
func (w *walk) closeIdentifier(o *object) bool {
	if !o.text(kwSystem).present() {
		return false
	}
	system := w.bytes(o.text(kwSystem))
	for i, s := range w.r.persons {
		if s == string(system) {
			w.odd = w.odd || o.odd(kwValue, isString)
			if value := o.text(kwValue); value.present() {
				w.persons = append(w.persons, person{i, value, w.current == 0 && w.path[0] == kwLink})
			}
			return true
		}
	}
	return false
}

// closeAttachment takes the links of an Attachment away: to the source they are a second door, to elsewhere a capability (BI-1,
// BI-5, BI-6). In the place of one to a Binary of the source the gateway may put a link of its own. An Attachment is told by its
// element or by what stands beside the link; an Extension has a url as well, which is its name.
func (w *walk) closeAttachment(o *object, d int) {
	name := w.path[d-1]
	if name == kwExtension || name != kwAttachment && !o.hasAny(1<<kwAttachmentPart) {
		return
	}
	w.removeMember(o, o.get(kwURLTwin))
	url := o.get(kwURL)
	id, ok := []byte(nil), false
	if url.text.present() {
		id, ok = w.binary(w.bytes(url.text))
	}
	if !ok {
		w.removeMember(o, url)
		return
	}
	w.attachments = append(w.attachments, attachment{url.at, id})
	w.edit(url.at, linked, 0)
	o.count(isRemoved|isUnlinked, 1)
}

// removeMember records that a member of o goes in any rendering, if it is there. Its value may have been counted as one that goes on
// conditions.
func (w *walk) removeMember(o *object, m member) {
	if m.at == (span{}) {
		return
	}
	if m.shape.is(isRemoved) {
		o.count(m.shape, -1)
	}
	w.editMember(o, m.at, isRemoved)
}

// binary is the id of a Binary of the source, where a link points at exactly that.
func (w *walk) binary(link []byte) (id []byte, ok bool) {
	if rest, ok := bytes.CutPrefix(link, []byte(w.r.base)); ok {
		if link, ok = bytes.CutPrefix(rest, []byte("/")); !ok {
			return nil, false
		}
	}
	id, ok = bytes.CutPrefix(link, []byte("Binary/"))
	return id, ok && isID(id)
}

// closeConcept takes a CodeableConcept in an element of the resource.
func (w *walk) closeConcept(o *object, element keyword) {
	p := &w.parts[w.current]
	coded := o.hasAny(1 << kwCoding)
	broken := o.odd(kwCoding, ofObjects) || o.members == 0
	switch element {
	case kwCategory:
		p.categoryOdd = p.categoryOdd || broken
	case kwCode:
		p.codeOdd = p.codeOdd || broken
	case kwSecurityLabel:
		if broken || !coded {
			w.restrict()
		}
		return
	default:
		return
	}
	if !coded {
		w.codings = append(w.codings, classifying{part: w.current, element: element})
	}
}

// closeCoding takes a Coding that classifies or labels the resource.
func (w *walk) closeCoding(o *object, element, name keyword) {
	switch {
	case name == kwCoding && (element == kwCategory || element == kwCode):
		p := &w.parts[w.current]
		odd := o.odd(kwSystem, isString) || o.odd(kwCode, isString)
		p.categoryOdd = p.categoryOdd || element == kwCategory && odd
		p.codeOdd = p.codeOdd || element == kwCode && odd
		w.codings = append(w.codings, classifying{w.current, element, o.text(kwSystem), o.text(kwCode)})
	case name == kwCoding && element == kwSecurityLabel, name == kwSecurity && element == kwMeta:
		if string(w.bytes(o.text(kwSystem))) != w.r.labels || !isOpenLabel(w.bytes(o.text(kwCode))) {
			w.restrict()
		}
	case name == kwTag && element == kwMeta:
		w.odd = w.odd || string(w.bytes(o.text(kwCode))) == tagSubsetted
	}
}

// restrict adds the category that a label gives: labels can only tighten (CA-11).
func (w *walk) restrict() { w.added.union(&w.r.classifier.restricted) }

// tagSubsetted marks a resource of which the source left elements out (R4 §3.1.1.5.8): what decides may be among them (SE-20).
const tagSubsetted = "SUBSETTED"

// confidentiality is the system of v3-Confidentiality in a version: the only labels that can say that a resource is not restricted.
func confidentiality(v Version) string {
	if v == STU3 {
		return "http://hl7.org/fhir/v3/Confidentiality"
	}
	return "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
}

// isOpenLabel reports whether a code of v3-Confidentiality adds no restriction: unrestricted, low, moderate, normal.
func isOpenLabel(code []byte) bool {
	switch string(code) {
	case "U", "L", "M", "N":
		return true
	}
	return false
}
