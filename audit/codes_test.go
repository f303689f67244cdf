package audit_test

import (
	"encoding/json"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/configs"
)

// TestOwnCodesAreDefined: every code of our own in an AuditEvent is in a CodeSystem that the gateway serves, with the same display, so that
// readers elsewhere can look it up. The categories of providers are the operator's, in the configuration.
func TestOwnCodesAreDefined(t *testing.T) {
	files, err := configs.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	type code struct{ System, Code, Display string }
	defined, seen := map[code]string{}, map[string]bool{}
	for name, b := range files {
		var system struct {
			URL     string
			Concept []code
		}
		if err := json.Unmarshal(b, &system); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, c := range system.Concept {
			defined[code{System: system.URL, Code: c.Code}] = c.Display
		}
	}
	check := func(list ...code) {
		for _, c := range list {
			if !strings.HasPrefix(c.System, "urn:zorgsluis:") || c.System == "urn:zorgsluis:provider-category" {
				continue
			}
			display, ok := defined[code{System: c.System, Code: c.Code}]
			if !ok || c.Display != "" && c.Display != display {
				t.Errorf("%s|%s %q is defined as %q, %v", c.System, c.Code, c.Display, display, ok)
			}
			seen[c.System] = true
		}
	}
	operator := access()
	operator.Actor = audit.Actor{Kind: "other", Name: "privacy officer", Roles: []string{audit.RoleOperator}}
	for _, e := range append(variants(), operator) {
		for _, form := range e.Forms(gateway) {
			b, err := e.FHIRAs(form, gateway)
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Subtype []code
				Agent   []struct{ Role []struct{ Coding []code } }
				Entity  []struct{ Type code }
			}
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatal(err)
			}
			check(got.Subtype...)
			for _, a := range got.Agent {
				for _, r := range a.Role {
					check(r.Coding...)
				}
			}
			for _, n := range got.Entity {
				check(n.Type)
			}
			if t.Failed() {
				return
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("codes of %d systems were seen, want 3: %v", len(seen), seen)
	}
}
