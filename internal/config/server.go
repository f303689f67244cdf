package config

import (
	"crypto/tls"
	"strings"
	"time"
)

// server checks where and how the gateway listens.
func (s *Settings) server(c *checker) {
	cfg := s.File
	if !isProtected(c.baseURL("public_url", cfg.PublicURL)) {
		c.add("public_url", "must be https: tokens and records travel over it")
	}
	loopback := c.listen("listen", cfg.Listen)
	c.listen("admin.listen", cfg.Admin.Listen)
	if cfg.Admin.Listen == cfg.Listen && !strings.HasSuffix(cfg.Listen, ":0") {
		c.add("admin.listen", "must differ from listen: health and metrics are not for callers")
	}
	switch files := cfg.TLS.CertificateFile != "" || cfg.TLS.KeyFile != ""; {
	case files:
		s.Certificate = watched(s, c, &Watched[tls.Certificate]{
			what: "listen", files: []string{cfg.TLS.CertificateFile, cfg.TLS.KeyFile}, expires: notAfter,
			read: func(c *checker) *tls.Certificate { return c.certificate(cfg) },
		})
	case !loopback && !cfg.TLS.TerminatedInFront:
		c.add("listen", "is not a loopback address, and plain HTTP would show tokens and records to the network: give tls.certificate_file and tls.key_file, or say tls.terminated_in_front: true")
	}
}

// limits checks the limits of one request and of all together.
func (s *Settings) limits(c *checker) {
	l := s.File.Limits
	within := func(key string, got, least, most size) {
		if got < least || got > most {
			c.add(key, "is %s, must be between %s and %s", got, least, most)
		}
	}
	within("limits.request_body", l.RequestBody, 1<<10, 16<<20)
	within("limits.response_body", l.ResponseBody, 64<<10, 1<<30)
	if l.Memory < 2*l.ResponseBody {
		c.add("limits.memory", "is %s, must be at least twice limits.response_body: an answer is read and written", l.Memory)
	}
	c.atLeast("limits.in_flight", l.InFlight, 1)
	c.atLeast("limits.lookups_per_minute", l.LookupsPerMinute, 1)
	c.between("limits.read_floor", l.ReadFloor, 0, 500*time.Millisecond)
	t := l.Timeouts
	c.between("limits.timeouts.header", t.Header, time.Second, time.Minute)
	c.between("limits.timeouts.request", t.Request, time.Second, 10*time.Minute)
	c.between("limits.timeouts.store", t.Store, 10*time.Millisecond, time.Second)
	c.between("limits.timeouts.idle", t.Idle, time.Second, time.Hour)
	c.between("limits.timeouts.announce", t.Announce, 0, time.Minute)
	c.between("limits.timeouts.stop", t.Stop, time.Second, 10*time.Minute)
	if t.Stop < t.Request {
		c.add("limits.timeouts.stop", "is %s, must be at least limits.timeouts.request (%s): a stop must not cut a request off", t.Stop, t.Request)
	}
	c.atLeast("unauthenticated.events_per_minute", s.File.Unauthenticated.EventsPerMinute, 1)
}
