package main

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/proxy"
)

// interactions are the only values of the label of that name. Labels come from closed lists: one taken from a request could contain an
// identifier, and would let callers fill the memory.
var interactions = []string{
	"read", "vread", "history-instance", "search-type", "everything", "lastn", "attachment", "batch", "capabilities", "options", "break-glass", "break-glass-end", "access-events", "access-event",
	"consent-read", "consent-vread", "consent-history", "consent-search", "consent-create", "consent-update", "consent-withdraw", "consent-object",
}

// Steps that are measured separately (README, "How a request passes").
const (
	stepAuthenticate = "authenticate"
	stepStanding     = "standing"
	stepSource       = "source"
	stepRegistry     = "registry"
	stepCommit       = "commit"
)

// metrics are what /metrics shows. They have their own registry: nothing is registered by an import.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	steps    *prometheus.HistogramVec
	failures *prometheus.CounterVec
	alerts   prometheus.Counter
	inFlight prometheus.Gauge

	redisUsed, redisMax prometheus.Gauge

	torn       prometheus.Counter
	breakGlass breakGlassMetrics
}

func newMetrics(version string) *metrics {
	seconds := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zorgsluis_requests_total", Help: "Answered requests by interaction and HTTP status.",
		}, []string{"interaction", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "zorgsluis_request_seconds", Help: "Time from the first byte read to the answer.", Buckets: seconds,
		}, []string{"interaction"}),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "zorgsluis_step_seconds", Help: "Time of one step of a request.", Buckets: seconds,
		}, []string{"step"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zorgsluis_step_failures_total", Help: "Steps that ended in an error, refusals of callers not counted.",
		}, []string{"step"}),
		alerts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "zorgsluis_alerts_total", Help: "Emergency accesses and refusals that must be reported.",
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "zorgsluis_requests_in_flight", Help: "Requests that are being answered.",
		}),
	}
	m.redisUsed = prometheus.NewGauge(prometheus.GaugeOpts{Name: "zorgsluis_redis_memory_bytes", Help: "Memory in use at the fullest Redis server."})
	m.redisMax = prometheus.NewGauge(prometheus.GaugeOpts{Name: "zorgsluis_redis_memory_limit_bytes", Help: "Its maxmemory: at 70 % there is an alarm, at 100 % every request is refused."})
	m.torn = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "zorgsluis_archive_torn_total", Help: "Unfinished lines that were found at the end of the archive: what a crash leaves.",
	})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "zorgsluis_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.breakGlass = newBreakGlassMetrics(m.registry)
	m.registry.MustRegister(m.requests, m.duration, m.steps, m.failures, m.alerts, m.inFlight, m.redisUsed, m.redisMax, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// archiveLag registers how far the archive is behind the outbox.
func (m *metrics) archiveLag(lag func() time.Duration) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "zorgsluis_archive_lag_seconds", Help: "Time since the outbox was last found empty: how old an access event outside of the archive can be.",
	}, func() float64 { return lag().Seconds() }))
}

func (m *metrics) register(mux *http.ServeMux) {
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
}

// observe counts a finished exchange.
func (m *metrics) observe(s proxy.Summary) {
	interaction := s.Interaction
	if !slices.Contains(interactions, interaction) {
		interaction = "other"
	}
	m.requests.WithLabelValues(interaction, strconv.Itoa(s.Status)).Inc()
	m.duration.WithLabelValues(interaction).Observe(s.Duration.Seconds())
	m.breakGlass.observe(s)
	if s.Alert {
		m.alerts.Inc()
	}
}

// step is what is measured of one step.
type step struct {
	seconds  prometheus.Observer
	failures prometheus.Counter
}

func (m *metrics) step(name string) step {
	return step{m.steps.WithLabelValues(name), m.failures.WithLabelValues(name)}
}

// done notes how long the step took, and whether it failed.
func (s step) done(since time.Time, failed bool) {
	s.seconds.Observe(time.Since(since).Seconds())
	if failed {
		s.failures.Inc()
	}
}

// counted counts the requests in flight.
func (m *metrics) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.inFlight.Inc()
		defer m.inFlight.Dec()
		next.ServeHTTP(w, r)
	})
}

// timedStandings measures the read of the standing.
type timedStandings struct {
	proxy.Standings
	step step
}

func (t timedStandings) Standing(ctx context.Context, key consent.PersonKey) (consent.Standing, time.Time, error) {
	start := time.Now()
	standing, now, err := t.Standings.Standing(ctx, key)
	t.step.done(start, err != nil)
	return standing, now, err
}

// timedRecorder measures the commit.
type timedRecorder struct {
	proxy.Recorder
	step step
}

func (t timedRecorder) Commit(ctx context.Context, r audit.Release) error {
	start := time.Now()
	err := t.Recorder.Commit(ctx, r)
	t.step.done(start, err != nil)
	return err
}

// timedTransport measures the source's answer up to its headers.
type timedTransport struct {
	http.RoundTripper
	step step
}

func (t timedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	response, err := t.RoundTripper.RoundTrip(r)
	t.step.done(start, err != nil)
	return response, err
}

// Interface checks of the decorators.
var (
	_ proxy.Standings   = timedStandings{}
	_ proxy.Recorder    = timedRecorder{}
	_ http.RoundTripper = timedTransport{}
)
