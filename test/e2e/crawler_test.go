package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// maxCrawled limits a crawl, in requests. Far fewer reach everything.
const maxCrawled = 6000

// crawler requests everything that an answer names, and searches every answer for what belongs to the other population.
type crawler struct {
	t       *testing.T
	g       *gateway
	queue   []question
	asked   map[string]bool
	given   map[string]bool // resources that were seen
	foreign map[string]bool // ids of the other population's resources
	words   []string        // its names and numbers
	cursors int
	binding map[string]string // by type: the parameter that names the patient
}

var (
	idsIn    = regexp.MustCompile(`[A-Za-z0-9\-.]{4,64}`)
	namesIn  = regexp.MustCompile(`\b([A-Z][A-Za-z]{3,})/([A-Za-z0-9\-.]{1,64})\b`)
	base64In = regexp.MustCompile(`[A-Za-z0-9+/]{24,}={0,2}`)
)

// A general practitioner has the consent of two people and not of the others. Whatever links, references, pages, attachments and ids the answers
// contain, and whatever ids of the others are tried directly: nothing of the others is ever seen.
func TestACrawlerNeverSeesTheOtherPopulation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, demo.LoadSynthetic(3, 12)...)
	c := &crawler{t: t, asked: map[string]bool{}, given: map[string]bool{}, foreign: map[string]bool{}, binding: map[string]string{}}
	c.g, _ = w.start()
	consented := []demo.Person{demo.Karena(), demo.Milan()} // demo.Seed: both gave their GP everything
	others := []demo.Person{demo.SyntheticPerson(0), demo.SyntheticPerson(1), demo.SyntheticPerson(2)}
	for _, p := range demo.People() {
		if !slices.Contains(consented, p) {
			others = append(others, p)
		}
	}
	direct := c.learn(others)
	c.learnBindings()
	for _, p := range consented {
		c.start(p)
	}
	for _, p := range others {
		c.start(p)
	}
	for _, name := range direct {
		c.push(get("/fhir/demo/" + name))
	}
	for len(c.queue) > 0 && len(c.asked) < maxCrawled {
		q := c.queue[0]
		c.queue = c.queue[1:]
		c.look(q, c.g.ask(demo.GP(), q))
	}
	t.Logf("%d requests, %d resources seen, %d page links, %d ids of the others tried", len(c.asked), len(c.given), c.cursors, len(direct))
	if len(c.queue) > 0 {
		t.Errorf("the crawl did not end: %d requests are left", len(c.queue))
	}
	if len(c.given) < 300 || c.cursors < 5 || len(direct) < 100 {
		t.Errorf("the crawl saw %d resources on %d further pages, and tried %d ids: too little to show anything", len(c.given), c.cursors, len(direct))
	}
}

// learn notes what belongs to the others, and returns the names of their resources.
func (c *crawler) learn(others []demo.Person) (direct []string) {
	data, err := demo.Load()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, raw := range append(data, demo.LoadSynthetic(3, 12)...) {
		var head struct{ ResourceType, ID string }
		if err := json.Unmarshal(raw, &head); err != nil {
			c.t.Fatal(err)
		}
		mine := func(p demo.Person) bool {
			return strings.Contains(string(raw), `"Patient/`+string(p.PatientID)+`"`) || head.ID == string(p.PatientID)
		}
		if slices.ContainsFunc(others, mine) {
			c.foreign[head.ID] = true
			direct = append(direct, head.ResourceType+"/"+head.ID)
		}
	}
	for _, p := range others {
		c.words = append(c.words, p.BSN, strings.Fields(p.Name)[0])
	}
	return direct
}

// learnBindings reads from the CapabilityStatement how a search for a type names the patient.
func (c *crawler) learnBindings() {
	var statement struct {
		Rest []struct {
			Resource []struct {
				Type        string
				SearchParam []struct{ Name string }
			}
		}
	}
	if err := json.Unmarshal([]byte(c.g.ask(demo.GP(), get("/fhir/demo/metadata")).body), &statement); err != nil {
		c.t.Fatal(err)
	}
	for _, r := range statement.Rest[0].Resource {
		for _, p := range r.SearchParam {
			if p.Name == "patient" || p.Name == "subject" && c.binding[r.Type] == "" {
				c.binding[r.Type] = p.Name
			}
		}
	}
}

// start requests everything of a person in every possible way.
func (c *crawler) start(p demo.Person) {
	id := string(p.PatientID)
	c.push(get("/fhir/demo/Patient/"+id), get("/fhir/demo/Patient/"+id+"/$everything?_count=20"), get("/fhir/demo/Patient?_id="+id),
		get("/fhir/demo/Patient?identifier="+url.QueryEscape(demo.SystemBSN+"|"+p.BSN)), get("/fhir/demo/Observation/$lastn?max=3&patient="+id),
		get("/fhir/demo/Patient?_revinclude=Observation:patient&_id="+id),
		get("/fhir/demo/Encounter?_include=Encounter:practitioner&_include=Encounter:service-provider&_count=5&patient="+id))
	for _, typ := range fhir.Types(fhir.R4) {
		c.push(get("/fhir/demo/Patient/" + id + "/" + typ + "?_count=40"))
		if name := c.binding[typ]; name != "" {
			c.push(get("/fhir/demo/" + typ + "?" + name + "=Patient/" + id))
		}
	}
}

// push queues questions that were not asked yet.
func (c *crawler) push(all ...question) {
	for _, q := range all {
		if key := q.method + " " + q.path; !c.asked[key] {
			c.asked[key] = true
			c.queue = append(c.queue, q)
		}
	}
}

// look searches an answer for forbidden content, and follows the rest.
func (c *crawler) look(q question, r reply) {
	c.t.Helper()
	texts := []string{r.body, fmt.Sprint(r.header, r.trailer)}
	for _, encoded := range base64In.FindAllString(r.body, -1) {
		if plain, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			texts = append(texts, string(plain))
		}
	}
	for i, text := range texts {
		for _, word := range c.words {
			if strings.Contains(text, word) {
				c.t.Fatalf("%s %s: text %d of the answer holds a name or number of the other population", q.method, q.path, i)
			}
		}
		for _, id := range idsIn.FindAllString(text, -1) {
			if c.foreign[id] {
				c.t.Fatalf("%s %s: text %d of the answer holds the id %s of the other population", q.method, q.path, i, id)
			}
		}
	}
	if r.status != http.StatusOK {
		return
	}
	c.follow(r.body)
}

// follow queues everything that an answer names.
func (c *crawler) follow(body string) {
	for _, name := range namesIn.FindAllStringSubmatch(body, -1) {
		if fhir.ClassOf(fhir.R4, name[1]) != fhir.ClassUnknown {
			c.push(get("/fhir/demo/" + name[0]))
		}
	}
	var any struct {
		ResourceType, ID string
		Link             []struct{ Relation, URL string }
		Entry            []struct {
			FullURL  string
			Resource struct{ ResourceType, ID string }
		}
	}
	if json.Unmarshal([]byte(body), &any) != nil {
		return // a document
	}
	c.given[any.ResourceType+"/"+any.ID] = true
	for _, e := range any.Entry {
		c.given[e.Resource.ResourceType+"/"+e.Resource.ID] = true
		c.push(get(strings.TrimPrefix(e.FullURL, c.g.base)))
	}
	for _, l := range any.Link {
		if l.Relation == "next" {
			c.cursors++
		}
		if strings.HasPrefix(l.URL, c.g.base) && !strings.Contains(l.URL, "***") {
			c.push(get(strings.TrimPrefix(l.URL, c.g.base)))
		}
	}
	for _, at := range regexp.MustCompile(`"`+regexp.QuoteMeta(c.g.base)+`(/fhir/demo/Binary/[A-Za-z0-9_-]+)"`).FindAllStringSubmatch(body, -1) {
		c.push(get(at[1]))
	}
}
