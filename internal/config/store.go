package config

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
)

// redis checks where consents and events are kept. Keys of the other mode are refused: whoever writes both means only one.
func (s *Settings) redis(c *checker) {
	r := s.File.Redis
	external := map[string]bool{
		"addresses": len(r.Addresses) > 0, "sentinel_master": r.SentinelMaster != "", "username": r.Username != "",
		"password_file": r.PasswordFile != "", "tls_ca_file": r.TLSCAFile != "", "insecure_plaintext": r.InsecurePlaintext,
		"replicas": r.Replicas != 0, "declared": len(r.Declared) > 0,
	}
	switch r.Mode {
	case "embedded":
		s.RedisFolder = c.folder("redis.folder", r.Folder)
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

func (s *Settings) externalRedis(c *checker) {
	r := s.File.Redis
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
		own := authorities("redis.tls_ca_file", r.TLSCAFile)
		s.redisTLS = watched(s, c, &Watched[tls.Config]{
			what: "redis", files: own.files(), read: func(c *checker) *tls.Config { return c.ownTLS(own) },
		})
	} else if remote && !r.InsecurePlaintext {
		c.add("redis.tls_ca_file", "missing: access events would cross the network in clear; insecure_plaintext: true where another layer protects them")
	}
	c.atLeast("redis.replicas", r.Replicas, 0)
}

// ExternalRedis returns how to reach an external Redis.
func (s *Settings) ExternalRedis() redisstore.ClientOptions {
	c := s.File.Redis
	o := redisstore.ClientOptions{
		Addresses: c.Addresses, SentinelMaster: c.SentinelMaster, Username: c.Username, Password: s.redisPassword,
	}
	if s.redisTLS != nil {
		o.TLS = s.redisTLS.get
	}
	return o
}

// store checks the keys that protect persons, and the folder of the archive.
func (s *Settings) store(c *checker) {
	cfg := s.File
	if cfg.Store.Shards < 1 || cfg.Store.Shards > 256 {
		c.add("store.shards", "is %d, must be from 1 to 256", cfg.Store.Shards)
	}
	s.PersonSecret = c.key("store.person_secret_file", cfg.Store.PersonSecretFile)
	s.SealingKey = c.key("store.sealing_key_file", cfg.Store.SealingKeyFile)
	if len(cfg.CursorKeyFiles) == 0 {
		c.add("cursor_key_files", "missing: at least one file, the current key first")
	}
	seen := map[string]string{string(s.PersonSecret): "store.person_secret_file"}
	unique := func(key string, secret []byte) {
		if first, ok := seen[string(secret)]; ok && secret != nil {
			c.add(key, "holds the same secret as %s: each needs its own", first)
		}
		seen[string(secret)] = key
	}
	unique("store.sealing_key_file", s.SealingKey)
	for i, name := range cfg.CursorKeyFiles {
		key := fmt.Sprintf("cursor_key_files[%d]", i)
		secret := c.key(key, name)
		unique(key, secret)
		s.CursorKeys = append(s.CursorKeys, secret)
	}
	for i, name := range cfg.Archive.CheckpointKeyFiles {
		key := fmt.Sprintf("archive.checkpoint_key_files[%d]", i)
		secret := c.key(key, name)
		unique(key, secret)
		if signing, err := audit.NewCheckpointKey(secret); err == nil { // else already reported
			s.ArchiveKeys = append(s.ArchiveKeys, signing)
		}
	}
	s.ArchiveFolder = c.folder("archive.folder", cfg.Archive.Folder)
	if s.ArchiveFolder != "" && filepath.Clean(s.ArchiveFolder) == filepath.Clean(s.RedisFolder) {
		c.add("archive.folder", "must differ from redis.folder: the archive is what a lost Redis is compared with")
	}
}

// minRetentionDays is the minimum of archive.retention_days.
const minRetentionDays = int(audit.MinRetention / (24 * time.Hour))

// archive checks how the archive is kept. Its folder and keys are checked with those of the store.
func (s *Settings) archive(c *checker) {
	a := s.File.Archive
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

// ArchivePublicKeys are the keys whose checkpoints are trusted.
func (s *Settings) ArchivePublicKeys() []audit.PublicKey {
	public := make([]audit.PublicKey, len(s.ArchiveKeys))
	for i, k := range s.ArchiveKeys {
		public[i] = k.PublicKey
	}
	return public
}
