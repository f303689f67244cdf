// Package proxy is the policy enforcement point. A Gate takes one request through parsing, authentication, decision, fetching, filtering
// and recording, in this order and in straight-line code, and writes either what was decided and recorded or a refusal. It depends on
// neither Redis nor OpenID Connect: Parts provides what it needs of them.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// Gate is the enforcement point for all sources. Its zero value is not usable: call NewGate.
type Gate struct {
	parts    Parts
	sources  map[string]*Source
	memory   *budget // by caller
	asking   asking
	arriving *budget // by address
	people   *people
	lookups  *counter // by caller: patients named, and reads that found nothing
	named    *counter // by caller and patient, to count each once a minute
	unknown  *counter // unauthenticated requests, by address
	cursors  *sealer
	inFlight atomic.Int64
	fine     chan struct{}     // limits the answers at the end of their read floor (level)
	metadata map[string][]byte // capability statement by source id
	own      []byte            // capability statement of /gateway
	reasons  []byte            // CodeSystem of the reasons of declarations
	texts    []byte            // list of the information texts
	// resources are the protected-resource metadata by path below the public URL.
	resources map[string][]byte
}

// NewGate returns a gate, or says which parts are missing (ErrMissingPart): no gate lacks one of its protections.
func NewGate(p Parts) (*Gate, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	cursors, err := newSealer(p.CursorKeys)
	if err != nil {
		return nil, err
	}
	g := &Gate{
		parts: p, sources: map[string]*Source{}, memory: answersBudget(p.Limits), arriving: arrivingBudget(p.Limits),
		people: newPeople(p.Limits.PersonMapping), lookups: newCounter(time.Minute), named: newCounter(time.Minute), unknown: newCounter(time.Minute),
		cursors: cursors, metadata: map[string][]byte{}, fine: make(chan struct{}, maxFineWaits),
	}
	for _, s := range p.Sources {
		if g.sources[s.ID] != nil {
			return nil, fmt.Errorf("proxy: two sources %q", s.ID)
		}
		g.sources[s.ID] = s
		g.metadata[s.ID] = g.capability(s)
	}
	if g.own, err = g.ownCapability(); err != nil {
		return nil, fmt.Errorf("proxy: capability statement: %w", err)
	}
	if g.reasons, err = g.reasonCodes(); err != nil {
		return nil, fmt.Errorf("proxy: reasons: %w", err)
	}
	if g.texts, err = g.listInformation(); err != nil {
		return nil, fmt.Errorf("proxy: information: %w", err)
	}
	if g.resources, err = g.resourceMetadata(); err != nil {
		return nil, fmt.Errorf("proxy: resource metadata: %w", err)
	}
	return g, nil
}

// ServeHTTP handles one exchange. Nothing is written before everything is decided and recorded; the write is the last step and
// cannot fail in a way that matters.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := g.begin(r)
	ctx := r.Context()
	give, room := g.receive(r, Household(x.address))
	var a answer
	if room {
		a = g.pass(ctx, x, r)
	} else {
		a = g.refused(ctx, x, refuse(causeOverloaded, "memory"))
	}
	give()
	defer func() { a.done() }()
	a.headOnly = r.Method == http.MethodHead
	drain(r)
	g.level(ctx, x, a)
	for n := 0; a.stale(g.parts.Now()); n++ {
		if n == attempts {
			a = a.instead(refuse(causeUnavailable, "release-too-slow").answer())
			break
		}
		a = g.again(ctx, x, a)
	}
	a.write(w, r, x.id)
	g.observe(x, a)
}

// within limits one step of an exchange to limit and to what is left for the whole exchange, with one timer.
func (g *Gate) within(ctx context.Context, x *exchange, limit time.Duration) (context.Context, context.CancelFunc) {
	left := g.parts.Limits.Request - g.parts.Now().Sub(x.started)
	return context.WithTimeout(ctx, min(limit, left))
}

// again repeats the commits of an answer whose first byte would come too late (promise 3): the same events, with their conditions checked
// once more.
func (g *Gate) again(ctx context.Context, x *exchange, a answer) answer {
	sent := g.parts.Now()
	var commits errgroup.Group
	for _, release := range a.releases {
		commits.Go(func() error { return g.parts.Recorder.Commit(context.WithoutCancel(ctx), *release) })
	}
	if commits.Wait() != nil {
		x.reason = "release-too-slow"
		return a.instead(refuse(causeUnavailable, x.reason).answer())
	}
	a.committed = sent
	return a
}

// pass serves the exchange, unless the gateway is at its limit.
func (g *Gate) pass(ctx context.Context, x *exchange, r *http.Request) answer {
	if n := g.inFlight.Add(1); n > int64(g.parts.Limits.InFlight) {
		g.inFlight.Add(-1)
		return g.refused(ctx, x, refuse(causeOverloaded, "in-flight"))
	}
	defer g.inFlight.Add(-1)
	return g.guarded(ctx, x, func() (answer, *refusal) { return g.route(ctx, x, r) })
}

// guarded turns a refusal, or a panic, into an answer and records it (refused).
func (g *Gate) guarded(ctx context.Context, x *exchange, serve func() (answer, *refusal)) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			// The value of a panic can contain anything of a request or an answer: log only where it happened.
			g.parts.Log.Error("panic", "exchange", x.id, "stack", string(debug.Stack()))
			a = g.refused(ctx, x, refuse(causeInternal, "panic"))
		}
	}()
	a, ref := serve()
	if ref != nil {
		return g.refused(ctx, x, ref.orGone(ctx))
	}
	return a
}

// route finds the handler. The target is used as it was sent: no cleaning, no redirect, no absolute form (leaks.md HT-1 … HT-3).
func (g *Gate) route(ctx context.Context, x *exchange, r *http.Request) (answer, *refusal) {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") || strings.Contains(r.RequestURI, "#") {
		return answer{}, refuse(causeMalformed, "request-target")
	}
	if name, below, ok := cutSource(path); ok {
		if x.source = g.sources[name]; x.source == nil {
			return answer{}, g.nowhere(ctx, x, r)
		}
		switch {
		case r.Method == http.MethodOptions:
			x.name, x.reason = "options", "open"
			return answer{status: http.StatusNoContent, allow: true}, nil
		case below == "metadata" && isGet(r):
			return g.open(x, g.metadata[name])
		case below == smartConfiguration && isGet(r):
			return g.serveSMART(ctx, x, r)
		case below == "":
			return g.serveBatch(ctx, x, r, query)
		}
		return g.serveFHIR(ctx, x, r, fhir.Request{Method: r.Method, Path: below, RawQuery: query})
	}
	switch path {
	case "/gateway/metadata":
		if isGet(r) {
			return g.open(x, g.own)
		}
	case "/gateway/AuditEvent", "/gateway/AuditEvent/_search":
		return g.serveEvents(ctx, x, r, path, query)
	case "/gateway/$break-glass":
		return g.serveBreakGlass(ctx, x, r, query)
	case "/gateway/$break-glass-end":
		return g.serveBreakGlassEnd(ctx, x, r, query)
	case reasonsPath:
		if isGet(r) {
			return g.open(x, g.reasons)
		}
	}
	if name, ok := strings.CutPrefix(path, "/gateway/"); ok && isGet(r) && g.parts.Definitions[name] != nil {
		return g.open(x, g.parts.Definitions[name])
	}
	if isInformation(path) && isGet(r) {
		return g.serveInformation(ctx, x, r, path, query)
	}
	if document, ok := g.metadataOf(path); ok && isGet(r) {
		return g.openJSON(x, document)
	}
	if q, ok := consentRoute(r.Method, path, query); ok {
		return g.serveConsents(ctx, x, r, q)
	}
	if id, ok := strings.CutPrefix(path, "/gateway/AuditEvent/"); ok && isGet(r) {
		return g.serveEvent(ctx, x, r, query, id)
	}
	return answer{}, g.nowhere(ctx, x, r)
}

func isGet(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// cutSource splits "/fhir/{source}/{below}".
func cutSource(path string) (name, below string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/fhir/")
	if !ok {
		return "", "", false
	}
	name, below, _ = strings.Cut(rest, "/")
	return name, below, true
}

// nowhere refuses a path that does not exist. The caller is still authenticated, so that the event can name who tried.
func (g *Gate) nowhere(ctx context.Context, x *exchange, r *http.Request) *refusal {
	_ = g.authenticate(ctx, x, r) // for the event only; the answer is the same
	return refuse(causeNotFound, "path-unknown")
}

// open answers with a public document. It cannot reach a source.
func (g *Gate) open(x *exchange, body []byte) (answer, *refusal) {
	x.name, x.reason = "capabilities", "open"
	return answer{status: http.StatusOK, body: body}, nil
}

// serveFHIR serves a request to a source: parse, authenticate, admit, and then by interaction.
func (g *Gate) serveFHIR(ctx context.Context, x *exchange, r *http.Request, req fhir.Request) (answer, *refusal) {
	misread := g.parse(x, r, req)
	unknown := g.authenticate(ctx, x, r)
	if misread != nil {
		return answer{}, misread
	}
	if unknown != nil {
		return answer{}, unknown
	}
	x.accept = r.Header.Values("Accept")
	return g.serveInteraction(ctx, x)
}

// serveInteraction serves an interaction of an authenticated caller.
func (g *Gate) serveInteraction(ctx context.Context, x *exchange) (answer, *refusal) {
	// A person named by an identifier is known without a lookup: the patient then sees even who was refused at once.
	if person, known := g.normalise(x.source, x.interaction.Patient.Identifier); known {
		x.person = g.parts.Standings.Key(person)
	}
	request, ref := g.admit(x)
	if ref != nil {
		return answer{}, ref
	}
	switch x.interaction.Code {
	case fhir.CodeRead:
		return g.counted(x, func() (answer, *refusal) { return g.serveRead(ctx, x, request) })
	case fhir.CodeSearch, fhir.CodeEverything, fhir.CodeLastN:
		return g.serveSearch(ctx, x, request)
	case fhir.CodeVRead, fhir.CodeHistory:
		return g.counted(x, func() (answer, *refusal) { return g.serveVersions(ctx, x, request) })
	case fhir.CodeAttachment:
		return g.serveAttachment(ctx, x, request, x.accept)
	}
	return answer{}, refuse(causeNoOperation, "interaction-unknown")
}

// parse is step 1: the whole request is understood or refused.
func (g *Gate) parse(x *exchange, r *http.Request, req fhir.Request) *refusal {
	if ref := protocol(r); ref != nil {
		return ref
	}
	body, ref := g.requestBody(r)
	if ref != nil {
		return ref
	}
	req.Body, req.ContentType = body, r.Header.Get("Content-Type")
	if ref := g.understand(x, req); ref != nil {
		return ref
	}
	if x.interaction.Code != fhir.CodeAttachment && !acceptsJSON(r.Header.Values("Accept"), x.source.Version) {
		return refuse(causeNotAcceptable, "accept")
	}
	return nil
}

// understand parses a request into the interaction of the exchange.
func (g *Gate) understand(x *exchange, req fhir.Request) *refusal {
	req.Allow = x.source.Allow
	interaction, err := fhir.ParseInteraction(x.source.Version, req)
	if err != nil {
		return misunderstood(err)
	}
	x.interaction, x.name, x.query = interaction, string(interaction.Code), interaction.Redacted()
	return nil
}

// authenticate is step 2: it sets the subject of the exchange.
func (g *Gate) authenticate(ctx context.Context, x *exchange, r *http.Request) *refusal {
	subject, err := g.parts.Authenticator.Authenticate(ctx, r)
	if unknown, ok := errors.AsType[*Unauthenticated](err); ok {
		c := causeUnauthenticated
		if unknown.Malformed {
			c = causeInvalidCredentials
		}
		return &refusal{cause: c, reason: unknown.Reason, challenge: unknown.Challenge, nonce: unknown.Nonce}
	}
	if err != nil {
		return &refusal{cause: causeUnavailable, reason: "keys-unavailable", err: err}
	}
	x.subject, x.caller, x.authenticated = subject, callerOf(subject), true
	x.acting = g.representative(subject)
	return nil
}

// admit is the part of step 3 that needs no lookup: rules 1, 2 and 5 to 8 of decision.md, medical secrecy and sign-in. A caller refused
// here causes no request to a source or the store. A missing treatment relation passes if a declaration or a registry might still show one.
func (g *Gate) admit(x *exchange) (policy.Request, *refusal) {
	request := g.request(x)
	d, admitted := g.parts.Policy.Admit(request)
	if !admitted && !(d.Reason == policy.ReasonNoTreatmentRelation && (g.mayHaveDeclared(request) || mayBeRegistered(x.subject, request))) {
		x.obligations = d.Obligations
		return request, g.denied(x, d.Reason)
	}
	if ref := keepsSecrecy(x.subject); ref != nil {
		return request, ref
	}
	route := RouteSources
	if x.source == nil {
		route = RouteOwn
	}
	return request, g.checkSignIn(x, route)
}

// request describes caller and source for the decision, without patient and data category.
func (g *Gate) request(x *exchange) policy.Request {
	s := x.subject
	x.purpose, _ = g.parts.Policy.Purpose(s.Purposes) // none or several: the zero purpose, which no rule permits
	request := policy.Request{
		Actor: policy.Actor{
			Kind: s.Kind, Assurance: s.Assurance, Categories: s.Categories, Organization: s.Organization,
			Practitioner: s.Practitioner, Relationship: s.Relationship, Representative: s.Representative, Authority: s.Authority,
		},
		Purpose: x.purpose, Channel: s.Channel,
	}
	if x.source != nil {
		request.Holder = x.source.Holder
	}
	if s.Kind == policy.KindPatient || s.Kind == policy.KindRepresentative {
		request.Actor.PatientKey = g.parts.Standings.Key(s.Person)
	}
	return request
}

// mayHaveDeclared reports whether a declaration of this caller could exist: only then is the standing read despite the missing treatment
// relation.
func (g *Gate) mayHaveDeclared(r policy.Request) bool {
	if !mayUseDeclaration(r) {
		return false
	}
	r.Purpose = policy.PurposeEmergency
	r.Emergency = &policy.Emergency{Reason: "declared", ConsentImpossible: true}
	_, admitted := g.parts.Policy.Admit(r)
	return admitted
}

// denied refuses in the same way for every reason; only for insufficient assurance does it say what to do (RFC 9470 §3).
func (g *Gate) denied(x *exchange, reason policy.Reason) *refusal {
	if reason == policy.ReasonInsufficientAssurance {
		return g.stepUp(x, reason, SignIn{})
	}
	return refuse(causeForbidden, reason)
}

// refused records a refusal and returns its answer. One that cannot be recorded becomes a 503 that reveals nothing of it.
func (g *Gate) refused(ctx context.Context, x *exchange, ref *refusal) answer {
	x.reason = ref.reason
	ref.challenge = g.withMetadata(x, ref.challenge)
	if ref.err != nil {
		g.parts.Log.Warn("refused", "exchange", x.id, "reason", string(ref.reason), "error", ref.err.Error())
	}
	if !ref.recorded() {
		return ref.answer()
	}
	ctx = context.WithoutCancel(ctx)
	if err := g.recordRefusal(ctx, x, ref); err != nil {
		g.parts.Log.Warn("refusal not recorded", "exchange", x.id, "error", err.Error())
		return refuse(causeUnavailable, "event-not-recorded").answer()
	}
	return ref.answer()
}

// recordRefusal appends the event of a refusal. Unauthenticated callers get single events up to a rate per address; the rest are counted in
// one event (promise 2).
func (g *Gate) recordRefusal(ctx context.Context, x *exchange, ref *refusal) error {
	x.categories, x.disclosed = nil, nil
	outcome := audit.OutcomeDeny
	switch ref.cause {
	case causeInternal, causeNoEvidence, causeBadSource, causeSlowSource, causeTooLarge, causeGone:
		outcome = audit.OutcomeError
	}
	if !x.authenticated {
		x.kind, x.person = audit.KindUnauthenticated, ""
		n, closed := g.unknown.add(Household(x.address), g.parts.Now())
		g.recordCounts(ctx, closed)
		if n > g.parts.Limits.Unrecognised {
			return nil
		}
	}
	x.sorted()
	return g.commit(ctx, x, audit.Release{Event: x.event(outcome, ref.reason, g.parts.PolicyHash)})
}

// recordCounts records what a closed window counted beyond its single events.
func (g *Gate) recordCounts(ctx context.Context, closed map[string]int) {
	for address, n := range closed {
		over := n - g.parts.Limits.Unrecognised
		if over <= 0 {
			continue
		}
		e := &audit.Event{
			Version: 1, Kind: audit.KindUnauthenticated, Request: newUUID(), Outcome: audit.OutcomeDeny,
			Reason: "unauthenticated-counted", Address: address, Count: over, Policy: g.parts.PolicyHash,
		}
		if err := g.parts.Recorder.Commit(ctx, audit.Release{Event: e}); err != nil {
			g.parts.Log.Warn("count of refusals not recorded", "count", over, "error", err.Error())
		}
	}
}

// Run closes counting windows in time, until ctx ends; then it records what is still counted.
func (g *Gate) Run(ctx context.Context) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.recordCounts(ctx, g.unknown.close(g.parts.Now()))
		case <-ctx.Done():
			g.recordCounts(context.WithoutCancel(ctx), g.unknown.close(time.Time{}))
			return
		}
	}
}
