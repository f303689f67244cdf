package redisstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Embedded is a Redis that the gateway itself runs: enough for one machine.
type Embedded struct {
	address string
	kept    bool
	exited  chan struct{}
	stop    func() error
}

// Client returns the options to reach it.
func (e *Embedded) Client() ClientOptions { return ClientOptions{Addresses: []string{e.address}} }

// Kept reports whether what is stored survives a restart. Production refuses a store that is not kept.
func (e *Embedded) Kept() bool { return e.kept }

// Exited is closed when the server has ended, by Stop or by itself.
func (e *Embedded) Exited() <-chan struct{} { return e.exited }

// Stop ends the server and waits for it. It may be called more than once.
func (e *Embedded) Stop() error { return e.stop() }

// EmbeddedOptions says how to run a redis-server.
type EmbeddedOptions struct {
	Folder    string // for the data; created with mode 0700 if missing
	Binary    string // default: redis-server on PATH
	MaxMemory string // default 256mb
}

// ErrNoServer means that there is no redis-server to run.
var ErrNoServer = errors.New("redisstore: no redis-server on PATH (Debian: apt-get install -y redis-server)")

// stopGrace is how long a server may take to shut down before it is killed. Nothing acknowledged is lost either way.
const stopGrace = 5 * time.Second

// StartEmbedded runs a redis-server as a child process, on a Unix socket that only we can open, with every write synced before it
// is acknowledged, and returns when it responds. It dies with us, and only one can run in a folder.
func StartEmbedded(ctx context.Context, o EmbeddedOptions) (*Embedded, error) {
	e, err := startEmbedded(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start embedded redis: %w", err)
	}
	return e, nil
}

func startEmbedded(ctx context.Context, o EmbeddedOptions) (*Embedded, error) {
	if o.Binary == "" {
		o.Binary = "redis-server"
	}
	binary, err := exec.LookPath(o.Binary)
	if err != nil {
		return nil, ErrNoServer
	}
	if o.MaxMemory == "" {
		o.MaxMemory = "256mb"
	}
	folder, err := filepath.Abs(o.Folder)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockFolder(folder)
	if err != nil {
		return nil, err
	}
	defer lock.Close() // the child holds it now
	// Not in the data folder: a socket path is limited to 107 bytes.
	sockets, err := os.MkdirTemp("", "zorgsluis-redis-")
	if err != nil {
		return nil, err
	}
	c := &child{
		sockets: sockets, exited: make(chan struct{}),
		cmd: exec.Command(binary, arguments(folder, filepath.Join(sockets, "redis.sock"), o.MaxMemory)...),
	}
	c.cmd.ExtraFiles = []*os.File{lock}
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	return &Embedded{address: filepath.Join(sockets, "redis.sock"), kept: true, exited: c.exited, stop: c.stop}, nil
}

// arguments are the complete configuration of the embedded server: it reads no file. It rewrites its log less often than by default:
// a rewrite compresses all events kept of every person, and the log soon doubles again (docs/operating.md).
func arguments(folder, socket, maxMemory string) []string {
	return []string{
		"--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
		"--dir", folder, "--daemonize", "no", "--databases", "1", "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "no",
		"--auto-aof-rewrite-percentage", "400", "--auto-aof-rewrite-min-size", "512mb",
		"--maxmemory", maxMemory, "--maxmemory-policy", "noeviction",
	}
}

// lockFolder ensures that only one server writes in a folder: two would destroy each other's log. The server inherits the lock,
// which therefore lasts as long as the server, even if we are killed.
func lockFolder(folder string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder is in use by another gateway: %w", err), f.Close())
	}
	return f, nil
}

// child is a redis-server process.
type child struct {
	cmd     *exec.Cmd
	sockets string
	said    tail
	exited  chan struct{}
	failure error // why it ended; set before exited is closed
}

// start starts the process and waits until it responds.
func (c *child) start(ctx context.Context) error {
	c.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C", "TZ=UTC"}
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	c.cmd.SysProcAttr = childAttributes()
	started := make(chan error, 1)
	go func() {
		// The kernel kills the child when the thread (not the process) that started it ends: keep this thread as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.failure = c.cmd.Wait()
		}
		c.failure = errors.Join(c.failure, os.RemoveAll(c.sockets))
		close(c.exited)
	}()
	if err := <-started; err != nil {
		<-c.exited
		return err
	}
	if err := c.answers(ctx); err != nil {
		return errors.Join(err, c.stop())
	}
	return nil
}

// answers waits until the server has loaded its log and responds.
func (c *child) answers(ctx context.Context) error {
	client := NewClient(ClientOptions{Addresses: []string{filepath.Join(c.sockets, "redis.sock")}, PoolSize: 1})
	defer client.Close()
	for {
		err := client.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		select {
		case <-c.exited:
			return fmt.Errorf("redis-server ended: %w: %s", c.failure, c.said.String())
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer: %w: %w", ctx.Err(), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop shuts the process down, by force if that takes too long.
func (c *child) stop() error {
	select {
	case <-c.exited:
		return nil
	default:
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop embedded redis: %w", err)
	}
	select {
	case <-c.exited:
	case <-time.After(stopGrace):
		if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop embedded redis: %w", err)
		}
		<-c.exited
	}
	return nil
}

// tail keeps the end of a process's output.
type tail struct {
	mu   sync.Mutex
	last []byte
}

const tailBytes = 2048

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p...)
	if over := len(t.last) - tailBytes; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.last))
}
