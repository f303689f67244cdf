package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/storage"
)

type storeCommand struct {
	Init   storeInitCommand   `cmd:"" help:"Make a new store in an empty Redis, once."`
	Accept storeAcceptCommand `cmd:"" help:"Accept a store that lost data, after an operator has looked at it."`
	Check  storeCheckCommand  `cmd:"" help:"Check Redis, the store and the archive."`
}

type storeInitCommand struct{ cli.Configured }

// Run makes the store. It refuses if the archive already knows a store: an emptied Redis would turn every refusal into "unknown".
func (c *storeInitCommand) Run(env *cli.Environment) error {
	return withServer(env, c.Config, func(ctx context.Context, o redisstore.Options, _ *audit.Archive) error {
		err := redisstore.Initialise(ctx, o)
		if errors.Is(err, redisstore.ErrStoreMismatch) && checkServer(ctx, o) == nil {
			return errors.New("the store of this configuration is there already, and good: there is nothing to do")
		}
		if err != nil {
			return err
		}
		if err := checkServer(ctx, o); err != nil {
			return fmt.Errorf("the store is made, but serve will refuse its server: %w", err)
		}
		_, err = fmt.Fprintln(env.Stdout, "the store is ready")
		return err
	})
}

// checkServer opens the store and checks its server, as serve does before it trusts it.
func checkServer(ctx context.Context, o redisstore.Options) error {
	store, err := redisstore.Open(ctx, o)
	if err != nil {
		return err
	}
	defer store.Close()
	return store.Check(ctx)
}

type storeAcceptCommand struct {
	cli.Configured
	OtherStore string `placeholder:"ID" help:"Accept the store with this id instead of the one that the archive knows. What patients decided in the old one does not apply in it."`
}

// Run raises the sequences above everything seen, which the gateway requires before it trusts the store again. The archive notes it first:
// what was lost stays on record, and a later replay leaves it out.
func (c *storeAcceptCommand) Run(env *cli.Environment) error {
	return withServer(env, c.Config, func(ctx context.Context, o redisstore.Options, archive *audit.Archive) error {
		if c.OtherStore != "" {
			if err := adopt(ctx, o, archive, c.OtherStore); err != nil {
				return err
			}
			_, err := fmt.Fprintln(env.Stdout, "the archive goes on with the other store; start or restart the gateways")
			return err
		}
		if err := redisstore.Accept(ctx, o, archive.Accept); err != nil {
			return err
		}
		_, err := fmt.Fprintln(env.Stdout, "the store is accepted as it is; start or restart the gateways")
		return err
	})
}

// adopt makes the archive continue with a complete store that it does not know.
func adopt(ctx context.Context, o redisstore.Options, archive *audit.Archive, id string) error {
	if id == archive.StoreID() {
		return cli.Usage(errors.New("the archive knows that store already: leave --other-store out"))
	}
	o.StoreID, o.Watermarks = id, nil
	store, err := redisstore.Open(ctx, o)
	if err != nil {
		return storage.Advise(err)
	}
	defer store.Close()
	from := map[int]audit.Reached{}
	for shard, sequence := range store.Sequences() {
		through, err := store.Trimmed(ctx, shard)
		if err != nil {
			return err
		}
		from[shard] = audit.Reached{Position: through, Sequence: sequence}
	}
	return archive.Adopt(id, from)
}

// withServer runs one command on a store that is not open. The archive must be free: the gateways must be stopped.
func withServer(env *cli.Environment, file string, do func(context.Context, redisstore.Options, *audit.Archive) error) error {
	s, err := load(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(env.Context, timeout)
	defer cancel()
	archive, err := storage.OpenArchive(s)
	if errors.Is(err, audit.ErrLocked) {
		return fmt.Errorf("%w: stop the gateway first", err)
	}
	if err != nil {
		return err
	}
	defer archive.Close()
	r, err := storage.Connect(ctx, s)
	if err != nil {
		return err
	}
	o, err := r.StoreOptions(s, archive)
	if err == nil {
		err = do(ctx, o, archive)
	}
	return errors.Join(err, r.Close())
}

type storeCheckCommand struct{ cli.Configured }

// Run prints the state of the store; the exit code says whether it is good.
func (c *storeCheckCommand) Run(env *cli.Environment) error {
	return withStore(env, c.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		checked := store.Check(ctx)
		memory, err := store.Memory(ctx)
		if err == nil && memory.Alarm() {
			err = fmt.Errorf("redis: %d of %d bytes are used: the archive does not keep up, or maxmemory is too small", memory.Used, memory.Max)
		}
		archive, damage := audit.Verify(s.ArchiveFolder, s.ArchivePublicKeys()...)
		if err := errors.Join(checked, err, damage); err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Stdout, "store %s: good\nredis: %d of %d bytes used\narchive: %d events, head %s\n",
			store.StoreID(), memory.Used, memory.Max, archive.Events, cmp.Or(archive.Head, "none yet"))
		return err
	})
}
