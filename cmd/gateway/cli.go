package main

import (
	"context"
	"io"

	"zorgsluis/internal/cli"
	"zorgsluis/internal/operator"
)

// commands is the command line. Identifiers of persons are read from standard input, never from an argument: arguments are in the process
// list and in the shell's history.
type commands struct {
	Serve serveCommand `cmd:"" help:"Run the gateway."`
	Check checkCommand `cmd:"" help:"Validate a configuration as serve does, and print what its policy amounts to."`
	operator.Commands
	Version versionCommand `cmd:"" help:"Print the version."`
	demoCommands
}

// run is the whole program: it parses args, runs the command until it is done or ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := &cli.Environment{Context: ctx, Stdin: stdin, Stdout: stdout, Stderr: stderr, Software: softwareVersion()}
	return cli.Run(env, &commands{}, args)
}
