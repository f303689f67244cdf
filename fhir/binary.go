package fhir

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"strings"
)

// Binary is what a Binary resource holds (R4 §2.43, STU3 §2.45), decoded.
type Binary struct {
	// ContentType is a MIME type (RFC 2045), in its canonical form.
	ContentType string
	Data        []byte
	// SecurityContext is the resource that stands in for the Binary in access decisions. It can only narrow (BI-2).
	SecurityContext    LocalReference
	HasSecurityContext bool
	// Categories are those that its labels add, as in Resource.Categories; a Binary has none of its own. Sorted.
	Categories []DataCategory
	// Identifiers and Patients are whom its content names if that is FHIR, which has not passed the filter otherwise: person identifiers, and
	// local patients. Its codes and labels are in Categories, and content that cannot be read as JSON is Restricted.
	Identifiers []Identifier
	Patients    []ID
}

// errBinary is a missing Binary, or one that does not say clearly what it holds.
const errBinary contentError = "no Binary of the id that was asked, or one with an element that is missing, unknown or of another shape"

// maxContentType bounds a MIME type, in bytes.
const maxContentType = 255

// Binary reads the response to a read of a Binary: the one with exactly that id, with no other elements than those read here, and
// with content. Anything else is an ErrContent. Data is a copy.
func (r *Reader) Binary(body []byte, id ID) (Binary, error) {
	var (
		c Contents
		b Binary
	)
	err := r.read(body, &c, func(i int) int { return c.walk.binaryResource(i, id, &b) })
	if err != nil {
		return Binary{}, err
	}
	if isFHIR(b.ContentType, b.Data) {
		r.readContent(&b)
	}
	return b, nil
}

// binaryResource reads a Binary.
func (w *walk) binaryResource(i int, id ID, b *Binary) int {
	data := "data"
	if w.r.classifier.version == STU3 {
		data = "content"
	}
	w.facts.reset()
	named, identified, ok := false, false, true
	i = w.eachMember(i, func(kw keyword, i int) int {
		name := w.nameText()
		w.lead(kw)
		from := i
		i, t, s := w.any(i, 1)
		if i < 0 {
			return -1
		}
		switch name {
		case "resourceType":
			named = string(w.bytes(t)) == typeBinary
		case "id":
			identified = string(w.bytes(t)) == string(id)
		case "meta":
			w.noteTop(kw, span{}, t, s)
		case "language":
			ok = ok && s.is(isString)
		case "contentType":
			b.ContentType = contentType(string(w.bytes(t)))
		case "securityContext":
			b.HasSecurityContext = true
			b.SecurityContext = w.securityContext(w.body[from:i])
		case data:
			b.Data = decodeBase64(w.bytes(t))
		default:
			ok = false
		}
		return i
	})
	switch {
	case i < 0:
		return -1
	case !named, !identified, !ok, w.odd, b.ContentType == "", len(b.Data) == 0,
		b.HasSecurityContext && b.SecurityContext == LocalReference{}:
		return w.fail(errBinary)
	}
	b.Categories = w.r.classifier.appendNames(nil, w.added)
	return i
}

// contentType returns the canonical form of a MIME type, "" if it is invalid.
func contentType(s string) string {
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	if len(s) > maxContentType || !strings.Contains(s, "/") || strings.ContainsFunc(s, odd) {
		return ""
	}
	typ, params, err := mime.ParseMediaType(s)
	if err != nil {
		return ""
	}
	return mime.FormatMediaType(typ, params)
}

// decodeBase64 decodes a base64Binary (R4 §2.24.0.1), nil if it is invalid. Line breaks are allowed, other white space is not.
func decodeBase64(text []byte) []byte {
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(data, text)
	if err != nil {
		return nil
	}
	return data[:n]
}

// securityContext returns the resource that a Reference names; zero unless it clearly names one of the source.
func (w *walk) securityContext(raw []byte) LocalReference {
	var (
		reference      elements
		text, declared string
	)
	if json.Unmarshal(raw, &reference) != nil || !reference.read("reference", &text) || !reference.read("type", &declared) {
		return LocalReference{}
	}
	target := w.target([]byte(text))
	declared = strings.TrimPrefix(declared, structureDefinition)
	if target.id == nil || declared != "" && declared != target.typ.name {
		return LocalReference{}
	}
	return LocalReference{target.typ.name, ID(target.id)}
}
