// Package arch keeps the shape of the module: which package may know which, what the pure packages may not touch, and how long
// a file and a function may be. It has no code of its own, only tests; it does not judge style.
package arch
