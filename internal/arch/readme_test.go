package arch_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLinksLeadSomewhere: in README and docs, every relative link leads to something in the tree, and every anchor to a heading.
func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`)
	for _, page := range append(pages, "../../README.md") {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := page
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(page), m[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			} else if m[2] != "" && !slices.Contains(anchors(read(t, target)), m[2]) {
				t.Errorf("%s links to #%s of %s, which is no heading there", page, m[2], target)
			}
		}
	}
}

// TestCommentsNameDocumentsThatAreThere: comments cite only pages that are in this tree.
func TestCommentsNameDocumentsThatAreThere(t *testing.T) {
	name := regexp.MustCompile(`\b[a-z-]+\.md\b`)
	err := filepath.WalkDir("../..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == "node_modules" || d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if ext := filepath.Ext(file); ext != ".go" && ext != ".lua" && ext != ".yaml" {
			return nil
		}
		for _, page := range name.FindAllString(read(t, file), -1) {
			if _, err := os.Stat(filepath.Join("../../docs", page)); err != nil {
				t.Errorf("%s cites %s, which is not in docs", file, page)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMetricsAreDocumented: docs/operating.md explains each metric of the gateway.
func TestMetricsAreDocumented(t *testing.T) {
	files, err := filepath.Glob("../../cmd/gateway/*.go")
	if err != nil {
		t.Fatal(err)
	}
	name, page, found := regexp.MustCompile(`"(zorgsluis_[a-z_]+)"`), read(t, "../../docs/operating.md"), 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range name.FindAllStringSubmatch(read(t, file), -1) {
			if found++; !regexp.MustCompile("`" + m[1] + "[`{]").MatchString(page) {
				t.Errorf("%s has the metric %s, which docs/operating.md does not explain", file, m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("found %d metrics: they are written in another way than this test knows", found)
	}
}

// anchors returns the headings of a page as links name them.
func anchors(page string) []string {
	var all []string
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for line := range strings.Lines(page) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			text := dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			all = append(all, strings.ReplaceAll(text, " ", "-"))
		}
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
