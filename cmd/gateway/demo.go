//go:build !release

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/demo"
	"zorgsluis/internal/operator"
)

// demoCommands are the commands that release builds do not have.
type demoCommands struct {
	Demo demoCommand `cmd:"" help:"Start a gateway with an issuer, sources, patients and consents to try it with."`
}

type demoCommand struct {
	Tour   bool   `help:"Run the demo's tour, check every answer, and exit."`
	Listen string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the gateway listens (loopback only); the tour takes a free port by default."`
}

// Run starts the environment of the demo, and the gateway in it with the code of serve.
func (d *demoCommand) Run(env *cli.Environment) error {
	w, err := newWorld(d.address())
	if err != nil {
		return err
	}
	defer w.close()
	s, err := w.configure(env.Stdout)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(env.Context)
	defer cancel()
	log, flush := newLog(env.Stderr)
	defer flush()
	if d.Tour {
		log = slog.New(slog.DiscardHandler)
	}
	told := make(chan error, 1)
	served := serve(ctx, s, log, func(g *running, at addresses) {
		go func() {
			err := demo.Seed(ctx, put(ctx, g))
			switch {
			case err != nil:
			case d.Tour:
				err = w.tour(ctx, g, env.Stdout)
			default:
				err = w.tell(s.Settings, at, env.Stdout)
			}
			told <- err
			if err != nil || d.Tour {
				cancel()
			}
		}()
	})
	cancel() // ends the tour along with the gateway
	select {
	case err = <-told:
	default:
	}
	return errors.Join(err, served)
}

// address is where to listen. The tour needs no fixed port.
func (d *demoCommand) address() string {
	if d.Tour && d.Listen == "127.0.0.1:8080" {
		return "127.0.0.1:0"
	}
	return d.Listen
}

// world is the environment of the demo's gateway. All of it is gone when the demo ends.
type world struct {
	folder   string
	listener net.Listener // of the gateway
	issuer   *demo.Issuer
	source   *demo.Source
	older    *demo.Source // STU3
}

func newWorld(listen string) (w *world, err error) {
	w = &world{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.listener, err = net.Listen("tcp", listen); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	if w.folder, err = os.MkdirTemp("", "zorgsluis-demo-"); err != nil {
		return nil, err
	}
	data, err := demo.Load()
	if err != nil {
		return nil, err
	}
	if w.source, err = demo.NewSource(data, demo.SourceOptions{}); err != nil {
		return nil, err
	}
	if data, err = demo.LoadSTU3(); err != nil {
		return nil, err
	}
	if w.older, err = demo.NewSource(data, demo.SourceOptions{Version: fhir.STU3}); err != nil {
		return nil, err
	}
	w.issuer, err = demo.NewIssuer(demo.IssuerOptions{})
	return w, err
}

func (w *world) close() {
	if w.listener != nil {
		_ = w.listener.Close() // a started gateway has closed it already
	}
	if w.issuer != nil {
		_ = w.issuer.Close()
	}
	if w.source != nil {
		_ = w.source.Close()
	}
	if w.older != nil {
		_ = w.older.Close()
	}
	if w.folder != "" {
		_ = os.RemoveAll(w.folder)
	}
}

// configure writes a configuration file and loads it as serve does.
func (w *world) configure(out io.Writer) (deployment, error) {
	if _, err := config.GenerateSecrets(w.folder); err != nil {
		return deployment{}, err
	}
	clients := ""
	for _, caller := range demo.Callers() {
		clients += fmt.Sprintf("  %s: {}\n", caller.ClientID)
	}
	text := fmt.Sprintf(demoConfiguration, w.listener.Addr(), w.issuer.URL(), w.issuer.Audience(), w.issuer.Algorithm(), clients,
		w.source.URL(), demo.OrganizationSourceHolder, demo.CategoryOfTheSourceHolder, w.older.URL())
	file := filepath.Join(w.folder, "gateway.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return deployment{}, err
	}
	loaded, err := config.Load(file)
	if err != nil {
		return deployment{}, err
	}
	s := deployment{Settings: loaded, initialise: true, listener: w.listener}
	if _, err := exec.LookPath("redis-server"); err != nil {
		s.inMemory = true
		fmt.Fprintln(out, "There is no redis-server here, so Redis is simulated in memory: nothing is kept, and nothing is safe from a crash.")
	}
	return s, nil
}

// demoConfiguration is the configuration of the demo's gateway. configs/gateway.yaml explains the keys.
const demoConfiguration = `public_url: "http://%[1]s"
listen: "%[1]s"
admin: { listen: "127.0.0.1:0" }
redis: { mode: embedded, folder: redis }
store: { shards: 4, person_secret_file: person-secret, sealing_key_file: sealing-key }
archive: { folder: archive, checkpoint_key_files: [checkpoint-key] }
cursor_key_files: [cursor-key]
issuers:
  - url: "%[2]s"
    audience: "%[3]s"
    algorithms: [%[4]s]
    kind: { claim: kind, values: { provider: provider, patient: patient } }
    channel: regional
    claims:
      assurance: acr
      person: { path: bsn, system: "http://fhir.nl/fhir/NamingSystem/bsn" }
      organization: { path: organization_ura, prefix: "ura:" }
      organization_type: organization_type
      agb: agb
      roles: "uzi_roles[]"
      identifiers: [{ path: organization_uzovi, system: "http://fhir.nl/fhir/NamingSystem/uzovi" }]
      practitioner: { path: uzi, prefix: "uzi:" }
      relationship: relationship
      purpose: "purpose_of_use[]"
      name: name
clients:
%[5]ssources:
  - id: demo
    fhir_version: R4
    base_url: "%[6]s"
    holder: { organization: "%[7]s", category: %[8]s }
    timeout: 5s
    person_systems: ["http://fhir.nl/fhir/NamingSystem/bsn"]
  - id: demo-stu3
    fhir_version: STU3
    base_url: "%[9]s"
    holder: { organization: "%[7]s", category: %[8]s }
    timeout: 5s
    person_systems: ["http://fhir.nl/fhir/NamingSystem/bsn"]
policy:
  emergency_categories: [gp, hospital]
  channels: { regional: { consent: explicit } }
`

// put returns what puts consents on file.
func put(ctx context.Context, g *running) func(consent.Record, fhir.Identifier) error {
	return func(record consent.Record, person fhir.Identifier) error {
		_, err := operator.Put(ctx, g.settings.Settings, g.store, operator.NewRecord{Record: record, Person: person, Request: rand.Text()})
		return err
	}
}

// tour plays the tour.
func (w *world) tour(ctx context.Context, g *running, out io.Writer) error {
	return demo.Tour{
		Base: g.settings.File.PublicURL, Source: "demo", Older: "demo-stu3", Token: w.issuer.Token, Put: put(ctx, g), Out: out,
		Withdraw: func(ctx context.Context, person fhir.Identifier, party consent.Side) error {
			return withdrawParty(ctx, g, person, party)
		},
		Review: func(ctx context.Context, person fhir.Identifier) error { return reviewJustified(ctx, g, person) },
	}.Run(ctx)
}

// withdrawParty withdraws, as the patient, every active permit that names exactly this party.
func withdrawParty(ctx context.Context, g *running, person fhir.Identifier, party consent.Side) error {
	request := rand.Text()
	event := operator.Event(g.settings.Settings, audit.KindConsent, "withdrawn", request)
	event.Interaction = audit.CodeUpdate
	_, err := g.store.Change(ctx, audit.Change{
		Request: request, Person: person, Event: event,
		Apply: func(st *consent.Standing) error {
			for i := range st.Records {
				r := &st.Records[i]
				if r.Decision == consent.DecisionPermit && r.Status == consent.StatusActive && r.Party == party {
					r.Status, r.WithdrawnBy = consent.StatusWithdrawn, []string{consent.ByPatient}
				}
			}
			return nil
		},
	})
	return err
}

// reviewJustified records, as the privacy officer, that every emergency declared for a person was justified.
func reviewJustified(ctx context.Context, g *running, person fhir.Identifier) error {
	standing, _, err := g.store.Standing(ctx, g.store.Key(person))
	if err != nil {
		return err
	}
	var errs []error
	for _, declared := range standing.Declarations {
		review := consent.Review{Justified: true, By: "privacy officer of the demo", Why: "she could not be asked"}
		request := rand.Text()
		event := operator.Event(g.settings.Settings, audit.KindReview, string(audit.ReasonReviewJustified), request)
		event.Declaration, event.Code, event.Emergency = declared.ID, declared.Code, declared.Reason
		event.Grounds, event.Actor.Name = review.Why, review.By
		_, err := g.store.Change(ctx, audit.Change{Request: request, Person: person, Event: event, Apply: func(st *consent.Standing) error {
			d := st.DeclarationWithID(declared.ID)
			if d == nil || d.Review != nil {
				return errors.New("there is nothing to review")
			}
			d.Review = &review
			return nil
		}})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// tell writes a token for each caller into a file that curl can read, and prints commands to try.
func (w *world) tell(s *config.Settings, at addresses, out io.Writer) error {
	for _, caller := range demo.Callers() {
		token, err := w.issuer.Token(caller.Claims)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(w.folder, caller.ClientID), []byte("Authorization: Bearer "+token+"\n"), 0o600); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\nThe gateway is at %s, in front of a source with real FHIR records, and of an older one that speaks STU3.\n", s.File.PublicURL)
	for _, p := range demo.People()[:3] {
		fmt.Fprintf(out, "  %s, BSN %s: %s\n", p.Name, p.BSN, p.Story)
	}
	fmt.Fprintf(out, "\nTry (each file holds the token of one caller):\n")
	karena := demo.Karena()
	base := s.File.PublicURL + "/fhir/"
	for _, try := range []struct{ caller, target, why string }{
		{"gp", "demo/Condition?patient=" + string(karena.PatientID), "200: she gave her GP everything"},
		{"gp", "demo-stu3/Condition?patient=" + string(karena.PatientID), "200: the same at an older system, in FHIR STU3"},
		{"pharmacist", "demo/MedicationRequest?patient=" + string(karena.PatientID), "200: she gave pharmacies her medication"},
		{"pharmacist", "demo/Condition?patient=" + string(karena.PatientID), "200, and empty: but not her conditions"},
		{"company-doctor", "demo/Condition?patient=" + string(karena.PatientID), "403: the law shuts company doctors out, although she gave consent"},
		{"insurer", "demo/Condition?patient=" + string(karena.PatientID), "403: and health insurers"},
		{"emergency-doctor", "demo/AllergyIntolerance?patient=" + string(karena.PatientID), "403: nobody asked her about hospitals yet; declare an emergency:"},
	} {
		fmt.Fprintf(out, "  # %s\n  curl -H @%s \"%s%s\"\n", try.why, filepath.Join(w.folder, try.caller), base, try.target)
	}
	fmt.Fprintf(out, "%s", w.emergency(s, karena))
	fmt.Fprintf(out, "  # 200: her own record, and who asked for it\n  curl -H @%[1]s \"%[2]sdemo/Condition\"\n  curl -H @%[1]s \"%[3]s/gateway/AuditEvent\"\n",
		filepath.Join(w.folder, "patient"), base, s.File.PublicURL)
	fmt.Fprintf(out, "\nWhat is on file for her, with the program itself (the BSN comes from standard input):\n  echo %s | go run ./cmd/gateway consent list --config %s\n",
		karena.BSN, filepath.Join(w.folder, "gateway.yaml"))
	fmt.Fprintf(out, "Health and metrics, for operators:\n  curl http://%[1]s/readyz\n  curl http://%[1]s/metrics\n", at.admin)
	fmt.Fprintf(out, "The whole story by itself:\n  go run ./cmd/gateway demo --tour\n\nStop with Ctrl-C; nothing is kept.\n")
	return nil
}

// emergency returns the commands that declare an emergency and show what it opens.
func (w *world) emergency(s *config.Settings, p demo.Person) string {
	doctor := filepath.Join(w.folder, "emergency-doctor")
	return fmt.Sprintf(`  curl -H @%[1]s -H "Content-Type: application/fhir+json" "%[2]s/gateway/\$break-glass" -d '{"resourceType":"Parameters","parameter":[
    {"name":"patient","valueIdentifier":{"system":"%[3]s","value":"%[4]s"}},
    {"name":"reason-code","valueCode":"unconscious"},
    {"name":"reason","valueString":"Brought in unconscious after an accident"},
    {"name":"consent-impossible","valueBoolean":true},
    {"name":"no-alternative","valueBoolean":true}]}'
  # 200 now: it is marked, and somebody will review it
  curl -H @%[1]s "%[2]s/fhir/demo/AllergyIntolerance?patient=%[5]s"
`, doctor, s.File.PublicURL, demo.SystemBSN, p.BSN, p.PatientID)
}
