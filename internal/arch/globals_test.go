package arch_test

import (
	"errors"
	"go/ast"
	"go/token"
	"go/types"
)

// globals finds package-level variables that functions change: in a pure package these are tables and sentinel errors, constant once the program
// has started. This needs no types of other packages, so imports are left unresolved.
func (c *checker) globals(files []*ast.File) {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}}
	pkg, _ := conf.Check(files[0].Name.Name, c.fset, files, info) // the compiler reports errors
	if pkg == nil {
		return
	}
	changed := func(e ast.Expr, at token.Pos) {
		id := root(e)
		if v, ok := info.Uses[id].(*types.Var); ok && v.Parent() == pkg.Scope() {
			c.problem(at, "package-level variable %s is changed in a function of a pure package", id.Name)
		}
	}
	for _, f := range files {
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.AssignStmt:
					for _, e := range n.Lhs {
						changed(e, n.Pos())
					}
				case *ast.IncDecStmt:
					changed(n.X, n.Pos())
				case *ast.UnaryExpr:
					if n.Op == token.AND {
						changed(n.X, n.Pos())
					}
				case *ast.CallExpr:
					if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") && len(n.Args) > 0 {
						changed(n.Args[0], n.Pos())
					}
				}
				return true
			})
		}
	}
}

// root returns the variable that an assignment to e changes: x for x.f[i].g, nil if e does not start with a variable.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		default:
			return nil
		}
	}
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not resolved") }
