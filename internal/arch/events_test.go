package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/policy"
)

// TestEventsAreDocumented: docs/events.md has each kind, outcome and reason that the code uses, and no others; each reason has words.
func TestEventsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	inCode := eventWords(t)
	for _, kind := range []string{"kind", "outcome"} {
		_, row, found := strings.Cut(doc, "\n| `"+kind+"` |")
		row, _, _ = strings.Cut(row, "\n")
		for word := range inCode[kind] {
			if !found || !strings.Contains(row, "`"+word+"`") {
				t.Errorf("%s %q is not in its row of docs/events.md", kind, word)
			}
		}
	}
	_, reasons, found := strings.Cut(doc, "\n### Reasons\n")
	reasons, _, _ = strings.Cut(reasons, "\n#")
	if !found {
		t.Fatal("docs/events.md has no section Reasons")
	}
	documented := map[string]bool{}
	for row := range strings.Lines(reasons) {
		_, cell, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, m := range regexp.MustCompile("`([a-z][a-z0-9-]*)`").FindAllStringSubmatch(cell, -1) {
			documented[m[1]] = true
		}
	}
	for word, at := range inCode["reason"] {
		if !documented[word] {
			t.Errorf("%s: reason %q is not in the section Reasons of docs/events.md", at, word)
		}
		if audit.Meaning(policy.Reason(word)) == "" {
			t.Errorf("%s: reason %q has no words in audit", at, word)
		}
		delete(documented, word)
	}
	for word := range documented {
		t.Errorf("docs/events.md names the reason %q, which no code gives", word)
	}
	if len(inCode["reason"]) < 150 || len(inCode["kind"]) < 7 || len(inCode["outcome"]) != 3 {
		t.Errorf("found only %d reasons, %d kinds, %d outcomes", len(inCode["reason"]), len(inCode["kind"]), len(inCode["outcome"]))
	}
}

// eventWords finds the kinds, outcomes and reasons of events in the code, and where they are.
func eventWords(t *testing.T) map[string]map[string]token.Position {
	t.Helper()
	words := map[string]map[string]token.Position{"kind": {}, "outcome": {}, "reason": {}}
	fset := token.NewFileSet()
	add := func(what string, e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if word, err := strconv.Unquote(lit.Value); err == nil && word != "" {
				words[what][word] = fset.Position(lit.Pos())
			}
		}
	}
	for _, folder := range []string{"audit", "authn", "cmd/gateway", "consent", "internal/catalogue", "internal/operator", "policy", "proxy"} {
		err := filepath.WalkDir("../../"+folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(fset, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				eventWord(n, file.Name.Name, add)
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return words
}

var reasonName = regexp.MustCompile(`^[rR]eason[A-Z]`)

// eventWord checks the places where a reason can be: a constant, a field, an argument of refuse or unresolved, and one after an outcome.
func eventWord(n ast.Node, pkg string, add func(what string, e ast.Expr)) {
	switch n := n.(type) {
	case *ast.ValueSpec:
		for i, name := range n.Names {
			typ, _ := n.Type.(*ast.Ident)
			switch {
			case i >= len(n.Values):
			case pkg == "audit" && typ != nil && (typ.Name == "Kind" || typ.Name == "Outcome"):
				add(strings.ToLower(typ.Name), n.Values[i])
			case reasonName.MatchString(name.Name):
				add("reason", n.Values[i])
			}
		}
	case *ast.CompositeLit:
		if !slices.Contains([]string{"Event", "Unauthenticated", "refusal"}, typeName(n.Type)) {
			return
		}
		for _, e := range n.Elts {
			if field, ok := e.(*ast.KeyValueExpr); ok && strings.EqualFold(field.Key.(*ast.Ident).Name, "reason") {
				add("reason", field.Value)
			}
		}
	case *ast.CallExpr:
		name, _ := n.Fun.(*ast.Ident)
		if pkg == "proxy" && name != nil && name.Name == "unresolved" {
			add("reason", n.Args[0])
		}
		for i, arg := range n.Args {
			outcome, _ := arg.(*ast.SelectorExpr)
			if i+1 < len(n.Args) && (pkg == "proxy" && name != nil && name.Name == "refuse" || outcome != nil && strings.HasPrefix(outcome.Sel.Name, "Outcome")) {
				add("reason", n.Args[i+1])
			}
		}
	}
}

// typeName returns the name of a type without its package.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
