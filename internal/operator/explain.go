package operator

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
)

// reasonExplained is the reason of the event of gateway explain.
const reasonExplained = "explained"

type explainCommand struct {
	cli.Configured
	ID string `arg:"" help:"The X-Request-Id of the answer, which is the id of its line in the log; or the id of an event."`
}

// Limits of what is asked and told.
const (
	maxID        = 64  // of an id, in bytes
	maxExplained = 100 // events: whoever repeats an id cannot fill the memory
)

// Run prints what the archive has of one request, in words. It is on record for each patient concerned before any of it is printed.
func (c *explainCommand) Run(env *cli.Environment) error {
	if c.ID == "" || len(c.ID) > maxID || strings.ContainsFunc(c.ID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return cli.Usage(errors.New("the id must be that of a request or an event: at most 64 visible ASCII characters"))
	}
	return withStoreFor(env.Context, c.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		return inCommand("explain", c.explain(ctx, env.Stdout, s, store))
	})
}

func (c *explainCommand) explain(ctx context.Context, out io.Writer, s *config.Settings, store *redisstore.Store) error {
	l, err := lookUp(ctx, s, c.ID)
	if err != nil {
		return err
	}
	for _, person := range l.persons() {
		if err := onRecord(ctx, s, store, reasonExplained, person); err != nil {
			return err
		}
	}
	return l.print(out, s.PolicyHash)
}

// lookup is what the archive has of one id.
type lookup struct {
	found          []audit.Event // oldest first, at most maxExplained
	more           int           // left out
	searched       int           // how many events the archive has
	since, through time.Time     // the first and the newest of them
}

// lookUp searches the whole archive for the events of a request, or for the event, with this id.
func lookUp(ctx context.Context, s *config.Settings, id string) (lookup, error) {
	var l lookup
	var err error
	l.through, err = eachEvent(ctx, s, func(e audit.Event) { l.take(e, id) })
	slices.SortStableFunc(l.found, func(a, b audit.Event) int { return a.Time.Compare(b.Time) }) // the archive has each shard in order
	return l, err
}

// take processes one event.
func (l *lookup) take(e audit.Event, id string) {
	if l.searched++; l.searched == 1 {
		l.since = e.Time
	}
	switch {
	case e.Request != id && string(e.ID) != id:
	case len(l.found) == maxExplained:
		l.more++
	default:
		l.found = append(l.found, e)
	}
}

// persons returns whose events were found, each once; only "", who is nobody, if none was.
func (l lookup) persons() []consent.PersonKey {
	all := []consent.PersonKey{}
	for _, e := range l.found {
		all = merged(all, e.Person)
	}
	if len(all) == 0 {
		return []consent.PersonKey{""}
	}
	return all
}

// print prints the events, or returns what was searched in vain. It does not repeat the id, which may be anything.
func (l lookup) print(w io.Writer, hash string) error {
	if len(l.found) == 0 {
		period := ""
		if l.searched > 0 {
			period = fmt.Sprintf(" (%s to %s)", l.since.Format(time.RFC3339), l.through.Format(time.RFC3339))
		}
		return fmt.Errorf("no event has this id: searched all %d archived events%s. What is newer is archived within a second; "+
			"what was refused while nothing could be recorded, or beyond the rate of single events, is only in the log", l.searched, period)
	}
	out := bufio.NewWriter(w)
	for _, e := range l.found {
		fmt.Fprintf(out, "event %s\n", e.ID)
		for _, f := range explained(e, hash) {
			if f.value != "" {
				fmt.Fprintf(out, "  %-12s  %s\n", f.name, printable(f.value))
			}
		}
	}
	if l.more > 0 {
		fmt.Fprintf(out, "%d more events have this id: gateway events export has them all\n", l.more)
	}
	return out.Flush()
}

// printable replaces what a terminal could obey: many values of an event are those of a token.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// fact is one line about an event. It is left out if its value is "".
type fact struct{ name, value string }

// outcomes are the outcomes in words.
var outcomes = map[audit.Outcome]string{
	audit.OutcomePermit: "permitted and made ready", audit.OutcomeDeny: "refused", audit.OutcomeError: "failed: nothing was released",
}

// explained says in words what an event says. hash is that of the policy in force now.
func explained(e audit.Event, hash string) []fact {
	meaning := cmp.Or(audit.Meaning(e.Reason), "a reason that this version does not know")
	facts := []fact{
		{"when", e.Time.UTC().Format(time.RFC3339Nano)},
		{"request", e.Request},
		{"what", string(e.Kind) + after(", ", string(e.Interaction)) + after(" of ", e.Type) + after(" at source ", e.Source)},
		{"query", e.Query},
		{"person", string(e.Person)},
		{"outcome", outcomes[e.Outcome]},
		{"reason", string(e.Reason) + ": " + meaning},
		{"rule", after("docs/decision.md, rule ", rule(e))},
	}
	facts = append(facts, asker(e)...)
	facts = append(facts, fact{"data", inWords(e.Categories)}, fact{"resources", resources(e)}, fact{"consents", deciding(e)})
	if e.Declaration != "" {
		facts = append(facts, fact{"declaration", string(e.Declaration) + after(", reason ", e.Code)})
	}
	if e.Consent != "" {
		facts = append(facts, fact{"changed", fmt.Sprintf("consent %s, now generation %d", e.Consent, e.Generation)})
	}
	return append(facts, fact{"by hand", after("on the ground ", string(e.LegalGround))}, fact{"must follow", inWords(e.Obligations)}, fact{"policy", judgedUnder(e, hash)})
}

// asker says who asked, as the gateway determined it. Of a caller who was not known there is only the network address.
func asker(e audit.Event) []fact {
	a := e.Actor
	if e.Kind == audit.KindUnauthenticated {
		many := ""
		if e.Count > 0 {
			many = fmt.Sprintf("%d callers, ", e.Count)
		}
		return []fact{{"asked by", many + "not known" + after(", at ", e.Address)}}
	}
	categories := inWords(a.Categories)
	if a.Kind == "provider" {
		categories = cmp.Or(categories, "none")
	}
	return []fact{
		{"asked by", a.Kind + after(", roles ", strings.Join(a.Roles, " ")) + after(", for ", a.Organization) + after(", ", cmp.Or(a.Practitioner, a.Name))},
		{"category", categories},
		{"authority", a.Authority},
		{"client", a.Client + after(", issuer ", a.Issuer)},
		{"channel", string(a.Channel)},
		{"purpose", string(a.Purpose)},
		{"relationship", string(a.Relationship) + after(", shown by ", a.Evidence)},
		{"assurance", a.Assurance},
	}
}

// resources says how many resources were made ready.
func resources(e audit.Event) string {
	if n := max(len(e.Disclosed), e.DisclosedTotal); n > 0 {
		return fmt.Sprintf("%d made ready", n)
	}
	return ""
}

// deciding names the consent records that decided, or says that there was none where a rule decided.
func deciding(e audit.Event) string {
	if len(e.Records) == 0 && rule(e) != "" {
		return "none decided"
	}
	return inWords(e.Records)
}

// judgedUnder says whether the policy of an event still holds.
func judgedUnder(e audit.Event, hash string) string {
	switch e.Policy {
	case "":
		return ""
	case hash:
		return "as in this configuration"
	}
	return "has changed since, or is that of another configuration: then " + e.Policy + ", here " + hash
}

// after returns text after a prefix; "" if there is none.
func after(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// rule returns the number of the rule that gave the reason; "" if it was none of docs/decision.md.
func rule(e audit.Event) string {
	numbers := strings.Fields(rules[e.Reason])
	switch n := len(numbers); {
	case n == 0, e.LegalGround != "": // the rules of a copy by hand are others
		return ""
	case e.Actor.Kind == "patient":
		return numbers[0]
	case e.Actor.Kind == "representative" && n > 1:
		return numbers[1]
	default:
		return numbers[n-1]
	}
}

// rules are the numbers of the rules in docs/decision.md that give a reason: of several, those of patients, of representatives, of providers.
var rules = map[policy.Reason]string{
	policy.ReasonBlockedInsurer: "1", policy.ReasonBlockedCompanyDoctor: "1", policy.ReasonBlockedInsuranceDoctor: "1", policy.ReasonBlockedMedicalExaminer: "1",
	policy.ReasonInsufficientAssurance: "2",
	policy.ReasonPatientMismatch:       "3 4", policy.ReasonAgeNotAllowed: "3 4", policy.ReasonWithheldFromPatient: "3 4", policy.ReasonSelf: "3",
	policy.ReasonRepresentativeBlocked: "4", policy.ReasonRepresentativeNotAuthorised: "4", policy.ReasonRepresentative: "4",
	policy.ReasonUnknownCategory: "5", policy.ReasonAmbiguousCategory: "5",
	policy.ReasonPurposeNotAllowed: "3 4 6", policy.ReasonNotShareable: "6",
	policy.ReasonEmergencyNotJustified: "7",
	policy.ReasonNoTreatmentRelation:   "8", policy.ReasonNotForRole: "8",
	policy.ReasonConsent:          "9",
	policy.ReasonDeceased:         "3 4 10",
	policy.ReasonEmergencyUnknown: "11", policy.ReasonEmergencyException: "11", policy.ReasonEmergencyRefused: "11",
	policy.ReasonConsentRefused: "12", policy.ReasonConsentWithdrawn: "12",
	policy.ReasonImplied:   "13",
	policy.ReasonNoConsent: "14",
}
