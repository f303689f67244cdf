package fhir

import (
	"bytes"
	"slices"
)

// The rules of a searchset and of a history (R4 §3.1.1.1, leaks.md JS-12 to JS-16).
const (
	errNoSearchset contentError = "no Bundle of type searchset"
	errNoHistory   contentError = "no Bundle of type history"
	errEntry       contentError = "an entry that is no object, or has a part of another shape"
	errLink        contentError = "a link of another shape, or next or self twice"
	errEntries     contentError = "too many entries"
)

// bundle holds a Bundle's own members.
type bundle struct {
	want       string // the expected type of Bundle
	typ, kind  string
	next, self textSpan
	entries    int
	restricted bool // by a label of the Bundle, which applies to every entry
	never      bool // by a code in its meta: no entry is disclosed

	search span   // of the entry that was read last: mostly, the next one says the same
	mode   string // what it says
}

// searchset reads a Bundle of type searchset.
func (c *Contents) searchset(i int) int {
	if i = c.bundle(i, &bundle{want: "searchset"}, errNoSearchset); i >= 0 {
		c.dropTwins()
	}
	return i
}

// history reads a Bundle of type history.
func (c *Contents) history(i int) int {
	return c.bundle(i, &bundle{want: "history"}, errNoHistory)
}

// bundle reads a Bundle of type b.want; any other type violates the rule.
func (c *Contents) bundle(i int, b *bundle, rule contentError) int {
	w := &c.walk
	i = w.eachMember(i, func(kw keyword, i int) int {
		switch kw {
		case kwResourceType:
			return w.word(i, &b.typ)
		case kwType:
			return w.word(i, &b.kind)
		case kwLink:
			return w.eachElement(i, errLink, func(i int) int { return c.bundleLink(i, b) })
		case kwEntry:
			return w.eachElement(i, errEntry, func(i int) int { return c.entry(i, b) })
		case kwMeta:
			w.facts.reset()
			w.lead(kwMeta)
			i, _, s := w.any(i, 1)
			b.restricted = !s.is(isObject) || !w.added.empty()
			b.never = w.added.meets(&w.r.classifier.never)
			return i
		}
		return w.skip(i)
	})
	switch {
	case i < 0:
		return -1
	case b.typ != "Bundle" || b.kind != b.want:
		return w.fail(rule)
	}
	c.settle(b.next, b.self)
	switch {
	case b.never:
		for i := range c.Resources {
			c.drop(i)
		}
	case b.restricted:
		c.restrictAll()
	}
	return i
}

// restrictAll adds Restricted to every resource of the Bundle that may be released.
func (c *Contents) restrictAll() {
	for i := range c.Resources {
		r := &c.Resources[i]
		if (r.Attributed || r.Shared) && !slices.Contains(r.Categories, Restricted) {
			r.Categories = slices.Sorted(slices.Values(append(slices.Clip(r.Categories), Restricted)))
		}
	}
}

// entry reads one entry. Its wrapper is rebuilt on output, so only fullUrl, resource, search.mode and, in a history, request.method
// matter (JS-14).
func (c *Contents) entry(i int, b *bundle) int {
	w := &c.walk
	if b.entries++; b.entries > w.r.maxEntries {
		return w.fail(errEntries)
	}
	count := len(c.Resources)
	mode, method, fullURL, members := unsaid, "", token{}, 0
	i = w.eachMember(i, func(kw keyword, i int) int {
		members++
		switch kw {
		case kwResource:
			if w.at(i) != '{' {
				return w.fail(errEntry)
			}
			return c.entryResource(i, "", w.among)
		case kwFullURL:
			if i, fullURL = w.fullURL(i); i >= 0 && !fullURL.present() {
				return w.fail(errEntry)
			}
			return i
		case kwSearch:
			i, mode = w.searchMode(i, b)
			return i
		case kwRequest:
			if b.want == "history" {
				return w.entryPart(i, kwMethod, &method)
			}
		}
		return w.skip(i)
	})
	switch {
	case i < 0:
		return -1
	case members == 0:
		return w.fail(errEntry)
	case len(c.Resources) == count:
		return i
	}
	switch {
	case b.want == "history" && method != "DELETE":
		mode = string(ModeMatch)
	case b.want == "searchset" && (Mode(mode) == ModeMatch || Mode(mode) == ModeInclude):
	case b.want == "searchset" && mode == unsaid:
		mode = string(ModeUnsaid)
	default:
		c.Resources, c.places = c.Resources[:count], c.places[:count]
		return i
	}
	c.Resources[count].Mode = Mode(mode)
	if fullURL.present() && !c.isFullURL(fullURL, count) {
		c.drop(count)
	}
	return i
}

// unsaid is the search mode of an entry that has none.
const unsaid = "unsaid"

// fullURL reads Bundle.entry.fullUrl. Mostly it begins with the base, which has nothing in it that a string of JSON may not have
// (parseSourceHost) and need not be looked at.
func (w *walk) fullURL(i int) (int, token) {
	quote, base := uint32(i), w.r.base
	if from := i + len(base); w.at(i) == '"' && from < len(w.body) && string(w.body[i+1:from+1]) == base {
		i, t := w.text(from)
		t.start = quote + 1
		return i, t
	}
	i, t, _ := w.any(i, 1)
	return i, t
}

// isFullURL reports whether an entry's fullUrl is the URL of its resource at this source. If not, the references in the resource
// are relative to another base (RF-12, R4 §2.36.4.1).
func (c *Contents) isFullURL(t token, i int) bool {
	w := &c.walk
	name := c.texts[c.places[i].name.start:c.places[i].name.end]
	below, ok := bytes.CutPrefix(w.bytes(t), []byte(w.r.base))
	if !ok || len(below) == 0 || below[0] != '/' {
		return false
	}
	if bytes.Equal(below[1:], name) {
		return true
	}
	target := w.local(below[1:]) // a versioned URL
	return target.typ != nil && string(name) == target.typ.name+"/"+string(target.id)
}

// searchMode reads Bundle.entry.search.
func (w *walk) searchMode(i int, b *bundle) (int, string) {
	if end := w.same(b.search.start, b.search.end, i); end > i {
		return end, b.mode
	}
	mode := unsaid
	end := w.entryPart(i, kwMode, &mode)
	b.search, b.mode = span{uint32(i), uint32(end)}, mode
	return end, mode
}

// entryPart reads the one relevant member of Bundle.entry.search or Bundle.entry.request.
func (w *walk) entryPart(i int, member keyword, to *string) int {
	if w.at(i) != '{' {
		return w.fail(errEntry)
	}
	return w.eachMember(i, func(kw keyword, i int) int {
		if kw == member {
			*to = "" // present, but not a known value so far
			return w.word(i, to)
		}
		return w.skip(i)
	})
}

// bundleLink reads one link of the Bundle; only next and self are kept.
func (c *Contents) bundleLink(i int, b *bundle) int {
	w := &c.walk
	relation, url := "", token{}
	i = w.eachMember(i, func(kw keyword, i int) int {
		switch kw {
		case kwRelation:
			return w.word(i, &relation)
		case kwURL:
			i, url, _ = w.any(i, 1)
			return i
		}
		return w.skip(i)
	})
	if i < 0 {
		return -1
	}
	to := &b.next
	switch relation {
	case "next":
	case "self":
		to = &b.self
	default:
		return i
	}
	if !url.present() || url.start == url.end || *to != (textSpan{}) {
		return w.fail(errLink)
	}
	*to = c.keepText(w.bytes(url))
	return i
}

// words are the known values of members of a Bundle.
var words = [...]string{"match", "include", "Bundle", "searchset", "history", "DELETE", "next", "self"}

// word reads a value; a string that is not one of words becomes "".
func (w *walk) word(i int, to *string) int {
	i, t, _ := w.any(i, 1)
	if i < 0 || !t.present() {
		return i
	}
	*to = ""
	for _, word := range words {
		if string(w.bytes(t)) == word {
			*to = word
		}
	}
	return i
}

// skip reads a value and ignores it.
func (w *walk) skip(i int) int {
	i, _, _ = w.any(i, 1)
	return i
}

// lead sets the name of the value that is read next.
func (w *walk) lead(kw keyword) {
	w.path[0], w.trail = kw, uint64(kw)
}

// eachMember calls f with each member of the object at i.
func (w *walk) eachMember(i int, f func(kw keyword, i int) int) int {
	i, o := w.open(i)
	if i < 0 {
		return -1
	}
	for more := w.at(i) != '}'; more; {
		var kw keyword
		if i, kw = w.name(i, o); i < 0 {
			return -1
		}
		w.lead(kwNone)
		if i = f(kw, i); i < 0 {
			return -1
		}
		if i, more = w.next(i, '}'); i < 0 {
			return -1
		}
	}
	return w.end(i, o)
}

// eachElement calls f with each element of the array at i; a value that is not an array of objects violates the rule.
func (w *walk) eachElement(i int, rule contentError, f func(i int) int) int {
	if w.at(i) != '[' {
		return w.fail(rule)
	}
	if i = w.enter(i); i < 0 {
		return -1
	}
	for more := w.at(i) != ']'; more; {
		if w.at(i) != '{' {
			return w.fail(rule)
		}
		if i = f(i); i < 0 {
			return -1
		}
		if i, more = w.next(i, ']'); i < 0 {
			return -1
		}
	}
	return w.leave(i)
}
