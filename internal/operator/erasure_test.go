package operator

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/cli"
)

// TestWhoIsToldOfAnErasure: every organization that received some of the data in the period, except the one that erases.
func TestWhoIsToldOfAnErasure(t *testing.T) {
	const key, holder = consent.PersonKey("k"), "ura:9"
	day := func(n int) time.Time { return time.Date(2026, 3, n, 12, 0, 0, 0, time.UTC) }
	event := func(at int, organization, source string, disclosed ...string) audit.Event {
		return audit.Event{
			Time: day(at), Kind: audit.KindAccess, Outcome: audit.OutcomePermit, Person: key, Source: source, Disclosed: disclosed,
			Actor: audit.Actor{Kind: "provider", Organization: organization},
		}
	}
	with := func(e audit.Event, change func(*audit.Event)) audit.Event { change(&e); return e }
	events := []audit.Event{
		event(1, "ura:1", "demo", "Observation/a", "Condition/c"),
		event(5, "ura:2", "demo", "Observation/b"),
		event(5, "ura:2", "other", "Observation/a"),
		with(event(6, "ura:3", "demo", "Observation/a", "Observation/b"), func(e *audit.Event) { e.DisclosedTotal = 1500 }), // the rest is unknown
		event(6, holder, "demo", "Observation/a"),
		event(6, "ura:4", "demo"), // an empty answer
		with(event(6, "ura:5", "demo", "Observation/a"), func(e *audit.Event) { e.Outcome = audit.OutcomeDeny }),
		with(event(6, "ura:6", "demo", "Observation/a"), func(e *audit.Event) { e.Person = "another" }),
		with(event(6, "ura:7", "demo", "Observation/a"), func(e *audit.Event) { e.Kind, e.Reason = audit.KindLog, audit.ReasonErasureTold }),
		with(event(6, "", "demo", "Observation/a"), func(e *audit.Event) { e.Actor.Kind = "patient" }),
		with(event(6, "", "demo", "Observation/a"), func(e *audit.Event) { e.Actor.Kind = "representative" }),
		with(event(6, "", "demo", "Observation/b"), func(e *audit.Event) { e.Actor.Client = "alone" }),
	}
	for name, tt := range map[string]struct {
		source      string
		from, until int
		references  []string
		want        []string
	}{
		"everything":                           {"", 1, 9, nil, []string{"ura:1 demo 2", "ura:2 demo 1", "ura:2 other 1", "ura:3 demo 1500", "unnamed"}},
		"of one source":                        {"other", 1, 9, nil, []string{"ura:2 other 1"}},
		"of a source that there is not":        {"none", 1, 9, nil, nil},
		"one reference, or a list that is cut": {"demo", 1, 9, []string{"Observation/b"}, []string{"ura:2 demo 1", "ura:3 demo 1", "unnamed"}},
		"one that few received":                {"demo", 1, 6, []string{"Condition/c"}, []string{"ura:1 demo 1"}},
		"two references":                       {"demo", 1, 6, []string{"Condition/c", "Observation/a"}, []string{"ura:1 demo 2"}},
		"from a day on":                        {"demo", 5, 6, nil, []string{"ura:2 demo 1"}},
		"until a day":                          {"", 1, 5, nil, []string{"ura:1 demo 2"}},
	} {
		x := newErasure(key, map[string]string{"demo": holder})
		x.source, x.during, x.references = tt.source, span{day(tt.from), day(tt.until)}, tt.references
		for _, e := range events {
			x.take(e)
		}
		var got []string
		for _, to := range slices.SortedFunc(maps.Keys(x.received), receiver.compare) {
			d := x.received[to]
			got = append(got, fmt.Sprintf("%s %s %d", to.organization, to.source, len(d.Resources)+d.NotListed))
		}
		if len(x.unnamed) > 0 {
			got = append(got, "unnamed")
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestErasureTellIsOnRecordOnce: without a webhook the operator is told to tell them; the events are recorded all the same, once, whether
// or not they were archived before the command is repeated.
func TestErasureTellIsOnRecordOnce(t *testing.T) {
	o, _ := operatorOn(t)
	disclose := func(organization string, refs ...string) {
		t.Helper()
		_, b := o.backend()
		defer b.Close()
		person, err := readPerson(lines(&cli.Environment{Stdin: strings.NewReader(testBSN)}))
		if err != nil {
			t.Fatal(err)
		}
		err = b.Store.Commit(t.Context(), audit.Release{Event: &audit.Event{
			Version: 1, Kind: audit.KindAccess, Outcome: audit.OutcomePermit, Reason: "ok-consent", Person: b.Store.Key(person), Disclosed: refs,
			Source: "demo", Actor: audit.Actor{Kind: "provider", Organization: organization},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	tell := func(args ...string) (told, before []string) {
		t.Helper()
		r := o.do(testBSN, append([]string{"erasure", "tell", "--by", "officer", "--why", "request of " + otherBSN}, args...)...)
		var report erasureReport
		if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != cli.ExitOK || report.Webhook {
			t.Fatalf("got exit code %d, %+v, %v: %s", r.code, report, err, r.errors)
		}
		if yours := strings.Contains(r.errors, "tell these organizations yourself"); yours != (len(report.Told) > 0) {
			t.Errorf("got %q for %d organizations", r.errors, len(report.Told))
		}
		for _, row := range report.Told {
			if told = append(told, row.Organization); row.Before {
				before = append(before, row.Organization)
			}
		}
		return told, before
	}
	recorded := func(want int) {
		t.Helper()
		o.drain()
		if got := strings.Count(o.must("", "events", "export"), `"reason":"erasure-told"`); got != want {
			t.Errorf("got %d events, want %d", got, want)
		}
	}
	both := []string{"ura:1", "ura:2"}
	disclose("ura:1", "Observation/a", "Observation/b")
	disclose("ura:2", "Observation/b")
	o.drain()
	if told, _ := tell("Observation/none"); len(told) != 0 {
		t.Errorf("got %q, want nobody told of what nobody received", told)
	}
	for range 2 { // the events of the first run are in Redis only
		if told, _ := tell("Observation/b"); !slices.Equal(told, both) {
			t.Errorf("got %q, want %q", told, both)
		}
	}
	recorded(2)
	if told, before := tell("Observation/b"); !slices.Equal(told, both) || !slices.Equal(before, both) {
		t.Errorf("got %q, of which before %q, want both before", told, before)
	}
	recorded(2)
	disclose("ura:2", "Observation/b") // received it again, which the first message does not cover
	o.drain()
	if told, before := tell("Observation/b"); !slices.Equal(told, both) || !slices.Equal(before, both[:1]) {
		t.Errorf("got %q, of which before %q, want the second told again", told, before)
	}
	recorded(3)
	for _, refs := range [][]string{{"Patient/p1"}, {"Observation"}, {"observation/a"}, {"Observation/a b"}, {"Observation/a/_history/1"}} {
		o.fails(cli.ExitUsage, "a reference must be", testBSN, append([]string{"erasure", "tell", "--by", "officer", "--why", "request"}, refs...)...)
	}
	o.fails(cli.ExitUsage, "--by and --why", testBSN, "erasure", "tell", "--by", " ", "--why", "request")
	o.fails(cli.ExitUsage, "--from must be a date", testBSN, "erasure", "tell", "--by", "officer", "--why", "request", "--from", "once")
}
