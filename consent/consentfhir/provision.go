package consentfhir

import (
	"cmp"
	"slices"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// provision is what one provision says itself. What it does not name is inherited from the provision around it.
type provision struct {
	path      string
	typ       string
	from, to  time.Time
	parties   []consent.Side
	holders   []consent.Side
	emergency bool // the actor is everyone who may act in an emergency
	data      []string
	channel   string
	purposes  []string
	nested    []*provision
}

// scope is the scope of one record.
type scope struct {
	decision  string
	exception bool
	holder    consent.Side
	party     consent.Side
	data      []string
	channel   string
	purposes  []string
	name      string // of a person
	every     bool   // all purposes, because none was named
	from, to  time.Time
}

// provision reads one provision; an exception to it is one level deeper, and has no exceptions itself (IHE PCF).
func (w *walk) provision(path string, n node, depth int) *provision {
	p := &provision{path: path}
	purposes := 0
	members := map[string]visit{
		"type": func(at string, n node) {
			if p.typ = n.text; n.kind != text || p.typ != consent.DecisionPermit && p.typ != consent.DecisionDeny {
				w.refuse(at, "is not permit or deny")
			}
		},
		"period":  w.period(&p.from, &p.to),
		"actor":   w.each(func(at string, n node) { w.actor(p, at, n) }),
		"purpose": w.each(func(at string, n node) { purposes++; w.purpose(p, at, n) }),
		"modifierExtension": w.extensions(map[string]visit{
			extensionData:    w.valued("valueCoding", func(at string, n node) { w.data(p, at, n) }),
			extensionChannel: w.once(w.valued("valueCode", w.string(&p.channel))),
		}),
	}
	if depth == 0 {
		members["provision"] = w.each(func(at string, n node) { p.nested = append(p.nested, w.provision(at, n, depth+1)) })
	}
	w.object(path, n, members)
	if n.member("type").kind == null {
		w.refuse(join(path, "type"), "is missing: without it nothing is permitted or refused")
	}
	if purposes == 0 && slices.ContainsFunc(p.parties, isPerson) {
		p.purposes = []string{consent.PurposeMandate}
	}
	if purposes > 0 && len(p.purposes) == 0 && len(w.problems) == 0 {
		w.refuse(join(path, "purpose"), "names no purpose that the gateway decides on")
	}
	return p
}

// actor reads whom a provision is for (IRCP, PRCP), or whose data it concerns (CST).
func (w *walk) actor(p *provision, path string, n node) {
	var role coding
	var who reference
	w.object(path, n, map[string]visit{
		"role":      func(path string, n node) { role = w.concept(path, n) },
		"reference": func(path string, n node) { who = w.reference(path, n) },
	})
	if w.isEmergency(who) {
		p.emergency = true
		if role.code != "IRCP" {
			w.refuse(join(path, "role"), "is not IRCP")
		}
		return
	}
	if who.typ == "RelatedPerson" {
		w.person(p, path, role, who)
		return
	}
	side, ok := w.side(who)
	switch {
	case !ok:
		w.refuse(join(path, "reference"), "is not a provider that is known here: an identifier of one, a category, or a reference that is configured")
	case role.system == systemRole && (role.code == "IRCP" || role.code == "PRCP"):
		p.parties = with(p.parties, side)
	case role == coding{systemRole, "CST"}:
		p.holders = with(p.holders, side)
	default:
		w.refuse(join(path, "role"), "is not IRCP, PRCP (who may see) or CST (who holds the data)")
	}
}

// person reads somebody chosen by the patient: by the key under which that person is known here, or by a configured issuer's name.
func (w *walk) person(p *provision, path string, role coding, who reference) {
	key, known := consent.PersonKey(who.value), who.system == SystemPersonKey
	if !known && w.profile.Person != nil {
		key, known = w.profile.Person(fhir.Identifier{System: who.system, Value: who.value})
	}
	switch {
	case !known:
		w.refuse(join(path, "reference"), "is not a person who is known here: by the key that events show, or by a configured issuer and its subject; never by a citizen service number")
	case role != coding{systemRole, "IRCP"}:
		w.refuse(join(path, "role"), "is not IRCP")
	case w.mandated != "" && w.mandated != key:
		w.refuse(join(path, "reference"), "is a second person: each has a Consent of its own")
	case w.name != "" && who.display != "" && who.display != w.name:
		w.refuse(join(path, "reference.display"), "is a second name of one person")
	default:
		w.mandated, w.name = key, cmp.Or(w.name, who.display)
		p.parties = with(p.parties, consent.Side{Person: key})
	}
}

func isPerson(side consent.Side) bool { return side.Person != "" }

// with adds a side, once.
func with(sides []consent.Side, side consent.Side) []consent.Side {
	if slices.Contains(sides, side) {
		return sides
	}
	return append(sides, side)
}

func (w *walk) isEmergency(who reference) bool {
	return who.system == systemEmergency && who.value == valueEmergency && who.names("Group") ||
		who.literal != "" && slices.Contains(w.profile.Emergency, who.literal)
}

// side is the provider or category of providers that a reference names.
func (w *walk) side(who reference) (consent.Side, bool) {
	if !who.logical() {
		side, known := w.profile.Parties[who.literal]
		return side, known && who.literal != ""
	}
	if who.system == systemCategory {
		return consent.Side{Category: who.value}, who.typ == "Group"
	}
	id := who.value
	if who.system != systemProvider {
		at := slices.IndexFunc(namingSystems, func(s namingSystem) bool { return s.system() == who.system })
		if at < 0 || !slices.Contains(namingSystems[at].types, who.typ) { // an organization's number cannot be a practitioner's: it would match nobody
			return consent.Side{}, false
		}
		id = namingSystems[at].prefix + id
	}
	switch who.typ {
	case "Organization":
		return consent.Side{Organization: id}, true
	case "Practitioner":
		return consent.Side{Practitioner: id}, true
	}
	return consent.Side{}, false
}

// purpose reads a purpose. Break-the-glass is the emergency here. Payment and operations, which PCF lists with treatment, are ignored: the
// gateway refuses both, whatever a consent says (decision.md, rule 6).
func (w *walk) purpose(p *provision, path string, n node) {
	c := w.coding(path, n)
	switch {
	case c.system != systemPurpose:
		w.refuse(path, "is not a purpose of v3-ActReason")
	case c.code == "BTG":
		if !slices.Contains(p.purposes, "ETREAT") {
			p.purposes = append(p.purposes, "ETREAT")
		}
	case slices.Contains(everyPurpose, c.code), c.code == consent.PurposeMandate:
		p.purposes = append(p.purposes, c.code)
	case c.code != "HPAYMT" && c.code != "HOPERAT":
		w.refuse(path, "is a purpose that the gateway does not decide on")
	}
}

// data reads a data category or a group of them. Its system must be the one that the gateway writes for it.
func (w *walk) data(p *provision, path string, n node) {
	c := w.coding(path, n)
	if c.code != "" && c.system != w.profile.systemOf(c.code) {
		w.refuse(path, "is not of the code system of its category or group")
	}
	p.data = append(p.data, c.code)
}

// systemOf is the code system of a data category or group.
func (p Profile) systemOf(name string) string {
	switch {
	case slices.Contains(p.Groups, name):
		return systemGroup
	case name == string(fhir.Restricted), name == string(fhir.Unclassified):
		return systemOwnData
	}
	return systemData
}

// records makes the scopes of a resource's records: the base rule for each of its actors, and each exception within the base rule. An
// exception that would not take precedence over the base rule is refused (decision.md, The consent state, D).
func (r *resource) records() {
	root := r.root
	rest := slices.Clone(root.nested)
	exception := slices.IndexFunc(rest, func(p *provision) bool { return p.emergency })
	if exception >= 0 {
		r.emergency(rest[exception])
		rest = slices.Delete(rest, exception, exception+1)
	}
	if root.emergency {
		r.refuse(join(root.path, "actor"), "everyone in an emergency: stands in an exception to a refusal only")
	}
	base := scope{decision: root.typ, exception: exception >= 0}
	bases := root.each(base)
	permits := slices.ContainsFunc(rest, func(p *provision) bool { return p.typ == consent.DecisionPermit })
	if permits && bases[0].total() {
		bases[0].purposes, bases[0].every = slices.Clone(everyPurpose), true
	}
	if slices.ContainsFunc(bases, scope.forNobody) {
		r.refuse(join(root.path, "actor"), forNobody)
	}
	r.scopes = bases
	for _, p := range rest {
		if p.emergency {
			r.refuse(p.path, "is a second exception for everyone in an emergency")
		}
		r.except(p, bases)
	}
	r.mandates()
	if len(r.scopes) > maxRecords {
		r.refuse("provision", "stands for too many records")
	}
}

// mandates checks records about a person, and adds the person's name: their purpose must be the one of patients' own requests, which no
// other record may have.
func (r *resource) mandates() {
	for i := range r.scopes {
		s := &r.scopes[i]
		person := isPerson(s.party)
		if person {
			s.name = r.name
		}
		if person != slices.Contains(s.purposes, consent.PurposeMandate) || person && len(s.purposes) > 1 {
			r.refuse("provision.purpose", consent.PurposeMandate+" is for a person whom the patient chose, who has no other")
			return
		}
	}
}

// emergency checks the only form in which a refusal allows emergencies.
func (r *resource) emergency(p *provision) {
	plain := len(p.parties)+len(p.holders)+len(p.data) == 0 && p.channel == "" && p.from.IsZero() && p.to.IsZero()
	if p.typ != consent.DecisionPermit || r.root.typ != consent.DecisionDeny || !plain || !slices.Equal(p.purposes, []string{"ETREAT"}) {
		r.refuse(p.path, "everyone in an emergency: takes a permit for ETREAT or BTG and nothing else, as an exception to a refusal")
	}
}

// except adds the records of one exception: one for each actor that it names, and for each actor of the base rule where it names none.
func (r *resource) except(p *provision, bases []scope) {
	var all []scope
	for _, holder := range orElse(p.holders, consent.Side{}) {
		for _, party := range orElse(p.parties, consent.Side{}) {
			for _, base := range bases {
				s := p.within(base)
				s.holder, s.party = cmp.Or(holder, s.holder), cmp.Or(party, s.party)
				switch {
				case s.forNobody():
					r.refuse(join(p.path, "actor"), forNobody)
					return
				case !s.precedes(base):
					r.refuse(p.path, "is not more specific than what it is an exception to")
					return
				}
				if !slices.ContainsFunc(all, s.equal) {
					all = append(all, s)
				}
			}
		}
	}
	r.scopes = append(r.scopes, all...)
}

// within is what an exception says for the actors of a base rule.
func (p *provision) within(base scope) scope {
	base.exception = false
	if p.typ == consent.DecisionPermit && base.every {
		base.purposes = []string{"TREAT", "ETREAT"} // the purposes of a permit that names none
	}
	return p.over(base)
}

// precedes reports whether an exception takes precedence over its base rule. If both say the same it need not.
func (s scope) precedes(base scope) bool {
	order := s.record().CompareSpecificity(base.record())
	if s.decision == base.decision {
		return order >= 0 || !base.exception
	}
	return order > 0 || order == 0 && s.decision == consent.DecisionDeny
}

const forNobody = "is missing: a permit must say for whom it is"

// forNobody reports whether a permit names no party: consent to everybody at once is not specific.
func (s scope) forNobody() bool {
	return s.decision == consent.DecisionPermit && s.party == consent.Side{}
}

// over is what a provision says within another, apart from actors: what it does not name is inherited.
func (p *provision) over(s scope) scope {
	s.decision = p.typ
	if len(p.data) > 0 {
		s.data = p.data
	}
	if p.channel != "" {
		s.channel = p.channel
	}
	if len(p.purposes) > 0 {
		s.purposes = p.purposes
	}
	if !p.from.IsZero() {
		s.from = p.from
	}
	if !p.to.IsZero() {
		s.to = p.to
	}
	return s
}

// each is what a base rule says, for each of its actors.
func (p *provision) each(s scope) (all []scope) {
	s = p.over(s)
	for _, holder := range orElse(p.holders, consent.Side{}) {
		for _, party := range orElse(p.parties, consent.Side{}) {
			s.holder, s.party = holder, party
			all = append(all, s)
		}
	}
	return all
}

func orElse(sides []consent.Side, other consent.Side) []consent.Side {
	if len(sides) == 0 {
		return []consent.Side{other}
	}
	return sides
}

// total reports whether nothing is named at all (decision.md, The consent state, B).
func (s scope) total() bool {
	return s.holder == consent.Side{} && s.party == consent.Side{} && len(s.data) == 0 && s.channel == "" && len(s.purposes) == 0
}

func (s scope) equal(t scope) bool {
	return s.decision == t.decision && s.exception == t.exception && s.holder == t.holder && s.party == t.party && s.name == t.name && s.channel == t.channel &&
		slices.Equal(s.data, t.data) && slices.Equal(s.purposes, t.purposes) && s.from.Equal(t.from) && s.to.Equal(t.to)
}

// into sets the scope of a record.
func (s scope) into(r *consent.Record) {
	r.Decision, r.EmergencyException = s.decision, s.exception
	r.Holder, r.Party, r.PartyName, r.Channel = s.holder, s.party, s.name, s.channel
	r.Data, r.Purposes = append([]string{}, s.data...), append([]string{}, s.purposes...)
	r.ValidFrom.Time, r.ValidTo.Time = s.from, s.to
}

func (s scope) record() (r consent.Record) {
	s.into(&r)
	return r
}

// scopeOf is the scope of a record.
func scopeOf(r consent.Record) scope {
	return scope{
		decision: r.Decision, exception: r.EmergencyException, holder: r.Holder, party: r.Party, name: r.PartyName, data: r.Data, channel: r.Channel,
		purposes: r.Purposes, from: r.ValidFrom.Time, to: r.ValidTo.Time,
	}
}
