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

// Changed is the result of one of many changes.
type Changed struct {
	Standing consent.Standing
	Err      error
}

// ChangeAll makes many changes, each of another person and independent, as Change does; results are in the order of the changes.
// Reads, and then writes, are sent to a master together, so that many share an fsync. A change that does not succeed at once (a
// concurrent change, a lost reply, a moved slot) is settled by Change.
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
				done[i].Err = unsettled // do not ask an unavailable store for each of them
			}
			if errors.Is(done[i].Err, audit.ErrUnavailable) {
				unsettled = edits[i].failed(done[i].Err)
			}
		}
	}
	return done
}

// laneLength is the smallest number of changes that gets a connection.
const laneLength = 8

// inLanes spreads changes over the connections of a client. Between two fsyncs Redis reads 16 kB from each connection, a few
// changes, so more connections let more changes share an fsync. It returns the changes that did not succeed at once.
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

// changeTogether makes the changes of the list that succeed at once, and returns the others.
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

// answered is the result of one of several calls.
type answered struct {
	reply
	err error
}

// together runs calls of one script in one pipeline, with one WAIT after them on the same connection if replicas must confirm. A
// script that the server does not know is loaded, and all calls run again: they are idempotent.
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
