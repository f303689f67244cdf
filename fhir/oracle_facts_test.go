package fhir

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// This file is the oracle's reading of a resource.

// referenceTarget reads a literal reference: its type ("" if unclear), and whether it is local.
func (o *oracle) referenceTarget(ref string) (typ string, local LocalReference, isLocal bool) {
	if relative, ok := strings.CutPrefix(ref, o.Base+"/"); ok {
		ref = relative
	} else if m := foreignReference.FindStringSubmatch(ref); m != nil {
		if ClassOf(o.Version, m[1]) == ClassUnknown || !validID(m[2]) || m[3] != "" && !validID(m[3]) {
			return "", LocalReference{}, false
		}
		return m[1], LocalReference{}, false
	} else if typ, _, ok := strings.Cut(ref, "?"); ok {
		if ClassOf(o.Version, typ) == ClassUnknown {
			return "", LocalReference{}, false
		}
		return typ, LocalReference{}, false
	}
	if local, isLocal = ParseReference(ref, ""); ClassOf(o.Version, local.Type) == ClassUnknown {
		return "", LocalReference{}, false // of another version
	}
	return local.Type, local, isLocal
}

// foreignReference is the grammar of R4 §2.3.0.1 for a base of any shape.
var foreignReference = regexp.MustCompile(`(?s)^https?://(?:.*/)?([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?$`)

// hiddenPatient matches a segment Patient of a URL, encoded or not, with something behind it.
var hiddenPatient = regexp.MustCompile(`(^|/|%2[Ff])Patient(/|\?|%2[Ff]|%3[Ff])[^/]`)

// patients returns the distinct local patients that a resource names; false if a reference may name one but does not say which.
func (o *oracle) patients(typ string, body, readable *node, contained []*node) (distinct []string, ok bool) {
	ok = true
	types := map[string]string{} // of contained resources, by id
	for _, c := range slices.Backward(contained) {
		id, _ := c.get("id").(string)
		types["#"+id], _ = c.get("resourceType").(string)
	}
	types["#"] = typ
	rule, _ := ruleFor(o.Version, typ)
	look := func(path []string, n *node, outer bool) {
		if len(path) == 0 {
			return
		}
		decides := outer && slices.Contains(rule.member, strings.Join(path, "."))
		declared, declares := n.get("type").(string)
		declared = strings.TrimPrefix(declared, "http://hl7.org/fhir/StructureDefinition/")
		ref, isText := n.get("reference").(string)
		_, isObject := n.get("reference").(*node)
		switch {
		case isText:
			target, local, isLocal := o.referenceTarget(ref)
			if strings.HasPrefix(ref, "#") {
				target, isLocal = types[ref], false
			}
			if n.has("type") && (!declares || declared != target) || target == "" {
				ok = false
			}
			switch {
			case target != "Patient":
			case ref == "#": // the Patient itself
			case !isLocal:
				ok = false
			default:
				distinct = append(distinct, string(local.ID))
			}
		case n.has("reference") && !isObject:
			ok = false
		case declares && declared == "Patient":
			ok = false
		case n.has("identifier") && o.isPerson(n.get("identifier")):
			ok = false
		case decides:
			_, isObject := n.get("identifier").(*node)
			ok = ok && isObject && declares && ClassOf(o.Version, declared) == ClassShared
		}
	}
	visit(nil, readable, func(path []string, n *node) { look(path, n, true) })
	for _, c := range contained {
		visit(nil, c, func(path []string, n *node) { look(path, n, false) })
	}
	// A value at a path that decides membership must be an object, and links that name a patient count as references.
	check := func(outer bool) func(path []string, v any) {
		return func(path []string, v any) {
			if len(path) == 0 {
				return
			}
			if _, object := v.(*node); !object && outer && slices.Contains(rule.member, strings.Join(path, ".")) {
				if list, isList := v.([]any); !isList || !allObjects(list) {
					ok = false
				}
			}
			text, isText := v.(string)
			if name := path[len(path)-1]; isText && (name == "valueUri" || name == "valueUrl" || name == "valueCanonical") {
				switch target, local, isLocal := o.referenceTarget(text); {
				case target == "" && hiddenPatient.MatchString(text):
					ok = false
				case target != "Patient":
				case isLocal:
					distinct = append(distinct, string(local.ID))
				default:
					ok = false
				}
			}
		}
	}
	ok = ok && o.patientsStandRight(typ, readable)
	visitMembers(nil, readable, check(true))
	for _, c := range contained {
		inner, _ := c.get("resourceType").(string)
		ok = ok && o.patientsStandRight(inner, c)
		visitMembers(nil, c, check(false))
	}
	return sortedSet(distinct), ok
}

// patientsStandRight reports whether the path of every reference that names a patient has lists exactly where the table has them;
// paths that are not in the table may have any shape.
func (o *oracle) patientsStandRight(typ string, n *node) bool {
	rule, known := ruleFor(o.Version, typ)
	right := true
	var look func(path []string, v any)
	look = func(path []string, v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				look(append(slices.Clip(path[:len(path)-1]), path[len(path)-1]+"[]"), e)
			}
		case *node:
			ref, _ := v.get("reference").(string)
			target, _, _ := o.referenceTarget(ref)
			shape := strings.Join(path, ".")
			if due, listed := rule.shapes[strings.ReplaceAll(shape, "[]", "")]; listed && target == "Patient" && shape != due {
				right = false
			}
			for _, name := range v.names {
				value := v.values[name]
				if slices.Contains(keywords[kwAttachment], name) {
					name = "content" // one of these names can hold a reference; to the reader they are one keyword
				}
				look(append(slices.Clip(path), name), value)
			}
		}
	}
	if known {
		look(nil, n)
	}
	return right
}

// visitMembers calls f with the value of every member, but not with the elements of arrays.
func visitMembers(path []string, v any, f func(path []string, v any)) {
	visit(path, v, func(path []string, n *node) {
		for _, name := range n.names {
			f(append(slices.Clip(path), name), n.values[name])
		}
	})
}

// membership reports whether a local patient is referred to at a path that decides membership.
func (o *oracle) membership(rule *typeRule, body *node) bool {
	found := false
	visit(nil, body, func(path []string, n *node) {
		ref, _ := n.get("reference").(string)
		target, _, isLocal := o.referenceTarget(ref)
		found = found || target == "Patient" && isLocal && slices.Contains(rule.member, strings.Join(path, "."))
	})
	return found
}

// localReference returns what an object refers to at the source, except patients.
func (o *oracle) localReference(n *node) []LocalReference {
	ref, _ := n.get("reference").(string)
	if _, local, ok := o.referenceTarget(ref); ok && local.Type != "Patient" {
		return []LocalReference{local}
	}
	return nil
}

// isPerson reports whether v is an identifier of a person system.
func (o *oracle) isPerson(v any) bool {
	n, _ := v.(*node)
	system, isText := n.get("system").(string)
	return isText && o.personSystem(system) != ""
}

// personSystem returns the canonical name of a person system in any spelling, "" for other systems.
func (o *oracle) personSystem(system string) string {
	for _, s := range personSystems(o.PersonSystems) {
		if plainSystem(s) == plainSystem(system) {
			return PersonSystem(s)
		}
	}
	return ""
}

// identifiers are the person identifiers that are released.
func (o *oracle) identifiers(readable *node, contained []*node) (all []Identifier) {
	for _, part := range append([]*node{readable}, contained...) {
		visit(nil, part, func(path []string, n *node) {
			if value, ok := n.get("value").(string); ok && len(path) > 0 && o.isPerson(n) {
				all = append(all, Identifier{o.personSystem(n.get("system").(string)), value})
			}
		})
	}
	return all
}

// categories returns the data categories of a resource and all that it contains.
func (o *oracle) categories(tree, body *node, contained []*node) []DataCategory {
	var all []DataCategory
	for _, part := range append([]*node{body}, contained...) {
		typ, _ := part.get("resourceType").(string)
		if ClassOf(o.Version, typ) == ClassPatient {
			all = append(all, o.classify(typ, part)...)
		}
		if o.restricts(part) {
			all = append(all, Restricted)
		}
	}
	return sortedSet(append(all, o.sensitives(tree)...))
}

// sensitives returns the categories of sensitive codes anywhere below n.
func (o *oracle) sensitives(n any) (all []DataCategory) {
	visit(nil, n, func(path []string, n *node) {
		inner := len(path) > 0 && !slices.Equal(path, []string{"contained"})
		if media, _ := n.get("contentType").(string); inner && isAttachment(path[len(path)-1], n) && n.has("data") && namesFHIR(media) {
			all = append(all, Restricted)
		}
		system, isSystem := n.get("system").(string)
		code, isCode := n.get("code").(string)
		if !isSystem {
			return
		}
		var codes []string
		for _, name := range []string{"code", "value"} {
			if text, isText := n.get(name).(string); isText {
				whole := string(plainCode([]byte(text)))
				codes = append(codes, whole)
				for _, one := range joints.Split(whole, -1) {
					if one != "" {
						codes = append(codes, one)
					}
				}
			}
		}
		for _, s := range o.sensitive {
			s.Code = strings.ToUpper(s.Code)
			for _, code := range codes {
				if plainSystem(s.System) == plainSystem(system) && (code == s.Code || s.Prefix && strings.HasPrefix(code, s.Code)) {
					all = append(all, s.Category)
				}
			}
		}
		for _, s := range confidentialities {
			if isCode && plainSystem(s) == plainSystem(system) && !slices.Contains([]string{"U", "L", "M", "N"}, code) {
				all = append(all, Restricted)
			}
		}
	})
	return all
}

// joints separate the codes of an expression.
var joints = regexp.MustCompile(`[^\pL\p{Nd}.\-]+`)

// neverDisclosed reports whether a code anywhere below n hides the whole resource from everybody.
func (o *oracle) neverDisclosed(n any) bool {
	return slices.Contains(o.sensitives(n), NeverDisclosed)
}

func (o *oracle) classify(typ string, n *node) []DataCategory {
	var bare, coded []DataCategory
	stray, ruled := false, false
	for _, r := range o.rules {
		if r.Type == typ && r.Element == "" {
			bare = append(bare, r.Category)
		}
		ruled = ruled || r.Type == typ && r.Element != ""
	}
	for _, element := range []string{"category", "code"} {
		for _, concept := range concepts(n.get(element)) {
			codings := concepts(concept.get("coding"))
			if !concept.has("coding") {
				codings = []*node{{}}
			}
			for _, coding := range codings {
				system, _ := coding.get("system").(string)
				code, _ := coding.get("code").(string)
				known := false
				for _, r := range o.rules {
					if r.Type == typ && r.Element == element && r.Code.System == system && (r.Code.Code == code || r.Code.Code == "") {
						coded, known = append(coded, r.Category), true
					}
				}
				stray = stray || !known && element == "category"
			}
		}
	}
	switch {
	case len(coded) == 0 && len(bare) == 0:
		return []DataCategory{Unclassified}
	case len(coded) == 0:
		return bare
	case stray && ruled && len(bare) == 0:
		return append(coded, Unclassified)
	}
	return coded
}

// restricts reports whether a part of a resource has a label that tightens.
func (o *oracle) restricts(n *node) bool {
	open := func(c *node) bool {
		code, _ := c.get("code").(string)
		return c.get("system") == o.labels && slices.Contains([]string{"U", "L", "M", "N"}, code)
	}
	meta, _ := n.get("meta").(*node)
	if meta != nil && meta.has("_security") || meta != nil && meta.has("security") && !allObjects(meta.get("security")) {
		return true
	}
	for _, c := range concepts(meta.get("security")) {
		if !open(c) {
			return true
		}
	}
	if n.has("securityLabel") {
		label := n.get("securityLabel")
		if !allObjects(label) {
			return true
		}
		for _, concept := range concepts(label) {
			if !allObjects(concept.get("coding")) {
				return true
			}
			for _, c := range concepts(concept.get("coding")) {
				if !open(c) {
					return true
				}
			}
		}
	}
	if n.has("confidentiality") {
		code, _ := n.get("confidentiality").(string)
		return !slices.Contains([]string{"U", "L", "M", "N"}, code)
	}
	return false
}

func sortedSet[T interface{ ~string }](s []T) []T {
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}

// namesHost reports whether text has a URL of the source.
func (o *oracle) namesHost(text string) bool { return o.mention.MatchString(text) }

// mentionOf matches the host of a base after "//", not followed by another letter of a host name.
func mentionOf(base string) *regexp.Regexp {
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	return regexp.MustCompile(`(?i)(?://|%2f%2f)(` + regexp.QuoteMeta(u.Hostname()) + `)(?:$|[^a-z0-9_.\-]|\.(?:$|[^a-z0-9_\-]))`)
}
