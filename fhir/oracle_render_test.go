package fhir

import (
	"cmp"
	"slices"
	"strings"
)

// This file is the oracle's rendering: the tree of a released resource with every edit applied.

func (o *oracle) rendered(r oracleResource, e Edits) *node {
	contained := []any{}
	top := without(r.tree)
	if r.Type == "Patient" {
		top.remove("link")
		top.remove("_link")
	}
	list, _ := top.get("contained").([]any)
	for _, c := range list {
		part := without(c.(*node))
		o.editPart(part, "", r, e)
		contained = append(contained, part)
	}
	o.editPart(top, "contained", r, e)
	if top.has("contained") {
		top.values["contained"] = contained
	}
	return top
}

// editPart edits the resource itself or a contained one, which is never removed, leaving out the member except.
func (o *oracle) editPart(part *node, except string, r oracleResource, e Edits) {
	if e.StripIdentifiers && len(r.Identifiers) > 0 {
		part.remove("text")
	}
	for _, name := range slices.Clone(part.names) {
		if except != "" && name == except {
			continue
		}
		if v, gone := o.editValue([]string{name}, part.values[name], r, e); gone {
			part.remove(name)
		} else {
			part.values[name] = v
		}
	}
}

// editValue edits a value below a part; gone means that nothing of it remains.
func (o *oracle) editValue(path []string, v any, r oracleResource, e Edits) (edited any, gone bool) {
	switch v := v.(type) {
	case string:
		return o.rewrite(v, e.Base), false
	case []any:
		kept := []any{}
		for _, element := range v {
			if element, gone := o.editValue(path, element, r, e); !gone {
				kept = append(kept, element)
			}
		}
		return kept, len(kept) == 0 && len(v) > 0
	case *node:
		return o.editObject(path, v, r, e)
	}
	return v, false
}

func (o *oracle) editObject(path []string, v *node, r oracleResource, e Edits) (edited *node, gone bool) {
	if e.StripIdentifiers && o.isPerson(v) {
		return nil, true
	}
	name := path[len(path)-1]
	n := &node{values: map[string]any{}}
	displays := 0
	for _, member := range v.names {
		switch {
		case member == "_url" && isAttachment(name, v):
			continue
		case member == "url" && isAttachment(name, v):
			if link := o.link(v, r, e); link != "" {
				n.set(member, link)
			}
			continue
		case slices.Equal(path, []string{"meta"}) && slices.Contains([]string{"versionId", "_versionId", "source", "_source"}, member):
			continue
		case (member == "display" || member == "_display") && o.hidesDisplay(v, r, e):
			displays++
			continue
		}
		if value, gone := o.editValue(append(slices.Clip(path), member), v.values[member], r, e); !gone {
			n.set(member, value)
		}
	}
	return n, len(n.names) == 0 && displays == 0 && len(v.names) > 0
}

// isAttachment reports whether the value of an element is an Attachment.
func isAttachment(name string, v *node) bool {
	if name == "extension" || name == "modifierExtension" {
		return false
	}
	return slices.Contains(keywords[kwAttachment], name) || slices.ContainsFunc(append([]string{"contentType", "data"}, keywords[kwAttachmentPart]...), v.has)
}

// hidesDisplay reports whether an object is a reference whose display is removed.
func (o *oracle) hidesDisplay(v *node, r oracleResource, e Edits) bool {
	declared, _ := v.get("type").(string)
	declared = strings.TrimPrefix(declared, "http://hl7.org/fhir/StructureDefinition/")
	if ClassOf(o.Version, declared) == ClassUnknown {
		declared = ""
	}
	_, logical := v.get("identifier").(*node)
	ref, literal := v.get("reference").(string)
	switch {
	case literal && ref == "#":
		declared = r.Type
	case literal && strings.HasPrefix(ref, "#"):
		_, contained := split(r.tree)
		for _, c := range slices.Backward(contained) {
			if id, _ := c.get("id").(string); "#"+id == ref {
				declared, _ = c.get("resourceType").(string)
			}
		}
	case literal:
		declared, _, _ = o.referenceTarget(ref)
	case !logical:
		return false
	}
	return e.KeepDisplay == nil || !e.KeepDisplay(declared)
}

// rewrite replaces URLs of the source by ours.
func (o *oracle) rewrite(text, base string) string {
	authority := strings.SplitN(strings.SplitN(base, "//", 2)[1], "/", 2)[0]
	scheme := strings.Index(o.Base, "//") + 2
	var b strings.Builder
	for {
		m := o.mention.FindStringSubmatchIndex(text)
		if m == nil {
			return b.String() + text
		}
		host, end := m[2], m[3]
		if from := host - scheme; from >= 0 && strings.HasPrefix(text[from:], o.Base) {
			rest := text[from+len(o.Base):]
			if rest == "" || strings.ContainsAny(rest[:1], "/?#\"'<>&|,; \t\r\n)") {
				b.WriteString(text[:from] + base)
				text = rest
				continue
			}
		}
		rest := text[end:]
		if strings.HasPrefix(rest, ":") {
			rest = strings.TrimLeft(rest[1:], "0123456789")
		} else if len(rest) >= 3 && strings.EqualFold(rest[:3], "%3a") {
			rest = strings.TrimLeft(rest[3:], "0123456789")
		}
		b.WriteString(text[:host] + authority)
		text = rest
	}
}

// searchsetTree is the Bundle that AppendSearchset writes.
func (o *oracle) searchsetTree(resources []oracleResource, keep []bool, e Edits) *node {
	object := func(pairs ...any) *node {
		n := &node{values: map[string]any{}}
		for i := 0; i < len(pairs); i += 2 {
			n.set(pairs[i].(string), pairs[i+1])
		}
		return n
	}
	bundle := object("resourceType", "Bundle", "type", "searchset")
	var links, entries []any
	for _, l := range [][2]string{{"self", e.Self}, {"next", e.Next}} {
		if l[1] != "" {
			links = append(links, object("relation", l[0], "url", l[1]))
		}
	}
	if links != nil {
		bundle.set("link", links)
	}
	for i, r := range resources {
		if keep[i] && (r.Attributed || r.Shared) {
			entries = append(entries, object("fullUrl", e.Base+"/"+r.Type+"/"+string(r.ID), "resource", o.rendered(r, e),
				"search", object("mode", cmp.Or(string(r.Mode), "match"))))
		}
	}
	if entries != nil {
		bundle.set("entry", entries)
	}
	return bundle
}
