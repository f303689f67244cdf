package policy_test

import (
	"strconv"
	"testing"

	"zorgsluis/consent"
)

// BenchmarkDecide is one decision about a patient with some records, and with the maximum.
func BenchmarkDecide(b *testing.B) {
	p := vectorPolicy(b)
	for _, n := range []int{5, 1000} {
		records := make([]consent.Record, n)
		for i := range records {
			records[i] = about(permit(strconv.Itoa(i)), "category "+strconv.Itoa(i)) // each of a scope of its own
		}
		in := provider(onFile(records...))
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(in)
			}
		})
	}
}
