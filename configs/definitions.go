package configs

import (
	"embed"
	"io/fs"
	"strings"
)

// definitions are the profile of Consent and its extensions as R4 StructureDefinitions, which others' tools read. They are not for operators
// to edit: TestDefinitions of package consentfhir holds them to the code.
//
//go:embed definitions/*.json
var definitions embed.FS

// Definitions are the StructureDefinitions of the profile and of its extensions, as JSON by their ids. The map is the caller's own.
func Definitions() (map[string][]byte, error) {
	names, err := fs.Glob(definitions, "definitions/*.json")
	if err != nil {
		return nil, err
	}
	all := make(map[string][]byte, len(names))
	for _, name := range names {
		b, err := definitions.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all[strings.TrimSuffix(strings.TrimPrefix(name, "definitions/"), ".json")] = b
	}
	return all, nil
}
