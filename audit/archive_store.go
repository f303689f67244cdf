package audit

import (
	"context"
	"fmt"
)

// Adopt makes the archive continue with another store, after an operator accepted that: in a new file, without the positions and sequences
// of the old store. from is how far the other store's outbox was trimmed already, and its sequences; nil: not at all.
func (a *Archive) Adopt(store string, from map[int]Reached) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return ErrClosed
	}
	c := a.chain.clone()
	c.store, c.marks = store, make(map[int]mark, len(from))
	for shard, r := range from {
		c.marks[shard] = mark(r)
	}
	return a.enter(c, nil)
}

// Acceptance is what an operator accepts of a store that lost data, or whose archive did: the store continues at Sequence. By shard, After
// is the last position that the store still has, Trimmed the one through which its outbox was trimmed ("": never).
type Acceptance struct {
	Store          string
	Sequence       uint64
	After, Trimmed map[int]string
}

// Accept notes, in a new file, what an operator accepted. From then on a store with a lower sequence is refused, and a replay leaves out
// the changes that were lost. The store must be the archive's, if that is known.
func (a *Archive) Accept(accepted Acceptance) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return ErrClosed
	}
	if a.chain.store != "" && a.chain.store != accepted.Store {
		return ErrOtherStore
	}
	c := a.chain.clone()
	c.store = accepted.Store
	for shard := range accepted.After {
		m := c.marks[shard]
		m.Sequence = max(m.Sequence, accepted.Sequence)
		if through := accepted.Trimmed[shard]; through != "" {
			p, err := parsePosition(through)
			if err != nil {
				return err
			}
			if p.compare(m.position()) > 0 {
				m.Position = through // the entries up to there are lost to the archive and will not come again
			}
		}
		c.marks[shard] = m
	}
	return a.enter(c, accepted.After)
}

// checkStore refuses the outbox of another store, and one from which entries were trimmed that are not in the archive. If the archive does
// not know its store yet, it learns it here.
func (a *Archive) checkStore(ctx context.Context, outbox Outbox) error {
	if identified, ok := outbox.(interface{ StoreID() string }); ok && identified.StoreID() != a.chain.store {
		if a.chain.store != "" {
			return ErrOtherStore
		}
		named := a.chain.clone()
		named.store = identified.StoreID()
		if err := a.enter(named, nil); err != nil {
			return err
		}
	}
	trimmed, ok := outbox.(interface {
		Trimmed(ctx context.Context, shard int) (string, error)
	})
	if !ok || a.behind {
		return nil
	}
	for shard := range outbox.Shards() {
		through, err := trimmed.Trimmed(ctx, shard)
		if err != nil || through == "" {
			if err != nil {
				return fmt.Errorf("archive shard %d: %w", shard, err)
			}
			continue
		}
		p, err := parsePosition(through)
		if err != nil {
			return err
		}
		if p.compare(a.chain.marks[shard].position()) > 0 {
			return fmt.Errorf("%w: shard %d", ErrBehind, shard)
		}
	}
	a.behind = true
	return nil
}
