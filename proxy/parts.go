package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// Authenticator verifies the credentials of a request: its token, and the key or certificate that the token may be bound to. Its error is
// *Unauthenticated if the credentials are bad; any other error means that they cannot be checked now.
type Authenticator interface {
	Authenticate(ctx context.Context, r *http.Request) (policy.Subject, error)
}

// Unauthenticated is why a caller could not be authenticated.
type Unauthenticated struct {
	Reason    policy.Reason // for the event: token-expired, token-signature, …
	Challenge string        // value of WWW-Authenticate (RFC 6750 §3)
	Nonce     string        // that the next proof must contain: value of DPoP-Nonce (RFC 9449 §8.1)
	Malformed bool          // invalid_request: 400 instead of 401
}

// Error implements error.
func (u *Unauthenticated) Error() string { return "authenticate: " + string(u.Reason) }

// Standings reads what is on file for a person.
type Standings interface {
	Key(person fhir.Identifier) consent.PersonKey
	// Standing reads from the master, in one round trip, with the store's own time. It answers in bounded time, whatever ctx allows.
	Standing(ctx context.Context, key consent.PersonKey) (consent.Standing, time.Time, error)
}

// Relations is a registry of treatment relations.
type Relations interface {
	// Relationship returns the relation of a provider with a person, policy.RelationNone if there is none. It answers in bounded time; an
	// error means that the relation cannot be known now.
	Relationship(ctx context.Context, person fhir.Identifier, s policy.Subject) (policy.Relationship, error)
}

// Recorder makes access events durable (audit.Release). It answers in bounded time, whatever ctx allows.
type Recorder interface {
	Commit(ctx context.Context, r audit.Release) error
}

// Declarations records break-glass declarations.
type Declarations interface {
	// CountDeclaration counts a declaration of this professional and reports whether it is within limit per window.
	CountDeclaration(ctx context.Context, professional string, window time.Duration, limit int) (bool, error)
	Change(ctx context.Context, c audit.Change) (consent.Standing, error)
	NewDeclarationID(person fhir.Identifier) consent.DeclarationID
}

// Events reads a person's own access events.
type Events interface {
	// Events returns at most limit events behind a mark, newest first. whole is false if older ones cannot be reached from here.
	Events(ctx context.Context, key consent.PersonKey, before audit.Mark, limit int) (events []audit.Event, whole bool, err error)
	// Event returns one event; zero if the person has none with this id. It fails if that cannot be known.
	Event(ctx context.Context, key consent.PersonKey, id audit.EventID) (audit.Event, error)
}

// Decider is the policy decision point (policy.Policy).
type Decider interface {
	Decide(policy.Input) policy.Decision
	Speaks(policy.Input) (d policy.Decision, along bool)
	Admit(policy.Request) (policy.Decision, bool)
	Purpose([]policy.PurposeOfUse) (policy.PurposeOfUse, bool)
	NotAfter(policy.Input) time.Time
	Mandate(in policy.Input, person consent.PersonKey) (records []consent.RecordID, given bool)
}

// Source is one FHIR server behind the gateway.
type Source struct {
	ID            string
	Version       fhir.Version
	Base          string // FHIR base URL without trailing slash
	Holder        policy.Holder
	Timeout       time.Duration
	PersonSystems []string   // identifier systems that name persons here
	Allow         fhir.Allow // interactions that are off by default: vread, history
	Reader        *fhir.Reader
	Classifier    *fhir.Classifier
	Transport     http.RoundTripper // adds the gateway's own credentials for the source
}

// Limits are the limits of one request and of all requests together.
type Limits struct {
	RequestBody   int64         // bytes of one request's body
	ResponseBody  int64         // bytes of a source's answer
	Memory        int64         // bytes of all bodies in flight
	InFlight      int           // requests in flight
	Request       time.Duration // one exchange
	Store         time.Duration // one call to the store, but for Standings and Recorder, which limit themselves
	Lookups       int           // patients that a caller may name, per minute
	Unrecognised  int           // events per address and minute of unauthenticated callers
	PersonMapping time.Duration // how long Patient/x ↔ person is cached
	ReadFloor     time.Duration // minimum response time (level); zero: none
}

// BreakGlass limits emergency declarations. Without Reasons there are none.
type BreakGlass struct {
	Lasts   time.Duration
	PerHour int
	Reasons []EmergencyReason
}

// EmergencyReason is a reason that a declaration may give: its code and texts.
type EmergencyReason struct{ Code, Dutch, English string }

// Summary describes a finished exchange without naming anyone: for metrics and the log.
type Summary struct {
	Exchange    string
	Interaction string // read, search-type, break-glass, …; "unknown" if nothing was understood
	Type        string // resource type from the closed list, or empty
	Source      string
	Status      int
	Reason      policy.Reason
	Duration    time.Duration
	Alert       bool // an emergency access or a report to the authority is due
}

// Parts is everything that a Gate is made of. All are required, unless they say otherwise.
type Parts struct {
	PublicURL string // scheme, host and optional path, without trailing slash
	// StepUp returns the acr_values of the RFC 9470 challenge to a caller of an issuer: for the minimum of the policy, or a higher level.
	StepUp        func(issuer string, least policy.AssuranceLevel) string
	SignIn        map[Route]map[policy.SubjectKind]SignIn // the one for a declaration must have a MaxAge
	Authorization Authorization
	SMART         SMART
	PolicyHash    string
	Sources       []*Source
	Address       func(*http.Request) string // of the caller; decides what to trust of a proxy in front
	Authenticator Authenticator
	Policy        Decider
	Categories    []fhir.DataCategory // all that are configured
	Standings     Standings
	Relations     map[string]Relations // by name; not asked about a provider whose subject names none
	Recorder      Recorder
	Declarations  Declarations
	Consents      Consents
	Information   []Text            // what patients are shown before they choose; may be none
	Overview      []Text            // what this deployment exchanges, in each language; may be none
	Definitions   map[string][]byte // the gateway's own FHIR definitions, by "[type]/[id]"; may be none
	Events        Events
	CursorKeys    [][]byte // 32 bytes each; the first seals, all open
	Limits        Limits
	BreakGlass    BreakGlass
	Now           func() time.Time
	Log           *slog.Logger
	Observe       func(Summary)
	Software      string // version, for the capability statement
	Started       time.Time
}

// ErrMissingPart says that a part is missing: no gate lacks one of its protections.
var ErrMissingPart = errors.New("proxy: missing part")

// check returns an error that names every missing part.
func (p *Parts) check() error {
	var missing []error
	need := func(present bool, name string) {
		if !present {
			missing = append(missing, fmt.Errorf("%w: %s", ErrMissingPart, name))
		}
	}
	need(p.PublicURL != "", "PublicURL")
	need(p.StepUp != nil, "StepUp")
	need(p.SignIn[RouteBreakGlass][policy.KindProvider].MaxAge > 0, "SignIn: age of a sign-in that declares an emergency")
	need(len(p.Authorization.Servers) > 0, "Authorization")
	need(p.SMART != nil, "SMART")
	need(p.PolicyHash != "", "PolicyHash")
	need(len(p.Sources) > 0, "Sources")
	need(p.Address != nil, "Address")
	need(p.Authenticator != nil, "Authenticator")
	need(p.Policy != nil, "Policy")
	need(len(p.Categories) > 0, "Categories")
	need(p.Standings != nil, "Standings")
	need(p.Recorder != nil, "Recorder")
	need(p.Declarations != nil, "Declarations")
	need(p.Consents.Store != nil && p.Consents.Check != nil, "Consents: store, check")
	need(p.Events != nil, "Events")
	need(len(p.CursorKeys) > 0, "CursorKeys")
	need(p.Now != nil, "Now")
	need(p.Log != nil, "Log")
	need(p.Observe != nil, "Observe")
	need(p.Software != "", "Software")
	need(!p.Started.IsZero(), "Started")
	l, b := p.Limits, p.BreakGlass
	need(l.RequestBody > 0 && l.ResponseBody > 0 && l.Memory >= 2*l.ResponseBody, "Limits: bodies and memory")
	need(l.InFlight > 0 && l.Lookups > 0 && l.Unrecognised > 0, "Limits: counts")
	need(l.ReadFloor >= 0 && l.ReadFloor < time.Second, "Limits: read floor below a second")
	need(l.Request > 0 && l.Store > 0 && l.PersonMapping > 0, "Limits: times")
	need(b.Lasts > 0 && b.PerHour > 0, "BreakGlass")
	for _, s := range p.Sources {
		need(s.ID != "" && s.Base != "" && s.Version != 0, "Source: id, base, version")
		need(s.Holder.Organization != "" && s.Holder.Category != "", "Source: holder")
		need(s.Timeout > 0 && len(s.PersonSystems) > 0, "Source: timeout, person systems")
		need(s.Reader != nil && s.Classifier != nil && s.Transport != nil, "Source: reader, classifier, transport")
	}
	return errors.Join(missing...)
}
