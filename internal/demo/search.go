//go:build !release

package demo

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// problem is a refused request: a status, an IssueType and a text that names things, never values.
type problem struct {
	status     int
	code, text string
}

// Error implements error.
func (p *problem) Error() string { return p.text }

// filter is one search parameter with its values, any of which may match.
type filter struct {
	name     string // as it was written
	modifier string
	chain    string // code at the target of a reference, for "patient.identifier"
	parameter
	values []string
}

// search is a parsed query.
type search struct {
	typ      string
	dialect  dialect
	filters  []filter
	sort     []sortKey
	includes []include
	count    int // -1: not given
	summary  bool
	known    url.Values // the parameters that were used, for the self link
}

type sortKey struct {
	parameter
	descending bool
}

// include is an _include or _revinclude.
type include struct {
	reverse, iterate bool
	typ, target      string
	parameter
}

// parseSearch parses a query. If strict, an unknown parameter is a problem; otherwise it is ignored (R4 §3.1.1.3).
func (d dialect) parseSearch(typ string, query url.Values, strict bool) (search, error) {
	s := search{typ: typ, dialect: d, count: -1, known: url.Values{}}
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range query[name] {
			known, err := s.add(name, value)
			if err != nil {
				return search{}, err
			}
			if !known && strict {
				return search{}, &problem{400, "not-supported", "unknown search parameter: " + name}
			}
			if known {
				s.known.Add(name, value)
			}
		}
	}
	return s, nil
}

// add adds one parameter; known is false if there is no such parameter.
func (s *search) add(name, value string) (known bool, err error) {
	base, modifier, _ := strings.Cut(name, ":")
	switch base {
	case "_format", "_pretty", "_total":
		return true, nil
	case "_count":
		s.count, err = strconv.Atoi(value)
		if err != nil || s.count < 0 {
			return true, &problem{400, "invalid", "_count is not a number"}
		}
		return true, nil
	case "_summary":
		s.summary = value == "count"
		return s.summary || value == "false", nil
	case "_sort":
		return true, s.addSort(value)
	case "_include", "_revinclude":
		return true, s.addInclude(base == "_revinclude", modifier, value)
	}
	return s.addFilter(name, base, modifier, value)
}

func (s *search) addFilter(name, base, modifier, value string) (known bool, err error) {
	code, chain, _ := strings.Cut(base, ".")
	if target, rest, ok := strings.Cut(modifier, "."); ok { // subject:Patient.identifier
		modifier, chain = target, rest
	}
	p, ok := s.dialect.lookUp(s.typ, code)
	if !ok || chain != "" && p.kind != "reference" {
		return false, nil
	}
	if !modifierKnown(p.kind, modifier) {
		return true, &problem{400, "not-supported", "unknown modifier: " + name}
	}
	if chain != "" {
		if _, ok := s.dialect.lookUp("Patient", chain); !ok {
			return false, nil
		}
	}
	f := filter{name: name, modifier: modifier, chain: chain, parameter: p, values: splitEscaped(value, ',')}
	if p.kind == "date" && modifier == "" && chain == "" {
		for _, v := range f.values {
			_, text := cutPrefix(v)
			if _, ok := parseDate(text); !ok {
				return true, &problem{400, "invalid", "not a date: " + name}
			}
		}
	}
	s.filters = append(s.filters, f)
	return true, nil
}

func modifierKnown(kind, modifier string) bool {
	switch modifier {
	case "", "missing":
		return true
	case "not":
		return kind == "token"
	case "exact", "contains":
		return kind == "string"
	case "identifier":
		return kind == "reference"
	}
	return kind == "reference" && modifier[0] >= 'A' && modifier[0] <= 'Z'
}

func (s *search) addSort(value string) error {
	for key := range strings.SplitSeq(value, ",") {
		code, descending := strings.CutPrefix(key, "-")
		p, ok := s.dialect.lookUp(s.typ, code)
		if !ok {
			return &problem{400, "not-supported", "unknown search parameter in _sort"}
		}
		s.sort = append(s.sort, sortKey{p, descending})
	}
	return nil
}

func (s *search) addInclude(reverse bool, modifier, value string) error {
	parts := strings.Split(value, ":")
	if len(parts) < 2 || len(parts) > 3 || modifier != "" && modifier != "iterate" && modifier != "recurse" {
		return &problem{400, "not-supported", "unknown form of _include or _revinclude"}
	}
	in := include{reverse: reverse, iterate: modifier != "", typ: parts[0]}
	if len(parts) == 3 {
		in.target = parts[2]
	}
	p, ok := s.dialect.lookUp(in.typ, parts[1])
	if !ok || p.kind != "reference" {
		return &problem{400, "not-supported", "unknown reference in _include or _revinclude"}
	}
	in.parameter = p
	s.includes = append(s.includes, in)
	return nil
}

// find returns the resources that match, sorted.
func (st *store) find(s search, base string) []*stored {
	var found []*stored
	for _, r := range st.candidates(s, base) {
		if !slices.ContainsFunc(s.filters, func(f filter) bool { return !st.matches(r, f, base) }) {
			found = append(found, r)
		}
	}
	if len(s.sort) > 0 {
		slices.SortStableFunc(found, func(a, b *stored) int { return compareBy(s.sort, a, b) })
	}
	return found
}

// candidates uses the index if a parameter names one patient, as in most searches.
func (st *store) candidates(s search, base string) []*stored {
	for _, f := range s.filters {
		if f.modifier != "" || f.chain != "" || len(f.values) != 1 {
			continue
		}
		id, typed := strings.CutPrefix(strings.TrimPrefix(unescape(f.values[0]), base+"/"), "Patient/")
		if f.code() != "patient" && !(f.code() == "subject" && typed) {
			continue
		}
		relative, absolute := st.referring[s.typ]["Patient/"+id], st.referring[s.typ][base+"/Patient/"+id]
		if len(absolute) == 0 {
			return relative
		}
	}
	return st.byType[s.typ]
}

func (f filter) code() string {
	code, _, _ := strings.Cut(f.name, ":")
	code, _, _ = strings.Cut(code, ".")
	return code
}

// matches applies one filter. "not" is true if no value matches, also if there is none (R4 §3.1.1.4.5.1).
func (st *store) matches(r *stored, f filter, base string) bool {
	found := f.parameter.values(r.tree())
	if f.modifier == "missing" {
		return slices.Contains(f.values, strconv.FormatBool(len(found) == 0))
	}
	some := slices.ContainsFunc(found, func(value any) bool {
		return slices.ContainsFunc(f.values, func(want string) bool { return st.matchesValue(f, value, want, base) })
	})
	return some != (f.modifier == "not")
}

func (st *store) matchesValue(f filter, value any, want, base string) bool {
	switch {
	case f.chain != "":
		return st.matchesChain(f, value, want, base)
	case f.kind == "token":
		return matchToken(value, want)
	case f.kind == "date":
		return matchDate(value, want)
	case f.kind == "string":
		return matchString(value, want, f.modifier)
	case f.kind == "quantity", f.kind == "number":
		return matchQuantity(value, want)
	case f.kind == "uri":
		return value == unescape(want)
	case f.modifier == "identifier":
		object, _ := value.(map[string]any)
		return matchToken(object["identifier"], want)
	case f.modifier != "": // subject:Patient=x
		return matchReference(value, f.modifier+"/"+strings.TrimPrefix(want, f.modifier+"/"), base)
	}
	return matchReference(value, want, base)
}

// matchesChain follows a reference to a stored resource and matches that.
func (st *store) matchesChain(f filter, value any, want, base string) bool {
	target := st.byName[strings.TrimPrefix(referenceOf(value), base+"/")]
	if target == nil || f.modifier != "" && f.modifier != target.typ {
		return false
	}
	p, ok := st.dialect.lookUp(target.typ, f.chain)
	return ok && st.matches(target, filter{name: f.chain, parameter: p, values: []string{want}}, base)
}

// included returns what _include and _revinclude add to the matches, each resource once; it iterates if requested.
func (st *store) included(s search, matches []*stored, base string) []*stored {
	seen := map[*stored]bool{}
	for _, r := range matches {
		seen[r] = true
	}
	var added []*stored
	for from, first := matches, true; len(from) > 0; first = false {
		var next []*stored
		for _, in := range s.includes {
			if !first && !in.iterate {
				continue
			}
			for _, r := range st.reached(in, from, base) {
				if !seen[r] {
					seen[r] = true
					next = append(next, r)
				}
			}
		}
		added = append(added, next...)
		from = next
	}
	return added
}

func (st *store) reached(in include, from []*stored, base string) []*stored {
	var found []*stored
	for _, r := range from {
		if in.reverse {
			refersTo := func(value any) bool { return strings.TrimPrefix(referenceOf(value), base+"/") == r.name() }
			for _, other := range slices.Concat(st.referring[in.typ][r.name()], st.referring[in.typ][base+"/"+r.name()]) {
				if slices.ContainsFunc(in.values(other.tree()), refersTo) {
					found = append(found, other)
				}
			}
			continue
		}
		if r.typ != in.typ {
			continue
		}
		for _, value := range in.values(r.tree()) {
			target := st.byName[strings.TrimPrefix(referenceOf(value), base+"/")]
			if target != nil && (in.target == "" || target.typ == in.target) {
				found = append(found, target)
			}
		}
	}
	return found
}

// compareBy orders two resources by the first values of the sort keys; those without a value come last.
func compareBy(keys []sortKey, a, b *stored) int {
	for _, key := range keys {
		x, y := key.sortValue(a), key.sortValue(b)
		if x == y {
			continue
		}
		if x == "" || y == "" {
			return cmp.Compare(y, x)
		}
		if key.descending {
			return cmp.Compare(y, x)
		}
		return cmp.Compare(x, y)
	}
	return 0
}

// sortValue returns the first value as text that sorts correctly.
func (k sortKey) sortValue(r *stored) string {
	for _, value := range k.values(r.tree()) {
		if k.kind == "date" {
			for _, s := range spansOf(value) {
				return s.start.UTC().Format(time.RFC3339Nano)
			}
			continue
		}
		switch v := value.(type) {
		case string:
			return strings.ToLower(v)
		case map[string]any:
			for _, member := range []string{"reference", "code", "value", "text"} {
				if text, ok := v[member]; ok {
					return strings.ToLower(fmt.Sprint(text))
				}
			}
			if codings, ok := v["coding"].([]any); ok && len(codings) > 0 {
				coding, _ := codings[0].(map[string]any)
				return fmt.Sprint(coding["code"])
			}
		}
	}
	return ""
}
