package operator

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/storage"
)

type exportCommand struct {
	cli.Configured
	onePerson
}

// Run prints every Consent as it is now. The lines identify patients, and are as secret as a record.
func (c *exportCommand) Run(env *cli.Environment) error {
	choose, err := c.choose(env)
	if err != nil {
		return err
	}
	return withStoreFor(env.Context, c.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		event := Event(s, audit.KindLog, reasonExported, rand.Text())
		event.Person, event.Interaction, event.Type = choose(store), fhir.CodeSearch, "Consent"
		if err := store.Commit(ctx, audit.Release{Event: event}); err != nil {
			return fmt.Errorf("consent export: not on record, so nothing is given: %w", err)
		}
		x := &exporting{store: store, profile: s.ConsentProfile(store.Key), out: bufio.NewWriter(env.Stdout)}
		var err error
		if c.Patient {
			err = x.person(ctx, event.Person)
		} else {
			err = storage.Everybody(ctx, store, x.person)
		}
		if err = errors.Join(err, x.out.Flush()); err != nil {
			return fmt.Errorf("consent export: %w", err)
		}
		_, err = fmt.Fprintf(env.Stderr, "%d consents of %d persons\n", x.consents, x.persons)
		return err
	})
}

// exporting is an export in progress.
type exporting struct {
	store   *redisstore.Store
	profile consentfhir.Profile

	mu                sync.Mutex
	out               *bufio.Writer
	consents, persons int
}

// person prints the Consents of one person, in the order in which they were recorded.
func (x *exporting) person(ctx context.Context, key consent.PersonKey) error {
	standing, _, err := x.store.Standing(ctx, key)
	if err != nil {
		return err
	}
	var text []byte
	all := consentfhir.Of(standing)
	for _, c := range all {
		c.Patient = standing.Person
		line, err := x.profile.Write(c)
		if err != nil {
			return fmt.Errorf("person %s, record %s: %w", key, c.ID, err)
		}
		text = append(append(text, line...), '\n')
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.consents += len(all)
	x.persons++
	_, err = x.out.Write(text)
	return err
}
