package fhir_test

import (
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

// sealed is the link that replaces one to a Binary in these tests; "none" gets none.
func sealed(id fhir.ID) string {
	if id == "none" {
		return ""
	}
	return "https://gw.example/fhir/h/Binary/sealed-" + string(id)
}

func TestAttachmentLinks(t *testing.T) {
	const bsn = `{"system":"` + systemBSN + `","value":"999999990"}`
	doc := func(member string) string {
		return `{"resourceType":"DocumentReference","id":"d","subject":{"reference":"Patient/A"},` + member + `}`
	}
	content := func(attachment string) string { return doc(`"content":[{"attachment":` + attachment + `,"x":1}]`) }
	tests := []struct {
		name, in, want string
		held           []fhir.ID
	}{
		{"BI-1 a relative link", content(`{"contentType":"a/b","url":"Binary/b1","title":"t"}`), content(`{"contentType":"a/b","url":"https://gw.example/fhir/h/Binary/sealed-b1","title":"t"}`), []fhir.ID{"b1"}},
		{"BI-6 a link on the source's base", content(`{"url":"http://hapi:8080/fhir/Binary/b1","size":1}`), content(`{"url":"https://gw.example/fhir/h/Binary/sealed-b1","size":1}`), []fhir.ID{"b1"}},
		{"BI-6 with escapes", content(`{"u\u0072l" : "http:\/\/hapi:8080\/fhir\/Binary\/\u0062\u0031"}`), content(`{"url":"https://gw.example/fhir/h/Binary/sealed-b1"}`), []fhir.ID{"b1"}},
		{"BI-1 a link to which none of ours belongs", content(`{"contentType":"a/b","url":"Binary/none"}`), content(`{"contentType":"a/b"}`), []fhir.ID{"none"}},
		{"BI-1 an attachment that was that link", content(`{"url":"Binary/none"}`), doc(`"content":[{"x":1}]`), []fhir.ID{"none"}},
		{"BI-1 an attachment that was that link, beside one that is not", doc(`"photo":[{"url":"Binary/none"},{"url":"Binary/b1"}]`), doc(`"photo":[{"url":"https://gw.example/fhir/h/Binary/sealed-b1"}]`), []fhir.ID{"none", "b1"}},
		{"BI-1 the link's twin goes", content(`{"url":"Binary/b1","_url":{"id":"x"}}`), content(`{"url":"https://gw.example/fhir/h/Binary/sealed-b1"}`), []fhir.ID{"b1"}},
		{"BI-1 one version of a Binary", content(`{"url":"Binary/b1/_history/2","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-1 a search for Binaries", content(`{"url":"Binary?_id=b1","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-1 a path that is none", content(`{"url":"Binary/../Patient/A","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-1 a fragment", content(`{"url":"Binary/b1#x","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-1 an id that is none", content(`{"url":"Binary/..","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-1 another type", content(`{"url":"DocumentReference/b1","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-1 type in another case", content(`{"url":"binary/b1","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-1 a link that is no text", content(`{"url":["Binary/b1"],"title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-5 a pre-signed link", content(`{"url":"https://bucket.example/Binary/b1?X-Amz-Signature=1","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-6 the base, and on with it", content(`{"url":"http://hapi:8080/fhirX/Binary/b1","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-6 the base without a slash", content(`{"url":"http://hapi:8080/fhirBinary/b1","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-6 the base twice", content(`{"url":"http://hapi:8080/fhir/http://hapi:8080/fhir/Binary/b1","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-6 the source under another port", content(`{"url":"http://hapi/fhir/Binary/b1","title":"t"}`), content(`{"title":"t"}`), nil},
		{"BI-12 an extension's attachment", doc(`"extension":[{"url":"u","valueAttachment":{"url":"Binary/b1"}}]`), doc(`"extension":[{"url":"u","valueAttachment":{"url":"https://gw.example/fhir/h/Binary/sealed-b1"}}]`), []fhir.ID{"b1"}},
		{"BI-12 an extension is no attachment", doc(`"extension":[{"url":"Binary/b1","valueString":"x"}]`), doc(`"extension":[{"url":"Binary/b1","valueString":"x"}]`), nil},
		{"BI-12 in a contained resource", doc(`"contained":[{"resourceType":"Media","id":"m","content":{"url":"Binary/b1"}}]`), doc(`"contained":[{"resourceType":"Media","id":"m","content":{"url":"https://gw.example/fhir/h/Binary/sealed-b1"}}]`), []fhir.ID{"b1"}},
		{"BI-12 an attachment told by what stands beside the link", doc(`"x":{"hash":"AA==","url":"Binary/b1"}`), doc(`"x":{"hash":"AA==","url":"https://gw.example/fhir/h/Binary/sealed-b1"}`), []fhir.ID{"b1"}},
		{"BI-3 the same Binary twice", doc(`"photo":[{"url":"Binary/b1"},{"url":"http://hapi:8080/fhir/Binary/b1"}]`), doc(`"photo":[{"url":"https://gw.example/fhir/h/Binary/sealed-b1"},{"url":"https://gw.example/fhir/h/Binary/sealed-b1"}]`), []fhir.ID{"b1"}},
		{"a list that goes with the BSN and its links", doc(`"a":[{"photo":{"url":"Binary/none"}},` + bsn + `]`), strings.Replace(doc(``), ",}", "}", 1), []fhir.ID{"none"}},
		{"a list that stays for a link", doc(`"a":[` + bsn + `,{"photo":{"url":"Binary/b1"}}]`), doc(`"a":[{"photo":{"url":"https://gw.example/fhir/h/Binary/sealed-b1"}}]`), []fhir.ID{"b1"}},
	}
	r := newReader(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c fhir.Contents
			if err := r.Resource([]byte(tt.in), fhir.LocalReference{Type: "DocumentReference", ID: "d"}, &c); err != nil {
				t.Fatal(err)
			}
			if got := c.Attachments(0); !slices.Equal(got, tt.held) {
				t.Errorf("got attachments %q, want %q", got, tt.held)
			}
			e := fhir.Edits{Base: "https://gw.example/fhir/h", Attachment: sealed, StripIdentifiers: true}
			if got := string(c.AppendResource(nil, 0, e)); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			e.Attachment = nil
			if got := string(c.AppendResource(nil, 0, e)); strings.Contains(got, "sealed") || strings.Contains(got, "hapi") {
				t.Errorf("without links: got %s", got)
			}
		})
	}
}

// BI-12: every element of type Attachment in R4 or STU3 is recognized by its name alone.
func TestEveryAttachmentElementIsKnown(t *testing.T) {
	for _, name := range []string{
		"attachment", "presentedForm", "content", "photo", "contentAttachment", "sourceAttachment", "valueAttachment", "form", "image", "document",
		"legallyBindingAttachment", "bindingAttachment", "pAttachment", "defaultValueAttachment", "fixedAttachment", "patternAttachment", "initialAttachment", "answerAttachment",
	} {
		in := `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/A"},"a":{"` + name + `":{"url":"https://bucket.example/x","id":"1"}}}`
		if got := render(t, in, fhir.Edits{Base: "https://gw.example"}); strings.Contains(got, "bucket") || !strings.Contains(got, name) {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// BI-1: resources that are in nobody's record have no attachments that a permission could open, and get no links.
func TestAttachmentsOfNobody(t *testing.T) {
	body := searchset(
		match(`{"resourceType":"Practitioner","id":"p","photo":[{"url":"Binary/b1","title":"t"}]}`),
		match(`{"resourceType":"DocumentReference","id":"d","content":[{"attachment":{"url":"Binary/b2"}}]}`),
		match(`{"resourceType":"DocumentReference","id":"e","subject":{"reference":"Patient/A"},"content":[{"attachment":{"url":"Binary/b3"}}]}`),
		match(`{"resourceType":"DocumentReference","id":"e","subject":{"reference":"Patient/A"},"content":[{"attachment":{"url":"Binary/b4"}}]}`))
	var c fhir.Contents
	if err := newReader(t).Searchset([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	for i := range c.Resources {
		if got := c.Attachments(i); got != nil {
			t.Errorf("resource %d: got attachments %q, want none", i, got)
		}
		e := fhir.Edits{Base: "https://gw.example", Attachment: func(id fhir.ID) string {
			t.Errorf("resource %d: asked for a link to %s", i, id)
			return "https://gw.example/x"
		}}
		if got := string(c.AppendResource(nil, i, e)); i == 0 && got != `{"resourceType":"Practitioner","id":"p","photo":[{"title":"t"}]}` || i > 0 && got != "" {
			t.Errorf("resource %d: got %s", i, got)
		}
	}
}
