package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
)

// The file of the story: as many lines of each person, two records in each of them, and some lines that are refused.
const (
	importedPersons = 300
	linesOfEach     = 4
	badEvery        = 100
	keysOfEach      = 4 // line, in Redis: of the request, of the event, and of each record
)

func importedPerson(n int) fhir.Identifier {
	return fhir.Identifier{System: "https://example.org/patients", Value: fmt.Sprintf("%s-%d", marker, n)}
}

// importFile writes the file, and returns how many of its lines are good.
func (w *world) importFile() (name string, good int) {
	w.t.Helper()
	profile := consentfhir.Profile{Groups: []string{"GGC002"}}
	var text strings.Builder
	for n := range importedPersons * linesOfEach {
		first, second := permit(partyGP, "GGC002"), permit(partyHospital, "GGC002")
		first.RecordedAt = consent.Time{Time: time.Date(2024, 2, 29, 10, n/importedPersons, 0, 0, time.UTC)}
		second.RecordedAt = first.RecordedAt
		line, err := profile.Write(consentfhir.Consent{Patient: importedPerson(n % importedPersons), Records: []consent.Record{first, second}})
		if err != nil {
			w.t.Fatal(err)
		}
		text.Write(append(line, '\n'))
		if good++; good%badEvery == 0 {
			text.WriteString("{}\n")
		}
	}
	return w.write("consents.ndjson", text.String()), good
}

// importer is a running `gateway consent import`.
type importer struct {
	process *os.Process
	out     *output
	ended   <-chan struct{}
}

func (w *world) startImport(config, file string) *importer {
	w.t.Helper()
	cmd := exec.Command(binary, "consent", "import", "--config", config, file)
	i := &importer{out: &output{}}
	cmd.Stdout, cmd.Stderr = i.out, i.out
	var failed error
	done, err := spawn(cmd, &failed)
	if err != nil {
		w.t.Fatalf("start the import: %v", err)
	}
	i.process, i.ended = cmd.Process, done
	w.t.Cleanup(i.kill)
	return i
}

func (i *importer) kill() {
	_ = i.process.Kill() // it may have exited
	<-i.ended
}

// wantWhole wants every person to have whole lines on file, each at most once, in the order of the file. It returns their number.
func (w *world) wantWhole() (lines int) {
	w.t.Helper()
	for n := range importedPersons {
		st, _, err := w.store.Standing(w.t.Context(), w.store.Key(importedPerson(n)))
		if err != nil {
			w.t.Fatalf("standing: %v", err)
		}
		for k, r := range st.Records {
			if party := []consent.Side{partyGP, partyHospital}[k%2]; r.Party != party || r.RecordedAt.Minute() != k/2 {
				w.t.Fatalf("record %d of person %d is for %v of minute %d, want %v of %d: a line is there twice, or out of order", k, n, r.Party, r.RecordedAt.Minute(), party, k/2)
			}
		}
		if len(st.Records)%2 != 0 {
			w.t.Fatalf("person %d has %d records: half of a line is on file", n, len(st.Records))
		}
		lines += len(st.Records) / 2
	}
	return lines
}

// TestImportKilled: an import, its Redis, or both are killed (kill -9) at random moments, and the same command continues. No line is ever on
// file in part or twice, each has exactly one event, and each time the chains verify and agree with the archive.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config, _, _, _ := w.configure()
	file, good := w.importFile()
	var i *importer
	killed := 0
	program := func() { i.kill() }
	for round, victims := range [][]func(){
		{program}, {w.redis.Kill}, {program}, {program, w.redis.Kill}, {w.redis.Kill, program}, {program},
	} {
		keys := func() int64 { return w.redis.Client().DBSize(t.Context()).Val() }
		goal := keys() + 1 + rand.Int64N(keysOfEach*int64(good)/6)
		i = w.startImport(config, file)
		until(t, endWithin, "lines to be imported", func() bool {
			select {
			case <-i.ended:
				return true // it was done before it could be killed
			default:
				return keys() >= goal
			}
		})
		for _, kill := range victims {
			kill()
		}
		<-i.ended // without Redis it exits by itself
		w.redis.Run()
		for _, line := range regexp.MustCompile(`(?m)^line (\d+): refused`).FindAllStringSubmatch(i.out.String(), -1) {
			if n, _ := strconv.Atoi(line[1]); n%(badEvery+1) != 0 {
				t.Fatalf("line %d is good and was refused", n)
			}
		}
		if strings.Contains(i.out.String(), "DATA RACE") {
			t.Error(i.out.String())
		}
		done := w.wantWhole()
		must(t, "", "consent", "verify", "--all", "--config", config)
		t.Logf("round %d: %d of %d lines are on file", round, done, good)
		if done < good {
			killed++
		}
	}
	if killed < 3 {
		t.Errorf("%d times there was something left to import: too few to show anything", killed)
	}
	r := command(t, "", "consent", "import", "--config", config, file)
	said := regexp.MustCompile(`(?m)^(\d+) lines: (\d+) imported, (\d+) on file already, (\d+) refused`).FindStringSubmatch(r.stdout)
	if said == nil {
		t.Fatalf("got exit code %d\n%s%s", r.code, r.stdout, tail(r.stderr, 2000))
	}
	var n [5]int
	for k := 1; k < len(said); k++ {
		n[k], _ = strconv.Atoi(said[k])
	}
	if bad := good / badEvery; r.code != 1 || n[1] != good+bad || n[2]+n[3] != good || n[4] != bad {
		t.Errorf("got exit code %d and %q, want %d lines, all but %d of them on file", r.code, said[0], good+bad, bad)
	}
	if got := w.wantWhole(); got != good {
		t.Errorf("%d lines are on file, want all %d", got, good)
	}
	must(t, "", "consent", "verify", "--all", "--config", config)
	requests := map[string]int{}
	for _, e := range w.events() {
		if e.Reason == "imported" {
			requests[e.Request]++
		}
	}
	if len(requests) != good {
		t.Errorf("%d lines have an event, want %d", len(requests), good)
	}
	for request, events := range requests {
		if events != 1 {
			t.Errorf("%s has %d events, want 1", request, events)
		}
	}
	if strings.Contains(r.stdout+r.stderr+i.out.String(), marker) {
		t.Error("the output names a patient")
	}
	w.wantArchiveWhole()
}
