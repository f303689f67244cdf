// Package config reads the configuration of a gateway, whose keys configs/gateway.yaml explains. Load checks all of a file, however much is
// wrong with it, and returns the Settings that serve, check and operator commands use. It starts nothing and connects to nothing.
package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"zorgsluis/configs"
)

// defaults returns the values of optional keys. None of them permits anything.
func defaults() *File {
	c := &File{ClockSkew: 30 * time.Second}
	c.IssuerKeys = IssuerKeys{Refresh: 5 * time.Minute, CoolDown: 30 * time.Second, Keep: 12 * time.Hour}
	c.Admin.Listen = "127.0.0.1:9464"
	c.Store.Shards = 4
	c.Archive = Archive{
		CheckpointEvents: 1000, CheckpointEvery: time.Minute, RotateSize: 64 << 20, RotateAfter: 24 * time.Hour, RetentionDays: minRetentionDays,
	}
	c.Policy.MinimumAssurance = "substantial"
	c.Policy.DefaultMinimumAge = 12
	c.BreakGlass = BreakGlass{Lasts: time.Hour, PerHour: 5, ReviewWithin: 7 * 24 * time.Hour, Reasons: defaultReasons()}
	c.Unauthenticated.EventsPerMinute = 60
	c.Limits = Limits{RequestBody: 64 << 10, ResponseBody: 16 << 20, Memory: 256 << 20, InFlight: 512, LookupsPerMinute: 600}
	t := &c.Limits.Timeouts
	t.Header, t.Request, t.Store, t.Idle = 10*time.Second, 30*time.Second, 800*time.Millisecond, 2*time.Minute
	t.Announce, t.Stop = 0, 40*time.Second
	return c
}

// Load reads a configuration file and checks everything in it. serve and check both use it, so that serve starts with whatever check accepts.
// The error joins every problem, each a *configs.Problem with file, line and key.
func Load(file string) (*Settings, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	s := &Settings{File: defaults()}
	lines, err := configs.DecodeLines(file, data, s.File)
	c := &checker{file: file, lines: lines}
	c.take(err)
	if lines != nil {
		s.check(c)
	}
	if len(c.problems) > 0 {
		return nil, errors.Join(c.problems...)
	}
	return s, nil
}

// check runs every check, whatever the others found.
func (s *Settings) check(c *checker) {
	s.loadTables(c)
	s.server(c)
	s.proxies(c)
	s.clientCertificates(c)
	s.redis(c)
	s.store(c)
	s.archive(c)
	s.followers(c)
	s.sources(c)
	s.registries(c)
	s.profiles(c)
	s.decisions(c)
	s.information(c)
	s.consentAPI(c)
	s.authentication(c)
	s.signIns(c)
	s.smartIssuers(c)
	s.limits(c)
	s.breakGlass(c)
	s.ErasureNotice = s.messageWebhook(c, "erasure.notice", s.File.Erasure.Notice)
}

// take notes the problems that the decoder found. Nothing more is said about those keys: what could not be read is not missing.
func (c *checker) take(err error) {
	for _, e := range unjoin(err) {
		var p *configs.Problem
		if errors.As(e, &p) && p.Key != "" {
			c.unread = append(c.unread, p.Key)
		}
		c.problems = append(c.problems, e)
	}
}

// isUnread reports whether a key, or one that encloses it, could not be read.
func (c *checker) isUnread(key string) bool {
	for _, u := range c.unread {
		if rest, ok := strings.CutPrefix(key, u); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// unjoin splits an error of errors.Join.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, unjoin(e)...)
	}
	return all
}
