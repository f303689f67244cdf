package proxy

import (
	"context"
	"iter"
	"slices"

	"zorgsluis/fhir"
)

const typeMedication = "Medication"

// medications yields the Medications to which a resource refers for what it is about: a prescription may hold no code of its own, and is then
// as sensitive as what it refers to (leaks.md CA-6).
func medications(v fhir.Version, r *fhir.Resource) iter.Seq[fhir.LocalReference] {
	return func(yield func(fhir.LocalReference) bool) {
		if !fhir.NamesMedication(v, r.Type) {
			return
		}
		for _, ref := range r.References {
			if ref.Type == typeMedication && !yield(ref) {
				return
			}
		}
	}
}

// maxMedications bounds the Medications of one resource: it has one, and what is contained in it a few.
const maxMedications = 10

// lookUp reads the Medications of a resource that would be given else, where the caller may not know what every Medication is.
func (g *Gate) lookUp(ctx context.Context, x *exchange, j *judge, a *readAnswer) *refusal {
	r := &a.contents.Resources[0]
	if !j.permits(r) || j.display(x.source, typeMedication) {
		return nil
	}
	for ref := range medications(x.source.Version, r) {
		if _, known := a.medications[ref]; known || len(a.medications) == maxMedications {
			continue
		}
		m, refused := g.medication(ctx, x, ref)
		if refused != nil {
			return refused
		}
		if a.medications == nil {
			a.medications = map[fhir.LocalReference]*readAnswer{}
		}
		a.medications[ref] = m
	}
	return nil
}

// medication reads a Medication, nil for one that is not there: then nobody is told anything of it.
func (g *Gate) medication(ctx context.Context, x *exchange, ref fhir.LocalReference) (*readAnswer, *refusal) {
	f, refused := g.fetch(ctx, x, ask{path: "/" + ref.String()})
	if refused != nil || !f.found {
		return nil, refused
	}
	m := &readAnswer{fetched: f, contents: contents.Get().(*fhir.Contents)}
	if err := x.source.Reader.Resource(f.body, ref, m.contents); err != nil {
		m.release()
		return nil, &refusal{cause: causeBadSource, reason: "source-content", err: err}
	}
	return m, nil
}

// permits asserts for a resource, or a version of it, what judge.permits does, and that every Medication to which it refers for what it is
// about may be seen. One that was not looked up, of an older version or on another standing, is as good as one that may not.
func (a *readAnswer) permits(j *judge, r *fhir.Resource) bool {
	if !j.permits(r) {
		return false
	}
	source := j.exchange.source
	for ref := range medications(source.Version, r) {
		m, known := a.medications[ref]
		if known && m != nil && !j.permitsShared(&m.contents.Resources[0]) || !known && !j.display(source, typeMedication) {
			return false
		}
	}
	return true
}

// categories are those of the resource, and of the Medications that were looked up for it.
func (a *readAnswer) categories() []fhir.DataCategory {
	all := slices.Clone(a.contents.Resources[0].Categories)
	for _, m := range a.medications {
		if m != nil {
			all = append(all, m.contents.Resources[0].Categories...)
		}
	}
	return all
}
