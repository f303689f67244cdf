package fhir

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
)

// systemFacts is what a Reader knows about a code or identifier system.
type systemFacts struct {
	sensitive *sensitiveSystem // nil if it has no sensitive codes
	person    int              // its index in Reader.persons, or -1
	labels    bool             // its codes are confidentiality labels
}

// noSystem is used for all other systems.
var noSystem = &systemFacts{person: -1}

// systemsOf returns the systems that a Reader knows, by plainSystem.
func systemsOf(c *Classifier, persons []string) map[string]*systemFacts {
	all := map[string]*systemFacts{}
	of := func(system string) *systemFacts {
		plain := plainSystem(system)
		if all[plain] == nil {
			all[plain] = &systemFacts{person: -1}
		}
		return all[plain]
	}
	for system, sensitive := range c.sensitive {
		of(system).sensitive = sensitive
	}
	for i, system := range persons {
		of(system).person = i
	}
	for _, system := range confidentialities {
		of(system).labels = true
	}
	return all
}

// plainSystem normalizes a system for comparisons that can only restrict. Sources spell one system in several ways: with https, with a
// trailing slash or a version, in upper case, as a bare OID, or as an edition of SNOMED CT.
func plainSystem(system string) string {
	s, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(strings.Map(narrow, system))), "|")
	s = strings.TrimRight(s, "/#?")
	if rest, ok := strings.CutPrefix(s, "https://"); ok {
		s = "http://" + rest
	}
	switch {
	case strings.HasPrefix(s, snomed+"/"):
		return snomed
	case s != "" && strings.Trim(s, "0123456789.") == "":
		return "urn:oid:" + s
	}
	return s
}

// snomed is how the URI of every edition and version of SNOMED CT begins.
const snomed = "http://snomed.info/sct"

// plainCode returns a code in upper case, without surrounding white space or invisible characters: a source that writes f32.1 means F32.1,
// and a restriction must not depend on that.
func plainCode(code []byte) []byte {
	code = bytes.TrimSpace(code)
	if bytes.ContainsFunc(code, func(r rune) bool { return r >= 0x80 || 'a' <= r && r <= 'z' }) {
		return bytes.TrimSpace(bytes.ToUpper(bytes.Map(narrow, code)))
	}
	return code
}

// narrow drops invisible characters, such as a zero-width space, and turns the full-width forms of ASCII into ASCII.
func narrow(r rune) rune {
	switch {
	case unicode.Is(unicode.Cf, r):
		return -1
	case '！' <= r && r <= '～':
		return r - '！' + '!'
	}
	return r
}

// isJoint reports whether a character separates codes in an expression (SNOMED CT post-coordination; dagger and asterisk in ICD-10).
func isJoint(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '.' && r != '-' }

// addTo adds the categories of a code, or of the codes in an expression.
func (s *sensitiveSystem) addTo(to *categorySet, code []byte) {
	code = plainCode(code)
	s.addOne(to, code)
	if bytes.ContainsFunc(code, isJoint) {
		for one := range bytes.FieldsFuncSeq(code, isJoint) {
			s.addOne(to, one)
		}
	}
}

func (s *sensitiveSystem) addOne(to *categorySet, code []byte) {
	if one, ok := s.exact[string(code)]; ok {
		to.union(&one)
	}
	for _, p := range s.prefixes {
		if len(code) >= len(p.prefix) && string(code[:len(p.prefix)]) == p.prefix {
			to.union(&p.categories)
		}
	}
}

// knownSystem caches a lookup: a response repeats a few systems many times.
type knownSystem struct {
	text  []byte
	facts *systemFacts
}

// systemHash tells most systems apart, by their length and their last eight characters.
func systemHash(text []byte) int {
	end, n := uint64(0), len(text)
	if n >= 8 {
		end = binary.LittleEndian.Uint64(text[n-8:])
	} else {
		for _, c := range text {
			end = end<<8 | uint64(c)
		}
	}
	return int((end + uint64(n)) * 0x9E3779B97F4A7C15 >> 48)
}

// system looks up the system that an object names.
func (w *walk) system(t token) *systemFacts {
	text := w.bytes(t)
	if len(text) == 0 {
		return noSystem
	}
	known := &w.systems[systemHash(text)%len(w.systems)]
	if known.facts == nil || !bytes.Equal(known.text, text) {
		known.text, known.facts = append(known.text[:0], text...), w.r.systems[plainSystem(string(text))]
		if known.facts == nil {
			known.facts = noSystem
		}
	}
	return known.facts
}
