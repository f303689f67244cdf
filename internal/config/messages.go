package config

import (
	"context"
	"crypto/tls"
	"time"

	"zorgsluis/audit"
	"zorgsluis/audit/follow"
)

// Names of the gateway's own messages: each has a cursor of that name beside those of the followers.
const (
	MessageAlert   = "break-glass-alert"
	MessageNotice  = "break-glass-notice"
	MessageErasure = "erasure-notice"
)

// messageTimeout limits the delivery of one message.
const messageTimeout = 10 * time.Second

// Receiver is the checked destination of messages.
type Receiver struct {
	url    string
	secret []byte
	tls    *tls.Config
}

// messageWebhook checks the destination of messages.
func (s *Settings) messageWebhook(c *checker, key string, w Webhook) *Watched[Receiver] {
	if w == (Webhook{}) {
		return nil
	}
	c.protectedURL(key+".url", w.URL)
	return watched(s, c, &Watched[Receiver]{
		what: key, files: []string{w.SecretFile, w.TLSCAFile},
		read: func(c *checker) *Receiver {
			return &Receiver{w.URL, c.key(key+".secret_file", w.SecretFile), c.ownTLS(authorities(key+".tls_ca_file", w.TLSCAFile))}
		},
	})
}

// MessageDestination posts messages to the current Receiver; render is as in follow.WebhookOptions.
func (s *Settings) MessageDestination(files *Watched[Receiver], render func(context.Context, audit.Event) ([]byte, error)) follow.Destination {
	return &renewed[Receiver]{files: files, make: func(to *Receiver) follow.Destination {
		return follow.Webhook(follow.WebhookOptions{
			URL: to.url, Secret: to.secret, TLS: to.tls, Timeout: messageTimeout, Gateway: s.File.PublicURL, Render: render,
		})
	}}
}
