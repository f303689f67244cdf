package fhir

import (
	"bytes"
	"regexp"
	"slices"
)

// judge determines what the resource that was read discloses. Whatever is not understood leaves it neither attributed nor shared;
// only a resource type that is not in the tables fails the whole response (JS-11).
func (c *Contents) judge(at span, from marks, mode Mode) contentError {
	w := &c.walk
	p := &w.parts[0]
	t := w.typeOf(w.bytes(p.typ))
	if !p.typ.present() || t == nil {
		return "no resource type of this version"
	}
	id := w.bytes(p.id)
	if p.idOdd || !isID(id) {
		id = nil
	}
	v := verdict{typ: t, odd: w.odd || id == nil || w.added.meets(&w.r.classifier.never)}
	v.categories = w.added
	for i := range w.parts {
		w.judgePart(&v, i)
	}
	if t.patient {
		v.patient, v.member = id, true
		w.addRemoval(p.link)
		w.addRemoval(p.linkTwin)
	}
	place := place{at: at, name: c.keepName(t.name, id)}
	place.references[0], place.identifiers[0], place.categories[0] =
		len(c.found.references), len(c.found.identifiers), len(c.results.categories)
	for i := range w.references {
		c.judgeReference(&v, &w.references[i])
	}
	res := Resource{Type: t.name, Mode: mode}
	switch {
	case v.odd:
	case t.class == ClassPatient:
		res.Attributed = v.patient != nil && v.member && !v.several
	case t.class == ClassShared:
		res.Shared = v.patient == nil && !v.several
	}
	if res.Attributed || res.Shared {
		if res.Attributed {
			place.patient = c.keepText(v.patient)
		}
		c.results.categories = w.r.classifier.appendNames(c.results.categories, v.categories)
		c.keepPersons(t.patient)
	} else {
		c.found.references = c.found.references[:place.references[0]]
	}
	place.references[1], place.identifiers[1], place.categories[1] =
		len(c.found.references), len(c.found.identifiers), len(c.results.categories)
	place.edits = [2]int{from.edits, len(w.edits)}
	slices.SortFunc(w.edits[from.edits:], edit.compare)
	place.attachments = [2]int{from.attachments, len(w.attachments)}
	slices.SortFunc(w.attachments[from.attachments:], attachment.compare)
	c.Resources, c.places = append(c.Resources, res), append(c.places, place)
	return ""
}

// verdict is the result of judging a resource.
type verdict struct {
	typ        *readType
	odd        bool   // not understood, or never disclosed: not released
	patient    []byte // id of the patient that is named
	several    bool   // more than one is named
	member     bool   // named by a reference that decides membership
	categories categorySet
}

// judgePart classifies the resource itself or a contained one. Contained resources belong to the patient of the outer one and add
// their categories (CA-13); one that could not be released by itself is not released inside another.
func (w *walk) judgePart(v *verdict, i int) {
	p := &w.parts[i]
	t := v.typ
	if i > 0 {
		t = w.typeOf(w.bytes(p.typ))
		if !p.typ.present() || t == nil || t.class == ClassRefused || t.patient && !w.identifies(i) || p.idOdd {
			v.odd = true
			return
		}
	}
	if t.class != ClassPatient {
		return
	}
	if r := t.rules; r != nil {
		v.odd = v.odd || r.byCategory && (p.categoryOdd || !t.hasCategory(p.category)) || r.byCode && p.codeOdd
	}
	one := w.classify(t.rules, i)
	v.categories.union(&one)
}

// identifies reports whether a contained Patient says by a person identifier of its own whom it describes, and is linked to nobody else:
// documents hold their patient so (RF-7). Whether it is the right person is checked like every other identifier.
func (w *walk) identifies(i int) bool {
	p := &w.parts[i]
	return p.link == (span{}) && p.linkTwin == (span{}) && slices.ContainsFunc(w.persons, func(one person) bool { return one.part == i && one.own })
}

// hasCategory reports whether category, if present, is a list exactly if the type has a list. A code is never a list.
func (t *readType) hasCategory(s shape) bool {
	lists := uint8(0)
	if s.is(isArray) {
		lists = 1 << 1
	}
	return s == 0 || t.hasShape([]keyword{kwCategory}, lists)
}

// classify returns the data categories of a part by its type, category and code.
func (w *walk) classify(rules *typeCategories, i int) categorySet {
	var matched categorySet
	stray := false
	if rules != nil && len(rules.coded) > 0 {
		for _, c := range w.codings {
			if c.part != i {
				continue
			}
			element, read := "category", rules.byCategory
			if c.element == kwCode {
				element, read = "code", rules.byCode
			}
			known := read && rules.match(&matched, element, w.bytes(c.system), w.bytes(c.code))
			stray = stray || !known && c.element == kwCategory
		}
	}
	return w.r.classifier.conclude(rules, matched, stray)
}

// judgeReference evaluates a reference: whether it names a patient, whether it decides membership, and whether its display may
// stay.
func (c *Contents) judgeReference(v *verdict, ref *reference) {
	w := &c.walk
	if v.typ.patient && ref.part == 0 && ref.path[0] == kwLink {
		return // removed with its element (RM-10)
	}
	target := targetRef{typ: w.declared(ref)}
	switch ref.kind {
	case unknownPatient, unreadable:
		v.odd = true
		return
	case unnamed:
		v.odd = v.odd || v.typ.decides(ref)
	case plainURL:
		text := w.bytes(ref.text)
		switch target = w.target(text); {
		case target.typ == nil:
			v.odd = v.odd || patientInURL.Match(text)
		case target.typ.patient:
			c.namePatient(v, ref, target)
		}
		return
	case literalReference:
		contained := false
		target, contained = w.resolve(v, ref)
		switch {
		case target.typ == nil, ref.typeOdd, ref.typ.present() && w.declared(ref) != target.typ:
			v.odd = true
			return
		case contained: // a contained Patient is odd already; "#" in a Patient is that Patient
		case target.typ.patient:
			c.namePatient(v, ref, target)
		case target.id != nil:
			c.found.references = append(c.found.references, foundText{target.typ.name, c.keepText(target.id)})
		}
	}
	number := uint16(0)
	if target.typ != nil {
		number = target.typ.number
	}
	for _, at := range [...]span{ref.display, ref.twin} {
		if at != (span{}) {
			w.edits = append(w.edits, edit{at, withDisplay, number})
		}
	}
}

// patientInURL finds a Patient in a URL that is no literal reference: with a query, a fragment, a version or a slash behind it, or encoded.
var patientInURL = regexp.MustCompile(`(?:^|/|%2[fF])Patient(?:[/?]|%2[fF]|%3[fF])[^/]`)

// namePatient records that a reference names a patient.
func (c *Contents) namePatient(v *verdict, ref *reference, target targetRef) {
	switch {
	case target.id == nil, !c.hasShape(v, ref):
		v.odd = true
	case v.patient == nil:
		v.patient = target.id
	case !bytes.Equal(v.patient, target.id):
		v.several = true
	}
	v.member = v.member || ref.kind == literalReference && v.typ.decides(ref)
}

// hasShape reports whether the path of a reference has lists exactly where its type has them.
func (c *Contents) hasShape(v *verdict, ref *reference) bool {
	t := v.typ
	if ref.part > 0 {
		t = c.walk.typeOf(c.walk.bytes(c.walk.parts[ref.part].typ)) // nil is odd already
	}
	return t == nil || int(ref.names) > len(ref.path) || t.hasShape(ref.path[:ref.names], ref.lists)
}

// decides reports whether a reference is at a path that decides membership.
func (t *readType) decides(ref *reference) bool {
	if ref.part > 0 || int(ref.names) > len(ref.path) {
		return false
	}
	for _, path := range t.member {
		if slices.Equal(path, ref.path[:ref.names]) {
			return true
		}
	}
	return false
}

// resolve returns the target of a literal reference, and whether it is contained in the resource, or the resource itself.
func (w *walk) resolve(v *verdict, ref *reference) (target targetRef, contained bool) {
	text := w.bytes(ref.text)
	fragment, ok := bytes.CutPrefix(text, []byte("#"))
	if !ok {
		known := &w.targets[ref.text.start%uint32(len(w.targets))]
		if known.text != ref.text {
			*known = knownTarget{ref.text, w.target(text)}
		}
		return known.targetRef, false
	}
	if len(fragment) == 0 {
		return targetRef{typ: v.typ}, true
	}
	for _, p := range w.parts[1:] {
		if t := w.typeOf(w.bytes(p.typ)); t != nil && bytes.Equal(w.bytes(p.id), fragment) {
			return targetRef{typ: t}, true
		}
	}
	return targetRef{}, true
}

// declared returns the type that a reference states for its target; nil if it states none or an unknown one.
func (w *walk) declared(ref *reference) *readType {
	if !ref.typ.present() {
		return nil
	}
	return w.typeOf(bytes.TrimPrefix(w.bytes(ref.typ), []byte(structureDefinition)))
}

// structureDefinition is what Reference.type is relative to (R4 §2.3.0).
const structureDefinition = "http://hl7.org/fhir/StructureDefinition/"

// isPatientType reports whether Reference.type says Patient.
func isPatientType(b []byte) bool {
	return string(bytes.TrimPrefix(b, []byte(structureDefinition))) == typePatient
}

// keepPersons keeps the person identifiers. If there are any, it marks the narratives for removal where identifiers are stripped,
// because a narrative repeats the elements (CA-7).
func (c *Contents) keepPersons(patient bool) {
	w := &c.walk
	found := false
	for _, p := range w.persons {
		if !patient || !p.linked {
			c.found.identifiers = append(c.found.identifiers, foundText{PersonSystem(w.r.persons[p.system]), c.keepText(w.bytes(p.value))})
			found = true
		}
	}
	for _, p := range w.parts {
		if found && p.text != (span{}) {
			w.edits = append(w.edits, edit{p.text, stripped, 0})
		}
	}
}

// addRemoval marks a member, if present, for removal.
func (w *walk) addRemoval(at span) {
	if at != (span{}) {
		w.edits = append(w.edits, edit{at, removed, 0})
	}
}

// targetRef is the target of a reference. Without a type it is unclear; without an id it is no resource of the source.
type targetRef struct {
	typ *readType
	id  []byte
}

// knownTarget caches the target of a reference string. A familiar value has the same string at each recurrence (walk.noteAgain).
type knownTarget struct {
	text token
	targetRef
}

// target reads a literal reference (R4 §2.3.0.1) as ParseReference does; if it is not local, it still yields the type.
func (w *walk) target(ref []byte) targetRef {
	if rest, ok := bytes.CutPrefix(ref, []byte(w.r.base)); ok && len(rest) > 0 && rest[0] == '/' {
		return w.local(rest[1:])
	}
	if bytes.HasPrefix(ref, []byte("http://")) || bytes.HasPrefix(ref, []byte("https://")) {
		return w.foreign(ref)
	}
	if query := bytes.IndexByte(ref, '?'); query >= 0 {
		return targetRef{typ: w.typeOf(ref[:query])}
	}
	return w.local(ref)
}

// local reads "Type/id" or "Type/id/_history/version".
func (w *walk) local(ref []byte) targetRef {
	slash := bytes.IndexByte(ref, '/')
	if slash < 0 {
		return targetRef{}
	}
	typ, id := ref[:slash], ref[slash+1:]
	if slash = bytes.IndexByte(id, '/'); slash >= 0 {
		version, ok := bytes.CutPrefix(id[slash:], []byte("/_history/"))
		if !ok || !isID(version) {
			return targetRef{}
		}
		id = id[:slash]
	}
	t := w.typeOf(typ)
	if t == nil || !isID(id) {
		return targetRef{}
	}
	return targetRef{t, id}
}

// foreign reads a reference to another base: type and id are the last two segments before the version.
func (w *walk) foreign(ref []byte) targetRef {
	if base, version, ok := bytes.Cut(ref, []byte("/_history/")); ok {
		if !isID(version) {
			return targetRef{}
		}
		ref = base
	}
	last := bytes.LastIndexByte(ref, '/')
	typ := bytes.LastIndexByte(ref[:last], '/')
	return targetRef{typ: w.local(ref[typ+1:]).typ}
}

// isID is validID for bytes.
func isID(b []byte) bool {
	if len(b) == 0 || len(b) > maxIDLength || string(b) == "." || string(b) == ".." {
		return false
	}
	for _, c := range b {
		if !idBytes[c] {
			return false
		}
	}
	return true
}

// idBytes are the characters of a logical id.
var idBytes = func() (set [256]bool) {
	for c := range 256 {
		set[c] = isAlphanumeric(byte(c)) || c == '-' || c == '.'
	}
	return set
}()
