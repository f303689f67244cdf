package redisstore_test

import (
	"context"
	"fmt"
	"testing"

	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
)

// BenchmarkRequest is what one request asks of the store: a standing and a commit, by 64 callers, with appendfsync always.
func BenchmarkRequest(b *testing.B) {
	for _, records := range []int{1, 10} {
		b.Run(fmt.Sprintf("%d records", records), func(b *testing.B) {
			server := redistest.Start(b, "--maxmemory", "4gb")
			s := open(b, options(b, server.Socket()))
			change(b, s, alice, func(st *consent.Standing) error {
				for range records {
					if err := permit(st); err != nil {
						return err
					}
				}
				return nil
			})
			b.SetParallelism(32) // times two processors
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					request(b, s)
				}
			})
			b.StopTimer()
			c := s.Counters()
			b.ReportMetric(float64(c.Calls)/float64(max(c.Batches, 1)), "calls/batch")
		})
	}
}

func request(b *testing.B, s *redisstore.Store) {
	st, _, err := s.Standing(context.Background(), s.Key(alice))
	if err != nil {
		b.Errorf("standing: %v", err)
		return
	}
	if err := s.Commit(context.Background(), release(s, alice, st.Generation)); err != nil {
		b.Errorf("commit: %v", err)
	}
}
