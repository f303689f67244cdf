package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
	"zorgsluis/proxy"
)

// Consents configures consent over FHIR (docs/consent-profile.md).
type Consents struct {
	Recorders []string                 `yaml:"recorders"`
	Senders   []KnownSender            `yaml:"known_senders"`
	Parties   map[string]ConsentParty  `yaml:"parties"`
	Emergency []string                 `yaml:"emergency"`
	Policies  map[string]ConsentPolicy `yaml:"policies"`
}

// KnownSender is a care provider who may write, and from where.
type KnownSender struct {
	Organization  string   `yaml:"organization"`
	Practitioners []string `yaml:"practitioners"`
	Addresses     []string `yaml:"addresses"`
}

// senders checks the known senders and returns them for the gate.
func (s *Settings) senders(c *checker) (known []proxy.Sender) {
	cfg := s.File.Consents
	if (len(cfg.Recorders) > 0) != (len(cfg.Senders) > 0) {
		c.add("consents.known_senders", "belongs together with consents.recorders: which kinds of providers may write, and which of them are known")
	}
	for i, sender := range cfg.Senders {
		key := fmt.Sprintf("consents.known_senders[%d]", i)
		if !strings.Contains(sender.Organization, ":") {
			c.add(key+".organization", "must be prefix:value, such as ura:00000001")
		}
		if len(sender.Addresses) == 0 {
			c.add(key+".addresses", "missing: the addresses or networks from which it writes")
		}
		k := proxy.Sender{Organization: sender.Organization, Practitioners: sender.Practitioners}
		for j, text := range sender.Addresses {
			prefix, err := parsePrefix(text)
			if err != nil || prefix != prefix.Masked() || prefix.Bits() == 0 {
				c.add(fmt.Sprintf("%s.addresses[%d]", key, j), "is %q, must be an address, or a network such as 10.0.0.0/28", text)
				continue
			}
			k.Addresses = append(k.Addresses, prefix)
		}
		known = append(known, k)
	}
	return known
}

// ConsentParty is the provider, or the category of providers, that a foreign reference stands for.
type ConsentParty struct {
	Category     string `yaml:"category"`
	Organization string `yaml:"organization"`
	Practitioner string `yaml:"practitioner"`
}

// ConsentPolicy is a policy of others: the information that a patient who agreed to it was shown, and the method.
type ConsentPolicy struct {
	ID       string `yaml:"id"`
	Version  string `yaml:"version"`
	Language string `yaml:"language"`
	SHA256   string `yaml:"sha256"`
	Method   string `yaml:"method"`
}

// consentAPI checks the configuration of consent over FHIR.
func (s *Settings) consentAPI(c *checker) {
	cfg := s.File.Consents
	s.KnownSenders = s.senders(c)
	for i, category := range cfg.Recorders {
		if !slices.Contains(s.Catalogue.ProviderCategories, category) {
			c.add(fmt.Sprintf("consents.recorders[%d]", i), "is not a provider category")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Parties)) {
		p := cfg.Parties[name]
		if (p.Category != "") == (p.Organization != "" || p.Practitioner != "") || p.Organization != "" && p.Practitioner != "" {
			c.add("consents.parties", "a reference stands for one category, one organization or one practitioner")
		}
		if p.Category != "" && !slices.Contains(s.Catalogue.ProviderCategories, p.Category) {
			c.add("consents.parties", "a reference stands for a category that is not configured")
		}
	}
	for i, name := range s.File.Catalogue.End {
		if slices.Contains(s.File.Catalogue.Carry, name) {
			c.add(fmt.Sprintf("catalogue.end[%d]", i), "is in catalogue.carry as well")
		}
	}
	for _, uri := range slices.Sorted(maps.Keys(cfg.Policies)) {
		if p := cfg.Policies[uri]; p.ID == "" || p.Version == "" || p.Language == "" || len(p.SHA256) != 64 || p.Method == "" {
			c.add("consents.policies", "a policy needs id, version, language, sha256 and method")
		}
	}
}

// ConsentProfile returns how Consent resources are read and written here; key makes the keys of the store.
func (s *Settings) ConsentProfile(key func(fhir.Identifier) consent.PersonKey) consentfhir.Profile {
	cfg := s.File.Consents
	p := consentfhir.Profile{
		Groups: s.Catalogue.Groups, Emergency: cfg.Emergency, Parties: map[string]consent.Side{}, Policies: map[string]consentfhir.Policy{},
		Person: func(id fhir.Identifier) (consent.PersonKey, bool) {
			pseudonym, known := s.Pseudonym(id.System, id.Value)
			if !known {
				return "", false
			}
			return key(pseudonym), true
		},
	}
	for name, side := range cfg.Parties {
		p.Parties[name] = consent.Side{Category: side.Category, Organization: side.Organization, Practitioner: side.Practitioner}
	}
	for uri, of := range cfg.Policies {
		p.Policies[uri] = consentfhir.Policy{
			Information: consent.Information{ID: of.ID, Version: of.Version, Language: of.Language, SHA256: of.SHA256}, Method: of.Method,
		}
	}
	return p
}

// Pseudonym returns the identifier of somebody whom a patient chose, from the subject that a configured issuer uses for that person.
func (s *Settings) Pseudonym(issuer, subject string) (id fhir.Identifier, known bool) {
	id, err := consent.Pseudonym(issuer, subject)
	return id, err == nil && slices.ContainsFunc(s.File.Issuers, func(i Issuer) bool { return i.URL == issuer })
}
