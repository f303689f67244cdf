package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// batch returns a batch of these entries.
func batch(entries ...string) question {
	return question{
		method: http.MethodPost, path: "/fhir/demo", contentType: "application/fhir+json",
		body: `{"resourceType":"Bundle","type":"batch","entry":[` + strings.Join(entries, ",") + `]}`,
	}
}

// reads returns a batch of GETs.
func reads(urls ...string) question {
	var entries []string
	for _, url := range urls {
		text, err := json.Marshal(url)
		if err != nil {
			panic(err) // a string can always be marshalled
		}
		entries = append(entries, `{"request":{"method":"GET","url":`+string(text)+`}}`)
	}
	return batch(entries...)
}

// statuses returns the statuses of a batch's entries.
func (r reply) statuses() []string {
	var b struct {
		Type  string
		Entry []struct{ Response struct{ Status string } }
	}
	_ = json.Unmarshal([]byte(r.body), &b)
	var all []string
	for _, e := range b.Entry {
		code, _, _ := strings.Cut(e.Response.Status, " ")
		all = append(all, code)
	}
	return all
}

// outcomes returns n events with an outcome.
func outcomes(n int, outcome audit.Outcome) []audit.Outcome {
	return slices.Repeat([]audit.Outcome{outcome}, n)
}

// batched sends a batch, and wants these statuses in this order, one event for each entry, and no batch at the source.
func (s *stage) batched(q question, want ...string) reply {
	s.T.Helper()
	s.source.Reset()
	r := s.booked("batch", s.ask(demo.GP(), q), outcomes(len(want), "")...)
	if got := r.statuses(); r.status != http.StatusOK || !slices.Equal(got, want) || !strings.Contains(r.body, `"batch-response"`) {
		s.T.Errorf("got %d %v, want 200 %v\n%s", r.status, got, want, tail(r.body, 1000))
	}
	for _, asked := range s.source.Requests() {
		if asked.Method != http.MethodGet && asked.Path != "Patient/_search" || asked.Path == "" || strings.Contains(asked.Path, "..") {
			s.T.Errorf("the source was asked %s %s", asked.Method, asked.Path)
		}
	}
	return r
}

// leaksOfBatches are the rows of chapter 1.6.
var leaksOfBatches = []leak{
	{"BA-1", "Each entry of a batch goes the very same way as a request of its own; the caller's Bundle is never forwarded.", func(s *stage) {
		s.batched(reads("Patient/leak-b", "Observation/obs-lab-a", "Observation?patient=leak-a", "Observation?patient=leak-b", "Observation"), "404", "200", "200", "403", "400")
		nobody := s.ask(demo.Caller{}, reads("Patient/leak-d"))
		if nobody.status != 401 {
			s.Errorf("without a token: got %d, want 401", nobody.status)
		}
	}},
	{"BA-2", "The url of an entry is read by the same parser as a path: relative, one writing only.", func(s *stage) {
		urls := []string{s.source.URL() + "/Patient/leak-d", "//evil/Patient", "../admin", "/fhir/../actuator", "Patient/leak-d/../leak-b", "Patient%2Fleak-b", " Patient/leak-d", "/Patient/leak-d", "Patient/leak-d#x", "https://evil.example/Patient/leak-d"}
		s.batched(reads(urls...), slices.Repeat([]string{"404"}, len(urls))...)
		s.wantAsked()
		r := s.batched(reads("?_type=Patient", "", "Observation?", "Patient/leak-d?_format=json;x"), "501", "404", "400", "400")
		s.wantAsked()
		if strings.Contains(r.body, "evil") {
			s.Errorf("the url is said back: %s", r.body)
		}
	}},
	{"BA-3", "An entry with a resource, and so a batch in a batch, is refused.", func(s *stage) {
		inner := `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/leak-d"}}]}`
		s.batched(batch(`{"resource":`+inner+`,"request":{"method":"GET","url":"Patient/leak-d"}}`, `{"resource":`+inner+`}`,
			`{"resource":{"resourceType":"Parameters","parameter":[{"name":"x","resource":`+inner+`}]},"request":{"method":"GET","url":"Patient/leak-d"}}`, inner), "400", "400", "400", "400")
		s.wantAsked()
	}},
	{"BA-4", "An entry is a GET of a read or a search; other methods, _search, operations and attachments are refused.", func(s *stage) {
		entry := func(method, url string) string { return `{"request":{"method":"` + method + `","url":"` + url + `"}}` }
		s.batched(batch(entry("HEAD", "Patient/leak-d"), entry("get", "Patient/leak-d"), entry("PATCH", "Patient/leak-d"), entry("POST", "Observation/_search"), entry("DELETE", "Patient/leak-d"), entry("PUT", "Patient/leak-d"),
			entry("GET", "Patient/leak-d/$everything"), entry("GET", "$everything"), entry("GET", "Patient/$everything"), entry("GET", "Binary/binary-d"), entry("GET", "Patient/leak-d/_history"), entry("GET", "metadata")),
			"405", "405", "405", "405", "405", "405", "501", "501", "501", "501", "501", "404")
		s.wantAsked()
	}},
	{"BA-5", "Conditions in an entry are refused.", func(s *stage) {
		var entries []string
		for _, name := range []string{"ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince"} {
			entries = append(entries, `{"request":{"method":"GET","url":"Observation/obs-psy-a","`+name+`":"x"}}`)
		}
		s.batched(batch(entries...), "400", "400", "400", "400")
		s.wantAsked()
	}},
	{"BA-6", "Bodies of entries are refused, and with them every conditional reference.", func(s *stage) {
		body := `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient?identifier=` + demo.SystemBSN + `|` + leakB.BSN + `"}}`
		s.batched(batch(`{"resource":`+body+`,"request":{"method":"POST","url":"Observation"}}`, `{"request":{"method":"GET","url":"Patient?identifier=`+demo.SystemBSN+`|`+leakB.BSN+`"}}`), "400", "403")
		s.wantAsked()
		s.turnedAway(demo.GP(), 501, "not-supported", sent(http.MethodPost, "", "application/fhir+json", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":`+body+`,"request":{"method":"POST","url":"Observation"}}]}`))
	}},
	{"BA-7", "fullUrl, order and links between entries mean nothing: an entry that has more than a request is refused.", func(s *stage) {
		s.batched(batch(`{"fullUrl":"Patient/leak-d","resource":{"resourceType":"Patient","id":"leak-b"},"request":{"method":"GET","url":"Patient/leak-d"}}`, `{"fullUrl":"urn:uuid:1","request":{"method":"GET","url":"Patient/leak-d"}}`,
			`{"request":{"method":"DELETE","url":"Patient/leak-d"}}`, `{"link":[],"request":{"method":"GET","url":"Patient/leak-d"}}`, `{"search":{"mode":"match"},"request":{"method":"GET","url":"Patient/leak-d"}}`), "400", "400", "405", "400", "400")
		s.wantAsked()
	}},
	{"BA-8", "Any other Bundle is refused at the base, and a stored Bundle is no type that is served.", func(s *stage) {
		for _, typ := range []string{"message", "document", "collection", "history", "searchset", "transaction", "batch-response", "Batch"} {
			q := reads("Patient/leak-d")
			q.body = strings.Replace(q.body, `"batch"`, `"`+typ+`"`, 1)
			s.turnedAway(demo.GP(), 501, "not-supported", q)
		}
		body := reads("Patient/leak-d").body
		post := func(path string) question { return sent(http.MethodPost, path, "application/fhir+json", body) }
		s.turnedAway(demo.GP(), 405, "not-supported", post("Bundle"))
		s.turnedAway(demo.GP(), 404, "not-found", post("/"), post("Bundle/"))
		s.turnedAway(demo.GP(), 400, "invalid", post("?_format=json"))
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Bundle", "Bundle/x", "Bundle?type=message", "Patient/leak-d/Bundle")...)
	}},
	{"BA-9", "An entry that is refused has one of the fixed outcomes, the same for hidden and absent, and no other number.", func(s *stage) {
		hidden, absent := s.batched(reads("Observation/obs-psy-a", "Patient/leak-b"), "404", "404"), s.batched(reads("Observation/does-not-exist", "Patient/nobody"), "404", "404")
		s.same(at("batch"), hidden, absent)
		given := s.batched(reads("Observation/obs-lab-a"), "200")
		for _, word := range []string{"etag", "lastModified", "location"} {
			if strings.Contains(given.body+hidden.body, `"`+word+`"`) {
				s.Errorf("%s is said: %s", word, given.body)
			}
		}
	}},
	{"BA-10", "Every entry is an access event of its own, a hundred at most; more are refused as a whole.", func(s *stage) {
		var hundred []string
		for i := range 100 {
			hundred = append(hundred, []string{"Observation/obs-lab-a", "Observation/obs-psy-a"}[i%2])
		}
		r := s.ask(demo.GP(), reads(hundred...))
		s.booked("a hundred", r, append(outcomes(50, audit.OutcomePermit), outcomes(50, audit.OutcomeDeny)...)...)
		if n := len(r.statuses()); n != 100 {
			s.Errorf("got %d answers, want 100", n)
		}
		s.turnedAway(demo.GP(), 414, "too-long", reads(slices.Repeat(hundred, 10)...))
	}},
	{"BA-11", "Entries are independent: what one is answered does not depend on the others.", func(s *stage) {
		alone := s.batched(reads("Observation/obs-psy-a"), "404")
		mixed := s.batched(reads("Observation/obs-lab-a", "Observation/obs-psy-a", "Observation?patient=leak-d", "Observation/obs-lab-b"), "200", "404", "200", "404")
		entry := strings.TrimSuffix(strings.SplitN(alone.body, `"entry":[`, 2)[1], "]}")
		if n := strings.Count(mixed.body, entry); n != 2 {
			s.Errorf("the refusal %s stands %d times in %s", entry, n, mixed.body)
		}
		if got := fmt.Sprint(strings.Count(mixed.body, "obs-lab-a")); got == "0" {
			s.Errorf("what is permitted is not there: %s", mixed.body)
		}
	}},
}
