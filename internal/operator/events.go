package operator

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/files"
	"zorgsluis/internal/storage"
)

type eventsCommand struct {
	Verify     eventsVerifyCommand     `cmd:"" help:"Verify the archive: chain, tree and signatures. Exit code 3: damaged; the message says where."`
	Checkpoint eventsCheckpointCommand `cmd:"" help:"Print the newest signed checkpoint, to keep elsewhere."`
	Key        eventsKeyCommand        `cmd:"" help:"Print the public keys that verify checkpoints; the first one signs."`
	Export     eventsExportCommand     `cmd:"" help:"Print archived events, of everybody or of one person. This is itself recorded."`
	Replay     eventsReplayCommand     `cmd:"" help:"Replay into a restored Redis what the archive has and the backup lacks. Stop the gateways first."`
}

// reasonExported is the reason of the event of an export.
const reasonExported = "exported"

// archiveAt are the flags of commands that only read an archive: an auditor has the folder and the public key, but no configuration.
type archiveAt struct {
	Config    string   `placeholder:"FILE" help:"The configuration file (YAML), for its archive and keys."`
	Folder    string   `placeholder:"FOLDER" help:"The archive folder, such as a copy, instead of the configuration's."`
	PublicKey []string `placeholder:"KEY" help:"A public key whose checkpoints are trusted, as printed by events key; repeatable. Default: those of the configuration."`
}

// read returns the folder and the keys.
func (a archiveAt) read() (folder string, keys []audit.PublicKey, err error) {
	if a.Config == "" && a.Folder == "" {
		return "", nil, cli.Usage(errors.New("--config or --folder is needed"))
	}
	folder = a.Folder
	if a.Config != "" {
		s, err := load(a.Config)
		if err != nil {
			return "", nil, err
		}
		keys = s.ArchivePublicKeys()
		if folder == "" {
			folder = s.ArchiveFolder
		}
	}
	for i, text := range a.PublicKey {
		key, err := audit.ParsePublicKey(text)
		if err != nil {
			return "", nil, cli.Usage(fmt.Errorf("--public-key: %w", err))
		}
		if i == 0 {
			keys = nil
		}
		keys = append(keys, key)
	}
	if _, err := os.Stat(folder); err != nil {
		return "", nil, cli.Usage(fmt.Errorf("archive: %w", files.WithoutName(err)))
	}
	return folder, keys, nil
}

type eventsVerifyCommand struct {
	archiveAt
	Checkpoint []string `placeholder:"FILE" help:"A signed checkpoint that was kept elsewhere (events checkpoint): the archive must still contain what it signs. Repeatable."`
}

// Run verifies, and prints what was checked and what was not.
func (c *eventsVerifyCommand) Run(env *cli.Environment) error {
	folder, keys, err := c.read()
	if err != nil {
		return err
	}
	o := audit.VerifyOptions{Keys: keys, Each: func(audit.Line) error { return env.Context.Err() }}
	for _, name := range c.Checkpoint {
		signed, err := os.ReadFile(name)
		if err != nil {
			return cli.Usage(fmt.Errorf("--checkpoint: %w", err))
		}
		noted, err := audit.ParseCheckpoint(signed, keys...)
		if err != nil {
			return cli.Usage(fmt.Errorf("--checkpoint %s: %w", name, err))
		}
		o.Noted = append(o.Noted, noted)
	}
	s, err := audit.Walk(folder, o)
	if damage, ok := errors.AsType[*audit.DamageError](err); ok {
		return cli.Damaged(damage)
	}
	if err != nil {
		return err
	}
	return describeArchive(env.Stdout, s, len(o.Noted)-len(s.Unchecked))
}

// describeArchive describes an undamaged archive in words.
func describeArchive(w io.Writer, s audit.Summary, noted int) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "the archive is intact: %d events (up to number %d) in %d files (from number %d)\nhead %s\n", s.Events, s.Last, s.Segments, s.FirstSegment, s.Head)
	signatures := "signatures checked"
	if !s.Trusted {
		signatures = "signatures NOT checked: no public key was given"
	}
	fmt.Fprintf(b, "checkpoint %d of %s signs %d events; %s\n", s.Checkpoint, s.SignedAt.UTC().Format(time.RFC3339), s.Signed, signatures)
	if behind := s.Last - s.Signed; behind > 0 {
		fmt.Fprintf(b, "%d events are behind that checkpoint: what was cut off after them does not show here\n", behind)
	}
	if s.Unfinished > 0 {
		fmt.Fprintf(b, "%d bytes of an unfinished line are at the end: it is being written, or was when the gateway crashed\n", s.Unfinished)
	}
	if s.Unreadable > 0 {
		fmt.Fprintf(b, "%d events are of a newer version: their lines are intact\n", s.Unreadable)
	}
	for _, loss := range s.Losses {
		fmt.Fprintf(b, "behind event %d an operator accepted that the store had lost data\n", loss.Through)
	}
	if noted > 0 {
		fmt.Fprintf(b, "%d noted checkpoints fit\n", noted)
	}
	for _, number := range s.Unchecked {
		fmt.Fprintf(b, "noted checkpoint %d was NOT checked: its events were removed for their age\n", number)
	}
	return b.Flush()
}

type eventsCheckpointCommand struct{ archiveAt }

// Run prints the checkpoint as it was signed.
func (c *eventsCheckpointCommand) Run(env *cli.Environment) error {
	folder, keys, err := c.read()
	if err != nil {
		return err
	}
	signed, err := audit.NewestCheckpoint(folder, keys...)
	if err != nil {
		return err
	}
	if signed == "" {
		return errors.New("there is no checkpoint yet")
	}
	_, err = io.WriteString(env.Stdout, signed)
	return err
}

type eventsKeyCommand struct{ cli.Configured }

// Run prints the public keys for an auditor.
func (c *eventsKeyCommand) Run(env *cli.Environment) error {
	s, err := load(c.Config)
	if err != nil {
		return err
	}
	for _, key := range s.ArchivePublicKeys() {
		if _, err := fmt.Fprintln(env.Stdout, key); err != nil {
			return err
		}
	}
	return nil
}

type eventsExportCommand struct {
	cli.Configured
	onePerson
	From   string     `placeholder:"DATE" help:"First day (2026-01-31, UTC) or instant (RFC 3339); default: the first event."`
	To     string     `placeholder:"DATE" help:"Last day, or the instant at which to stop; default: the last event."`
	Format string     `enum:"ndjson,fhir" default:"ndjson" help:"ndjson: the events as recorded; fhir: AuditEvent resources. One per line."`
	Form   audit.Form `enum:"event,decision,disclosure" default:"event" help:"With --format fhir: which AuditEvent of an event, after the patterns of IHE BALP (docs/events.md): what happened, the decision about it, or a disclosure. Events without one are left out."`
}

// Run records the export, and then prints the events.
func (c *eventsExportCommand) Run(env *cli.Environment) error {
	from, err := parseInstant(c.From, 0)
	if err != nil {
		return cli.Usage(fmt.Errorf("--from: %w", err))
	}
	to, err := parseInstant(c.To, 1)
	if err != nil {
		return cli.Usage(fmt.Errorf("--to: %w", err))
	}
	choose, err := c.choose(env)
	if err != nil {
		return err
	}
	return withStoreFor(env.Context, c.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		key := choose(store)
		event := Event(s, audit.KindLog, reasonExported, rand.Text())
		event.Person, event.Interaction, event.Type = key, fhir.CodeSearch, "AuditEvent"
		if err := store.Commit(ctx, audit.Release{Event: event}); err != nil {
			return fmt.Errorf("events export: not on record, so nothing is given: %w", err)
		}
		out := bufio.NewWriter(env.Stdout)
		_, err := audit.Walk(s.ArchiveFolder, audit.VerifyOptions{Keys: s.ArchivePublicKeys(), Each: func(l audit.Line) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			line, err := c.line(s, l, key, span{from, to})
			if err != nil || line == nil {
				return err
			}
			_, err = out.Write(append(line, '\n'))
			return err
		}})
		if err := errors.Join(err, out.Flush()); err != nil {
			return fmt.Errorf("events export: %w", err)
		}
		return nil
	})
}

// line returns what is printed of an event; nil if it was not asked for.
func (c *eventsExportCommand) line(s *config.Settings, l audit.Line, person consent.PersonKey, during span) ([]byte, error) {
	e, err := audit.ParseEvent(l.Payload)
	if err != nil {
		return nil, fmt.Errorf("event %d: %w", l.N, err)
	}
	if person != "" && e.Person != person || !during.holds(e.Time) {
		return nil, nil
	}
	if c.Format == "fhir" {
		options := s.FHIROptions()
		if !slices.Contains(e.Forms(options), c.Form) {
			return nil, nil
		}
		return e.FHIRAs(c.Form, options)
	}
	return append([]byte(nil), l.Payload...), nil
}

// parseInstant parses a date or an instant; for a date, its start plus a number of days. "" is the zero time.
func parseInstant(text string, days int) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t.AddDate(0, 0, days), nil
	}
	t, err := time.Parse(time.RFC3339, strings.ToUpper(text))
	if err != nil {
		return time.Time{}, errors.New("must be a day (2026-01-31) or an instant (2026-01-31T12:00:00Z)")
	}
	return t, nil
}

type eventsReplayCommand struct{ cli.Configured }

// Run replays. It can be repeated, also after an interruption.
func (c *eventsReplayCommand) Run(env *cli.Environment) error {
	s, err := load(c.Config)
	if err != nil {
		return err
	}
	archive, err := storage.OpenArchive(s) // so that nobody archives meanwhile
	if errors.Is(err, audit.ErrLocked) {
		return fmt.Errorf("%w: stop the gateway first", err)
	}
	if err != nil {
		return err
	}
	r, err := storage.Connect(env.Context, s)
	if err != nil {
		return errors.Join(err, archive.Close())
	}
	done, err := replay(env.Context, s, r, archive)
	if err = errors.Join(err, r.Close(), archive.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "brought back %d events, of these %d changes; start the gateways\n", done.Events, done.Changes)
	if done.Left > 0 && err == nil {
		_, err = fmt.Fprintf(env.Stdout, "left out %d changes, whose loss was accepted before\n", done.Left)
	}
	return err
}

func replay(ctx context.Context, s *config.Settings, r *storage.Redis, archive *audit.Archive) (redisstore.Replayed, error) {
	o, err := r.StoreOptions(s, archive)
	if err != nil {
		return redisstore.Replayed{}, err
	}
	return redisstore.Replay(ctx, o, func(each func(audit.Line) error) (audit.Summary, error) {
		return audit.Walk(s.ArchiveFolder, audit.VerifyOptions{Keys: s.ArchivePublicKeys(), Each: func(l audit.Line) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return each(l)
		}})
	})
}
