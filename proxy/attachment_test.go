package proxy_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"zorgsluis/configs"
	"zorgsluis/fhir"
	"zorgsluis/proxy"
)

// document gives patient A a letter whose content is Binary/bin-A.
func (w *world) document(contentType, content, extra string) {
	w.source.records["DocumentReference/doc-A"] = `{"resourceType":"DocumentReference","id":"doc-A","status":"current","subject":{"reference":"Patient/A"},` +
		`"content":[{"attachment":{"contentType":"` + contentType + `","url":"` + w.source.base() + `/Binary/bin-A","title":"letter"}},{"attachment":{"url":"https://bucket.example/x?signature=` + canary + `"}}]}`
	w.source.records["Binary/bin-A"] = `{"resourceType":"Binary","id":"bin-A","contentType":"` + contentType + `"` + extra + `,"data":"` +
		base64.StdEncoding.EncodeToString([]byte(content)) + `"}`
}

// attachmentURL returns the first link of the released document, without the gateway's own address.
func (r reply) attachmentURL() string {
	var d struct {
		Content []struct{ Attachment struct{ URL string } }
	}
	_ = json.Unmarshal([]byte(r.body), &d)
	if len(d.Content) == 0 {
		return ""
	}
	return strings.TrimPrefix(d.Content[0].Attachment.URL, "https://gw.example")
}

func TestAttachmentsGoThroughTheirHolder(t *testing.T) {
	w := newWorld(t)
	w.story()
	w.document("application/pdf", "the letter", "")
	read := w.get("gp", "/fhir/demo/DocumentReference/doc-A")
	link := read.attachmentURL()
	if read.status != 200 || !strings.HasPrefix(link, "/fhir/demo/Binary/") || strings.Contains(read.body, "bin-A") || strings.Contains(read.body, canary) {
		t.Fatalf("BI-1, BI-5, BI-6: got %d, link %q\n%s", read.status, link, read.body)
	}
	found := w.get("gp", "/fhir/demo/DocumentReference?patient=A")
	if !strings.Contains(found.body, "https://gw.example/fhir/demo/Binary/") {
		t.Errorf("a search gives no link: %s", found.body)
	}
	got := w.get("gp", link)
	if got.status != 200 || got.body != "the letter" || got.header.Get("Content-Type") != "application/pdf" {
		t.Fatalf("got %d %q %v", got.status, got.body, got.header)
	}
	for name, want := range map[string]string{
		"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "no-store",
	} {
		if got.header.Get(name) != want {
			t.Errorf("BI-4 %s is %q, want %q", name, got.header.Get(name), want)
		}
	}
	if e := w.store.last(t); w.store.count() != 3 || e.Outcome != "permit" || len(e.Disclosed) != 2 || e.Disclosed[0] != "DocumentReference/doc-A" {
		t.Errorf("event %+v", e)
	}
	resource := w.send("gp", "GET", link, "", "", "Accept", "application/fhir+json")
	if resource.status != 200 || !strings.Contains(resource.body, `"resourceType":"Binary"`) {
		t.Errorf("as a resource: %d %s", resource.status, resource.body)
	}
}

// TestADocumentHoldsItsPatient is RF-7: as IHE MHD has it, a document may hold its patient as it was then. It is given if it is the same
// person, to who may see patients too, and without the number where that is not to be seen.
func TestADocumentHoldsItsPatient(t *testing.T) {
	for _, tt := range []struct {
		name, caller, bsn string
		data              []string
		status            int
	}{
		{"the same person", "gp", bsnA, []string{"Unclassified", "Patient"}, 200},
		{"to somebody who may not see patients", "gp", bsnA, []string{"Unclassified"}, 404},
		{"another person", "gp", bsnB, []string{"Unclassified", "Patient"}, 404},
		{"to the patient", "patient-a", bsnA, nil, 200},
		{"to the patient, of another person", "patient-a", bsnB, nil, 404},
	} {
		w := newWorld(t)
		w.store.put(bsnA, permit("c1", "gp", tt.data...))
		w.document("application/pdf", "the letter", "")
		w.source.records["DocumentReference/doc-A"] = strings.Replace(w.source.records["DocumentReference/doc-A"], `"status"`,
			`"contained":[{"resourceType":"Patient","id":"p","identifier":[{"system":"`+bsnSystem+`","value":"`+tt.bsn+`"}],"name":[{"family":"Alder"}]}],`+
				`"context":{"sourcePatientInfo":{"reference":"#p"}},"status"`, 1)
		got := w.get(tt.caller, "/fhir/demo/DocumentReference/doc-A")
		if got.status != tt.status || strings.Contains(got.body, tt.bsn) != (tt.status == 200 && tt.caller == "gp") {
			t.Errorf("%s: got %d %s", tt.name, got.status, got.body)
		}
	}
}

// TestResourcesInAnAttachment: what a document holds is given with it, if it is FHIR too, as long as it is about this patient and not more
// sensitive; and no label of a Binary that hides it from everybody is overlooked, for the patient either.
func TestResourcesInAnAttachment(t *testing.T) {
	w := newWorld(t)
	w.story()
	own := `{"resourceType":"Bundle","type":"document","entry":[{"resource":{"resourceType":"Patient","id":"x","identifier":[{"system":"` + bsnSystem + `","value":"` + bsnA + `"}]}},` +
		`{"resource":{"resourceType":"Condition","subject":{"reference":"Patient/x"}}}]}`
	for _, content := range []string{own, `{"resourceType":"Condition","subject":{"reference":"Patient/A"}}`} {
		w.document("application/fhir+json", content, "")
		if got := w.get("gp", w.get("gp", "/fhir/demo/DocumentReference/doc-A").attachmentURL()); got.status != 200 || got.body != content {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}

	w = newWorld(t, func(p *proxy.Parts) { hide(t, p, fhir.Coding{System: "urn:note", Code: "own"}) })
	w.document("text/plain", canary, `,"meta":{"tag":[{"system":"urn:note","code":"own"}]}`)
	for _, caller := range []string{"patient-a", "gp"} {
		w.store.put(bsnA, permit("c1", "gp", "GGC002"))
		if got := w.get(caller, w.get(caller, "/fhir/demo/DocumentReference/doc-A").attachmentURL()); got.status != 404 {
			t.Errorf("%s: a Binary that is never disclosed: got %d %s", caller, got.status, got.body)
		}
	}
}

// hide makes a code one that hides what holds it from everybody.
func hide(t *testing.T, p *proxy.Parts, code fhir.Coding) {
	t.Helper()
	tables, err := configs.Default()
	if err != nil {
		t.Fatal(err)
	}
	classifier, err := fhir.NewClassifier(fhir.R4, tables.Rules(fhir.R4), append(tables.Sensitive, fhir.SensitiveCode{Coding: code, Category: fhir.NeverDisclosed}))
	if err != nil {
		t.Fatal(err)
	}
	source := p.Sources[0]
	source.Classifier = classifier
	if source.Reader, err = fhir.NewReader(fhir.ReaderOptions{Version: fhir.R4, Base: source.Base, PersonSystems: source.PersonSystems, Classifier: classifier}); err != nil {
		t.Fatal(err)
	}
}

func TestAttachmentsThatAreNotGiven(t *testing.T) {
	tests := []struct {
		name   string
		change func(w *world, link string) (caller, target string)
	}{
		{"BI-1 by its own id", func(_ *world, _ string) (string, string) { return "gp", "/fhir/demo/Binary/bin-A" }},
		{"PG-2 by another caller", func(_ *world, link string) (string, string) { return "gp2", link }},
		{"PG-4 with a flipped bit", func(_ *world, link string) (string, string) {
			return "gp", link[:len(link)-8] + strings.Map(func(r rune) rune { return 'A' + (r+1)%26 }, link[len(link)-8:])
		}},
		{"PG-3 after its time", func(w *world, link string) (string, string) {
			w.clock = w.clock.Add(11 * time.Minute)
			return "gp", link
		}},
		{"after the withdrawal", func(w *world, link string) (string, string) {
			w.store.withdrawAll(bsnA)
			return "gp", link
		}},
		{"the holder has it no more", func(w *world, link string) (string, string) {
			w.source.records["DocumentReference/doc-A"] = strings.Replace(w.source.records["DocumentReference/doc-A"], "Binary/bin-A", "Binary/bin-B", 1)
			return "gp", link
		}},
		{"the holder is of another patient now", func(w *world, link string) (string, string) {
			w.source.records["DocumentReference/doc-A"] = strings.Replace(w.source.records["DocumentReference/doc-A"], "Patient/A", "Patient/B", 1)
			return "gp", link
		}},
		{"BI-2 the security context is another patient", func(w *world, link string) (string, string) {
			w.document("application/pdf", canary, `,"securityContext":{"reference":"Patient/B"}`)
			return "gp", link
		}},
		{"CA-11 a label restricts it", func(w *world, link string) (string, string) {
			w.document("application/pdf", canary, `,"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}`)
			return "gp", link
		}},
		{"BI-7 it holds resources of another patient", func(w *world, link string) (string, string) {
			w.document("application/fhir+json", strings.ReplaceAll(`{'resourceType':'Bundle','type':'document','entry':[{'resource':{'resourceType':'Patient','identifier':[{'system':'`+bsnSystem+`','value':'`+bsnB+`'}],'name':[{'family':'`+canary+`'}]}}]}`, "'", `"`), "")
			return "gp", link
		}},
		{"BI-7 it holds a resource of another patient, and does not say so", func(w *world, link string) (string, string) {
			w.document("text/plain", `{"resourceType":"Condition","subject":{"reference":"Patient/B"},"code":{"text":"`+canary+`"}}`, "")
			return "gp", link
		}},
		{"BI-7 it holds a sensitive code", func(w *world, link string) (string, string) {
			w.document("application/json", `{"resourceType":"Condition","code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"F32.1","display":"`+canary+`"}]}}`, "")
			return "gp", link
		}},
		{"BI-7 it holds resources in XML", func(w *world, link string) (string, string) {
			w.document("application/fhir+xml", `<Condition xmlns="http://hl7.org/fhir"><note>`+canary+`</note></Condition>`, "")
			return "gp", link
		}},
		{"a page link is no attachment link", func(w *world, _ string) (string, string) {
			w.rows(24, func(int) bool { return false })
			next := w.get("gp", "/fhir/demo/Observation?patient=A&_count=1").link("next")
			_, sealed, _ := strings.Cut(next, "_cursor=")
			return "gp", "/fhir/demo/Binary/" + sealed
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.story()
			w.document("application/pdf", canary, "")
			caller, target := tt.change(w, w.get("gp", "/fhir/demo/DocumentReference/doc-A").attachmentURL())
			got := w.get(caller, target)
			if got.status != 404 || strings.Contains(got.body, canary) || got.issue() != "not-found" {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
}

func TestVersionsAreOffUnlessAllowed(t *testing.T) {
	w := newWorld(t)
	w.story()
	for _, target := range []string{"/fhir/demo/Observation/lab-A/_history", "/fhir/demo/Observation/lab-A/_history/1", "/fhir/demo/Patient/_history", "/fhir/demo/_history"} {
		if got := w.get("gp", target); got.status != 501 || len(w.source.all()) != 0 {
			t.Errorf("RD-8 … RD-10 %s: got %d, source asked %v", target, got.status, w.source.all())
		}
	}
}

// versioned allows vread and history, and adds two older versions of lab-A: one of the same kind, one of another patient.
func versioned(t *testing.T) *world {
	w := newWorld(t, func(p *proxy.Parts) { p.Sources[0].Allow = fhir.AllowVRead | fhir.AllowHistory })
	w.story()
	lab := w.source.records["Observation/lab-A"]
	older := strings.Replace(lab, "7.20", "6.90", 1)
	moved := strings.Replace(strings.Replace(lab, "Patient/A", "Patient/B", 1), `"Hb"`, `"`+canary+`"`, 1)
	w.source.records["Observation/lab-A/_history/2"] = older
	w.source.records["Observation/lab-A/_history/1"] = moved
	w.source.records["Observation/lab-A/_history"] = `{"resourceType":"Bundle","type":"history","total":4,"entry":[` +
		`{"resource":` + lab + `},{"resource":` + older + `},{"resource":` + moved + `},{"request":{"method":"DELETE","url":"Observation/lab-A"}}]}`
	return w
}

func TestVersionsAreDecidedOnTheirOwnContent(t *testing.T) {
	w := versioned(t)
	if got := w.get("gp", "/fhir/demo/Observation/lab-A/_history/2"); got.status != 200 || !strings.Contains(got.body, "6.90") {
		t.Errorf("RD-8 a permitted version: %d %s", got.status, got.body)
	}
	if got := w.get("gp", "/fhir/demo/Observation/lab-A/_history/1"); got.status != 404 || strings.Contains(got.body, canary) {
		t.Errorf("RD-8 a version about another patient: %d %s", got.status, got.body)
	}
	if got := w.get("gp", "/fhir/demo/Observation/lab-A/_history/9"); got.status != 404 {
		t.Errorf("RD-8 a version that is not there: %d", got.status)
	}
	history := w.get("gp", "/fhir/demo/Observation/lab-A/_history")
	if history.status != 200 || len(history.entries()) != 2 || strings.Contains(history.body, canary) || strings.Contains(history.body, "DELETE") {
		t.Errorf("RD-9 got %d %v %s", history.status, history.entries(), history.body)
	}
	w.source.records["Observation/lab-A"] = strings.Replace(w.source.records["Observation/lab-A"], "Patient/A", "Patient/B", 1)
	for _, target := range []string{"/fhir/demo/Observation/lab-A/_history/2", "/fhir/demo/Observation/lab-A/_history"} {
		if got := w.get("gp", target); got.status != 404 {
			t.Errorf("RD-8 the current version is another patient's: %d %s", got.status, got.body)
		}
	}
}

// TestACountTellsNothingOfHiddenVersions: permitted versions are returned up to the requested number, and whether the source has more,
// withheld ones makes no difference (RD-9).
func TestACountTellsNothingOfHiddenVersions(t *testing.T) {
	for _, hidden := range []bool{true, false} {
		w := versioned(t)
		lab, older, moved := w.source.records["Observation/lab-A"], w.source.records["Observation/lab-A/_history/2"], w.source.records["Observation/lab-A/_history/1"]
		versions := []string{lab, older}
		if hidden {
			versions = []string{moved, lab, moved, older, moved}
		}
		w.source.intercept = func(rw http.ResponseWriter, r *http.Request) bool { // a source that pages
			if !strings.HasSuffix(r.URL.Path, "/_history") {
				return false
			}
			next, page := "", versions
			if n, err := strconv.Atoi(r.URL.Query().Get("_count")); err == nil && n < len(versions) {
				next, page = `"link":[{"relation":"next","url":"`+w.source.base()+`?page=2"}],`, versions[:n]
			}
			rw.Header().Set("Content-Type", "application/fhir+json")
			io.WriteString(rw, `{"resourceType":"Bundle","type":"history",`+next+`"entry":[{"resource":`+strings.Join(page, `},{"resource":`)+`}]}`)
			return true
		}
		for count, want := range map[string]int{"": 2, "?_count=1": 1, "?_count=2": 2, "?_count=3": 2} {
			if got := w.get("gp", "/fhir/demo/Observation/lab-A/_history"+count); got.status != 200 || len(got.entries()) != want || !strings.Contains(got.body, "7.20") {
				t.Errorf("with hidden versions %t, %s: got %d %v, want %d", hidden, count, got.status, got.entries(), want)
			}
		}
	}
}

// TestAbsentTakesTheWorkOfWithheld: versions and attachments, like reads, cost the same requests to the source and to the store whether
// absent or withheld.
func TestAbsentTakesTheWorkOfWithheld(t *testing.T) {
	w := versioned(t)
	w.document("application/pdf", "the letter", "")
	link := w.get("gp", "/fhir/demo/DocumentReference/doc-A").attachmentURL()
	looks := 0
	w.store.onRead = func() error { looks++; return nil }
	work := func(target string) (asked int) {
		t.Helper()
		before, seen := len(w.source.all()), looks
		if got := w.get("gp", target); got.status != 404 {
			t.Errorf("%s: got %d, want 404", target, got.status)
		}
		return 100*(looks-seen) + len(w.source.all()) - before
	}
	label := func(name string) (restore func()) {
		whole := w.source.records[name]
		w.source.records[name] = strings.Replace(whole, `"id":`, `"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"V"}]},"id":`, 1)
		return func() { w.source.records[name] = whole }
	}
	for _, tt := range []struct{ name, resource, target string }{
		{"a read", "Observation/lab-A", "/fhir/demo/Observation/lab-A"},
		{"a version", "Observation/lab-A", "/fhir/demo/Observation/lab-A/_history/2"},
		{"a history", "Observation/lab-A", "/fhir/demo/Observation/lab-A/_history"},
		{"an older version alone", "Observation/lab-A/_history/2", "/fhir/demo/Observation/lab-A/_history/2"},
		{"an attachment, its holder", "DocumentReference/doc-A", link},
		{"an attachment, itself", "Binary/bin-A", link},
	} {
		restore := label(tt.resource)
		withheld := work(tt.target)
		delete(w.source.records, tt.resource)
		absent := work(tt.target)
		restore()
		if withheld != absent || withheld == 0 {
			t.Errorf("%s: %d looks and %d requests where it is withheld, %d and %d where it is absent", tt.name, withheld/100, withheld%100, absent/100, absent%100)
		}
	}
}
