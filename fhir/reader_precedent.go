package fhir

import "slices"

// precedent is a resource of a Bundle that was read before. Another one with the same bytes, except in free values, is read along it:
// only its free values are read, the rest is compared, and what was recorded is recorded again. This is common: the resources that one
// source returns for one search have the same form.
//
// A value is free if nothing that is recorded follows from what it says. That is so for a number, and for a string without escapes that
// does not name the source's host and that nobody looked at (walk.bytes) until the resource was read: at most it is recorded where it
// stands, and whoever judges the resource looks there.
type precedent struct {
	at     span
	free   []span // in order; strings with their quotes
	varies []bool // for each of them, whether it has differed in another resource

	parts      []part
	references []reference
	codings    []classifying
	edits      []edit

	// Made by prepare for these records, in the order of precedents.list: which free value each string is, or -1 if it is none; and how
	// many free values end before the start and before the end of each span.
	which  []int16
	passed [][2]int16
}

const (
	mostFree   = 200 // how many free values, and records of each kind, a precedent may have
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

	noting bool   // while a resource is read that may still become a precedent
	free   []span // its free values
	met    []span // the free values of a resource that is compared

	strings []*token // of list
	spans   []*span
}

// reset forgets the precedents of another body.
func (p *precedents) reset() { p.count, p.last, p.trust, p.noting = 0, 0, firstTrust, false }

// among reads the resource at i of a Bundle.
func (w *walk) among(i int) int {
	p := &w.precedents
	if p.trust == 0 {
		return w.alone(i)
	}
	for n := range p.count {
		likely := (p.last + n) % len(p.kept)
		if end := w.along(&p.kept[likely], i); end >= 0 {
			p.last, p.trust = likely, min(p.trust+1, mostTrust)
			return end
		}
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
	one.at, one.free = at, append(one.free[:0], p.free...)
	one.varies = slices.Grow(one.varies[:0], len(p.free))[:len(p.free)]
	clear(one.varies)
	one.parts, one.references = append(one.parts[:0], f.parts...), append(one.references[:0], f.references...)
	one.codings, one.edits = append(one.codings[:0], f.codings...), append(one.edits[:0], edits...)
	one.which, one.passed = one.which[:0], one.passed[:0]
}

// along reads the resource at i along a precedent, or returns -1 if it differs in more than free values. It never decides that a
// resource is wrong: that is left to reading it.
func (w *walk) along(p *precedent, i int) int {
	met := w.precedents.met[:0]
	from, at := p.at.start, i
	single := false // look at every free value, until the one is found by which a longer stretch differs
	for n := 0; ; n++ {
		next := n // the next free value to look at: those before have not differed yet, and are compared with what stands between them
		for !single && next < len(p.free) && !p.varies[next] {
			next++
		}
		end := w.same(from, p.start(next), at)
		if end < 0 && next > n {
			next, single = n, true
			end = w.same(from, p.start(next), at)
		}
		if end < 0 {
			return -1
		}
		for ; n < next; n++ {
			met = append(met, p.free[n].later(uint32(at)-from))
		}
		if n == len(p.free) {
			w.precedents.met = met
			w.recordAgain(p, i)
			return end
		}
		if at = w.freeValue(p.free[n], end); at < 0 {
			return -1
		}
		met, from = append(met, span{uint32(end), uint32(at)}), p.free[n].end
		if !w.equal(p.free[n], met[n]) {
			p.varies[n], single = true, false
		}
	}
}

// start is where free value n starts; after the last one, the end of the precedent.
func (p *precedent) start(n int) uint32 {
	if n == len(p.free) {
		return p.at.end
	}
	return p.free[n].start
}

// same returns the position after the bytes at i if they are those from start to end, else -1.
func (w *walk) same(start, end uint32, i int) int {
	after := i + int(end-start)
	if after > len(w.body) || string(w.body[start:end]) != string(w.body[i:after]) {
		return -1
	}
	return after
}

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

// recordAgain records for the resource at i what is recorded for a precedent.
func (w *walk) recordAgain(p *precedent, i int) {
	l := &w.precedents
	if len(p.which) == 0 { // there are always two at least: type and id
		l.prepare(p)
	}
	w.parts, w.references = append(w.parts[:0], p.parts...), append(w.references[:0], p.references...)
	w.codings = append(w.codings[:0], p.codings...)
	edits := len(w.edits)
	w.edits = append(w.edits, p.edits...)
	l.list(w.parts, w.references, w.codings, w.edits[edits:])
	for n, free := range p.which {
		if free >= 0 && !w.equal(p.free[free], l.met[free]) { // the same text may be read in either place
			*l.strings[n] = token{start: l.met[free].start + 1, end: l.met[free].end - 1}
		}
	}
	shift := func(passed int16) uint32 { // wraps around if the resource is shorter up to there
		if passed == 0 {
			return uint32(i) - p.at.start
		}
		return l.met[passed-1].end - p.free[passed-1].end
	}
	for n, s := range l.spans {
		if *s != (span{}) {
			*s = span{s.start + shift(p.passed[n][0]), s.end + shift(p.passed[n][1])}
		}
	}
}

// prepare finds out which of the records of a precedent are about free values, or stand behind some. It is done when a first resource is
// like it, which for many never happens.
func (l *precedents) prepare(p *precedent) {
	l.list(p.parts, p.references, p.codings, p.edits)
	for _, t := range l.strings {
		n, free := slices.BinarySearchFunc(p.free, int(t.start)-1, func(s span, start int) int { return int(s.start) - start })
		if !free {
			n = -1
		}
		p.which = append(p.which, int16(n))
	}
	before := func(at uint32) int16 {
		n, _ := slices.BinarySearchFunc(p.free, int(at)+1, func(s span, behind int) int { return int(s.end) - behind })
		return int16(n)
	}
	for _, s := range l.spans {
		p.passed = append(p.passed, [2]int16{before(s.start), before(s.end)})
	}
}

// list lists the strings and the spans in records, always in the same order.
func (l *precedents) list(parts []part, references []reference, codings []classifying, edits []edit) {
	l.strings, l.spans = l.strings[:0], l.spans[:0]
	for n := range parts {
		p := &parts[n]
		l.strings = append(l.strings, &p.typ, &p.id)
		l.spans = append(l.spans, &p.text, &p.link, &p.linkTwin)
	}
	for n := range references {
		r := &references[n]
		l.strings = append(l.strings, &r.text, &r.typ)
		l.spans = append(l.spans, &r.display, &r.twin)
	}
	for n := range codings {
		l.strings = append(l.strings, &codings[n].system, &codings[n].code)
	}
	for n := range edits {
		l.spans = append(l.spans, &edits[n].at)
	}
}
