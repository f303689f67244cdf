//go:build release

package main

// demoCommands are left out of release builds: an issuer that signs whatever it is asked to does not belong there.
type demoCommands struct{}
