package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/alecthomas/kong"
)

// The exit codes: what went wrong while running, and what cannot be run as it was asked or configured.
const (
	exitOK      = 0
	exitRuntime = 1
	exitUsage   = 2
	exitDamaged = 3 // events verify, consent verify: what is kept is not what was written
)

// errUsage marks errors that another command line or another configuration would cure.
var errUsage = errors.New("usage")

// usage marks err as one of the caller's making.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

type usageError struct{ error }

func (e *usageError) Is(target error) bool { return target == errUsage }
func (e *usageError) Unwrap() error        { return e.error }

// environment is what a command has of the world around it.
type environment struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// configured is the flag that all commands on one gateway have.
type configured struct {
	Config string `required:"" placeholder:"FILE" help:"The configuration file (YAML)."`
}

// commands is the command line. Identifiers of persons are read from standard input, never from an argument: those are in the
// process list and in the shell's history.
type commands struct {
	Serve     serveCommand     `cmd:"" help:"Run the gateway."`
	Check     checkCommand     `cmd:"" help:"Validate a configuration as serve does, and print what its policy amounts to."`
	Consent   consentCommand   `cmd:"" help:"Record, withdraw, list, prove, import and export consents."`
	Person    personCommand    `cmd:"" help:"Set what a provider decides about a person."`
	Review    reviewCommand    `cmd:"" help:"List and close reviews of emergency declarations, and end declarations."`
	Report    reportCommand    `cmd:"" help:"Report on a period from the archive of access events."`
	Erasure   erasureCommand   `cmd:"" help:"Tell the organizations that received data that these were erased at their source."`
	Release   releaseCommand   `cmd:"" help:"Give a copy of named data of somebody who has died, by hand, on a ground that the law knows. Reads the person from standard input."`
	Store     storeCommand     `cmd:"" help:"Prepare, accept and check the store in Redis."`
	Events    eventsCommand    `cmd:"" help:"Verify, export and replay the archive of access events."`
	Keys      keysCommand      `cmd:"" help:"Make secret files."`
	Catalogue catalogueCommand `cmd:"" help:"Activate changed categories and mappings."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
	demoCommands
}

// longNumber is what could identify a person.
var longNumber = regexp.MustCompile(`[0-9]{6,}`)

// withoutNumbers is the message of an error of the command line, which repeats what stood there, without what could be the
// identifier of a person who should have been named on standard input.
func withoutNumbers(err error) string { return longNumber.ReplaceAllString(err.Error(), "***") }

// run is the whole program: it parses args, runs the command until it is done or ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var cli commands
	helped := false
	parser, err := kong.New(&cli,
		kong.Name("gateway"),
		kong.Description("Zorgsluis: a consent-gated gateway in front of FHIR sources."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "gateway:", err)
		return exitUsage
	}
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	command, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err == nil {
		err = command.Run(&environment{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr})
	} else {
		err = usage(fmt.Errorf("%s (gateway --help shows the commands)", withoutNumbers(err)))
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintln(stderr, "gateway:", err)
		return exitUsage
	case errors.Is(err, errDamaged):
		fmt.Fprintln(stderr, "gateway:", err)
		return exitDamaged
	default:
		fmt.Fprintln(stderr, "gateway:", err)
		return exitRuntime
	}
}
