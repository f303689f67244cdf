package fhir

import (
	"fmt"
	"slices"
	"strings"
)

// compareFollowing compares the targets of every reference parameter of a resource's type.
func (o *oracle) compareFollowing(c *Contents, i int, want oracleResource) error {
	rule, ok := ruleFor(o.Version, want.Type)
	if !ok {
		return nil
	}
	for name, param := range rule.params {
		if len(param.elements) == 0 {
			continue
		}
		for _, targets := range [][]string{{anyType, typePatient}, {"Encounter", "Practitioner"}} {
			got := slices.Collect(c.Follow(i, Include{Source: want.Type, Targets: targets, elements: param.elements}))
			if w := o.follow(want, param.elements, targets); !slices.Equal(got, w) {
				return fmt.Errorf("%s:%s: got %v, want %v", want.Type, name, got, w)
			}
		}
	}
	return nil
}

// follow returns what a resource refers to by elements.
func (o *oracle) follow(r oracleResource, all []element, targets []string) (refs []LocalReference) {
	if !r.Attributed && !r.Shared {
		return nil
	}
	for _, e := range all {
		path := strings.Join(e.names[:len(e.names)-1], ".")
		visit(nil, r.tree, func(at []string, n *node) {
			switch {
			case e.url != "" && strings.Join(at, ".")+".valueReference" == path && n.get("url") == e.url:
				n, _ = n.get("valueReference").(*node)
			case e.url != "" || strings.Join(at, ".") != path:
				return
			}
			ref, _ := n.get("reference").(string)
			_, local, ok := o.referenceTarget(ref)
			if ok && (slices.Contains(targets, local.Type) || local.Type != typePatient && slices.Contains(targets, anyType)) {
				refs = append(refs, local)
			}
		})
	}
	return refs
}
