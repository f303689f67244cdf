//go:build !release

package demo

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// Block holds requests back at the source: each is reported on Arrived, and continues when Release is called, or ends with its connection.
type Block struct {
	Arrived <-chan struct{} // one value for each held request, up to a hundred
	Release func()          // lets all continue, also later ones; may be called more than once
}

// Block holds every request from now on until Release.
func (s *Source) Block() Block {
	arrived, released := make(chan struct{}, 100), make(chan struct{})
	s.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case arrived <- struct{}{}:
		default:
		}
		select {
		case <-released:
			return false
		case <-r.Context().Done():
			return true
		}
	})
	return Block{Arrived: arrived, Release: sync.OnceFunc(func() { close(released) })}
}

// Only applies i to the requests that match, and leaves the others to the source.
func Only(match func(*http.Request) bool, i Interceptor) Interceptor {
	return func(w http.ResponseWriter, r *http.Request) bool { return match(r) && i(w, r) }
}

// Answer answers everything with this status, content type and body.
func Answer(status int, contentType, body string) Interceptor {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// Redirect redirects everything, with 302.
func Redirect(to string) Interceptor {
	return func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, to, http.StatusFound)
		return true
	}
}

// EarlyHints sends an informational 103 with this Link header, and then the source's answer (RFC 8297).
func EarlyHints(link string) Interceptor {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Link", link)
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		return false
	}
}

// Header adds a header to the source's answer.
func Header(name, value string) Interceptor {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Add(name, value)
		return false
	}
}

// Trailer sends the source's answer with this trailer (RFC 9110 §6.5).
func (s *Source) Trailer(name, value string) Interceptor {
	return func(w http.ResponseWriter, r *http.Request) bool {
		status, header, body := s.wellBehaved(r)
		w.Header().Set("Content-Type", header.Get("Content-Type"))
		w.Header().Set("Trailer", name)
		w.WriteHeader(status)
		_, _ = w.Write(body)
		w.Header().Set(name, value)
		return true
	}
}

// Edit sends the source's answer with another body: extra entries, duplicates, half a resource.
func (s *Source) Edit(edit func(body []byte) []byte) Interceptor {
	return func(w http.ResponseWriter, r *http.Request) bool {
		status, header, body := s.wellBehaved(r)
		w.Header().Set("Content-Type", header.Get("Content-Type"))
		w.WriteHeader(status)
		_, _ = w.Write(edit(body))
		return true
	}
}

// ExtraEntries puts unrequested resources into every Bundle, as the first entries and as matches.
func (s *Source) ExtraEntries(resources ...Resource) Interceptor {
	return s.Edit(func(body []byte) []byte {
		before, after, found := bytes.Cut(body, []byte(`"entry":[`))
		if !found {
			return body
		}
		var b bytes.Buffer
		b.Write(before)
		b.WriteString(`"entry":[`)
		for _, r := range resources {
			b.WriteString(`{"resource":`)
			b.Write(r)
			b.WriteString(`,"search":{"mode":"match"}},`)
		}
		b.Write(after)
		return b.Bytes()
	})
}

// Truncated sends the headers of the source's answer and half of its body, and closes the connection.
func (s *Source) Truncated() Interceptor {
	return func(w http.ResponseWriter, r *http.Request) bool {
		status, header, body := s.wellBehaved(r)
		w.Header().Set("Content-Type", header.Get("Content-Type"))
		w.Header().Set("Content-Length", header.Get("Content-Length"))
		w.WriteHeader(status)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush() // or nothing would be sent
		panic(http.ErrAbortHandler)
	}
}

// Flood sends a JSON string of this many bytes, without a Content-Length.
func Flood(size int) Interceptor {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/fhir+json")
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		_, _ = io.WriteString(w, `{"resourceType":"`)
		for sent := 0; sent < size; sent += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return true
			}
		}
		_, _ = io.WriteString(w, `"}`)
		return true
	}
}

// HangUp closes the connection without an answer.
func HangUp() Interceptor {
	return func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
}

// wellBehaved returns what the source would answer.
func (s *Source) wellBehaved(r *http.Request) (status int, header http.Header, body []byte) {
	request, err := io.ReadAll(r.Body)
	if err != nil {
		return http.StatusInternalServerError, http.Header{}, nil
	}
	answer := recorder{header: http.Header{}, status: http.StatusOK}
	s.serve(&answer, r, request)
	return answer.status, answer.header, answer.body.Bytes()
}

// recorder keeps an answer instead of sending it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
