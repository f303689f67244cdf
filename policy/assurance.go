package policy

import (
	"errors"
	"slices"
)

// assuranceNames are the levels in words, by value.
var assuranceNames = [...]string{AssuranceNone: "none", AssuranceLow: "low", AssuranceSubstantial: "substantial", AssuranceHigh: "high"}

// ParseAssurance reads none, low, substantial or high. Anything else is no level, and not ok.
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

// AssuranceMap gives the level of each acr or loa claim value (configs/assurance.yaml).
type AssuranceMap map[string]AssuranceLevel

// Level is the level of a claim value. A value that is not in the map has no level: it is never guessed upward.
func (m AssuranceMap) Level(value string) AssuranceLevel { return m[value] }
