// Package configs reads the tables that operators edit: the provider category of each code, who is blocked, the data category of each resource,
// the level of a sign-in. It reads them strictly, reports every mistake with file, line and key, and decides nothing. The files beside this one
// are the defaults, and document themselves.
package configs

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

//go:embed *.yaml information
var files embed.FS

// Files are the defaults: the tables, gateway.yaml, profiles.yaml, and the information texts.
func Files() fs.FS { return files }

// ProfilesFile contains the predefined issuers of gateway.yaml; package config reads it, since it knows what an issuer is.
const ProfilesFile = "profiles.yaml"

// Default loads the defaults.
func Default() (*Tables, error) { return Load(files) }

// Tables are all tables, checked against each other. They must not be changed.
type Tables struct {
	ProviderCategories []ProviderCategory // in the order of their names
	Providers          *policy.Tables

	Assurance        policy.AssuranceMap
	MinimumAssurance policy.AssuranceLevel // the default; gateway.yaml may ask for another

	DataCategories []fhir.DataCategory            // all, sorted; Unclassified and Restricted are among them
	Groups         map[string][]fhir.DataCategory // direct members, sorted
	GroupIncludes  map[string][]string
	Labels         map[string]Label     // of data categories and groups, whose names never coincide
	Sensitive      []fhir.SensitiveCode // including those that are never disclosed

	rules map[fhir.Version][]fhir.CategoryRule

	Hash string // SHA-256 over the files, in hex: instances with the same hash decide alike
}

// ProviderCategory is a category of providers and its name for patients.
type ProviderCategory struct {
	Name policy.ProviderCategory
	Label
}

// Label is the name for patients of something in the tables: by default the name in the table; in English by default the Dutch.
type Label struct{ Dutch, English string }

func labelled(name, dutch, english string) Label {
	dutch = cmp.Or(dutch, name)
	return Label{dutch, cmp.Or(english, dutch)}
}

// The files. Those that others refer to are read first.
const (
	providerCategoriesFile = "provider-categories.yaml"
	dataCategoriesFile     = "data-categories.yaml"
	blockedFile            = "blocked.yaml"
	organisationTypesFile  = "organisation-types.yaml"
	agbFile                = "agb-prefixes.yaml"
	rolesFile              = "uzi-roles.yaml"
	assuranceFile          = "assurance.yaml"
	sensitiveFile          = "sensitive-codes.yaml"
	secrecyFile            = "secrecy.yaml"
)

// Load reads the tables of a folder and checks them. All mistakes are reported at once, each a *Problem.
func Load(fsys fs.FS) (*Tables, error) {
	l := &loader{fsys: fsys, hash: sha256.New()}
	t := &Tables{}
	l.providerCategories(t)
	l.dataCategories(t)
	l.sensitiveCodes(t)
	l.assurance(t)
	codes := l.codeTables(t)
	if err := errors.Join(l.problems...); err != nil {
		return nil, err
	}
	providers, err := policy.NewTables(t.CategoryNames(), codes)
	if err != nil {
		return nil, fmt.Errorf("load tables: %w", err)
	}
	for _, v := range versions {
		if _, err := fhir.NewClassifier(v, t.Rules(v), t.Sensitive); err != nil {
			return nil, fmt.Errorf("load tables: %w", err)
		}
	}
	t.Providers = providers
	t.Hash = hex.EncodeToString(l.hash.Sum(nil))
	return t, nil
}

// versions are the FHIR versions that sources may have.
var versions = [...]fhir.Version{fhir.R4, fhir.STU3}

// Rules returns the rules by which resources of a version get their data categories, for fhir.NewClassifier.
func (t *Tables) Rules(v fhir.Version) []fhir.CategoryRule { return t.rules[v] }

// CategoryNames returns the provider categories without their labels.
func (t *Tables) CategoryNames() []policy.ProviderCategory {
	names := make([]policy.ProviderCategory, len(t.ProviderCategories))
	for i, c := range t.ProviderCategories {
		names[i] = c.Name
	}
	return names
}

// PolicyConfig returns the part of the policy that is in the tables. gateway.yaml adds emergency categories, channels, ages and caps.
func (t *Tables) PolicyConfig() policy.Config {
	return policy.Config{
		Categories:       t.CategoryNames(),
		MinimumAssurance: t.MinimumAssurance,
		Groups:           t.Groups,
		GroupIncludes:    t.GroupIncludes,
	}
}

// Catalogue returns what a consent record may name.
func (t *Tables) Catalogue(channels []string) consent.Catalogue {
	c := consent.Catalogue{DataCategories: t.DataCategories, Channels: channels}
	for _, category := range t.ProviderCategories {
		c.ProviderCategories = append(c.ProviderCategories, string(category.Name))
	}
	for group := range t.Groups {
		c.Groups = append(c.Groups, group)
	}
	return c
}
