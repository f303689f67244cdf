package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"zorgsluis/fhir"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// sourceID is the form of a source's id, which is a path element of public URLs.
var sourceID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// sources checks the FHIR servers behind the gateway, and makes their transports.
func (s *Settings) sources(c *checker) {
	if len(s.File.Sources) == 0 {
		c.add("sources", "missing: at least one source")
	}
	var ids []string
	for i, src := range s.File.Sources {
		key := fmt.Sprintf("sources[%d].", i)
		if !sourceID.MatchString(src.ID) {
			c.add(key+"id", "must be lower-case letters, digits and dashes, at most 32: it is part of URLs")
		} else if slices.Contains(ids, src.ID) {
			c.add(key+"id", "%s is used twice", src.ID)
		}
		ids = append(ids, src.ID)
		if FHIRVersions[src.FHIRVersion] == 0 {
			c.add(key+"fhir_version", "must be R4 or STU3")
		}
		base := c.protectedUnless(src.InsecurePlaintext, key+"base_url", src.BaseURL)
		if c.need(key+"holder.organization", src.Holder.Organization) && !strings.Contains(src.Holder.Organization, ":") {
			c.add(key+"holder.organization", "must be prefix:value, such as ura:00000001")
		}
		s.category(c, key+"holder.category", src.Holder.Category)
		c.between(key+"timeout", src.Timeout, 100*time.Millisecond, s.File.Limits.Timeouts.Request)
		if len(src.PersonSystems) == 0 {
			c.add(key+"person_systems", "missing: the identifier system that names persons here")
		}
		for j, system := range src.PersonSystems {
			if u, err := url.Parse(system); err != nil || u.Scheme == "" || slices.Index(src.PersonSystems, system) != j {
				c.add(fmt.Sprintf("%sperson_systems[%d]", key, j), "must be the URI of an identifier system, each once")
			}
		}
		for j, name := range src.Interactions {
			if _, known := offered[name]; !known || slices.Index(src.Interactions, name) != j {
				c.add(fmt.Sprintf("%sinteractions[%d]", key, j), "must be vread or history, each once")
			}
		}
		s.toSources = append(s.toSources, s.toSource(c, "source:"+src.ID, key, src, base))
	}
}

// FHIRVersions are the versions that a source can use, each with its own tables.
var FHIRVersions = map[string]fhir.Version{"R4": fhir.R4, "STU3": fhir.STU3}

// offered are the interactions that a source offers only if its configuration says so (leaks.md RD-8, RD-9).
var offered = map[string]fhir.Allow{"vread": fhir.AllowVRead, "history": fhir.AllowHistory}

// allow returns the optional interactions that the source offers.
func (s Source) allow() (allowed fhir.Allow) {
	for _, name := range s.Interactions {
		allowed |= offered[name]
	}
	return allowed
}

// fixedHeader is a header that the gateway sends with every request.
type fixedHeader struct{ header, value string }

// credential reads "Header: value" from a secret file. Headers that frame a request are refused: they would change what is requested.
func (c *checker) credential(key, name string) fixedHeader {
	text := c.secret(key, name)
	if text == "" {
		return fixedHeader{}
	}
	header, value, ok := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	if !ok || value == "" || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) || !headerName.MatchString(header) {
		c.add(key, `%s: must hold one line "Header: value"`, name)
		return fixedHeader{}
	}
	if slices.Contains(framing, strings.ToLower(header)) {
		c.add(key, "%s: must not set a header that frames the request", name)
		return fixedHeader{}
	}
	return fixedHeader{header: header, value: value}
}

var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// framing lists headers that say where a request goes, what it contains and how it is read (RFC 9110, RFC 9112).
var framing = []string{
	"accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "host", "prefer", "proxy-connection",
	"te", "trailer", "transfer-encoding", "upgrade", "x-request-id", "x-http-method-override",
}

// ProxyLimits returns the limits of the gate.
func (s *Settings) ProxyLimits() proxy.Limits {
	l := s.File.Limits
	return proxy.Limits{
		RequestBody:   int64(l.RequestBody),
		ResponseBody:  int64(l.ResponseBody),
		Memory:        int64(l.Memory),
		InFlight:      l.InFlight,
		Request:       l.Timeouts.Request,
		Store:         l.Timeouts.Store,
		Lookups:       l.LookupsPerMinute,
		Unrecognised:  s.File.Unauthenticated.EventsPerMinute,
		PersonMapping: personMapping,
		ReadFloor:     l.ReadFloor,
	}
}

// ProxySources returns the sources of the gate.
func (s *Settings) ProxySources() ([]*proxy.Source, error) {
	var sources []*proxy.Source
	for i, src := range s.File.Sources {
		version := FHIRVersions[src.FHIRVersion]
		reader, err := fhir.NewReader(fhir.ReaderOptions{
			Version: version, Base: src.BaseURL, PersonSystems: src.PersonSystems, Classifier: s.classifiers[version],
		})
		if err != nil {
			return nil, err
		}
		sources = append(sources, &proxy.Source{
			ID:            src.ID,
			Version:       version,
			Base:          src.BaseURL,
			Holder:        policy.Holder{Organization: src.Holder.Organization, Category: policy.ProviderCategory(src.Holder.Category)},
			Timeout:       src.Timeout,
			PersonSystems: src.PersonSystems,
			Allow:         src.allow(),
			Reader:        reader,
			Classifier:    s.classifiers[version],
			Transport:     s.toSources[i],
		})
	}
	return sources, nil
}

// personMapping is how long the gate caches which person a source's patient is.
const personMapping = time.Minute
