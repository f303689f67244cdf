package proxy

import (
	"net/netip"
	"slices"

	"zorgsluis/policy"
)

// Sender is a care provider known to write, and from where (requirement B37: a known sender at a known address).
type Sender struct {
	Organization  string
	Practitioners []string // of that organization; none: all of them
	Addresses     []netip.Prefix
}

// reasonUnknownSender says that a provider is no known sender, or not at this address.
const reasonUnknownSender policy.Reason = "sender-unknown"

// knownSender reports whether the caller is a known sender at one of its addresses.
func (g *Gate) knownSender(x *exchange) bool {
	address, err := netip.ParseAddr(x.address)
	if err != nil {
		return false
	}
	s := x.subject
	return slices.ContainsFunc(g.parts.Consents.Senders, func(k Sender) bool {
		return k.Organization == s.Organization && s.Organization != "" &&
			(len(k.Practitioners) == 0 || slices.Contains(k.Practitioners, s.Practitioner)) &&
			slices.ContainsFunc(k.Addresses, func(n netip.Prefix) bool { return n.Contains(address) })
	})
}
