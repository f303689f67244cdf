package redisstore_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
)

// TestNothingIsDecidedByAClockThatWentWrong: when the server's clock is set back or jumps ahead, nothing is decided, released or changed until
// it is right again: what has ended would be valid again, or what begins now would not end. Refusals are still recorded.
func TestNothingIsDecidedByAClockThatWentWrong(t *testing.T) {
	server := redistest.Start(t)
	var off atomic.Int64 // of this machine's clock: the same, seen from the other side
	o := options(t, server.Socket())
	o.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	s := open(t, o)
	given := change(t, s, alice, permit)
	for name, tt := range map[string]struct {
		off  time.Duration
		want error
	}{
		"in step":           {0, nil},
		"a little ahead":    {-50 * time.Second, nil},
		"a little behind":   {50 * time.Second, nil},
		"an hour behind":    {time.Hour, audit.ErrUnavailable},
		"two minutes ahead": {-2 * time.Minute, audit.ErrUnavailable},
		"in step again":     {0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			off.Store(int64(tt.off))
			defer off.Store(0)
			_, _, err := s.Standing(t.Context(), s.Key(alice))
			wantErr(t, err, tt.want)
			wantErr(t, s.Commit(t.Context(), release(s, alice, given.Generation)), tt.want)
			_, err = s.Change(t.Context(), audit.Change{Person: bob, Event: consentEvent(), Apply: permit})
			wantErr(t, err, tt.want)
			wantErr(t, s.Commit(t.Context(), audit.Release{Event: accessEvent()}), nil)
			err = s.Check(t.Context())
			if tt.want == nil {
				wantErr(t, err, nil)
			} else if wantErr(t, err, redisstore.ErrServer); err != nil && !strings.Contains(err.Error(), "clock:") {
				t.Errorf("got %v, want the clock named", err)
			}
		})
	}
}
