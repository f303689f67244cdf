package e2e_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"zorgsluis/internal/demo"
)

// deed is an action about one patient and one category of providers; for a total objection the category does not matter.
type deed struct {
	what    string // grant, withdraw, object or read
	patient int
	party   int // bit of wish
}

// The actions. Giving a consent and renewing one are the same for readers.
const (
	deedGrant    = "grant"
	deedWithdraw = "withdraw"
	deedObject   = "object"
	deedRead     = "read"
)

// outcome is what the gateway answered to a deed.
type outcome string

const (
	outcomeDone     outcome = "done"     // a change was acknowledged
	outcomeNothing  outcome = "nothing"  // a change was refused and changed nothing
	outcomeOpen     outcome = "open"     // unknown: the change may happen at any later time, or never
	outcomeReleased outcome = "released" // data was returned
	outcomeRefused  outcome = "refused"
)

// wish is what a patient wants at one instant: a bit for each category that may see the data.
type wish uint8

// wishes is the promise of all gateways together, whichever is used: every deed takes effect at one instant between request and answer, the last
// change before it decides what a read returns, and a refused change changes nothing.
var wishes = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byPatient := map[int][]porcupine.Operation{}
		for _, o := range history {
			byPatient[o.Input.(deed).patient] = append(byPatient[o.Input.(deed).patient], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range byPatient {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return wish(0) },
	Step: func(state, input, output any) (bool, any) {
		now, d, out := state.(wish), input.(deed), output.(outcome)
		party := wish(1) << d.party
		switch {
		case d.what == deedRead:
			return (now&party != 0) == (out == outcomeReleased), now
		case out == outcomeNothing:
			return true, now
		case d.what == deedGrant:
			return true, now | party
		case d.what == deedWithdraw:
			return true, now &^ party
		}
		return true, wish(0)
	},
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%s by or for party %d: %s", input.(deed).what, input.(deed).party, output)
	},
}

// The parts of the test: whose wishes they are, and who reads.
var (
	wishers = []struct {
		person demo.Person
		caller demo.Caller
	}{
		{demo.Karena(), demo.Patient("patient", demo.Karena())},
		{demo.Milan(), demo.Patient("patient-milan", demo.Milan())},
		{demo.Johanna(), demo.Patient("patient-johanna", demo.Johanna())},
	}
	askers = []struct {
		category string
		caller   demo.Caller
	}{{"gp", demo.GP()}, {"pharmacy", demo.Pharmacist()}, {"hospital", demo.EmergencyDoctor()}}
)

// The size of the test. Reads are counted, and changes continue as long as they last, so it does not depend on the speed of the machine.
const (
	readersOfEach = 4 // patient
	writersOfEach = 2
	readsOfEach   = 200 // reader
	cutEvery      = 400 // answers, after which every connection to Redis is cut
)

// recording is a history in the making.
type recording struct {
	t        *testing.T
	gateways []*gateway
	reads    []question // of one Condition of each patient, by id
	began    time.Time
	clients  atomic.Int64 // of porcupine: after an open outcome another client continues
	answered sync.Map     // when the source last answered to a request, by its id

	mu      sync.Mutex
	history []porcupine.Operation
	counts  map[string]int
}

// note adds a deed to the history. One without an answer ends when everything does.
func (h *recording) note(client *int, d deed, call time.Duration, out outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	end := int64(time.Since(h.began))
	h.counts[d.what+" "+string(out)]++
	if out == outcomeOpen {
		end = math.MaxInt64
	}
	h.history = append(h.history, porcupine.Operation{ClientId: *client, Input: d, Call: int64(call), Output: out, Return: end})
	if out == outcomeOpen {
		*client = int(h.clients.Add(1))
	}
}

// any returns one of the gateways.
func (h *recording) any() *gateway { return h.gateways[rand.IntN(len(h.gateways))] }

// impatient returns a context that sometimes ends before the answer is complete.
func (h *recording) impatient(oneIn int) (context.Context, context.CancelFunc) {
	if rand.IntN(oneIn) > 0 {
		return context.WithCancel(h.t.Context())
	}
	return context.WithTimeout(h.t.Context(), rand.N(5*time.Millisecond))
}

// read reads a patient's data, and reports whether there was an answer. Without one nothing is known, and nothing follows.
func (h *recording) read(client *int, patient int) {
	d := deed{deedRead, patient, rand.IntN(len(askers))}
	ctx, cancel := h.impatient(20)
	defer cancel()
	q, refused := search("Condition", wishers[patient].person), http.StatusForbidden
	if rand.IntN(4) > 0 {
		q, refused = h.reads[patient], http.StatusNotFound
	}
	call := time.Since(h.began)
	r, err := h.any().tryIn(ctx, askers[d.party].caller, q)
	switch {
	case err != nil || r.status == http.StatusServiceUnavailable:
		h.mu.Lock()
		h.counts["read without an answer"]++
		h.mu.Unlock()
	case r.status == http.StatusOK && strings.Contains(r.body, `"Condition"`):
		// It may be released as was permitted after the source had answered, and not before: a withdrawal acknowledged meanwhile counts.
		answered, known := h.answered.Load(r.id)
		if !known {
			h.t.Error("something was released that the source was not asked for")
			return
		}
		h.note(client, d, answered.(time.Duration), outcomeReleased)
	case r.status == refused:
		h.note(client, d, call, outcomeRefused)
	default:
		h.t.Errorf("got status %d to a read", r.status)
	}
}

// change sends a change until it is answered, always under its own request id and to any of the gateways, or leaves it open. It returns the
// answer.
func (h *recording) change(client *int, d deed, q question) (reply, outcome) {
	if q.header == nil {
		q.header = http.Header{}
	}
	q.header.Set("X-Request-Id", uuid())
	call := time.Since(h.began)
	for {
		ctx, cancel := h.impatient(8)
		r, err := h.any().tryIn(ctx, wishers[d.patient].caller, q)
		cancel()
		out := outcomeOpen
		switch {
		case err != nil || r.status == http.StatusServiceUnavailable:
			if h.t.Context().Err() == nil && rand.IntN(4) > 0 {
				continue
			}
		case r.status == http.StatusOK || r.status == http.StatusCreated:
			out = outcomeDone
		case r.status == http.StatusPreconditionFailed || r.status == http.StatusUnprocessableEntity:
			out = outcomeNothing
		default:
			h.t.Errorf("got status %d to a %s", r.status, d.what)
		}
		h.note(client, d, call, out)
		return r, out
	}
}

// write gives, renews and withdraws consents of a patient one after the other, and sometimes objects to everything, until told to stop.
func (h *recording) write(patient int, stop <-chan struct{}) {
	client := int(h.clients.Add(1))
	for {
		party := rand.IntN(len(askers))
		body := consentFor(wishers[patient].person, func(c m) { c["provision"].(m)["actor"] = []any{actorCategory(askers[party].category)} })
		r, out := h.change(&client, deed{deedGrant, patient, party}, sending(h.t, "POST", "/gateway/Consent", body))
		for out == outcomeDone {
			select {
			case <-stop:
				return
			default:
			}
			body["id"] = r.resource(h.t)["id"]
			path := "/gateway/Consent/" + body["id"].(string)
			switch n := rand.IntN(8); {
			case n < 3: // renewed: stated again, unchanged
				r, out = h.change(&client, deed{deedGrant, patient, party}, sending(h.t, "PUT", path, body, "If-Match", r.header.Get("ETag")))
			case n < 7:
				h.change(&client, deed{deedWithdraw, patient, party}, question{method: "POST", path: path + "/$withdraw"})
				if rand.IntN(4) > 0 {
					out = outcomeNothing // otherwise what is withdrawn was changed again, in vain
				}
			default:
				h.change(&client, deed{deedObject, patient, 0}, question{method: "POST", path: "/gateway/$object"})
			}
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// TestLinearizable: two gateways on one Redis answer as if there were one that does one thing after the other. Patients give, renew and withdraw
// consents and object to everything at either of them, while their data is read at both; sources are slow at random, callers disconnect, and
// connections to Redis are cut. The checker (porcupine) searches the recorded history for an order in which every answer is correct: no release
// after an acknowledged withdrawal, and no refusal after an acknowledged consent.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, _ := w.start()
	b, _ := w.start()
	h := &recording{t: t, gateways: []*gateway{a, b}, counts: map[string]int{}}
	for _, who := range wishers {
		w.mustPut(permit(partyGP, "GGC002"), who.person)
		found := a.ask(demo.GP(), search("Condition", who.person)).wantStatus(t, http.StatusOK, "before").entries()
		h.reads = append(h.reads, get("/fhir/demo/"+found[0]))
		a.ask(who.caller, question{method: "POST", path: "/gateway/$object"}).wantStatus(t, http.StatusCreated, "nobody may see anything")
		tokenOf(t, who.caller)
	}
	for _, who := range askers {
		tokenOf(t, who.caller)
	}
	h.began = time.Now()
	w.source.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		late := time.NewTimer(rand.N(8 * time.Millisecond))
		defer late.Stop()
		select {
		case <-late.C:
		case <-r.Context().Done():
		}
		h.answered.Store(r.Header.Get("X-Request-Id"), time.Since(h.began))
		return false
	})
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	var answers atomic.Int64
	for patient := range wishers {
		for range writersOfEach {
			writers.Go(func() { h.write(patient, stop) })
		}
		for range readersOfEach {
			readers.Go(func() {
				client := int(h.clients.Add(1))
				for range readsOfEach {
					h.read(&client, patient)
					if answers.Add(1)%cutEvery == 0 {
						w.redis.Client().ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes")
					}
				}
			})
		}
	}
	readers.Wait()
	close(stop)
	writers.Wait()
	w.source.Intercept(nil)
	took := time.Since(h.began)

	result, info := porcupine.CheckOperationsVerbose(wishes, h.history, startWithin)
	t.Logf("%d operations in %s, checked in %s: %v", len(h.history), took, time.Since(h.began)-took, h.counts)
	if result != porcupine.Ok {
		picture := filepath.Join(t.ArtifactDir(), "history.html")
		err := porcupine.VisualizePath(wishes, info, picture)
		t.Errorf("no order of what was done explains what was answered (%s): %s (go test -artifacts keeps it), %v", result, picture, err)
	}
	for shown, least := range map[string]int{"read released": 100, "read refused": 100, "grant done": 100, "withdraw done": 50, "object done": 10, "grant open": 1} {
		if h.counts[shown] < least {
			t.Errorf("there were %d of %q, want at least %d to show anything", h.counts[shown], shown, least)
		}
	}
}

// TestTheCheckerSeesWhatIsWrong: histories with the errors that the test looks for are found, and correct ones pass.
func TestTheCheckerSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	did := func(what string, out outcome, call, end int64) porcupine.Operation {
		return porcupine.Operation{Input: deed{what: what}, Output: out, Call: call, Return: end}
	}
	granted, open := did(deedGrant, outcomeDone, 0, 1), int64(math.MaxInt64)
	for name, tt := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"a release under a consent":                  {[]porcupine.Operation{granted, did(deedRead, outcomeReleased, 2, 3)}, true},
		"a refusal under a consent":                  {[]porcupine.Operation{granted, did(deedRead, outcomeRefused, 2, 3)}, false},
		"a release after an acknowledged withdrawal": {[]porcupine.Operation{granted, did(deedWithdraw, outcomeDone, 2, 3), did(deedRead, outcomeReleased, 4, 5)}, false},
		"a release after an acknowledged objection":  {[]porcupine.Operation{granted, did(deedObject, outcomeDone, 2, 3), did(deedRead, outcomeReleased, 4, 5)}, false},
		"a release that began before the withdrawal": {[]porcupine.Operation{granted, did(deedWithdraw, outcomeDone, 3, 5), did(deedRead, outcomeReleased, 2, 6)}, true},
		"a refusal, and then a release without a consent between": {[]porcupine.Operation{
			granted, did(deedWithdraw, outcomeDone, 2, 9), did(deedRead, outcomeRefused, 3, 4), did(deedRead, outcomeReleased, 5, 6),
		}, false},
		"a withdrawal that was refused":       {[]porcupine.Operation{granted, did(deedWithdraw, outcomeNothing, 2, 3), did(deedRead, outcomeReleased, 4, 5)}, true},
		"an open withdrawal that comes later": {[]porcupine.Operation{granted, did(deedWithdraw, outcomeOpen, 2, open), did(deedRead, outcomeReleased, 4, 5), did(deedRead, outcomeRefused, 6, 7)}, true},
		"an open consent that goes and comes": {[]porcupine.Operation{
			did(deedGrant, outcomeOpen, 0, open), did(deedRead, outcomeReleased, 2, 3), did(deedRead, outcomeRefused, 4, 5), did(deedRead, outcomeReleased, 6, 7),
		}, false},
	} {
		for i := range tt.history {
			tt.history[i].ClientId = i
		}
		if got := porcupine.CheckOperations(wishes, tt.history); got != tt.want {
			t.Errorf("%s: got linearizable %v, want %v", name, got, tt.want)
		}
	}
}
