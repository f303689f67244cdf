package property_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// sealed finds links whose tokens are random: next pages and attachments.
var sealed = regexp.MustCompile(`(https://gw\.example/fhir/s/(?:[A-Za-z]+(?:/\$everything)?\?_cursor=|Binary/))[A-Za-z0-9_-]{200,}`)

// Whatever a caller requests, and however often, the answers are the same with and without what the caller may not see: status, headers,
// bodies, the order and number of rows, and the length of the links.
func TestHiddenResourcesDoNotInterfere(t *testing.T) {
	seen := noninterference(t, (*maker).world)
	if !t.Failed() && (seen.removed == 0 || seen.ok == 0 || seen.refused == 0 || seen.entries == 0 || seen.links == 0) {
		t.Errorf("the worlds show too little: %+v", seen)
	}
}

// The same for what a search includes: nothing is returned because of a hidden resource that refers to it, by the element that an include
// follows or by another one, or to which it refers.
func TestHiddenResourcesBringNothingAlong(t *testing.T) {
	seen := noninterference(t, (*maker).joined)
	if !t.Failed() && (seen.removed == 0 || seen.included == 0) {
		t.Errorf("the worlds show too little: %+v", seen)
	}
}

// noninterference runs each world twice, and compares.
func noninterference(t *testing.T, draw func(*maker, *rapid.T) world) tally {
	t.Helper()
	makers := newMakers(t)
	var seen tally
	rapid.Check(t, func(t *rapid.T) {
		m, w := makers.draw(t, draw)
		with, err := m.run(&w, nil)
		if err != nil {
			t.Fatal(err)
		}
		without, err := m.run(&w, w.removed)
		if err != nil {
			t.Fatal(err)
		}
		for i := range with {
			if with[i] != without[i] {
				t.Fatalf("request %d, %s\n--- with what is hidden:\n%s\n--- without it:\n%s", i, w.asked[i], with[i], without[i])
			}
		}
		seen.add(&w, with)
		if m.version == fhir.STU3 {
			seen.stu3++
		}
	})
	if !t.Failed() && (seen.stu3 == 0 || seen.stu3 == seen.worlds) {
		t.Errorf("worlds of one version only: %+v", seen)
	}
	t.Log(seen)
	return seen
}

// What the world calls visible is what a read returns, so that the property is about the right resources.
func TestVisibleIsWhatReadsGive(t *testing.T) {
	makers := newMakers(t)
	rapid.Check(t, func(t *rapid.T) {
		m, w := makers.draw(t, (*maker).world)
		w.asked = nil
		for _, e := range w.entries {
			w.asked = append(w.asked, action{request: request{method: "GET", path: "/fhir/s/" + e.name}})
		}
		got, err := m.run(&w, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range w.entries {
			want := "404"
			if strings.HasPrefix(e.name, "Group/") {
				want = "501" // a type that is not served at all
			}
			if e.visible && !e.shared && !strings.HasPrefix(e.name, "Binary/") {
				want = "200"
			}
			if got[i][:3] != want {
				t.Fatalf("%s: got %s, want %s", e.raw, got[i], want)
			}
		}
	})
}

// run runs the world with a fresh gate, and a source without the removed resources.
func (m *maker) run(w *world, removed []string) ([]string, error) {
	for _, e := range w.entries {
		if slices.Contains(removed, e.name) {
			continue
		}
		if err := m.source.Add(e.raw); err != nil {
			return nil, err
		}
		defer m.source.Remove(e.name)
	}
	gate, err := m.gate(w.store(), map[string]policy.Subject{"caller": w.caller})
	if err != nil {
		return nil, err
	}
	return w.transcript(http.Handler(gate)), nil
}

// tally counts what the worlds covered, so that a property that tests nothing is noticed.
type tally struct{ worlds, stu3, removed, requests, ok, refused, badSource, entries, included, links int }

func (s *tally) add(w *world, transcript []string) {
	s.worlds++
	s.removed += len(w.removed)
	for _, one := range transcript {
		s.requests++
		switch {
		case strings.HasPrefix(one, "200"):
			s.ok++
		case strings.HasPrefix(one, "502"):
			s.badSource++
		default:
			s.refused++
		}
		s.entries += strings.Count(one, `"fullUrl"`)
		s.included += strings.Count(one, `"mode":"include"`)
		s.links += strings.Count(one, "<sealed")
	}
}
