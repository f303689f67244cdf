package fhir_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

// batchOf is a batch with these entries.
func batchOf(entries ...string) string {
	return `{"resourceType":"Bundle","type":"batch","entry":[` + strings.Join(entries, ",") + `]}`
}

// asks is an entry with a read or a search.
func asks(url string) string {
	quoted, _ := json.Marshal(url)
	return fmt.Sprintf(`{"request":{"method":"GET","url":%s}}`, quoted)
}

func TestParseBatch(t *testing.T) {
	t.Parallel()
	body := batchOf(asks("Patient/A"), asks("Observation?patient=A&code=b"), asks("Observation/$lastn?patient=A"))
	got, err := fhir.ParseBatch([]byte(body), 3)
	want := []fhir.BatchEntry{{Request: get("Patient/A")}, {Request: get("Observation?patient=A&code=b")}, {Request: get("Observation/$lastn?patient=A")}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	for name, body := range map[string]string{
		"an empty batch":        batchOf(),
		"a batch of no entries": `{"resourceType":"Bundle","id":"x","meta":{"tag":[]},"type":"batch"}`,
	} {
		if got, err := fhir.ParseBatch([]byte(body), 0); err != nil || len(got) != 0 {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestBatchesAreRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	const malformed, noOperation = fhir.Malformed, fhir.NoOperation
	for _, c := range []struct {
		name, body string
		kind       fhir.Kind
		element    string
	}{
		{"no body", "", malformed, ""},
		{"no JSON", "<Bundle/>", malformed, ""},
		{"a list", "[]", malformed, ""},
		{"no UTF-8", "{\"resourceType\":\"\xff\"}", malformed, ""},
		{"something after the end", batchOf() + "{}", malformed, ""},
		{"JS-2 a member twice", `{"resourceType":"Bundle","type":"batch","type":"batch"}`, malformed, ""},
		{"JS-2 a member twice inside", batchOf(`{"request":{"method":"GET","url":"Patient/A","url":"Patient/B"}}`), malformed, ""},
		{"JS-2 a member twice, once escaped", batchOf(`{"request":{"method":"GET","url":"Patient/A","\u0075rl":"Patient/B"}}`), malformed, ""},
		{"JS-2 a member twice in a list", `{"resourceType":"Bundle","type":"batch","meta":{"tag":[{"a":1,"a":2}]}}`, malformed, ""},
		{"nested too deeply", `{"resourceType":"Bundle","type":"batch","meta":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + "}", malformed, ""},
		{"BA-3 Parameters", `{"resourceType":"Parameters"}`, malformed, "resourceType"},
		{"JS-3 names in another case", `{"ResourceType":"Bundle","type":"batch"}`, fhir.NotSupported, "ResourceType"},
		{"BA-7 a transaction", `{"resourceType":"Bundle","type":"transaction","entry":[]}`, noOperation, "type"},
		{"BA-8 a message", `{"resourceType":"Bundle","type":"message"}`, noOperation, "type"},
		{"BA-8 a document", `{"resourceType":"Bundle","type":"document"}`, noOperation, "type"},
		{"BA-8 a collection", `{"resourceType":"Bundle","type":"collection"}`, noOperation, "type"},
		{"BA-8 a history", `{"resourceType":"Bundle","type":"history"}`, noOperation, "type"},
		{"BA-8 a searchset", `{"resourceType":"Bundle","type":"searchset"}`, noOperation, "type"},
		{"BA-8 no type", `{"resourceType":"Bundle"}`, noOperation, "type"},
		{"entries that are no list", `{"resourceType":"Bundle","type":"batch","entry":{}}`, malformed, "entry"},
		{"no entries in a word", `{"resourceType":"Bundle","type":"batch","entry":null}`, malformed, "entry"},
		{"rules of its own", `{"resourceType":"Bundle","type":"batch","implicitRules":"http://x"}`, fhir.NotSupported, "implicitRules"},
		{"BA-10 too many entries", batchOf(asks("Patient/A"), asks("Patient/B"), asks("Patient/C")), fhir.TooLong, "entry"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := fhir.ParseBatch([]byte(c.body), 2)
			var refused *fhir.RequestError
			if got != nil || !errors.As(err, &refused) || refused.Kind != c.kind || refused.Element != c.element {
				t.Errorf("got %+v, %v; want kind %d, element %q", got, err, c.kind, c.element)
			}
		})
	}
}

func TestBatchEntriesAreRefusedOneByOne(t *testing.T) {
	t.Parallel()
	const malformed, notSupported, noMethod, noOperation = fhir.Malformed, fhir.NotSupported, fhir.NoMethod, fhir.NoOperation
	request := func(members string) string { return `{"request":{` + members + `}}` }
	for _, c := range []struct {
		name, entry string
		kind        fhir.Kind
		element     string
	}{
		{"no object", `"Patient/A"`, malformed, "request"},
		{"no request", `{}`, malformed, "request"},
		{"a request that is none", `{"request":"GET"}`, malformed, "request"},
		{"BA-3 a resource", `{"request":{"method":"GET","url":"Patient/A"},"resource":{"resourceType":"Bundle"}}`, notSupported, "resource"},
		{"BA-7 a fullUrl", `{"request":{"method":"GET","url":"Patient/A"},"fullUrl":"urn:uuid:x"}`, notSupported, "fullUrl"},
		{"a name that could be a value", `{"request":{"method":"GET","url":"Patient/A"},"999990019":1}`, notSupported, ""},
		{"BA-4 HEAD", request(`"method":"HEAD","url":"Patient/A"`), noMethod, "method"},
		{"BA-4 a verb in lower case", request(`"method":"get","url":"Patient/A"`), noMethod, "method"},
		{"BA-4 a search by POST", request(`"method":"POST","url":"Observation/_search"`), noMethod, "method"},
		{"BA-4 PATCH", request(`"method":"PATCH","url":"Patient/A"`), noMethod, "method"},
		{"BA-4 no verb", request(`"url":"Patient/A"`), noMethod, "method"},
		{"BA-4 everything", asks("Patient/A/$everything"), noOperation, "$everything"},
		{"BA-4 everything with a parameter", asks("Patient/A/$everything?_count=1"), noOperation, "$everything"},
		{"BA-4 an attachment", asks("Binary/abc"), noOperation, "Binary"},
		{"BA-5 ifNoneExist", request(`"method":"GET","url":"Patient/A","ifNoneExist":"identifier=x"`), notSupported, "ifNoneExist"},
		{"BA-5 ifMatch", request(`"method":"GET","url":"Patient/A","ifMatch":"W/\"1\""`), notSupported, "ifMatch"},
		{"BA-5 ifNoneMatch", request(`"method":"GET","url":"Patient/A","ifNoneMatch":"W/\"1\""`), notSupported, "ifNoneMatch"},
		{"BA-5 ifModifiedSince", request(`"method":"GET","url":"Patient/A","ifModifiedSince":"2020"`), notSupported, "ifModifiedSince"},
		{"no url", request(`"method":"GET"`), malformed, "url"},
		{"a url that is no text", request(`"method":"GET","url":["Patient/A"]`), malformed, "url"},
		{"an empty query", asks("Observation?"), malformed, "url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := fhir.ParseBatch([]byte(batchOf(asks("Patient/A"), c.entry)), 2)
			if err != nil || len(got) != 2 || got[0].Err != nil {
				t.Fatalf("got %+v, %v; want the first entry understood (BA-11)", got, err)
			}
			refused := got[1].Err
			if refused == nil || refused.Kind != c.kind || refused.Element != c.element || refused.Reason == "" || !reflect.DeepEqual(got[1].Request, fhir.Request{}) {
				t.Errorf("got %+v, want kind %d, element %q", got[1], c.kind, c.element)
			}
		})
	}
}

// TestBatchURLsAreReadLikePaths is BA-2: one parser for both.
func TestBatchURLsAreReadLikePaths(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"http://hapi:8080/fhir/Patient/B", "//evil/Patient", "../admin", "/fhir/../actuator", "Patient/A/../B", "?_type=Patient", "", "Patient%2FB",
		" Patient/A", "/Patient/A", "Patient/A#x", "Observation/_search", "_history", "Patient/A/_history/1", "metadata", "Patient\u0000/A",
		"Observation?patient=A#x", "Observation?patient=A&patient=B", "$export", "Observation?_cursor=a b",
	} {
		batch, err := fhir.ParseBatch([]byte(batchOf(asks(url))), 1)
		if err != nil || batch[0].Err != nil {
			t.Errorf("%q: got %+v, %v, want it left to ParseInteraction", url, batch, err)
			continue
		}
		if i, err := fhir.ParseInteraction(fhir.R4, batch[0].Request); err == nil {
			t.Errorf("%q: got %+v, want it refused", url, i)
		}
	}
}

// FuzzParseBatch checks that a batch matches what a plain decoder reads, and that it yields nothing but GETs.
func FuzzParseBatch(f *testing.F) {
	for _, body := range []string{
		batchOf(), batchOf(asks("Patient/A"), asks("Observation?patient=A")), batchOf(`{"request":{"method":"PUT","url":"Patient/A"}}`),
		`{"resourceType":"Bundle","type":"batch","entry":[{"resource":{}}]}`, `{"type":"batch","type":"x"}`, "[[[[", "\xff",
		batchOf(`{"request":{"method":"GET","url":"\ud800"}}`),
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		batch, err := fhir.ParseBatch(body, 10)
		var refused *fhir.RequestError
		if err != nil {
			if batch != nil || !errors.As(err, &refused) {
				t.Fatalf("got %+v and the error %v", batch, err)
			}
			return
		}
		var plain struct {
			Entry []struct{ Request struct{ Method, URL string } }
		}
		decoded := json.Unmarshal(body, &plain) == nil
		for n, entry := range batch {
			switch {
			case entry.Err != nil:
				if !reflect.DeepEqual(entry.Request, fhir.Request{}) {
					t.Fatalf("got %+v together with an error", entry)
				}
			case entry.Request.Method != "GET" || entry.Request.Allow != 0 || entry.Request.Body != nil:
				t.Fatalf("got %+v", entry)
			case decoded:
				url := entry.Request.Path
				if entry.Request.RawQuery != "" {
					url += "?" + entry.Request.RawQuery
				}
				if got := plain.Entry[n].Request; got.URL != url || got.Method != "GET" {
					t.Fatalf("got %q, a plain decoder reads %+v", url, got)
				}
			}
		}
	})
}
