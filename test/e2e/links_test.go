package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/internal/demo"
)

// TestPageLinksTellNothing: our page links have the same length for every link of a source, from none to the longest that fits. A source with
// longer links is refused at once, and its operator can read why.
func TestPageLinksTellNothing(t *testing.T) {
	t.Parallel()
	karena := demo.Karena()
	var rows []demo.Resource // more than two pages of the source, at fifty each
	for i := range 120 {
		rows = append(rows, demo.Resource(fmt.Sprintf(`{"resourceType":"Observation","id":"row-%03d","status":"final","code":{"text":"row"},`+
			`"subject":{"reference":"Patient/%s"}}`, i, karena.PatientID)))
	}
	w := newWorld(t, rows...)
	g, _ := w.start()
	all := g.ask(demo.GP(), search("Observation", karena, "_count", "200")).wantStatus(t, http.StatusOK, "all").entries()
	if len(all) <= len(rows) {
		t.Fatalf("got %d observations, want more than %d", len(all), len(rows))
	}
	longer := func(by int) { // lengthens the source's own links by this many bytes
		w.source.Intercept(w.source.Edit(func(b []byte) []byte {
			return []byte(strings.ReplaceAll(string(b), "&_bundletype=searchset", "&_bundletype=searchset&_x="+strings.Repeat("x", by)))
		}))
	}
	for name, first := range map[string]question{
		"a short query": search("Observation", karena, "_count", "20"),
		"a long query":  search("Observation", karena, "_count", "20", "status", strings.Repeat("amended,", 70)+"final"),
	} {
		lengths := map[int]bool{}
		for _, by := range []int{0, 1, 300, 600, 1000} {
			longer(by)
			var got []string
			for at := first; at.path != ""; {
				r := g.ask(demo.GP(), at).wantStatus(t, http.StatusOK, name)
				got = append(got, r.entries()...)
				if at = get(r.link(g, "next")); at.path != "" {
					lengths[len(at.path)] = true
				}
			}
			if !slices.Equal(got, all) {
				t.Errorf("%s, links longer by %d: got %d, want %d in the same order", name, by, len(got), len(all))
			}
		}
		if len(lengths) != 1 {
			t.Errorf("%s: the links have lengths %v, want one", name, lengths)
		}
	}
	longer(1300)
	r := g.ask(demo.GP(), search("Observation", karena, "_count", "20")).wantStatus(t, http.StatusBadGateway, "links that are too long")
	r.wantNothing(t, "links that are too long")
	w.wantEvent(r, "error", "source-next-too-long")
	g.wantLog("a page link of the source has", "the log to say why")
}
