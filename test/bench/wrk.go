package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// wrkScript rotates over the requests of a file, and prints the counts in a machine-readable line.
const wrkScript = `local all, n = {}, 0
function init(args)
  for line in io.lines(args[1]) do
    local path, token = line:match("^(%S+) (%S+)$")
    all[#all + 1] = wrk.format("GET", path, { ["Authorization"] = "Bearer " .. token })
  end
end
function request()
  n = n % #all + 1
  return all[n]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("counted %d %d %d %d %d %d\n", summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
`

// wrk runs Debian's wrk with one thread: two would take more of a small machine than the measured programs.
type wrk struct{ folder string }

func newWrk(folder string) (*wrk, error) {
	return &wrk{folder}, os.WriteFile(filepath.Join(folder, "wrk.lua"), []byte(wrkScript), 0o600)
}

func (k *wrk) name() string { return "wrk" }

func (k *wrk) run(ctx context.Context, base string, requests []request, connections int, d time.Duration) (load, error) {
	file := filepath.Join(k.folder, "requests")
	var lines strings.Builder
	for _, r := range requests {
		fmt.Fprintln(&lines, r.path, r.token)
	}
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		return load{}, err
	}
	cmd := exec.CommandContext(ctx, "wrk", "-t", "1", "-c", fmt.Sprint(connections), "-d", fmt.Sprintf("%ds", int(d.Seconds())),
		"-s", filepath.Join(k.folder, "wrk.lua"), base, "--", file)
	output, err := cmd.Output()
	if err != nil {
		return load{}, fmt.Errorf("wrk: %w", err)
	}
	return parseWrk(string(output))
}

// parseWrk finds the line of wrkScript.
func parseWrk(output string) (load, error) {
	lines := bufio.NewScanner(strings.NewReader(output))
	for lines.Scan() {
		var l load
		var took, p50, p99 int64
		if _, err := fmt.Sscanf(lines.Text(), "counted %d %d %d %d %d %d", &l.requests, &l.bytes, &took, &p50, &p99, &l.failures); err != nil {
			continue
		}
		l.took, l.p50, l.p99 = time.Duration(took)*time.Microsecond, time.Duration(p50)*time.Microsecond, time.Duration(p99)*time.Microsecond
		return l, nil
	}
	return load{}, errors.New("wrk: no counts in its output")
}
