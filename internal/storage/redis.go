package storage

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

// socketFile is a file in the folder of an embedded Redis with the name of its socket. Only one process can run a Redis in that folder; the
// commands of an operator find the one of a running gateway by this file.
const socketFile = "socket"

// Redis is the configured Redis, which is started if it is embedded, and the clients that reach it.
type Redis struct {
	address  redisstore.ClientOptions
	Embedded *redisstore.Embedded // nil if this process did not start it
	announce string               // the socket file that this process wrote
	Client   redis.UniversalClient
	changes  redis.UniversalClient // separate, so that consent changes do not wait behind reads
}

// Connect makes clients for the external Redis, or for the embedded one, which it starts unless it is running. It does not send a command to an
// external Redis. The caller closes it.
func Connect(ctx context.Context, s *config.Settings) (*Redis, error) {
	if s.File.Redis.Mode != "embedded" {
		return (&Redis{address: s.ExternalRedis()}).withClients(), nil
	}
	r := &Redis{}
	if err := r.embed(ctx, s.RedisFolder); err != nil {
		return nil, err
	}
	return r.withClients(), nil
}

// ConnectMemory starts a simulated Redis that keeps everything in memory, for the demo.
func ConnectMemory() (*Redis, error) {
	embedded, err := redisstore.StartMemory()
	if err != nil {
		return nil, err
	}
	return (&Redis{Embedded: embedded, address: embedded.Client()}).withClients(), nil
}

func (r *Redis) withClients() *Redis {
	r.Client, r.changes = redisstore.NewClient(r.address), redisstore.NewClient(r.address)
	return r
}

// embed reaches the embedded Redis of the gateway that runs in the folder, or starts one.
func (r *Redis) embed(ctx context.Context, folder string) error {
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
	r.Embedded, r.address, r.announce = embedded, embedded.Client(), announce
	if err := os.WriteFile(announce, []byte(r.address.Addresses[0]+"\n"), 0o600); err != nil {
		return errors.Join(fmt.Errorf("start embedded redis: %w", err), r.Close())
	}
	return nil
}

// Close closes the clients, and stops an embedded Redis that Connect started.
func (r *Redis) Close() error {
	var errs []error
	for _, c := range []redis.UniversalClient{r.Client, r.changes} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	if r.announce != "" {
		errs = append(errs, os.Remove(r.announce))
	}
	if r.Embedded != nil {
		errs = append(errs, r.Embedded.Stop())
	}
	return errors.Join(errs...)
}

// StoreOptions returns the options to open the store in this Redis. They include what the archive has seen, so that a Redis restored from
// an older backup is refused. archive may be nil: then its files are read.
func (r *Redis) StoreOptions(s *config.Settings, archive *audit.Archive) (redisstore.Options, error) {
	o := redisstore.Options{
		Client: r.Client, Changes: r.changes,
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
