package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"zorgsluis/configs"
	"zorgsluis/consent"
	"zorgsluis/policy"
)

// Registry is a registry of treatment relations: a FHIR R4 server that is queried for care teams (package relations).
type Registry struct {
	Name              string            `yaml:"name"`
	BaseURL           string            `yaml:"base_url"`
	CredentialFile    string            `yaml:"credential_file"`
	TLS               OwnTLS            `yaml:"tls"`
	OAuth             OAuth             `yaml:"oauth"`
	InsecurePlaintext bool              `yaml:"insecure_plaintext"`
	Timeout           time.Duration     `yaml:"timeout"`
	InFlight          int               `yaml:"in_flight"`
	Identifiers       map[string]string `yaml:"identifiers"`
	Roles             map[string]string `yaml:"roles"`
	Organizations     bool              `yaml:"organizations"`
}

// registryPrefixes are the identifiers by which a registry knows callers where its configuration names none.
var registryPrefixes = []string{"uzi:", "ura:", "agb:", "big:"}

// registries checks the registries of treatment relations, and fills in defaults.
func (s *Settings) registries(c *checker) {
	for i := range s.File.Registries {
		r, key := &s.File.Registries[i], fmt.Sprintf("relationship_registries[%d].", i)
		if !sourceID.MatchString(r.Name) {
			c.add(key+"name", "must be lower-case letters, digits and dashes, at most 32: it stands in events")
		}
		if slices.ContainsFunc(s.File.Registries[:i], func(other Registry) bool { return other.Name == r.Name }) {
			c.add(key+"name", "%s is used twice", r.Name)
		}
		if r.Timeout == 0 {
			r.Timeout = time.Second
		}
		if r.InFlight == 0 {
			r.InFlight = 32
		}
		if r.Identifiers == nil {
			r.Identifiers = map[string]string{}
			for _, prefix := range registryPrefixes {
				r.Identifiers[prefix] = consent.NamingSystem(prefix)
			}
		}
		c.between(key+"timeout", r.Timeout, 100*time.Millisecond, 5*time.Second)
		if r.InFlight < 1 || r.InFlight > 1024 {
			c.add(key+"in_flight", "is %d, must be from 1 to 1024", r.InFlight)
		}
		for _, prefix := range slices.Sorted(maps.Keys(r.Identifiers)) {
			if !strings.HasSuffix(prefix, ":") || !strings.Contains(r.Identifiers[prefix], ":") {
				c.add(configs.Join(key+"identifiers", prefix), "must be a prefix such as uzi:, with the URI of an identifier system")
			}
		}
		for _, role := range slices.Sorted(maps.Keys(r.Roles)) {
			switch policy.Relationship(r.Roles[role]) {
			case policy.RelationTreating, policy.RelationDirectlyInvolved, policy.RelationSubstitute, policy.RelationNone:
			default:
				c.add(configs.Join(key+"roles", role), "must be treating, directly-involved, substitute or none")
			}
			if !strings.Contains(role, "|") {
				c.add(configs.Join(key+"roles", role), "the role must be system|code")
			}
		}
		base := c.protectedUnless(r.InsecurePlaintext, key+"base_url", r.BaseURL)
		s.ToRegistries = append(s.ToRegistries, s.toSource(c, "registry:"+r.Name, key, Source{
			CredentialFile: r.CredentialFile, TLS: r.TLS, OAuth: r.OAuth, Timeout: r.Timeout,
		}, base))
	}
}

// registryNamed checks that a registry is configured.
func (s *Settings) registryNamed(c *checker, key, name string) {
	known := slices.ContainsFunc(s.File.Registries, func(r Registry) bool { return r.Name == name })
	if name != "" && !known {
		c.add(key, "is %q, which is not one of relationship_registries", name)
	}
}
