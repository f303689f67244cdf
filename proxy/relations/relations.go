// Package relations asks a registry of treatment relations whether a care provider treats a patient: a FHIR R4 server with care teams
// (CareTeam; docs/operating.md, "Treatment relations"). What it cannot read, or did not ask about, is no relation. It caches no answers,
// and does not know what a relation permits.
package relations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// ErrNoAnswer says that the registry did not say whether there is a relation: it is unavailable or slow, or its answer is unreliable.
var ErrNoAnswer = errors.New("registry of treatment relations: no answer")

// maxAnswer limits an answer, in bytes: the care teams of one patient in which one provider takes part.
const maxAnswer = 1 << 20

// Options say where the registry is, and what counts as a relation in it. All but Roles and Organizations are required.
type Options struct {
	Base      string // FHIR base URL, without trailing slash
	Transport http.RoundTripper
	Timeout   time.Duration
	InFlight  int // concurrent requests

	Systems       map[string]string              // identifier system by prefix of practitioners and organizations: "uzi:", "ura:"
	Roles         map[string]policy.Relationship // by "system|code" of a participant's role; other roles are treating
	Organizations bool                           // an organization in a care team counts for everybody who acts for it
	Now           func() time.Time
}

// Registry is one registry. It is safe for concurrent use.
type Registry struct {
	options Options
	slots   chan struct{}
}

// New returns a registry. It sends no request yet.
func New(o Options) *Registry { return &Registry{o, make(chan struct{}, o.InFlight)} }

// Relationship returns the relation of a provider with a person, or policy.RelationNone if the registry knows of none. The error wraps
// ErrNoAnswer, and contains nothing of the question or the answer.
func (r *Registry) Relationship(ctx context.Context, person fhir.Identifier, s policy.Subject) (policy.Relationship, error) {
	who := provider{practitioner: r.identifier(s.Practitioner)}
	who.organization = r.identifier(s.Organization)
	if !who.mayTakePart(r.options.Organizations) {
		return policy.RelationNone, nil // the registry could not identify the provider
	}
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return "", fmt.Errorf("%w: too many questions at once", ErrNoAnswer)
	}
	if end, _ := ctx.Deadline(); ctx.Err() != nil || !time.Now().Before(end) { // a slot came free at the very end: too late to ask
		return "", fmt.Errorf("%w: too many questions at once", ErrNoAnswer)
	}
	body, err := r.ask(ctx, person, who)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	found, err := teams{person: person, who: who, options: r.options, now: r.options.Now()}.read(body)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return found, nil
}

// identifier converts an identifier such as "uzi:900000001"; zero if the registry does not use its system.
func (r *Registry) identifier(prefixed string) fhir.Identifier {
	for prefix, system := range r.options.Systems {
		if value, ok := strings.CutPrefix(prefixed, prefix); ok && value != "" {
			return fhir.Identifier{System: system, Value: value}
		}
	}
	return fhir.Identifier{}
}

// ask searches the care teams of a person in which a provider takes part. It uses POST, so that no URL contains identifiers of persons (R4
// §3.1.1.2).
func (r *Registry) ask(ctx context.Context, person fhir.Identifier, who provider) ([]byte, error) {
	form := url.Values{
		"patient.identifier":     {token(person)},
		"participant.identifier": {who.tokens(r.options.Organizations)},
		"status":                 {"active"},
		"_include":               {"CareTeam:patient", "CareTeam:participant"},
		"_include:iterate":       {"PractitionerRole:practitioner", "PractitionerRole:organization"},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.options.Base+"/CareTeam/_search", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the question could not be made")
	}
	request.Header.Set("Accept", "application/fhir+json")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Prefer", "handling=strict") // a parameter that is ignored would widen the answer
	request.Header.Set("User-Agent", "zorgsluis")
	response, err := r.options.Transport.RoundTrip(request) // no redirects
	if err != nil {
		return nil, errors.New("it cannot be reached, or is slow")
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if encoding := response.Header.Get("Content-Encoding"); err != nil || media != "application/fhir+json" || encoding != "" && encoding != "identity" {
		return nil, errors.New("the answer is not plain FHIR JSON")
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, errors.New("the answer was cut off")
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the answer is over %d bytes", maxAnswer)
	}
	return body, nil
}

// escapeToken escapes characters that have a meaning in a search value (R4 §3.1.1.4.2).
var escapeToken = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `$`, `\$`, `|`, `\|`)

func token(id fhir.Identifier) string {
	return escapeToken.Replace(id.System) + "|" + escapeToken.Replace(id.Value)
}

// provider is the caller, as the registry identifies it.
type provider struct{ practitioner, organization fhir.Identifier }

// mayTakePart reports whether the provider has an identifier that the registry could know.
func (p provider) mayTakePart(organizations bool) bool {
	return p.practitioner.Value != "" || organizations && p.organization.Value != ""
}

// tokens returns those identifiers as search alternatives.
func (p provider) tokens(organizations bool) string {
	var all []string
	if p.practitioner.Value != "" {
		all = append(all, token(p.practitioner))
	}
	if organizations && p.organization.Value != "" {
		all = append(all, token(p.organization))
	}
	return strings.Join(all, ",")
}
