package main

import (
	"context"
	"crypto/tls"
	"time"

	"zorgsluis/audit"
	"zorgsluis/audit/follow"
)

// The names of the messages of the gateway's own: each has a cursor of that name beside those of the followers.
const (
	messageAlert   = "break-glass-alert"
	messageNotice  = "break-glass-notice"
	messageErasure = "erasure-notice"
)

// messageTimeout bounds the delivery of one message.
const messageTimeout = 10 * time.Second

// messageTo is where messages go, read and checked.
type messageTo struct {
	url    string
	secret []byte
	tls    *tls.Config
}

// messageWebhook checks where messages go.
func (s *settings) messageWebhook(c *checker, key string, w Webhook) *fromFiles[messageTo] {
	if w == (Webhook{}) {
		return nil
	}
	c.protectedURL(key+".url", w.URL)
	return watched(s, c, &fromFiles[messageTo]{
		what: key, files: []string{w.SecretFile, w.TLSCAFile},
		read: func(c *checker) *messageTo {
			return &messageTo{w.URL, c.key(key+".secret_file", w.SecretFile), c.ownTLS(OwnTLS{CAFile: w.TLSCAFile}, key+".tls_ca_file", "")}
		},
	})
}

// messageDestination posts messages to where their files say; render is as in follow.WebhookOptions.
func (s *settings) messageDestination(files *fromFiles[messageTo], render func(context.Context, audit.Event) ([]byte, error)) follow.Destination {
	return &renewed[messageTo]{files: files, make: func(to *messageTo) follow.Destination {
		return follow.Webhook(follow.WebhookOptions{
			URL: to.url, Secret: to.secret, TLS: to.tls, Timeout: messageTimeout, Gateway: s.config.PublicURL, Render: render,
		})
	}}
}
