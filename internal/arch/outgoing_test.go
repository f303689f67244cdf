package arch_test

import (
	"go/ast"
	"strings"
)

// tlsFile is the only file that configures TLS, for all connections.
const tlsFile = "internal/config/tls.go"

// notElsewhere are the names that would use TLS otherwise than tlsFile says, by package.
var notElsewhere = map[string][]string{
	"tls":  {"Config"},
	"http": {"DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm"},
}

// outgoing finds TLS that is configured outside tlsFile, and unconfigured clients of net/http.
func (c *checker) outgoing(name string, f *ast.File) {
	if name == tlsFile || strings.HasPrefix(name, "test/") || strings.HasPrefix(name, "internal/demo/") {
		return
	}
	report := func(e ast.Expr, what string) {
		sel, ok := e.(*ast.SelectorExpr)
		if !ok {
			return
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == what {
			for _, forbidden := range notElsewhere[what] {
				if sel.Sel.Name == forbidden {
					c.problem(sel.Pos(), "%s.%s: how TLS is spoken is said in %s only", what, forbidden, tlsFile)
				}
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			report(n.Type, "tls")
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "new" && len(n.Args) == 1 {
				report(n.Args[0], "tls")
			}
		case *ast.SelectorExpr:
			report(n, "http")
			if n.Sel.Name == "InsecureSkipVerify" {
				c.problem(n.Pos(), "InsecureSkipVerify: whom we speak to is always checked")
			}
		case *ast.KeyValueExpr:
			if id, ok := n.Key.(*ast.Ident); ok && id.Name == "InsecureSkipVerify" {
				c.problem(n.Pos(), "InsecureSkipVerify: whom we speak to is always checked")
			}
		}
		return true
	})
}
