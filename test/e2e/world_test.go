package e2e_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
	"zorgsluis/policy"
)

// marker is planted by tests to find it again where it must not be.
const marker = "CANARY7f3a"

// world is the environment of one test: a Redis process, a source, its own secrets and folders, and the consents of demo.Seed.
type world struct {
	t            testing.TB
	folder       string
	redis        *redistest.Server
	redisAddress string                   // where gateways reach it: the server itself, or a relay
	reach        redisstore.ClientOptions // where the test itself reaches it
	conn         redis.UniversalClient    // nil: not connected yet
	replicas     int                      // that confirm what is recorded
	source       *demo.Source
	version      fhir.Version // of the source
	issuer       *demo.Issuer
	roots        *x509.CertPool
	store        *redisstore.Store // the test's own access to what is on file
	secrets      [2][]byte         // person secret, sealing key
	configured   int
}

// shards of every store: few, so that several persons share one.
const shards = 3

// newWorld sets the stage; more resources are added to those of the demo. settings are of redis-server.
func newWorld(t testing.TB, more ...demo.Resource) *world {
	t.Helper()
	return newWorldOf(t, fhir.R4, more...)
}

// newWorldOf is newWorld with a source of this version.
func newWorldOf(t testing.TB, version fhir.Version, more ...demo.Resource) *world {
	t.Helper()
	server := redistest.Start(t)
	w := &world{redis: server, redisAddress: server.Address(), reach: redisstore.ClientOptions{Addresses: []string{server.Address()}}}
	return w.set(t, version, more...)
}

// set sets the stage on the Redis that the world has.
func (w *world) set(t testing.TB, version fhir.Version, more ...demo.Resource) *world {
	t.Helper()
	w.t, w.folder, w.issuer, w.version = t, t.TempDir(), issuer, version
	w.source = newSource(t, version, more...)
	for i, name := range []string{"person-secret", "sealing-key", "cursor-key"} {
		key := make([]byte, 32)
		_, _ = rand.Read(key)
		if i < len(w.secrets) {
			if w.secrets[i] == nil {
				w.secrets[i] = key
			}
			key = w.secrets[i]
		}
		w.write(name, base64.StdEncoding.EncodeToString(key)+"\n")
	}
	w.write("checkpoint-key", base64.StdEncoding.EncodeToString(checkpointSecret)+"\n")
	w.open(redisstore.Initialise)
	seed := func(record consent.Record, person fhir.Identifier) error {
		_, err := w.put(record, person)
		return err
	}
	if err := demo.Seed(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
	return w
}

// newSource starts a source with the demo's records of a version, and more.
func newSource(t testing.TB, version fhir.Version, more ...demo.Resource) *demo.Source {
	t.Helper()
	load := map[fhir.Version]func() (demo.Data, error){fhir.R4: demo.Load, fhir.STU3: demo.LoadSTU3}[version]
	data, err := load()
	if err != nil {
		t.Fatal(err)
	}
	source, err := demo.NewSource(append(data, more...), demo.SourceOptions{Version: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	return source
}

// write writes a file in the test's folder, readable by its owner only.
func (w *world) write(name, content string) string {
	w.t.Helper()
	full := filepath.Join(w.folder, name)
	if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return full
}

// open opens the store for the test itself, after making it if necessary.
func (w *world) open(prepare func(context.Context, redisstore.Options) error) {
	w.t.Helper()
	o := redisstore.Options{Client: w.client(), Shards: shards, PersonSecret: w.secrets[0], SealingKey: w.secrets[1], Replicas: w.replicas}
	patiently := func(do func() error) { // on a busy machine a connection can take longer than the store waits
		w.t.Helper()
		var err error
		until(w.t, startWithin, "the store", func() bool { err = do(); return !errors.Is(err, audit.ErrUnavailable) })
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if prepare != nil {
		patiently(func() error { return prepare(w.t.Context(), o) })
	}
	var store *redisstore.Store
	patiently(func() (err error) { store, err = redisstore.Open(w.t.Context(), o); return err })
	w.store = store
	w.t.Cleanup(func() { store.Close() })
}

// client is the test's own connection to Redis, whichever server is the master.
func (w *world) client() redis.UniversalClient {
	w.t.Helper()
	if w.conn == nil {
		w.conn = redisstore.NewClient(w.reach)
		w.t.Cleanup(func() { w.conn.Close() })
	}
	return w.conn
}

// change edits what is on file for a person. It leaves an event, as every change does.
func (w *world) change(person fhir.Identifier, apply func(*consent.Standing) error) error {
	_, err := w.changeAs("recorded", person, apply)
	return err
}

// changeAs is change with the reason of its event; it returns what is on file afterwards.
func (w *world) changeAs(reason policy.Reason, person fhir.Identifier, apply func(*consent.Standing) error) (consent.Standing, error) {
	request := uuid()
	for end := time.Now().Add(endWithin); ; {
		st, err := w.changeOnce(request, reason, person, apply)
		if !errors.Is(err, audit.ErrUnavailable) || time.Now().After(end) { // a replica may be slow to confirm, and so may a busy machine
			return st, err
		}
	}
}

// put stores a record and returns its id.
func (w *world) put(record consent.Record, person fhir.Identifier) (consent.RecordID, error) {
	record.ID = w.store.NewRecordID(person)
	return record.ID, w.change(person, func(st *consent.Standing) error {
		st.Records = append(st.Records, record)
		return nil
	})
}

// mustPut is put that must succeed.
func (w *world) mustPut(record consent.Record, person demo.Person) consent.RecordID {
	w.t.Helper()
	id, err := w.put(record, person.Identifier())
	if err != nil {
		w.t.Fatalf("put: %v", err)
	}
	return id
}

// permit returns a consent for a party; without data it covers everything that a consent can open.
func permit(party consent.Side, data ...string) consent.Record {
	r := deny(party)
	r.Decision, r.Data = consent.DecisionPermit, data
	r.Information = consent.Information{ID: "leaflet", Version: "1", Language: "nl", SHA256: strings.Repeat("0", 64)}
	return r
}

// deny returns a refusal of everything.
func deny(party consent.Side) consent.Record {
	return consent.Record{
		Status: consent.StatusActive, Decision: consent.DecisionDeny, Party: party, Data: []string{}, Purposes: []string{},
		GivenBy: []string{consent.ByPatient}, RecordedBy: "stage", Method: "stage",
	}
}

// recordsOf returns the ids of a person's active records for a party.
func (w *world) recordsOf(person demo.Person, party consent.Side) []consent.RecordID {
	w.t.Helper()
	st, _, err := w.store.Standing(w.t.Context(), w.store.Key(person.Identifier()))
	if err != nil {
		w.t.Fatalf("standing: %v", err)
	}
	var ids []consent.RecordID
	for _, r := range st.Records {
		if r.Party == party && r.Status == consent.StatusActive {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// withdraw withdraws the person's records for a party by the real command, and returns when that has acknowledged.
func (w *world) withdraw(file string, person demo.Person, party consent.Side) {
	w.t.Helper()
	ids := w.recordsOf(person, party)
	if len(ids) == 0 {
		w.t.Fatal("there is nothing to withdraw")
	}
	for _, id := range ids {
		must(w.t, person.BSN+"\n", "consent", "withdraw", "--config", file, "--by", "patient", string(id))
	}
}

// configuration is the gateway's configuration. configs/gateway.yaml explains the keys.
const configuration = `public_url: "{scheme}://{listen}"
listen: "{listen}"
admin: { listen: "{admin}" }
redis: { mode: external, addresses: ["{redis}"] }
store: { shards: {shards}, person_secret_file: person-secret, sealing_key_file: sealing-key }
archive: { folder: archive, checkpoint_key_files: [checkpoint-key] }
cursor_key_files: [cursor-key]
issuers:
  - url: "{issuer}"
    audience: "{audience}"
    algorithms: [{algorithm}]
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
{clients}sources:
  - id: demo
    fhir_version: R4
    base_url: "{source}"
    holder: { organization: "{holder}", category: hospital }
    timeout: 8s
    person_systems: ["http://fhir.nl/fhir/NamingSystem/bsn"]
policy:
  emergency_categories: [gp, hospital]
  channels: { regional: { consent: explicit } }
catalogue: { carry: [sensitive] }
break_glass: { per_hour: 50 }
limits: { lookups_per_minute: 100000 }
unauthenticated: { events_per_minute: 1000 }
`

// configure writes the configuration, with pairs of texts replaced.
func (w *world) configure(replace ...string) (file, scheme, listen, admin string) {
	w.t.Helper()
	scheme, listen, admin = "http", freeAddress(w.t), freeAddress(w.t)
	clients := ""
	for _, caller := range demo.Callers() {
		clients += fmt.Sprintf("  %s: {}\n", caller.ClientID)
	}
	text := configuration
	for i := 0; i+1 < len(replace); i += 2 {
		changed := strings.Replace(text, replace[i], replace[i+1], 1)
		if changed == text {
			w.t.Fatalf("the configuration has no %q", replace[i])
		}
		text = changed
	}
	if w.version == fhir.STU3 {
		text = strings.Replace(text, "- id: demo\n    fhir_version: R4", "- id: demo\n    fhir_version: STU3", 1)
	}
	if strings.Contains(text, "\ntls: { certificate_file") {
		scheme = "https"
	}
	text = strings.NewReplacer(
		"{scheme}", scheme, "{listen}", listen, "{admin}", admin, "{redis}", w.redisAddress, "{shards}", fmt.Sprint(shards),
		"{issuer}", w.issuer.URL(), "{audience}", w.issuer.Audience(), "{algorithm}", w.issuer.Algorithm(), "{clients}", clients,
		"{source}", w.source.URL(), "{holder}", demo.OrganizationSourceHolder,
	).Replace(text)
	w.configured++
	return w.write(fmt.Sprintf("gateway-%d.yaml", w.configured), text), scheme, listen, admin
}

// start configures a gateway and waits until it serves; the file is for commands.
func (w *world) start(replace ...string) (*gateway, string) {
	w.t.Helper()
	file, scheme, listen, admin := w.configure(replace...)
	return w.launch(file, scheme, listen, admin).started(), file
}

// again starts a gateway on an earlier configuration.
func (w *world) again(g *gateway, file string) *gateway {
	w.t.Helper()
	return w.launchAgain(g, file).started()
}

// launchAgain is again for a gateway that may not come up.
func (w *world) launchAgain(g *gateway, file string) *gateway {
	w.t.Helper()
	scheme, listen, _ := strings.Cut(g.base, "://")
	return w.launch(file, scheme, listen, strings.TrimPrefix(g.admin, "http://"))
}

// uuid returns a random UUID (RFC 9562 §5.4).
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// The parties of the tests.
var (
	partyGP       = consent.Side{Category: "gp"}
	partyHospital = consent.Side{Category: "hospital"}
)
