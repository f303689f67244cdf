package consentfhir

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"zorgsluis/consent"
)

// walk reads a resource element by element, and notes everything that is wrong.
type walk struct {
	profile  Profile
	problems []error
	mandated consent.PersonKey // the one person that the resource names, and the display name
	name     string
}

func (w *walk) refuse(element, reason string) {
	w.problems = append(w.problems, problem(element, reason))
}

func (w *walk) err() error { return errors.Join(w.problems...) }

// visit reads one member of an object.
type visit func(path string, n node)

// reasons say why known elements of FHIR are not accepted. All others outside the profile share one reason.
var reasons = map[string]string{
	"action":           "the profile has no actions: a consent here is about access",
	"class":            "the profile has no classes: data is named by data category",
	"code":             "the profile has no codes: data is named by data category",
	"data":             "the profile has no single data: data is named by data category",
	"dataPeriod":       "the profile has no period of the data",
	"securityLabel":    "the profile has no security labels: data is named by data category",
	"verification":     "the profile has no verification",
	"contained":        "the profile has no contained resources",
	"implicitRules":    "rules outside of the resource are not followed",
	"identifier":       "the profile has no business identifiers",
	"sourceAttachment": "documents are not kept: the information that was shown is named by its id, version, language and SHA-256",
}

const notOfProfile = "is not of the profile"

// object reads an object that has only these members.
func (w *walk) object(path string, n node, members map[string]visit) {
	if n.kind != object {
		w.refuse(path, "is not an object")
		return
	}
	for i, name := range n.names {
		at := join(path, safeName(name))
		if read, known := members[name]; known {
			read(at, n.values[i])
			continue
		}
		reason, known := reasons[name]
		if !known {
			reason = notOfProfile
		}
		w.refuse(at, reason)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// each reads the items of a list, which must not be empty.
func (w *walk) each(read visit) visit {
	return func(path string, n node) {
		if n.kind != array || len(n.values) == 0 {
			w.refuse(path, "is not a list with something in it")
			return
		}
		for i, item := range n.values {
			read(fmt.Sprintf("%s[%d]", path, i), item)
		}
	}
}

// string reads a non-empty text.
func (w *walk) string(into *string) visit {
	return func(path string, n node) {
		if n.kind != text || strings.TrimSpace(n.text) == "" {
			w.refuse(path, "is not a text")
			return
		}
		*into = n.text
	}
}

// ignored reads a text that means nothing to the gateway.
func (w *walk) ignored() visit { return w.string(new(string)) }

// one reads a text that must equal want.
func (w *walk) one(want string) visit {
	return func(path string, n node) {
		if n.kind != text || n.text != want {
			w.refuse(path, "is not "+want)
		}
	}
}

func (w *walk) boolean(into *bool) visit {
	return func(path string, n node) {
		if n.kind != boolean {
			w.refuse(path, "is not a boolean")
			return
		}
		*into = n.yes
	}
}

// coding is a code of a system.
type coding struct{ system, code string }

func (w *walk) coding(path string, n node) (c coding) {
	w.object(path, n, map[string]visit{"system": w.string(&c.system), "code": w.string(&c.code), "display": w.ignored()})
	return c
}

// concept reads a CodeableConcept with exactly one coding; its text is ignored.
func (w *walk) concept(path string, n node) (c coding) {
	codings := 0
	w.object(path, n, map[string]visit{
		"coding": w.each(func(path string, n node) { c = w.coding(path, n); codings++ }),
		"text":   w.ignored(),
	})
	if codings != 1 {
		w.refuse(path, "has not exactly one coding")
		return coding{}
	}
	return c
}

// reference is a Reference: literal or by an identifier.
type reference struct{ literal, typ, system, value, display string }

func (r reference) logical() bool { return r.system != "" || r.value != "" }

// names reports whether the reference says that it is to a resource of this type.
func (r reference) names(typ string) bool {
	if r.typ != "" {
		return r.typ == typ
	}
	segments := strings.Split(r.literal, "/")
	return slices.Contains(segments[:len(segments)-1], typ)
}

// typeOf returns the resource type that a literal reference names: Type/id, at any server.
func typeOf(literal string) (typ string, typed bool) {
	segments := strings.Split(literal, "/")
	if len(segments) < 2 {
		return "", false
	}
	typ = segments[len(segments)-2]
	return typ, typ != "" && typ[0] >= 'A' && typ[0] <= 'Z'
}

func (w *walk) reference(path string, n node) (r reference) {
	w.object(path, n, map[string]visit{
		"reference": w.string(&r.literal), "type": w.string(&r.typ), "display": w.string(&r.display),
		"identifier": func(path string, n node) {
			w.object(path, n, map[string]visit{"system": w.string(&r.system), "value": w.string(&r.value)})
			if r.system == "" || r.value == "" {
				w.refuse(path, "has not both a system and a value")
			}
		},
	})
	if typ, typed := typeOf(r.literal); typed && r.typ != "" && r.typ != typ {
		w.refuse(path, "is of another type than it says")
	}
	if r.literal != "" && r.logical() {
		w.refuse(path, "names by a reference and by an identifier: they could be two")
	}
	return r
}

// extensions reads a list of extensions; the reader of each decides how often it may occur.
func (w *walk) extensions(known map[string]visit) visit {
	return w.each(func(path string, n node) {
		url := n.member("url")
		read, taken := known[url.text]
		if n.kind != object || url.kind != text || !taken {
			w.refuse(path, "is an extension that is "+strings.TrimPrefix(notOfProfile, "is "))
			return
		}
		read(path, n)
	})
}

// once allows an extension once.
func (w *walk) once(read visit) visit {
	seen := false
	return func(path string, n node) {
		if seen {
			w.refuse(path, "is there twice")
			return
		}
		seen = true
		read(path, n)
	}
}

// valued reads an extension that has a value of one type.
func (w *walk) valued(element string, read visit) visit {
	return func(path string, n node) {
		has := false
		w.object(path, n, map[string]visit{"url": w.ignored(), element: func(path string, n node) { has = true; read(path, n) }})
		if !has {
			w.refuse(path, "has no "+element)
		}
	}
}
