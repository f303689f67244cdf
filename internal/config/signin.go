package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"zorgsluis/configs"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// SignIn is the assurance, and the maximum age of the sign-in, that a route requires of callers of one kind.
type SignIn struct {
	Assurance string        `yaml:"assurance"`
	MaxAge    time.Duration `yaml:"max_age"`
}

// emergencySignIn is the default maximum age of the sign-in of a caller who declares an emergency.
const emergencySignIn = 30 * time.Minute

// routes are the routes by their names in the file.
var routes = map[string]proxy.Route{"sources": proxy.RouteSources, "own": proxy.RouteOwn, "break_glass": proxy.RouteBreakGlass}

// signIns checks what routes require beyond the policy. A level below the policy's minimum would have no effect.
func (s *Settings) signIns(c *checker) {
	s.SignIn = map[proxy.Route]map[policy.SubjectKind]proxy.SignIn{}
	for _, route := range routes {
		s.SignIn[route] = map[policy.SubjectKind]proxy.SignIn{}
	}
	s.SignIn[proxy.RouteBreakGlass][policy.KindProvider] = proxy.SignIn{MaxAge: emergencySignIn}
	least, _ := policy.ParseAssurance(s.File.Policy.MinimumAssurance)
	for _, name := range slices.Sorted(maps.Keys(s.File.SignIn)) {
		route, ok := routes[name]
		if !ok {
			c.add(configs.Join("sign_in", name), "must be one of: %s", strings.Join(slices.Sorted(maps.Keys(routes)), ", "))
			continue
		}
		for _, word := range slices.Sorted(maps.Keys(s.File.SignIn[name])) {
			key, rule := configs.Join(configs.Join("sign_in", name), word), s.File.SignIn[name][word]
			kind, ok := kinds[word]
			if !ok || kind == policy.KindOther {
				c.add(key, "must be patient, representative or provider")
				continue
			}
			level, ok := policy.ParseAssurance(rule.Assurance)
			if rule.Assurance != "" && (!ok || level < least) {
				c.add(key+".assurance", "is %q, must be a level that is not below policy.minimum_assurance", rule.Assurance)
			}
			if c.written(key + ".max_age") {
				c.between(key+".max_age", rule.MaxAge, time.Minute, 24*time.Hour)
			} else {
				rule.MaxAge = s.SignIn[route][kind].MaxAge
			}
			s.SignIn[route][kind] = proxy.SignIn{Least: level, MaxAge: rule.MaxAge}
		}
	}
}

// smartIssuers checks that the issuer that SMART apps are referred to is configured.
func (s *Settings) smartIssuers(c *checker) {
	for n, src := range s.File.Sources {
		if src.SMARTIssuer != "" && !slices.ContainsFunc(s.File.Issuers, func(i Issuer) bool { return i.URL == src.SMARTIssuer }) {
			c.add(fmt.Sprintf("sources[%d].smart_issuer", n), "is not the url of a configured issuer")
		}
	}
}
