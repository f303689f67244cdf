package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/config"
)

// socketFile is where a gateway tells, in the folder of its embedded Redis, how others on this machine reach it: the commands of
// an operator work on the store of a running gateway, which has the folder to itself.
const socketFile = "socket"

// server is the Redis that a configuration leads to, and the clients that reach it.
type server struct {
	address  redisstore.ClientOptions
	embedded *redisstore.Embedded // nil: not ours
	announce string               // the socket file that we wrote
	client   redis.UniversalClient
	changes  redis.UniversalClient // of their own, so that consent changes do not wait behind reads
}

// connect starts the embedded Redis where it is not running, or makes clients for the external one. Nothing is asked of it yet.
func connect(ctx context.Context, s *config.Settings) (*server, error) {
	if s.File.Redis.Mode != "embedded" {
		return (&server{address: s.ExternalRedis()}).withClients(), nil
	}
	r := &server{}
	if err := r.embed(ctx, s.RedisFolder); err != nil {
		return nil, err
	}
	return r.withClients(), nil
}

// connectMemory starts a Redis that keeps nothing. It is not for data of people.
func connectMemory() (*server, error) {
	embedded, err := redisstore.StartMemory()
	if err != nil {
		return nil, err
	}
	return (&server{embedded: embedded, address: embedded.Client()}).withClients(), nil
}

func (r *server) withClients() *server {
	r.client, r.changes = redisstore.NewClient(r.address), redisstore.NewClient(r.address)
	return r
}

// embed reaches the embedded Redis of the gateway that runs in the folder, or starts one.
func (r *server) embed(ctx context.Context, folder string) error {
	announce := filepath.Join(folder, socketFile)
	if socket, err := os.ReadFile(announce); err == nil {
		r.address = redisstore.ClientOptions{Addresses: []string{strings.TrimSpace(string(socket))}}
		probe := redisstore.NewClient(r.address)
		defer probe.Close()
		if probe.Ping(ctx).Err() == nil {
			return nil
		}
	}
	embedded, err := redisstore.StartEmbedded(ctx, redisstore.EmbeddedOptions{Folder: folder})
	if err != nil {
		return err
	}
	r.embedded, r.address, r.announce = embedded, embedded.Client(), announce
	if err := os.WriteFile(announce, []byte(r.address.Addresses[0]+"\n"), 0o600); err != nil {
		return errors.Join(fmt.Errorf("start embedded redis: %w", err), r.close())
	}
	return nil
}

// close ends what connect began.
func (r *server) close() error {
	var errs []error
	for _, c := range []redis.UniversalClient{r.client, r.changes} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	if r.announce != "" {
		errs = append(errs, os.Remove(r.announce))
	}
	if r.embedded != nil {
		errs = append(errs, r.embedded.Stop())
	}
	return errors.Join(errs...)
}

// storeOptions are the options of the store on this Redis. The archive, open or only at hand, tells what was seen before: a Redis
// that was restored from a backup is refused to everybody.
func (r *server) storeOptions(s *config.Settings, archive *audit.Archive) (redisstore.Options, error) {
	o := redisstore.Options{
		Client: r.client, Changes: r.changes,
		Shards: s.File.Store.Shards, PersonSecret: s.PersonSecret, SealingKey: s.SealingKey,
		Replicas: s.File.Redis.Replicas, Declared: s.File.Redis.Declared, Timeout: s.File.Limits.Timeouts.Store,
		Watermarks: map[int]uint64{}, Archived: map[int]string{},
	}
	var reached map[int]audit.Reached
	if archive != nil {
		o.StoreID, reached = archive.StoreID(), archive.Reached()
	} else {
		var err error
		if o.StoreID, reached, err = audit.Seen(s.ArchiveFolder); err != nil {
			return o, err
		}
	}
	for shard, at := range reached {
		o.Watermarks[shard], o.Archived[shard] = at.Sequence, at.Position
	}
	return o, nil
}

// backend is an open store with what it stands on.
type backend struct {
	*server
	store *redisstore.Store
}

// openBackend opens the configured store.
func openBackend(ctx context.Context, s *config.Settings) (*backend, error) {
	r, err := connect(ctx, s)
	if err != nil {
		return nil, err
	}
	o, err := r.storeOptions(s, nil)
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	store, err := redisstore.Open(ctx, o)
	if err != nil {
		return nil, errors.Join(advise(err), r.close())
	}
	return &backend{r, store}, nil
}

func (b *backend) close() error {
	b.store.Close()
	return b.server.close()
}

// advise adds to an error of the store what an operator can do about it.
func advise(err error) error {
	switch {
	case errors.Is(err, redisstore.ErrNotInitialised):
		return fmt.Errorf("%w: if this is the first start, run gateway store init", err)
	case errors.Is(err, redisstore.ErrDataLost):
		return fmt.Errorf("%w: restore the newest backup and run gateway events replay; if what is there is all there is, run gateway store accept", err)
	case errors.Is(err, redisstore.ErrStoreMismatch):
		return fmt.Errorf("%w: compare store.shards, the secrets and the address with those that the store was made with", err)
	}
	return err
}

// isFinal reports whether waiting does not help: an operator has to act first.
func isFinal(err error) bool {
	for _, final := range []error{
		redisstore.ErrNotInitialised, redisstore.ErrDataLost, redisstore.ErrStoreMismatch, redisstore.ErrSealed,
		redisstore.ErrInvalid, redisstore.ErrServer,
	} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}
