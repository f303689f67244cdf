package proxy

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// mapped is what the gate learned from a source about one person: the source's id, the person, and what the decision needs to know of the
// patient.
type mapped struct {
	id                       fhir.ID
	person                   fhir.Identifier
	key                      consent.PersonKey
	births                   []string // days that the birth date may mean: one, or the first and the last
	deceased                 bool
	diedEarliest, diedLatest string
	learned                  time.Time
	proof                    proof
	// unusable is why no such person was found here; empty for a good mapping. It is cached too: otherwise asking again about an absent
	// patient would take longer, and reveal the absence.
	unusable policy.Reason
}

// usable returns the mapping, or the refusal cached in its place.
func (m *mapped) usable() (*mapped, *refusal) {
	if m.unusable != "" {
		return nil, unresolved(m.unusable)
	}
	return m, nil
}

// proof is what a mapping was read from: these bytes, on that day. The same proof gives the same mapping.
type proof struct {
	sum       [sha256.Size]byte
	year, day int
}

func proofOf(body []byte, now time.Time) proof {
	return proof{sha256.Sum256(body), now.Year(), now.YearDay()}
}

// people caches mappings by (source, id) and by (source, person), bounded and for a short time. It never holds consent.
type people struct {
	mu    sync.Mutex
	lasts time.Duration
	byID  map[sourceID]*mapped
	byKey map[sourceKey]*mapped
}

type sourceID struct {
	source string
	id     fhir.ID
}

type sourceKey struct {
	source string
	key    consent.PersonKey
}

const maxPeople = 20_000

func newPeople(lasts time.Duration) *people {
	return &people{lasts: lasts, byID: map[sourceID]*mapped{}, byKey: map[sourceKey]*mapped{}}
}

func (p *people) find(source string, id fhir.ID, key consent.PersonKey, now time.Time) *mapped {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.byID[sourceID{source, id}]
	if id == "" {
		m = p.byKey[sourceKey{source, key}]
	}
	if m == nil || now.Sub(m.learned) >= p.lasts || now.Before(m.learned) {
		return nil
	}
	return m
}

// renew finds the mapping made from these very bytes, and keeps it anew by its id.
func (p *people) renew(source string, id fhir.ID, by proof, now time.Time) *mapped {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.byID[sourceID{source, id}]
	if m == nil || m.unusable != "" || m.proof != by {
		return nil
	}
	renewed := *m // m may also be kept by key, as long as the search by identifier allows
	renewed.learned = now
	p.byID[sourceID{source, id}] = &renewed
	return &renewed
}

func (p *people) keep(source string, m *mapped, byKey bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.byID) >= maxPeople || len(p.byKey) >= maxPeople {
		clear(p.byID)
		clear(p.byKey)
	}
	if m.id != "" {
		p.byID[sourceID{source, m.id}] = m
	}
	if byKey { // only a search by identifier shows that no second record claims the person
		p.byKey[sourceKey{source, m.key}] = m
	}
}

// unresolved refuses a patient who is unknown, ambiguous or unusable at the source: outwardly the same as a denial.
func unresolved(reason policy.Reason) *refusal { return refuse(causeForbidden, reason) }

// resolve finds the person whom the interaction names, asking the source unless the mapping is cached.
func (g *Gate) resolve(ctx context.Context, x *exchange, name fhir.PatientName) (*mapped, *refusal) {
	if name.ID == "" {
		return g.resolveIdentifier(ctx, x, name.Identifier)
	}
	if ref := g.allowLookup(x, string(name.ID)); ref != nil {
		return nil, ref
	}
	return g.resolveID(ctx, x, name.ID)
}

// remember caches that a lookup found nobody usable. An answer that could not be had or read is not cached.
func (g *Gate) remember(x *exchange, ref *refusal, id fhir.ID, key consent.PersonKey) *refusal {
	if ref != nil && ref.cause == causeForbidden {
		g.people.keep(x.source.ID, &mapped{id: id, key: key, learned: g.parts.Now(), unusable: ref.reason}, key != "")
	}
	return ref
}

// resolveID finds out who Patient/id is by reading it. It counts no lookup: resolve counts the ids that callers name, counted does it for
// reads, and an id in a sealed link is not theirs to choose.
func (g *Gate) resolveID(ctx context.Context, x *exchange, id fhir.ID) (*mapped, *refusal) {
	if m := g.people.find(x.source.ID, id, "", g.parts.Now()); m != nil {
		return m.usable()
	}
	f, ref := g.fetch(ctx, x, ask{path: "/Patient/" + string(id)})
	if ref != nil {
		return nil, ref
	}
	defer f.release()
	if !f.found {
		return nil, g.remember(x, unresolved("patient-unresolved"), id, "")
	}
	m, ref := g.learn(x, f.body, id)
	return m, g.remember(x, ref, id, "")
}

// learn reads a Patient that was requested by id. If it is byte for byte the same as before, as most are, it is not parsed again.
func (g *Gate) learn(x *exchange, body []byte, id fhir.ID) (*mapped, *refusal) {
	now := g.parts.Now()
	if known := g.people.renew(x.source.ID, id, proofOf(body, now), now); known != nil {
		return known, nil
	}
	m, ref := g.mapping(x.source, body)
	if ref != nil {
		return nil, ref
	}
	if m.id != id {
		return nil, refuse(causeBadSource, "source-other-resource")
	}
	g.people.keep(x.source.ID, m, false)
	return m, nil
}

// resolveIdentifier finds the id by which the source keeps a person. The identifier goes in a form body, never in a URL.
func (g *Gate) resolveIdentifier(ctx context.Context, x *exchange, identifier fhir.Identifier) (*mapped, *refusal) {
	person, known := g.normalise(x.source, identifier)
	if !known {
		return nil, unresolved("patient-unresolved")
	}
	key := g.parts.Standings.Key(person)
	x.person = key
	if ref := g.allowLookup(x, string(key)); ref != nil {
		return nil, ref
	}
	if m := g.people.find(x.source.ID, "", key, g.parts.Now()); m != nil {
		return m.usable()
	}
	path, form := x.source.PatientSearch(person)
	f, ref := g.fetch(ctx, x, ask{path: "/" + path, form: form})
	if ref != nil {
		return nil, ref
	}
	defer f.release()
	if !f.found {
		return nil, g.remember(x, unresolved("patient-unresolved"), "", key)
	}
	m, ref := g.mapping(x.source, f.body)
	if ref != nil {
		return nil, g.remember(x, ref, "", key)
	}
	if m.person != person {
		return nil, refuse(causeBadSource, "source-other-person")
	}
	g.people.keep(x.source.ID, m, true)
	return m, nil
}

// normalise returns the canonical form of an identifier, if its system names persons at the source.
func (g *Gate) normalise(s *Source, identifier fhir.Identifier) (fhir.Identifier, bool) {
	if s.personSystem(identifier) == "" {
		return fhir.Identifier{}, false
	}
	person, err := consent.NormalizePerson(identifier)
	return person, err == nil
}

// personSystem returns the source's name for the system of an identifier; "" if it names no persons there.
func (s *Source) personSystem(identifier fhir.Identifier) string {
	for _, system := range s.PersonSystems {
		if fhir.PersonSystem(system) == fhir.PersonSystem(identifier.System) {
			return system
		}
	}
	return ""
}

// Knows reports whether the source identifies persons by the identifier's system.
func (s *Source) Knows(person fhir.Identifier) bool { return s.personSystem(person) != "" }

// PatientSearch is the search that finds the Patient of a person whom the source knows (fhir.PatientSearch).
func (s *Source) PatientSearch(person fhir.Identifier) (path, form string) {
	return fhir.PatientSearch(fhir.Identifier{System: s.personSystem(person), Value: person.Value})
}

// mapping reads exactly one usable Patient, with exactly one person. Duplicates, replaced records, two identifiers and a missing birth date
// are refused: no mapping may be able to mean two people.
func (g *Gate) mapping(s *Source, body []byte) (*mapped, *refusal) {
	now := g.parts.Now()
	records, err := s.Reader.Patients(body, now.Format(time.DateOnly))
	if err != nil {
		return nil, &refusal{cause: causeBadSource, reason: "source-content", err: err}
	}
	if len(records) == 0 {
		return nil, unresolved("patient-unresolved")
	}
	if len(records) > 1 {
		return nil, unresolved("patient-ambiguous")
	}
	r := records[0]
	if r.Replaced || r.BirthEarliest == "" {
		return nil, unresolved("patient-unusable")
	}
	m := &mapped{id: r.ID, births: []string{r.BirthEarliest}, deceased: r.Deceased, diedEarliest: r.DiedEarliest, diedLatest: r.DiedLatest, learned: now, proof: proofOf(body, now)}
	if r.BirthLatest != r.BirthEarliest {
		m.births = append(m.births, r.BirthLatest)
	}
	for _, identifier := range r.Identifiers {
		person, known := g.normalise(s, identifier)
		if !known {
			return nil, unresolved("patient-unusable")
		}
		if m.person != (fhir.Identifier{}) && m.person != person {
			return nil, unresolved("patient-ambiguous")
		}
		m.person = person
	}
	if m.person == (fhir.Identifier{}) {
		return nil, unresolved("patient-unresolved")
	}
	m.key = g.parts.Standings.Key(m.person)
	return m, nil
}

// counted limits how many ids a caller can try by reading them. Absent and withheld count alike, so that the limit reveals neither.
func (g *Gate) counted(x *exchange, read func() (answer, *refusal)) (answer, *refusal) {
	if g.lookups.count(x.caller, g.parts.Now()) >= g.parts.Limits.Lookups {
		return answer{}, refuse(causeThrottled, "lookup-limit")
	}
	a, ref := read()
	if ref != nil && ref.cause == causeNotFound {
		g.lookups.add(x.caller, g.parts.Now())
	}
	return a, ref
}

// allowLookup limits how many patients a caller can name (leaks.md OR-12). A patient counts once a minute, whether the mapping is cached or
// not: it may be cached from somebody else's request, or from a withheld resource that the caller tried to read, and what is left of the
// limit must not reveal that.
func (g *Gate) allowLookup(x *exchange, patient string) *refusal {
	now, named := g.parts.Now(), x.caller+"\x00"+x.source.ID+"\x00"+patient
	if g.named.count(named, now) > 0 {
		return nil
	}
	if n, _ := g.lookups.add(x.caller, now); n > g.parts.Limits.Lookups {
		return refuse(causeThrottled, "lookup-limit")
	}
	g.named.add(named, now)
	return nil
}
