package audit

import "testing"

// TestNoWriteThatIsUndoneIsEverRead lets every step of the archive's disk fail in turn, and reads between all rounds: what was read stays
// in the archive, at the same place.
func TestNoWriteThatIsUndoneIsEverRead(t *testing.T) {
	for fail := 1; fail < 60; fail++ {
		d := newMemDisk()
		a := smallArchive(t, d)
		o := newMemOutbox(t, 2)
		d.failAt = d.steps + fail
		o.fill(12)
		var at Place
		read := 0
		for range 8 {
			_, _, _ = a.round(t.Context(), o) // one of them fails
			// memDisk's files cannot seek, so places are compared with the end.
			if end := a.End(); end.N < at.N || end.Segment == at.Segment && end.Offset < at.Offset {
				t.Fatalf("step %d: the end went back from %+v to %+v", fail, at, end)
			}
			events, err := a.Read(Place{}, 1000)
			if err != nil {
				t.Fatalf("step %d: Read: %v", fail, err)
			}
			if n := len(events); n < read || uint64(n) != a.End().N {
				t.Fatalf("step %d: got %d events after %d, and %d are archived", fail, n, read, a.End().N)
			}
			read, at = len(events), a.End()
		}
		if read != 24 {
			t.Fatalf("step %d: read %d events, want all 24", fail, read)
		}
	}
}
