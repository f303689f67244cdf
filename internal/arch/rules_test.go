package arch_test

import "strings"

// module is the module path; imports below it are our own.
const module = "zorgsluis"

// Budgets of files that are not tests. A longer file is split by what it does, not by length.
const (
	maxFileLines     = 500
	maxFunctionLines = 60
)

// mayImport lists, for each package of the module, which others it may import: fhir ← consent ← policy ← audit ← proxy, with the adapters
// hanging on that chain; none of these knows the configuration. What does is below internal/, and only cmd/gateway may know every package. A
// package that is not listed has no place in the design yet, and fails.
var mayImport = map[string][]string{
	"fhir":                         {},
	"consent":                      {"fhir"},
	"policy":                       {"fhir", "consent"},
	"audit":                        {"fhir", "consent", "policy"},
	"configs":                      {"fhir", "consent", "policy"},
	"authn":                        {"fhir", "consent", "policy"},
	"consent/consentfhir":          {"fhir", "consent"}, // the FHIR form of records
	"consent/redisstore":           {"fhir", "consent", "policy", "audit"},
	"consent/redisstore/redistest": {"consent/redisstore"},                               // real servers for tests
	"audit/follow":                 {"fhir", "consent", "policy", "audit"},               // reads only the archive
	"proxy/credential":             {},                                                   // the gateway's credentials; knows nothing of requests
	"proxy/direct":                 {},                                                   // connections to a source; knows nothing of FHIR
	"proxy/relations":              {"fhir", "consent", "consent/consentfhir", "policy"}, // asks who treats whom
	"proxy/sourcetest":             {},                                                   // hostile sources for tests
	"proxy":                        {"fhir", "consent", "consent/consentfhir", "policy", "audit"},

	"internal/arch":  {},
	"internal/cli":   {}, // knows no command
	"internal/files": {},
	"internal/demo":  {"fhir", "consent", "policy", "configs"},
	"internal/config": {
		"fhir", "consent", "consent/consentfhir", "consent/redisstore", "policy", "audit", "audit/follow", "authn", "configs", "proxy", "proxy/credential",
		"proxy/direct", "internal/files",
	},
	"internal/config/configtest": {},
	"internal/storage":           {"consent", "consent/redisstore", "audit", "internal/config"},
	"internal/catalogue":         {"fhir", "consent", "consent/redisstore", "policy", "audit", "internal/config", "internal/files", "internal/storage"},
	"internal/explain":           {"fhir", "consent", "policy", "configs", "proxy", "internal/catalogue", "internal/config"},
	"internal/operator": {
		"fhir", "consent", "consent/consentfhir", "consent/redisstore", "policy", "audit", "configs", "proxy",
		"internal/catalogue", "internal/cli", "internal/config", "internal/files", "internal/storage",
	},
	"cmd/gateway": {"*"},
	"test/":       {"*"}, // e2e tests and the bench: not part of the program
}

// onlyIn says where a library may be used, so that replacing it means changing one package.
var onlyIn = map[string][]string{
	"github.com/redis/":              {"consent/redisstore", "consent/redisstore/redistest", "internal/storage", "cmd/gateway", "test/"},
	"github.com/alicebob/miniredis/": {"consent/redisstore", "test/"},
	"github.com/alecthomas/kong":     {"internal/cli"},
	"github.com/prometheus/":         {"cmd/gateway", "test/"},
	"github.com/coreos/go-oidc/":     {"authn", "test/"},
	"github.com/zitadel/":            {"internal/demo", "test/"},
	"github.com/samply/":             {"fhir", "audit", "consent/consentfhir", "proxy", "test/"},
	"github.com/nats-io/":            {"audit/follow", "test/"},
	"github.com/twmb/":               {"audit/follow", "test/"},
	"golang.org/x/oauth2":            {"proxy/credential", "test/"},
	"golang.org/x/mod/":              {"audit"},
	"go.yaml.in/yaml/":               {"configs", "test/"},
}

// pure lists the packages without I/O, clock, logging, context and mutable globals: their results depend on their arguments alone, so that a
// decision can be repeated years later.
var pure = []string{"fhir", "consent", "policy"}

// notInPure lists the imports that a pure package may not have, and why.
var notInPure = map[string]string{
	"os":               "the operating system is I/O",
	"os/":              "the operating system is I/O",
	"io/fs":            "files are read by configs and internal/config",
	"io/ioutil":        "files are read by configs and internal/config",
	"embed":            "tables are handed in, so that operators can edit them",
	"net":              "the network is I/O",
	"net/http":         "only proxy and authn know HTTP",
	"log":              "what is worth telling is returned",
	"log/":             "what is worth telling is returned",
	"context":          "nothing here waits, so nothing can be cancelled",
	"database/":        "stores are adapters",
	"syscall":          "the operating system is I/O",
	"unsafe":           "a pure package must not be able to break memory safety",
	"math/rand":        "the same question must get the same answer",
	"math/rand/":       "the same question must get the same answer",
	"crypto/rand":      "the same question must get the same answer",
	"runtime":          "the same question must get the same answer",
	"runtime/":         "the same question must get the same answer",
	"sync":             "nothing here is shared, so nothing needs a lock",
	"sync/":            "nothing here is shared, so nothing needs a lock",
	"testing":          "tests belong in test files",
	"go.yaml.in/":      "configs reads YAML",
	"github.com/redis": "redisstore knows Redis",
}

// clockUse lists the members of package time that read or wait for a clock. Pure packages get the time as an argument.
var clockUse = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true, "Tick": true,
	"NewTimer": true, "NewTicker": true, "Local": true,
}

// noNames are package names that say nothing about the content.
var noNames = []string{
	"pkg", "util", "utils", "common", "helper", "helpers", "misc", "base", "shared", "lib", "models", "model", "types",
	"interfaces", "middleware", "core", "manager",
}

// allowed reports whether dir may import the package at target, both relative to the module.
func allowed(dir, target string) (known, ok bool) {
	may, known := entry(mayImport, dir)
	for _, m := range may {
		if m == "*" || m == target || strings.HasSuffix(m, "/") && strings.HasPrefix(target, m) {
			return known, true
		}
	}
	return known, false
}

// entry returns the row of name: its own, or that of a folder above it, written with a trailing slash.
func entry[V any](table map[string]V, name string) (V, bool) {
	if v, ok := table[name]; ok {
		return v, true
	}
	for key, v := range table {
		if strings.HasSuffix(key, "/") && strings.HasPrefix(name, key) {
			return v, true
		}
	}
	var none V
	return none, false
}
