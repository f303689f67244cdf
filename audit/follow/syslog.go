package follow

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"zorgsluis/audit"
)

// SyslogOptions configure a syslog collector.
type SyslogOptions struct {
	Address string // host:port
	JSON    bool   // send CloudEvents; else DICOM audit messages (IHE ITI-20)
	Host    string // the gateway's host name, for every message
	// Unannounced also counts a connection as read to its end if the collector closed it without the close_notify that RFC 5425 requires.
	Unannounced bool
	TLS         *tls.Config
	Timeout     time.Duration // for one delivery
	Form        audit.FHIROptions
}

type syslog struct{ o SyslogOptions }

// Syslog makes a destination of a syslog collector, by RFC 5424 over TLS (RFC 5425).
//
// Syslog acknowledges nothing: what was written may never have been read. So each delivery has its own connection, which ends with
// close_notify, and counts once the collector answers with its own, which it does after the last byte (RFC 5425 §4.4). Session tickets keep
// the handshakes short.
func Syslog(o SyslogOptions) Destination {
	o.TLS = o.TLS.Clone()
	o.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	return &syslog{o: o}
}

// The fixed header values of every message (RFC 5424 §6.2): facility 10, security, as IHE ITI-20 requires; a refusal or an error is a
// warning.
const (
	priorityNotice  = 10*8 + 5
	priorityWarning = 10*8 + 4
	messageDICOM    = "IHE+RFC-3881"
	messageJSON     = "access-event"
	byteOrderMark   = "\xef\xbb\xbf"
)

// maxMessage is what a collector should accept (RFC 5425 §4.3.1). A longer message drops what can be long.
const maxMessage = 8192

// Deliver implements Destination.
func (s *syslog) Deliver(ctx context.Context, events []audit.Event) (int, error) {
	var frames []byte
	for _, e := range events {
		message, err := s.message(e)
		if err != nil {
			return 0, err
		}
		frames = append(strconv.AppendInt(frames, int64(len(message)), 10), ' ')
		frames = append(frames, message...)
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	if err := s.write(ctx, frames); err != nil {
		return 0, err
	}
	return len(events), nil
}

// write sends frames to the collector, and returns when it has read them all.
func (s *syslog) write(ctx context.Context, frames []byte) error {
	dialer := net.Dialer{}
	raw, err := dialer.DialContext(ctx, "tcp", s.o.Address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	watched := &endSeen{Conn: raw}
	config := s.o.TLS
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(s.o.Address)
	}
	conn := tls.Client(watched, config)
	defer raw.Close()
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) }) // ends every read and write
	defer stop()
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := conn.Write(frames); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := conn.CloseWrite(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(conn, maxAnswer)); err != nil {
		return fmt.Errorf("the collector did not end the connection: %w", err)
	}
	if watched.end.Load() && !s.o.Unannounced {
		return errors.New("the collector ended the connection without close_notify (RFC 5425 §4.4): nobody knows what it read")
	}
	return nil
}

// endSeen tells whether the other side ended the connection below TLS: crypto/tls returns io.EOF for that as well as for close_notify.
type endSeen struct {
	net.Conn
	end atomic.Bool
}

func (c *endSeen) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		c.end.Store(true)
	}
	return n, err
}

// message renders an event, as short as necessary.
func (s *syslog) message(e audit.Event) ([]byte, error) {
	for detail := full; ; detail++ {
		message, err := s.render(detail.of(e))
		if err != nil || len(message) <= maxMessage || detail == least {
			return message, err
		}
	}
}

// detail is how much of an event a message contains.
type detail int

const (
	full    detail = iota
	countOf        // the number of references instead of the list
	least          // nor the query, nor the list of consents
)

func (d detail) of(e audit.Event) audit.Event {
	if d >= countOf && len(e.Disclosed) > 0 {
		e.DisclosedTotal = max(e.DisclosedTotal, len(e.Disclosed))
		e.Disclosed = nil
	}
	if d >= least {
		e.Query, e.Records = "", nil
	}
	return e
}

// render renders one message. Its header has no external text, because RFC 5424 allows little in it.
func (s *syslog) render(e audit.Event) ([]byte, error) {
	priority, id := priorityWarning, messageDICOM
	if e.Outcome == audit.OutcomePermit {
		priority = priorityNotice
	}
	var body []byte
	var err error
	if s.o.JSON {
		id = messageJSON
		body, err = renderCloudEvent(e, s.o.Form.Gateway)
	} else {
		body, err = renderDICOM(e, s.o.Form)
		body = append([]byte(byteOrderMark), body...)
	}
	if err != nil {
		return nil, err
	}
	header := fmt.Sprintf("<%d>1 %s %s zorgsluis - %s - ", priority, e.Time.UTC().Format(timeFormat), s.o.Host, id)
	return append([]byte(header), bytes.TrimSpace(body)...), nil
}

// Close implements Destination.
func (s *syslog) Close() {}
