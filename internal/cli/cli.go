// Package cli runs one command of a command line: what a command may use of its environment, and the exit code of its error. It knows none
// of the commands.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	ExitOK      = 0
	ExitRuntime = 1 // something went wrong while the command ran
	ExitUsage   = 2 // ErrUsage
	ExitDamaged = 3 // ErrDamaged
)

// ErrUsage marks errors that another command line or configuration would avoid.
var ErrUsage = errors.New("usage")

// ErrDamaged marks errors that say that stored data differ from what was written.
var ErrDamaged = errors.New("damaged")

// Usage marks err with ErrUsage without changing its text. nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &markedError{err, ErrUsage}
}

// Damaged marks err with ErrDamaged without changing its text.
func Damaged(err error) error { return &markedError{err, ErrDamaged} }

type markedError struct {
	error
	mark error
}

func (e *markedError) Is(target error) bool { return target == e.mark }
func (e *markedError) Unwrap() error        { return e.error }

// Environment is what a command may use of the world around it.
type Environment struct {
	Context  context.Context // ends when the command is to stop
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
	Software string // name and version of the program
}

// Configured is the flag of every command that uses a configuration.
type Configured struct {
	Config string `required:"" placeholder:"FILE" help:"The configuration file (YAML)."`
}

// Run parses args, runs the command that they name, and returns the exit code. It writes an error to standard error. tree is a pointer to a
// struct with kong tags; the Run method of each command takes the *Environment.
func Run(env *Environment, tree any, args []string) int {
	helped := false
	parser, err := kong.New(tree,
		kong.Name("gateway"),
		kong.Description("Zorgsluis: a consent-gated gateway in front of FHIR sources."),
		kong.Writers(env.Stdout, env.Stderr),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(env.Stderr, "gateway:", err)
		return ExitUsage
	}
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	command, err := parser.Parse(args)
	if helped {
		return ExitOK
	}
	if err == nil {
		err = command.Run(env)
	} else {
		err = Usage(fmt.Errorf("%s (gateway --help shows the commands)", withoutNumbers(err)))
	}
	if err == nil {
		return ExitOK
	}
	fmt.Fprintln(env.Stderr, "gateway:", err)
	switch {
	case errors.Is(err, ErrUsage):
		return ExitUsage
	case errors.Is(err, ErrDamaged):
		return ExitDamaged
	}
	return ExitRuntime
}

// longNumber matches what could identify a person.
var longNumber = regexp.MustCompile(`[0-9]{6,}`)

// withoutNumbers returns the text of a parser's error without long numbers. The parser repeats the command line, and a number there may
// identify a person, who should have been named on standard input.
func withoutNumbers(err error) string { return longNumber.ReplaceAllString(err.Error(), "***") }
