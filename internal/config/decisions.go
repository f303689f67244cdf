package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"zorgsluis/configs"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// loadTables reads the code tables: the built-in ones, or an operator's own. Problems in them are reported with their own file and line.
func (s *Settings) loadTables(c *checker) {
	folder := configs.Files()
	if name := s.File.Policy.TablesFolder; name != "" {
		full := c.path(name)
		if info, err := os.Stat(full); err != nil || !info.IsDir() {
			c.add("policy.tables_folder", "%s: not a folder", name)
			return
		}
		folder = os.DirFS(full)
	}
	s.readTables(c, folder)
}

func (s *Settings) readTables(c *checker, folder fs.FS) {
	tables, err := configs.Load(folder)
	if err != nil {
		c.problems = append(c.problems, unjoin(err)...)
		return
	}
	s.classifiers = map[fhir.Version]*fhir.Classifier{}
	for _, v := range FHIRVersions {
		classifier, err := fhir.NewClassifier(v, tables.Rules(v), tables.Sensitive)
		if err != nil {
			c.add("policy.tables_folder", "%v", err)
			return
		}
		s.classifiers[v] = classifier
	}
	s.Tables = tables
}

// decisions checks the policy section and makes the policy from it.
func (s *Settings) decisions(c *checker) {
	p := s.File.Policy
	if len(p.Channels) == 0 {
		c.add("policy.channels", "missing: at least one channel")
	}
	level, ok := policy.ParseAssurance(p.MinimumAssurance)
	if !ok || level == policy.AssuranceNone {
		c.add("policy.minimum_assurance", "is %q, must be low, substantial or high", p.MinimumAssurance)
	}
	c.atLeast("policy.default_minimum_age", p.DefaultMinimumAge, 12)
	channels := map[policy.Channel]policy.ChannelRule{}
	for _, name := range slices.Sorted(maps.Keys(p.Channels)) {
		key, channel := configs.Join("policy.channels", name), p.Channels[name]
		if channel.Consent != "explicit" && channel.Consent != "implied" {
			c.add(key+".consent", "is %q, must be explicit or implied", channel.Consent)
		}
		if channel.MinimumAge != 0 {
			c.atLeast(key+".minimum_age", channel.MinimumAge, 12)
		}
		channels[policy.Channel(name)] = policy.ChannelRule{Implied: channel.Consent == "implied", MinimumAge: channel.MinimumAge}
	}
	if !c.written("policy.emergency_categories") {
		c.add("policy.emergency_categories", "missing: the categories that may declare an emergency; [] for none")
	}
	for i, category := range p.EmergencyCategories {
		s.category(c, fmt.Sprintf("policy.emergency_categories[%d]", i), category)
	}
	s.necessary(c)
	if s.Tables == nil || len(c.problems) > 0 {
		return // a configuration with problems gets no policy
	}
	config := s.Tables.PolicyConfig()
	config.MinimumAssurance, config.Channels, config.DefaultMinimumAge = level, channels, p.DefaultMinimumAge
	config.Necessary = map[policy.ProviderCategory][]string{}
	for category, names := range p.Necessary {
		config.Necessary[policy.ProviderCategory(category)] = names
	}
	for _, category := range p.EmergencyCategories {
		config.EmergencyCategories = append(config.EmergencyCategories, policy.ProviderCategory(category))
	}
	var err error
	if s.Policy, err = policy.New(config); err != nil {
		c.add("policy", "%v", err)
		return
	}
	s.Catalogue = s.Tables.Catalogue(slices.Sorted(maps.Keys(p.Channels)))
	if s.PolicyHash, err = s.hash(); err != nil {
		c.add("policy", "%v", err)
	}
}

// necessary checks the caps on provider categories. An unknown name would take away more than the operator meant.
func (s *Settings) necessary(c *checker) {
	for _, category := range slices.Sorted(maps.Keys(s.File.Policy.Necessary)) {
		key, names := configs.Join("policy.necessary", category), s.File.Policy.Necessary[category]
		s.category(c, key, category)
		if len(names) == 0 {
			c.add(key, "names no data: a category that is not under policy.necessary has no cap")
		}
		for i, name := range names {
			s.data(c, fmt.Sprintf("%s[%d]", key, i), name)
		}
	}
}

// data notes a name that is neither a data category nor a group of them, or is never shared with care providers.
func (s *Settings) data(c *checker, key, name string) {
	if !c.need(key, name) || s.Tables == nil {
		return
	}
	category := fhir.DataCategory(name)
	if _, group := s.Tables.Groups[name]; !group && !slices.Contains(s.Tables.DataCategories, category) {
		c.add(key, "%s is not a data category, nor a group of them", name)
	}
	if category == fhir.CategoryConsent || category == fhir.CategoryLogging {
		c.add(key, "%s is never shared with care providers", name)
	}
}

// category notes a provider category that is not in the tables.
func (s *Settings) category(c *checker, key, category string) {
	if !c.need(key, category) || s.Tables == nil {
		return
	}
	if names := s.Tables.CategoryNames(); !slices.Contains(names, policy.ProviderCategory(category)) {
		c.add(key, "%s is not a provider category; there are %s", category, commas(names))
	}
}

// channel notes a channel that is not configured; an empty one is for others to check.
func (s *Settings) channel(c *checker, key, channel string) {
	if _, ok := s.File.Policy.Channels[channel]; !ok && channel != "" {
		c.add(key, "%s is not one of policy.channels", channel)
	}
}

// hash identifies everything in the configuration on which a decision depends, so that an event says under which policy it was taken: the
// tables, the policy, how callers are classified, and who holds what. Keys, addresses and limits are not part of it.
func (s *Settings) hash() (string, error) {
	type holder struct{ ID, Organization, Category string }
	var holders []holder
	for _, src := range s.File.Sources {
		holders = append(holders, holder{src.ID, src.Holder.Organization, src.Holder.Category})
	}
	type registry struct {
		Name               string
		Identifiers, Roles map[string]string
		Organizations      bool
	}
	var registries []registry
	for _, r := range s.File.Registries {
		registries = append(registries, registry{r.Name, r.Identifiers, r.Roles, r.Organizations})
	}
	p := s.File.Policy
	p.TablesFolder = ""
	text, err := json.Marshal(struct {
		Tables     string
		Policy     Policy
		Issuers    []Issuer
		Clients    map[string]Client
		Holders    []holder
		Registries []registry `json:",omitempty"`
	}{s.Tables.Hash, p, s.File.Issuers, s.File.Clients, holders, registries})
	if err != nil {
		return "", fmt.Errorf("hash: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// commas joins a list with commas.
func commas[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	return strings.Join(words, ", ")
}
