package configs

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
)

// definitions describe in FHIR R4 what the gateway writes and accepts, for the tools of others: the profile of Consent and its extensions
// (StructureDefinition), its operations (OperationDefinition), and its codes in AuditEvents (CodeSystem). Operators do not edit them: tests of
// the packages whose resources they describe compare them with the code.
//
//go:embed definitions/*.json
var definitions embed.FS

// Definitions returns these resources, as JSON by "[type]/[id]". The caller may change the map.
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
		var head struct {
			Type string `json:"resourceType"`
			ID   string `json:"id"`
		}
		if err := json.Unmarshal(b, &head); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[head.Type+"/"+head.ID] = b
	}
	return all, nil
}
