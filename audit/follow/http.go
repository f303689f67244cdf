package follow

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 20

// Header is sent with every request, usually as a credential. The zero Header is none.
type Header struct{ Name, Value string }

// Identify wraps a transport so that it also authenticates the gateway to the destination, by a token that is renewed. nil: no token.
type Identify func(http.RoundTripper) http.RoundTripper

// sender posts to one web server.
type sender struct {
	client *http.Client
	direct *http.Transport
	header Header
}

// newSender makes a sender. It follows no redirects and ignores the environment's proxy settings: data goes only where the configuration
// says.
func newSender(config *tls.Config, timeout time.Duration, header Header, identify Identify) sender {
	dialer := net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}
	direct := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    timeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    1, // one delivery at a time
		IdleConnTimeout:        90 * time.Second,
	}
	s := sender{header: header, direct: direct, client: &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     direct,
	}}
	if identify != nil {
		s.client.Transport = identify(direct)
	}
	return s
}

// send makes one request and returns its complete answer; one that is cut off is an error.
func (s sender) send(ctx context.Context, method, target string, header http.Header, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return 0, nil, errors.New("the URL cannot be used")
	}
	request.Header = header
	if s.header.Name != "" {
		request.Header.Set(s.header.Name, s.header.Value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, nil, withoutURL(err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer: %w", withoutURL(err))
	}
	if len(answer) > maxAnswer {
		return 0, nil, errors.New("the answer is too large")
	}
	return response.StatusCode, answer, nil
}

// verdict is what a status says about what was sent. Only a status about the content refuses it: any other may be different tomorrow.
func verdict(status int) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, status):
		return fmt.Errorf("%w: status %d", ErrRefused, status)
	default:
		return fmt.Errorf("the destination answers with status %d", status)
	}
}

// withoutURL drops the URL from an error of net/http: a path can be a secret.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
