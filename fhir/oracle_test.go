package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The oracle gives the same results as Reader, slowly and plainly: it decodes a response into a tree and queries the tree. It
// shares the tables and the constants with the reader, but no code.

// node is a JSON object in the order of its members; []any, string, json.Number, bool and nil are the other values.
type node struct {
	names  []string
	values map[string]any
	raw    string
}

func (n *node) get(name string) any {
	if n == nil {
		return nil
	}
	return n.values[name]
}

func (n *node) has(name string) bool {
	_, ok := n.values[name]
	return ok
}

func (n *node) set(name string, v any) {
	if !n.has(name) {
		n.names = append(n.names, name)
	}
	n.values[name] = v
}

func (n *node) remove(name string) {
	n.names = slices.DeleteFunc(n.names, func(s string) bool { return s == name })
	delete(n.values, name)
}

var errOracle = errors.New("refused")

// decodeStrictly decodes one JSON value, and refuses whatever two parsers could read differently.
func decodeStrictly(body []byte, maxDepth int) (any, error) {
	if !utf8.Valid(body) || !json.Valid(body) || hasBadEscape(body) {
		return nil, errOracle
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	v, err := decodeValue(body, d, maxDepth)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errOracle
	}
	return v, nil
}

func decodeValue(body []byte, d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth == 0 {
		return nil, errOracle
	}
	if delim == '[' {
		array := []any{}
		for d.More() {
			v, err := decodeValue(body, d, depth-1)
			if err != nil {
				return nil, err
			}
			array = append(array, v)
		}
		_, err := d.Token()
		return array, err
	}
	start := d.InputOffset() - 1
	n := &node{values: map[string]any{}}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		if n.has(name.(string)) || len(n.names) == maxMembers {
			return nil, errOracle
		}
		v, err := decodeValue(body, d, depth-1)
		if err != nil {
			return nil, err
		}
		n.set(name.(string), v)
	}
	_, err = d.Token()
	n.raw = string(body[start:d.InputOffset()])
	return n, err
}

var (
	escapeUnit = regexp.MustCompile(`\\(u([0-9a-fA-F]{4})|.)`)
	surrogates = regexp.MustCompile(`(?i)\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}`)
)

// hasBadEscape looks for lone surrogates and NUL in otherwise valid JSON.
func hasBadEscape(body []byte) bool {
	// Escaped backslashes first, so that what follows them is not taken for an escape.
	body = bytes.ReplaceAll(body, []byte(`\\`), []byte("__"))
	body = surrogates.ReplaceAll(body, []byte("_"))
	for _, m := range escapeUnit.FindAllSubmatch(body, -1) {
		if m[2] == nil {
			continue
		}
		if unit, _ := strconv.ParseUint(string(m[2]), 16, 16); unit == 0 || 0xD800 <= unit && unit <= 0xDFFF {
			return true
		}
	}
	return false
}

// oracle is a reader's configuration.
type oracle struct {
	ReaderOptions
	rules     []CategoryRule
	sensitive []SensitiveCode
	mention   *regexp.Regexp // a URL of the source
	labels    string         // the system of confidentiality codes
}

// oracleResource is a Resource and its tree.
type oracleResource struct {
	Resource
	tree *node
}

// bundle is the oracle's Searchset, and History before it compares the names.
func (o *oracle) bundle(body []byte, kind string) (resources []oracleResource, next, self string, err error) {
	top, err := decodeStrictly(body, o.MaxDepth)
	if err != nil {
		return nil, "", "", err
	}
	bundle, ok := top.(*node)
	if !ok || bundle.get("resourceType") != "Bundle" || bundle.get("type") != kind {
		return nil, "", "", errOracle
	}
	if next, self, err = oracleLinks(bundle); err != nil {
		return nil, "", "", err
	}
	if bundle.has("entry") {
		entries, ok := bundle.get("entry").([]any)
		if !ok || len(entries) > o.MaxEntries {
			return nil, "", "", errOracle
		}
		for _, e := range entries {
			r, keep, err := o.entry(e, kind)
			if err != nil {
				return nil, "", "", err
			}
			if keep {
				resources = append(resources, r)
			}
		}
	}
	if kind == "searchset" {
		dropTwins(resources)
	}
	if meta := bundle.get("meta"); bundle.has("meta") {
		m, ok := meta.(*node)
		for i := range resources {
			if o.neverDisclosed(meta) {
				resources[i].forget()
			}
		}
		if !ok || o.restricts(&node{values: map[string]any{"meta": m}, names: []string{"meta"}}) || len(o.sensitives(m)) > 0 {
			for i := range resources {
				if r := &resources[i]; r.Attributed || r.Shared {
					r.Categories = sortedSet(append(r.Categories, Restricted))
				}
			}
		}
	}
	return resources, next, self, nil
}

func oracleLinks(bundle *node) (next, self string, err error) {
	if !bundle.has("link") {
		return "", "", nil
	}
	links, ok := bundle.get("link").([]any)
	if !ok {
		return "", "", errOracle
	}
	found := map[string]string{}
	for _, l := range links {
		link, ok := l.(*node)
		if !ok {
			return "", "", errOracle
		}
		relation, _ := link.get("relation").(string)
		if relation != "next" && relation != "self" {
			continue
		}
		url, _ := link.get("url").(string)
		if url == "" || found[relation] != "" {
			return "", "", errOracle
		}
		found[relation] = url
	}
	return found["next"], found["self"], nil
}

func (o *oracle) entry(e any, kind string) (r oracleResource, keep bool, err error) {
	entry, ok := e.(*node)
	if !ok || len(entry.names) == 0 {
		return r, false, errOracle
	}
	search, isObject := entry.get("search").(*node)
	if entry.has("search") && !isObject {
		return r, false, errOracle
	}
	if _, isObject := entry.get("request").(*node); kind == "history" && entry.has("request") && !isObject {
		return r, false, errOracle
	}
	fullURL, isText := entry.get("fullUrl").(string)
	if entry.has("fullUrl") && !isText {
		return r, false, errOracle
	}
	if !entry.has("resource") {
		return r, false, nil
	}
	tree, ok := entry.get("resource").(*node)
	if !ok {
		return r, false, errOracle
	}
	if r, err = o.resource(tree); err != nil {
		return r, false, err
	}
	mode, _ := search.get("mode").(string)
	said := kind == "history" || search != nil && search.has("mode")
	if kind == "history" {
		request, _ := entry.get("request").(*node)
		if mode = "match"; request.get("method") == "DELETE" {
			return r, false, nil
		}
	}
	if said && mode != "match" && mode != "include" {
		return r, false, nil
	}
	r.Mode = Mode(mode)
	if entry.has("fullUrl") {
		relative, ok := strings.CutPrefix(fullURL, o.Base+"/")
		ref, local := ParseReference(relative, "")
		if !ok || !local || ref != (LocalReference{r.Type, r.ID}) {
			r.forget()
		}
	}
	return r, true, nil
}

// forget keeps only the name and mode of a resource that is not released.
func (r *oracleResource) forget() {
	r.Resource = Resource{Type: r.Type, ID: r.ID, Mode: r.Mode}
}

// dropTwins drops resources with the same name: all but the first, and the first too if any differs from it.
func dropTwins(resources []oracleResource) {
	byName := map[LocalReference][]int{}
	for i, r := range resources {
		name := LocalReference{r.Type, r.ID}
		byName[name] = append(byName[name], i)
	}
	for _, same := range byName {
		for _, i := range same[1:] {
			resources[i].forget()
			if resources[i].tree.raw != resources[same[0]].tree.raw {
				resources[same[0]].forget()
			}
		}
	}
}

// read is the oracle's Resource before it compares the name.
func (o *oracle) read(body []byte) (oracleResource, error) {
	top, err := decodeStrictly(body, o.MaxDepth)
	if err != nil {
		return oracleResource{}, err
	}
	tree, ok := top.(*node)
	if !ok {
		return oracleResource{}, errOracle
	}
	r, err := o.resource(tree)
	r.Mode = ModeMatch
	return r, err
}

// visit calls f with every object below v and its path of names (arrays add none).
func visit(path []string, v any, f func(path []string, n *node)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			visit(path, e, f)
		}
	case *node:
		f(path, v)
		for _, name := range v.names {
			visit(append(slices.Clip(path), name), v.values[name], f)
		}
	}
}

// visitValues calls f with every value below v, arrays unfolded, and the path of names to it.
func visitValues(path []string, v any, f func(path []string, v any)) {
	f(path, v)
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			visitValues(path, e, f)
		}
	case *node:
		for _, name := range v.names {
			visitValues(append(slices.Clip(path), name), v.values[name], f)
		}
	}
}

// resource determines what one resource discloses.
func (o *oracle) resource(tree *node) (oracleResource, error) {
	typ, _ := tree.get("resourceType").(string)
	rule, known := ruleFor(o.Version, typ)
	if !known {
		return oracleResource{}, errOracle
	}
	r := oracleResource{Resource: Resource{Type: typ}, tree: tree}
	id, isText := tree.get("id").(string)
	if isText && validID(id) {
		r.ID = ID(id)
	}
	if r.ID == "" || o.malformed(tree) || o.neverDisclosed(tree) {
		return r, nil
	}
	body, contained := split(tree)
	readable := body
	if typ == "Patient" { // the links are not released
		readable = without(body, "link")
	}
	patients, ok := o.patients(typ, body, readable, contained)
	if !ok {
		return r, nil
	}
	named := o.membership(rule, body)
	switch {
	case typ == "Patient":
		r.Attributed = len(patients) == 0 || len(patients) == 1 && patients[0] == string(r.ID)
		patients = []string{string(r.ID)}
	case rule.class == ClassPatient:
		r.Attributed = len(patients) == 1 && named
	case rule.class == ClassShared:
		r.Shared = len(patients) == 0
	}
	if !r.Attributed && !r.Shared {
		return r, nil
	}
	if r.Attributed {
		r.Patient = ID(patients[0])
	}
	r.Categories = o.categories(tree, body, contained)
	refers := func(path []string, n *node) {
		if len(path) > 0 { // a resource itself is no Reference
			r.References = append(r.References, o.localReference(n)...)
		}
	}
	visit(nil, readable, refers)
	for _, c := range contained {
		visit(nil, c, refers)
	}
	r.Identifiers = o.identifiers(readable, contained)
	return r, nil
}

// split separates a resource from its contained ones.
func split(tree *node) (body *node, contained []*node) {
	list, _ := tree.get("contained").([]any)
	for _, c := range list {
		n, _ := c.(*node)
		contained = append(contained, n)
	}
	return without(tree, "contained"), contained
}

// without copies an object without some members.
func without(n *node, names ...string) *node {
	c := &node{names: slices.Clone(n.names), values: maps.Clone(n.values)}
	for _, name := range names {
		c.remove(name)
	}
	return c
}

// malformed reports shapes that FHIR does not have.
func (o *oracle) malformed(tree *node) bool {
	bad := false
	visitValues(nil, tree, func(_ []string, v any) {
		switch v := v.(type) {
		case []any:
			bad = bad || slices.ContainsFunc(v, func(e any) bool { _, nested := e.([]any); return nested })
		case *node:
			bad = bad || slices.ContainsFunc(v.names, o.namesHost)
		}
	})
	visit(nil, tree, func(path []string, n *node) {
		inContained := slices.Equal(path, []string{"contained"})
		bad = bad || n.has("resourceType") && len(path) > 0 && !inContained
		if o.isPerson(n) && len(path) > 0 && !inContained {
			_, isText := n.get("value").(string)
			bad = bad || n.has("value") && !isText
		}
	})
	parts := []*node{tree}
	if tree.has("contained") {
		list, ok := tree.get("contained").([]any)
		if !ok {
			return true
		}
		for _, c := range list {
			n, ok := c.(*node)
			if !ok {
				return true
			}
			typ, _ := n.get("resourceType").(string)
			class := ClassOf(o.Version, typ)
			_, isText := n.get("id").(string)
			bad = bad || class == ClassUnknown || class == ClassRefused || typ == "Patient" && !o.identified(n) || n.has("contained") && holdsResource(n.get("contained")) ||
				n.has("id") && !isText
			parts = append(parts, n)
		}
	}
	for _, n := range parts {
		meta, metaObject := n.get("meta").(*node)
		for _, tag := range concepts(meta.get("tag")) {
			bad = bad || tag.get("code") == "SUBSETTED"
		}
		bad = bad || n.has("meta") && !metaObject || n.has("extension") && !allObjects(n.get("extension")) ||
			n.has("modifierExtension") && !allObjects(n.get("modifierExtension")) || o.badClassification(n)
	}
	return bad
}

// identified reports whether a contained Patient has an identifier of a person, and no links.
func (o *oracle) identified(n *node) bool {
	found := false
	visit(nil, n.get("identifier"), func(_ []string, n *node) {
		_, isText := n.get("value").(string)
		found = found || o.isPerson(n) && isText
	})
	return found && !n.has("link") && !n.has("_link")
}

// holdsResource reports whether a resource occurs anywhere below v.
func holdsResource(v any) bool {
	found := false
	visit(nil, v, func(_ []string, n *node) { found = found || n.has("resourceType") })
	return found
}

// allObjects reports whether v is a non-empty array of objects.
func allObjects(v any) bool {
	list, ok := v.([]any)
	return ok && len(list) > 0 && !slices.ContainsFunc(list, func(e any) bool { _, object := e.(*node); return !object })
}

// badClassification reports whether an element that the rules read has the wrong shape.
func (o *oracle) badClassification(n *node) bool {
	typ, _ := n.get("resourceType").(string)
	if ClassOf(o.Version, typ) != ClassPatient {
		return false
	}
	for _, r := range o.rules {
		if r.Type != typ || r.Element == "" || !n.has(r.Element) {
			continue
		}
		v := n.get(r.Element)
		_, single := v.(*node)
		if !single && (r.Element == "code" || !allObjects(v)) {
			return true
		}
		rule, _ := ruleFor(o.Version, typ)
		if due := rule.shapes[r.Element]; due != "" && single == strings.HasSuffix(due, "[]") {
			return true
		}
		for _, c := range concepts(v) {
			if len(c.names) == 0 || c.has("coding") && !allObjects(c.get("coding")) {
				return true
			}
			for _, coding := range concepts(c.get("coding")) {
				for _, name := range []string{"system", "code"} {
					if _, isText := coding.get(name).(string); coding.has(name) && !isText {
						return true
					}
				}
			}
		}
	}
	return false
}

// concepts returns the objects that v is or holds.
func concepts(v any) []*node {
	switch v := v.(type) {
	case *node:
		return []*node{v}
	case []any:
		var all []*node
		for _, e := range v {
			all = append(all, concepts(e)...)
		}
		return all
	}
	return nil
}
