package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/storage"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// reasonLapsing is the reason of the notice that those who gave or refused a consent will no longer suffice.
const reasonLapsing policy.Reason = "consent-lapsing"

type lapsingCommand struct {
	cli.Configured
	Within   string `default:"90d" placeholder:"DAYS" help:"How far to look ahead; default: 90d."`
	Identify bool   `help:"Name the patients by their identifiers, so that they can be asked. The output is then as confidential as a record."`
}

// lapsing is one record that will stop counting.
type lapsing struct {
	Person     consent.PersonKey `json:"person"`
	Identifier *fhir.Identifier  `json:"identifier,omitempty"`
	Record     consent.RecordID  `json:"record"`
	Decision   string            `json:"decision"`
	Age        int               `json:"age"`
	At         time.Time         `json:"at"`
}

// Run prints which records will stop counting because a child turns 12 or 16, and puts a notice of each on record, once. Birth dates are
// not on file: the sources are asked, but only about patients whose representative decided alone.
func (c *lapsingCommand) Run(env *cli.Environment) error {
	days, err := strconv.Atoi(strings.TrimSuffix(c.Within, "d"))
	if err != nil || days < 1 || days > 3660 || !strings.HasSuffix(c.Within, "d") {
		return cli.Usage(errors.New("--within must be a number of days, as in 90d"))
	}
	return withStoreFor(env.Context, c.Config, func(ctx context.Context, s *config.Settings, store *redisstore.Store) error {
		if err := onRecord(ctx, s, store, reasonReported, ""); err != nil {
			return fmt.Errorf("consent lapsing: %w", err)
		}
		sources, err := s.ProxySources()
		if err != nil {
			return err
		}
		l := &lapsings{settings: s, store: store, sources: sources, days: days, identify: c.Identify, Lapsing: []lapsing{}, Unknown: []consent.PersonKey{}}
		if err := storage.Everybody(ctx, store, l.person); err != nil {
			return fmt.Errorf("consent lapsing: %w", err)
		}
		slices.SortFunc(l.Lapsing, func(a, b lapsing) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Record, b.Record)) })
		slices.Sort(l.Unknown)
		return printJSON(env.Stdout, l)
	})
}

// lapsings collects the records that will stop counting.
type lapsings struct {
	settings *config.Settings
	store    *redisstore.Store
	sources  []*proxy.Source
	days     int
	identify bool

	mu      sync.Mutex
	Lapsing []lapsing           `json:"lapsing"`
	Unknown []consent.PersonKey `json:"birth_date_unknown"` // no source knows it: for these nothing can be said
}

func (l *lapsings) person(ctx context.Context, key consent.PersonKey) error {
	standing, now, err := l.store.Standing(ctx, key)
	if err != nil || !slices.ContainsFunc(standing.Records, consent.Record.MayLapse) {
		return err
	}
	born, err := birthOf(ctx, l.sources, standing.Person, now)
	if err != nil {
		return err
	}
	if born == "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.Unknown = append(l.Unknown, key)
		return nil
	}
	for _, lapse := range consent.Lapses(standing, born, now, now.AddDate(0, 0, l.days)) {
		if err := l.notice(ctx, key, lapse); err != nil {
			return err
		}
		at := slices.IndexFunc(standing.Records, func(r consent.Record) bool { return r.ID == lapse.Record })
		found := lapsing{Person: key, Record: lapse.Record, Decision: standing.Records[at].Decision, Age: lapse.Age, At: lapse.At}
		if l.identify {
			found.Identifier = &standing.Person
		}
		l.mu.Lock()
		l.Lapsing = append(l.Lapsing, found)
		l.mu.Unlock()
	}
	return nil
}

// notice puts the lapse on record, once however often it is found.
func (l *lapsings) notice(ctx context.Context, key consent.PersonKey, lapse consent.Lapse) error {
	matter := fmt.Sprintf("lapsing %s %d", lapse.Record, lapse.Age)
	id, err := l.store.NoticeID(key, matter)
	if err != nil {
		return err
	}
	event := audit.ByGateway(audit.KindConsent, reasonLapsing, matter, l.settings.PolicyHash)
	event.ID, event.Person, event.Consent = id, key, lapse.Record
	event.Grounds = fmt.Sprintf("the patient turns %d", lapse.Age)
	event.Obligations = []policy.Obligation{policy.ObligationNotifyPatient}
	return l.store.Commit(ctx, audit.Release{Event: event})
}

// mostPatients limits a source's answer about one person, in bytes.
const mostPatients = 1 << 20

// birthOf asks the sources for a person's earliest possible date of birth; "" if none knows the person, or several Patients match. The
// identifier goes in a form body, never in a URL.
func birthOf(ctx context.Context, sources []*proxy.Source, person fhir.Identifier, now time.Time) (string, error) {
	for _, source := range sources {
		if !source.Knows(person) {
			continue
		}
		body, err := askPatient(ctx, source, person)
		if err != nil {
			return "", fmt.Errorf("source %s: %w", source.ID, err)
		}
		records, err := source.Reader.Patients(body, now.In(consent.Zone()).Format(time.DateOnly))
		if err != nil {
			return "", fmt.Errorf("source %s: %w", source.ID, err)
		}
		if len(records) == 1 && !records[0].Replaced && records[0].BirthEarliest != "" && slices.Contains(records[0].Identifiers, person) {
			return records[0].BirthEarliest, nil
		}
	}
	return "", nil
}

// askPatient makes the same search for a person as the gate.
func askPatient(ctx context.Context, source *proxy.Source, person fhir.Identifier) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, source.Timeout)
	defer cancel()
	path, form := source.PatientSearch(person)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, source.Base+"/"+path, strings.NewReader(form))
	if err != nil {
		return nil, errors.New("the request could not be built")
	}
	req.Header = http.Header{
		"Accept": {"application/fhir+json"}, "Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"zorgsluis"},
	}
	resp, err := source.Transport.RoundTrip(req)
	if err != nil {
		return nil, errors.New("does not answer")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answers with status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostPatients))
	if err != nil {
		return nil, errors.New("does not answer")
	}
	return body, nil
}
