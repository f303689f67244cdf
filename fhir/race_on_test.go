//go:build race

package fhir

// sweep is the share of a sweep that is run: one in so many. The race detector makes the sweeps ten times as slow and finds nothing
// in a package that starts no goroutine; make test also runs them whole without it.
const sweep = 8
