package authn

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// maxClaim bounds the value of a mapped claim in bytes.
const maxClaim = 1024

// errClaim says that a mapped claim has a form that its path does not describe. Ignoring it could drop a signal that blocks the caller.
var errClaim = errors.New("claim has an unexpected form")

// claimPath is the place of a claim, from the top of the payload: `acr`, `extensions.ihe_iua.subject_role[].code`. A step that ends in []
// selects all elements of an array. A name with dots is put in double quotes: `"https://idp.example/bsn"`. The nil path is a claim that is
// not mapped.
type claimPath []claimStep

type claimStep struct {
	name string
	each bool
}

// parseClaimPath reads a path of the configuration. The empty text is the nil path.
func parseClaimPath(text string) (claimPath, error) {
	var path claimPath
	for rest := text; rest != ""; {
		var step claimStep
		if rest[0] == '"' {
			name, after, found := strings.Cut(rest[1:], `"`)
			if !found {
				return nil, errors.New("a quoted name does not end")
			}
			step.name, rest = name, after
		} else {
			end := strings.IndexAny(rest, `.["`)
			if end < 0 {
				end = len(rest)
			}
			step.name, rest = rest[:end], rest[end:]
		}
		rest, step.each = strings.CutPrefix(rest, "[]")
		if step.name == "" || rest != "" && (rest[0] != '.' || len(rest) == 1) {
			return nil, fmt.Errorf("%q is no path of claim names", text)
		}
		rest = strings.TrimPrefix(rest, ".")
		path = append(path, step)
	}
	return path, nil
}

// nodes returns all values at the path. A missing member ends its branch. It is an error if a value should be an object or array and is
// not, or if a member is missing below an array: an element without a code cannot be judged.
func (p claimPath) nodes(claims map[string]any) ([]any, error) {
	found := []any{any(claims)}
	inArray := false
	for _, step := range p {
		var next []any
		for _, value := range found {
			object, ok := value.(map[string]any)
			if !ok {
				return nil, errClaim
			}
			member, given := object[step.name]
			switch {
			case !given && inArray:
				return nil, errClaim
			case !given:
				continue
			case !step.each:
				next = append(next, member)
			default:
				elements, ok := member.([]any)
				if !ok {
					return nil, errClaim
				}
				next = append(next, elements...)
			}
		}
		inArray = inArray || step.each
		found = next
	}
	return found, nil
}

// all returns the text values at the path; none if the claim is not mapped or missing.
func (p claimPath) all(claims map[string]any) ([]string, error) {
	if p == nil {
		return nil, nil
	}
	nodes, err := p.nodes(claims)
	if err != nil || len(nodes) == 0 {
		return nil, err
	}
	values := make([]string, 0, len(nodes))
	for _, node := range nodes {
		value, ok := claimText(node)
		if !ok {
			return nil, errClaim
		}
		values = append(values, value)
	}
	return values, nil
}

// one returns the single text value at the path, "" if there is none. Two values are an error: we cannot say which counts.
func (p claimPath) one(claims map[string]any) (string, error) {
	values, err := p.all(claims)
	switch {
	case err != nil || len(values) > 1:
		return "", errClaim
	case len(values) == 0:
		return "", nil
	}
	return values[0], nil
}

// claimText reads a value that may be kept in events and compared with configuration: non-empty, bounded text without control and format
// characters and without surrounding white space: "9803 " would not match the code that blocks.
func claimText(node any) (string, bool) {
	value, ok := node.(string)
	if !ok || value == "" || len(value) > maxClaim || strings.TrimSpace(value) != value {
		return "", false
	}
	for _, r := range value {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return "", false
		}
	}
	return value, true
}
