package config

import (
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"zorgsluis/configs"
	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// profiles are the predefined issuers of configs/profiles.yaml, by name.
var profiles = sync.OnceValues(func() (map[string]Issuer, error) {
	text, err := fs.ReadFile(configs.Files(), configs.ProfilesFile)
	if err != nil {
		return nil, err
	}
	var ready map[string]Issuer
	return ready, configs.Decode(configs.ProfilesFile, text, &ready)
})

// profiles applies each issuer's profile, before anything is made from the issuer, including the policy hash.
func (s *Settings) profiles(c *checker) {
	for i, issuer := range s.File.Issuers {
		s.File.Issuers[i] = issuer.withProfile(c, fmt.Sprintf("issuers[%d].profile", i))
	}
}

// withProfile fills in what the issuer's profile has and the operator did not write.
func (i Issuer) withProfile(c *checker, key string) Issuer {
	if i.Profile == "" {
		return i
	}
	ready, err := profiles()
	if err != nil {
		c.add(key, "%v", err)
		return i
	}
	profile, known := ready[i.Profile]
	if !known {
		c.add(key, "is %q, must be one of: %s", i.Profile, strings.Join(slices.Sorted(maps.Keys(ready)), ", "))
		return i
	}
	claims, userinfo := i.Claims, i.Userinfo
	fill(&claims, profile.Claims)
	fill(&userinfo, profile.Userinfo)
	i.Claims, i.Userinfo = claims, userinfo
	fill(&i, profile)
	return i
}

// fill sets fields that are not set to those of from. A field counts as a whole: half a claim of ours and half of the profile's would be a
// third that nobody wrote.
func fill[T any](into *T, from T) {
	to, of := reflect.ValueOf(into).Elem(), reflect.ValueOf(from)
	for n := range to.NumField() {
		if to.Field(n).IsZero() {
			to.Field(n).Set(of.Field(n))
		}
	}
}

// persons reads who foreign persons are here: one line each, "system|value system|value", the foreign identity first. The file contains
// identifiers of persons, so it is read like a secret, and no error reveals its content.
func (c *checker) persons(key, name string) map[fhir.Identifier]fhir.Identifier {
	text := c.secret(key, name)
	if text == "" {
		return nil
	}
	known := map[fhir.Identifier]fhir.Identifier{}
	for n, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		foreign, ours, two := strings.Cut(line, " ")
		from, err := parsePerson(foreign)
		to, otherErr := parsePerson(strings.TrimSpace(ours))
		_, twice := known[from]
		if err != nil || otherErr != nil || !two || twice {
			c.add(key, "%s: line %d is not two identifiers (system|value), the first of them new", name, n+1)
			continue
		}
		known[from] = to
	}
	return known
}

// parsePerson reads system|value.
func parsePerson(text string) (fhir.Identifier, error) {
	system, value, _ := strings.Cut(text, "|")
	return consent.NormalizePerson(fhir.Identifier{System: system, Value: value})
}
