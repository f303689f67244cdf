package main

import (
	"context"
	"io"

	"zorgsluis/internal/cli"
)

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

// run is the whole program: it parses args, runs the command until it is done or ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := &cli.Environment{Context: ctx, Stdin: stdin, Stdout: stdout, Stderr: stderr, Software: softwareVersion()}
	return cli.Run(env, &commands{}, args)
}
