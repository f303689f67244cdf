package fhir

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// precedent is a resource of a Bundle that was read before. Another one with the same bytes, except in free values, is read along it:
// only the values that differ are read, the rest is compared, and what was recorded is recorded again. If none of those that are recorded
// says anything new, not even that: the resource is judged as another one was. This is common: the resources that one source returns for
// one search have the same form.
//
// A value is free if nothing that is recorded follows from what it says. That is so for a number, and for a string without escapes that
// does not name the source's host and that nobody looked at (walk.bytes) until the resource was read: at most it is recorded where it
// stands, and whoever judges the resource looks there.
type precedent struct {
	at   span
	free []span // in order; strings with their quotes
	open []span // those in which another resource has differed, no longer in free; in order

	parts      []part
	references []reference
	codings    []classifying
	edits      []edit

	// Made by prepare, and forgotten when another value is opened.
	prepared bool
	id       int    // index in open of the resource's id; -1 if all have the same
	told     []told // the other open values that are recorded

	judged [mostJudged]judged
	judges int // how many were put there, the oldest being replaced
}

// told is an open value that is recorded: its index in open, and that of the string in precedents.list.
type told struct{ open, text int }

// judged is what became of a resource that was read along a precedent: its attachments are none, and its texts and references can serve
// another resource as well (walk.judgedBefore).
type judged struct {
	texts    []span // of the told values
	resource Resource
	place    place
	edits    []edit // in order, as they would stand in the precedent
}

const (
	mostFree   = 200 // how many free values, and records of each kind, a precedent may have
	mostJudged = 4
	firstTrust = 3
	mostTrust  = 6
)

// precedents are those of one body.
type precedents struct {
	kept  [2]precedent
	count int // how many are in use
	last  int // index of the one that was made or followed last
	// trust grows by one with every resource that is like a precedent and falls by one with every other. At 0 no more are compared: in
	// some bodies hardly any resource is like another.
	trust int

	followed *precedent // by the resource that was read last; nil if by none

	noting bool   // while a resource is read that may still become a precedent
	free   []span // its free values
	met    []span // the values in a resource that is compared, in place of the open ones

	strings []*token // of list
}

// reset forgets the precedents of another body.
func (p *precedents) reset() {
	p.count, p.last, p.trust, p.followed, p.noting = 0, 0, firstTrust, nil, false
}

// among reads the resource at i of a Bundle.
func (w *walk) among(i int) int {
	p := &w.precedents
	p.followed = nil
	if p.trust == 0 {
		return w.alone(i)
	}
	for n := range p.count {
		likely := (p.last + n) % len(p.kept)
		if end := w.along(&p.kept[likely], i); end >= 0 {
			p.last, p.trust, p.followed = likely, min(p.trust+1, mostTrust), &p.kept[likely]
			return end
		}
	}
	if p.count > 0 || p.trust < firstTrust { // not the first
		w.memory.remember()
	}
	p.trust--
	edits, attachments := len(w.edits), len(w.attachments)
	p.free, p.noting = p.free[:0], true
	end := w.alone(i)
	noted := p.noting
	p.noting = false
	if noted && end >= 0 && !w.odd && w.added.empty() && len(w.persons) == 0 && len(w.attachments) == attachments {
		p.keep(span{uint32(i), uint32(end)}, &w.facts, w.edits[edits:])
	}
	return end
}

// note notes a free value, unless there are too many.
func (p *precedents) note(at span) {
	if p.noting = len(p.free) < mostFree; p.noting {
		p.free = append(p.free, at)
	}
}

// looked makes a string that somebody looks at no free value.
func (p *precedents) looked(t token) {
	for n := len(p.free) - 1; n >= 0 && p.free[n].start+1 >= t.start; n-- {
		if p.free[n].start+1 == t.start {
			p.free = slices.Delete(p.free, n, n+1)
			return
		}
	}
}

// used makes nothing in a value free whose records are also those of another value (walk.noteAgain): in another resource, the two may
// differ.
func (p *precedents) used(at span) {
	if p.noting {
		p.free = slices.DeleteFunc(p.free, func(s span) bool { return at.start <= s.start && s.end <= at.end })
	}
}

// keep makes the resource that was read a precedent, in place of the older one, unless too much is recorded about it.
func (p *precedents) keep(at span, f *facts, edits []edit) {
	if max(len(f.parts), len(f.references), len(f.codings), len(edits)) > mostFree {
		return
	}
	if p.count > 0 {
		p.last = (p.last + 1) % len(p.kept)
	}
	p.count = min(p.count+1, len(p.kept))
	one := &p.kept[p.last]
	one.at, one.free, one.open = at, append(one.free[:0], p.free...), one.open[:0]
	one.parts, one.references = append(one.parts[:0], f.parts...), append(one.references[:0], f.references...)
	one.codings, one.edits = append(one.codings[:0], f.codings...), append(one.edits[:0], edits...)
	one.forget()
}

// along reads the resource at i along a precedent, or returns -1 if it differs in more than free values. It never decides that a
// resource is wrong: that is left to reading it.
func (w *walk) along(p *precedent, i int) int {
	met := w.precedents.met[:0]
	from, at := p.at.start, i
	for {
		n := len(met)
		to := p.at.end
		if n < len(p.open) {
			to = p.open[n].start
		}
		end := w.same(from, to, at)
		switch {
		case end < 0 && p.opens(from+w.agree(w.body[from:to], at), n):
			continue
		case end < 0:
			return -1
		case n == len(p.open):
			w.precedents.met = met
			return end
		}
		if at = w.freeValue(p.open[n], end); at < 0 {
			return -1
		}
		met, from = append(met, span{uint32(end), uint32(at)}), p.open[n].end
	}
}

// same returns the position after the bytes at i if they are those from start to end, else -1.
func (w *walk) same(start, end uint32, i int) int {
	after := i + int(end-start)
	if after > len(w.body) || string(w.body[start:end]) != string(w.body[i:after]) {
		return -1
	}
	return after
}

// agree returns how many bytes are the same as at i, up to the first that differs.
func (w *walk) agree(b []byte, i int) uint32 {
	other := w.body[i:]
	b = b[:min(len(b), len(other))]
	n := 0
	for n+8 <= len(b) && binary.LittleEndian.Uint64(b[n:]) == binary.LittleEndian.Uint64(other[n:]) {
		n += 8
	}
	for n < len(b) && b[n] == other[n] {
		n++
	}
	return uint32(n)
}

// opens makes the free value open in which another resource differs at a position, as number n of the open ones, and reports whether
// there is one. A number can differ right behind its end.
func (p *precedent) opens(at uint32, n int) bool {
	f, _ := slices.BinarySearchFunc(p.free, at, func(s span, at uint32) int { return cmp.Compare(s.end, at) })
	if f == len(p.free) || p.free[f].start > at {
		return false
	}
	p.open = slices.Insert(p.open, n, p.free[f])
	p.free = slices.Delete(p.free, f, f+1)
	p.forget()
	return true
}

// forget forgets what depends on which values are open.
func (p *precedent) forget() { p.prepared, p.judges = false, 0 }

// equal reports whether two spans have the same bytes.
func (w *walk) equal(a, b span) bool {
	return string(w.body[a.start:a.end]) == string(w.body[b.start:b.end])
}

// freeValue reads the value at i if it could be free in place of another one, else it returns -1.
func (w *walk) freeValue(other span, i int) int {
	end := -1
	switch c := w.at(i); {
	case w.body[other.start] == '"':
		if c != '"' {
			break
		}
		var t token
		if end, t = w.text(i); t.host || t.esc != plain {
			end = -1
		}
	case c == '-' || '0' <= c && c <= '9':
		end = w.number(i)
	}
	w.err = nil // as along: reading the resource finds it
	return end
}

// judgeAlong judges the resource at a place that was read along a precedent, by what became of another one if it can.
func (c *Contents) judgeAlong(p *precedent, at span, from marks, mode Mode) contentError {
	w := &c.walk
	if !p.prepared {
		w.precedents.prepare(p)
	}
	id := w.bytes(w.precedents.id(p))
	if before := w.judgedBefore(p); before != nil && isID(id) {
		w.edits = append(w.edits, before.edits...)
		place := before.place
		place.at, place.name, place.edits = at, c.keepName(before.resource.Type, id), [2]int{from.edits, len(w.edits)}
		c.Resources, c.places = append(c.Resources, before.resource), append(c.places, place)
	} else {
		w.recordAgain(p)
		if broken := c.judge(at, from, mode); broken != "" {
			return broken
		}
		if r := c.Resources[len(c.Resources)-1]; isID(id) && r.Type != typePatient {
			w.precedents.keepJudged(p, r, c.places[len(c.places)-1], w.edits[from.edits:])
		}
	}
	w.precedents.move(p, w.edits[from.edits:], at.start)
	return ""
}

// judgedBefore returns what became of a resource in which the told values said the same as in the one that was read along p; nil if none is
// known. All else that is recorded about the two is the same, except for the id and for where it stands. So their judgement is the same,
// where both ids are valid: an id decides nothing else, except in a Patient, of which nothing is kept.
func (w *walk) judgedBefore(p *precedent) *judged {
	for n := range min(p.judges, mostJudged) {
		j := &p.judged[n]
		same := true
		for k := 0; same && k < len(p.told); k++ {
			same = w.equal(j.texts[k], w.precedents.met[p.told[k].open])
		}
		if same {
			return j
		}
	}
	return nil
}

// keepJudged keeps what became of the resource that was read along p, in place of the oldest.
func (l *precedents) keepJudged(p *precedent, r Resource, place place, edits []edit) {
	j := &p.judged[p.judges%mostJudged]
	p.judges++
	j.resource, j.place, j.edits = r, place, append(j.edits[:0], edits...)
	j.texts = j.texts[:0]
	for _, t := range p.told {
		j.texts = append(j.texts, l.met[t.open])
	}
}

// recordAgain records for the resource that was read along p what is recorded for p. The strings are those of the resource, but whatever
// is cut out of it still stands where it stands in p, until it is moved.
func (w *walk) recordAgain(p *precedent) {
	l := &w.precedents
	w.parts, w.references = append(w.parts[:0], p.parts...), append(w.references[:0], p.references...)
	w.codings, w.edits = append(w.codings[:0], p.codings...), append(w.edits, p.edits...)
	w.parts[0].id = l.id(p)
	l.list(w.parts, w.references, w.codings)
	for _, t := range p.told {
		*l.strings[t.text] = l.met[t.open].inside()
	}
}

// id is the id of the resource that was read along p.
func (l *precedents) id(p *precedent) token {
	if p.id < 0 {
		return p.parts[0].id
	}
	return l.met[p.id].inside()
}

// inside is the plain string at a span with its quotes.
func (s span) inside() token { return token{start: s.start + 1, end: s.end - 1} }

// move moves edits, in order, from where they would stand in p to where they stand in the resource that was read along it and starts at i.
func (l *precedents) move(p *precedent, edits []edit, i uint32) {
	passed, by := 0, i-p.at.start // open values before an edit; wraps around if the resource is shorter up to there
	pass := func(at uint32) (int, uint32) {
		passed, by := passed, by
		for ; passed < len(p.open) && p.open[passed].end <= at; passed++ {
			by = l.met[passed].end - p.open[passed].end
		}
		return passed, by
	}
	for n := range edits {
		at := &edits[n].at
		passed, by = pass(at.start)
		_, behind := pass(at.end)
		*at = span{at.start + by, at.end + behind}
	}
}

// prepare finds out which open values are recorded. It is done when a first resource is like the precedent, which for many never happens.
func (l *precedents) prepare(p *precedent) {
	l.list(p.parts, p.references, p.codings)
	p.prepared, p.id, p.told = true, -1, p.told[:0]
	for text, t := range l.strings {
		n, open := slices.BinarySearchFunc(p.open, int(t.start)-1, func(s span, start int) int { return int(s.start) - start })
		switch {
		case open && t == &p.parts[0].id:
			p.id = n
		case open:
			p.told = append(p.told, told{n, text})
		}
	}
}

// list lists the strings in records, always in the same order.
func (l *precedents) list(parts []part, references []reference, codings []classifying) {
	l.strings = l.strings[:0]
	for n := range parts {
		l.strings = append(l.strings, &parts[n].typ, &parts[n].id)
	}
	for n := range references {
		l.strings = append(l.strings, &references[n].text, &references[n].typ)
	}
	for n := range codings {
		l.strings = append(l.strings, &codings[n].system, &codings[n].code)
	}
}
