package follow

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"zorgsluis/audit"
)

// NATSOptions configure NATS JetStream.
type NATSOptions struct {
	Addresses       []string // host:port
	Subject         string   // events go to <Subject>.<kind>; a stream must accept them
	User, Password  string
	CredentialsFile string      // of an account with a JWT
	TLS             *tls.Config // nil: no TLS
	Timeout         time.Duration
	Gateway         string // public URL of the gateway: the CloudEvents' source
}

type natsStream struct {
	o      NATSOptions
	conn   *nats.Conn
	stream jetstream.JetStream
}

// NATS makes a destination of a NATS JetStream stream. The stream acknowledges every event before the next one is sent. The event's id is
// its Nats-Msg-Id, so the stream drops duplicates within its window.
func NATS(o NATSOptions) Destination { return &natsStream{o: o} }

// Deliver implements Destination.
func (n *natsStream) Deliver(ctx context.Context, events []audit.Event) (int, error) {
	if err := n.connect(); err != nil {
		return 0, err
	}
	for i, e := range events {
		if err := n.publish(ctx, e); err != nil {
			if !errors.Is(err, ErrRefused) {
				n.Close()
			}
			return i, err
		}
	}
	return len(events), nil
}

// connect connects if there is no connection. The library's reconnection is off, because what it buffers meanwhile is not in the archive's
// order.
func (n *natsStream) connect() error {
	if n.conn != nil && n.conn.IsConnected() {
		return nil
	}
	n.Close()
	o := []nats.Option{nats.Name("zorgsluis"), nats.Timeout(n.o.Timeout), nats.NoReconnect(), nats.IgnoreDiscoveredServers()}
	scheme := "nats://"
	if n.o.TLS != nil {
		o, scheme = append(o, nats.Secure(n.o.TLS)), "tls://"
	}
	if n.o.User != "" {
		o = append(o, nats.UserInfo(n.o.User, n.o.Password))
	}
	if n.o.CredentialsFile != "" {
		o = append(o, nats.UserCredentials(n.o.CredentialsFile))
	}
	conn, err := nats.Connect(scheme+strings.Join(n.o.Addresses, ","+scheme), o...)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	stream, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return fmt.Errorf("connect: %w", err)
	}
	n.conn, n.stream = conn, stream
	return nil
}

// publish sends one event to the stream and waits for its acknowledgement.
func (n *natsStream) publish(ctx context.Context, e audit.Event) error {
	body, err := renderCloudEvent(e, n.o.Gateway)
	if err != nil {
		return err
	}
	if int64(len(body)) > n.conn.MaxPayload() {
		return fmt.Errorf("%w: larger than the server's max_payload", ErrRefused)
	}
	message := nats.NewMsg(n.o.Subject + "." + string(e.Kind))
	message.Header.Set("content-type", contentType)
	message.Data = body
	ctx, cancel := context.WithTimeout(ctx, n.o.Timeout)
	defer cancel()
	if _, err := n.stream.PublishMsg(ctx, message, jetstream.WithMsgID(string(e.ID))); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// Close implements Destination.
func (n *natsStream) Close() {
	if n.conn != nil {
		n.conn.Close()
		n.conn = nil
	}
}
