package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"zorgsluis/internal/demo"
)

// leaksOfOracles are the rows of chapter 1.4.
var leaksOfOracles = []leak{
	{"OR-1", "Searches by what refers to a patient are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Patient?_id=leak-a&_has:Observation:patient:code-value-quantity=http://loinc.org%7C59419-2$gt1000", "Patient?_id=leak-a&_has:Observation:patient:code=x", "Observation?patient=leak-a&_has:DiagnosticReport:result:code=x",
			"Patient?_id=leak-a&_has=Observation:patient:code", "Patient/leak-a/Observation?_has:DiagnosticReport:result:code=x", "Patient?_id=leak-a&_has%3AObservation%3Apatient%3Acode=x")...)
	}},
	{"OR-2", "So are nested ones, and those inside a filter.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Patient?_id=leak-a&_has:Observation:patient:_has:AuditEvent:entity:agent=x", "Patient?_id=leak-a&_filter=_has:Observation:patient:code%20eq%20x", "Observation?patient=leak-a&_filter=patient.name%20co%20x")...)
	}},
	{"OR-3", "Chains are refused, but for the identifier of the patient, which is resolved and rewritten, never forwarded.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient.birthdate=1970-01-01", "Observation?subject:Patient.name=x", "Observation?patient=leak-a&encounter.type=x", "Observation?patient=leak-a&performer.organization=x", "Patient?_id=leak-d&general-practitioner.name=x",
			"Observation?patient%2Ebirthdate=1970-01-01", "Observation?patient.identifier.system=x", "Observation?patient=leak-a&performer.identifier=x", "Observation?subject:Patient.identifier="+token(leakA), "Observation?patient=leak-a&encounter:Encounter.type=x")...)
		s.given(demo.GP(), at("Observation?patient.identifier="+token(leakA)), "Observation/obs-lab-a")
		s.given(demo.GP(), at("Observation?subject%2Eidentifier="+token(leakA)), "Observation/obs-lab-a")
		s.given(demo.GP(), at("Coverage?beneficiary.identifier="+token(leakD)))
		s.wantAsked("GET Coverage?patient=Patient/leak-d&_count=50")
	}},
	{"OR-4", "A search that hits only what is hidden has the bytes of one that hits nothing.", func(s *stage) {
		hit, miss := s.given(demo.GP(), at("Observation?patient=leak-a&code=44261-6")), s.given(demo.GP(), at("Observation?patient=leak-a&code=44261-7"))
		miss.body = strings.Replace(miss.body, "44261-7", "44261-6", 1)
		s.same(at("code"), hit, miss)
		hit, miss = s.given(demo.GP(), at("Condition?patient=leak-a")), s.given(demo.GP(), at("Procedure?patient=leak-a"))
		if strings.ReplaceAll(hit.body, "Condition", "Procedure") != miss.body {
			s.Errorf("got %s and %s", hit.body, miss.body)
		}
	}},
	{"OR-5", "Rows are sorted by id, time of change and dates only.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&_sort=-value-quantity", "Observation?patient=leak-a&_sort=birthdate", "Observation?patient=leak-a&_sort=patient.name", "Observation?patient=leak-a&_sort=code", "Observation?patient=leak-a&_sort=_score", "Observation?patient=leak-a&_sort:desc=date", "Observation?patient=leak-a&_sort=date,value-concept")...)
		s.given(demo.GP(), at("Observation?patient=leak-a&_sort=-date,_id"), "Observation/obs-lab-a")
	}},
	{"OR-6", "Counts are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&_summary=count", "Observation?patient=leak-a&_total=accurate", "Observation?patient=leak-a&_total=estimate", "Observation?patient=leak-a&_total=none")...)
		s.turnedAway(demo.GP(), 400, "invalid", ats("Observation?patient=leak-a&_count=0", "Observation?patient=leak-a&_count=-1", "Observation?patient=leak-a&_count=1e9", "Observation?patient=leak-a&_count=501", "Observation?patient=leak-a&_count=00")...)
	}},
	{"OR-7", "Pages are filled with what is permitted: neither their sizes nor a next link tell of hidden rows.", func(s *stage) {
		for name, hide := range map[string]func(int) bool{
			"none hidden": func(int) bool { return false }, "every other one": func(i int) bool { return i%2 == 0 }, "the first half": func(i int) bool { return i < 12 },
			"the last half": func(i int) bool { return i >= 12 }, "all but one": func(i int) bool { return i != 17 }, "all": func(int) bool { return true },
		} {
			s.rows(24, hide)
			pages := s.walk(demo.GP(), "Observation?patient=leak-a&_count=5")
			visible := 0
			for i := range 24 {
				if !hide(i) {
					visible++
				}
			}
			for i, page := range pages {
				if i < len(pages)-1 && len(page) != 5 {
					s.Errorf("%s: page %d has %d rows: %v", name, i, len(page), pages)
				}
			}
			if got := slices.Concat(pages...); len(got) != visible || len(pages) != max(1, (visible+4)/5) {
				s.Errorf("%s: %d rows on %d pages, want %d", name, len(got), len(pages), visible)
			}
		}
	}},
	{"OR-8", "Conditions tell nothing: not in headers, not in batches, not on writes.", func(s *stage) {
		for _, condition := range []string{`"ifNoneMatch":"W/\"1\""`, `"ifModifiedSince":"2026-01-01T00:00:00Z"`, `"ifMatch":"W/\"1\""`, `"ifNoneExist":"identifier=1"`} {
			s.source.Reset()
			hidden := s.ask(demo.GP(), batch(`{"request":{"method":"GET","url":"Observation/obs-psy-a",`+condition+`}}`))
			s.same(at(condition), hidden, s.ask(demo.GP(), batch(`{"request":{"method":"GET","url":"Observation/does-not-exist",`+condition+`}}`)))
			s.wantAsked()
		}
		s.turnedAway(demo.GP(), 405, "not-supported", sent(http.MethodPost, "Patient", "application/fhir+json", `{}`).with("If-None-Exist", "identifier="+token(leakB)))
	}},
	{"OR-9", "Hidden and absent reads ask the source the same; a configured floor holds both answers back.", func(s *stage) {
		const floor = 100 * time.Millisecond
		level := s.beside("limits: {", "limits: { read_floor: 100ms,")
		hidden, absent := time.Hour, time.Hour // the quickest of each
		asks := 0
		until(s.T, endWithin, "hidden and absent reads to take the same", func() bool { // any one can be slow on a busy machine
			hidden = min(hidden, level.ask(demo.GP(), at("Observation/obs-psy-a")).took)
			absent = min(absent, level.ask(demo.GP(), at("Observation/does-not-exist")).took)
			asks++
			return asks >= 5 && (hidden-absent).Abs() <= floor/2
		})
		if hidden < floor || absent < floor {
			s.Errorf("answered after %v and %v, want at least %v", hidden, absent, floor)
		}
	}},
	{"OR-10", "What a denied caller is answered does not depend on what is there.", func(s *stage) {
		ids := []string{"obs-lab-a", "obs-psy-a", "obs-lab-b", "obs-lab-d"}
		for range 20 {
			id := make([]byte, 1+rand.IntN(64))
			for i := range id {
				id[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."[rand.IntN(64)]
			}
			ids = append(ids, string(id))
		}
		doctor := demo.EmergencyDoctor()
		one := s.ask(doctor, at("Observation/nothing"))
		many := s.ask(doctor, at("Observation?patient=nothing"))
		for _, id := range ids {
			if id != "." && id != ".." {
				s.same(at(id), s.ask(doctor, at("Observation/"+id)), one)
			}
		}
		for _, p := range []demo.Person{leakA, leakB, leakC, leakD} {
			s.same(at(p.Name), s.ask(doctor, searchID("Observation", p)), many)
			s.same(at(p.Name), s.ask(doctor, search("Condition", p)), many)
			s.same(at(p.Name), s.ask(doctor, at("Patient/"+string(p.PatientID))), one)
		}
	}},
	{"OR-11", "Nothing is cached, compressed or said of a cache, however often it is asked.", func(s *stage) {
		q := at("Observation?patient=leak-a").with("Accept-Encoding", "gzip, br, deflate")
		first := s.permitted(demo.GP(), q)
		for range 3 {
			s.source.Intercept(demo.Header("X-Cache", "HIT"))
			again := s.permitted(demo.GP(), q)
			s.same(q, first, again)
		}
		if got := first.header; got.Get("Content-Encoding") != "" || got.Get("Cache-Control") != "no-store" || got.Get("Age") != "" || !strings.Contains(first.body, "obs-lab-a") {
			s.Errorf("got %v %s", got, first.body)
		}
	}},
	{"OR-12", "Who asks about many persons is told the same of each, and soon to wait.", func(s *stage) {
		limited := s.beside("{ lookups_per_minute: 100000 }", "{ lookups_per_minute: 4 }")
		first := limited.ask(demo.GP(), at("Patient?identifier="+token(leakB)))
		statuses := []int{first.status}
		for n := range 7 {
			r := limited.ask(demo.GP(), at("Patient?identifier="+token(demo.SyntheticPerson(n))))
			statuses = append(statuses, r.status)
			if r.status == first.status {
				s.same(at("identifier"), r, first)
			}
		}
		if want := "[403 403 403 403 429 429 429 429]"; fmt.Sprint(statuses) != want {
			s.Errorf("got %v, want %s", statuses, want)
		}
	}},
	{"OR-13", "Nothing says that something was withheld.", func(s *stage) {
		r := s.given(demo.GP(), at("Observation?patient=leak-a"), "Observation/obs-lab-a")
		everything := s.permitted(demo.GP(), at("Patient/leak-a/$everything"))
		for _, body := range []string{r.body, everything.body, fmt.Sprint(r.header)} {
			for _, word := range []string{"suppressed", "withheld", "OperationOutcome", "Warning", "redacted", "SUBSETTED"} {
				if strings.Contains(body, word) {
					s.Errorf("%s is said: %s", word, body)
				}
			}
		}
	}},
	{"OR-14", "Aggregates are refused, or made of permitted rows only.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Observation/$stats?subject=Patient/leak-a&code=44261-6&statistic=count&period=2026", "Observation/$stats?patient=leak-a&date=ge2026-01-03")...)
		s.given(demo.GP(), at("Observation/$lastn?patient=leak-a&date=ge2026-01-03"))
		s.given(demo.GP(), at("Observation/$lastn?patient=leak-a&date=ge2026-01-02"), "Observation/obs-lab-a")
	}},
}

// rows makes the source return n Observations of A in pages of the requested size; hide says which gp may not see.
func (s *stage) rows(n int, hide func(int) bool) {
	s.source.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		q := r.URL.Query()
		if !strings.HasSuffix(r.URL.Path, "/Observation") && q.Get("_getpages") == "" {
			return false
		}
		var from, count int
		_, _ = fmt.Sscan(q.Get("_getpagesoffset"), &from)
		_, _ = fmt.Sscan(q.Get("_count"), &count)
		var entries []string
		for i := from; i < min(n, from+count); i++ {
			category, text := "LABORATORY", "visible"
			if hide(i) {
				category, text = "SURVEY", "CANARY"
			}
			entries = append(entries, fmt.Sprintf(`{"resource":%s,"search":{"mode":"match"}}`, leakResource(fmt.Sprintf(
				`{"resourceType":"Observation","id":"row-%03d","status":"final",%s,"code":{"coding":[{"system":"http://loinc.org","code":"c%d"}],"text":"%s"},"subject":{"reference":"Patient/PATIENT-A"}}`, i, category, i%3, text))))
		}
		links := ""
		if from+count < n {
			links = fmt.Sprintf(`,{"relation":"next","url":"%s?_getpages=%s&_getpagesoffset=%d&_count=%d"},{"relation":"last","url":"%s?_getpages=%s&_getpagesoffset=%d"}`,
				s.source.URL(), marker, from+count, count, s.source.URL(), marker, n)
		}
		return s.searchset("Observation?patient=Patient/leak-a&_sort=-date", links, entries...)(w, r)
	})
}

// walk follows every next link and returns the ids of each page.
func (s *stage) walk(caller demo.Caller, path string) (pages [][]string) {
	s.T.Helper()
	for q := at(path); ; {
		r := s.booked(short(q), s.ask(caller, q), "")
		if r.status != http.StatusOK || len(pages) > 30 {
			s.T.Fatalf("page %d: %d %s", len(pages), r.status, tail(r.body, 300))
		}
		pages = append(pages, r.entries())
		next := r.link(s.g, "next")
		if next == "" {
			return pages
		}
		q = get(next)
	}
}
