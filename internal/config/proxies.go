package config

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// TrustedProxies says what is trusted of proxies in front, and where these are. The zero TrustedProxies trusts nobody.
type TrustedProxies struct {
	From              []string `yaml:"from"`
	ForwardedFor      bool     `yaml:"forwarded_for"`
	CertificateHeader string   `yaml:"certificate_header"`
}

// Proxies are the addresses from which headers about the caller are trusted. From elsewhere they are not read.
type Proxies struct {
	from         []netip.Prefix
	forwardedFor bool
}

// proxies checks what is trusted, and from whom.
func (s *Settings) proxies(c *checker) {
	const key = "trusted_proxies"
	cfg := s.File.TrustedProxies
	if (cfg.ForwardedFor || cfg.CertificateHeader != "") != (len(cfg.From) > 0) {
		c.add(key, "from belongs together with forwarded_for or certificate_header: both what is believed, and of whom")
	}
	s.Proxies.forwardedFor = cfg.ForwardedFor
	for i, text := range cfg.From {
		prefix, err := parsePrefix(text)
		if err != nil || prefix != prefix.Masked() || prefix.Bits() == 0 {
			c.add(fmt.Sprintf("%s.from[%d]", key, i), "is %q, must be the address of a proxy, or a network such as 10.0.0.0/28", text)
			continue
		}
		s.Proxies.from = append(s.Proxies.from, prefix)
	}
	if cfg.CertificateHeader != "" && !headerName.MatchString(cfg.CertificateHeader) {
		c.add(key+".certificate_header", "must be the name of a header")
	}
}

// parsePrefix reads a network, or one address.
func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return address.Prefix(address.BitLen())
}

// holds reports whether an address is that of a trusted proxy.
func (t Proxies) holds(a netip.Addr) bool {
	for _, prefix := range t.from {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// sent reports whether a trusted proxy sent the request.
func (t Proxies) sent(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && t.holds(peer.Addr().Unmap())
}

// Address returns where a request comes from, as far as it is certain: the peer, or what trusted proxies say of theirs. Each proxy appends
// the address of its own peer to X-Forwarded-For, so the list is read from the end up to the first address that is not trusted: what
// precedes it was written by somebody else.
func (t Proxies) Address(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			return "unknown"
		}
		return host
	}
	known := peer.Addr().Unmap().WithZone("")
	if !t.forwardedFor || !t.holds(known) {
		return known.String()
	}
	list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(list) - 1; i >= 0 && t.holds(known); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(list[i]))
		if err != nil || next.Zone() != "" {
			break // a name, a port, nothing: only the proxy is known
		}
		known = next.Unmap()
	}
	return known.String()
}
