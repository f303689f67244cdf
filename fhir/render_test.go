package fhir_test

import (
	"strings"
	"testing"

	"zorgsluis/fhir"
)

// keepAll keeps the display of every reference.
func keepAll(string) bool { return true }

// render reads a single resource and renders it.
func render(tb testing.TB, resource string, e fhir.Edits) string {
	tb.Helper()
	var c fhir.Contents
	if err := newReader(tb).Searchset([]byte(searchset(match(resource))), &c); err != nil {
		tb.Fatal(err)
	}
	return string(c.AppendResource(nil, 0, e))
}

func TestEdits(t *testing.T) {
	const subject = `"subject":{"reference":"Patient/A"}`
	obs := func(member string) string {
		return `{"resourceType":"Observation","id":"o",` + subject + `,` + member + `}`
	}
	none := `{"resourceType":"Observation","id":"o",` + subject + `}`
	strip := fhir.Edits{Base: "https://gw.example/fhir/h", KeepDisplay: keepAll, StripIdentifiers: true}
	plain := fhir.Edits{Base: "https://gw.example/fhir/h", KeepDisplay: keepAll}
	hide := fhir.Edits{Base: "https://gw.example/fhir/h", KeepDisplay: func(typ string) bool { return typ == "Practitioner" }}
	bsn := `{"system":"` + systemBSN + `","value":"999999990"}`
	tests := []struct {
		name     string
		edits    fhir.Edits
		in, want string
	}{
		{"JS-9 numbers stay as they are", plain, obs(`"v":[1.10,1e400,-0,12345678901234567890,0.0]`), obs(`"v":[1.10,1e400,-0,12345678901234567890,0.0]`)},
		{"JS-18 unknown members, escapes and white space stay", plain, "{ \"resourceType\":\"Observation\",\n\t\"id\" : \"o\", " + subject + ", \"x-debug\": \"\\u0041\\/\" }",
			"{ \"resourceType\":\"Observation\",\n\t\"id\" : \"o\", " + subject + ", \"x-debug\": \"\\u0041\\/\" }"},
		{"JS-21 angle brackets stay", plain, obs(`"t":"<script>&"`), obs(`"t":"<script>&"`)},

		{"versionId and source go", plain, obs(`"meta":{"versionId":"1","lastUpdated":"2020","source":"#x","_source":{"id":"y"}}`), obs(`"meta":{"lastUpdated":"2020"}`)},
		{"meta goes when nothing is left of it", plain, obs(`"meta":{"versionId":"1"}`), none},
		{"meta goes from the middle", plain, obs(`"meta" : { "versionId" : "1" } , "x":1`), obs(`"x":1`)},
		{"JS-17 the twin goes as well", plain, obs(`"meta":{"_versionId":{"id":"a"},"_source":{"id":"b"},"profile":["p"]}`), obs(`"meta":{"profile":["p"]}`)},
		{"versionId elsewhere stays", plain, obs(`"x":{"versionId":"1","source":"y"}`), obs(`"x":{"versionId":"1","source":"y"}`)},
		{"a contained resource's meta", plain, obs(`"contained":[{"resourceType":"Medication","meta":{"source":"#x"}}]`), obs(`"contained":[{"resourceType":"Medication"}]`)},

		{"UR-2 an absolute reference", plain, obs(`"encounter":{"reference":"http://hapi:8080/fhir/Encounter/e"}`), obs(`"encounter":{"reference":"https://gw.example/fhir/h/Encounter/e"}`)},
		{"UR-2 with escaped slashes", plain, obs(`"encounter":{"reference":"http:\/\/hapi:8080\/fhir\/Encounter\/e"}`), obs(`"encounter":{"reference":"https://gw.example/fhir/h/Encounter/e"}`)},
		{"UR-2 with unicode escapes", plain, obs(`"encounter":{"reference":"http:\u002f\u002fhapi:8080/fhir/Encounter/e"}`), obs(`"encounter":{"reference":"https://gw.example/fhir/h/Encounter/e"}`)},
		{"UR-2 a system, a valueUri", plain, obs(`"identifier":[{"system":"http://hapi:8080/fhir/NamingSystem/1"}],"extension":[{"url":"x","valueUri":"http://hapi:8080/fhir"}]`),
			obs(`"identifier":[{"system":"https://gw.example/fhir/h/NamingSystem/1"}],"extension":[{"url":"x","valueUri":"https://gw.example/fhir/h"}]`)},
		{"UR-2 a link in the narrative", plain, obs(`"text":{"div":"<a href=\"http://hapi:8080/fhir/Patient/A\">a</a>"}`), obs(`"text":{"div":"<a href=\"https://gw.example/fhir/h/Patient/A\">a</a>"}`)},
		{"UR-2 in capitals, without a port, with another one", plain, obs(`"t":"HTTP://HAPI:8080/fhir http://hapi/x http://hapi:9090"`), obs(`"t":"HTTP://gw.example/fhir http://gw.example/x http://gw.example"`)},
		{"UR-2 percent-encoded", plain, obs(`"t":"u=http%3A%2F%2Fhapi%3a8080%2ffhir 100%"`), obs(`"t":"u=http%3A%2F%2Fgw.example%2ffhir 100%"`)},
		{"UR-3 a doubled letter before the scheme", plain, obs(`"t":"hhttp://hapi:8080/fhir/x"`), obs(`"t":"hhttps://gw.example/fhir/h/x"`)},
		{"UR-3 the base, and on with it", plain, obs(`"t":"http://hapi:8080/fhirX http://hapi:8080/fhir@evil"`), obs(`"t":"http://gw.example/fhirX http://gw.example/fhir@evil"`)},
		{"UR-3 twice, and at the end of a sentence", plain, obs(`"t":"http://hapi:8080/fhir,http://hapi:8080/fhir http://hapi."`), obs(`"t":"https://gw.example/fhir/h,https://gw.example/fhir/h http://gw.example."`)},
		{"UR-4 other hosts and bare names stay", plain, obs(`"t":"http://hapix/ http://hapi.example/ http://hapi-2 a@hapi hapi:8080 \u00e9 https://gw.example//x"`),
			obs(`"t":"http://hapix/ http://hapi.example/ http://hapi-2 a@hapi hapi:8080 \u00e9 https://gw.example//x"`)},
		{"UR-5 a foreign reference stays foreign", plain, obs(`"performer":[{"reference":"http://other/fhir/Practitioner/p"}]`), obs(`"performer":[{"reference":"http://other/fhir/Practitioner/p"}]`)},
		{"a rewritten string is escaped again", plain, obs(`"t":"\"\\\b\u00e9\n//hapi"`), obs(`"t":"\"\\\u0008é\u000a//gw.example"`)},

		{"BI-1 a relative link to Binary", plain, obs(`"content":[{"attachment":{"contentType":"a","url":"Binary/1","title":"t"}}]`), obs(`"content":[{"attachment":{"contentType":"a","title":"t"}}]`)},
		{"BI-5 a pre-signed link", plain, obs(`"presentedForm":[{"url":"https://bucket.s3.example/x?X-Amz-Signature=1","_url":{"id":"x"},"contentType":"a"}]`), obs(`"presentedForm":[{"contentType":"a"}]`)},
		{"BI-6 a link to the source", plain, obs(`"x":{"url":"http://hapi:8080/fhir/Binary/1","size":1}`), obs(`"x":{"size":1}`)},
		{"BI-12 an extension's attachment", plain, obs(`"extension":[{"url":"u","valueAttachment":{"url":"http://x/y","title":"t"}}]`), obs(`"extension":[{"url":"u","valueAttachment":{"title":"t"}}]`)},
		{"BI-12 photo", plain, obs(`"photo":[{"url":"http://x/y","id":"1"},{"data":"AA=="}]`), obs(`"photo":[{"id":"1"},{"data":"AA=="}]`)},
		{"BI-12 an attachment that was its link", plain, obs(`"content":[{"attachment":{"url":"http://x/y"},"format":{"code":"f"}},{"attachment":{"url":"Binary/1"}}]`), obs(`"content":[{"format":{"code":"f"}}]`)},
		{"BI-7 inline data stays", plain, obs(`"content":[{"attachment":{"data":"AA=="}}]`), obs(`"content":[{"attachment":{"data":"AA=="}}]`)},
		{"an extension's url is its name", plain, obs(`"extension":[{"url":"http://x/y","valueString":"s"}],"modifierExtension":[{"url":"z","valueString":"s"}]`), obs(`"extension":[{"url":"http://x/y","valueString":"s"}],"modifierExtension":[{"url":"z","valueString":"s"}]`)},

		{"RM-10 Patient.link goes", plain, `{"resourceType":"Patient","id":"A","link":[{"other":{"reference":"Patient/B"},"type":"refer"}],"_link":[null],"active":true}`, `{"resourceType":"Patient","id":"A","active":true}`},
		{"RM-10 Patient.link goes from the start and the end", plain, `{"link":[],"resourceType":"Patient","id":"A","_link":1}`, `{"resourceType":"Patient","id":"A"}`},
		{"link of another type stays", plain, obs(`"link":[1]`), obs(`"link":[1]`)},

		{"the BSN stays where it may", plain, obs(`"identifier":[` + bsn + `]`), obs(`"identifier":[` + bsn + `]`)},
		{"the BSN goes alone", strip, obs(`"identifier":[` + bsn + `]`), none},
		{"the BSN goes from the start", strip, obs(`"identifier":[` + bsn + `, {"system":"u","value":"1"}]`), obs(`"identifier":[{"system":"u","value":"1"}]`)},
		{"the BSN goes from the end", strip, obs(`"identifier":[{"system":"u","value":"1"} , ` + bsn + ` ]`), obs(`"identifier":[{"system":"u","value":"1"}  ]`)},
		{"the BSN goes twice", strip, obs(`"identifier":[` + bsn + `,` + bsn + `],"x":1`), obs(`"x":1`)},
		{"the BSN of a reference", strip, `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/A","identifier":` + bsn + `}}`, none},
		{"a BSN without a value goes as well", strip, obs(`"identifier":[{"system":"` + systemBSN + `","_value":{"id":"x"}}]`), none},
		{"an escaped system", strip, obs(`"identifier":[{"system":"http:\/\/fhir.nl\/fhir\/NamingSystem\/bsn","value":"1"}]`), none},
		{"CA-7 the narrative goes with the BSN", strip, obs(`"text":{"status":"generated","div":"<div>Id 999999990 (BSN)</div>"},"identifier":[` + bsn + `]`), none},
		{"CA-7 the narrative of a contained resource as well", strip, obs(`"contained":[{"resourceType":"Organization","id":"g","text":{"div":"x"},"identifier":[` + bsn + `]}]`), obs(`"contained":[{"resourceType":"Organization","id":"g"}]`)},
		{"the narrative stays without a BSN", strip, obs(`"text":{"div":"x"}`), obs(`"text":{"div":"x"}`)},

		{"RF-13 the display of a type that is not permitted", hide, obs(`"encounter":{"reference":"Encounter/e","display":"GGZ"}`), obs(`"encounter":{"reference":"Encounter/e"}`)},
		{"RF-13 its twin", hide, obs(`"encounter":{"_display":{"extension":[{"url":"x","valueString":"GGZ"}]},"reference":"Encounter/e"}`), obs(`"encounter":{"reference":"Encounter/e"}`)},
		{"RF-14 a display that may stay", hide, obs(`"performer":[{"reference":"Practitioner/p","display":"dr. P"}]`), obs(`"performer":[{"reference":"Practitioner/p","display":"dr. P"}]`)},
		{"RF-14 a foreign reference by its type", hide, obs(`"a":{"reference":"http://x/Practitioner/p","display":"dr. P"},"b":{"reference":"http://x/Location/p","display":"GGZ"}`), obs(`"a":{"reference":"http://x/Practitioner/p","display":"dr. P"},"b":{"reference":"http://x/Location/p"}`)},
		{"RF-14 a logical reference by its type", hide, obs(`"a":{"type":"Practitioner","identifier":{"system":"u"},"display":"dr. P"},"b":{"identifier":{"system":"u"},"display":"?"}`), obs(`"a":{"type":"Practitioner","identifier":{"system":"u"},"display":"dr. P"},"b":{"identifier":{"system":"u"}}`)},
		{"RF-14 a contained target by its type", hide, obs(`"a":{"reference":"#p","display":"dr. P"},"b":{"reference":"#l","display":"GGZ"},"contained":[{"resourceType":"Practitioner","id":"p"},{"resourceType":"Location","id":"l"}]`),
			obs(`"a":{"reference":"#p","display":"dr. P"},"b":{"reference":"#l"},"contained":[{"resourceType":"Practitioner","id":"p"},{"resourceType":"Location","id":"l"}]`)},
		{"RF-14 no rule keeps no display", fhir.Edits{Base: "https://gw.example"}, obs(`"performer":[{"reference":"Practitioner/p","display":"dr. P"}]`), obs(`"performer":[{"reference":"Practitioner/p"}]`)},
		{"a coding's display stays", hide, obs(`"category":[{"coding":[{"system":"` + systemObservation + `","code":"laboratory","display":"Laboratory"}]}]`), obs(`"category":[{"coding":[{"system":"` + systemObservation + `","code":"laboratory","display":"Laboratory"}]}]`)},
		{"the only member of an object of its own", hide, obs(`"a":{"identifier":` + bsn + `,"reference":"Practitioner/p"}`), obs(`"a":{"identifier":` + bsn + `,"reference":"Practitioner/p"}`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := render(t, tt.in, tt.edits); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestAppendSearchset(t *testing.T) {
	obs := func(id string) string {
		return `{"resourceType":"Observation","id":"` + id + `","subject":{"reference":"Patient/A"},"v":1.10}`
	}
	body := `{"resourceType":"Bundle","id":"b","meta":{"versionId":"1"},"type":"searchset","total":4,"signature":{"data":"x"},"link":[{"relation":"next","url":"http://hapi:8080/n"}],"entry":[` +
		`{"fullUrl":"http://hapi:8080/fhir/Observation/1","link":[{"url":"http://hapi:8080/x"}],"response":{"etag":"W/1"},` + match(obs("1"))[1:] + `,` +
		match(`{"resourceType":"Group","id":"g"}`) + `,` + match(obs("2")) + `,{"resource":{"resourceType":"Practitioner","id":"p"},"search":{"mode":"include","score":0.5}}]}`
	var c fhir.Contents
	if err := newReader(t).Searchset([]byte(body), &c); err != nil {
		t.Fatal(err)
	}
	edits := fhir.Edits{Base: "https://gw.example/fhir/h", Self: "https://gw.example/self?x=\"", Next: "https://gw.example/next", KeepDisplay: keepAll}
	const head = `{"resourceType":"Bundle","type":"searchset"`
	entry := func(name, resource, mode string) string {
		return `{"fullUrl":"https://gw.example/fhir/h/` + name + `","resource":` + resource + `,"search":{"mode":"` + mode + `"}}`
	}
	links := `,"link":[{"relation":"self","url":"https://gw.example/self?x=\""},{"relation":"next","url":"https://gw.example/next"}]`
	tests := []struct {
		name  string
		keep  []bool
		edits fhir.Edits
		want  string
	}{
		{"JS-14 everything that may go", []bool{true, true, true, true}, edits, head + links + `,"entry":[` + entry("Observation/1", obs("1"), "match") + `,` +
			entry("Observation/2", obs("2"), "match") + `,` + entry("Practitioner/p", `{"resourceType":"Practitioner","id":"p"}`, "include") + `]}`},
		{"one of them", []bool{false, false, true, false}, edits, head + links + `,"entry":[` + entry("Observation/2", obs("2"), "match") + `]}`},
		{"none, and no entry then", []bool{false, false, false, false}, edits, head + links + `}`},
		{"PG-8 only next", []bool{false, false, false, false}, fhir.Edits{Base: "https://gw.example", Next: "n"}, head + `,"link":[{"relation":"next","url":"n"}]}`},
		{"PG-8 only self", []bool{false, false, false, false}, fhir.Edits{Base: "https://gw.example", Self: "s"}, head + `,"link":[{"relation":"self","url":"s"}]}`},
		{"no links", []bool{false, true, false, false}, fhir.Edits{Base: "https://gw.example"}, head + `}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(c.AppendSearchset([]byte("before "), tt.keep, tt.edits)); got != "before "+tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
	if got := c.AppendResource(nil, 1, edits); len(got) > 0 {
		t.Errorf("a resource of nobody was written: %s", got)
	}
}

// UR-2: whatever a response holds, no rendered URL names the source's host, in any form.
func TestSourceHostNeverLeaves(t *testing.T) {
	forms := []string{
		"http://hapi:8080/fhir", "http://hapi:8080/fhir/Patient/A", "HTTP://HAPI:8080/FHIR", "http://hapi", "https://hapi/x", "//hapi:8080", "http:\\/\\/hapi:8080\\/fhir",
		"http:\\u002f\\u002fhapi:8080", "http%3A%2F%2Fhapi%3A8080%2Ffhir", "http%3a%2f%2fHaPi", "\\u0068ttp:\\u002F\\u002F\\u0068api:8080/fhir", "xhttp://hapi:8080/fhir?a=http://hapi",
	}
	for _, form := range forms {
		resource := `{"resourceType":"DocumentReference","id":"d","meta":{"source":"` + form + `","profile":["` + form + `"]},"implicitRules":"` + form + `",` +
			`"text":{"div":"<img src=\"` + form + `\"/>"},"subject":{"reference":"Patient/A","display":"` + form + `"},"identifier":[{"system":"` + form + `","value":"` + form + `"}],` +
			`"content":[{"attachment":{"url":"` + form + `","title":"` + form + `"}}],"extension":[{"url":"` + form + `","valueString":"` + form + `#"},{"url":"x","valueUri":"` + form + `"}],"note":"a ` + form + ` b"}`
		got := strings.ToLower(render(t, resource, fhir.Edits{Base: "https://gw.example/fhir/h", KeepDisplay: keepAll}))
		if got == "" {
			t.Errorf("%s: nothing was written", form)
		}
		if strings.Contains(got, "hapi") {
			t.Errorf("%s: the host is in %s", form, got)
		}
	}
}
