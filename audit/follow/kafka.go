package follow

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"zorgsluis/audit"
)

// KafkaOptions configure Kafka.
type KafkaOptions struct {
	Addresses      []string // host:port of some brokers
	Topic          string
	User, Password string      // SASL SCRAM-SHA-512; no user: none
	TLS            *tls.Config // nil: no TLS
	Timeout        time.Duration
	Gateway        string // public URL of the gateway: the CloudEvents' source
}

type kafkaTopic struct {
	o      KafkaOptions
	client *kgo.Client
}

// Kafka makes a destination of a Kafka topic. The person key is the record's key, so all events of a person are in one partition, in order.
// An event counts once it is on all in-sync replicas (acks=all), and the producer is idempotent.
func Kafka(o KafkaOptions) Destination { return &kafkaTopic{o: o} }

// Deliver implements Destination.
func (k *kafkaTopic) Deliver(ctx context.Context, events []audit.Event) (int, error) {
	if err := k.connect(); err != nil {
		return 0, err
	}
	records := make([]*kgo.Record, len(events))
	for i, e := range events {
		body, err := renderCloudEvent(e, k.o.Gateway)
		if err != nil {
			return 0, err
		}
		records[i] = &kgo.Record{
			Topic: k.o.Topic, Value: body,
			Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte(contentType)}, {Key: "id", Value: []byte(e.ID)}},
		}
		if e.Person != "" {
			records[i].Key = []byte(e.Person)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, k.o.Timeout)
	defer cancel()
	failed := map[*kgo.Record]error{}
	for _, result := range k.client.ProduceSync(ctx, records...) { // in the order in which they ended
		failed[result.Record] = result.Err
	}
	for i, record := range records {
		err, ended := failed[record]
		switch {
		case errors.Is(err, kerr.MessageTooLarge):
			return i, fmt.Errorf("%w: larger than the topic's max.message.bytes", ErrRefused)
		case err != nil || !ended:
			k.Close() // nothing left of this delivery may arrive after the next one
			return i, fmt.Errorf("produce: %w", err)
		}
	}
	return len(events), nil
}

// connect makes a client if there is none; it connects when used, and finds new leaders itself.
func (k *kafkaTopic) connect() error {
	if k.client != nil {
		return nil
	}
	o := []kgo.Opt{
		kgo.SeedBrokers(k.o.Addresses...),
		kgo.ClientID("zorgsluis"),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.DialTimeout(k.o.Timeout),
		kgo.ProduceRequestTimeout(k.o.Timeout),
		kgo.MetadataMinAge(time.Second),          // so that new leaders are found soon
		kgo.AllowIdempotentProduceCancellation(), // a silent broker ends the delivery, not the follower
	}
	if k.o.TLS != nil {
		o = append(o, kgo.DialTLSConfig(k.o.TLS))
	}
	if k.o.User != "" {
		o = append(o, kgo.SASL(scram.Auth{User: k.o.User, Pass: k.o.Password}.AsSha512Mechanism()))
	}
	client, err := kgo.NewClient(o...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	k.client = client
	return nil
}

// Close implements Destination.
func (k *kafkaTopic) Close() {
	if k.client != nil {
		k.client.Close()
		k.client = nil
	}
}
