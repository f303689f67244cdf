package redisstore_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
)

// documentedUser returns the ACL SETUSER rules, after the password, of the Redis user in docs/operating.md, and those that a
// cluster needs in addition.
func documentedUser(t *testing.T) (rules, inCluster []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	user := regexp.MustCompile(`(?s)ACL SETUSER gateway on >PASSWORD (.*?)\n *\x60{3}.*?A cluster needs \x60(.*?)\x60`).FindStringSubmatch(string(text))
	if user == nil {
		t.Fatal("docs/operating.md makes no user of Redis")
	}
	return strings.Fields(strings.ReplaceAll(user[1], "\\", "")), strings.Fields(user[2])
}

// admit creates the user on a server.
func admit(t *testing.T, server *redistest.Server, rules []string) {
	t.Helper()
	user := []any{"acl", "setuser", "gateway", "on", ">secret"}
	for _, rule := range rules {
		user = append(user, rule)
	}
	if got := server.Do(user...); got != "OK" {
		t.Fatalf("acl setuser: %v", got)
	}
}

// useAll does what a gateway and its commands do; nothing may be refused.
func useAll(t *testing.T, o redisstore.Options, servers ...*redistest.Server) {
	t.Helper()
	s := open(t, o)
	eventually(t, "replicas in step", func() error { return s.Commit(t.Context(), audit.Release{Event: release(s, bob, 0).Event}) })
	st := change(t, s, alice, func(st *consent.Standing) error {
		st.Declarations = append(st.Declarations, consent.Declaration{Expires: time.Now().Add(time.Hour)})
		return permit(st)
	})
	r := release(s, alice, st.Generation)
	wantErr(t, s.Commit(t.Context(), r), nil)
	wantErr(t, s.Commit(t.Context(), r), nil) // a repeat, which looks for the event
	for _, err := range []error{
		second(s.History(t.Context(), s.Key(alice))), second(s.Events(t.Context(), s.Key(alice), 1)), second(s.OpenReviews(t.Context())),
		second(s.Lookup(t.Context(), string(st.Records[0].ID))), second(s.CountDeclaration(t.Context(), "p", time.Hour, 9)),
		second(s.FirstUse(t.Context(), strings.Repeat("0a", 32), time.Minute)), second(s.Memory(t.Context())),
		second(s.Read(t.Context(), 0, "", 1)), s.Trim(t.Context(), 0, "0-1"), s.SetCatalogue(t.Context(), []byte("{}")), second(s.Catalogue(t.Context())),
		s.Check(t.Context()), s.CheckWrites(t.Context()), s.Persons(t.Context(), func(consent.PersonKey) error { return nil }),
		redisstore.Accept(t.Context(), o, func(audit.Acceptance) error { return nil }),
	} {
		wantErr(t, err, nil)
	}
	for _, got := range s.ChangeAll(t.Context(), []audit.Change{{Person: bob, Apply: permit, Event: consentEvent()}}) {
		wantErr(t, got.Err, nil)
	}
	for _, server := range servers {
		if denied, ok := server.Do("acl", "log").([]any); !ok || len(denied) > 0 {
			t.Errorf("refused to the user: %v", denied)
		}
	}
}

// second returns the error of a call that also returns a value.
func second[T any](_ T, err error) error { return err }

// TestDocumentedUser: with exactly the rights that docs/operating.md gives to the gateway's Redis user, everything works and the
// store cannot be emptied.
func TestDocumentedUser(t *testing.T) {
	rules, inCluster := documentedUser(t)
	login := redisstore.ClientOptions{Username: "gateway", Password: "secret"}
	t.Run("a server with a replica", func(t *testing.T) {
		server := redistest.Start(t)
		server.Replica()
		admit(t, server, rules)
		o := options(t, server.Socket())
		login.Addresses = []string{server.Socket()}
		clients(t, &o, login)
		o.Replicas = 1
		useAll(t, o, server)
		for _, command := range [][]any{{"flushall"}, {"keys", "*"}, {"config", "set", "appendonly", "no"}, {"del", "zs:{s00}:meta"}, {"get", "other"}, {"shutdown"}} {
			if err := o.Client.Do(t.Context(), command...).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
				t.Errorf("%v: got %v, want it to be refused", command, err)
			}
		}
	})
	t.Run("a cluster", func(t *testing.T) {
		nodes := redistest.StartCluster(t)
		login.Addresses = nil
		for _, node := range nodes {
			admit(t, node, append(slices.Clone(rules), inCluster...))
			login.Addresses = append(login.Addresses, node.Address())
		}
		o := options(t, nodes[0].Socket())
		clients(t, &o, login)
		useAll(t, o, nodes...)
	})
	scripts, err := filepath.Glob("lua/*.lua")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("got %d scripts, %v", len(scripts), err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:call|try)\('([A-Z]+)'`).FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(rules, "+"+strings.ToLower(m[1])) {
				t.Errorf("%s uses %s, which the user may not", script, m[1])
			}
		}
	}
}
