package fhir

import (
	"bytes"
	"slices"
	"strings"
)

// isFHIR reports whether content is FHIR, as it says itself or is labelled: a resource or a Bundle that the source keeps as a document.
func isFHIR(contentType string, data []byte) bool {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	switch {
	case namesFHIR(contentType):
		return true
	case len(data) == 0:
		return false
	case data[0] == '{' || data[0] == '[':
		return bytes.Contains(data, []byte(`"resourceType"`))
	}
	return data[0] == '<' && bytes.Contains(data, []byte(`="http://hl7.org/fhir"`))
}

// namesFHIR reports whether a MIME type is one of FHIR: application/fhir+json, application/json+fhir, …
func namesFHIR(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.Contains(strings.ToLower(media), "fhir")
}

// readContent looks into FHIR that a Binary holds, as into a resource of any shape.
func (r *Reader) readContent(b *Binary) {
	var c Contents
	w := &c.walk
	err := r.read(b.Data, &c, func(i int) int {
		i, _ = w.object(i, 0)
		return i
	})
	if err != nil {
		b.Categories = sortedCategories(append(b.Categories, Restricted))
		return
	}
	b.Categories = sortedCategories(w.r.classifier.appendNames(b.Categories, w.added))
	for _, p := range w.persons {
		b.Identifiers = append(b.Identifiers, Identifier{PersonSystem(r.persons[p.system]), string(w.bytes(p.value))})
	}
	for _, ref := range w.references {
		if ref.kind != literalReference {
			continue
		}
		if target := w.target(w.bytes(ref.text)); target.id != nil && target.typ.patient && !slices.Contains(b.Patients, ID(target.id)) {
			b.Patients = append(b.Patients, ID(target.id))
		}
	}
}

// sortedCategories returns categories sorted, each once.
func sortedCategories(categories []DataCategory) []DataCategory {
	slices.Sort(categories)
	return slices.Compact(categories)
}
