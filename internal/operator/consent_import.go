package operator

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/storage"
)

// reasonImported is the reason of the events of an import.
const reasonImported = "imported"

// Limits of what an import holds in memory at once.
const (
	chunkLines = 1024
	chunkBytes = 8 << 20
	longestRow = 256 << 10
	tellEvery  = 2 * time.Second
)

type importCommand struct {
	cli.Configured
	File     string `arg:"" placeholder:"FILE" help:"NDJSON: one FHIR R4 Consent per line, each naming its patient by identifier (docs/consent-profile.md)."`
	Progress string `placeholder:"FILE" help:"The file that keeps the progress, from which a repeated import continues; default: FILE.progress."`
}

// Run imports. Each line is one change, made and recorded as a whole or not at all; what is already on file is left as it is, so that an
// import can be repeated.
func (c *importCommand) Run(env *cli.Environment) error {
	if c.Progress == "" {
		c.Progress = c.File + ".progress"
	}
	f, err := os.Open(c.File)
	if err != nil {
		return cli.Usage(fmt.Errorf("consent import: %w", err))
	}
	defer f.Close()
	return withStoreFor(env.Context, c.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		i := &importing{env: env, settings: s, store: store, progress: c.Progress, profile: s.ConsentProfile(store.Key)}
		if err := i.resume(f); err != nil {
			return err
		}
		stop, err := archiveMeanwhile(ctx, s, store)
		if err != nil {
			return err
		}
		err = i.run(ctx, f)
		if err = errors.Join(err, stop()); err != nil {
			return fmt.Errorf("consent import: after line %d: %w; the same command goes on there", i.at.Line, err)
		}
		i.tell(env.Stdout)
		if i.at.Refused > 0 {
			return fmt.Errorf("consent import: %d lines were refused", i.at.Refused)
		}
		return nil
	})
}

// archiveMeanwhile archives what an import writes if no gateway does: otherwise it would fill the memory of Redis. stop ends it.
func archiveMeanwhile(ctx context.Context, s *config.Settings, store *redisstore.Store) (stop func() error, err error) {
	archive, err := storage.OpenArchive(s)
	if errors.Is(err, audit.ErrLocked) {
		return func() error { return nil }, nil // a gateway runs
	}
	if err != nil {
		return nil, err
	}
	running, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- archive.Run(running, store) }()
	return func() error {
		end()
		return errors.Join(<-ended, archive.Drain(context.WithoutCancel(ctx), store), archive.Close())
	}, nil
}

// importing is an import in progress.
type importing struct {
	env      *cli.Environment
	settings *config.Settings
	store    *redisstore.Store
	profile  consentReader
	progress string // file

	at    importProgress // everything up to here is on file, or was refused
	begun time.Time
	since importProgress // where this run began
	told  time.Time
}

// run imports chunk by chunk, and saves the progress after each.
func (i *importing) run(ctx context.Context, f io.Reader) error {
	i.begun, i.told, i.since = time.Now(), time.Now(), i.at
	ahead, stop := context.WithCancel(ctx)
	chunks := i.understood(ahead, f)
	defer func() {
		stop()
		for range chunks { // drain: the file is no longer read
		}
	}()
	for c := range chunks {
		if c.err != nil {
			return c.err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := i.put(ctx, c.lines); err != nil {
			return err
		}
		for _, l := range c.lines {
			i.at.sum.Write(l.text)
			i.at.Offset += int64(len(l.text))
			i.at.Line = l.line
		}
		if err := i.note(); err != nil {
			return err
		}
		if time.Since(i.told) >= tellEvery {
			i.tell(i.env.Stderr)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.Remove(i.progress); !errors.Is(err, fs.ErrNotExist) { // there is none if the file has no line
		return err
	}
	return nil
}

// chunk is some parsed lines of the file.
type chunk struct {
	lines []*imported
	err   error // the file cannot be read
}

// understood reads and parses the file, one chunk ahead of what is put on file, so that neither waits for the other.
func (i *importing) understood(ctx context.Context, f io.Reader) <-chan chunk {
	chunks := make(chan chunk)
	file := &lineReader{in: bufio.NewReaderSize(f, longestRow), line: i.at.Line}
	go func() {
		defer close(chunks)
		for {
			rows, err := file.chunk()
			if len(rows) == 0 && err == nil {
				return
			}
			select {
			case chunks <- chunk{i.understand(rows), err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return chunks
}

// understand parses lines, several at once.
func (i *importing) understand(rows []fileLine) []*imported {
	lines := make([]*imported, len(rows))
	var work sync.WaitGroup
	for part := range importReaders {
		work.Go(func() {
			for n := part; n < len(rows); n += importReaders {
				lines[n] = i.read(rows[n])
			}
		})
	}
	work.Wait()
	return lines
}

// tell prints the progress and the rate.
func (i *importing) tell(w io.Writer) {
	i.told = time.Now()
	rate := float64(i.at.Line-i.since.Line) / max(time.Since(i.begun).Seconds(), 1e-3)
	fmt.Fprintf(w, "%d lines: %d imported, %d on file already, %d refused (%.0f lines a second)\n", i.at.Line, i.at.Imported, i.at.Known, i.at.Refused, rate)
}

// imported is one line being imported.
type imported struct {
	fileLine
	person  fhir.Identifier
	consent consentfhir.Consent
	applied bool // the change was attempted
	known   bool // it was on file already
	err     error
}

// put imports some lines: those of one person in their order, those of different persons together.
func (i *importing) put(ctx context.Context, lines []*imported) error {
	var good []*imported
	for _, l := range lines {
		if l.err == nil && len(l.consent.Records) > 0 {
			good = append(good, l)
		}
	}
	for len(good) > 0 {
		var now, later []*imported
		persons := map[fhir.Identifier]bool{}
		for _, l := range good {
			if persons[l.person] {
				later = append(later, l)
				continue
			}
			persons[l.person] = true
			now = append(now, l)
		}
		if err := i.together(ctx, now); err != nil {
			return err
		}
		good = later
	}
	for _, l := range lines {
		switch {
		case l.err != nil:
			i.at.Refused++
			fmt.Fprintf(i.env.Stderr, "line %d: refused: %v\n", l.line, l.err)
		case l.known:
			i.at.Known++
		case len(l.consent.Records) > 0:
			i.at.Imported++
		}
	}
	return nil
}

// importReaders is how many lines are parsed at once.
const importReaders = 4

// together makes the changes of several persons. An error ends the import; what is wrong with one line is in that line.
func (i *importing) together(ctx context.Context, lines []*imported) error {
	for start := 0; start < len(lines); start += changesAtOnce {
		part := lines[start:min(start+changesAtOnce, len(lines))]
		changes := make([]audit.Change, len(part))
		for n, l := range part {
			changes[n] = i.change(l)
		}
		for n, c := range i.store.ChangeAll(ctx, changes) {
			switch {
			case c.Err == nil:
				part[n].known = !part[n].applied // the request was known: done before
			case errors.Is(c.Err, errOnFile):
				part[n].known = true
			case errors.Is(c.Err, audit.ErrUnavailable), ctx.Err() != nil:
				return c.Err
			default:
				part[n].err = c.Err
			}
		}
	}
	return nil
}

// changesAtOnce is how many changes share one wait for the disk.
const changesAtOnce = 512

// errOnFile says that the records of a line are already on file.
var errOnFile = errors.New("on file already")

// change returns the change that one line makes: all of its records, or none. Its request id is derived from the line, so that after a lost
// reply, or if the line occurs twice, it is imported once.
func (i *importing) change(l *imported) audit.Change {
	sum := sha256.Sum256(bytes.TrimSpace(l.text))
	request := "import-" + hex.EncodeToString(sum[:16])
	id := i.store.NewRecordID(l.person)
	event := Event(i.settings, audit.KindConsent, reasonImported, request)
	event.Interaction, event.Consent = audit.CodeCreate, id
	return audit.Change{
		Request: request, Person: l.person, Event: event, KeepStamps: true,
		Apply: func(st *consent.Standing) error {
			l.applied = true
			records := l.consent.RecordsAt(st.Newest)
			for _, r := range records {
				if err := i.settings.Catalogue.CheckWrite(r, st.Newest); err != nil {
					return err
				}
			}
			return addImported(st, event, l.consent, records)
		},
	}
}

// addImported puts records on file that are not there yet. A record on file that was since withdrawn where it came from is withdrawn here
// too; one that was withdrawn here stays so.
func addImported(st *consent.Standing, event *audit.Event, c consentfhir.Consent, records []consent.Record) error {
	there, withdrawn := 0, consent.RecordID("")
	for _, r := range records {
		at := indexOfSame(st.Records, r, c)
		if at < 0 {
			continue
		}
		there++
		if on := &st.Records[at]; on.Status == consent.StatusActive && r.Status == consent.StatusWithdrawn {
			on.Status, on.WithdrawnAt, on.WithdrawnBy = r.Status, r.WithdrawnAt, r.WithdrawnBy
			withdrawn = on.ID
		}
	}
	switch {
	case there == 0:
		st.Records = append(st.Records, named(records, event.Consent)...)
		return nil
	case there < len(records):
		return errors.New("a part of it is on file already")
	case withdrawn != "":
		event.Interaction, event.Consent = audit.CodeUpdate, withdrawn
		return nil
	}
	return errOnFile
}
