//go:build !race

package fhir

const sweep = 1
