package redistest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// slots is the number of slots of a cluster; each of its three nodes starts with a third of them.
const slots, third = 16384, 5462

// StartCluster makes a cluster of three masters, which continues without one of them. announced are the ports that the nodes
// announce to clients, if there is something in front of them; none means their own.
func StartCluster(t testing.TB, announced ...int) []*Server {
	t.Helper()
	var nodes []*Server
	for i := range 3 {
		settings := []string{"--cluster-require-full-coverage", "no"}
		if len(announced) > 0 {
			settings = append(settings, "--cluster-announce-port", strconv.Itoa(announced[i]))
		}
		n := StartNode(t, settings...)
		n.Do("cluster", "addslotsrange", i*third, min((i+1)*third, slots)-1)
		n.Do("cluster", "set-config-epoch", i+1)
		nodes = append(nodes, n)
	}
	for _, n := range nodes[1:] {
		n.Do("cluster", "meet", "127.0.0.1", nodes[0].Port(), nodes[0].BusPort())
	}
	for _, n := range nodes {
		wait(t, "the cluster", func() bool {
			info, _ := n.Client().ClusterInfo(t.Context()).Result()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384")
		})
	}
	return nodes
}

// MoveSlot moves the slot of a key, with its content, from its initial node to the next one.
func MoveSlot(t testing.TB, nodes []*Server, key string) {
	t.Helper()
	slot := int(nodes[0].Do("cluster", "keyslot", key).(int64))
	from, to := nodes[slot/third], nodes[(slot/third+1)%len(nodes)]
	toID, fromID := to.Do("cluster", "myid"), from.Do("cluster", "myid")
	to.Do("cluster", "setslot", slot, "importing", fromID)
	from.Do("cluster", "setslot", slot, "migrating", toID)
	for { // others write meanwhile
		keys := from.Do("cluster", "getkeysinslot", slot, 1000).([]any)
		if len(keys) == 0 {
			break
		}
		for _, k := range keys {
			from.Do("migrate", "127.0.0.1", to.Port(), k, 0, 5000)
		}
	}
	for _, n := range []*Server{to, from} {
		n.Do("cluster", "setslot", slot, "node", toID)
	}
}

// StartSentinel watches a master with one replica under the name main, fails over quickly, and returns its address. user is the one
// that it uses with the servers (User); "" is the default user.
func StartSentinel(t testing.TB, primary *Server, user string) string {
	t.Helper()
	port := FreePort(t)
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 %d 1\nsentinel down-after-milliseconds main 1500\n"+
		"sentinel failover-timeout main 3000\n", port, primary.Port())
	if user != "" {
		text += fmt.Sprintf("sentinel auth-user main %s\nsentinel auth-pass main %s\n", user, user)
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command("redis-server", config, "--sentinel"))
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	client := redis.NewSentinelClient(&redis.Options{Addr: address, DisableIdentity: true})
	t.Cleanup(func() { client.Close() })
	wait(t, "the sentinel", func() bool {
		m, err := client.Master(t.Context(), "main").Result()
		return err == nil && m["num-slaves"] == "1" && m["flags"] == "master"
	})
	return address
}

// run runs a process until the test ends.
func run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.SysProcAttr = &said, attributes()
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the child dies with the thread that started it
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		if started <- err; err == nil {
			cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		if <-ended; t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), said.String())
		}
	})
}

// User returns the settings of a server with an additional user who may do everything. Its password is its name.
func User(name string) []string {
	return []string{"--user", name, "on", ">" + name, "~*", "&*", "+@all"}
}

// Shut locks users out of a server and closes their connections, like a network that drops what they send; for other users nothing
// changes. The default user cannot be locked out; it loses the commands that Sentinel needs. Admit lets them in again.
func (s *Server) Shut(users ...string) {
	s.t.Helper()
	s.Do("acl", "setuser", "default", "-ping", "-info", "-multi", "-slaveof", "-subscribe")
	for _, name := range users {
		s.Do("acl", "setuser", name, "off")
		s.Do("client", "kill", "user", name)
	}
}

// Admit undoes Shut.
func (s *Server) Admit(users ...string) {
	s.t.Helper()
	s.Do("acl", "setuser", "default", "+@all")
	for _, name := range users {
		s.Do("acl", "setuser", name, "on")
	}
}

// Failover makes a Sentinel fail over to the one replica at once. Left alone it waits until it considers the master dead, which
// takes an uncertain time while it still hears from it.
func (s *Server) Failover(sentinel string) {
	s.t.Helper()
	client := redis.NewSentinelClient(&redis.Options{Addr: sentinel, DisableIdentity: true})
	defer client.Close()
	s.promoted(func() { client.Failover(s.t.Context(), "main") }) // refused during a failover, or without a healthy replica
}

// Promoted waits until a replica is the master.
func (s *Server) Promoted() {
	s.t.Helper()
	s.promoted(func() {})
}

func (s *Server) promoted(meanwhile func()) {
	s.t.Helper()
	wait(s.t, "the replica to be promoted", func() bool {
		meanwhile()
		role, err := s.Client().Do(s.t.Context(), "role").Slice()
		return err == nil && role[0] == "master"
	})
}

func wait(t testing.TB, what string, reached func() bool) {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(60 * time.Second); !reached(); <-poll.C {
		if time.Now().After(end) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}
