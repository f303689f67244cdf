package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"zorgsluis/internal/demo"
)

// TestNoRecordNoByteAtTheCommit: everything works until the source has answered; then the event cannot be recorded, for every possible reason.
// Nothing from the source is released, the caller knows within a second, and once the reason is gone so is its effect. Other tests: Redis that
// dies or is cut off in each step (TestRedisKilled), or refuses from the start (TestRedisRefusesWrites).
func TestNoRecordNoByteAtTheCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	proxy := startProxy(t, w.redis.Address())
	w.redisAddress = proxy.Listen
	g, _ := w.start("timeout: 8s", "timeout: 20s")
	gp, karena := demo.GP(), demo.Karena()
	ask := search("Condition", karena)
	read := get("/fhir/demo/" + g.ask(gp, ask).wantStatus(t, 200, "before").entries()[0])
	g.ask(gp, read).wantStatus(t, 200, "before")

	shard := fmt.Sprintf("zs:{s%s}:", w.store.NewRecordID(karena.Identifier())[:2])
	do := func(commands ...string) func() {
		return func() {
			for _, command := range commands {
				var args []any
				for _, arg := range strings.Fields(command) {
					args = append(args, arg)
				}
				w.redis.Do(args...)
			}
		}
	}
	replaced := func(key string) (ail, heal func()) {
		return do("rename "+key+" spare", "set "+key+" text"), do("rename spare " + key)
	}
	tests := []struct {
		name      string
		ail, heal func()
		recorded  int // at most
	}{
		{"memory is full", do("config set maxmemory 1mb"), do("config set maxmemory 256mb"), 0},
		{"it became a replica", do("replicaof 127.0.0.1 1"), do("replicaof no one"), 0},
		{"too few replicas", do("config set min-replicas-to-write 1"), do("config set min-replicas-to-write 0"), 0},
		{"scripts are forbidden", do("acl setuser default -@scripting"), do("acl setuser default +@all"), 0},
		{"its store is gone", do("rename " + shard + "meta spare"), do("rename spare " + shard + "meta"), 0},
		{name: "the outbox is something else"}, {name: "the person's events are something else"}, {name: "the person is something else"},
		{"it hangs", w.redis.Freeze, w.redis.Thaw, 1},
		{"its replies come too late", func() { inject(t, "downstream", `"type": "latency", "attributes": {"latency": 1200}`, proxy) },
			func() { heal(t, proxy) }, 1},
		{"its replies are lost", func() { inject(t, "downstream", `"type": "reset_peer", "attributes": {"timeout": 0}`, proxy) },
			func() { heal(t, proxy) }, 1},
		{"what it is sent is lost", func() { inject(t, "upstream", `"type": "timeout", "attributes": {"timeout": 0}`, proxy) },
			func() { heal(t, proxy) }, 0},
	}
	tests[5].ail, tests[5].heal = replaced(shard + "events")
	tests[6].ail, tests[6].heal = replaced(shard + "p:" + string(w.store.Key(karena.Identifier())) + ":events")
	tests[7].ail, tests[7].heal = replaced(shard + "p:" + string(w.store.Key(karena.Identifier())))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			block := w.source.Block()
			t.Cleanup(block.Release)
			answers := []<-chan reply{g.later(gp, ask), g.later(gp, read)}
			for range answers {
				receive(t, block.Arrived, "the source to be asked")
			}
			tt.ail()
			from := time.Now()
			block.Release()
			var ids []string
			for _, answered := range answers {
				r := receive(t, answered, "the answer")
				r.took -= from.Sub(r.began) // since the source's answer
				r.wantUnavailable(t, tt.name)
				ids = append(ids, r.id)
			}
			tt.heal()
			w.source.Intercept(nil)
			w.recovers(g, gp, ask)
			for _, id := range ids {
				if n := len(w.eventsOf(id)); n > tt.recorded {
					t.Errorf("got %d events, want at most %d", n, tt.recorded)
				}
			}
		})
	}
	g.stop()
	w.wantArchiveWhole()
}
