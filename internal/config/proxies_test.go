package config

import (
	"net/http"
	"net/netip"
	"testing"
)

// TestAddressOfACaller: X-Forwarded-For counts as far as trusted proxies wrote it, and no further.
func TestAddressOfACaller(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/28"), netip.MustParsePrefix("fd00::1/128")}
	tests := []struct {
		name      string
		trust     Proxies
		peer      string
		forwarded []string
		want      string
	}{
		{"nothing is trusted", Proxies{}, "192.0.2.9:1", []string{"203.0.113.5"}, "192.0.2.9"},
		{"a proxy is trusted for certificates only", Proxies{from: proxies}, "10.0.0.7:1", []string{"203.0.113.5"}, "10.0.0.7"},
		{"the peer is no proxy", Proxies{proxies, true}, "192.0.2.9:1", []string{"203.0.113.5"}, "192.0.2.9"},
		{"the peer is a proxy", Proxies{proxies, true}, "10.0.0.7:1", []string{"203.0.113.5"}, "203.0.113.5"},
		{"the peer is a proxy, in IPv6 clothes", Proxies{proxies, true}, "[::ffff:10.0.0.7]:1", []string{"203.0.113.5"}, "203.0.113.5"},
		{"the caller wrote the beginning", Proxies{proxies, true}, "10.0.0.7:1", []string{"127.0.0.1, 203.0.113.5"}, "203.0.113.5"},
		{"the caller wrote a header of its own", Proxies{proxies, true}, "10.0.0.7:1", []string{"127.0.0.1", "203.0.113.5"}, "203.0.113.5"},
		{"the caller says that it is a proxy", Proxies{proxies, true}, "10.0.0.7:1", []string{"198.51.100.1, 10.0.0.3, 203.0.113.5"}, "203.0.113.5"},
		{"two proxies", Proxies{proxies, true}, "10.0.0.7:1", []string{"203.0.113.5, 10.0.0.8"}, "203.0.113.5"},
		{"proxies all the way", Proxies{proxies, true}, "10.0.0.7:1", []string{"10.0.0.8"}, "10.0.0.8"},
		{"no header", Proxies{proxies, true}, "10.0.0.7:1", nil, "10.0.0.7"},
		{"an empty header", Proxies{proxies, true}, "10.0.0.7:1", []string{""}, "10.0.0.7"},
		{"what is no address", Proxies{proxies, true}, "10.0.0.7:1", []string{"203.0.113.5, <script>"}, "10.0.0.7"},
		{"an address with a zone", Proxies{proxies, true}, "10.0.0.7:1", []string{"fe80::1%patient-999990019"}, "10.0.0.7"},
		{"IPv6", Proxies{proxies, true}, "[fd00::1]:1", []string{"2001:db8::5"}, "2001:db8::5"},
		{"a peer without address", Proxies{proxies, true}, "@", []string{"203.0.113.5"}, "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{"X-Forwarded-For": tt.forwarded}}
			if got := tt.trust.Address(r); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
