package policy

import (
	"errors"
	"slices"
)

// assuranceNames are the levels in words, by value.
var assuranceNames = [...]string{AssuranceNone: "none", AssuranceLow: "low", AssuranceSubstantial: "substantial", AssuranceHigh: "high"}

// ParseAssurance reads none, low, substantial or high. Anything else is not ok.
func ParseAssurance(s string) (level AssuranceLevel, ok bool) {
	i := slices.Index(assuranceNames[:], s)
	return AssuranceLevel(max(i, 0)), i >= 0
}

// String is the level in words.
func (l AssuranceLevel) String() string {
	if !l.known() {
		return assuranceNames[AssuranceNone]
	}
	return assuranceNames[l]
}

// UnmarshalText implements encoding.TextUnmarshaler, for configuration.
func (l *AssuranceLevel) UnmarshalText(text []byte) error {
	level, ok := ParseAssurance(string(text))
	if !ok {
		return errors.New("must be none, low, substantial or high")
	}
	*l = level
	return nil
}

func (l AssuranceLevel) known() bool { return l >= AssuranceNone && l <= AssuranceHigh }

// AssuranceMap maps acr or loa claim values to levels (configs/assurance.yaml).
type AssuranceMap map[string]AssuranceLevel

// Level is the level of a claim value. A value that is not in the map has no level: no level is ever guessed.
func (m AssuranceMap) Level(value string) AssuranceLevel { return m[value] }
