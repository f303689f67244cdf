//go:build !release

package demo_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"zorgsluis/internal/demo"
)

// fetch sends one request, without following redirects or reusing connections, and returns what came before the connection was closed.
func fetch(t *testing.T, ctx context.Context, target string) (*http.Response, []byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

func TestInterceptorsMisbehaveAsTold(t *testing.T) {
	s := startSource(t, small, demo.SourceOptions{})
	read, search := s.URL()+"/Observation/o1", s.URL()+"/Observation?patient=a"
	fetchNow := func(target string) (*http.Response, []byte, error) { return fetch(t, t.Context(), target) }

	s.Intercept(demo.Answer(418, "text/html", "<p>"))
	if resp, body, _ := fetchNow(read); resp.StatusCode != 418 || resp.Header.Get("Content-Type") != "text/html" || string(body) != "<p>" {
		t.Errorf("Answer: got %d %s", resp.StatusCode, body)
	}
	s.Intercept(demo.Redirect("http://elsewhere.example/"))
	if resp, _, _ := fetchNow(read); resp.StatusCode != 302 || resp.Header.Get("Location") != "http://elsewhere.example/" {
		t.Errorf("Redirect: got %d", resp.StatusCode)
	}
	s.Intercept(demo.Header("X-Leak", "1"))
	if resp, _, _ := fetchNow(read); resp.StatusCode != 200 || resp.Header.Get("X-Leak") != "1" {
		t.Errorf("Header: got %d with %v", resp.StatusCode, resp.Header)
	}
	s.Intercept(s.Trailer("X-Leak", "2"))
	if resp, body, _ := fetchNow(read); resp.Trailer.Get("X-Leak") != "2" || !bytes.Equal(body, s.Resource("Observation/o1")) {
		t.Errorf("Trailer: got %v", resp.Trailer)
	}
	s.Intercept(s.ExtraEntries(s.Resource("Observation/o3")))
	if _, b := get(t, search); b.names(t) != "o3 o1 o2" {
		t.Errorf("ExtraEntries: got %q", b.names(t))
	}
	s.Intercept(s.Edit(func(body []byte) []byte { return bytes.ReplaceAll(body, []byte("Patient/a"), []byte("Patient/b")) }))
	if _, body, _ := fetchNow(read); !bytes.Contains(body, []byte("Patient/b")) {
		t.Errorf("Edit: got %s", body)
	}
	s.Intercept(s.Truncated())
	if _, body, err := fetchNow(read); err == nil || len(body) == 0 {
		t.Errorf("Truncated: got %d bytes and no error", len(body))
	}
	s.Intercept(demo.Flood(1 << 20))
	if resp, body, _ := fetchNow(read); len(body) < 1<<20 || resp.ContentLength != -1 {
		t.Errorf("Flood: got %d bytes", len(body))
	}
	s.Intercept(demo.HangUp())
	if _, _, err := fetchNow(read); err == nil {
		t.Error("HangUp: got an answer")
	}
	s.Intercept(demo.Only(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/o2") }, demo.HangUp()))
	if resp, _, err := fetchNow(read); err != nil || resp.StatusCode != 200 {
		t.Errorf("Only: other requests fail too: %v", err)
	}
	s.Intercept(nil)
	if resp, _, err := fetchNow(read); err != nil || resp.StatusCode != 200 {
		t.Errorf("without an interceptor: %v", err)
	}
}

func TestEarlyHintsComeBeforeTheAnswer(t *testing.T) {
	s := startSource(t, small, demo.SourceOptions{})
	s.Intercept(demo.EarlyHints("<http://leak.example/>; rel=preload"))
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, h.Get("Link"))
			return nil
		},
	})
	resp, _, err := fetch(t, ctx, s.URL()+"/Observation/o1")
	if err != nil {
		t.Fatal(err)
	}
	if len(hints) != 1 || !strings.Contains(hints[0], "leak.example") || resp.Header.Get("Link") != "" || resp.StatusCode != 200 {
		t.Errorf("got hints %q, then %d with Link %q", hints, resp.StatusCode, resp.Header.Get("Link"))
	}
}

func TestBlockHoldsRequestsUntilReleased(t *testing.T) {
	s := startSource(t, small, demo.SourceOptions{})
	block := s.Block()
	done := make(chan int, 2)
	for range 2 {
		go func() {
			resp, _, err := fetch(t, context.Background(), s.URL()+"/Observation/o1")
			if err != nil {
				done <- 0
				return
			}
			done <- resp.StatusCode
		}()
	}
	<-block.Arrived
	<-block.Arrived
	select {
	case <-done:
		t.Fatal("a held request was answered")
	default:
	}
	block.Release()
	block.Release()
	if a, b := <-done, <-done; a != 200 || b != 200 {
		t.Errorf("got %d and %d after the release", a, b)
	}
	if resp, _, err := fetch(t, t.Context(), s.URL()+"/Observation/o2"); err != nil || resp.StatusCode != 200 {
		t.Errorf("a later request is held: %v", err)
	}
}

func TestBlockEndsWithTheConnection(t *testing.T) {
	s := startSource(t, small, demo.SourceOptions{})
	block := s.Block()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := fetch(t, ctx, s.URL()+"/Observation/o1")
		done <- err
	}()
	<-block.Arrived
	cancel()
	if err := <-done; err == nil {
		t.Error("a cancelled request was answered")
	}
}
