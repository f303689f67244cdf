//go:build !release

package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"zorgsluis/fhir"
)

// SourceOptions configure a Source. The zero value is valid.
type SourceOptions struct {
	Version  fhir.Version // default R4
	Address  string       // to listen on; default "127.0.0.1:0"
	PageSize int          // entries of a page without _count; default 50
	// Credential, if set, is the exact Authorization header that every request needs; others get 401.
	Credential string
	// Unrecorded turns off the recording of requests, for benchmarks.
	Unrecorded bool
}

// maxRecorded limits the recorded requests; the oldest are dropped first.
const maxRecorded = 10_000

// maxRequestBody limits what is read of a request's body, in bytes.
const maxRequestBody = 1 << 20

// Request is one request as the source received it. Path is below the FHIR base, without a leading slash.
type Request struct {
	Method string
	Path   string
	Query  string
	Header http.Header
	Body   []byte
}

// Interceptor sees a request before the source does. It answers it and returns true, or leaves it to the source. It may read the body.
type Interceptor func(w http.ResponseWriter, r *http.Request) bool

// Source is a FHIR server in memory, of R4 or STU3. It is safe for concurrent use.
type Source struct {
	options SourceOptions
	url     string
	now     func() time.Time
	server  *http.Server
	serving chan error

	mu          sync.RWMutex
	store       *store
	cursors     []*cursor
	requests    []Request
	interceptor Interceptor
}

// NewSource starts a source with the data. Close stops it.
func NewSource(data Data, o SourceOptions) (*Source, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.PageSize == 0 {
		o.PageSize = 50
	}
	if o.Version == 0 {
		o.Version = fhir.R4
	}
	load, known := dialects[o.Version]
	if !known {
		return nil, errors.New("start source: unknown version")
	}
	d, err := load()
	if err != nil {
		return nil, fmt.Errorf("start source: %w", err)
	}
	s := &Source{options: o, now: time.Now, serving: make(chan error, 1), store: newStore(d)}
	if err := s.Add(data...); err != nil {
		return nil, fmt.Errorf("start source: %w", err)
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("start source: %w", err)
	}
	s.url = "http://" + listener.Addr().String() + "/fhir"
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	go func() { s.serving <- s.server.Serve(listener) }()
	return s, nil
}

// URL is the FHIR base, without a slash at the end.
func (s *Source) URL() string { return s.url }

// Close stops the source and drops the requests in flight.
func (s *Source) Close() error {
	err := s.server.Close()
	if serveErr := <-s.serving; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	s.serving <- http.ErrServerClosed // for a second Close
	return err
}

// Add stores resources, replacing those of the same type and id.
func (s *Source) Add(resources ...Resource) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range resources {
		if err := s.store.add(r); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes "Type/id".
func (s *Source) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store.remove(name)
}

// Resource returns the bytes of "Type/id"; nil if there is none.
func (s *Source) Resource(name string) Resource {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.store.byName[name]; r != nil {
		return r.raw
	}
	return nil
}

// Requests returns all requests since the start or the last Reset, in order.
func (s *Source) Requests() []Request {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.requests)
}

// Reset forgets the requests and the interceptor.
func (s *Source) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.interceptor = nil, nil
}

// Intercept lets i see every request from now on, instead of the previous interceptor; nil removes it.
func (s *Source) Intercept(i Interceptor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interceptor = i
}

// ServeHTTP implements http.Handler.
func (s *Source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		s.refuse(w, &problem{http.StatusBadRequest, "invalid", "the body cannot be read"})
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if i := s.record(r, body); i != nil && i(w, r) {
		return
	}
	s.serve(w, r, body)
}

// record keeps the request and returns the interceptor.
func (s *Source) record(r *http.Request, body []byte) Interceptor {
	if s.options.Unrecorded {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.interceptor
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.EscapedPath(), "/fhir"), "/")
	s.requests = append(s.requests, Request{r.Method, path, r.URL.RawQuery, r.Header.Clone(), body})
	if len(s.requests) > maxRecorded {
		s.requests = slices.Delete(s.requests, 0, 1)
	}
	return s.interceptor
}

// serve answers as a well-behaved server.
func (s *Source) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	if s.options.Credential != "" && r.Header.Get("Authorization") != s.options.Credential {
		s.refuse(w, &problem{http.StatusUnauthorized, "login", "credential is missing or wrong"})
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/fhir")
	if !ok || path != "" && path[0] != '/' {
		s.refuse(w, &problem{http.StatusNotFound, "not-found", "not below the FHIR base"})
		return
	}
	content, err := s.answer(w.Header(), r, strings.Trim(path, "/"), body)
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.write(w, http.StatusOK, content)
}

// answer answers a request: metadata, a page, a read, a vread, a search.
func (s *Source) answer(header http.Header, r *http.Request, path string, body []byte) ([]byte, error) {
	parts := strings.Split(path, "/")
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case path == "metadata" && get:
		return s.capability(), nil
	case path == "" && get && r.URL.Query().Has("_getpages"):
		return s.nextPage(r.URL.Query())
	case len(parts) == 1 && path != "" && get:
		return s.search(parts[0], r.URL.RawQuery, "", r.Header)
	case len(parts) == 2 && parts[1] == "_search" && r.Method == http.MethodPost:
		mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || mediaType != "application/x-www-form-urlencoded" {
			return nil, &problem{http.StatusUnsupportedMediaType, "not-supported", "a search by POST is a form"}
		}
		return s.search(parts[0], r.URL.RawQuery, string(body), r.Header)
	case len(parts) == 2 && get:
		return s.read(header, parts[0], parts[1])
	case len(parts) == 4 && parts[2] == "_history" && parts[3] == "1" && get:
		return s.read(header, parts[0], parts[1])
	case get:
		return nil, &problem{http.StatusNotFound, "not-found", "unknown path"}
	}
	return nil, &problem{http.StatusMethodNotAllowed, "not-supported", "the source is read-only"}
}

func (s *Source) read(header http.Header, typ, id string) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.store.byName[typ+"/"+id]
	if r == nil {
		return nil, &problem{http.StatusNotFound, "not-found", "resource is not known"}
	}
	header.Set("ETag", `W/"1"`)
	if p, ok := s.store.dialect.lookUp(typ, "_lastUpdated"); ok {
		for _, value := range p.values(r.tree()) {
			for _, at := range spansOf(value) {
				header.Set("Last-Modified", at.start.UTC().Format(http.TimeFormat))
			}
		}
	}
	return r.raw, nil
}

// search answers a search with the parameters of the query and of the form.
func (s *Source) search(typ, rawQuery, form string, header http.Header) ([]byte, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, &problem{http.StatusBadRequest, "invalid", "the query is malformed"}
	}
	fields, err := url.ParseQuery(form)
	if err != nil {
		return nil, &problem{http.StatusBadRequest, "invalid", "the form is malformed"}
	}
	for name, values := range fields {
		query[name] = append(query[name], values...)
	}
	if s.store.dialect[typ] == nil {
		return nil, &problem{http.StatusNotFound, "not-supported", "unknown resource type"}
	}
	strict := strings.Contains(header.Get("Prefer"), "handling=strict")
	q, err := s.store.dialect.parseSearch(typ, query, strict)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	matches := s.store.find(q, s.url)
	s.mu.RUnlock()
	c := s.newCursor(q, matches)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.page(c, 0), nil
}

// nextPage answers a page link.
func (s *Source) nextPage(query url.Values) ([]byte, error) {
	offset, err := strconv.Atoi(query.Get("_getpagesoffset"))
	s.mu.RLock()
	defer s.mu.RUnlock()
	at := slices.IndexFunc(s.cursors, func(c *cursor) bool { return c.handle == query.Get("_getpages") })
	if err != nil || offset < 0 || at < 0 {
		return nil, &problem{http.StatusGone, "not-found", "the page is gone"}
	}
	return s.page(s.cursors[at], offset), nil
}

// write sends a body; net/http leaves it out for HEAD.
func (s *Source) write(w http.ResponseWriter, status int, content []byte) {
	w.Header().Set("Content-Type", "application/fhir+json;charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(status)
	_, _ = w.Write(content) // a client that closed the connection does not matter
}

func (s *Source) refuse(w http.ResponseWriter, err error) {
	p := &problem{http.StatusInternalServerError, "exception", "the source failed"}
	errors.As(err, &p)
	s.write(w, p.status, outcome(p.code, p.text))
}
