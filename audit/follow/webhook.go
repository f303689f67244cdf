package follow

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"zorgsluis/audit"
)

// WebhookOptions configure a webhook.
type WebhookOptions struct {
	URL     string
	Secret  []byte // signs what is sent
	Header  Header
	TLS     *tls.Config
	Timeout time.Duration // for one event
	Gateway string        // public URL of the gateway: the CloudEvents' source

	Identify Identify
	// Render makes the body for an event; nil: its CloudEvent. Its errors contain nothing of the event.
	Render func(context.Context, audit.Event) ([]byte, error)
}

type webhook struct {
	o WebhookOptions
	sender
}

// Webhook makes a destination that takes CloudEvents 1.0 by HTTP POST, one per request, in structured mode, signed as Standard Webhooks
// (https://www.standardwebhooks.com): webhook-id is the event's, webhook-signature is HMAC-SHA-256 over id, time and body.
func Webhook(o WebhookOptions) Destination {
	return &webhook{o: o, sender: newSender(o.TLS, o.Timeout, o.Header, o.Identify)}
}

// Deliver implements Destination.
func (w *webhook) Deliver(ctx context.Context, events []audit.Event) (int, error) {
	for i, e := range events {
		body, err := w.render(ctx, e)
		if err != nil {
			return i, err
		}
		status, _, err := w.send(ctx, http.MethodPost, w.o.URL, w.signed(string(e.ID), time.Now(), body), body)
		if err == nil {
			err = verdict(status)
		}
		if err != nil {
			return i, err
		}
	}
	return len(events), nil
}

func (w *webhook) render(ctx context.Context, e audit.Event) ([]byte, error) {
	if w.o.Render != nil {
		return w.o.Render(ctx, e)
	}
	return renderCloudEvent(e, w.o.Gateway)
}

// signed are the headers of one request.
func (w *webhook) signed(id string, at time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, w.o.Secret)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	h := http.Header{}
	h.Set("Content-Type", contentType)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", stamp)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return h
}

// Close implements Destination.
func (w *webhook) Close() { w.direct.CloseIdleConnections() }
