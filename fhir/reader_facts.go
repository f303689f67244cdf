package fhir

import "bytes"

// facts are what the walk finds in one resource, including contained ones. They are judged once the whole resource has been read,
// because resourceType, on which their meaning depends, can come last.
type facts struct {
	parts      []part // the resource, then its contained resources
	current    int    // index of the part being read
	odd        bool   // malformed or not understood: the resource is not released
	references []reference
	codings    []classifying
	persons    []person
	added      categorySet // by sensitive codes and labels
}

// part is the resource itself or one of its contained resources.
type part struct {
	typ, id              token
	text, link, linkTwin span // members; zero when absent
	idOdd                bool // not a string, as R4 has it
	categoryOdd, codeOdd bool
	category             shape // 0 when absent
}

// referenceKind says how an object refers to a resource.
type referenceKind uint8

const (
	literalReference referenceKind = iota // by its reference member
	logicalReference                      // by identifier; the type is unknown or not Patient
	unknownPatient                        // to a patient, but not by an id of the source
	unreadable                            // reference is neither a string nor an object
	unnamed                               // without a target, at a path that can decide membership
	plainURL                              // not a Reference: a uri, url or canonical, which matters only if it names a patient
)

// reference is a reference found in the resource.
type reference struct {
	kind          referenceKind
	text, typ     token
	typeOdd       bool
	part          int // the part it is in; 0 is the resource itself
	path          [3]keyword
	names         uint8 // number of names in its full path; path holds the first three
	lists         uint8 // bit n: path[:n] leads through a list
	display, twin span  // members; zero when absent
}

// classifying is a coding in the top-level category or code of a part. Without system and code it represents text alone.
type classifying struct {
	part         int
	element      keyword
	system, code token
}

// person is a person identifier.
type person struct {
	system int // index in Reader.persons
	value  token
	part   int  // in which it stands
	own    bool // in the top-level identifier of that part
	linked bool // in the top-level link
}

// reset clears the facts for the next resource.
func (f *facts) reset() {
	*f = facts{parts: append(f.parts[:0], part{}), references: f.references[:0], codings: f.codings[:0], persons: f.persons[:0]}
}

// note records a member that has a keyword; t is its value if it is a string.
func (w *walk) note(kw keyword, d int, at span, t token, s shape) {
	switch {
	case kw == kwValueURL && s.is(isString):
		w.refer(reference{kind: plainURL, text: t}, d+1)
	case kw == kwResourceType:
		w.odd = w.odd || d > 0 // a resource nested outside contained (JS-15)
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

// noteTop records a top-level member of a part.
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

// noteMeta records a member of meta.
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

// tellsType are the members by which close recognizes the type of an object whose name does not give it.
const tellsType = 1<<kwReference | 1<<kwType | 1<<kwIdentifier | 1<<kwSystem | attachmentParts

// attachmentParts are the members by which an Attachment is recognized.
const attachmentParts = 1<<kwContentType | 1<<kwData | 1<<kwAttachmentPart

// close records a complete object. The object's type is recognized by its members, wherever it occurs: extensions and unknown
// elements can hold anything (RF-15).
func (w *walk) close(o *object, d int) shape {
	s, system := isObject, noSystem
	if t := o.text(kwSystem); t.present() {
		system = w.system(t)
	}
	if d > 0 {
		if name := w.path[d-1]; o.hasAny(tellsType) || name == kwAttachment || w.r.decides[name] {
			w.closeReference(o, d)
			if w.closeIdentifier(o, system) {
				s |= isPerson | isRemoved | isStripped
			}
			w.closeAttachment(o, d)
		}
		s |= o.when()
	}
	if system != noSystem {
		w.closeCode(o, system)
	}
	switch d {
	case 1:
		w.closeConcept(o, w.path[0])
	case 2:
		w.closeCoding(o, w.path[0], w.path[1])
	}
	return s
}

// closeReference records an object that refers to a resource, or that should by its path.
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
	case identifier.is(isObject) && (!decides || w.isShared(typ)):
		kind = logicalReference
	case decides:
		kind = unnamed
	default:
		return
	}
	ref := reference{kind: kind, text: text, typ: typ, typeOdd: o.odd(kwType, isString)}
	if text.present() || identifier.is(isObject) {
		ref.display, ref.twin = o.get(kwDisplay).at, o.get(kwDisplayTwin).at
	}
	w.refer(ref, d)
}

// isShared reports whether Reference.type names a type that belongs to nobody: a practitioner known by number is no patient.
func (w *walk) isShared(typ token) bool {
	t := w.typeOf(bytes.TrimPrefix(w.bytes(typ), []byte(structureDefinition)))
	return t != nil && t.class == ClassShared
}

// refer records a reference at path[:d].
func (w *walk) refer(ref reference, d int) {
	ref.part, ref.lists = w.current, w.lists
	copy(ref.path[:], w.path[:d])
	ref.names = uint8(min(d, 255))
	w.references = append(w.references, ref)
}

// closeIdentifier records a person identifier and reports whether the object is one.
func (w *walk) closeIdentifier(o *object, system *systemFacts) bool {
	if system.person < 0 {
		return false
	}
	w.odd = w.odd || o.odd(kwValue, isString)
	if value := o.text(kwValue); value.present() {
		w.persons = append(w.persons, person{
			system: system.person, value: value, part: w.current, own: w.path[0] == kwIdentifier, linked: w.current == 0 && w.path[0] == kwLink,
		})
	}
	return true
}

// closeCode records a code that counts wherever it occurs: a sensitive one, or a confidentiality label outside the elements for labels,
// such as in a tag or in an extension.
func (w *walk) closeCode(o *object, system *systemFacts) {
	code, value := o.text(kwCode), o.text(kwValue)
	if system.labels && code.present() && !isOpenLabel(w.bytes(code)) {
		w.restrict()
	}
	if system.sensitive == nil {
		return
	}
	for _, t := range [...]token{code, value} { // an identifier of that system names a code too
		if t.present() {
			system.sensitive.addTo(&w.added, w.bytes(t))
		}
	}
}

// closeAttachment removes the links of an Attachment: a link to the source bypasses the gateway, and any other may itself grant
// access (BI-1, BI-5, BI-6). A link to a Binary of the source may be replaced by one of the gateway's own. An Attachment is
// recognized by its element name or its other members; the url of an Extension is its name.
func (w *walk) closeAttachment(o *object, d int) {
	name := w.path[d-1]
	if name == kwExtension || name != kwAttachment && !o.hasAny(attachmentParts) {
		return
	}
	if o.hasAny(1<<kwData) && namesFHIR(string(w.bytes(o.text(kwContentType)))) {
		w.restrict() // resources that nobody has looked into
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

// removeMember marks a member of o, if present, for removal in every rendering. If its value was counted as removed on conditions,
// that count is undone.
func (w *walk) removeMember(o *object, m member) {
	if m.at == (span{}) {
		return
	}
	if m.shape.is(isRemoved) {
		o.count(m.shape, -1)
	}
	w.editMember(o, m.at, isRemoved)
}

// binary returns the id if a link points exactly at a Binary of the source.
func (w *walk) binary(link []byte) (id []byte, ok bool) {
	if rest, ok := bytes.CutPrefix(link, []byte(w.r.base)); ok {
		if link, ok = bytes.CutPrefix(rest, []byte("/")); !ok {
			return nil, false
		}
	}
	id, ok = bytes.CutPrefix(link, []byte("Binary/"))
	return id, ok && isID(id)
}

// closeConcept records a CodeableConcept in a top-level element.
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

// closeCoding records a Coding that classifies, labels or tags the resource.
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

// restrict adds the category Restricted: labels can only tighten (CA-11).
func (w *walk) restrict() { w.added.union(&w.r.classifier.restricted) }

// tagSubsetted marks a resource from which the source omitted elements (R4 §3.1.1.5.8), possibly ones that decide (SE-20).
const tagSubsetted = "SUBSETTED"

// confidentiality is the code system v3-Confidentiality in a version: only its labels can mean that a resource is not restricted.
func confidentiality(v Version) string {
	if v == STU3 {
		return confidentialities[1]
	}
	return confidentialities[0]
}

// confidentialities are the URLs of that system in R4 and STU3, and its OID.
var confidentialities = [...]string{
	"http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "http://hl7.org/fhir/v3/Confidentiality", "urn:oid:2.16.840.1.113883.5.25",
}

// isOpenLabel reports whether a code of v3-Confidentiality adds no restriction: unrestricted, low, moderate, normal.
func isOpenLabel(code []byte) bool {
	switch string(code) {
	case "U", "L", "M", "N":
		return true
	}
	return false
}
