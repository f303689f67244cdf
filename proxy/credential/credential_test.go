package credential_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zorgsluis/proxy/credential"
)

const canary = "CANARYtoken"

// endpoint is a token endpoint in process: it issues numbered tokens, or answers as a test says.
type endpoint struct {
	mu     sync.Mutex
	asked  int
	answer func(n int) (status int, body string)
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	form, _ := io.ReadAll(r.Body)
	e.mu.Lock()
	e.asked++
	n := e.asked
	e.mu.Unlock()
	if !strings.Contains(string(form), "grant_type=client_credentials") || !strings.Contains(string(form), "client_assertion=signed") {
		return nil, errors.New("the question is not as expected")
	}
	status, body := e.answer(n)
	if status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}, "Location": {"https://evil.example/token"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func (e *endpoint) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

func newTokens(e *endpoint) *credential.Tokens {
	return credential.NewTokens(credential.Options{
		TokenURL: "https://login.example/token", ClientID: "gw", Scopes: []string{"system/*.read"}, Parameters: url.Values{"resource": {"https://fhir.example"}},
		Assertion: func(time.Time) (string, error) { return "signed", nil }, Transport: e,
	})
}

func good(n int) (int, string) {
	return 200, fmt.Sprintf(`{"access_token":"%s-%d","token_type":"Bearer","expires_in":100}`, canary, n)
}

// TestATokenIsRenewed: a token is renewed in the background before it expires; it survives an outage until then, and after that there is
// none.
func TestATokenIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		e := &endpoint{answer: func(n int) (int, string) {
			if away.Load() {
				return 503, canary
			}
			return good(n)
		}}
		tokens := newTokens(e)
		ctx, cancel := context.WithCancel(t.Context())
		var failed atomic.Int32
		done := make(chan struct{})
		go func() { defer close(done); tokens.Run(ctx, func(error) { failed.Add(1) }) }()
		synctest.Wait()
		want := func(want string, when string) {
			t.Helper()
			got, err := tokens.Token(t.Context())
			if got != want || (err == nil) != (want != "") {
				t.Errorf("%s: got %q and error %v, want %q", when, got, err, want)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%s: the error tells what the endpoint said: %v", when, err)
			}
		}
		want(canary+"-1", "at the start")
		time.Sleep(85 * time.Second) // past four fifths of its life, in the time of the synctest bubble
		synctest.Wait()
		want(canary+"-2", "renewed")
		away.Store(true)
		time.Sleep(70 * time.Second)
		synctest.Wait()
		want(canary+"-2", "the endpoint is away")
		time.Sleep(40 * time.Second)
		synctest.Wait()
		want("", "the token has ended")
		if asked := e.count(); asked > 12 || tokens.State() == nil || tokens.Failures() == 0 || failed.Load() == 0 {
			t.Errorf("got %d questions, state %v, %d failures, %d told", asked, tokens.State(), tokens.Failures(), failed.Load())
		}
		away.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		want(fmt.Sprintf("%s-%d", canary, e.count()), "the endpoint is back")
		if tokens.State() != nil {
			t.Errorf("got state %v, want none", tokens.State())
		}
		cancel()
		<-done
	})
}

// TestOneQuestionForAll: however many wait, one request is made, and a caller who hangs up does not cancel it.
func TestOneQuestionForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answer: func(n int) (int, string) { time.Sleep(time.Second); return good(n) }}
		tokens := newTokens(e)
		hangsUp, hangUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := tokens.Token(hangsUp); err == nil {
				t.Error("who hung up got a token")
			}
		})
		synctest.Wait()
		hangUp()
		for range 50 {
			wg.Go(func() {
				if got, err := tokens.Token(t.Context()); err != nil || got != canary+"-1" {
					t.Errorf("got %q and error %v", got, err)
				}
			})
		}
		wg.Wait()
		for range 50 {
			wg.Go(func() {
				if got, err := tokens.Replace(t.Context(), canary+"-1"); err != nil || got != canary+"-2" {
					t.Errorf("got %q and error %v", got, err)
				}
			})
		}
		wg.Wait()
		if got, err := tokens.Replace(t.Context(), canary+"-2"); err == nil {
			t.Errorf("got %q at once, want a source that refuses all tokens to cause few questions", got)
		}
		if e.count() != 2 {
			t.Errorf("got %d questions, want 2", e.count())
		}
	})
}

// TestBadAnswers: an unusable answer gives no token but an error in our own words, in bounded time; the next request waits.
func TestBadAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		status     int
		body, want string
	}{
		"silence":                    {0, "", "does not answer"},
		"a refusal":                  {401, `{"error":"invalid_client","error_description":"` + canary + `"}`, "invalid_client"},
		"a refusal in its own words": {400, `{"error":"` + canary + `"}`, "status 400"},
		"a redirect":                 {307, canary, "status 307"},
		"no JSON":                    {200, canary, "no usable answer"},
		"no token":                   {200, `{"token_type":"Bearer"}`, "no usable answer"},
		"another type":               {200, `{"access_token":"` + canary + `","token_type":"DPoP","expires_in":100}`, "type Bearer"},
		"no type":                    {200, `{"access_token":"` + canary + `","expires_in":100}`, "type Bearer"},
		"a line break":               {200, `{"access_token":"` + canary + `\r\nX: y","token_type":"Bearer","expires_in":100}`, "form"},
		"too long":                   {200, `{"access_token":"` + strings.Repeat("a", 9<<10) + `","token_type":"Bearer","expires_in":100}`, "form"},
		"one that has ended":         {200, `{"access_token":"` + canary + `","token_type":"Bearer","expires_in":-5}`, "ended"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &endpoint{answer: func(int) (int, string) { return tt.status, tt.body }}
				tokens := newTokens(e)
				start := time.Now()
				for range 3 {
					got, err := tokens.Token(t.Context())
					if got != "" || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) {
						t.Errorf("got %q and error %v, want one with %q and nothing of the answer", got, err, tt.want)
					}
				}
				if took := time.Since(start); took > 6*time.Second || e.count() != 1 {
					t.Errorf("got %d questions in %s, want 1 in five seconds", e.count(), took)
				}
			})
		})
	}
}

// carried is a source in process.
type carried func(*http.Request) int

func (c carried) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c(r), Body: http.NoBody, Request: r, Header: http.Header{}}, nil
}

// TestOnlyTheSourceItself: nothing is sent to a server that only looks like the source, nor to the source without its credential.
func TestOnlyTheSourceItself(t *testing.T) {
	base, _ := url.Parse("https://fhir.example/r4")
	var reached []string
	transport := &credential.Transport{
		Base: base, Tokens: newTokens(&endpoint{answer: good}), Header: func() (string, string) { return "X-Api-Key", canary },
		Next: carried(func(r *http.Request) int {
			if r.Header.Get("Authorization") != "Bearer "+canary+"-1" || r.Header.Get("X-Api-Key") != canary {
				t.Errorf("%s: got headers %v, want both", r.URL, r.Header)
			}
			reached = append(reached, r.URL.String())
			return 200
		}),
	}
	for _, address := range []string{
		"http://fhir.example/r4/Patient/1", "https://fhir.example.evil.example/r4/Patient/1", "https://evil.example/r4/Patient/1",
		"https://fhir.example:8443/r4/Patient/1", "https://fhir.example/r4x/Patient/1", "https://fhir.example/Patient/1",
		"https://user@fhir.example/r4/Patient/1", "https://FHIR.example/r4/Patient/1",
	} {
		r, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := transport.RoundTrip(r); !errors.Is(err, credential.ErrElsewhere) {
			t.Errorf("%s: got error %v, want that it is elsewhere", address, err)
		}
	}
	page, _ := http.NewRequest(http.MethodGet, "https://fhir.example/r4?_getpages=1", nil)
	if _, err := transport.RoundTrip(page); err != nil || len(reached) != 1 {
		t.Errorf("a page link: got error %v, reached %v", err, reached)
	}
	r, _ := http.NewRequest(http.MethodGet, "https://fhir.example/r4/Patient/1", nil)
	if _, err := transport.RoundTrip(r); err != nil || len(reached) != 2 || len(r.Header) != 0 {
		t.Errorf("got error %v, reached %v, header %v of the request, want one more and none", err, reached, r.Header)
	}
	transport.Tokens = newTokens(&endpoint{answer: func(int) (int, string) { return 503, "" }})
	if _, err := transport.RoundTrip(r); err == nil || len(reached) != 2 {
		t.Errorf("without a token: got error %v and %v, want nothing sent", err, reached)
	}
}

// TestARefusedToken: a refused token is replaced, and a GET is sent once more; for a POST, and a second refusal, the source's answer is
// returned.
func TestARefusedToken(t *testing.T) {
	base, _ := url.Parse("https://fhir.example/r4")
	for name, tt := range map[string]struct {
		method      string
		good        string // the token that the source accepts
		want, asked int
	}{
		"a GET":                       {http.MethodGet, canary + "-2", 200, 2},
		"a GET that is refused again": {http.MethodGet, canary + "-9", 401, 2},
		"a POST":                      {http.MethodPost, canary + "-2", 401, 1},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			e := &endpoint{answer: good}
			transport := &credential.Transport{Base: base, Tokens: newTokens(e), Next: carried(func(r *http.Request) int {
				asked++
				if r.Header.Get("Authorization") == "Bearer "+tt.good {
					return 200
				}
				return 401
			})}
			r, _ := http.NewRequest(tt.method, "https://fhir.example/r4/Patient", nil)
			response, err := transport.RoundTrip(r)
			if err != nil || response.StatusCode != tt.want || asked != tt.asked || e.count() != 2 {
				t.Errorf("got %v, %v after %d requests and %d tokens, want %d after %d and 2", response, err, asked, e.count(), tt.want, tt.asked)
			}
		})
	}
}
