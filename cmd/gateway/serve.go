package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"zorgsluis/audit"
	"zorgsluis/audit/follow"
	"zorgsluis/authn"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/storage"
)

// Waits between attempts: to reach Redis at the start, and to take over the archive from another instance.
const (
	storeRetry   = time.Second
	archiveRetry = 5 * time.Second
)

// drainWithin is how long a stop takes at most to archive what is left in the outbox.
const drainWithin = 5 * time.Second

type serveCommand struct{ cli.Configured }

// Run serves until it is told to stop.
func (c *serveCommand) Run(env *cli.Environment) error {
	s, err := config.Load(c.Config)
	if err != nil {
		return cli.Usage(err)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	log, flush := newLog(env.Stderr)
	defer flush()
	return serve(env.Context, deployment{Settings: s}, log, nil)
}

// garbagePercent is how much the heap may grow between two collections, unless GOGC says otherwise. The live heap is small, and bodies are
// pooled and limited; fewer collections are worth some memory.
const garbagePercent = 400

// deployment is a configuration to serve, plus what only the demo sets, because no key can: a Redis in memory, a store that is made if
// missing, and a listener opened before the configuration was written, because its port is part of that.
type deployment struct {
	*config.Settings
	inMemory   bool
	initialise bool
	listener   net.Listener
}

// running is a started gateway. Its parts are stopped in order of their dependencies: callers first, the store last.
type running struct {
	settings deployment
	log      *slog.Logger
	metrics  *metrics
	health   *health

	mu            sync.Mutex // guards the parts that readiness checks while they are being started
	redis         *storage.Redis
	store         *redisstore.Store
	archive       *audit.Archive
	followers     []*follow.Follower // as configured
	authenticator *authn.Authenticator

	reading readers    // of the archive
	failed  chan error // parts that ended unexpectedly
	work    sync.WaitGroup
}

// addresses are the actual listen addresses: tests and the demo ask for port 0.
type addresses struct{ public, admin string }

// serve runs a gateway until ctx ends or a part of it fails, and stops it without losing a request in flight. started, which may be nil, is
// called once it answers callers.
func serve(ctx context.Context, s deployment, log *slog.Logger, started func(*running, addresses)) error {
	g := &running{settings: s, log: log, metrics: newMetrics(softwareVersion()), failed: make(chan error, 8)}
	g.health = &health{components: g.components}
	g.metrics.archiveLag(g.archiveLag)
	g.archiveMetrics()
	g.metrics.registry.MustRegister(followerMetrics{g.followerStates})
	g.metrics.registry.MustRegister(reloadMetrics{s.Reloads}, tokenMetrics{s.Settings})
	hangUp, ignoreHangUp := hangUps()
	defer ignoreHangUp()
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()

	admin := adminServer(g.health, g.metrics, log)
	adminAddress, err := g.listen(admin, s.File.Admin.Listen, nil)
	if err != nil {
		return err
	}
	defer admin.Close() // last of all: until then it shows how far the stop is
	public, err := g.start(ctx, background)
	if err != nil {
		stopBackground()
		g.work.Wait()
		if ctx.Err() != nil {
			err = nil // told to stop before it had started
		}
		return errors.Join(err, g.closeStore())
	}
	g.work.Go(func() { g.watchFiles(background, hangUp) })
	publicAddress, err := g.listen(public, s.File.Listen, s.listener)
	if err != nil {
		return errors.Join(err, g.stop(public, stopBackground))
	}
	log.Info("started", "version", softwareVersion(), "listen", publicAddress, "admin", adminAddress, "policy", s.PolicyHash)
	for _, warning := range s.Warnings() {
		log.Warn("configuration", "warning", warning)
	}
	if started != nil {
		started(g, addresses{publicAddress, adminAddress})
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-g.failed:
		log.Error("failed", "error", err.Error())
	}
	return errors.Join(err, g.stop(public, stopBackground))
}

// listen starts a server, on listener if it is not nil. TLS is on if the server has a certificate.
func (g *running) listen(server *http.Server, address string, listener net.Listener) (string, error) {
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", address); err != nil {
			return "", fmt.Errorf("listen: %w", err)
		}
	}
	go func() {
		serve := server.Serve
		if server.TLSConfig != nil {
			serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
		}
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			g.failed <- fmt.Errorf("serve %s: %w", address, err)
		}
	}()
	return listener.Addr().String(), nil
}

// start starts the gate and what it depends on: archive, store, keys of the issuers. It waits for a Redis that is unavailable, but not for
// a store that an operator must repair, nor for an identity provider.
func (g *running) start(ctx, background context.Context) (*http.Server, error) {
	archive, err := storage.OpenArchive(g.settings.Settings)
	if err != nil && !errors.Is(err, audit.ErrLocked) {
		return nil, err
	}
	g.opened(archive)
	redis, err := g.connect(ctx)
	if err != nil {
		return nil, err
	}
	g.set(func() { g.redis = redis })
	store, err := g.openStore(ctx)
	if err != nil {
		return nil, err
	}
	authentication := g.settings.Authn
	authentication.Replays = store
	a, err := authn.New(authentication)
	if err != nil {
		return nil, err
	}
	g.set(func() { g.store, g.authenticator = store, a })
	if err := g.activateCatalogue(ctx, background, store); err != nil {
		return nil, err
	}
	archived := audit.OpenHistory(g.settings.ArchiveFolder)
	gate, err := g.gate(archived)
	if err != nil {
		return nil, err
	}
	a.Start(background)
	g.work.Go(func() { gate.Run(background) })
	g.work.Go(func() { archived.Run(background) })
	g.renewTokens(background)
	g.work.Go(func() { g.runArchive(background) })
	g.work.Go(func() { g.watch(background) })
	g.work.Go(func() { g.watchReviews(background) })
	g.storeCounters()
	if redis.Embedded != nil {
		go func() {
			<-redis.Embedded.Exited()
			g.failed <- errors.New("the embedded redis-server ended")
		}()
	}
	handler := alone(announced(g.health, g.metrics.counted(gate)))
	return publicServer(handler, g.settings.Settings, g.log), nil
}

func (g *running) connect(ctx context.Context) (*storage.Redis, error) {
	if g.settings.inMemory {
		return storage.ConnectMemory()
	}
	return storage.Connect(ctx, g.settings.Settings)
}

func (g *running) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// openStore opens the store and checks its server. Except in the demo, a server that could lose acknowledged data is refused.
func (g *running) openStore(ctx context.Context) (*redisstore.Store, error) {
	for {
		o, err := g.redis.StoreOptions(g.settings.Settings, g.archive)
		if err != nil {
			return nil, err
		}
		store, err := redisstore.Open(ctx, o)
		if g.settings.initialise && errors.Is(err, redisstore.ErrNotInitialised) {
			if err = redisstore.Initialise(ctx, o); err == nil {
				continue
			}
		}
		if err == nil && !g.settings.inMemory {
			if err = store.Check(ctx); err != nil {
				store.Close()
			}
		}
		if err == nil {
			return store, nil
		}
		if storage.IsFinal(err) || ctx.Err() != nil {
			return nil, storage.Advise(err)
		}
		g.log.Warn("store is not available yet", "error", err.Error())
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(storeRetry):
		}
	}
}

// runArchive archives until ctx ends. If another instance has the archive, it waits to take over.
func (g *running) runArchive(ctx context.Context) {
	for g.archive == nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(archiveRetry):
		}
		archive, err := storage.OpenArchive(g.settings.Settings)
		switch {
		case err == nil:
			g.opened(archive)
		case !errors.Is(err, audit.ErrLocked):
			g.log.Error("archive", "error", err.Error())
		}
	}
	g.follow(ctx)
	g.archive.OnError = reportArchive(g.log)
	g.fulfil(ctx)
	if err := g.archive.Run(ctx, g.store); err != nil {
		g.failed <- err
	}
}

// stop stops a gateway: it becomes unready, finishes the requests in flight without taking new ones, archives what is left in the outbox,
// and closes the store.
func (g *running) stop(public *http.Server, stopBackground context.CancelFunc) error {
	t := g.settings.File.Limits.Timeouts
	g.health.draining.Store(true)
	g.log.Info("stopping", "announce", t.Announce.String(), "deadline", t.Stop.String())
	time.Sleep(t.Announce) // load balancers poll readiness only from time to time
	ctx, cancel := context.WithTimeout(context.Background(), t.Stop)
	defer cancel()
	err := public.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("stop: requests were cut off: %w", err), public.Close())
	}
	stopBackground()
	g.work.Wait()
	if g.archive != nil {
		rest, cancel := context.WithTimeout(context.Background(), drainWithin) // a reader who takes all of the other time must not cost this
		defer cancel()
		err = errors.Join(err, g.archive.Drain(rest, g.store))
	}
	err = errors.Join(err, g.closeStore())
	g.log.Info("stopped")
	return err
}

// closeStore closes what start has opened.
func (g *running) closeStore() error {
	var errs []error
	if g.store != nil {
		g.store.Close()
	}
	if g.archive != nil {
		errs = append(errs, g.archive.Close())
	}
	if g.redis != nil {
		errs = append(errs, g.redis.Close())
	}
	return errors.Join(errs...)
}
