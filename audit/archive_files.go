package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// recover finds where the archive stands: from its newest file, whose header says where the chain stood before it, and from that file's
// checkpoints.
func (a *Archive) recover() error {
	if err := a.finishRemoval(); err != nil {
		return err
	}
	numbers, err := segments(a.disk)
	if err != nil {
		return err
	}
	a.chain = newChain()
	if len(numbers) == 0 {
		return nil
	}
	last := numbers[len(numbers)-1]
	v := verification{disk: a.disk, trust: a.trust, each: a.remember}
	r, err := v.segment(last)
	if err != nil {
		return err
	}
	switch {
	case r.lines > 0:
		err = v.complete(last, r)
	case len(numbers) > 1:
		// A crash right after the file was created: the file before it says where the chain stands.
		v = verification{disk: a.disk, trust: a.trust, each: a.remember}
		var before reading
		if before, err = v.segment(last - 1); err == nil {
			err = v.ended(last-1, before)
		}
	default:
		v.chain = newChain()
	}
	if err != nil {
		return err
	}
	a.chain, a.signed = v.chain, v.signed
	return a.reopen(last, r)
}

// remember keeps the digests of the newest file, for entries that were archived but not trimmed.
func (a *Archive) remember(r record) error {
	if len(r.Event) == 0 {
		return nil
	}
	if a.recent[r.Shard] == nil {
		a.recent[r.Shard] = map[string]digest{}
	}
	a.recent[r.Shard][r.Position] = r.entry().digest()
	return nil
}

// reopen continues with the newest file. An incomplete line at its end is cut off only just before the next write: a checkpoint, or what
// the store says was trimmed, may show first that it was not the tail of an unfinished write. The contents may never have reached the disk
// before the crash, so they are synced before anything is trimmed because of them.
func (a *Archive) reopen(number int, r reading) error {
	name := segmentName(number)
	if err := checkTail(r.tail, a.chain.clone(), number, r.lines == 0); err != nil {
		return &DamageError{File: name, Line: r.lines + 1, Offset: r.size, Event: eventIn(r.tail), Reason: err.Error()}
	}
	f, err := a.disk.Append(name)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", name, err), f.Close())
	}
	a.open = &segment{file: f, number: number, size: r.size, dirty: len(r.tail) > 0}
	if len(r.tail) > 0 {
		a.torn = fmt.Sprintf("%s line %d: %d bytes of an incomplete line", name, r.lines+1, len(r.tail))
	}
	_, signed, err := readCheckpoints(a.disk, number, a.trust)
	if err != nil || signed.size == 0 && signed.torn == 0 {
		return err
	}
	if f, err = a.disk.Append(checkpointsName(number)); err != nil {
		return err
	}
	a.signatures = &segment{file: f, number: number, size: signed.size, dirty: signed.torn > 0}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("open %s: %w", checkpointsName(number), err)
	}
	return nil
}

// ready makes sure that there is a file to write to, with its header, and that not too many events are without a checkpoint.
func (a *Archive) ready() error {
	if s := a.open; s == nil || s.size == 0 || s.size >= a.SegmentBytes || a.chain.n > a.chain.from && time.Since(a.chain.began) >= a.SegmentAge {
		if err := a.enter(a.chain, nil); err != nil {
			return err
		}
	}
	if a.signed.number == 0 || a.chain.n-a.signed.size >= mostUnsigned/2 {
		return a.sign()
	}
	return nil
}

// enter begins a file in which the chain continues as c. What the earlier files hold is signed first.
func (a *Archive) enter(c chain, lost map[int]string) error {
	if err := a.sign(); err != nil {
		return err
	}
	if a.open == nil || a.open.size > 0 {
		number := 1
		if a.open != nil {
			number = a.open.number + 1
			if err := a.open.clean(); err != nil {
				return err
			}
		} else if len(a.removed) > 0 {
			number = a.removed[len(a.removed)-1].last + 1
		}
		f, err := a.disk.Append(segmentName(number))
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		old := a.open
		a.open = &segment{file: f, number: number}
		if old != nil {
			_ = old.file.Close() // it is all on disk already
		}
	}
	c = c.clone()
	c.from, c.began, c.checkpoint, c.lost = c.n, time.Now(), a.signed.number, lost
	return a.append(c.appendHeader(nil, a.open.number), c)
}

// append writes lines and makes them durable. On any error the chain does not move: a later round archives the same entries.
func (a *Archive) append(lines []byte, after chain) error {
	if err := a.open.write(lines); err != nil {
		return err
	}
	a.chain = after
	a.showEnd()
	return nil
}

// inPlace checks, before anything is trimmed, that the files written are the ones in the folder, and that the lock on it is still ours.
func (a *Archive) inPlace() error {
	if _, err := a.lock.InPlace(); err != nil {
		return fmt.Errorf("%w: %w", ErrAltered, err)
	}
	return errors.Join(a.open.inPlace(), a.signatures.inPlace())
}

// signIfDue makes a checkpoint if enough events are without one, or the oldest of them has been for long enough.
func (a *Archive) signIfDue() error {
	unsigned := a.chain.n - a.signed.size
	if unsigned >= max(a.CheckpointEvents, 1) || unsigned > 0 && time.Since(a.signed.at) >= a.CheckpointEvery {
		return a.sign()
	}
	return nil
}

// sign makes a checkpoint of what is on disk, unless there is one.
func (a *Archive) sign() error {
	if a.open == nil || a.open.size == 0 || a.signed.number > 0 && a.signed.size == a.chain.n {
		return nil
	}
	if a.signatures == nil || a.signatures.number != a.open.number {
		f, err := a.disk.Append(checkpointsName(a.open.number))
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		if a.signatures != nil {
			_ = a.signatures.file.Close() // it is all on disk already
		}
		a.signatures = &segment{file: f, number: a.open.number}
	}
	c := checkpoint{number: a.signed.number + 1, size: a.chain.n, root: a.chain.tree.root(), at: time.Now()}
	line, err := signNote(c.text(a.key.Name()), a.key)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if err := a.signatures.write(line); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	a.signed = c
	return nil
}

// find removes from wanted what the files hold of a shard with the same content, newest file first.
func (a *Archive) find(shard int, wanted map[string]digest) error {
	numbers, err := segments(a.disk)
	if err != nil {
		return err
	}
	for _, number := range slices.Backward(numbers) {
		if len(wanted) == 0 {
			return nil
		}
		c := chain{}
		_, err := scan(a.disk, number, &c, func(r record) error {
			if sum, asked := wanted[r.Position]; asked && r.Shard == shard && sum == r.entry().digest() {
				delete(wanted, r.Position)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
