package config

import (
	"fmt"
	"net"
	"slices"
)

// Warnings returns choices that are allowed but that somebody should know of: check prints them, and every start logs them.
func (s *Settings) Warnings() []string {
	var warnings []string
	if host, _, err := net.SplitHostPort(s.File.Admin.Listen); err == nil && !isLoopback(host) {
		warnings = append(warnings, "admin.listen is not a loopback address: whoever reaches it sees health and metrics")
	}
	if s.File.Redis.InsecurePlaintext {
		warnings = append(warnings, "redis.insecure_plaintext: access events cross the network without TLS")
	}
	if s.Certificate != nil {
		if bits := rsaBits(s.Certificate.get().Leaf); bits != 0 && bits < goodRSA {
			warnings = append(warnings, fmt.Sprintf("tls.certificate_file has an RSA key of %d bits: NCSC calls %d good", bits, goodRSA))
		}
	}
	for _, src := range s.File.Sources {
		if src.InsecurePlaintext {
			warnings = append(warnings, "source "+src.ID+": insecure_plaintext: records cross the network without TLS")
		}
	}
	for _, r := range s.File.Registries {
		if r.InsecurePlaintext {
			warnings = append(warnings, "registry "+r.Name+": insecure_plaintext: who is asked about crosses the network without TLS")
		}
	}
	for _, f := range s.File.Followers {
		if f.InsecurePlaintext {
			warnings = append(warnings, "follower "+f.Name+": insecure_plaintext: access events cross the network without TLS")
		}
		if f.AcceptUnannounced {
			warnings = append(warnings, "follower "+f.Name+": accept_unannounced_close: what a device in between cuts off counts as delivered")
		}
	}
	for name, channel := range s.File.Policy.Channels {
		if channel.Consent == "implied" {
			warnings = append(warnings, "channel "+name+": consent is implied, so that silence permits")
		}
	}
	for _, issuer := range s.File.Issuers {
		c := issuer.Claims
		if c.Represents.Claim != "" && c.Person.Path == "sub" && c.Pseudonym == "" {
			warnings = append(warnings, "issuer "+issuer.URL+": sub is a number of a person, and claims.pseudonym is missing: who is no legal representative is refused")
		}
		if (c.Represents.Claim != "" || c.Authority != "") && !issuer.NamedOnly {
			warnings = append(warnings, "issuer "+issuer.URL+": named_representatives_only is not set: whom it calls authorised in writing need not be named by the patient")
		}
	}
	if len(s.File.Policy.EmergencyCategories) > 0 && s.Alert == nil {
		warnings = append(warnings, "break_glass.alert is missing: nobody is told at once that an emergency was declared")
	}
	if len(s.File.Policy.EmergencyCategories) > 0 && s.Notice == nil {
		warnings = append(warnings, "break_glass.notice is missing: patients are not told of an emergency, and find it in their own view only")
	}
	slices.Sort(warnings)
	return warnings
}
