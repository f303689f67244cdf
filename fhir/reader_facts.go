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
	contained     bool
	path          [3]keyword
	names         uint8 // of path; more than its length where it does not fit
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
func (w *walk) note(o *object, kw keyword, d int, at span, t token, s shape) {
	switch kw {
	case kwReference:
		o.reference, o.referenceOdd = t, !s.is(isString|isObject)
	case kwType:
		o.typ, o.typeOdd = t, !s.is(isString)
	case kwSystem:
		o.system, o.codingOdd = t, o.codingOdd || !s.is(isString)
	case kwCode:
		o.code, o.codingOdd = t, o.codingOdd || !s.is(isString)
	case kwValue:
		o.value, o.valueOdd = t, !s.is(isString)
	case kwIdentifier:
		o.identifier, o.person = s.is(isObject), s.is(isPerson)
	case kwCoding:
		o.coding, o.codings = true, s.is(ofObjects)
	case kwDisplay:
		o.displayAt = at
	case kwDisplayTwin:
		o.displayTwinAt = at
	case kwURL:
		o.url, o.urlAt, o.urlShape = t, at, s
	case kwURLTwin:
		o.urlTwinAt, o.urlTwinShape = at, s
	case kwAttachmentPart:
		o.attachmentPart = true
	case kwValueURL:
		if s.is(isString) {
			w.refer(reference{kind: plainURL, text: t}, d+1)
		}
	case kwResourceType:
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
		p.categoryOdd = p.categoryOdd || !s.is(isObject|ofObjects)
	case kwCode:
		p.codeOdd = p.codeOdd || !s.is(isObject)
	case kwSecurityLabel:
		if !s.is(isObject | ofObjects) {
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

// close takes the object that ends. Its type is told by its shape, wherever it stands: extensions and unknown elements can hold
// anything (RF-15).
func (w *walk) close(o *object, d int) shape {
	s := isObject
	if d > 0 {
		w.closeReference(o, d)
		if w.closeIdentifier(o) {
			s |= isPerson | isRemoved | isStripped
		}
		w.closeAttachment(o, d)
	}
	if o.system.present && o.code.present {
		w.r.classifier.addCode(&w.added, w.bytes(o.system), w.bytes(o.code))
	}
	switch d {
	case 1:
		w.closeConcept(o, w.path[0])
	case 2:
		w.closeCoding(o, w.path[0], w.path[1])
	}
	if d > 0 {
		s |= o.when()
	}
	return s
}

// closeReference takes an object that refers to a resource, or that ought to.
func (w *walk) closeReference(o *object, d int) {
	var kind referenceKind
	switch {
	case o.reference.present:
		kind = literalReference
	case o.referenceOdd:
		kind = unreadable
	case o.identifier && o.person, o.typ.present && isPatientType(w.bytes(o.typ)):
		kind = unknownPatient
	case w.r.decides[w.path[d-1]]:
		kind = unnamed
	case o.identifier:
		kind = logicalReference
	default:
		return // most objects: the struct is not made for them
	}
	ref := reference{kind: kind, text: o.reference, typ: o.typ, typeOdd: o.typeOdd}
	if o.reference.present || o.identifier {
		ref.display, ref.twin = o.displayAt, o.displayTwinAt
	}
	w.refer(ref, d)
}

// refer records a reference whose names are path[:d].
func (w *walk) refer(ref reference, d int) {
	ref.contained = w.current > 0
	copy(ref.path[:], w.path[:d])
	ref.names = uint8(min(d, 255))
	w.references = append(w.references, ref)
}

// closeIdentifier reports whether the object is an Identifier of a person.
func (w *walk) closeIdentifier(o *object) bool {
	if !o.system.present {
		return false
	}
	system := w.bytes(o.system)
	for i, s := range w.r.persons {
		if s == string(system) {
			w.odd = w.odd || o.valueOdd
			if o.value.present {
				w.persons = append(w.persons, person{i, o.value, w.current == 0 && w.path[0] == kwLink})
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
	if name == kwExtension || name != kwAttachment && !o.attachmentPart {
		return
	}
	w.removeMember(o, o.urlTwinAt, o.urlTwinShape)
	id, ok := []byte(nil), false
	if o.url.present {
		id, ok = w.binary(w.bytes(o.url))
	}
	if !ok {
		w.removeMember(o, o.urlAt, o.urlShape)
		return
	}
	w.attachments = append(w.attachments, attachment{o.urlAt, id})
	w.edit(o.urlAt, linked, 0)
	o.count(isRemoved|isUnlinked, 1)
}

// removeMember records that a member of o goes in any rendering, if it is there. Its value may have been counted as one that goes on
// conditions.
func (w *walk) removeMember(o *object, at span, value shape) {
	if at == (span{}) {
		return
	}
	if value.is(isRemoved) {
		o.count(value, -1)
	}
	w.editMember(o, at, isRemoved)
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
	broken := o.coding && !o.codings || o.members == 0
	switch element {
	case kwCategory:
		p.categoryOdd = p.categoryOdd || broken
	case kwCode:
		p.codeOdd = p.codeOdd || broken
	case kwSecurityLabel:
		if broken || !o.coding {
			w.restrict()
		}
		return
	default:
		return
	}
	if !o.coding {
		w.codings = append(w.codings, classifying{part: w.current, element: element})
	}
}

// closeCoding takes a Coding that classifies or labels the resource.
func (w *walk) closeCoding(o *object, element, name keyword) {
	switch {
	case name == kwCoding && (element == kwCategory || element == kwCode):
		p := &w.parts[w.current]
		p.categoryOdd = p.categoryOdd || element == kwCategory && o.codingOdd
		p.codeOdd = p.codeOdd || element == kwCode && o.codingOdd
		w.codings = append(w.codings, classifying{w.current, element, o.system, o.code})
	case name == kwCoding && element == kwSecurityLabel, name == kwSecurity && element == kwMeta:
		if string(w.bytes(o.system)) != w.r.labels || !isOpenLabel(w.bytes(o.code)) {
			w.restrict()
		}
	case name == kwTag && element == kwMeta:
		w.odd = w.odd || string(w.bytes(o.code)) == tagSubsetted
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
