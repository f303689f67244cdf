package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// How long a program may take to answer, and to stop. The gateway archives its remaining events before it exits.
const (
	startWithin = 20 * time.Second
	stopWithin  = 60 * time.Second
)

// process is a program that the bench started.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // file with its standard error
	done chan struct{}
}

// start starts a program, with its standard error in a file: the gateway's log is really written, not discarded.
func start(name, log string, cmd *exec.Cmd) (*process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.Stderr = file
	if cmd.Stdout == nil {
		cmd.Stdout = file
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// said returns the end of the standard error, for an error.
func (p *process) said() string {
	text, _ := os.ReadFile(p.log)
	return strings.TrimSpace(string(text[max(0, len(text)-1000):]))
}

// answers waits until the program answers.
func (p *process) answers(ctx context.Context, asked func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		err := asked(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %s", p.name, p.said())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w: %s", p.name, err, p.said())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop stops the program, by force if necessary.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not stop in %v", p.name, stopWithin)
	}
}

// dialled reports whether somebody listens.
func dialled(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// ok reports whether a URL answers 200.
func ok(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
			return fmt.Errorf("%s: %s", resp.Status, text)
		}
		return nil
	}
}

// role starts the bench's own program in another role, and returns the address that it prints.
func role(log string, args ...string) (*process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	reads, writes, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer reads.Close()
	cmd := exec.Command(self, append([]string{"-role"}, args...)...)
	cmd.Stdout = writes
	p, err := start(args[0], log, cmd)
	writes.Close()
	if err != nil {
		return nil, "", err
	}
	address, err := bufio.NewReader(reads).ReadString('\n')
	if err != nil {
		return p, "", fmt.Errorf("%s: %w: %s", args[0], err, p.said())
	}
	return p, strings.TrimSpace(address), nil
}

// freeAddresses returns different addresses on loopback on which nobody listens.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all at the end: a port that is closed may be given again
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
