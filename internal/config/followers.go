package config

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/audit/follow"
	"zorgsluis/proxy/credential"
)

// Follower is a system to which access events are delivered from the archive.
type Follower struct {
	Name              string        `yaml:"name"`
	Kind              string        `yaml:"kind"` // a key of followerKeys
	From              string        `yaml:"from"` // start or now
	Batch             int           `yaml:"batch"`
	Timeout           time.Duration `yaml:"timeout"`
	URL               string        `yaml:"url"`
	Interaction       string        `yaml:"interaction"` // update or create
	Also              []audit.Form  `yaml:"also"`        // decision, disclosure
	Address           string        `yaml:"address"`
	Format            string        `yaml:"format"` // dicom or json
	AcceptUnannounced bool          `yaml:"accept_unannounced_close"`
	Addresses         []string      `yaml:"addresses"`
	Subject           string        `yaml:"subject"`
	Topic             string        `yaml:"topic"`
	HeaderFile        string        `yaml:"header_file"`
	OAuth             OAuth         `yaml:"oauth"`
	SecretFile        string        `yaml:"secret_file"`
	User              string        `yaml:"user"`
	PasswordFile      string        `yaml:"password_file"`
	CredentialsFile   string        `yaml:"credentials_file"`
	InsecurePlaintext bool          `yaml:"insecure_plaintext"`
	TLS               OwnTLS        `yaml:"tls"`
}

// followerKeys are the keys of each kind, besides those that all kinds have.
var followerKeys = map[string][]string{
	"fhir":    {"url", "interaction", "also", "header_file", "oauth", "insecure_plaintext"},
	"syslog":  {"address", "format", "accept_unannounced_close"},
	"webhook": {"url", "secret_file", "header_file", "oauth", "insecure_plaintext"},
	"nats":    {"addresses", "subject", "user", "password_file", "credentials_file", "insecure_plaintext"},
	"kafka":   {"addresses", "topic", "user", "password_file", "insecure_plaintext"},
}

// Forms of names that are sent to others.
var (
	natsSubject = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	kafkaTopic  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
)

// Defaults of a follower.
const (
	followerBatch   = 100
	followerTimeout = 10 * time.Second
)

// followers checks the systems that follow the archive, and makes their destinations. It connects to none.
func (s *Settings) followers(c *checker) {
	var names []string
	for i, f := range s.File.Followers {
		key := fmt.Sprintf("followers[%d].", i)
		if !sourceID.MatchString(f.Name) {
			c.add(key+"name", "must be lower-case letters, digits and dashes, at most 32: it names a file and metrics")
		} else if slices.Contains(names, f.Name) {
			c.add(key+"name", "%s is used twice", f.Name)
		}
		if f.Name == MessageErasure || strings.HasPrefix(f.Name, "break-glass-") {
			c.add(key+"name", "must not be that of a message of the gateway's own, nor begin with break-glass-: it would share the cursor")
		}
		names = append(names, f.Name)
		if f.From != "" && f.From != "start" && f.From != "now" {
			c.add(key+"from", "is %q, must be start or now", f.From)
		}
		if !c.written(key + "batch") {
			f.Batch = followerBatch
		}
		if !c.written(key + "timeout") {
			f.Timeout = followerTimeout
		}
		if f.Batch < 1 || f.Batch > 1000 {
			c.add(key+"batch", "is %d, must be from 1 to 1000", f.Batch)
		}
		c.between(key+"timeout", f.Timeout, 100*time.Millisecond, 5*time.Minute)
		identify := s.identify(c, key, f)
		files := watched(s, c, &Watched[connection]{
			what: "follower:" + f.Name, files: append(f.TLS.files(), f.HeaderFile, f.SecretFile, f.PasswordFile, f.CredentialsFile),
			read: func(c *checker) *connection {
				made := &connection{tls: c.ownTLS(f.TLS.at(key + "tls.")), identify: identify}
				made.destination = s.destination(c, key, f, made)
				return made
			},
			expires: func(made *connection) time.Time { return shownUntil(made.tls) },
		})
		s.Following = append(s.Following, follow.Options{
			Name: f.Name, Folder: s.CursorsFolder(), FromNow: f.From == "now", Batch: f.Batch,
			Destination: &renewed[connection]{files: files, make: func(made *connection) follow.Destination { return made.destination }},
		})
	}
}

// CursorsFolder is where followers keep their positions: in the folder of the archive, which the instances share.
func (s *Settings) CursorsFolder() string { return filepath.Join(s.ArchiveFolder, "followers") }

// connection is how a follower's destination is reached, with the content of its files.
type connection struct {
	tls         *tls.Config
	identify    follow.Identify // made once: the credential has watched files of its own
	destination follow.Destination
}

// destination checks the keys of a follower's kind, and makes its destination.
func (s *Settings) destination(c *checker, key string, f Follower, by *connection) follow.Destination {
	known, ok := followerKeys[f.Kind]
	if !ok {
		c.add(key+"kind", "is %q, must be fhir, syslog, webhook, nats or kafka", f.Kind)
		return nil
	}
	for kind, names := range followerKeys {
		for _, name := range names {
			if kind != f.Kind && !slices.Contains(known, name) && c.written(key+name) {
				c.add(key+name, "has no meaning with kind: %s", f.Kind)
			}
		}
	}
	form := s.FHIROptions()
	form.Name = "Zorgsluis"
	switch f.Kind {
	case "fhir":
		if f.Interaction != "" && f.Interaction != "update" && f.Interaction != "create" {
			c.add(key+"interaction", "is %q, must be update or create", f.Interaction)
		}
		for i, also := range f.Also {
			if also != audit.FormDecision && also != audit.FormDisclosure || slices.Contains(f.Also[:i], also) {
				c.add(fmt.Sprintf("%salso[%d]", key, i), "is %q, must be decision or disclosure, each once", also)
			}
		}
		return follow.FHIR(follow.FHIROptions{
			Base: f.URL, Create: f.Interaction == "create", Header: c.header(key, f), TLS: by.tls, Timeout: f.Timeout, Form: form, Also: f.Also, Identify: by.identify,
		})
	case "webhook":
		return follow.Webhook(follow.WebhookOptions{
			URL: f.URL, Secret: c.key(key+"secret_file", f.SecretFile), Header: c.header(key, f), TLS: by.tls, Timeout: f.Timeout,
			Gateway: s.File.PublicURL, Identify: by.identify,
		})
	case "syslog":
		c.listen(key+"address", f.Address)
		if f.Format != "" && f.Format != "dicom" && f.Format != "json" {
			c.add(key+"format", "is %q, must be dicom or json", f.Format)
		}
		return follow.Syslog(follow.SyslogOptions{
			Address: f.Address, JSON: f.Format == "json", Host: hostOf(s.File.PublicURL), Unannounced: f.AcceptUnannounced,
			TLS: by.tls, Timeout: f.Timeout, Form: form,
		})
	default:
		return s.broker(c, key, f, by.tls)
	}
}

// FHIROptions are what rendering AuditEvents takes from the configuration.
func (s *Settings) FHIROptions() audit.FHIROptions {
	holders := make(map[string]string, len(s.File.Sources))
	for _, source := range s.File.Sources {
		holders[source.ID] = source.Holder.Organization
	}
	return audit.FHIROptions{Gateway: s.File.PublicURL, Holders: holders}
}

// broker makes a NATS or Kafka destination.
func (s *Settings) broker(c *checker, key string, f Follower, config *tls.Config) follow.Destination {
	if len(f.Addresses) == 0 {
		c.add(key+"addresses", "missing: at least one host:port")
	}
	for i, a := range f.Addresses {
		if c.listen(fmt.Sprintf("%saddresses[%d]", key, i), a); strings.HasPrefix(a, ":") {
			c.add(fmt.Sprintf("%saddresses[%d]", key, i), "the host is missing")
		}
	}
	if f.InsecurePlaintext {
		config = nil
	}
	if f.User != "" {
		c.need(key+"password_file", f.PasswordFile)
	}
	password := c.secret(key+"password_file", f.PasswordFile)
	if f.Kind == "kafka" {
		if !kafkaTopic.MatchString(f.Topic) {
			c.add(key+"topic", "must be the name of a topic: letters, digits, dots, dashes")
		}
		return follow.Kafka(follow.KafkaOptions{
			Addresses: f.Addresses, Topic: f.Topic, User: f.User, Password: password, TLS: config, Timeout: f.Timeout, Gateway: s.File.PublicURL,
		})
	}
	if !natsSubject.MatchString(f.Subject) {
		c.add(key+"subject", "must be a subject without wildcards, such as zorgsluis.events; the kind of the event is added")
	}
	c.secret(key+"credentials_file", f.CredentialsFile) // it must exist, readable by its owner only
	return follow.NATS(follow.NATSOptions{
		Addresses: f.Addresses, Subject: f.Subject, User: f.User, Password: password, CredentialsFile: c.path(f.CredentialsFile),
		TLS: config, Timeout: f.Timeout, Gateway: s.File.PublicURL,
	})
}

// identify checks the URL that events are posted to, and how the gateway authenticates there, if by a token.
func (s *Settings) identify(c *checker, key string, f Follower) follow.Identify {
	if !slices.Contains(followerKeys[f.Kind], "url") {
		return nil
	}
	u := c.protectedUnless(f.InsecurePlaintext, key+"url", f.URL)
	if !c.written(key + "oauth") {
		return nil
	}
	tokens := s.tokens(c, "follower:"+f.Name, key+"oauth.", f.OAuth)
	return func(next http.RoundTripper) http.RoundTripper {
		return &credential.Transport{Base: u, Next: next, Tokens: tokens}
	}
}

// header reads the header that is sent along.
func (c *checker) header(key string, f Follower) follow.Header {
	read := c.credential(key+"header_file", f.HeaderFile)
	if c.written(key+"oauth") && strings.EqualFold(read.header, "Authorization") {
		c.add(key+"header_file", "%s: must not hold Authorization beside oauth", f.HeaderFile)
	}
	return follow.Header{Name: read.header, Value: read.value}
}

// hostOf returns the host of a checked URL; "-" if it cannot be read (RFC 5424).
func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) == nil && strings.ContainsAny(u.Hostname(), " \t") {
		return "-"
	}
	return u.Hostname()
}

// renewed is a destination made from the last good content of its files. After they change, the next delivery goes to a new one. Like any
// destination it is used by one goroutine at a time.
type renewed[T any] struct {
	files *Watched[T]
	make  func(*T) follow.Destination

	of      *T // what current was made from
	current follow.Destination
}

// Deliver implements follow.Destination.
func (r *renewed[T]) Deliver(ctx context.Context, events []audit.Event) (int, error) {
	if now := r.files.get(); now != r.of {
		r.Close()
		r.current, r.of = r.make(now), now
	}
	return r.current.Deliver(ctx, events)
}

// Close implements follow.Destination.
func (r *renewed[T]) Close() {
	if r.current != nil {
		r.current.Close()
	}
}
