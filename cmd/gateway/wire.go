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
	"zorgsluis/policy"
	"zorgsluis/proxy"
	"zorgsluis/proxy/relations"
)

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
	sources, err := s.proxySources()
	if err != nil {
		return nil, err
	}
	for _, source := range sources {
		source.Transport = timedTransport{source.Transport, m.step(stepSource)}
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

// shown are the texts as the gate serves them.
func (s *settings) shown() []proxy.Text {
	texts := make([]proxy.Text, len(s.texts))
	for i, t := range s.texts {
		texts[i] = proxy.Text(t)
	}
	return texts
}

// parts are the bounds as the gate takes them.
func (b BreakGlass) parts() proxy.BreakGlass {
	p := proxy.BreakGlass{Lasts: b.Lasts, PerHour: b.PerHour}
	for _, r := range b.Reasons {
		p.Reasons = append(p.Reasons, proxy.EmergencyReason{Code: r.Code, Dutch: r.NL, English: r.EN})
	}
	return p
}

// relations makes the registries.
func (s *settings) relations(m *metrics) map[string]proxy.Relations {
	all := map[string]proxy.Relations{}
	for i, r := range s.config.Registries {
		roles := map[string]policy.Relationship{}
		for role, word := range r.Roles {
			roles[role] = policy.Relationship(word)
		}
		all[r.Name] = relations.New(relations.Options{
			Base: strings.TrimSuffix(r.BaseURL, "/"), Transport: timedTransport{s.toRegistries[i], m.step(stepRegistry)}, Timeout: r.Timeout,
			InFlight: r.InFlight, Systems: r.Identifiers, Roles: roles, Organizations: r.Organizations, Now: time.Now,
		})
	}
	return all
}
