package config

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Watched is a value made from files, and made again when they change. The old value stays in use until the files are good again: replacing
// a certificate a moment before its key does no harm. The zero Watched is not usable; Load makes them.
type Watched[T any] struct {
	what    string // name in the log, in metrics and in readiness
	files   []string
	read    func(*checker) *T // as at the start; problems go to the checker
	expires func(*T) time.Time
	retire  func(*T) // called with the replaced value; may be nil
	fresh   func() *checker

	current atomic.Pointer[T]

	mu   sync.Mutex
	seen string // digest of the files when they were last read
	err  error  // of the last read
}

// Reloadable is a Watched of any type.
type Reloadable interface {
	Name() string                              // for the log, metrics and readiness
	Look(force bool) (changed bool, err error) // reads the files again if they changed or force is set
	State() error                              // what is wrong with the files, or with the value in use
	Expiry() time.Time                         // of the value in use; zero if it does not expire
}

// watched reads the files for the first time, with the checker of the whole configuration, and adds f to s.Reloads.
func watched[T any](s *Settings, c *checker, f *Watched[T]) *Watched[T] {
	file, lines := c.file, c.lines
	f.fresh = func() *checker { return &checker{file: file, lines: lines} }
	f.files = slices.DeleteFunc(f.files, func(name string) bool { return name == "" })
	for i, name := range f.files {
		f.files[i] = c.path(name)
	}
	f.seen = digestOf(f.files)
	f.current.Store(f.read(c))
	if len(f.files) > 0 {
		s.Reloads = append(s.Reloads, f)
	}
	return f
}

// get returns the value of the files when they were last good.
func (f *Watched[T]) get() *T { return f.current.Load() }

// Name returns its name in the log, in metrics and in readiness.
func (f *Watched[T]) Name() string { return f.what }

// Look reads the files again if they changed, if the last read failed, or if force is set.
func (f *Watched[T]) Look(force bool) (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	digest := digestOf(f.files) // taken before reading: a change in between is seen next time
	if !force && f.err == nil && digest == f.seen {
		return false, nil
	}
	changed = digest != f.seen
	c := f.fresh()
	read := f.read(c)
	if f.err = errors.Join(c.problems...); f.err == nil && read == nil {
		f.err = errors.New("nothing was read")
	}
	if f.err != nil {
		return changed, f.err
	}
	f.seen = digest
	if before := f.current.Swap(read); f.retire != nil {
		f.retire(before)
	}
	return changed, nil
}

// State returns what is wrong with the files, or with the value in use; nil if nothing is.
func (f *Watched[T]) State() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return fmt.Errorf("the files are not good, what was read before stays in use: %w", f.err)
	}
	if at := f.Expiry(); !at.IsZero() && time.Now().After(at) {
		return fmt.Errorf("expired on %s", at.UTC().Format(time.RFC3339))
	}
	return nil
}

// Expiry returns when the value in use expires; zero if it does not.
func (f *Watched[T]) Expiry() time.Time {
	if f.expires == nil {
		return time.Time{}
	}
	return f.expires(f.get())
}

// notAfter returns when a key pair expires.
func notAfter(pair *tls.Certificate) time.Time {
	if pair == nil || pair.Leaf == nil {
		return time.Time{}
	}
	return pair.Leaf.NotAfter
}

// digestOf changes when the content of one of the files does. An error counts as content.
func digestOf(files []string) string {
	all := sha256.New()
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			content = []byte(err.Error())
		}
		one := sha256.Sum256(content)
		all.Write(one[:])
	}
	return hex.EncodeToString(all.Sum(nil))
}
