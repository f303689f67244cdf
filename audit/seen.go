package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Seen tells which store is in the archive of a folder, and how far, without opening it: for those who use the store beside the one
// who archives. A store that is behind has lost data. Of a folder without an archive it tells nothing.
func Seen(folder string) (store string, reach map[int]Reached, err error) {
	d := osDisk{folder: folder}
	numbers, err := segments(d)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("look at archive: %w", err)
	}
	// The newest file may have been begun this instant: then the one before says it.
	for i := len(numbers) - 1; i >= 0 && i >= len(numbers)-2; i-- {
		c := chain{}
		r, err := scan(d, numbers[i], &c, nil)
		if err != nil {
			return "", nil, fmt.Errorf("look at archive: %w", err)
		}
		if r.lines > 0 {
			return c.store, reached(c.marks), nil
		}
	}
	return "", nil, nil
}

// NewestCheckpoint gives the newest checkpoint of an archive as it was signed, to be kept elsewhere; "" where there is none yet.
// Its signature is checked where there are keys.
func NewestCheckpoint(folder string, keys ...PublicKey) (string, error) {
	d := osDisk{folder: folder}
	numbers, err := segments(d)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("newest checkpoint: %w", err)
	}
	for _, number := range slices.Backward(numbers) {
		all, err := readNotes(d, checkpointsName(number), verifiers(keys))
		if err != nil {
			return "", fmt.Errorf("newest checkpoint: %w", err)
		}
		if n := len(all.signed); n > 0 {
			return all.signed[n-1], nil
		}
	}
	return "", nil
}
