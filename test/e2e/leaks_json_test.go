package e2e_test

import (
	"bytes"
	"net/http"
	"strings"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// inObservation returns a searchset of one result of D with these members, written unchanged.
func (s *stage) inObservation(members string) string {
	return s.inEntry(string(leakResource(strings.TrimSuffix(observation(ofD), "}") + "}"))[:len(leakResource(observation(ofD)))-1] + `,` + members + `}`)
}

// inEntry returns a searchset of one entry with this resource, written unchanged.
func (s *stage) inEntry(resource string) string {
	return `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":` + resource + `,"search":{"mode":"match"}}]}`
}

// unusable makes the source answer a search with each of these bodies, and wants 502, recorded as an error, and nothing of the body.
func (s *stage) unusable(bodies ...string) {
	s.T.Helper()
	for _, body := range bodies {
		s.replies(func(string) string { return body })
		s.bad(aboutD("Observation"))
	}
	s.source.Intercept(nil)
}

// unusableRead is unusable for the answer to a read.
func (s *stage) unusableRead(bodies ...string) {
	s.T.Helper()
	for _, body := range bodies {
		s.source.Intercept(demo.Answer(http.StatusOK, "application/fhir+json", body))
		s.bad(get("/fhir/demo/Observation/obs-x"))
	}
	s.source.Intercept(nil)
}

// jsonLeaks are the rows of leaks.md, 1.12: JSON that two parsers interpret in two ways.
var jsonLeaks = []leak{
	{"JS-1", "A member that stands twice, at any depth, makes the whole answer unusable", func(s *stage) {
		s.unusable(s.inObservation(`"subject":`+toD), s.inObservation(`"x":[{"y":{"z":1,"z":1}}]`), `{"resourceType":"Bundle","type":"searchset","type":"searchset"}`)
		s.unusableRead(`{"resourceType":"Observation","id":"obs-x","id":"obs-x"}`)
		q := declare(leakA)
		q.body = strings.Replace(q.body, `{"`, `{"resourceType":"Parameters","`, 1)
		s.answered(demo.EmergencyDoctor(), q, http.StatusBadRequest, "invalid")
	}},
	{"JS-2", "Names are read exactly: a twin in other letters is another name, and decides nothing", func(s *stage) {
		for _, twin := range []string{"Subject", "SUBJECT", "\u017fubject"} {
			s.hides(observation(`"` + twin + `":` + toD))        // no subject at all
			s.hides(observation(ofB + `,"` + twin + `":` + toD)) // B is the subject
			s.hides(observation(ofD + `,"` + twin + `":` + toB)) // and any reference to B counts
		}
		s.unusable(s.inEntry(`{"ResourceType":"Observation","id":"obs-x"}`))
		s.answers(`{"resource":`+strings.Replace(string(leakResource(observation(ofD))), `"id"`, `"ID"`, 1)+`,"search":{"mode":"match"}}`, s.entry("match", visible))
		s.finds(aboutD("Observation"), "ID for id", "Observation/obs-visible")
	}},
	{"JS-3", "Names and values are compared as they are decoded, however they are escaped", func(s *stage) {
		s.shows(seen(strings.Replace(observation(ofD), `"resourceType":"O`, `"\u0072esourceType":"\u004f`, 1)))
		s.hides(observation(`"s\u0075bject":{"r\u0065ference":"Patient\/\u0050ATIENT-B"}`), observation(ofD+`,"x":{"\u0072eference":"\u0050atient/PATIENT-B"}`))
		s.unusable(s.inObservation(`"sub\u006aect":`+string(leakResource(toB))), s.inEntry(`{"resourceType":"Observation","\u0072esourceType":"Patient"}`))
	}},
	{"JS-4", "A byte order mark makes the answer unusable", func(s *stage) {
		s.unusable("\ufeff" + s.inObservation(`"x":1`))
		s.unusableRead("\ufeff" + string(leakResource(observation(ofD))))
	}},
	{"JS-5", "Bytes that are no UTF-8, lone surrogates, NUL and control characters make the answer unusable, in names and in values", func(s *stage) {
		for _, member := range []string{"\"x\":\"\xff\"", "\"x\":\"\xc0\xaf\"", "\"\xff\":1", `"x":"\ud800"`, `"x":"\udc00\ud800"`, `"\ud800":1`, `"x":"\u0000"`, `"\u0000":1`, "\"x\":\"\n\"", "\"x\":\"\xed\xa0\x80\""} {
			s.unusable(s.inObservation(member))
		}
	}},
	{"JS-6", "A body in UTF-16 is unusable, whatever its media type says", func(s *stage) {
		var wide bytes.Buffer
		for _, c := range s.inObservation(`"x":1`) {
			wide.WriteByte(byte(c))
			wide.WriteByte(0)
		}
		s.unusable(wide.String(), "\xff\xfe"+wide.String())
		s.source.Intercept(demo.Answer(http.StatusOK, "application/fhir+json; charset=utf-16", wide.String()))
		s.bad(get("/fhir/demo/Observation/obs-x"))
	}},
	{"JS-7", "Anything after the one value makes the answer unusable", func(s *stage) {
		good := s.inObservation(`"x":1`)
		s.unusable(good+good, good+"\n"+good, good+" garbage", good+"\x00", `{}`+good)
	}},
	{"JS-8", "Depth, members and entries are bounded; beyond it the answer is unusable, and quickly", func(s *stage) {
		r := strings.Repeat
		s.unusable(s.inObservation(`"x":`+r("[", 70)+r("]", 70)), r(`{"a":[`, 200_000), r("[", 1_000_000),
			`{"resourceType":"Bundle","type":"searchset","entry":[`+r(s.entry("match", visible)+",", 5001)+s.entry("match", visible)+`]}`)
	}},
	{"JS-9", "A number is kept as it is written; what is no JSON number makes the answer unusable", func(s *stage) {
		s.unchanged(observation(ofD + `,"valueQuantity":{"value":1.10},"x":[1e400,12345678901234567890,-0,1E+2,0.0]`))
		for _, number := range []string{"01", "NaN", "+1", "1.", ".5", "-", "0x1", "Infinity", "1e"} {
			s.unusable(s.inObservation(`"x":` + number))
		}
	}},
	{"JS-10", "Comments, trailing commas, single quotes and bare names make the answer unusable", func(s *stage) {
		for _, member := range []string{`"x":1,`, `/* c */"x":1`, `"x":1 // c`, `'x':1`, `x:1`, `"x":'1'`, `"x":[1,]`, `"x":True`, `"x" 1`, `"x":"\x41"`} {
			s.unusable(s.inObservation(member))
		}
	}},
	{"JS-11", "A resource type that is none of the version makes the answer unusable; it may stand last", func(s *stage) {
		for _, typ := range []string{`"observation"`, `"ObservationX"`, `"Observation "`, `["Observation"]`, `["Observation","Patient"]`, `1`, `null`, `""`, `{}`} {
			s.unusable(s.inEntry(string(leakResource(`{"id":"obs-x","text":{"div":"CANARY"},` + ofD + `,"resourceType":` + typ + `}`))))
		}
		s.unusable(s.inEntry(string(leakResource(`{"id":"obs-x",` + ofD + `}`))))
		s.shows(`{"id":"obs-last","status":"final",LABORATORY,"code":{"text":"visible"},` + ofD + `,"resourceType":"Observation"}`)
	}},
	{"JS-12", "An answer that is no object is unusable", func(s *stage) {
		for _, body := range []string{"", " ", "null", `"CANARY7f3a"`, "[]", "[" + s.inObservation(`"x":1`) + "]", "true", "1", "{}"} {
			s.unusable(body)
			s.unusableRead(body)
		}
	}},
	{"JS-13", "Entries of another shape, or a list of entries that stands twice, make the answer unusable", func(s *stage) {
		for _, entries := range []string{`"entry":null`, `"entry":{}`, `"entry":[null]`, `"entry":[[{}]]`, `"entry":[{}]`, `"entry":"CANARY7f3a"`, `"entry":[],"entry":[]`, `"entry":[{"resource":null}]`, `"entry":[{"resource":[]}]`} {
			s.unusable(`{"resourceType":"Bundle","type":"searchset",` + entries + `}`)
		}
	}},
	{"JS-14", "The wrapper of an entry is written anew: an entry without a resource is left out, and of the others only fullUrl, resource and search mode leave", func(s *stage) {
		loaded := `{"id":"CANARY7f3a","link":[{"relation":"CANARY7f3a","url":"CANARY7f3a"}],"response":{"etag":"CANARY7f3a","location":"CANARY7f3a"},"request":{"url":"CANARY7f3a"},"extension":[{"url":"CANARY7f3a"}],"x":"CANARY7f3a",` +
			strings.Replace(s.entry("match", visible)[1:], `"search":{`, `"search":{"score":0.7731,`, 1)
		s.answers(`{"fullUrl":"`+s.source.URL()+`/Observation/CANARY7f3a","search":{"mode":"match"}}`, loaded, `{"response":{"status":"404 CANARY7f3a"}}`)
		if r := s.finds(aboutD("Observation"), "loaded entries", "Observation/obs-visible"); strings.Contains(r.body, "0.7731") {
			s.T.Errorf("the score left: %s", r.body)
		}
	}},
	{"JS-15", "A Bundle or Parameters in an entry is left out, and so is a resource that contains one, or contains deeper than FHIR allows", func(s *stage) {
		inner := `{"resourceType":"Bundle","id":"b-x","type":"searchset","entry":[{"resource":` + observation(ofD) + `}]}`
		s.hides(inner, `{"resourceType":"Parameters","id":"p-x","parameter":[{"name":"CANARY","resource":`+observation(ofD)+`}]}`)
		s.hides(observation(ofD+`,"contained":[`+inner+`]`), observation(ofD+`,"contained":[{"resourceType":"Medication","id":"m","contained":[{"resourceType":"Medication","id":"n"}]}]`),
			observation(ofD+`,"extension":[{"url":"urn:x","valueResource":{"resourceType":"Medication","id":"m"}}]`))
	}},
	{"JS-16", "Only a Bundle of type searchset answers a search", func(s *stage) {
		for _, typ := range []string{`"type":"history",`, `"type":"batch-response",`, `"type":"collection",`, `"type":"Searchset",`, `"type":["searchset"],`, ``} {
			s.unusable(strings.Replace(s.inObservation(`"x":1`), `"type":"searchset",`, typ, 1))
		}
		s.unusable(string(leakResource(observation(ofD))))
	}},
	{"JS-17", "What stands in the twin of a primitive counts as what stands anywhere, and goes where its element goes", func(s *stage) {
		s.hides(observation(ofD+`,"_status":{"extension":[{"url":"urn:x","valueReference":`+toB+`}]}`), observation(ofD+`,"_id":{"extension":[{"url":"urn:x","valueReference":`+toB+`}]}`),
			observation(`"_subject":`+toD))
		body := s.shows(seen(observation(ofD + `,"note":[{"text":"a","_text":null}],"meta":{"versionId":"1","_versionId":{"id":"HIDE"}},"x":["a",null],"_x":[null,{"id":"visible"}]`)))
		if strings.Contains(body, "HIDE") || !strings.Contains(body, `"_x":[null,{"id":"visible"}]`) {
			s.T.Errorf("got %s", body)
		}
	}},
	{"JS-18", "Unknown elements are kept byte for byte, and read for patients, numbers, codes and the source's address like known ones", func(s *stage) {
		s.unchanged(observation(ofD + `,"x-debug":{"a":[true,null,1.50]},"fhir_comments":["visible"]`))
		s.hides(observation(ofD+`,"x-debug":{"who":`+toB+`}`), observation(ofD+`,"x-debug":{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-B"}`),
			observation(ofD+`,"x-debug":`+depression), observation(ofD+`,"`+s.source.URL()+`":1`))
		if body := s.shows(seen(observation(ofD + `,"x-debug":"see ` + s.source.URL() + `/Observation/1"`))); strings.Contains(body, s.source.URL()) {
			s.T.Error("the source's address left")
		}
	}},
	{"JS-19", "Elements that decide and have another shape hide the resource", func(s *stage) {
		for _, members := range []string{`"subject":"Patient/PATIENT-D"`, ofD + `,"meta":"x"`, ofD + `,"contained":"x"`, ofD + `,"extension":"x"`, ofD + `,"x":[[1]]`, `"subject":{"reference":1}`} {
			s.hides(observation(members))
		}
		s.denies(coded(laboratory, `[{}]`, ""), coded(laboratory, `"CANARY"`, ""), coded(laboratory, `{}`, ""), coded(laboratory, `{"coding":"x"}`, ""))
	}},
	{"JS-20", "An answer to a read with another id or type than was asked is unusable, and an id that is none is never attributed", func(s *stage) {
		body := string(leakResource(observation(ofD)))
		s.unusableRead(strings.Replace(body, "obs-x", "obs-y", 1), strings.Replace(body, "obs-x", "OBS-X", 1), strings.Replace(body, `"obs-x"`, `null`, 1),
			strings.Replace(body, `"id":"obs-x",`, ``, 1), strings.Replace(body, `"Observation"`, `"Condition"`, 1))
		for _, id := range []string{`"obs/x"`, `"../x"`, `" obs-x"`, `"obs_x"`, `1`, `null`, `""`, `"."`} {
			s.answers(`{"resource":`+strings.Replace(body, `"obs-x"`, id, 1)+`,"search":{"mode":"match"}}`, s.entry("match", visible))
			s.finds(aboutD("Observation"), id, "Observation/obs-visible")
		}
	}},
	{"JS-21", "Markup in a resource leaves as FHIR JSON with nosniff, whatever a browser asks for", func(s *stage) {
		s.have(seen(observation(ofD + `,"note":[{"text":"<script>alert(1)</script>"}]`)))
		q := get("/fhir/demo/Observation/obs-x").with("Accept", "text/html,*/*;q=0.8")
		r := s.tell(demo.GP(), q)
		if r.status != http.StatusOK || r.header.Get("Content-Type") != "application/fhir+json; charset=utf-8" || r.header.Get("X-Content-Type-Options") != "nosniff" {
			s.T.Errorf("got %d %v", r.status, r.header)
		}
		s.answered(demo.GP(), get("/fhir/demo/Observation/obs-x").with("Accept", "text/html"), http.StatusNotAcceptable, "not-supported")
	}},
	{"JS-22", "The bytes of an answer are bounded, declared or not; beyond it 502, and requests are bounded as well", func(s *stage) {
		for _, size := range []int{4<<20 + 1, 12 << 20} {
			s.source.Intercept(demo.Flood(size))
			for _, q := range []question{aboutD("Observation"), get("/fhir/demo/Observation/obs-x")} {
				s.answered(demo.GP(), q, http.StatusBadGateway, "too-costly")
			}
		}
		s.unusable(`{"resourceType":"Bundle","type":"searchset","x":` + strings.Repeat("9", 5000) + `9.}`)
		s.source.Intercept(nil)
		s.refused(demo.GP(), question{method: http.MethodPost, path: "/fhir/demo/Observation/_search", contentType: "application/x-www-form-urlencoded", body: "patient=leak-d&code=" + strings.Repeat("a", 80_000)}, http.StatusRequestEntityTooLarge, "too-long")
	}},
	{"JS-23", "An answer that breaks off releases nothing of what came before", func(s *stage) {
		whole := s.inObservation(`"x":1`)
		s.unusable(whole[:len(whole)/2], whole[:len(whole)-1], strings.TrimSuffix(whole, "]}"))
		s.source.Intercept(demo.Only(func(r *http.Request) bool { return !strings.Contains(r.URL.Path, "Patient") }, s.source.Truncated()))
		for _, q := range []question{aboutD("Observation"), get("/fhir/demo/Observation/obs-lab-d")} {
			r := s.ask(demo.GP(), q)
			if r.status != http.StatusBadGateway {
				s.T.Errorf("got %d, want 502", r.status)
			}
			s.wantEvent(r, audit.OutcomeError, "source-unavailable")
		}
	}},
	{"JS-24", "Two entries with one type and id and different content are both dropped", func(s *stage) {
		s.answers(s.entry("match", observation(ofD)), s.entry("match", visible), s.entry("match", strings.Replace(observation(ofD), "final", "amended", 1)))
		s.finds(aboutD("Observation"), "twins", "Observation/obs-visible")
	}},
}
