package operator

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/storage"
)

type verifyCommand struct {
	cli.Configured
	All bool `help:"Verify everybody, instead of one person from stdin."`
}

// errChain marks a chain that is broken, or differs from the archive.
var errChain = errors.New("consent verify: not what was written")

// Run verifies chains. It changes nothing, and can run beside the gateway.
func (v *verifyCommand) Run(env *cli.Environment) error {
	var only consent.PersonKey
	read := func(*redisstore.Store) consent.PersonKey { return "" }
	if !v.All {
		person, err := readPerson(lines(env))
		if err != nil {
			return err
		}
		read = func(store *redisstore.Store) consent.PersonKey { return store.Key(person) }
	}
	return withStoreFor(env.Context, v.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		only = read(store)
		// The archive first: what it contains the store must contain too, whatever happens meanwhile.
		archived, err := archivedVersions(ctx, s, only)
		if err != nil {
			return err
		}
		p := &prover{store: store, archived: archived}
		if only != "" {
			err = p.person(ctx, only)
		} else {
			err = p.all(ctx)
		}
		if err != nil {
			return err
		}
		for _, wrong := range p.wrong {
			fmt.Fprintln(env.Stdout, wrong)
		}
		if n := p.damaged; n > 0 {
			return cli.Damaged(fmt.Errorf("%w: %d of %d persons", errChain, n, p.persons))
		}
		_, err = fmt.Fprintf(env.Stdout, "%d persons, %d versions: every chain holds, and ends as the archive says (%d)\n", p.persons, p.versions, p.compared)
		return err
	})
}

// lastVersion is the newest version of a person in the archive.
type lastVersion struct {
	generation uint32
	hash       [16]byte // the first half of Version.Hash
}

// halfOf returns the first half of a hash or person key, so that all persons fit into memory.
func halfOf(hash string) (half [16]byte) {
	hex.Decode(half[:], []byte(hash[:32])) // both were checked to be hexadecimal
	return half
}

// archivedVersions walks and verifies the archive, and returns the newest version of each person, or of one.
func archivedVersions(ctx context.Context, s *config.Settings, only consent.PersonKey) (map[[16]byte]lastVersion, error) {
	last := map[[16]byte]lastVersion{}
	var summary audit.Summary
	walk := func(each func(audit.Line) error) (err error) {
		summary, err = audit.Walk(s.ArchiveFolder, audit.VerifyOptions{Keys: s.ArchivePublicKeys(), Each: each})
		if damage, ok := errors.AsType[*audit.DamageError](err); ok {
			return cli.Damaged(damage)
		}
		return err
	}
	take := func(l audit.Line) error {
		if err := ctx.Err(); err != nil || l.Made == nil || redisstore.Lost(summary, l) {
			return err
		}
		e, err := audit.ParseEvent(l.Payload)
		if err != nil {
			return fmt.Errorf("event %d: %w", l.N, err)
		}
		if only == "" || e.Person == only {
			last[halfOf(string(e.Person))] = lastVersion{uint32(e.Generation), halfOf(redisstore.EntryHash(e.Time, l.Made))}
		}
		return nil
	}
	err := walk(take)
	if err == nil && len(summary.Losses) > 0 { // losses are only known at the end
		clear(last)
		err = walk(take)
	}
	return last, err
}

// prover verifies chains and collects what is wrong.
type prover struct {
	store    *redisstore.Store
	archived map[[16]byte]lastVersion

	mu                                   sync.Mutex
	persons, versions, compared, damaged int
	wrong                                []string // of the first mostWrong
}

// mostWrong is how many damaged chains are reported individually.
const mostWrong = 1000

// person verifies one chain, and that it continues what the archive contains.
func (p *prover) person(ctx context.Context, key consent.PersonKey) error {
	versions, err := p.store.History(ctx, key)
	reason := ""
	switch {
	case errors.Is(err, redisstore.ErrSealed), errors.Is(err, redisstore.ErrDataLost):
		reason = err.Error()
	case err != nil:
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	half := halfOf(string(key))
	if last, known := p.archived[half]; known {
		p.compared++
		delete(p.archived, half)
		switch g := uint64(last.generation); {
		case reason != "":
		case uint64(len(versions)) < g:
			reason = "version " + strconv.FormatUint(g, 10) + " is in the archive and not in the store"
		case halfOf(versions[g-1].Hash) != last.hash:
			reason = "version " + strconv.FormatUint(g, 10) + " is not the one that is in the archive"
		}
	}
	p.persons++
	p.versions += len(versions)
	if reason == "" {
		return nil
	}
	p.damaged++
	if len(p.wrong) < mostWrong {
		p.wrong = append(p.wrong, "person "+string(key)+": "+reason)
	}
	return nil
}

// all verifies everybody's chain: of those in the store, and of those in the archive whom the store does not have.
func (p *prover) all(ctx context.Context) error {
	if err := storage.Everybody(ctx, p.store, p.person); err != nil {
		return err
	}
	for half, last := range p.archived {
		p.persons, p.damaged = p.persons+1, p.damaged+1
		if len(p.wrong) < mostWrong {
			p.wrong = append(p.wrong, fmt.Sprintf("person %x…: version %d is in the archive and not in the store", half, last.generation))
		}
	}
	return nil
}
