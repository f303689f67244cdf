package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// world is everything that runs during the bench. close removes all of it.
type world struct {
	options   options
	folder    string
	generator generator
	issuer    *demo.Issuer
	people    []demo.Person
	tokens    []string // of the professional who treats the patient with the same number
	processes []*process
	targets   []*target
	missing   []string // what is not installed
	gateway   *process
	renices   bool   // the bench may set the priority of Redis
	source    string // scheme, host and port
	synced    time.Duration
	load      string // of the machine before the bench
}

// newWorld starts everything. If it fails, the world has what was started.
func newWorld(ctx context.Context, o options) (*world, error) {
	w := &world{options: o}
	for n := range o.people {
		w.people = append(w.people, demo.SyntheticPerson(n))
	}
	steps := []func(context.Context) error{w.prepare, w.startSource, w.startGateway}
	if o.profile == "" {
		steps = append(steps, w.startPlain, w.startNginx)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return w, err
		}
	}
	return w, nil
}

// prepare makes the folder, the issuer with its tokens, and finds the load generator.
func (w *world) prepare(context.Context) (err error) {
	if w.folder, err = os.MkdirTemp("", "zorgsluis-bench-"); err != nil {
		return err
	}
	if w.synced, err = syncTime(w.folder); err != nil {
		return err
	}
	if w.load, err = machineLoad(); err != nil {
		return err
	}
	if w.issuer, err = demo.NewIssuer(demo.IssuerOptions{}); err != nil {
		return err
	}
	for n := range w.people {
		claims := demo.GP().Claims
		claims.UZI = strconv.Itoa(800000000 + n)
		claims.Subject = "uzi-" + claims.UZI
		token, err := w.issuer.Token(claims)
		if err != nil {
			return err
		}
		w.tokens = append(w.tokens, token)
	}
	if !installed("wrk") {
		w.generator = builtIn{}
		return nil
	}
	w.generator, err = newWrk(w.folder)
	return err
}

// syncTime returns the median time of a synced write of 400 bytes, for which each group of events waits once.
func syncTime(folder string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(folder, "synced"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	times := make([]time.Duration, 101)
	for i := range times {
		started := time.Now()
		if _, err := f.Write(make([]byte, 400)); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		times[i] = time.Since(started)
	}
	return median(times), nil
}

// machineLoad returns the load average of the last minute. Whatever else a machine does affects every number.
func machineLoad() (string, error) {
	text, err := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(text), " ")
	return load, err
}

// installed reports whether a program is on PATH.
func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// started notes a process for close to stop.
func (w *world) started(p *process) {
	if p != nil {
		w.processes = append(w.processes, p)
	}
}

func (w *world) file(name string) string { return filepath.Join(w.folder, name) }

func (w *world) startSource(context.Context) error {
	p, address, err := role(w.file("source.log"), "source", "-people", strconv.Itoa(len(w.people)))
	w.started(p)
	w.source = "http://" + address
	return err
}

func (w *world) startPlain(context.Context) error {
	p, address, err := role(w.file("proxy.log"), "proxy", "-to", w.source)
	w.started(p)
	if err != nil {
		return err
	}
	w.targets = append(w.targets, &target{name: plainName, base: "http://" + address, pid: p.pid()})
	return nil
}

// The programs as the table names them.
const (
	gatewayName  = "gateway"
	favouredName = "gateway, Redis at nice -10"
	plainName    = "plain Go proxy"
	nginxName    = "nginx"
)

// nginxConf is a tuned nginx that only passes on, in memory, over kept connections.
const nginxConf = `daemon off;
worker_processes auto;
pid %[1]s/nginx.pid;
error_log stderr warn;
%[2]s
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/temp;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  keepalive_requests 100000000;
  tcp_nodelay on;
  upstream source { server %[4]s; keepalive 256; keepalive_requests 100000000; }
  server {
    listen %[3]s;
    location / {
      proxy_pass http://source;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffers 32 16k;
      proxy_max_temp_file_size 0;
    }
  }
}
`

// startNginx starts nginx if it is installed.
func (w *world) startNginx(ctx context.Context) error {
	if !installed("nginx") {
		w.missing = append(w.missing, "nginx is not installed")
		return nil
	}
	addresses, err := freeAddresses(1)
	if err != nil {
		return err
	}
	address := addresses[0]
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // only we can read the folder
	}
	conf := fmt.Sprintf(nginxConf, w.folder, user, address, w.source[len("http://"):])
	if err := os.WriteFile(w.file("nginx.conf"), []byte(conf), 0o600); err != nil {
		return err
	}
	p, err := start("nginx", w.file("nginx.log"), exec.Command("nginx", "-p", w.folder, "-e", "stderr", "-c", w.file("nginx.conf")))
	if err != nil {
		return err
	}
	w.started(p)
	w.targets = append(w.targets, &target{name: nginxName, base: "http://" + address, pid: p.pid()})
	return p.answers(ctx, dialled(address))
}

// settle stops the gateway and compares its archive with the counts: each answer must have an event.
func (w *world) settle(results []*result) error {
	if len(results) == 0 {
		return nil
	}
	if err := w.gateway.stop(); err != nil {
		return err
	}
	s, err := audit.Verify(w.file("archive"))
	if err != nil {
		return err
	}
	answers := 0
	for _, t := range w.targets {
		if t.records {
			answers += t.events
		}
	}
	if s.Events < uint64(answers) {
		return fmt.Errorf("%d answers were counted, but %d events are in the archive", answers, s.Events)
	}
	return nil
}

// close stops everything, the last first.
func (w *world) close() error {
	var errs []error
	for _, p := range slices.Backward(w.processes) {
		errs = append(errs, p.stop())
	}
	if w.issuer != nil {
		errs = append(errs, w.issuer.Close())
	}
	if w.folder != "" {
		errs = append(errs, os.RemoveAll(w.folder))
	}
	return errors.Join(errs...)
}
