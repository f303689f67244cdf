package main

import (
	"fmt"
	"runtime/debug"

	"zorgsluis/internal/cli"
)

// version is set by release builds: go build -ldflags "-X main.version=1.0.0".
var version = ""

type versionCommand struct{}

// Run prints the version, the commit it was built from and the Go release.
func (versionCommand) Run(env *cli.Environment) error {
	_, err := fmt.Fprintln(env.Stdout, "zorgsluis", softwareVersion())
	return err
}

// softwareVersion returns the version of the gateway: the release, or the commit it was built from.
func softwareVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+changes"
		}
	}
	if revision == "" {
		return "devel"
	}
	return "devel-" + revision[:min(len(revision), 12)] + modified
}
