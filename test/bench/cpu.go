package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// cpuTimes returns the CPU time, in user and kernel mode, that each process and its children have used. That of process 0 is 0.
func cpuTimes(pids ...int) ([]time.Duration, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	times, found := make([]time.Duration, len(pids)), make([]bool, len(pids))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		s, err := parseStat(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for i, pid := range pids {
			if pid != 0 && (s.pid == pid || s.parent == pid) {
				times[i] += s.used
				found[i] = found[i] || s.pid == pid
			}
		}
	}
	for i, pid := range pids {
		if pid != 0 && !found[i] {
			return nil, fmt.Errorf("process %d has ended", pid)
		}
	}
	return times, nil
}

type stat struct {
	pid, parent int
	used        time.Duration
}

// parseStat reads /proc/<pid>/stat (proc_pid_stat(5)). The second field, the name in parentheses, may contain anything.
func parseStat(text []byte) (stat, error) {
	end := bytes.LastIndexByte(text, ')')
	head, _, _ := bytes.Cut(text, []byte{' '})
	pid, err := strconv.Atoi(string(head))
	if end < 0 || err != nil {
		return stat{}, fmt.Errorf("not the form of a stat file")
	}
	fields := strings.Fields(string(text[end+1:])) // from the third field on
	if len(fields) < 13 {
		return stat{}, fmt.Errorf("not the form of a stat file")
	}
	numbers := [3]int{}
	for i, field := range []string{fields[1], fields[11], fields[12]} { // ppid, utime, stime
		if numbers[i], err = strconv.Atoi(field); err != nil {
			return stat{}, fmt.Errorf("not the form of a stat file")
		}
	}
	return stat{pid: pid, parent: numbers[0], used: time.Duration(numbers[1]+numbers[2]) * tick}, nil
}
