package audit

import (
	"errors"
	"fmt"
	"io/fs"
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
