package fhir_test

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

func TestBinary(t *testing.T) {
	binary := func(member string) string { return `{"resourceType":"Binary","id":"b",` + member + `}` }
	const holds = `"contentType":"application/pdf","data":"JVBERg=="`
	pdf := fhir.Binary{ContentType: "application/pdf", Data: []byte("%PDF")}
	with := func(change func(b *fhir.Binary)) *fhir.Binary {
		b := pdf
		change(&b)
		return &b
	}
	typed := func(s string) *fhir.Binary { return with(func(b *fhir.Binary) { b.ContentType = s }) }
	guarded := func(typ string, id fhir.ID) *fhir.Binary {
		return with(func(b *fhir.Binary) {
			b.HasSecurityContext, b.SecurityContext = true, fhir.LocalReference{Type: typ, ID: id}
		})
	}
	labelled := func(categories ...fhir.DataCategory) *fhir.Binary {
		return with(func(b *fhir.Binary) { b.Categories = categories })
	}
	content := func(typ, data string) string {
		return binary(`"contentType":"` + typ + `","data":"` + base64.StdEncoding.EncodeToString([]byte(data)) + `"`)
	}
	holding := func(typ string, categories []fhir.DataCategory, identifiers []fhir.Identifier, patients ...fhir.ID) *fhir.Binary {
		return &fhir.Binary{ContentType: typ, Categories: categories, Identifiers: identifiers, Patients: patients}
	}
	tests := []struct {
		name, body string
		want       *fhir.Binary // nil: refused
	}{
		{"BI-4 a Binary as JSON", binary(holds), &pdf},
		{"BI-4 with white space, the type at the end", ` { "id" : "b" , "data" : "JVBERg==", "contentType":"application/pdf" , "language":"nl", "resourceType":"Binary" } `, &pdf},
		{"BI-4 escapes mean the same", `{"resourceType":"Binary","id":"\u0062","contentType":"application\/pdf","d\u0061ta":"JVBE\nRg=="}`, &pdf},
		{"BI-4 raw bytes", "%PDF-1.7", nil},
		{"BI-4 another resource", `{"resourceType":"Patient","id":"b",` + holds + `}`, nil},
		{"BI-4 no resource type", `{"id":"b",` + holds + `}`, nil},
		{"BI-4 another id", `{"resourceType":"Binary","id":"c",` + holds + `}`, nil},
		{"BI-4 no id", `{"resourceType":"Binary",` + holds + `}`, nil},
		{"BI-4 an id that is no text", `{"resourceType":"Binary","id":["b"],` + holds + `}`, nil},
		{"BI-4 bytes after it", binary(holds) + `{}`, nil},
		{"BI-4 data twice", binary(holds + `,"data":"JVBERg=="`), nil},
		{"BI-4 no data", binary(`"contentType":"application/pdf"`), nil},
		{"BI-4 empty data", binary(`"contentType":"application/pdf","data":""`), nil},
		{"BI-4 data that is no text", binary(`"contentType":"application/pdf","data":{"x":"JVBERg=="}`), nil},
		{"BI-4 data that is no base64", binary(`"contentType":"application/pdf","data":"JVBERg=*"`), nil},
		{"BI-4 base64 without its padding", binary(`"contentType":"application/pdf","data":"JVBERg"`), nil},
		{"BI-4 base64 with more after its padding", binary(`"contentType":"application/pdf","data":"JVBERg==JVBERg=="`), nil},
		{"BI-4 base64 with bits left over", binary(`"contentType":"application/pdf","data":"JVBERh=="`), nil},
		{"BI-4 base64 for URLs", binary(`"contentType":"application/pdf","data":"_-_-"`), nil},
		{"BI-4 STU3's name for the data", binary(`"contentType":"application/pdf","content":"JVBERg=="`), nil},
		{"BI-4 a member that it does not have", binary(holds + `,"text":{"div":"x"}`), nil},
		{"BI-4 a twin", binary(holds + `,"_contentType":{"id":"x"}`), nil},
		{"BI-4 rules that change the meaning", binary(holds + `,"implicitRules":"urn:x"`), nil},
		{"BI-4 a contained resource", binary(holds + `,"contained":[]`), nil},
		{"BI-4 a language that is no text", binary(holds + `,"language":1`), nil},
		{"BI-4 a name with the source in it", binary(holds + `,"securityContext":{"reference":"Patient/A","//hapi":1}`), nil},

		{"BI-4 parameters of the type", binary(`"contentType":"Text/Plain;Charset=UTF-8","data":"JVBERg=="`), typed("text/plain; charset=UTF-8")},
		{"BI-4 no type", binary(`"data":"JVBERg=="`), nil},
		{"BI-4 an empty type", binary(`"contentType":"","data":"JVBERg=="`), nil},
		{"BI-4 half a type", binary(`"contentType":"pdf","data":"JVBERg=="`), nil},
		{"BI-4 a type that is no text", binary(`"contentType":null,"data":"JVBERg=="`), nil},
		{"BI-4 a type with a line break", binary(`"contentType":"text/plain\r\nSet-Cookie: a=b","data":"JVBERg=="`), nil},
		{"BI-4 a line break in a parameter", binary(`"contentType":"text/plain; a=\"b\r\nc\"","data":"JVBERg=="`), nil},
		{"BI-4 a control character in a parameter", binary(`"contentType":"text/plain; a=\"\u0001\"","data":"JVBERg=="`), nil},
		{"BI-4 two types", binary(`"contentType":"text/plain, text/html","data":"JVBERg=="`), nil},
		{"BI-4 a type that is longer than any", binary(`"contentType":"text/` + strings.Repeat("x", 260) + `","data":"JVBERg=="`), nil},

		{"BI-2 a security context", binary(holds + `,"securityContext":{"reference":"Patient/A","display":"x"}`), guarded("Patient", "A")},
		{"BI-2 on the source's base, a version, with its type", binary(holds + `,"securityContext":{"type":"DocumentReference","reference":"http://hapi:8080/fhir/DocumentReference/d/_history/1"}`), guarded("DocumentReference", "d")},
		{"BI-2 a type as its definition", binary(holds + `,"securityContext":{"type":"http://hl7.org/fhir/StructureDefinition/Patient","reference":"Patient/A"}`), guarded("Patient", "A")},
		{"BI-2 elsewhere", binary(holds + `,"securityContext":{"reference":"http://other.example/fhir/Patient/A"}`), nil},
		{"BI-2 by identifier", binary(holds + `,"securityContext":{"identifier":{"system":"` + systemBSN + `","value":"1"}}`), nil},
		{"BI-2 of another type than it says", binary(holds + `,"securityContext":{"type":"Group","reference":"Patient/A"}`), nil},
		{"BI-2 a type that is no text", binary(holds + `,"securityContext":{"type":1,"reference":"Patient/A"}`), nil},
		{"BI-2 inside itself", binary(holds + `,"securityContext":{"reference":"#a"}`), nil},
		{"BI-2 nowhere", binary(holds + `,"securityContext":{}`), nil},
		{"BI-2 no object", binary(holds + `,"securityContext":"Patient/A"`), nil},
		{"BI-2 null", binary(holds + `,"securityContext":null`), nil},

		{"CA-11 a label", binary(holds + `,"meta":{"security":[{"system":"` + systemConfidentiality + `","code":"R"}]}`), labelled(fhir.Restricted)},
		{"CA-11 an unknown label", binary(holds + `,"meta":{"security":[{"system":"urn:x","code":"N"}]}`), labelled(fhir.Restricted)},
		{"CA-11 a label that restricts nothing", binary(holds + `,"meta":{"versionId":"1","security":[{"system":"` + systemConfidentiality + `","code":"N"}]}`), &pdf},
		{"CA-11 a label in the twin only", binary(holds + `,"meta":{"_security":[{}]}`), labelled(fhir.Restricted)},
		{"CA-11 a sensitive code among the tags", binary(`"meta":{"tag":[{"system":"` + sct + `","code":"370143000"}]},` + holds), labelled("MentalHealth")},
		{"BI-7 the content is a Bundle", content("application/fhir+json", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","identifier":[{"system":"`+systemBSN+`","value":"999999990"}]}},`+
			`{"resource":{"resourceType":"Condition","subject":{"reference":"Patient/B"},"code":{"coding":[{"system":"`+sct+`","code":"370143000"}]}}}]}`),
			holding("application/fhir+json", []fhir.DataCategory{"MentalHealth"}, []fhir.Identifier{{System: systemBSN, Value: "999999990"}}, "B")},
		{"BI-7 and does not say so", content("text/plain", ` {"resourceType":"Condition","subject":{"reference":"http://hapi:8080/fhir/Patient/B"}}`), holding("text/plain", nil, nil, "B")},
		{"BI-7 the content is a label", content("application/json", `[{"resourceType":"Basic","meta":{"security":[{"system":"`+systemConfidentiality+`","code":"R"}]}}]`), holding("application/json", []fhir.DataCategory{fhir.Restricted}, nil)},
		{"BI-7 the content is XML", content("text/xml", `<Patient xmlns="http://hl7.org/fhir"/>`), holding("text/xml", []fhir.DataCategory{fhir.Restricted}, nil)},
		{"BI-7 the content is broken", content("application/fhir+json", `{"resourceType":"Patient"`), holding("application/fhir+json", []fhir.DataCategory{fhir.Restricted}, nil)},
		{"BI-7 the content is another document", content("text/xml", `<ClinicalDocument xmlns="urn:hl7-org:v3"/>`), holding("text/xml", nil, nil)},

		{"CA-11 meta that is no object", binary(holds + `,"meta":[]`), nil},
	}
	r := newReader(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := r.Binary([]byte(tt.body), "b")
			if tt.want != nil && tt.want.Data == nil { // the content is as given, and what it discloses is looked at
				tt.want.Data = got.Data
			}
			if tt.want == nil {
				if !errors.Is(err, fhir.ErrContent) || !reflect.DeepEqual(got, fhir.Binary{}) {
					t.Errorf("got %+v, %v, want ErrContent", got, err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, *tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, *tt.want)
			}
		})
	}
}

// BI-14: Data does not change with the body, which is in pooled memory.
func TestBinaryIsACopy(t *testing.T) {
	data := strings.Repeat("canary ", 1000)
	body := []byte(`{"resourceType":"Binary","id":"b","contentType":"text/plain","data":"` + base64.StdEncoding.EncodeToString([]byte(data)) + `","securityContext":{"reference":"Patient/A"}}`)
	got, err := newReader(t).Binary(body, "b")
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	if string(got.Data) != data || got.ContentType != "text/plain" || got.SecurityContext != (fhir.LocalReference{Type: "Patient", ID: "A"}) {
		t.Error("the Binary changed with the body")
	}
}
