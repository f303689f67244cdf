// Package operator has the operator commands: consents, persons, reviews, reports, erasure, release, the store and the archive. A command
// reads the configuration, opens what it needs, does one thing and ends; whatever it changes or discloses is on record as an access event.
package operator

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os/user"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/storage"
	"zorgsluis/policy"
)

// Commands are the operator commands, with kong tags (cli.Run). Each Run takes a *cli.Environment.
type Commands struct {
	Consent   consentCommand   `cmd:"" help:"Record, withdraw, list, prove, import and export consents."`
	Person    personCommand    `cmd:"" help:"Set what the care provider decides about a person."`
	Review    reviewCommand    `cmd:"" help:"List and close reviews of emergency declarations, and end declarations."`
	Report    reportCommand    `cmd:"" help:"Report from the archive of access events."`
	Explain   explainCommand   `cmd:"" help:"Say in words why a request was answered as it was, by the id that the caller got. This is itself recorded."`
	Erasure   erasureCommand   `cmd:"" help:"Notify the organizations that received data that it was erased at its source."`
	Release   releaseCommand   `cmd:"" help:"Copy named data of a deceased patient, by hand, on a legal ground. Reads the person (BSN or system|value) from stdin."`
	Store     storeCommand     `cmd:"" help:"Make, accept and check the store in Redis."`
	Events    eventsCommand    `cmd:"" help:"Verify, export and replay the archive of access events."`
	Keys      keysCommand      `cmd:"" help:"Make secret files."`
	Catalogue catalogueCommand `cmd:"" help:"Activate changed categories and mappings."`
}

// timeout limits one command on the store, including the start of an embedded Redis.
const timeout = 30 * time.Second

// Reasons in an operator's events.
const (
	reasonRecorded  = "recorded"
	reasonWithdrawn = "withdrawn"
	reasonFlagged   = "flagged"
)

// changing are the flags of commands that change what is on file.
type changing struct {
	RequestID    string  `placeholder:"ID" help:"Make the change once for this id, however often the command is repeated, as after an unknown outcome."`
	IfGeneration *uint64 `placeholder:"N" help:"Change only if what is on file for the person is still at this generation (shown by consent list)."`
}

// request is the id that makes the change idempotent. A new one is printed before the change, so that the operator can ask again after an
// unknown outcome.
func (c changing) request(env *cli.Environment) string {
	if c.RequestID != "" {
		return c.RequestID
	}
	id := rand.Text()
	fmt.Fprintln(env.Stderr, "request id:", id)
	return id
}

// load reads the configuration of a command.
func load(file string) (*config.Settings, error) {
	s, err := config.Load(file)
	return s, cli.Usage(err)
}

// withStore opens the configured store for one command.
func withStore(env *cli.Environment, file string, do func(context.Context, *config.Settings, *redisstore.Store) error) error {
	ctx, cancel := context.WithTimeout(env.Context, timeout)
	defer cancel()
	return withStoreFor(ctx, file, do)
}

// withStoreFor is withStore for a command that takes as long as it needs: one that reads the archive, or asks about everybody.
func withStoreFor(ctx context.Context, file string, do func(context.Context, *config.Settings, *redisstore.Store) error) error {
	s, err := load(file)
	if err != nil {
		return err
	}
	b, err := storage.Open(ctx, s)
	if err != nil {
		return err
	}
	defer b.Close()
	return do(ctx, s, b.Store)
}

// Event makes the access event of a command that the user of this process runs. A consent change is an access event as well.
func Event(s *config.Settings, kind audit.Kind, reason, request string) *audit.Event {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return &audit.Event{
		Version: 1,
		Kind:    kind,
		Request: request,
		Outcome: audit.OutcomePermit,
		Reason:  policy.Reason(reason),
		Actor:   audit.Actor{Kind: "other", Name: name, Roles: []string{audit.RoleOperator}},
		Policy:  s.PolicyHash,
	}
}

// printJSON prints a value for people and for jq.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
