package main

import (
	"log/slog"
	"net/http"
	"time"

	"zorgsluis/internal/config"
)

// maxHeaderBytes limits a request's line and headers: a token may have 16 KiB, and the rest of a FHIR request is short.
const maxHeaderBytes = 32 << 10

// maxStreams limits the requests in flight on one HTTP/2 connection, so that one caller cannot take them all.
const maxStreams = 100

// publicServer returns the server for callers. Each timeout prevents one way of blocking it.
func publicServer(handler http.Handler, s *config.Settings, log *slog.Logger) *http.Server {
	l, secure := s.File.Limits, s.Certificate != nil
	if secure {
		handler = strictTransport(handler)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(secure) // without TLS, HTTP/2 has had ways around the header timeout (CVE-2026-56853)
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: l.Timeouts.Header,      // slowloris: headers that never end
		ReadTimeout:       l.Timeouts.Request,     // a body that never ends
		WriteTimeout:      2 * l.Timeouts.Request, // a caller that does not read its answer; the exchange itself has at most half of it
		IdleTimeout:       l.Timeouts.Idle,        // connections kept open but unused
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // messages of net/http, mostly about scanners
		Protocols:         &protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},

		// The gate refuses "OPTIONS *", like everything else.
		DisableGeneralOptionsHandler: true,
	}
	if secure {
		server.TLSConfig = s.ListenerTLS()
	}
	return server
}

// adminServer returns the server for health and metrics. It has its own mux and listener: nothing on it can reach a source, and none of it
// is open to callers.
func adminServer(h *health, m *metrics, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	h.register(mux)
	m.register(mux)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,  // slowloris
		ReadTimeout:       5 * time.Second,  // a body that nobody asked for
		WriteTimeout:      10 * time.Second, // a scraper that does not read
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// announced tells callers to open a new connection once the gateway is about to stop, so that Shutdown finds few idle ones.
func announced(h *health, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.draining.Load() {
			w.Header().Set("Connection", "close") // HTTP/2: net/http sends GOAWAY
		}
		next.ServeHTTP(w, r)
	})
}

// alone makes a request the last one on its connection if a proxy in front may have found its end elsewhere: a body in chunks, because net/http
// does not tell whether a Content-Length stood beside them (RFC 9112 §6.1: close then), and a read with a body.
func alone(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read := r.Method == http.MethodGet || r.Method == http.MethodHead
		if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || read && r.ContentLength != 0) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// oneYear is how long a browser or app must use TLS after a response over TLS (RFC 6797; internet.nl requires at least a year).
const oneYear = "max-age=31536000"

// strictTransport says on each answer to use TLS only. It is used if TLS ends here; a proxy in front that ends TLS says it itself.
func strictTransport(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", oneYear)
		next.ServeHTTP(w, r)
	})
}
