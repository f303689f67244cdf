package operator

import (
	"context"
	"errors"
	"fmt"

	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/catalogue"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
)

type catalogueCommand struct {
	Activate activateCommand `cmd:"" help:"Read consents by this configuration's categories from now on, and record a notice for every patient with an active consent. serve does the same when it starts."`
}

type activateCommand struct{ cli.Configured }

// Run activates the catalogue, and waits until everybody is told.
func (c *activateCommand) Run(env *cli.Environment) error {
	return withStoreFor(env.Context, c.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		pending, err := catalogue.Prepare(ctx, s, store)
		if err != nil {
			if errors.Is(err, catalogue.ErrWidens) {
				err = cli.Usage(err)
			}
			return inCommand("catalogue activate", err)
		}
		if pending == nil {
			_, err = fmt.Fprintln(env.Stdout, "the catalogue is active; nobody is to be told anything")
			return err
		}
		told, err := catalogue.Tell(ctx, s, store, pending)
		if err != nil {
			return fmt.Errorf("catalogue activate: %w; the same command goes on", err)
		}
		for _, change := range pending.Changes {
			fmt.Fprintln(env.Stdout, change)
		}
		_, err = fmt.Fprintf(env.Stdout, "the catalogue is active; a notice is on record for %d patients\n", told)
		return err
	})
}
