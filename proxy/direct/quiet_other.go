//go:build !unix

package direct

// quiet is false: without a way to look, no connection is used twice.
func (*connection) quiet() bool { return false }
