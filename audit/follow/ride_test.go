package follow_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"zorgsluis/audit"
	"zorgsluis/audit/follow"
)

// patience is how long a delivery may take in these tests. It is short, because they often wait for a timeout.
const patience = 300 * time.Millisecond

// form is how events are rendered.
var form = audit.FHIROptions{Gateway: gatewayURL, Name: "test"}

// listen serves handler over TLS with client certificates, and returns a path to it.
func listen(t *testing.T, handler http.Handler) (*path, *tls.Config) {
	t.Helper()
	serverTLS, clientTLS := newAuthority(t).both(t)
	s := httptest.NewUnstartedServer(handler)
	s.TLS = serverTLS
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return newPath(t, s.Listener.Addr().String()), clientTLS
}

// repository is an AuditEvent repository that keeps each event once.
type repository struct {
	arrivals
	t *testing.T
}

// keep accepts one AuditEvent, as a single request or an entry of a batch.
func (r *repository) keep(method, target, condition string, resource []byte) int {
	var e struct {
		ResourceType, ID string
		Meta             struct {
			Tag []struct{ System, Code string }
		}
	}
	if err := json.Unmarshal(resource, &e); err != nil || e.ResourceType != "AuditEvent" {
		r.t.Errorf("got %.80s, want an AuditEvent", resource)
		return http.StatusBadRequest
	}
	switch {
	case method == http.MethodPut && target == "AuditEvent/"+e.ID && condition == "":
	case method == http.MethodPost && target == "AuditEvent" && condition == "_tag=urn%3Azorgsluis%3Aevent-id%7C"+e.ID && e.Meta.Tag[0].Code == e.ID:
	default:
		r.t.Errorf("got %s %s with condition %q for event %s", method, target, condition, e.ID)
		return http.StatusBadRequest
	}
	r.add(e.ID, string(resource))
	return http.StatusCreated
}

func (r *repository) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // cut off
	}
	if request.Header.Get("Authorization") != "Bearer repository" {
		r.t.Error("the header of the configuration is missing")
	}
	if target := strings.TrimPrefix(request.URL.Path, "/fhir/"); target != "/fhir" {
		w.WriteHeader(r.keep(request.Method, target, request.Header.Get("If-None-Exist"), body))
		return
	}
	var batch struct {
		ResourceType, Type string
		Entry              []struct {
			Resource json.RawMessage
			Request  struct{ Method, URL, IfNoneExist string }
		}
	}
	if err := json.Unmarshal(body, &batch); err != nil || batch.ResourceType != "Bundle" || batch.Type != "batch" {
		r.t.Errorf("got %.80s, want a batch", body)
	}
	var entries []string
	for _, e := range batch.Entry {
		status := r.keep(e.Request.Method, e.Request.URL, e.Request.IfNoneExist, e.Resource)
		entries = append(entries, fmt.Sprintf(`{"response":{"status":"%d Created"}}`, status))
	}
	fmt.Fprintf(w, `{"resourceType":"Bundle","type":"batch-response","entry":[%s]}`, strings.Join(entries, ","))
}

func TestFHIRRide(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]bool{"update": false, "create": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &repository{t: t}
			way, clientTLS := listen(t, r)
			ride(t, way, &r.arrivals, func(address string) follow.Destination {
				return follow.FHIR(follow.FHIROptions{
					Base: "https://" + address + "/fhir", Create: create, Header: follow.Header{Name: "Authorization", Value: "Bearer repository"},
					TLS: clientTLS, Timeout: patience, Form: form,
				})
			})
		})
	}
}

func TestWebhookRide(t *testing.T) {
	t.Parallel()
	h := &hook{t: t, secret: []byte("canary-secret-of-the-webhook-32b")}
	way, clientTLS := listen(t, h)
	ride(t, way, &h.arrivals, func(address string) follow.Destination {
		return follow.Webhook(follow.WebhookOptions{
			URL: "https://" + address + "/hook", Secret: h.secret, TLS: clientTLS, Timeout: patience, Gateway: gatewayURL,
		})
	})
	for _, secret := range []string{secretName, secretQuery, secretAddress, secretText, secretToken, "900000001", string(h.secret)} {
		if strings.Contains(h.all(), secret) {
			t.Errorf("a webhook was told %q", secret)
		}
	}
}

// collector reads syslog over TLS to its end, and checks every message with an independent parser.
type collector struct {
	arrivals
	t        *testing.T
	listener net.Listener
	config   *tls.Config
	id       func(message string) string
}

func newCollector(t *testing.T, id func(string) string) (*collector, *tls.Config) {
	t.Helper()
	serverTLS, clientTLS := newAuthority(t).both(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{t: t, listener: l, config: serverTLS, id: id}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.read(tls.Server(conn, serverTLS))
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return c, clientTLS
}

func (c *collector) read(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(within)) // whoever gives up earlier ends the connection
	parser := octetcounting.NewParser(syslog.WithListener(func(r *syslog.Result) {
		if r.Error != nil {
			return // cut off
		}
		m := r.Message.(*rfc5424.SyslogMessage)
		if *m.Facility != 10 || *m.Appname != "zorgsluis" || *m.Hostname != "gateway.example" || m.Message == nil {
			c.t.Errorf("got a message %+v", m)
			return
		}
		c.add(c.id(*m.Message), *m.Message)
	}))
	parser.Parse(conn)
}

func TestSyslogRide(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]func(string) string{"json": cloudEventID, "dicom": dicomID} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, clientTLS := newCollector(t, id)
			ride(t, newPath(t, c.listener.Addr().String()), &c.arrivals, func(address string) follow.Destination {
				return follow.Syslog(follow.SyslogOptions{
					Address: address, JSON: name == "json", Host: "gateway.example", TLS: clientTLS, Timeout: patience, Form: form,
				})
			})
		})
	}
}

func cloudEventID(message string) string {
	var e struct{ ID string }
	if err := json.Unmarshal([]byte(message), &e); err != nil {
		return "not a CloudEvent: " + message
	}
	return e.ID
}

func TestNATSRide(t *testing.T) {
	t.Parallel()
	serverTLS, clientTLS := newAuthority(t).both(t)
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		TLS: true, TLSConfig: serverTLS, TLSTimeout: 10, Username: "gateway", Password: "canary-nats",
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(within) {
		t.Fatal("nats-server does not start")
	}
	conn, err := nats.Connect("tls://"+s.Addr().String(), nats.Secure(clientTLS), nats.UserInfo("gateway", "canary-nats"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	got := &arrivals{}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"zorgsluis.events.>"}})
	if err != nil {
		t.Fatal(err)
	}
	read := func() {
		c, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range info.State.Msgs {
			m, err := c.Next()
			if err != nil {
				t.Fatal(err)
			}
			id := cloudEventID(string(m.Data()))
			if m.Headers().Get("Nats-Msg-Id") != id || m.Subject() != "zorgsluis.events.access" {
				t.Errorf("event %s came as %s to %s", id, m.Headers().Get("Nats-Msg-Id"), m.Subject())
			}
			got.add(id, string(m.Data()))
		}
	}
	defer func() {
		read()
		if len(got.ids) != 100 {
			t.Errorf("the stream holds %d messages, want 100: what comes twice is dropped by its id", len(got.ids))
		}
		got.wantAll(t, numbered(100))
	}()
	ride(t, newPath(t, s.Addr().String()), nil, func(address string) follow.Destination {
		return follow.NATS(follow.NATSOptions{
			Addresses: []string{address}, Subject: "zorgsluis.events", User: "gateway", Password: "canary-nats",
			TLS: clientTLS, Timeout: patience, Gateway: gatewayURL,
		})
	})
}

// advertised is a listener that gives clients the address of the path to it instead of its own.
type advertised struct {
	net.Listener
	way *path
}

func (a advertised) Addr() net.Addr {
	address, _ := net.ResolveTCPAddr("tcp", a.way.address) // local and numeric
	return address
}

func TestKafkaRide(t *testing.T) {
	t.Parallel()
	serverTLS, clientTLS := newAuthority(t).both(t)
	var way *path
	var direct string
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "events"), kfake.EnableSASL(),
		kfake.Superuser("SCRAM-SHA-512", "gateway", "canary-kafka"),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			l, err := tls.Listen(network, "127.0.0.1:0", serverTLS)
			if err != nil {
				return nil, err
			}
			direct = l.Addr().String()
			way = newPath(t, direct)
			return advertised{l, way}, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	got := &arrivals{}
	defer func() {
		consumer, err := kgo.NewClient(kgo.SeedBrokers(way.address), kgo.ConsumeTopics("events"), kgo.DialTLSConfig(clientTLS), kafkaLogin())
		if err != nil {
			t.Fatal(err)
		}
		defer consumer.Close()
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		seen := map[string]bool{}
		partitions := map[int32]bool{}
		for len(seen) < 100 && ctx.Err() == nil {
			fetched := consumer.PollFetches(ctx)
			fetched.EachRecord(func(r *kgo.Record) {
				id := cloudEventID(string(r.Value))
				seen[id], partitions[r.Partition] = true, true
				if string(r.Key) != person {
					t.Errorf("event %s has key %q, want the person key", id, r.Key)
				}
				got.add(id, string(r.Value))
			})
		}
		if len(partitions) != 1 {
			t.Errorf("the events of one person are in %d partitions, want 1", len(partitions))
		}
		got.wantAll(t, numbered(100))
	}()
	ride(t, way, nil, func(address string) follow.Destination {
		return follow.Kafka(follow.KafkaOptions{
			Addresses: []string{address}, Topic: "events", User: "gateway", Password: "canary-kafka",
			TLS: clientTLS, Timeout: 2 * patience, Gateway: gatewayURL,
		})
	})
}

func kafkaLogin() kgo.Opt {
	return kgo.SASL(scram.Auth{User: "gateway", Pass: "canary-kafka"}.AsSha512Mechanism())
}

// numbered are the ids of the first events.
func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = string(sample(i + 1).ID)
	}
	return ids
}
