//go:build release

package main

// demoCommands are left out of release builds, where an issuer that signs anything does not belong.
type demoCommands struct{}
