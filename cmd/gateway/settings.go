package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/files"
)

// server checks where and how the gateway listens.
func (s *settings) server(c *checker) {
	cfg := s.config
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
		s.certificate = watched(s, c, &fromFiles[tls.Certificate]{
			what: "listen", files: []string{cfg.TLS.CertificateFile, cfg.TLS.KeyFile}, expires: notAfter,
			read: func(c *checker) *tls.Certificate { return c.certificate(cfg) },
		})
	case !loopback && !cfg.TLS.TerminatedInFront:
		c.add("listen", "is not a loopback address, and plain HTTP would show tokens and records to the network: give tls.certificate_file and tls.key_file, or say tls.terminated_in_front: true")
	}
}

// redis checks where consents and events are kept. Keys of the other mode are refused: whoever writes both means one of them.
func (s *settings) redis(c *checker) {
	r := s.config.Redis
	external := map[string]bool{
		"addresses": len(r.Addresses) > 0, "sentinel_master": r.SentinelMaster != "", "username": r.Username != "",
		"password_file": r.PasswordFile != "", "tls_ca_file": r.TLSCAFile != "", "insecure_plaintext": r.InsecurePlaintext,
		"replicas": r.Replicas != 0, "declared": len(r.Declared) > 0,
	}
	switch r.Mode {
	case "embedded":
		s.redisFolder = c.folder("redis.folder", r.Folder)
		for key, set := range external {
			if set {
				c.add("redis."+key, "has no meaning with redis.mode: embedded")
			}
		}
	case "external":
		if r.Folder != "" {
			c.add("redis.folder", "has no meaning with redis.mode: external")
		}
		s.externalRedis(c)
	case "":
		c.add("redis.mode", "missing: embedded or external")
	default:
		c.add("redis.mode", "is %q, must be embedded or external", r.Mode)
	}
}

func (s *settings) externalRedis(c *checker) {
	r := s.config.Redis
	if len(r.Addresses) == 0 {
		c.add("redis.addresses", "missing: at least one host:port")
	}
	remote := false
	for i, a := range r.Addresses {
		remote = !c.listen(fmt.Sprintf("redis.addresses[%d]", i), a) || remote
		if strings.HasPrefix(a, ":") {
			c.add(fmt.Sprintf("redis.addresses[%d]", i), "the host is missing")
		}
	}
	if r.Username != "" && r.PasswordFile == "" {
		c.add("redis.password_file", "missing: redis.username needs it")
	}
	s.redisPassword = c.secret("redis.password_file", r.PasswordFile)
	if r.TLSCAFile != "" {
		own := OwnTLS{CAFile: r.TLSCAFile}
		s.redisTLS = watched(s, c, &fromFiles[tls.Config]{
			what: "redis", files: own.files(), read: func(c *checker) *tls.Config { return c.ownTLS(own, "redis.tls_ca_file", "") },
		})
	} else if remote && !r.InsecurePlaintext {
		c.add("redis.tls_ca_file", "missing: access events would cross the network in clear; insecure_plaintext: true where another layer protects them")
	}
	c.atLeast("redis.replicas", r.Replicas, 0)
}

// pool reads certificates of authorities. A file without any would make every connection fail later, with a worse message.
func (c *checker) pool(key, name string) *x509.CertPool {
	content, err := os.ReadFile(c.path(name))
	if err != nil {
		c.add(key, "%s: %v", name, files.WithoutName(err))
		return nil
	}
	pool := x509.NewCertPool()
	if block, _ := pem.Decode(content); block == nil || !pool.AppendCertsFromPEM(content) {
		c.add(key, "%s: holds no certificate in PEM form", name)
		return nil
	}
	return pool
}

// store checks the keys that protect persons, and the folder of the archive.
func (s *settings) store(c *checker) {
	cfg := s.config
	if cfg.Store.Shards < 1 || cfg.Store.Shards > 256 {
		c.add("store.shards", "is %d, must be from 1 to 256", cfg.Store.Shards)
	}
	s.personSecret = c.key("store.person_secret_file", cfg.Store.PersonSecretFile)
	s.sealingKey = c.key("store.sealing_key_file", cfg.Store.SealingKeyFile)
	if len(cfg.CursorKeyFiles) == 0 {
		c.add("cursor_key_files", "missing: at least one file, the current key first")
	}
	seen := map[string]string{string(s.personSecret): "store.person_secret_file"}
	unique := func(key string, secret []byte) {
		if first, ok := seen[string(secret)]; ok && secret != nil {
			c.add(key, "holds the same secret as %s: each needs its own", first)
		}
		seen[string(secret)] = key
	}
	unique("store.sealing_key_file", s.sealingKey)
	for i, name := range cfg.CursorKeyFiles {
		key := fmt.Sprintf("cursor_key_files[%d]", i)
		secret := c.key(key, name)
		unique(key, secret)
		s.cursorKeys = append(s.cursorKeys, secret)
	}
	for i, name := range cfg.Archive.CheckpointKeyFiles {
		key := fmt.Sprintf("archive.checkpoint_key_files[%d]", i)
		secret := c.key(key, name)
		unique(key, secret)
		if signing, err := audit.NewCheckpointKey(secret); err == nil { // else it was told already
			s.archiveKeys = append(s.archiveKeys, signing)
		}
	}
	s.archiveFolder = c.folder("archive.folder", cfg.Archive.Folder)
	if s.archiveFolder != "" && filepath.Clean(s.archiveFolder) == filepath.Clean(s.redisFolder) {
		c.add("archive.folder", "must differ from redis.folder: the archive is what a lost Redis is compared with")
	}
}

// limits checks what one request and all together may use.
func (s *settings) limits(c *checker) {
	l := s.config.Limits
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
	c.atLeast("unauthenticated.events_per_minute", s.config.Unauthenticated.EventsPerMinute, 1)
}

// minRetentionDays is the least that archive.retention_days may be.
const minRetentionDays = int(audit.MinRetention / (24 * time.Hour))

// archive checks how the archive is kept. Its folder and keys are checked with those of the store.
func (s *settings) archive(c *checker) {
	a := s.config.Archive
	if len(a.CheckpointKeyFiles) == 0 {
		c.add("archive.checkpoint_key_files", "missing: at least one file, the key that signs first (gateway keys generate)")
	}
	if a.CheckpointEvents < 1 || a.CheckpointEvents > 10_000 {
		c.add("archive.checkpoint_events", "is %d, must be from 1 to 10000", a.CheckpointEvents)
	}
	c.between("archive.checkpoint_every", a.CheckpointEvery, time.Second, time.Hour)
	if a.RotateSize < 64<<10 || a.RotateSize > 1<<30 {
		c.add("archive.rotate_size", "is %s, must be between %s and %s", a.RotateSize, size(64<<10), size(1<<30))
	}
	c.between("archive.rotate_after", a.RotateAfter, time.Minute, 31*24*time.Hour)
	if a.RetentionDays < minRetentionDays || a.RetentionDays > 100*366 {
		c.add("archive.retention_days", "is %d, must be from %d (five years, NEN 7513) to %d", a.RetentionDays, minRetentionDays, 100*366)
	}
}

// archivePublic are the keys whose checkpoints are trusted.
func (s *settings) archivePublic() []audit.PublicKey {
	public := make([]audit.PublicKey, len(s.archiveKeys))
	for i, k := range s.archiveKeys {
		public[i] = k.PublicKey
	}
	return public
}

// external says how to reach a Redis that is not ours.
func (s *settings) external() redisstore.ClientOptions {
	c := s.config.Redis
	o := redisstore.ClientOptions{
		Addresses: c.Addresses, SentinelMaster: c.SentinelMaster, Username: c.Username, Password: s.redisPassword,
	}
	if s.redisTLS != nil {
		o.TLS = s.redisTLS.get
	}
	return o
}
