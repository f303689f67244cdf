package fhir

import (
	"bytes"
	"iter"
	"maps"
	"slices"
	"strings"
)

// HasIncludes reports whether the search asks for further resources to be included.
func (i Interaction) HasIncludes() bool {
	return slices.ContainsFunc(i.Params, func(p Param) bool {
		return strings.HasPrefix(p.Name, "_include") || p.Name == "_revinclude"
	})
}

// medicationCode is the one chain that is passed on, from the Dutch standards for medication: matches that refer to a Medication
// with that code.
const medicationCode = "medication.code"

// OfMedication reports whether a search asks about the Medications that its matches refer to.
func (i Interaction) OfMedication() bool {
	_, asked := i.param(medicationCode)
	return asked
}

// NamesMedication reports whether resources of a type can refer to a Medication for what they are about, instead of holding its code.
func NamesMedication(v Version, typ string) bool {
	rule, ok := ruleFor(v, typ)
	return ok && rule.params[medicationParam].kind == kindReference
}

// medicationParam is the parameter of that reference, in every type that has one.
const medicationParam = "medication"

// WithMedication returns the search with includes of the Medications that its matches and its includes refer to: if one of them may
// not be seen, its code must not be revealed by what refers to it, nor by a search for it.
func (i Interaction) WithMedication(v Version) Interaction {
	t, params := tableOf(v), slices.Clone(i.Params)
	add := func(include, typ string) {
		if along := (Param{include, typ + ":" + medicationParam}); NamesMedication(v, typ) && !slices.Contains(params, along) {
			params = append(params, along)
		}
	}
	add("_include", i.Type)
	for _, n := range i.Includes(v) {
		for _, typ := range t.served {
			if n.Reverse && n.Source == typ || !n.Reverse && n.Reaches(typ) {
				add(t.iterate, typ)
			}
		}
	}
	i.Params = sortParams(params)
	return i
}

// Include is a requested _include or _revinclude (R4 §3.1.1.5.4): the type that refers (Source) and the types referred to (Targets;
// "*" is any). Contents.Follow reads the elements. A Patient is included only by the parameters that name the patient of a
// resource. The zero value includes nothing.
type Include struct {
	Source  string
	Targets []string
	Reverse bool // include what refers to a match, not what a match refers to
	Iterate bool // followed from included resources as well

	elements []element
}

// Reaches reports whether the include can lead to a resource of a type.
func (n Include) Reaches(typ string) bool {
	return slices.Contains(n.Targets, typ) || typ != typePatient && slices.Contains(n.Targets, anyType)
}

// Includes lists the includes that were asked for.
func (i Interaction) Includes(v Version) []Include {
	var all []Include
	for _, p := range i.Params {
		if !strings.HasPrefix(p.Name, "_include") && p.Name != "_revinclude" {
			continue
		}
		source, name, into, narrowed, _ := cutInclude(p.Value)
		rule, ok := ruleFor(v, source)
		if !ok {
			continue
		}
		param := rule.params[name]
		n := Include{Source: source, Reverse: p.Name == "_revinclude", Iterate: strings.Contains(p.Name, ":"), elements: param.elements}
		switch {
		case param.kind == kindPatient:
			n.Targets = []string{typePatient}
		case !narrowed:
			n.Targets = slices.DeleteFunc(slices.Clone(param.targets), func(typ string) bool { return typ == typePatient })
		case into != typePatient:
			n.Targets = []string{into}
		}
		all = append(all, n)
	}
	return all
}

// Follow yields the local resources that resource i refers to by the elements of an include, of the types that the include reaches;
// none if the resource is not of its Source type or is neither attributed nor shared. References of contained resources and
// references by identifier only are left out: no source can be relied on to include their targets.
func (c *Contents) Follow(i int, n Include) iter.Seq[LocalReference] {
	return func(yield func(LocalReference) bool) {
		if r := &c.Resources[i]; r.Type != n.Source || !r.Attributed && !r.Shared {
			return
		}
		at := c.places[i].at
		more := true
		for _, e := range n.elements {
			readBefore(c.walk.body[at.start:at.end]).values(0, e.names, e.url, func(text []byte) {
				ref, ok := ParseReference(string(text), c.walk.r.base)
				more = more && (!ok || !n.Reaches(ref.Type) || yield(ref))
			})
		}
	}
}

// element locates a reference in a resource: the members that lead to it and, if it is the value of an extension, the url of that extension.
type element struct {
	names []string
	url   string
}

// parseElement parses a path of the tables: "participant.actor", or "dispenseRequest.extension(url)" for the reference in an extension.
func parseElement(path string) element {
	path, url, extension := strings.Cut(path, "extension(")
	e := element{url: strings.TrimSuffix(url, ")")}
	if path = strings.TrimSuffix(path, "."); path != "" {
		e.names = strings.Split(path, ".")
	}
	if extension {
		e.names = append(e.names, "extension", "valueReference")
	}
	e.names = append(e.names, "reference")
	return e
}

// addTo adds the elements to the parameters.
func (e paramElements) addTo(params map[string]paramRule) {
	for _, path := range slices.Sorted(maps.Keys(e)) {
		for _, name := range strings.Fields(e[path]) {
			param := params[name]
			param.elements = append(param.elements, parseElement(path))
			params[name] = param
		}
	}
}

// readBefore is JSON that the reader has accepted, read once more for the few members that an include follows. Its methods take the
// position of a value, or of the white space before it.
type readBefore []byte

// values calls found with each string at the names below the value at i, through lists as well. With a url, only the extension that
// has it is followed.
func (b readBefore) values(i int, names []string, url string, found func(text []byte)) {
	i = b.space(i)
	switch {
	case b[i] == '[' && len(names) > 0:
		for i = b.space(i + 1); b[i] != ']'; i = b.after(i, ',') {
			b.values(i, names, url, found)
		}
	case b[i] == '"' && len(names) == 0:
		found(b.text(i))
	case b[i] == '{' && len(names) > 0:
		if names[0] == "valueReference" && url != "" && string(b.text(b.member(i, "url"))) != url {
			return
		}
		if at := b.member(i, names[0]); at >= 0 {
			b.values(at, names[1:], url, found)
		}
	}
}

// member returns the position of a member's value in the object at i, -1 if it has none.
func (b readBefore) member(i int, name string) int {
	for i = b.space(i + 1); b[i] != '}'; {
		value := b.after(i, ':')
		if string(b.text(i)) == name {
			return value
		}
		i = b.after(value, ',')
	}
	return -1
}

// after returns the position of the next token after the value at i and an optional separator.
func (b readBefore) after(i int, separator byte) int {
	if i = b.space(b.skip(i)); b[i] == separator {
		i = b.space(i + 1)
	}
	return i
}

// skip returns the position after the value at i.
func (b readBefore) skip(i int) int {
	for depth := 0; ; {
		switch b[i] {
		case '"':
			i = b.quote(i)
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		default:
			if depth == 0 { // a number or a word
				return i + bytes.IndexAny(b[i:], ",]} \t\r\n")
			}
		}
		if i++; depth == 0 {
			return i
		}
	}
}

// quote returns the position of the closing quote of the string at i.
func (b readBefore) quote(i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i
}

// text returns the string at i; nil if there is none.
func (b readBefore) text(i int) []byte {
	if i < 0 || b[i] != '"' {
		return nil
	}
	raw := b[i+1 : b.quote(i)]
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	return appendDecoded(nil, raw)
}

// space skips white space.
func (b readBefore) space(i int) int {
	for b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n' {
		i++
	}
	return i
}
