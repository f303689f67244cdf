package e2e_test

import (
	"net/http"
	"testing"

	"zorgsluis/internal/demo"
)

// TestExactlyOnce: toxiproxy is between a gateway and its Redis, and delays, slows down, slices, swallows, resets and cuts the traffic in both
// directions, under hundreds of concurrent requests and while a consent is given and withdrawn in turn. Each answer has exactly one event, each
// 503 at most one, none is duplicated, and nothing is released under a withdrawn consent.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	proxy := startProxy(t, w.redis.Address())
	w.redisAddress = proxy.Listen
	g, _ := w.start()
	ask := search("Condition", demo.Karena())
	l := startLoadOf(24, append(mix(ask), asked{demo.GP(), get("/fhir/demo/Patient/" + string(demo.Johanna().PatientID))}), g)
	s := w.startSwing(demo.Karena(), l)
	poison(t, l, 48, toxics(), proxy)
	n := s.acknowledged()
	until(t, endWithin, "withdrawals after all", func() bool { return s.acknowledged() > n })
	s.end()
	replies := l.end()
	w.recovers(g, demo.GP(), search("Condition", demo.Milan()))
	s.wantKept(replies, ask)
	w.wantAllRecorded(replies)
	for _, r := range replies {
		if r.status == http.StatusServiceUnavailable {
			r.wantUnavailable(t, "with a fault")
		}
	}
	g.stop()
	w.wantArchiveWhole()
}
