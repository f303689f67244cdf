package proxy

import (
	"context"
	"iter"
	"slices"

	"zorgsluis/fhir"
)

const typeMedication = "Medication"

// medications yields the Medications that say what a resource is about: a prescription without a code of its own is as sensitive as the
// Medication it refers to (leaks.md CA-6).
func medications(v fhir.Version, r *fhir.Resource) iter.Seq[fhir.LocalReference] {
	return func(yield func(fhir.LocalReference) bool) {
		for _, ref := range r.References {
			if ref.Type == typeMedication && fhir.NamesMedication(v, r.Type) && !yield(ref) {
				return
			}
		}
	}
}

// maxMedications limits the Medications looked up for one resource: it has one, and its contained resources a few.
const maxMedications = 10

// lookUp reads the Medications of an otherwise permitted resource, unless the caller may know every Medication.
func (g *Gate) lookUp(ctx context.Context, x *exchange, j *judge, a *readAnswer) *refusal {
	r := &a.contents.Resources[0]
	for ref := range medications(x.source.Version, r) {
		if !j.permits(r) || j.display(x.source, typeMedication) {
			return nil
		}
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

// medication reads a Medication; nil if there is none, which then reveals nothing.
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

// permits is judge.permits for a resource or a version of it, and every Medication that says what it is about must be permitted too. One
// that was not looked up, of an older version or on another standing, counts as withheld unless the caller may know every Medication.
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

// categories returns those of the resource and of the Medications looked up for it.
func (a *readAnswer) categories() []fhir.DataCategory {
	all := slices.Clone(a.contents.Resources[0].Categories)
	for _, m := range a.medications {
		if m != nil {
			all = append(all, m.contents.Resources[0].Categories...)
		}
	}
	return all
}
