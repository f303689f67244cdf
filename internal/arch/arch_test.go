package arch_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

func TestModuleKeepsItsShape(t *testing.T) {
	for _, problem := range check(t, os.DirFS("../..")) {
		t.Error(problem)
	}
}

// TestEachRuleBites gives every rule a tree that breaks it: a rule that finds nothing there would find nothing anywhere.
func TestEachRuleBites(t *testing.T) {
	long := "package fhir\n" + strings.Repeat("\n", maxFileLines)
	longFunc := "package fhir\nfunc f() {\n" + strings.Repeat("\n", maxFunctionLines) + "}\n"
	tests := []struct {
		name, file, source, want string
	}{
		{"an arrow pointing back", "fhir/a.go", `package fhir; import _ "zorgsluis/policy"`, "fhir may not import policy"},
		{"an adapter that knows another", "authn/a.go", `package authn; import _ "zorgsluis/consent/redisstore"`, "authn may not import consent/redisstore"},
		{"a configuration that knows commands", "internal/config/a.go", `package config; import _ "zorgsluis/internal/operator"`, "internal/config may not import internal/operator"},
		{"a demo that knows the gateway's parts", "internal/demo/a.go", `package demo; import _ "zorgsluis/proxy"`, "internal/demo may not import proxy"},
		{"a part that knows the configuration", "proxy/a.go", `package proxy; import _ "zorgsluis/internal/config"`, "proxy may not import internal/config"},
		{"a package that has no place", "cache/a.go", `package cache`, "cache has no row in mayImport"},
		{"a library outside its package", "proxy/a.go", `package proxy; import _ "github.com/redis/go-redis/v9"`, "only in"},
		{"I/O in a pure package", "policy/a.go", `package policy; import _ "os"`, "the operating system is I/O"},
		{"I/O below a pure package", "fhir/deep/a.go", `package deep; import _ "net/http"`, "only proxy and authn know HTTP"},
		{"a clock in a pure package", "consent/a.go", `package consent; import "time"; func f() { _ = time.Now() }`, "time.Now"},
		{"a clock under another name", "consent/a.go", `package consent; import t "time"; var f = t.Since`, "time.Since"},
		{"a changing global", "fhir/a.go", "package fhir\nvar cache = map[string]int{}\nfunc f() { cache[\"a\"] = 1 }", "cache is changed"},
		{"a counting global", "fhir/a.go", "package fhir\nvar n int\nfunc f() { n++ }", "n is changed"},
		{"a global with its address taken", "fhir/a.go", "package fhir\nvar n int\nfunc f() *int { return &n }", "n is changed"},
		{"an init function", "audit/a.go", "package audit\nfunc init() {}", "init"},
		{"a name that says nothing", "cmd/gateway/utils/a.go", "package utils", "says nothing"},
		{"a long file", "fhir/a.go", long, "lines, the budget is"},
		{"a long function", "fhir/a.go", longFunc, "function f has"},
		{"TLS in another way", "authn/a.go", `package authn; import "crypto/tls"; var c = tls.Config{}`, "tls.Config"},
		{"TLS in another way, by new", "authn/a.go", `package authn; import "crypto/tls"; var c = new(tls.Config)`, "tls.Config"},
		{"TLS in another way, below internal", "internal/operator/a.go", `package operator; import "crypto/tls"; var c = tls.Config{}`, "tls.Config"},
		{"a client that nobody configured", "audit/a.go", `package audit; import "net/http"; var c = http.DefaultClient`, "http.DefaultClient"},
		{"a server that nobody checks", "cmd/gateway/a.go", `package main; func f(c *config) { c.InsecureSkipVerify = true }`, "InsecureSkipVerify"},
		{"a file that does not parse", "fhir/a.go", "package", "expected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := check(t, fstest.MapFS{tt.file: {Data: []byte(tt.source)}})
			if !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, tt.want) }) {
				t.Errorf("got problems %q, want one with %q", got, tt.want)
			}
		})
	}
}

// TestRulesLeaveGoodCodeAlone is the other half: what pure packages may use is not a problem.
func TestRulesLeaveGoodCodeAlone(t *testing.T) {
	good := fstest.MapFS{
		"fhir/a.go": {Data: []byte(`package fhir
import ("time"; "strings"; "errors")
var ErrContent = errors.New("content")
var table = map[string]int{"a": 1}
type list struct{ n int }
func (l *list) add() { l.n++; table := map[string]int{}; table["b"] = 2; _ = time.UTC; _ = strings.TrimSpace("") }
func read() int { return table["a"] }
`)},
		"fhir/a_test.go":    {Data: []byte("package fhir\nimport _ \"os\"\nfunc init() {}\n")},
		"testdata/x/bad.go": {Data: []byte("not go")},
	}
	if got := check(t, good); len(got) != 0 {
		t.Errorf("got problems %q, want none", got)
	}
}

// check applies every rule to the Go files below root, except tests, and returns the problems.
func check(t *testing.T, root fs.FS) []string {
	t.Helper()
	c := checker{root: root, fset: token.NewFileSet(), packages: map[string][]*ast.File{}}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			return c.file(name)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walk: %v", err)
	}
	for dir, files := range c.packages {
		if isPure(dir) {
			c.globals(files)
		}
	}
	slices.Sort(c.problems)
	return c.problems
}

type checker struct {
	root     fs.FS
	fset     *token.FileSet
	packages map[string][]*ast.File // by folder
	problems []string
}

func (c *checker) problem(at token.Pos, format string, args ...any) {
	p := c.fset.Position(at)
	c.problems = append(c.problems, fmt.Sprintf("%s:%d: %s", p.Filename, p.Line, fmt.Sprintf(format, args...)))
}

// file reads one file and applies the rules about single files.
func (c *checker) file(name string) error {
	source, err := fs.ReadFile(c.root, name)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(c.fset, name, source, parser.SkipObjectResolution)
	if err != nil {
		c.problems = append(c.problems, err.Error())
		return nil
	}
	dir := path.Dir(name)
	c.packages[dir] = append(c.packages[dir], f)
	c.imports(dir, f)
	c.budgets(f)
	c.outgoing(name, f)
	if isPure(dir) {
		c.clock(f)
	}
	if slices.Contains(noNames, f.Name.Name) {
		c.problem(f.Package, "package name %s says nothing about what is inside", f.Name.Name)
	}
	return nil
}

func (c *checker) imports(dir string, f *ast.File) {
	if known, _ := allowed(dir, ""); !known && !isPure(dir) {
		c.problem(f.Package, "%s has no row in mayImport: decide where it stands", dir)
	}
	for _, spec := range f.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			c.problem(spec.Pos(), "import path %s: %v", spec.Path.Value, err)
			continue
		}
		if local, ok := strings.CutPrefix(target, module+"/"); ok {
			if _, ok := allowed(dir, local); !ok {
				c.problem(spec.Pos(), "%s may not import %s", dir, local)
			}
		}
		if reason, ok := entry(notInPure, target); ok && isPure(dir) {
			c.problem(spec.Pos(), "pure package %s may not import %s: %s", dir, target, reason)
		}
		if owners, ok := entry(onlyIn, target); ok && !slices.ContainsFunc(owners, func(o string) bool { return within(dir, o) }) {
			c.problem(spec.Pos(), "%s uses %s, which is wanted only in %s", dir, target, strings.Join(owners, ", "))
		}
	}
}

// budgets limits the length of files and functions to what a reader can keep in mind, and refuses init: what runs before main cannot be tested,
// nor return an error.
func (c *checker) budgets(f *ast.File) {
	tf := c.fset.File(f.FileStart)
	if tf.LineCount() > maxFileLines {
		c.problem(f.Package, "the file has %d lines, the budget is %d", tf.LineCount(), maxFileLines)
	}
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if fn.Recv == nil && fn.Name.Name == "init" {
			c.problem(fn.Pos(), "no init functions: build it where it is used")
		}
		if n := tf.Line(fn.End()) - tf.Line(fn.Pos()) + 1; n > maxFunctionLines {
			c.problem(fn.Pos(), "function %s has %d lines, the budget is %d", fn.Name.Name, n, maxFunctionLines)
		}
	}
}

// clock finds every use of the clock, called or passed as a value.
func (c *checker) clock(f *ast.File) {
	alias := ""
	for _, spec := range f.Imports {
		if spec.Path.Value == `"time"` {
			alias = "time"
			if spec.Name != nil {
				alias = spec.Name.Name
			}
		}
	}
	if alias == "." {
		c.problem(f.Package, "time is imported with a dot, which hides uses of the clock")
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || !clockUse[sel.Sel.Name] {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Name == alias {
			c.problem(sel.Pos(), "a pure package may not use time.%s: the instant is an argument", sel.Sel.Name)
		}
		return true
	})
}

func isPure(dir string) bool {
	return slices.ContainsFunc(pure, func(p string) bool {
		return dir == p || strings.HasPrefix(dir, p+"/") && !strings.HasPrefix(dir, "consent/redisstore")
	})
}

func within(dir, owner string) bool {
	return dir == owner || strings.HasSuffix(owner, "/") && strings.HasPrefix(dir, owner)
}
