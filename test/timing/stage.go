package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"zorgsluis/internal/demo"
)

// stage is the environment of the gateways. close removes all of it.
type stage struct {
	folder  string
	source  *demo.Source
	issuer  *demo.Issuer
	records []string // "Type/id" of withheld resources
}

// config is the gateway's configuration; configs/gateway.yaml explains the keys. Redis is the gateway's own child.
const config = `public_url: "http://%[1]s"
listen: "%[1]s"
admin: { listen: "%[2]s" }
redis: { mode: embedded, folder: "%[3]s" }
store: { shards: 4, person_secret_file: secrets/person-secret, sealing_key_file: secrets/sealing-key }
archive: { folder: "%[3]s-archive", checkpoint_key_files: [secrets/checkpoint-key] }
cursor_key_files: [secrets/cursor-key]
issuers:
  - url: "%[4]s"
    audience: "%[5]s"
    algorithms: [%[6]s]
    kind: { claim: kind, values: { provider: provider, patient: patient } }
    channel: regional
    claims:
      assurance: acr
      person: { path: bsn, system: "http://fhir.nl/fhir/NamingSystem/bsn" }
      organization: { path: organization_ura, prefix: "ura:" }
      organization_type: organization_type
      roles: "uzi_roles[]"
      practitioner: { path: uzi, prefix: "uzi:" }
      relationship: relationship
      purpose: "purpose_of_use[]"
clients: { gp: {} }
sources:
  - id: demo
    fhir_version: R4
    base_url: "%[7]s"
    holder: { organization: "%[8]s", category: hospital }
    timeout: 2s
    person_systems: ["http://fhir.nl/fhir/NamingSystem/bsn"]
policy:
  emergency_categories: []
  channels: { regional: { consent: explicit } }
limits: { lookups_per_minute: 100000, read_floor: %[9]s }
`

// newStage builds the gateway and starts what it needs. If it fails, the stage has what was started.
func newStage(ctx context.Context) (*stage, error) {
	s := &stage{}
	var err error
	if s.folder, err = os.MkdirTemp("", "zs-timing-"); err != nil {
		return s, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-tags", "release", "-o", s.file("gateway"), "zorgsluis/cmd/gateway")
	_, here, _, _ := runtime.Caller(0)
	build.Dir = filepath.Dir(here)
	if said, err := build.CombinedOutput(); err != nil {
		return s, fmt.Errorf("build the gateway: %w: %s", err, said)
	}
	if s.issuer, err = demo.NewIssuer(demo.IssuerOptions{}); err != nil {
		return s, err
	}
	data, err := demo.Load()
	if err != nil {
		return s, err
	}
	for _, raw := range data {
		var head struct{ ResourceType, ID string }
		if err := json.Unmarshal(raw, &head); err != nil {
			return s, err
		}
		switch head.ResourceType {
		case "Observation", "Condition", "MedicationRequest", "Procedure":
			s.records = append(s.records, head.ResourceType+"/"+head.ID)
		}
	}
	if s.source, err = demo.NewSource(data, demo.SourceOptions{Unrecorded: true}); err != nil {
		return s, err
	}
	return s, s.command(ctx, "keys", "generate", "--folder", s.file("secrets"))
}

func (s *stage) file(name string) string { return filepath.Join(s.folder, name) }

// command runs a command of the gateway until it exits.
func (s *stage) command(ctx context.Context, args ...string) error {
	if said, err := exec.CommandContext(ctx, s.file("gateway"), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("gateway %s: %w: %s", args[0], err, said)
	}
	return nil
}

// close stops everything.
func (s *stage) close() error {
	var errs []error
	if s.source != nil {
		errs = append(errs, s.source.Close())
	}
	if s.issuer != nil {
		errs = append(errs, s.issuer.Close())
	}
	if s.folder != "" {
		errs = append(errs, os.RemoveAll(s.folder))
	}
	return errors.Join(errs...)
}

// gateway is one running process of the real binary.
type gateway struct {
	base   string
	cmd    *exec.Cmd
	log    *os.File
	client *http.Client
}

// stopWithin is how long a gateway may take to stop.
const stopWithin = 20 * time.Second

// gateway starts one with this floor, and waits until it is ready.
func (s *stage) gateway(ctx context.Context, floor time.Duration) (*gateway, error) {
	g := &gateway{client: &http.Client{Timeout: 10 * time.Second}}
	var addresses [2]string
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return g, err
		}
		addresses[i] = l.Addr().String()
		l.Close()
	}
	name := fmt.Sprintf("floor-%s", floor)
	file := s.file(name + ".yaml")
	text := fmt.Sprintf(config, addresses[0], addresses[1], s.file(name), s.issuer.URL(), s.issuer.Audience(), s.issuer.Algorithm(), s.source.URL(),
		demo.OrganizationSourceHolder, floor)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return g, err
	}
	if err := s.command(ctx, "store", "init", "--config", file); err != nil {
		return g, err
	}
	var err error
	if g.log, err = os.Create(s.file(name + ".log")); err != nil {
		return g, err
	}
	g.base, g.cmd = "http://"+addresses[0], exec.Command(s.file("gateway"), "serve", "--config", file)
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	if err := g.cmd.Start(); err != nil {
		g.cmd = nil
		return g, err
	}
	return g, g.ready(ctx, "http://"+addresses[1]+"/readyz")
}

// ready waits until the gateway is ready.
func (g *gateway) ready(ctx context.Context, url string) error {
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := g.client.Do(r); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(g.log.Name())
			return fmt.Errorf("the gateway does not get ready: %w: %s", ctx.Err(), strings.TrimSpace(string(said)))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop stops the gateway, by force if necessary.
func (g *gateway) stop() error {
	if g.cmd == nil {
		return nil
	}
	defer g.log.Close()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	force := time.AfterFunc(stopWithin, func() { _ = g.cmd.Process.Kill() })
	defer force.Stop()
	return g.cmd.Wait()
}
