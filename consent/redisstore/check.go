package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrServer is a setting or state of the server that breaks the promises. The text names the setting to change.
var ErrServer = errors.New("redis server")

// errUnkept is an ErrServer by which acknowledged writes can be lost.
var errUnkept = fmt.Errorf("%w", ErrServer)

// wanted are the settings without which an acknowledged write can be lost or evicted, and why.
var wanted = []struct{ name, value, why string }{
	{"appendonly", "yes", "without it a restart loses consents and events"},
	{"appendfsync", "always", "otherwise a crash loses what was acknowledged"},
	{"no-appendfsync-on-rewrite", "no", "otherwise nothing is synced while the log is rewritten"},
	{"maxmemory-policy", "noeviction", "otherwise a patient's refusal can be evicted"},
}

// Check looks at every shard's meta key and at every server: that it is a master, that it keeps what it acknowledges, that nothing
// is evicted, and that the replicas are connected. It reports all problems at once; each names the setting to change. After a check
// that finds that acknowledged writes could be lost, nothing is decided or recorded until a check that does not.
func (s *Store) Check(ctx context.Context) error {
	problems := []error{s.verify(ctx), s.checkCatalogue(ctx)}
	err := s.forEachMaster(ctx, func(ctx context.Context, client *redis.Client) error {
		return s.checkServer(ctx, client)
	})
	if unkept := errors.Is(err, errUnkept); unkept || err == nil {
		s.unkept.Store(unkept)
	}
	if err := errors.Join(append(problems, err)...); err != nil {
		return fmt.Errorf("check store: %w", err)
	}
	return nil
}

// CheckWrites is Check, and then writes one key to each server that holds shards: reads work long after writes are refused (memory full,
// snapshots that fail, rights taken away). It is for gateways that run: one starts on a full server too, since its archive makes room.
func (s *Store) CheckWrites(ctx context.Context) error {
	if err := s.Check(ctx); err != nil {
		return err // it may not be our server at all
	}
	asked := map[string]bool{}
	for shard := range s.o.Shards {
		server, err := master(ctx, s.o.Changes, keysOf(shard).probe())
		if err == nil && !asked[server.Options().Addr] {
			asked[server.Options().Addr] = true
			err = server.Set(ctx, keysOf(shard).probe(), 1, time.Minute).Err()
		}
		if err != nil {
			return fmt.Errorf("check writes: %w", unavailable(err))
		}
	}
	return nil
}

// refuses returns why nothing may be decided or recorded since the last Check; nil if it may.
func (s *Store) refuses() error {
	switch {
	case s.unkept.Load():
		return errUnsafe
	case s.outdated.Load():
		return errOutdated
	}
	return nil
}

// forEachMaster calls f for every server that holds shards.
func (s *Store) forEachMaster(ctx context.Context, f func(context.Context, *redis.Client) error) error {
	if cluster, ok := s.o.Changes.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, f)
	}
	return f(ctx, s.o.Changes.(*redis.Client))
}

func (s *Store) checkServer(ctx context.Context, client *redis.Client) error {
	problems := []error{s.checkRole(ctx, client), s.checkClock(ctx, client)}
	for _, w := range wanted {
		problems = append(problems, s.checkSetting(ctx, client, setting{w.name, w.value, w.why, func(v string) bool { return v == w.value }, errUnkept}))
	}
	atLeast1 := func(v string) bool { n, err := strconv.ParseUint(v, 10, 64); return err == nil && n > 0 }
	problems = append(problems, s.checkSetting(ctx, client, setting{"maxmemory", "a number of bytes", "otherwise the machine's memory runs out", atLeast1, ErrServer}))
	return errors.Join(problems...)
}

// checkRole requires a master with at least the configured number of connected replicas.
func (s *Store) checkRole(ctx context.Context, client *redis.Client) error {
	role, err := client.Do(ctx, "role").Slice()
	if err != nil {
		return fmt.Errorf("%w: role: %w", ErrServer, err)
	}
	r := reply{values: role}
	if r.text(0) != "master" {
		return fmt.Errorf("%w: role: not a master: the address must lead to the master", ErrServer)
	}
	replicas, err := r.list(2)
	if n := len(replicas.values); err != nil || n < s.o.Replicas {
		return fmt.Errorf("%w: replicaof: %d replicas are connected, %d are configured", ErrServer, n, s.o.Replicas)
	}
	return nil
}

// checkClock requires the server's clock to agree with this machine's.
func (s *Store) checkClock(ctx context.Context, client *redis.Client) error {
	now, err := client.Time(ctx).Result()
	if err == nil {
		err = s.inStep(now)
	}
	if err != nil {
		return fmt.Errorf("%w: clock: %w", ErrServer, err)
	}
	return nil
}

// setting is one that a server must have.
type setting struct {
	name, want, why string
	good            func(value string) bool
	kind            error // of the problem
}

// checkSetting requires a good value; where the server refuses CONFIG, the operator's declaration counts.
func (s *Store) checkSetting(ctx context.Context, client *redis.Client, w setting) error {
	values, err := client.ConfigGet(ctx, w.name).Result()
	value := values[w.name]
	if err != nil {
		var declared bool
		if value, declared = s.o.Declared[w.name]; !declared {
			return fmt.Errorf("%w: %s: the server does not tell, and it is not declared: %w", ErrServer, w.name, err)
		}
	}
	if !w.good(value) {
		return fmt.Errorf("%w: %s: set it to %s: %s", w.kind, w.name, w.want, w.why)
	}
	return nil
}

// Memory is how full the fullest server is.
type Memory struct{ Used, Max uint64 }

// Alarm reports whether 70 % is reached: the archiver falls behind, or the server is too small. At 100 % every write is refused,
// and with it every request.
func (m Memory) Alarm() bool { return m.Max > 0 && m.Used >= m.Max/10*7 }

// Memory asks every master how full it is.
func (s *Store) Memory(ctx context.Context) (Memory, error) {
	found := make(chan Memory, 1)
	found <- Memory{}
	err := s.forEachMaster(ctx, func(ctx context.Context, client *redis.Client) error {
		info, err := client.Info(ctx, "memory").Result()
		if err != nil {
			return unavailable(err)
		}
		m := Memory{field(info, "used_memory"), field(info, "maxmemory")}
		fullest := <-found
		if m.Max > 0 && float64(m.Used)*float64(max(fullest.Max, 1)) >= float64(fullest.Used)*float64(m.Max) {
			fullest = m
		}
		found <- fullest
		return nil
	})
	if err != nil {
		return Memory{}, fmt.Errorf("memory of the store: %w", err)
	}
	return <-found, nil
}

// field returns a number of an INFO reply, 0 if there is none.
func field(info, name string) uint64 {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}
