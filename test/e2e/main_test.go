// Package e2e_test tests the real gateway: the binary, built once, with real redis-server processes, the project's own issuer and source, and
// everything on loopback. One story per file; world_test.go has the environment.
package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"zorgsluis/internal/demo"
)

var (
	binary string       // the gateway, built with the race detector where the tests are
	issuer *demo.Issuer // of all tests but those that switch it off
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	// These tests wait more than they compute: for deadlines, for processes, for the disk.
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
			return 0, err
		}
	}
	folder, err := os.MkdirTemp("", "zs-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	binary = filepath.Join(folder, "gateway")
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "zorgsluis/cmd/gateway")...)
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the gateway: %w\n%s", err, out)
	}
	if issuer, err = demo.NewIssuer(demo.IssuerOptions{}); err != nil {
		return 0, err
	}
	defer issuer.Close()
	return m.Run(), nil
}
