package fhir_test

import (
	"encoding/json"
	"errors"
	"testing"

	"zorgsluis/fhir"
)

// PG-7, PG-8: a page made of several source responses has one wrapper, and resources that belong to nobody are never added.
func TestSearchsetOfSeveralAnswers(t *testing.T) {
	obs := func(id string) string {
		return `{"resourceType":"Observation","id":"` + id + `","subject":{"reference":"Patient/A"}}`
	}
	report := func(link string) string {
		return `{"resourceType":"DiagnosticReport","id":"2","subject":{"reference":"Patient/A"},"presentedForm":[{"title":"t"` + link + `}]}`
	}
	r := newReader(t)
	edits := fhir.Edits{Base: "https://gw.example/h", Next: "https://gw.example/n"}
	set := fhir.NewSearchset([]byte("before "), edits)
	for _, body := range []string{searchset(match(obs("1")), match(`{"resourceType":"Group","id":"g"}`)), searchset(), searchset(match(report(`,"url":"Binary/b"`)))} {
		var c fhir.Contents
		if err := r.Searchset([]byte(body), &c); err != nil {
			t.Fatal(err)
		}
		for i := range c.Resources {
			set.Add(&c, i, func(id fhir.ID) string { return "https://gw.example/" + c.Resources[i].Type + "/" + string(id) })
		}
	}
	entry := func(name, resource string) string {
		return `{"fullUrl":"https://gw.example/h/` + name + `","resource":` + resource + `,"search":{"mode":"match"}}`
	}
	want := `before {"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"https://gw.example/n"}],"entry":[` + entry("Observation/1", obs("1")) + `,` +
		entry("DiagnosticReport/2", report(`,"url":"https://gw.example/DiagnosticReport/b"`)) + `]}`
	if got := string(set.Bytes()); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got, want := string(fhir.NewSearchset(nil, fhir.Edits{}).Bytes()), `{"resourceType":"Bundle","type":"searchset"}`; got != want {
		t.Errorf("nothing: got %s, want %s", got, want)
	}
}

// A Binary is included under its id, in the form of the version, with its content and nothing else.
func TestSearchsetWithBinaries(t *testing.T) {
	for v, content := range map[fhir.Version]string{fhir.R4: "data", fhir.STU3: "content"} {
		set := fhir.NewSearchset(nil, fhir.Edits{Base: "https://gw.example/h"})
		set.AddBinary(v, "b1", fhir.Binary{ContentType: `text/plain; charset="a\"b"`, Data: []byte("one?>"), Categories: []fhir.DataCategory{fhir.Restricted}})
		set.AddBinary(v, "b2", fhir.Binary{ContentType: "application/pdf", Data: []byte("two")})
		entry := func(id, contentType, data string) string {
			return `{"fullUrl":"https://gw.example/h/Binary/` + id + `","resource":{"resourceType":"Binary","id":"` + id + `","contentType":"` + contentType + `","` + content + `":"` + data + `"},"search":{"mode":"include"}}`
		}
		want := `{"resourceType":"Bundle","type":"searchset","entry":[` + entry("b1", `text/plain; charset=\"a\\\"b\"`, "b25lPz4=") + `,` + entry("b2", "application/pdf", "dHdv") + `]}`
		if got := set.Bytes(); string(got) != want || !json.Valid(got) {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

func TestObservationCode(t *testing.T) {
	for code, want := range map[string]fhir.Coding{
		`{"coding":[{"system":"http://loinc.org","code":"1"},{"system":"urn:x","code":"2"}],"text":"t"}`: {System: "http://loinc.org", Code: "1"},
		`{"coding":[],"text":"t"}`:                        {Code: "t"},
		`{"text":"t"}`:                                    {Code: "t"},
		`{"Coding":[{"code":"1"}]}`:                       {},
		`{"c\u006fding":[{"system":"urn:x","code":"2"}]}`: {System: "urn:x", Code: "2"},
		`{"coding":["x"]}`:                                {},
		`["x"]`:                                           {},
	} {
		var c fhir.Contents
		body := searchset(match(`{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/A"},"code":` + code + `}`))
		if err := newReader(t).Searchset([]byte(body), &c); err != nil {
			t.Fatal(err)
		}
		if got := c.ObservationCode(0); got != want {
			t.Errorf("%s: got %+v, want %+v", code, got, want)
		}
	}
}

func TestStrict(t *testing.T) {
	r := newReader(t)
	if err := r.Strict([]byte(` {"a":[{"b":1}]} `)); err != nil {
		t.Error(err)
	}
	for name, body := range map[string]string{
		"JS-1 a member twice": `{"a":{"b":1,"b":1}}`, "JS-5 no UTF-8": "{\"a\":\"\xff\"}", "JS-7 two objects": `{}{}`, "JS-12 an array": `[]`, "nothing": ``,
		"JS-3 a name twice, once escaped": `{"a":1,"\u0061":2}`, "not closed": `{"a":[`, "half a list": `{"a":[1`,
	} {
		if err := r.Strict([]byte(body)); !errors.Is(err, fhir.ErrContent) {
			t.Errorf("%s: got %v, want ErrContent", name, err)
		}
	}
}
