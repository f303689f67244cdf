package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"zorgsluis/configs"
)

// checker collects everything that is wrong with a configuration, so that an operator sees all of it at once, each problem with its key and
// line.
type checker struct {
	file     string
	lines    map[string]int
	unread   []string // keys whose value could not be read
	problems []error
}

// add notes a problem with a key. The text must not contain a secret; what an operator wrote may be repeated.
func (c *checker) add(key, format string, args ...any) {
	if c.isUnread(key) {
		return
	}
	c.problems = append(c.problems, &configs.Problem{File: c.file, Line: c.line(key), Key: key, What: fmt.Sprintf(format, args...)})
}

// line returns the line of a key, or of the nearest enclosing key in the file; 1 if there is none.
func (c *checker) line(key string) int {
	for key != "" {
		if line, ok := c.lines[key]; ok {
			return line
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return 1
}

// written reports whether the key is in the file at all.
func (c *checker) written(key string) bool {
	_, ok := c.lines[key]
	return ok
}

// path resolves a name relative to the folder of the configuration file, since nobody chooses the working folder of a service.
func (c *checker) path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(c.file), name)
}

// need reports whether value is set, and notes it if not.
func (c *checker) need(key, value string) bool {
	if value == "" {
		c.add(key, "missing")
	}
	return value != ""
}

// atLeast notes a number below the minimum.
func (c *checker) atLeast(key string, got, least int) {
	if got < least {
		c.add(key, "is %d, must be at least %d", got, least)
	}
}

// between notes a time outside its bounds, both inclusive, or one that is missing and has no default.
func (c *checker) between(key string, got, least, most time.Duration) {
	switch {
	case got == 0 && least > 0 && !c.written(key):
		c.add(key, "missing: a time between %s and %s", least, most)
	case got < least, got > most:
		c.add(key, "is %s, must be between %s and %s", got, least, most)
	}
}

// key reads a 32-byte key from the file that the configuration key names.
func (c *checker) key(key, name string) []byte {
	if !c.need(key, name) {
		return nil
	}
	secret, err := readKey(c.path(name))
	if err != nil {
		c.add(key, "%s: %v", name, err)
	}
	return secret
}

// secret reads a secret of any form; without a name there is none.
func (c *checker) secret(key, name string) string {
	if name == "" {
		return ""
	}
	secret, err := readSecret(c.path(name))
	if err != nil {
		c.add(key, "%s: %v", name, err)
	}
	return string(secret)
}

// folder notes a name that is, or is below, something other than a folder. A missing folder is made when first used.
func (c *checker) folder(key, name string) string {
	if !c.need(key, name) {
		return ""
	}
	full := c.path(name)
	for at := full; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err == nil && info.IsDir() || at == filepath.Dir(at) {
			return full
		}
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			c.add(key, "%s: not a folder", name)
			return full
		}
	}
}

// baseURL checks a URL to which paths are appended: no slash at the end, and nothing that a path could interfere with.
func (c *checker) baseURL(key, value string) *url.URL {
	if !c.need(key, value) {
		return nil
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		c.add(key, "must be an http or https URL with a host")
		return nil
	case u.User != nil:
		c.add(key, "must not hold a user name or password: name a credential file")
		return nil
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(value, "#"):
		c.add(key, "must not have a query or a fragment")
	case strings.HasSuffix(u.Path, "/"):
		c.add(key, "must not end with a slash")
	}
	return u
}

// protectedURL is baseURL for a server that must be reached over TLS, or on this machine.
func (c *checker) protectedURL(key, value string) *url.URL {
	u := c.baseURL(key, value)
	if !isProtected(u) {
		c.add(key, "must be https, or on this machine")
	}
	return u
}

// protectedUnless is protectedURL unless the operator says that another layer protects it.
func (c *checker) protectedUnless(plaintext bool, key, value string) *url.URL {
	u := c.baseURL(key, value)
	if !isProtected(u) && !plaintext {
		c.add(key, "must be https, or on this machine; insecure_plaintext: true where another layer protects it")
	}
	return u
}

// isProtected reports whether nobody on the network sees what goes to a URL. It is true for nil, a URL that was already refused.
func isProtected(u *url.URL) bool {
	return u == nil || u.Scheme == "https" || isLoopback(u.Hostname())
}

// listen checks host:port, and reports whether it is this machine. An empty host means every interface.
func (c *checker) listen(key, value string) (loopback bool) {
	if !c.need(key, value) {
		return true
	}
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		c.add(key, "must be host:port, such as 127.0.0.1:8080")
		return true
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		c.add(key, "the port must be a number from 0 to 65535")
	}
	return isLoopback(host)
}

// isLoopback reports whether a host is certainly this machine. A name other than localhost could resolve to anything.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
