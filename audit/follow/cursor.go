package follow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"zorgsluis/audit"
)

// cursor is a follower's durable place: a file of its own, replaced atomically. A crash between a delivery and writing the file makes the
// events of one batch arrive twice, but loses none.
type cursor struct {
	folder, name string

	place audit.Place // used by the follower only
	saved bool        // the file holds place

	mu    sync.Mutex
	known bool
	seen  audit.Place // place, for other goroutines
}

// errCursor means that the cursor's file was not written by this code. The place is not guessed.
var errCursor = errors.New("the cursor is damaged: remove its file to begin anew, from what the archive holds")

// ready reads the cursor's file the first time, and writes a place that could not be written before.
func (c *cursor) ready(fromNow bool, source Source) error {
	_, known := c.at()
	switch {
	case !known:
		if err := c.load(fromNow, source); err != nil {
			return err
		}
	case !c.saved:
		if err := c.save(); err != nil {
			return err
		}
	}
	if c.place != (audit.Place{}) {
		return nil
	}
	// Record the first file as soon as there is one, so that retention keeps it.
	start, err := source.Start()
	if err != nil || start == c.place {
		return err
	}
	return c.move(start)
}

// load reads the cursor's file, or creates it.
func (c *cursor) load(fromNow bool, source Source) error {
	content, err := os.ReadFile(c.path())
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(c.folder, 0o700); err != nil {
			return fmt.Errorf("cursor: %w", err)
		}
		start := audit.Place{}
		if fromNow {
			start = source.End()
		}
		return c.move(start)
	}
	if err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	place, err := parseCursor(content)
	if err != nil {
		return err
	}
	c.saved = true
	c.goTo(place)
	return nil
}

// parseCursor reads the content of a cursor's file.
func parseCursor(content []byte) (audit.Place, error) {
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	var place audit.Place
	if err := dec.Decode(&place); err != nil || dec.More() || place.Segment < 0 || place.Offset < 0 {
		return audit.Place{}, errCursor
	}
	return place, nil
}

// move advances to a place, even if the file could not be written: then it is written before anything else is delivered.
func (c *cursor) move(to audit.Place) error {
	c.saved = false
	c.goTo(to)
	return c.save()
}

func (c *cursor) goTo(place audit.Place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.place, c.seen, c.known = place, place, true
}

// at is where the cursor stands, for other goroutines.
func (c *cursor) at() (audit.Place, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen, c.known
}

func (c *cursor) path() string { return filepath.Join(c.folder, c.name+".cursor") }

// save replaces the file: a crash leaves either the old or the new one, complete.
func (c *cursor) save() error {
	content, err := json.Marshal(c.place)
	if err == nil {
		err = replace(c.path(), append(content, '\n'))
	}
	if err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	c.saved = true
	return nil
}

// needs is the archive file in which the cursor stands. Before the follower runs, the cursor's file says so; if it cannot, everything is
// needed.
func (c *cursor) needs(fromNow bool) int {
	place, known := c.at()
	if !known {
		content, err := os.ReadFile(c.path())
		if errors.Is(err, fs.ErrNotExist) && fromNow {
			return 0
		}
		if err == nil {
			place, _ = parseCursor(content)
		}
	}
	return max(1, place.Segment)
}

// refused is a line of name.refused.jsonl: an event that the destination rejected. The event itself is in the archive.
type refused struct {
	N  uint64        `json:"n"`
	ID audit.EventID `json:"id"`
}

// setAside records, durably, which events were skipped.
func (c *cursor) setAside(batch []audit.Archived, events []audit.Event) error {
	var lines []byte
	for i, archived := range batch {
		line, err := json.Marshal(refused{N: archived.N, ID: events[i].ID})
		if err != nil {
			return fmt.Errorf("set aside: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	f, err := os.OpenFile(filepath.Join(c.folder, c.name+".refused.jsonl"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	_, err = f.Write(lines)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	return syncFolder(c.folder)
}

// replace writes a file under a temporary name, syncs it, and renames it.
func replace(name string, content []byte) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

// syncFolder makes the entries of a folder durable.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
