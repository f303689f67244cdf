package fhir

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// linkTo is the link that replaces one to a Binary in the tests; one Binary gets none.
func linkTo(id ID) string {
	if id == "gone" {
		return ""
	}
	return "https://gw.example/sealed/\"" + string(id)
}

// binaryLink matches a link to a Binary of the source, without the base.
var binaryLink = regexp.MustCompile(`^Binary/[A-Za-z0-9.-]{1,64}$`)

// binaryOf returns the id of the Binary that an attachment links to, "" for none.
func (o *oracle) binaryOf(attachment *node) ID {
	link, _ := attachment.get("url").(string)
	link = strings.TrimPrefix(link, o.Base+"/")
	if id := strings.TrimPrefix(link, "Binary/"); binaryLink.MatchString(link) && validID(id) {
		return ID(id)
	}
	return ""
}

// link returns the replacement of an attachment's link.
func (o *oracle) link(attachment *node, r oracleResource, e Edits) string {
	id := o.binaryOf(attachment)
	if id == "" || e.Attachment == nil || r.Shared {
		return ""
	}
	return e.Attachment(id)
}

// attachments is the oracle's Attachments, sorted.
func (o *oracle) attachments(r oracleResource) []ID {
	if !r.Attributed {
		return nil
	}
	var ids []ID
	visit(nil, r.tree, func(path []string, n *node) {
		if len(path) == 0 || slices.Equal(path, []string{"contained"}) || !isAttachment(path[len(path)-1], n) {
			return
		}
		if id := o.binaryOf(n); id != "" {
			ids = append(ids, id)
		}
	})
	slices.Sort(ids)
	return slices.Compact(ids)
}

// asHistory turns a searchset into a history; other input gives nonsense.
func asHistory(body []byte) []byte {
	body = bytes.Replace(body, []byte(`"searchset"`), []byte(`"history"`), 1)
	body = bytes.Replace(body, []byte(`{"mode":"match","score":1}`), []byte(`{},"request":{"method":"DELETE"}`), 1)
	return bytes.Replace(body, []byte(`"search":{"mode"`), []byte(`"request":{"method"`), 1)
}

// compareHistory reads and renders a history with reader and oracle.
func (o *oracle) compareHistory(r *Reader, c *Contents, body []byte) error {
	want, _, _, refused := o.bundle(body, "history")
	name := LocalReference{"Observation", "none"}
	if len(want) > 0 {
		name = LocalReference{want[0].Type, want[0].ID}
	}
	for _, w := range want {
		if (LocalReference{w.Type, w.ID}) != name {
			want, refused = nil, errOracle
		}
	}
	err := r.History(body, name, c)
	if (err != nil) != (refused != nil) {
		return fmt.Errorf("got error %v, want %v", err, refused)
	}
	if err != nil && len(c.Resources) > 0 {
		return fmt.Errorf("an error and %d resources", len(c.Resources))
	}
	if err := o.compareContents(c, want); err != nil {
		return err
	}
	keep := make([]bool, len(want))
	for i := range keep {
		keep[i] = i%3 != 1
	}
	e := Edits{Base: "https://gw.example/fhir/h", Self: "https://gw.example/self", Attachment: linkTo}
	got, err := decodeStrictly(c.AppendHistory(nil, R4, keep, e), 100)
	if err != nil || !sameTree(got, o.historyTree(want, keep, e)) {
		return fmt.Errorf("wrote %s, %v", c.AppendHistory(nil, R4, keep, e), err)
	}
	return nil
}

// historyTree is the Bundle that AppendHistory writes.
func (o *oracle) historyTree(resources []oracleResource, keep []bool, e Edits) *node {
	bundle := o.searchsetTree(resources, keep, e)
	bundle.set("type", "history")
	entries, _ := bundle.get("entry").([]any)
	for _, entry := range entries {
		entry := entry.(*node)
		resource := entry.get("resource").(*node)
		request, response := &node{values: map[string]any{}}, &node{values: map[string]any{}}
		request.set("method", "PUT")
		request.set("url", resource.get("resourceType").(string)+"/"+resource.get("id").(string))
		response.set("status", "200")
		entry.remove("search")
		entry.set("request", request)
		entry.set("response", response)
	}
	return bundle
}
