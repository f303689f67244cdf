package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Seen returns the store of the archive in a folder, and how far it is archived, without opening the archive: for processes that use the
// store while another archives. A store that is behind has lost data. For a folder without an archive the results are zero.
func Seen(folder string) (store string, reach map[int]Reached, err error) {
	d := osDisk{folder: folder}
	numbers, err := segments(d)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("look at archive: %w", err)
	}
	// The newest file may have just been begun: then the one before it says.
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

// NewestCheckpoint returns the newest checkpoint of an archive as signed, to be kept elsewhere; "" if there is none yet. Its signature is
// checked if keys are given.
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
