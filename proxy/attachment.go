package proxy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// attachmentLink is the sealed content of a link to an attachment. A Binary names no patient, so it is served only through its holder, the
// resource that refers to it, which is read and decided on anew each time (leaks.md BI-1).
type attachmentLink struct {
	Source  string              `json:"s"`
	Binary  fhir.ID             `json:"b"`
	Type    string              `json:"t"` // of the holder
	ID      fhir.ID             `json:"h"`
	Patient fhir.ID             `json:"i"`
	Person  consent.PersonKey   `json:"p"`
	Caller  []byte              `json:"c"`
	Purpose policy.PurposeOfUse `json:"u"`
	Expires int64               `json:"e"`
}

// attachmentLink returns the link to an attachment of a released resource; "" if it cannot be sealed.
func (g *Gate) attachmentLink(x *exchange, j *judge, holder *fhir.Resource, binary fhir.ID) string {
	sealed, err := g.cursors.seal("attachment", attachmentLink{
		Source: x.source.ID, Binary: binary, Type: holder.Type, ID: holder.ID, Patient: j.person.id, Person: j.person.key,
		Caller: x.callerDigest(), Purpose: x.purpose, Expires: g.parts.Now().Add(cursorLasts).Unix(),
	})
	if err != nil {
		return ""
	}
	return g.base(x.source) + "/Binary/" + sealed
}

// openAttachment opens and checks a link for this caller. Every failure looks like an absent resource.
func (g *Gate) openAttachment(x *exchange) (attachmentLink, *refusal) {
	var l attachmentLink
	err := g.cursors.open("attachment", x.interaction.Cursor, &l)
	if err != nil || g.parts.Now().Unix() >= l.Expires || l.Source != x.source.ID || l.Purpose != x.purpose ||
		string(l.Caller) != string(x.callerDigest()) {
		return attachmentLink{}, refuse(causeNotFound, "attachment-invalid")
	}
	return l, nil
}

// serveAttachment serves a Binary through its holder.
func (g *Gate) serveAttachment(ctx context.Context, x *exchange, request policy.Request, accept []string) (answer, *refusal) {
	l, ref := g.openAttachment(x)
	if ref != nil {
		return answer{}, ref
	}
	m, ref := g.resolveID(ctx, x, l.Patient)
	if ref != nil {
		return answer{}, hidden(ref)
	}
	if m.key != l.Person {
		return answer{}, refuse(causeNotFound, "attachment-invalid")
	}
	x.person = m.key
	// The standing is read first: an absent holder then costs the same work as a withheld one (leaks.md RD-5).
	j, ref := g.judge(ctx, x, request, m)
	if ref != nil {
		return answer{}, ref
	}
	want := fhir.LocalReference{Type: l.Type, ID: l.ID}
	holder, ref := g.readResource(ctx, x, want, "/"+want.String())
	if ref != nil {
		return answer{}, ref
	}
	defer holder.release()
	if !slices.Contains(holder.contents.Attachments(0), l.Binary) {
		return answer{}, refuse(causeNotFound, "attachment-moved")
	}
	if ref := g.lookUp(ctx, x, j, holder); ref != nil {
		return answer{}, ref
	}
	if r := &holder.contents.Resources[0]; !holder.permits(j, r) {
		return answer{}, hidden(g.deniedResource(x, j, holder))
	}
	binary, ref := g.binary(ctx, x, l.Binary)
	if ref != nil {
		return answer{}, ref
	}
	a, ref := g.settle(ctx, x, j, func(j *judge) (draft, *refusal) { return g.draftAttachment(x, j, holder, l, binary) })
	if ref != nil {
		return answer{}, hidden(ref)
	}
	a.body, a.attachment = binary.Data, binary.ContentType
	if wantsResource(accept) {
		a.body, a.attachment = binaryResource(binary), ""
	}
	return a, nil
}

// binary fetches a Binary as FHIR JSON: raw bytes carry nothing that can be checked (leaks.md BI-4).
func (g *Gate) binary(ctx context.Context, x *exchange, id fhir.ID) (fhir.Binary, *refusal) {
	f, ref := g.fetch(ctx, x, ask{path: "/Binary/" + string(id)})
	if ref != nil {
		return fhir.Binary{}, ref
	}
	defer f.release()
	if !f.found {
		return fhir.Binary{}, refuse(causeNotFound, "absent")
	}
	binary, err := x.source.Reader.Binary(f.body, id)
	if err != nil {
		return fhir.Binary{}, &refusal{cause: causeBadSource, reason: "source-content", err: err}
	}
	return binary, nil
}

// Reasons to withhold a Binary because of its own metadata, or of what it holds.
const (
	reasonSecurityContext policy.Reason = "security-context"
	reasonSecurityLabel   policy.Reason = "security-label"
	reasonOtherPerson     policy.Reason = "content-other-person"
)

// withholds returns the reason to withhold a Binary whose holder is released, or "": what a Binary says can only narrow access
// (leaks.md BI-2).
func (j *judge) withholds(b fhir.Binary, holder *fhir.Resource) policy.Reason {
	patient := fhir.LocalReference{Type: "Patient", ID: j.person.id}
	switch {
	case b.HasSecurityContext && b.SecurityContext != patient && b.SecurityContext != name(holder):
		return reasonSecurityContext
	case slices.Contains(b.Categories, fhir.NeverDisclosed), len(b.Categories) > 0 && !j.all(b.Categories):
		return reasonSecurityLabel
	case !j.onlyPerson(b.Identifiers), len(b.Identifiers) == 0 && slices.ContainsFunc(b.Patients, func(id fhir.ID) bool { return id != j.person.id }):
		return reasonOtherPerson
	}
	return ""
}

// draftAttachment decides on the holder and on the metadata of the Binary.
func (g *Gate) draftAttachment(x *exchange, j *judge, holder *readAnswer, l attachmentLink, b fhir.Binary) (draft, *refusal) {
	r := &holder.contents.Resources[0]
	if !holder.permits(j, r) {
		return draft{}, g.deniedResource(x, j, holder)
	}
	if reason := j.withholds(b, r); reason != "" {
		return draft{}, refuse(causeForbidden, reason)
	}
	x.disclose(j, name(r).String(), r.Categories)
	x.disclosed = append(x.disclosed, "Binary/"+string(l.Binary))
	x.sorted()
	return draft{outcome: audit.OutcomePermit, reason: j.reason(x.categories)}, nil
}

// wantsResource reports whether Accept asks for the Binary resource instead of its content (R4 §3.1.0.1.10).
func wantsResource(accept []string) bool {
	first, _, _ := strings.Cut(strings.Join(accept, ","), ",")
	media, _, _ := mime.ParseMediaType(first)
	return media == "application/fhir+json" || media == "application/json"
}

// binaryResource renders the Binary without an id: the caller knows it by its link.
func binaryResource(b fhir.Binary) []byte {
	body, err := json.Marshal(struct {
		ResourceType string `json:"resourceType"`
		ContentType  string `json:"contentType"`
		Data         string `json:"data"`
	}{"Binary", b.ContentType, base64.StdEncoding.EncodeToString(b.Data)})
	if err != nil { // strings always marshal
		return nil
	}
	return body
}

// writeAttachment sets headers that keep a browser from showing or running what a source calls a document (leaks.md BI-4).
func writeAttachment(h http.Header, contentType string) {
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
}
