package arch_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestRequirementsAreAllThere: docs/requirements.md has every id once, each with a known state, and every test that a row names exists.
func TestRequirementsAreAllThere(t *testing.T) {
	page, err := os.ReadFile("../../docs/requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := exec.Command("grep", "-rhoE", "--include=*_test.go", `^func (Test|Fuzz)[A-Za-z0-9_]+`, "../..").Output()
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, " | ")
		if !regexp.MustCompile(`^\| [A-E]\d+$`).MatchString(cells[0]) {
			continue
		}
		id := strings.TrimPrefix(cells[0], "| ")
		if states[id] != "" {
			t.Errorf("%s stands twice", id)
		}
		states[id] = cells[len(cells)-3]
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(string(tests), "func "+m[1]+"\n") {
				t.Errorf("%s names %s, which is no test", id, m[1])
			}
		}
	}
	for letter, count := range map[string]int{"A": 20, "B": 40, "C": 40, "D": 4, "E": 21} {
		for i := 1; i <= count; i++ {
			id := fmt.Sprint(letter, i)
			switch states[id] {
			case "met", "partly", "not yet":
			default:
				t.Errorf("%s has the state %q", id, states[id])
			}
		}
	}
}
