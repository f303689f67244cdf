package audit

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"zorgsluis/consent"
)

// personHash is the beginning of the SHA-256 of a person key: enough to find lines, which name their person themselves.
type personHash [16]byte

func hashOf(person consent.PersonKey) personHash {
	sum := sha256.Sum256([]byte(person))
	return personHash(sum[:16])
}

// personIndex is the index of a full file: sorted rows of hash and offset. They stay in the index file, or in memory if that file could not
// be written.
type personIndex struct {
	path string
	from int64 // where in the file the rows begin
	rows []byte
	n    int
}

// An index file: a head, the size of the file that it indexes, the rows, and the SHA-256 of all that.
const (
	indexHead = "zorgsluis persons 1\n"
	headBytes = int64(len(indexHead) + 8)
	indexRow  = len(personHash{}) + 8
)

// index returns the index of a full file, and rebuilds it if it is missing, incomplete, or for a file of another size. A folder that cannot
// be written is no error: the next process rebuilds the index.
func (h *History) index(number int) (*personIndex, error) {
	path := h.path(number)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	beside := path + ".persons"
	if saved, err := os.ReadFile(beside); err == nil {
		if n, ok := checkIndex(saved, info.Size()); ok {
			return &personIndex{path: beside, from: headBytes, n: n}, nil
		}
	}
	lines := map[personHash][]int64{}
	size, err := readPersons(path, 0, lines)
	if err != nil {
		return nil, err
	}
	if size != info.Size() {
		return nil, &DamageError{File: segmentName(number), Line: 0, Reason: "the last line is incomplete"}
	}
	x := newIndex(lines)
	if x.save(beside, size) == nil {
		x.path, x.from, x.rows = beside, headBytes, nil
	}
	return x, nil
}

func newIndex(lines map[personHash][]int64) *personIndex {
	type row struct {
		hash  personHash
		place int64
	}
	var rows []row
	for hash, places := range lines {
		for _, place := range places {
			rows = append(rows, row{hash, place})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(bytes.Compare(a.hash[:], b.hash[:]), cmp.Compare(a.place, b.place)) })
	x := &personIndex{n: len(rows), rows: make([]byte, 0, len(rows)*indexRow)}
	for _, r := range rows {
		x.rows = binary.BigEndian.AppendUint64(append(x.rows, r.hash[:]...), uint64(r.place))
	}
	return x
}

// find returns the offsets for a hash, in order.
func (x *personIndex) find(hash personHash) (places []int64, err error) {
	var rows io.ReaderAt = bytes.NewReader(x.rows)
	if x.path != "" {
		f, openErr := os.Open(x.path)
		if openErr != nil {
			return nil, openErr
		}
		defer f.Close()
		rows = f
	}
	var row [indexRow]byte
	load := func(i int) []byte {
		if _, readErr := rows.ReadAt(row[:], x.from+int64(i*indexRow)); readErr != nil {
			err = readErr
		}
		return row[:len(hash)]
	}
	first := sort.Search(x.n, func(i int) bool { return bytes.Compare(load(i), hash[:]) >= 0 })
	for i := first; i < x.n && bytes.Equal(load(i), hash[:]) && err == nil; i++ {
		places = append(places, int64(binary.BigEndian.Uint64(row[len(hash):])))
	}
	return places, err
}

// save first writes the index under a unique name: others may be reading it, or writing the same.
func (x *personIndex) save(path string, size int64) error {
	text := binary.BigEndian.AppendUint64([]byte(indexHead), uint64(size))
	text = append(text, x.rows...)
	sum := sha256.Sum256(text)
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("save index: %w", err)
	}
	_, err = f.Write(append(text, sum[:]...))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("save index: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// checkIndex reports whether saved is the complete index of a file of this size, and how many rows it has.
func checkIndex(saved []byte, size int64) (rows int, ok bool) {
	body := len(saved) - sha256.Size
	if body < int(headBytes) || (body-int(headBytes))%indexRow != 0 || string(saved[:len(indexHead)]) != indexHead ||
		binary.BigEndian.Uint64(saved[len(indexHead):]) != uint64(size) || sha256.Sum256(saved[:body]) != [sha256.Size]byte(saved[body:]) {
		return 0, false
	}
	return (body - int(headBytes)) / indexRow, true
}
