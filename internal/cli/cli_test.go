package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"zorgsluis/internal/cli"
)

// tree is a command line with one command, which ends with an error of its own.
type tree struct {
	End end `cmd:""`
}

type end struct {
	err error
}

// Run ends the command.
func (e *end) Run(env *cli.Environment) error {
	fmt.Fprint(env.Stdout, "ran")
	return e.err
}

func TestRun(t *testing.T) {
	wrong := errors.New("went wrong")
	for _, tt := range []struct {
		name      string
		err       error
		args      []string
		code      int
		out, told string
	}{
		{"a command that succeeds", nil, []string{"end"}, cli.ExitOK, "ran", ""},
		{"one that fails", wrong, []string{"end"}, cli.ExitRuntime, "ran", "gateway: went wrong\n"},
		{"one that cannot be run like this", cli.Usage(wrong), []string{"end"}, cli.ExitUsage, "ran", "gateway: went wrong\n"},
		{"the same, wrapped", fmt.Errorf("end: %w", cli.Usage(wrong)), []string{"end"}, cli.ExitUsage, "ran", "gateway: end: went wrong\n"},
		{"one that finds damage", cli.Damaged(wrong), []string{"end"}, cli.ExitDamaged, "ran", "gateway: went wrong\n"},
		{"no error of usage", cli.Usage(nil), []string{"end"}, cli.ExitOK, "ran", ""},
		{"help", wrong, []string{"help", "end"}, cli.ExitOK, "Usage: gateway end", ""},
		{"a command that is not there", nil, []string{"start"}, cli.ExitUsage, "", "gateway --help shows the commands"},
		{"a number of a person among the arguments", nil, []string{"end", "999991346"}, cli.ExitUsage, "", "unexpected argument ***"},
	} {
		var out, stderr bytes.Buffer
		env := &cli.Environment{Context: t.Context(), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &stderr}
		code := cli.Run(env, &tree{end{tt.err}}, tt.args)
		if code != tt.code || !strings.Contains(out.String(), tt.out) || !strings.Contains(stderr.String(), tt.told) || tt.told == "" && stderr.Len() > 0 {
			t.Errorf("%s: got exit code %d, %q and %q, want %d, %q and %q", tt.name, code, out.String(), stderr.String(), tt.code, tt.out, tt.told)
		}
	}
	if err := cli.Usage(wrong); !errors.Is(err, wrong) || !errors.Is(err, cli.ErrUsage) || errors.Is(err, cli.ErrDamaged) {
		t.Errorf("got %v, want an error that is marked, and still itself", err)
	}
}
