// Package arch tests the structure of the module: which package may import which, what pure packages may not use, and how long files and
// functions may be. It contains only tests, and does not judge style.
package arch
