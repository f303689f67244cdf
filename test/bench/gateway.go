package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// gatewayConfig is an ordinary configuration: it has only required keys, and those of archive and store; everything else has its default.
const gatewayConfig = `public_url: "http://%[1]s"
listen: "%[1]s"
admin: { listen: "%[2]s" }
redis: { mode: external, addresses: ["%[3]s"] }
store: { person_secret_file: secrets/person-secret, sealing_key_file: secrets/sealing-key }
archive: { folder: archive, checkpoint_key_files: [secrets/checkpoint-key] }
cursor_key_files: [secrets/cursor-key]
issuers:
  - url: "%[4]s"
    audience: "%[5]s"
    algorithms: [ES256]
    kind: { fixed: provider }
    channel: regional
    claims:
      assurance: acr
      organization: { path: organization_ura, prefix: "ura:" }
      organization_type: organization_type
      roles: "uzi_roles[]"
      practitioner: { path: uzi, prefix: "uzi:" }
      relationship: relationship
      purpose: "purpose_of_use[]"
      name: name
clients: { gp: {} }
sources:
  - id: bench
    fhir_version: R4
    base_url: "%[6]s%[7]s"
    holder: { organization: "ura:90000009", category: hospital }
    timeout: 5s
    person_systems: ["http://fhir.nl/fhir/NamingSystem/bsn"]
policy:
  emergency_categories: [gp, hospital]
  channels: { regional: { consent: explicit } }
`

// defaultShards is the default of store.shards.
const defaultShards = 4

// startGateway builds the gateway, starts its Redis, makes the store, records the consents and starts the gateway.
func (w *world) startGateway(ctx context.Context) error {
	if err := w.build(ctx); err != nil {
		return err
	}
	redis, err := w.startRedis(ctx)
	if err != nil {
		return err
	}
	addresses, err := freeAddresses(2)
	if err != nil {
		return err
	}
	public, admin := addresses[0], addresses[1]
	conf := fmt.Sprintf(gatewayConfig, public, admin, redis.address, w.issuer.URL(), w.issuer.Audience(), w.source, base)
	if err := os.WriteFile(w.file("gateway.yaml"), []byte(conf), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"keys", "generate", "--folder", w.file("secrets")},
		{"store", "init", "--config", w.file("gateway.yaml")},
	} {
		if said, err := exec.CommandContext(ctx, w.file("gateway"), args...).CombinedOutput(); err != nil {
			return fmt.Errorf("gateway %s: %w: %s", args[0], err, said)
		}
	}
	if err := w.consents(ctx, redis.address); err != nil {
		return fmt.Errorf("put consents on file: %w", err)
	}
	p, err := start("gateway", w.file("gateway.log"), exec.Command(w.file("gateway"), "serve", "--config", w.file("gateway.yaml")))
	if err != nil {
		return err
	}
	w.started(p)
	w.gateway = p
	equal := target{name: gatewayName, base: "http://" + public, pid: p.pid(), beside: redis.pid, records: true}
	w.targets = append(w.targets, &equal)
	if w.renices = mayFavour(redis.pid); w.renices {
		favoured := equal
		favoured.name, favoured.nice = favouredName, favour
		w.targets = append(w.targets, &favoured)
	} else {
		w.missing = append(w.missing, "only root may let Redis run first")
	}
	return p.answers(ctx, ok("http://"+admin+"/readyz"))
}

// favour is the niceness that docs/operating.md advises for a Redis on the gateway's own machine.
const favour = -10

// mayFavour reports whether the bench may raise and lower the priority of a process.
func mayFavour(pid int) bool {
	return errors.Join(syscall.Setpriority(syscall.PRIO_PROCESS, pid, favour), syscall.Setpriority(syscall.PRIO_PROCESS, pid, 0)) == nil
}

// build builds the program as for a release; for profiles, with profiler added.
func (w *world) build(ctx context.Context) error {
	args := []string{"build", "-tags", "release", "-o", w.file("gateway")}
	if w.options.profile != "" {
		overlay, err := w.overlay()
		if err != nil {
			return err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "zorgsluis/cmd/gateway")...)
	cmd.Dir = root()
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the gateway: %w: %s", err, said)
	}
	return nil
}

// root returns the folder of the module, wherever the bench is run.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

type redisServer struct {
	address string
	pid     int
}

// startRedis starts a redis-server as docs/operating.md advises; it writes to disk before it acknowledges.
func (w *world) startRedis(ctx context.Context) (redisServer, error) {
	addresses, err := freeAddresses(1)
	if err != nil {
		return redisServer{}, err
	}
	host, port, err := net.SplitHostPort(addresses[0])
	if err != nil {
		return redisServer{}, err
	}
	if err := os.Mkdir(w.file("redis"), 0o700); err != nil {
		return redisServer{}, err
	}
	p, err := start("redis-server", w.file("redis.log"), exec.Command("redis-server",
		"--bind", host, "--port", port, "--dir", w.file("redis"), "--save", "", "--appendonly", "yes", "--appendfsync", "always",
		"--no-appendfsync-on-rewrite", "no", "--auto-aof-rewrite-percentage", "400", "--auto-aof-rewrite-min-size", "512mb",
		"--maxmemory", "4gb", "--maxmemory-policy", "noeviction"))
	if err != nil {
		return redisServer{}, err
	}
	w.started(p)
	return redisServer{addresses[0], p.pid()}, p.answers(ctx, dialled(addresses[0]))
}

// consents records for every patient what Karena decided in the demo: four records, one of which permits the professional.
func (w *world) consents(ctx context.Context, redis string) error {
	var records []consent.Record
	err := demo.Seed(ctx, func(r consent.Record, p fhir.Identifier) error {
		if p == demo.Karena().Identifier() {
			records = append(records, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	o := redisstore.Options{Client: redisstore.NewClient(redisstore.ClientOptions{Addresses: []string{redis}}), Shards: defaultShards}
	defer o.Client.Close()
	if o.PersonSecret, err = w.secret("person-secret"); err != nil {
		return err
	}
	if o.SealingKey, err = w.secret("sealing-key"); err != nil {
		return err
	}
	store, err := redisstore.Open(ctx, o)
	if err != nil {
		return err
	}
	defer store.Close()
	for _, p := range w.people {
		_, err := store.Change(ctx, audit.Change{
			Person: p.Identifier(),
			Event: &audit.Event{
				Version: 1, Kind: audit.KindConsent, Request: "bench", Outcome: audit.OutcomePermit, Reason: "recorded",
				Interaction: audit.CodeCreate, Actor: audit.Actor{Kind: "other", Name: "bench"}, Policy: "bench",
			},
			Apply: func(st *consent.Standing) error {
				for _, r := range records {
					r.ID = store.NewRecordID(p.Identifier())
					st.Records = append(st.Records, r)
				}
				return nil
			},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *world) secret(name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(w.folder, "secrets", name))
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
}
