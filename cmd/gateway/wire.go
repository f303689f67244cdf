package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/authn"
	"zorgsluis/configs"
	"zorgsluis/internal/config"
	"zorgsluis/internal/explain"
	"zorgsluis/internal/storage"
	"zorgsluis/policy"
	"zorgsluis/proxy"
	"zorgsluis/proxy/relations"
)

// authenticator adapts authn to the gate.
type authenticator struct {
	authn        *authn.Authenticator
	proxies      config.Proxies
	publicURL    string
	certificates config.CallerCertificates
	step         step
}

// Authenticate implements proxy.Authenticator.
func (a authenticator) Authenticate(ctx context.Context, r *http.Request) (policy.Subject, error) {
	start := time.Now()
	path, query, _ := strings.Cut(r.RequestURI, "?")
	subject, err := a.authn.Authenticate(ctx, authn.Request{
		From: proxy.Household(a.proxies.Address(r)), Method: r.Method, Target: a.publicURL + path, Header: r.Header, RawQuery: query, Certificate: a.certificates.Of(r),
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

// gate assembles the enforcement point, on the store that is open and with its events that are archived. NewGate refuses it if a part is
// missing.
func (g *running) gate(archived *audit.History) (*proxy.Gate, error) {
	s, store, m := g.settings.Settings, g.store, g.metrics
	sources, err := s.ProxySources()
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
	overview, err := explain.Overview(s)
	if err != nil {
		return nil, err
	}
	cfg := s.File
	return proxy.NewGate(proxy.Parts{
		PublicURL:     cfg.PublicURL,
		StepUp:        func(issuer string, least policy.AssuranceLevel) string { return stepUp(s, issuer, least) },
		SignIn:        s.SignIn,
		Authorization: authorization(s),
		SMART:         smart(s, g.authenticator),
		PolicyHash:    s.PolicyHash,
		Sources:       sources,
		Address:       s.Proxies.Address,
		Authenticator: authenticator{g.authenticator, s.Proxies, cfg.PublicURL, s.Callers, m.step(stepAuthenticate)},
		Policy:        s.Policy,
		Categories:    s.Tables.DataCategories,
		Standings:     timedStandings{store, m.step(stepStanding)},
		Relations:     registries(s, m),
		Recorder:      timedRecorder{store, m.step(stepCommit)},
		Declarations:  store,
		Consents:      consents(s, store),
		Information:   information(s),
		Overview:      overview,
		Definitions:   definitions,
		Events:        storage.NewPersonEvents(store, archived, cfg.Limits.Timeouts.Store/2),
		CursorKeys:    s.CursorKeys,
		Limits:        s.ProxyLimits(),
		BreakGlass:    breakGlass(cfg.BreakGlass),
		Now:           time.Now,
		Log:           g.log,
		Observe:       m.observe,
		Software:      softwareVersion(),
		Started:       time.Now(),
	})
}

// information returns the texts as the gate serves them.
func information(s *config.Settings) []proxy.Text {
	texts := make([]proxy.Text, len(s.Texts))
	for i, t := range s.Texts {
		texts[i] = proxy.Text(t)
	}
	return texts
}

// breakGlass returns the limits as the gate takes them.
func breakGlass(b config.BreakGlass) proxy.BreakGlass {
	p := proxy.BreakGlass{Lasts: b.Lasts, PerHour: b.PerHour}
	for _, r := range b.Reasons {
		p.Reasons = append(p.Reasons, proxy.EmergencyReason{Code: r.Code, Dutch: r.NL, English: r.EN})
	}
	return p
}

// registries makes the registries.
func registries(s *config.Settings, m *metrics) map[string]proxy.Relations {
	all := map[string]proxy.Relations{}
	for i, r := range s.File.Registries {
		roles := map[string]policy.Relationship{}
		for role, word := range r.Roles {
			roles[role] = policy.Relationship(word)
		}
		all[r.Name] = relations.New(relations.Options{
			Base: strings.TrimSuffix(r.BaseURL, "/"), Transport: timedTransport{s.ToRegistries[i], m.step(stepRegistry)}, Timeout: r.Timeout,
			InFlight: r.InFlight, Systems: r.Identifiers, Roles: roles, Organizations: r.Organizations, Now: time.Now,
		})
	}
	return all
}
