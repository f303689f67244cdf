package proxy

import (
	"strconv"
	"strings"
	"time"

	"zorgsluis/policy"
)

// Route is a part of the gateway that may require more certainty about its callers than the policy does.
type Route int

// The routes.
const (
	RouteSources    Route = iota // everything below /fhir/
	RouteOwn                     // the gateway's own resources: access events, consents
	RouteBreakGlass              // a declaration
)

// SignIn is the assurance that a route requires of a caller, and the maximum age of the sign-in. Zero requires nothing beyond the policy.
type SignIn struct {
	Least  policy.AssuranceLevel
	MaxAge time.Duration
}

// reasonSignInOld says that the caller signed in too long ago, or that the token does not say when.
const reasonSignInOld policy.Reason = "sign-in-too-old"

// reasonNoSecrecy says that no legal basis is known on which a provider keeps medical secrecy.
const reasonNoSecrecy policy.Reason = "no-secrecy-basis"

// keepsSecrecy refuses a provider who is not bound to medical secrecy (requirement E3): neither consent nor an emergency makes up for that.
func keepsSecrecy(s policy.Subject) *refusal {
	if s.Kind == policy.KindProvider && s.Secrecy == "" {
		return refuse(causeForbidden, reasonNoSecrecy)
	}
	return nil
}

// checkSignIn refuses a caller admitted by the policy if the route requires more of callers of that kind. The answer says what (RFC 9470
// §3).
func (g *Gate) checkSignIn(x *exchange, route Route) *refusal {
	rule, s := g.parts.SignIn[route][x.subject.Kind], x.subject
	switch {
	case s.Assurance < rule.Least:
		return g.stepUp(x, policy.ReasonInsufficientAssurance, rule)
	case rule.MaxAge > 0 && (s.AuthenticatedAt.IsZero() || g.parts.Now().Sub(s.AuthenticatedAt) > rule.MaxAge):
		return g.stepUp(x, reasonSignInOld, rule)
	}
	return nil
}

// stepUp is the one denial that tells the caller what to do about it.
func (g *Gate) stepUp(x *exchange, reason policy.Reason, rule SignIn) *refusal {
	parameters := `error="insufficient_user_authentication", error_description="A higher level of assurance is required"`
	if values := g.parts.StepUp(x.subject.Issuer, rule.Least); values != "" {
		parameters += `, acr_values="` + values + `"`
	}
	if rule.MaxAge > 0 {
		parameters += `, max_age="` + strconv.Itoa(int(rule.MaxAge.Seconds())) + `"`
	}
	return refuse(causeStepUp, reason).challenged(g.challenge(x, parameters))
}

// challenge renders a WWW-Authenticate value in the scheme of the request, for DPoP with the algorithms (RFC 9449 §7.1).
func (g *Gate) challenge(x *exchange, parameters string) string {
	value := x.scheme + " " + parameters
	if x.scheme == schemeDPoP {
		value += `, algs="` + strings.Join(g.parts.Authorization.ProofAlgorithms, " ") + `"`
	}
	return value
}

const schemeDPoP = "DPoP"

// authScheme returns the scheme to challenge a caller with: the one it used.
func authScheme(authorization string) string {
	if scheme, _, _ := strings.Cut(authorization, " "); strings.EqualFold(scheme, schemeDPoP) {
		return schemeDPoP
	}
	return "Bearer"
}
