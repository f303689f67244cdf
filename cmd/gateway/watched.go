package main

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

// fromFiles is what was made of files, and is made again when they change. What it was stays in place until the files hold something as
// good: a key that does not fit its certificate yet, because they were not replaced in one step, harms nobody.
type fromFiles[T any] struct {
	what    string // names it in the log, in metrics and in readiness
	files   []string
	read    func(*checker) *T // as at the start; what is wrong is added to the checker
	expires func(*T) time.Time
	retire  func(*T) // of what was in use before; may be nil
	fresh   func() *checker

	current atomic.Pointer[T]

	mu   sync.Mutex
	seen string // digest of the files when they were last read
	err  error  // of the last reading
}

// reloadable is a fromFiles of any type.
type reloadable interface {
	name() string
	look(force bool) (changed bool, err error)
	state() error
	expiry() time.Time
}

// watched reads files for the first time, with the checker of the whole configuration, and has them followed while the gateway runs.
func watched[T any](s *settings, c *checker, f *fromFiles[T]) *fromFiles[T] {
	file, lines := c.file, c.lines
	f.fresh = func() *checker { return &checker{file: file, lines: lines} }
	f.files = slices.DeleteFunc(f.files, func(name string) bool { return name == "" })
	for i, name := range f.files {
		f.files[i] = c.path(name)
	}
	f.seen = digestOf(f.files)
	f.current.Store(f.read(c))
	if len(f.files) > 0 {
		s.reloads = append(s.reloads, f)
	}
	return f
}

// get gives what the files held when they were last good.
func (f *fromFiles[T]) get() *T { return f.current.Load() }

func (f *fromFiles[T]) name() string { return f.what }

// look reads the files again where they changed, where the last reading failed, or where it is forced.
func (f *fromFiles[T]) look(force bool) (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	digest := digestOf(f.files) // before they are read: what changes in between is seen next time
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

// state is what is wrong: with the files, or with what is in use.
func (f *fromFiles[T]) state() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return fmt.Errorf("the files are not good, what was read before stays in use: %w", f.err)
	}
	if at := f.expiry(); !at.IsZero() && time.Now().After(at) {
		return fmt.Errorf("expired on %s", at.UTC().Format(time.RFC3339))
	}
	return nil
}

// expiry is until when it can be used; zero for ever.
func (f *fromFiles[T]) expiry() time.Time {
	if f.expires == nil {
		return time.Time{}
	}
	return f.expires(f.get())
}

// notAfter is the expiry of a key pair.
func notAfter(pair *tls.Certificate) time.Time {
	if pair == nil || pair.Leaf == nil {
		return time.Time{}
	}
	return pair.Leaf.NotAfter
}

// digestOf tells whether the content of files changed. One that cannot be read counts as content, too.
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
