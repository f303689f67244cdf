package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	errDisk  = errors.New("disk error")
	errPower = errors.New("power failed")
)

// memDisk is a disk whose steps can be counted and made to fail. It models what is lost: unsynced data, and what a failed sync left behind,
// which a later sync does not write either.
type memDisk struct {
	files  map[string]*memFile
	steps  int
	failAt int // the step that fails, from 1; 0 = none
	crash  bool
	dead   bool
}

type memFile struct {
	disk   *memDisk
	data   []byte
	synced int  // bytes that survive a power failure
	lost   bool // a later sync does not write what follows synced
}

// testSigner signs the checkpoints of all tests.
func testSigner(t testing.TB) *CheckpointKey {
	t.Helper()
	key, err := NewCheckpointKey(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newMemDisk() *memDisk { return &memDisk{files: map[string]*memFile{}} }

// step counts one step and says how it ends.
func (d *memDisk) step() error {
	if d.dead {
		return errPower
	}
	if d.steps++; d.steps != d.failAt {
		return nil
	}
	if d.crash {
		d.dead = true
		return errPower
	}
	return errDisk
}

// restart is the disk after a power failure, of whose unsynced bytes keep happened to be written.
func (d *memDisk) restart(keep int) *memDisk {
	after := newMemDisk()
	for name, f := range d.files {
		end := f.synced
		if !f.lost {
			end += min(keep, len(f.data)-f.synced)
		}
		after.files[name] = &memFile{disk: after, data: bytes.Clone(f.data[:end]), synced: end}
	}
	return after
}

// resume is the disk after the process was killed: unsynced data can be read, but is still not on disk.
func (d *memDisk) resume() *memDisk {
	after := newMemDisk()
	for name, f := range d.files {
		after.files[name] = &memFile{disk: after, data: bytes.Clone(f.data), synced: f.synced, lost: f.lost}
	}
	return after
}

func (d *memDisk) unsynced() int {
	n := 0
	for _, f := range d.files {
		n = max(n, len(f.data)-f.synced)
	}
	return n
}

func (d *memDisk) Lock() (lock, error) { return &memFile{disk: d}, nil }

func (d *memDisk) Names() ([]string, error) { return slices.Collect(maps.Keys(d.files)), nil }

func (d *memDisk) Open(name string) (io.ReadCloser, error) {
	f, ok := d.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(f.data)), nil
}

func (d *memDisk) Append(name string) (file, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	if d.files[name] == nil {
		d.files[name] = &memFile{disk: d}
	}
	return d.files[name], nil
}

func (d *memDisk) Remove(names ...string) error {
	for _, name := range names {
		if err := d.step(); err != nil {
			return err
		}
		delete(d.files, name)
	}
	return nil
}

func (f *memFile) Write(b []byte) (int, error) {
	if err := f.disk.step(); err != nil {
		if errors.Is(err, errPower) && f.disk.steps != f.disk.failAt {
			return 0, err
		}
		n := len(b)
		if errors.Is(err, errDisk) {
			n /= 2
		}
		f.data = append(f.data, b[:n]...) // restart decides how much of it stays
		return n, err
	}
	f.data = append(f.data, b...)
	return len(b), nil
}

func (f *memFile) Sync() error {
	if err := f.disk.step(); err != nil {
		f.lost = errors.Is(err, errDisk)
		return err
	}
	if !f.lost {
		f.synced = len(f.data)
	}
	return nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.disk.step(); err != nil {
		return err
	}
	f.data = f.data[:size]
	f.synced, f.lost = min(f.synced, len(f.data)), f.lost && f.synced < len(f.data)
	return nil
}

func (f *memFile) Close() error { return nil }

func (f *memFile) InPlace() (int64, error) { return int64(len(f.data)), nil }

// durable is what the archive would hold after a power failure: "shard/position" of every event, in order.
func (d *memDisk) durable() ([]string, error) {
	after := d.restart(0)
	numbers, err := segments(after)
	if err != nil {
		return nil, err
	}
	var found []string
	c := newChain()
	for _, number := range numbers {
		if _, err := scan(after, number, &c, func(r record) error {
			if len(r.Event) > 0 {
				found = append(found, fmt.Sprintf("%d/%s", r.Shard, r.Position))
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// memOutbox is an outbox in memory. It refuses to trim what is not durable.
type memOutbox struct {
	mu      sync.Mutex
	t       testing.TB
	disk    func() *memDisk // nil: not checked
	shards  [][]Entry
	trimErr error
	all     []string
}

func newMemOutbox(t testing.TB, shards int) *memOutbox {
	return &memOutbox{t: t, shards: make([][]Entry, shards)}
}

func (o *memOutbox) add(shard int, position string, sequence uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	payload := fmt.Sprintf(`{"event":"of shard %d at %s","query":"a=1&b=<2>"}`, shard, position)
	o.shards[shard] = append(o.shards[shard], Entry{Position: position, Payload: []byte(payload), Sequence: sequence})
	o.all = append(o.all, fmt.Sprintf("%d/%s", shard, position))
}

// fill adds n entries to every shard.
func (o *memOutbox) fill(n int) {
	for i := range n {
		for shard := range o.shards {
			o.add(shard, fmt.Sprintf("17000000%02d-%d", i, i%2), uint64(10*shard+i))
		}
	}
}

func (o *memOutbox) Shards() int { return len(o.shards) }

func (o *memOutbox) Read(ctx context.Context, shard int, after string, max int64) ([]Entry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if after != "" {
		return nil, errors.New("the archive reads from the start")
	}
	return slices.Clone(o.shards[shard][:min(int(max), len(o.shards[shard]))]), ctx.Err()
}

func (o *memOutbox) Trim(ctx context.Context, shard int, through string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.trimErr != nil {
		return o.trimErr
	}
	n := 1 + slices.IndexFunc(o.shards[shard], func(e Entry) bool { return e.Position == through })
	if n == 0 {
		o.t.Errorf("trim through %s, which is not there", through)
	}
	if o.disk != nil {
		durable, err := o.disk().durable()
		if err != nil {
			o.t.Errorf("trim while the disk is damaged: %v", err)
		}
		for _, e := range o.shards[shard][:n] {
			if key := fmt.Sprintf("%d/%s", shard, e.Position); !slices.Contains(durable, key) {
				o.t.Errorf("trimmed %s, which is not durable", key)
			}
		}
	}
	o.shards[shard] = o.shards[shard][n:]
	return ctx.Err()
}

// checkComplete fails unless everything that was ever in the outbox is durable, once, in the order of its shard.
func (o *memOutbox) checkComplete(t *testing.T, d *memDisk) {
	t.Helper()
	got, err := d.durable()
	if err != nil {
		t.Fatalf("the archive is damaged: %v", err)
	}
	for shard := range o.shards {
		of := func(all []string) []string {
			prefix := fmt.Sprintf("%d/", shard)
			return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.HasPrefix(s, prefix) })
		}
		if got, want := of(got), of(o.all); !slices.Equal(got, want) {
			t.Fatalf("got archived %v, want %v", got, want)
		}
	}
}
