package redisstore_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
)

// TestNoIdentifierInRedis is promise 8: after all operations for a person, neither the log on disk, nor the wire as seen by a
// bystander (MONITOR), nor any key or value holds the identifier, what was consented to, or who declared an emergency.
func TestNoIdentifierInRedis(t *testing.T) {
	s, server := real(t)
	stop := monitor(t, server.Address())
	const professional, reason, family = "canary-professional", "canary-reason", "canary-organization"
	change(t, s, alice, func(st *consent.Standing) error {
		st.Records = append(st.Records, consent.Record{Status: "active", Party: consent.Side{Organization: family}})
		st.Declarations = append(st.Declarations, consent.Declaration{
			Practitioner: professional, Reason: reason, Expires: time.Time{}.Add(time.Hour),
		})
		return nil
	})
	change(t, s, alice, withdraw)
	_, err := s.Change(t.Context(), audit.Change{Request: bsn, Person: alice, Apply: permit, Event: consentEvent()})
	wantErr(t, err, nil)
	st, _ := standing(t, s, alice)
	wantErr(t, s.Commit(t.Context(), release(s, alice, st.Generation)), nil)
	if _, err := s.CountDeclaration(t.Context(), professional, time.Hour, 1); err != nil {
		t.Errorf("count: %v", err)
	}
	if first, err := s.FirstUse(t.Context(), "canary-proof", time.Hour); !first || err != nil {
		t.Errorf("first use: %v, %v", first, err)
	}
	if _, err := s.History(t.Context(), s.Key(alice)); err != nil {
		t.Errorf("history: %v", err)
	}
	places := map[string][]byte{"the wire": stop(), "the log": readFolder(t, server.Folder())}
	for where, b := range places {
		if !bytes.Contains(b, []byte(s.Key(alice))) {
			t.Errorf("%s: not even the person key is there: the test looks in the wrong place", where)
		}
		for _, canary := range []string{bsn, professional, reason, family, "canary-proof"} {
			for _, form := range []string{
				canary, hex.EncodeToString([]byte(canary)), base64.RawStdEncoding.EncodeToString([]byte(canary))[:4*len(canary)/3],
			} {
				if bytes.Contains(b, []byte(form)) {
					t.Errorf("%s holds %q", where, form)
				}
			}
		}
	}
}

// monitor records what the server does, until the returned function is called.
func monitor(t *testing.T, address string) (stop func() []byte) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("monitor: %v", err)
	}
	var seen bytes.Buffer
	buffer := make([]byte, 64<<10)
	if _, err := c.Write([]byte("MONITOR\r\n")); err != nil {
		t.Fatalf("monitor: %v", err)
	}
	if n, err := c.Read(buffer); err != nil || !strings.HasPrefix(string(buffer[:n]), "+OK") {
		t.Fatalf("monitor: %q, %v", buffer[:n], err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			n, err := c.Read(buffer)
			seen.Write(buffer[:n])
			if err != nil || bytes.Contains(seen.Bytes(), []byte("end-of-monitor")) {
				return
			}
		}
	}()
	return func() []byte {
		end, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("monitor: %v", err)
		}
		defer end.Close()
		defer c.Close()
		if _, err := end.Write([]byte("ECHO end-of-monitor\r\n")); err != nil {
			t.Fatalf("monitor: %v", err)
		}
		<-done
		return seen.Bytes()
	}
}

func readFolder(t *testing.T, folder string) []byte {
	t.Helper()
	var all []byte
	root := os.DirFS(folder)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := fs.ReadFile(root, name)
		all = append(all, b...)
		return err
	})
	if err != nil {
		t.Fatalf("read log: %v", err)
	}
	return all
}
