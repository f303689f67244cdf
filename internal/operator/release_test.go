package operator

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config/configtest"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// TestReleaseArguments: arguments that cannot lead to a copy are refused before the store or a source is queried, and one with the number
// of the person, however written, before anything else.
func TestReleaseArguments(t *testing.T) {
	o := operator{t, configtest.Place(t, configtest.Good)} // whose Redis is not started
	folder := t.TempDir()
	taken := configtest.Write(t, filepath.Join(folder, "taken"), "")
	good := map[string]string{
		"--source": "hospital", "--ground": "incident", "--data": "Condition", "--to": "a son", "--by": "A", "--approved-by": "B", "--why": "an incident",
		"--out": filepath.Join(folder, "copy"),
	}
	for _, tt := range []struct{ flag, value, person, message string }{
		{"--to", " ", testBSN, "--to must say"},
		{"--by", "\t", testBSN, "--by must say"},
		{"--approved-by", " ", testBSN, "--approved-by must say"},
		{"--why", " ", testBSN, "--why must say"},
		{"--out", taken, testBSN, "nothing is overwritten"},
		{"--out", folder, testBSN, "nothing is overwritten"},
		{"--out", filepath.Join(taken, "copy"), testBSN, "--out must be"},
		{"--out", filepath.Join(folder, "none", "copy"), testBSN, "a folder that exists"},
		{"--to", "a son", "", "standard input"},
		{"--to", "a son", "123456789", "citizen service number"},
		{"--to", "the son of " + testBSN, testBSN, "the number of a person"},
		{"--to", "the son of " + otherBSN, testBSN, "the number of a person"},
		{"--why", "about 99-9991.346", testBSN, "the number of a person"},
		{"--why", "about 9999 91346", testBSN, "the number of a person"},
		{"--by", testBSN, testBSN, "the number of a person"},
		{"--out", filepath.Join(folder, testBSN), testBSN, "the number of a person"},
		{"--out", filepath.Join(folder, otherBSN+".json"), testBSN, "the number of a person"},
		{"--ground", "file of " + testBSN, testBSN, "the number of a person"},
		{"--to", "chart X1-Y", "urn:hospital|X1-Y", "the number of a person"},
	} {
		args := []string{"release", "--no-objection-presumed"}
		for flag, value := range good {
			if flag == tt.flag {
				value = tt.value
			}
			args = append(args, flag, value)
		}
		o.fails(cli.ExitUsage, tt.message, tt.person, args...)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v, want nothing new", entries, err)
	}
	person := fhir.Identifier{System: consent.SystemBSN, Value: testBSN}
	for folder, want := range map[string]bool{otherBSN: true, testBSN: false} { // a folder has its name by chance, but not that of the person
		err := (&releaseCommand{Out: filepath.Join(folder, "copy")}).withoutNumbers(person)
		if (err == nil) != want {
			t.Errorf("got error %v of a folder of digits, want it accepted: %v", err, want)
		}
	}
}

// TestReleaseSaysWhy: a refusal says whether it is on record, and each reason of the decision has a text of its own.
func TestReleaseSaysWhy(t *testing.T) {
	if got := whyNot(&proxy.NotReleased{Reason: policy.ReasonNotDeceased, Recorded: true}).Error(); !strings.Contains(got, "is on record") || !strings.Contains(got, "has died") {
		t.Errorf("got %q", got)
	}
	if got := whyNot(&proxy.NotReleased{Reason: "event-not-recorded"}).Error(); !strings.Contains(got, "nothing of it is on record") || !strings.Contains(got, "event-not-recorded") {
		t.Errorf("got %q", got)
	}
	if err := whyNot(audit.ErrUnavailable); err != audit.ErrUnavailable {
		t.Errorf("got %v of another error", err)
	}
	for _, reason := range []policy.Reason{
		policy.ReasonGroundNotListed, policy.ReasonFourEyes, policy.ReasonPresumptionMissing, policy.ReasonDataNotNamed, policy.ReasonNotShareable,
		policy.ReasonRestrictedNotAllowed, policy.ReasonNotDeceased, policy.ReasonAgeAtDeath, policy.ReasonRepresentativeBlocked,
	} {
		if refusals[reason] == "" {
			t.Errorf("%s has no words", reason)
		}
	}
}

// TestWriteNew: a file is written whole, for its owner only, and never over another.
