package operator

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"zorgsluis/internal/cli"
	"zorgsluis/internal/files"
)

// fileLine is one line of a file, with its line feed. If it is too long, text is only its beginning.
type fileLine struct {
	line int
	text []byte
	long bool
}

// lineReader reads a file in lines.
type lineReader struct {
	in   *bufio.Reader
	line int // that was read last
}

// chunk returns the next lines, limited in number and size; none at the end.
func (r *lineReader) chunk() (rows []fileLine, err error) {
	for size := 0; len(rows) < chunkLines && size < chunkBytes; {
		text, err := r.in.ReadSlice('\n')
		if len(text) > 0 {
			r.line++
			rows = append(rows, fileLine{line: r.line, text: bytes.Clone(text), long: errors.Is(err, bufio.ErrBufferFull)})
			size += len(text)
		}
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of a line that is refused
			var rest []byte
			rest, err = r.in.ReadSlice('\n')
			last := &rows[len(rows)-1]
			if size += len(rest); size > 64*chunkBytes {
				return nil, fmt.Errorf("line %d does not end: this is not NDJSON", r.line)
			}
			last.text = append(last.text, rest...)
		}
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// importProgress is how far an import is: everything before Offset is done.
type importProgress struct {
	Offset   int64  `json:"offset"`
	Line     int    `json:"line"`
	SHA256   string `json:"sha256"` // of everything before Offset
	Imported int    `json:"imported"`
	Known    int    `json:"known"`
	Refused  int    `json:"refused"`

	sum hash.Hash
}

// resume seeks to where an interrupted import ended, if the file is unchanged up to there.
func (i *importing) resume(f io.ReadSeeker) error {
	i.at.sum = sha256.New()
	text, err := os.ReadFile(i.progress)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &i.at)
	}
	if err != nil {
		return cli.Usage(fmt.Errorf("consent import: %s: %w", i.progress, err))
	}
	n, err := io.CopyN(i.at.sum, f, i.at.Offset)
	if n != i.at.Offset || hex.EncodeToString(i.at.sum.Sum(nil)) != i.at.SHA256 {
		return cli.Usage(fmt.Errorf("consent import: the file is not the one that %s is about: remove that to begin anew", i.progress))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(i.env.Stderr, "going on after line %d\n", i.at.Line)
	return nil
}

// note saves the progress to disk, atomically.
func (i *importing) note() error {
	i.at.SHA256 = hex.EncodeToString(i.at.sum.Sum(nil))
	text, err := json.Marshal(i.at)
	if err != nil {
		return err
	}
	return files.Replace(i.progress, append(text, '\n'))
}
