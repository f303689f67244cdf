package redisstore

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
	"zorgsluis/consent"
)

// Changed is what came of one of many changes.
type Changed struct {
	Standing consent.Standing
	Err      error
}

// ChangeAll makes many changes, each of another person, and each by itself as Change does: an answer for each, in their order. What
// they have to read, and what they have to write, goes to a master together, so that many wait for the disk at once. Where one does
// not go straight through (somebody else changed the person, a reply was lost, a slot moved) it is made by Change, which settles it.
func (s *Store) ChangeAll(ctx context.Context, changes []audit.Change) []Changed {
	done := make([]Changed, len(changes))
	edits := make([]*edit, len(changes))
	masters := map[*redis.Client][]int{}
	for i, c := range changes {
		e, err := s.newEdit(c)
		if err != nil {
			done[i].Err = err
			continue
		}
		client, err := master(ctx, s.o.Changes, e.keys.meta())
		if err != nil {
			done[i].Err = unavailable(err)
			continue
		}
		edits[i] = e
		masters[client] = append(masters[client], i)
	}
	for client, list := range masters {
		var unsettled error
		for _, i := range s.inLanes(ctx, client, edits, list, done) {
			if unsettled == nil {
				done[i].Standing, done[i].Err = s.Change(ctx, edits[i].change)
			} else {
				done[i].Err = unsettled // a store that is away is not asked for each of them
			}
			if errors.Is(done[i].Err, audit.ErrUnavailable) {
				unsettled = edits[i].failed(done[i].Err)
			}
		}
	}
	return done
}

// laneLength is the least number of changes for which a connection is taken.
const laneLength = 8

// inLanes spreads changes over the connections of a client. Between two fsyncs Redis reads 16 kB of each connection, which is a few
// changes: as many as there are connections then share an fsync.
func (s *Store) inLanes(ctx context.Context, client *redis.Client, edits []*edit, list []int, done []Changed) (others []int) {
	lanes := min((len(list)+laneLength-1)/laneLength, client.Options().PoolSize)
	left := make([][]int, lanes)
	var work sync.WaitGroup
	for lane := range lanes {
		own := list[lane*len(list)/lanes : (lane+1)*len(list)/lanes]
		work.Go(func() { left[lane] = s.changeTogether(ctx, client, edits, own, done) })
	}
	work.Wait()
	return slices.Concat(left...)
}

// changeTogether makes those changes of the list that go straight through, and gives the others.
func (s *Store) changeTogether(ctx context.Context, client *redis.Client, edits []*edit, list []int, done []Changed) (others []int) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.o.Timeout)
	defer cancel()
	seen := make(map[int]version, len(list))
	loads := make([]call, len(list))
	for n, i := range list {
		seen[i], loads[n] = s.generations.seen(edits[i].person), edits[i].load()
	}
	var calls []call
	var drafted []int
	drafts, standings := map[int]draft{}, map[int]consent.Standing{}
	for n, r := range s.together(ctx, client, loads) {
		i := list[n]
		if r.err != nil {
			others = append(others, i)
			continue
		}
		st, d, err := edits[i].prepare(r.reply, seen[i])
		switch {
		case err != nil && errors.Is(err, audit.ErrUnavailable):
			others = append(others, i)
		case err != nil || d == nil:
			done[i] = Changed{st, err}
		default:
			drafts[i], standings[i] = *d, st
			drafted, calls = append(drafted, i), append(calls, edits[i].call(*d))
		}
	}
	for n, r := range s.together(ctx, client, calls) {
		i := drafted[n]
		st, err := consent.Standing{}, r.err
		if err == nil {
			st, err = edits[i].written(standings[i], drafts[i], r.reply)
		}
		if err != nil {
			edits[i].sent = true
			others = append(others, i)
			continue
		}
		done[i] = Changed{Standing: st}
	}
	return others
}

// answered is what came of one call of several.
type answered struct {
	reply
	err error
}

// together runs calls of one script in one pipeline, and where replicas must confirm what they write one WAIT behind them, on the
// same connection. A script that the server does not know is loaded, and all are run again: calls are idempotent.
func (s *Store) together(ctx context.Context, client *redis.Client, calls []call) []answered {
	if len(calls) == 0 {
		return nil
	}
	runs, confirmed := s.pipelined(ctx, client, calls)
	if hasReply(runs[0].cmd.Err(), "NOSCRIPT ") && client.ScriptLoad(ctx, calls[0].script.source).Err() == nil {
		runs, confirmed = s.pipelined(ctx, client, calls)
	}
	answers := make([]answered, len(calls))
	for i, c := range calls {
		answers[i].reply, answers[i].err = s.read(c, runs[i].cmd)
		if answers[i].err != nil {
			continue
		}
		s.saw(c.shard, answers[i].sequence, c.script == &changeScript && answers[i].status == statusOK && confirmed >= c.replicas)
		if confirmed < c.replicas {
			answers[i].err = errReplicas
		}
	}
	return answers
}

func (s *Store) pipelined(ctx context.Context, client *redis.Client, calls []call) (runs []*run, confirmed int) {
	pipe := client.Pipeline()
	for _, c := range calls {
		r := s.command(ctx, c)
		pipe.Process(ctx, r.cmd)
		runs = append(runs, r)
	}
	if calls[0].replicas == 0 {
		pipe.Exec(ctx) // each command has its own error
		return runs, 0
	}
	wait := redis.NewIntCmd(ctx, "wait", calls[0].replicas, s.waitFor().Milliseconds())
	pipe.Process(ctx, wait)
	pipe.Exec(ctx)
	if wait.Err() != nil {
		return runs, 0
	}
	return runs, int(wait.Val())
}
