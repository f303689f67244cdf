package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/authn"
	"zorgsluis/configs"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// personMapping is how long the gate remembers which person a source's patient is.
const personMapping = time.Minute

// authenticator stands between the gate and authn: it says what the request is, and gives the gate its own words.
type authenticator struct {
	authn        *authn.Authenticator
	publicURL    string
	certificates callerCertificates
	step         step
}

// Authenticate implements proxy.Authenticator.
func (a authenticator) Authenticate(ctx context.Context, r *http.Request) (policy.Subject, error) {
	start := time.Now()
	path, query, _ := strings.Cut(r.RequestURI, "?")
	subject, err := a.authn.Authenticate(ctx, authn.Request{
		Method: r.Method, Target: a.publicURL + path, Header: r.Header, RawQuery: query, Certificate: a.certificates.of(r),
	})
	refused, unauthenticated := err, false
	if errors.Is(err, authn.ErrNoToken) {
		refused, unauthenticated = &proxy.Unauthenticated{Reason: "token-missing", Challenge: authn.Challenge(err)}, true
	}
	if bad, ok := errors.AsType[*authn.Error](err); ok {
		refused, unauthenticated = &proxy.Unauthenticated{
			Reason: bad.Reason, Challenge: authn.Challenge(err), Nonce: bad.Nonce, Malformed: bad.Code == authn.CodeInvalidRequest,
		}, true
	}
	a.step.done(start, err != nil && !unauthenticated)
	return subject, refused
}

// gate puts the enforcement point together. NewGate refuses it when a part is missing.
func (s *settings) gate(store *redisstore.Store, archived *audit.History, a *authn.Authenticator, m *metrics, log *slog.Logger) (*proxy.Gate, error) {
	sources, err := s.proxySources(m)
	if err != nil {
		return nil, err
	}
	definitions, err := configs.Definitions()
	if err != nil {
		return nil, err
	}
	overview, err := s.overview()
	if err != nil {
		return nil, err
	}
	cfg := s.config
	return proxy.NewGate(proxy.Parts{
		PublicURL:     cfg.PublicURL,
		StepUp:        s.stepUp,
		SignIn:        s.signIn,
		Authorization: s.authorization(),
		SMART:         s.smart(a),
		PolicyHash:    s.policyHash,
		Sources:       sources,
		Address:       s.trusted.address,
		Authenticator: authenticator{a, cfg.PublicURL, s.callers, m.step(stepAuthenticate)},
		Policy:        s.policy,
		Categories:    s.tables.DataCategories,
		Standings:     timedStandings{store, m.step(stepStanding)},
		Relations:     s.relations(m),
		Recorder:      timedRecorder{store, m.step(stepCommit)},
		Declarations:  store,
		Consents:      s.consents(store),
		Information:   s.shown(),
		Overview:      overview,
		Definitions:   definitions,
		Events:        personEvents{recent: store, archived: archived, wait: cfg.Limits.Timeouts.Store / 2},
		CursorKeys:    s.cursorKeys,
		Limits:        s.proxyLimits(),
		BreakGlass:    cfg.BreakGlass.parts(),
		Now:           time.Now,
		Log:           log,
		Observe:       m.observe,
		Software:      softwareVersion(),
		Started:       time.Now(),
	})
}

func (s *settings) proxyLimits() proxy.Limits {
	l := s.config.Limits
	return proxy.Limits{
		RequestBody:   int64(l.RequestBody),
		ResponseBody:  int64(l.ResponseBody),
		Memory:        int64(l.Memory),
		InFlight:      l.InFlight,
		Request:       l.Timeouts.Request,
		Store:         l.Timeouts.Store,
		Lookups:       l.LookupsPerMinute,
		Unrecognised:  s.config.Unauthenticated.EventsPerMinute,
		PersonMapping: personMapping,
		ReadFloor:     l.ReadFloor,
	}
}

func (s *settings) proxySources(m *metrics) ([]*proxy.Source, error) {
	var sources []*proxy.Source
	for i, src := range s.config.Sources {
		version := fhirVersions[src.FHIRVersion]
		reader, err := fhir.NewReader(fhir.ReaderOptions{
			Version: version, Base: src.BaseURL, PersonSystems: src.PersonSystems, Classifier: s.classifiers[version],
		})
		if err != nil {
			return nil, err
		}
		sources = append(sources, &proxy.Source{
			ID:            src.ID,
			Version:       version,
			Base:          src.BaseURL,
			Holder:        policy.Holder{Organization: src.Holder.Organization, Category: policy.ProviderCategory(src.Holder.Category)},
			Timeout:       src.Timeout,
			PersonSystems: src.PersonSystems,
			Allow:         src.allow(),
			Reader:        reader,
			Classifier:    s.classifiers[version],
			Transport:     timedTransport{s.toSources[i], m.step(stepSource)},
		})
	}
	return sources, nil
}
