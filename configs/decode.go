package configs

import (
	"bytes"
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Problem is one problem with one key of a configuration file. It repeats names of keys, never a value, which may be a secret in the wrong
// place.
type Problem struct {
	File string
	Line int    // 0 if the problem is in no particular line
	Key  string // path of the key: "sources[0].holder.category"; empty for the file as a whole
	What string
}

// Error implements error: "gateway.yaml:12: redis.folder: has no value".
func (p *Problem) Error() string {
	where := p.File
	if p.Line > 0 {
		where += ":" + strconv.Itoa(p.Line)
	}
	if p.Key == "" {
		return where + ": " + p.What
	}
	return where + ": " + p.Key + ": " + p.What
}

// Decode reads one YAML document into a struct, strictly: unknown keys, duplicate keys and values of the wrong type are errors. All of them are
// reported at once, each a *Problem. Absent keys leave into as it is, so that it may contain defaults.
//
// Fields are named by the tag yaml:"name". Their types are structs, maps with string keys, slices, pointers, strings, booleans, whole numbers,
// time.Duration ("30s"), and whatever implements encoding.TextUnmarshaler; the text of an error of the latter is shown unless it
// repeats the value. A string must be one in YAML too: 01 is a number, "01" is not. Aliases and merge keys are refused.
func Decode(name string, data []byte, into any) error {
	_, err := decode(name, data, into)
	return err
}

// decode also returns the line of each key, by its path.
func decode(name string, data []byte, into any) (lines map[string]int, err error) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil, fmt.Errorf("decode %s: %T is not a pointer", name, into)
	}
	root, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	d := &decoder{file: name, lines: map[string]int{}}
	d.value("", root, v.Elem())
	return d.lines, errors.Join(d.problems...)
}

// parse reads the only document of a file.
func parse(name string, data []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", name, err)
	}
	var document, second yaml.Node
	switch err := loader.Load(&document); {
	case errors.Is(err, io.EOF):
		return nil, &Problem{File: name, What: "is empty"}
	case err != nil:
		return nil, syntaxProblem(name, err)
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return nil, &Problem{File: name, Line: second.Line, What: "has a second document"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxProblem(name, err)
	}
	return document.Content[0], nil
}

// syntaxProblem keeps the line, and the library's message if it is only about syntax: those of other stages quote the file.
func syntaxProblem(name string, err error) *Problem {
	p := &Problem{File: name, What: "is not valid YAML"}
	var load *yaml.LoadError
	if errors.As(err, &load) {
		p.Line = load.Mark.Line
		if load.Stage == yaml.ScannerStage || load.Stage == yaml.ParserStage {
			p.What += ": " + load.Message
		}
	}
	return p
}

// decoder reads one document into a Go value.
type decoder struct {
	file     string
	lines    map[string]int
	problems []error
}

func (d *decoder) problem(path string, n *yaml.Node, format string, args ...any) {
	d.problems = append(d.problems, &Problem{d.file, n.Line, path, fmt.Sprintf(format, args...)})
}

// value reads a node into v, which must be settable.
func (d *decoder) value(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		d.problem(path, n, "is an alias: write the value itself")
		return
	}
	if n.ShortTag() == "!!null" {
		d.problem(path, n, "has no value")
		return
	}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(path, n, text)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(path, n, v)
	case reflect.Map:
		d.mapping(path, n, v)
	case reflect.Slice:
		d.sequence(path, n, v)
	case reflect.Pointer: // nil if the key is absent
		v.Set(reflect.New(v.Type().Elem()))
		d.value(path, n, v.Elem())
	default:
		d.scalar(path, n, v)
	}
}

func (d *decoder) text(path string, n *yaml.Node, into encoding.TextUnmarshaler) {
	if n.Kind != yaml.ScalarNode {
		d.problem(path, n, "must be a single value")
		return
	}
	if err := into.UnmarshalText([]byte(n.Value)); err != nil {
		what := err.Error()
		if n.Value != "" && strings.Contains(what, n.Value) {
			what = "has a value of the wrong form"
		}
		d.problem(path, n, "%s", what)
	}
}

func (d *decoder) structure(path string, n *yaml.Node, v reflect.Value) {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			fields[name] = v.Field(i)
		}
	}
	for _, m := range d.members(path, n) {
		at := join(path, m.key.Value)
		field, known := fields[m.key.Value]
		if !known {
			names := slices.Sorted(maps.Keys(fields))
			d.problem(at, m.key, "unknown key; known here: %s", strings.Join(names, ", "))
			continue
		}
		d.value(at, m.value, field)
	}
}

func (d *decoder) mapping(path string, n *yaml.Node, v reflect.Value) {
	if v.Type().Key().Kind() != reflect.String {
		d.problem(path, n, "cannot be configured: the program expects other keys than strings")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, m := range d.members(path, n) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(join(path, m.key.Value), m.value, element)
		v.SetMapIndex(reflect.ValueOf(m.key.Value).Convert(v.Type().Key()), element)
	}
}

func (d *decoder) sequence(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.problem(path, n, "must be a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		at := path + "[" + strconv.Itoa(i) + "]"
		d.lines[at] = item.Line
		d.value(at, item, v.Index(i))
	}
}

// member is one key of a mapping and its value.
type member struct{ key, value *yaml.Node }

// members returns the members of a mapping; keys that are not strings, or duplicate, are problems and left out.
func (d *decoder) members(path string, n *yaml.Node) (found []member) {
	if n.Kind != yaml.MappingNode {
		d.problem(path, n, "must hold keys with values")
		return nil
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
			d.problem(path, key, "has a key that is not a string: put it in quotes")
			continue
		}
		at := join(path, key.Value)
		if first, twice := seen[key.Value]; twice {
			d.problem(at, key, "is there twice, first in line %d", first)
			continue
		}
		seen[key.Value], d.lines[at] = key.Line, key.Line
		found = append(found, member{key, n.Content[i+1]})
	}
	return found
}

// plainKey matches keys that are shown as they are; others are quoted.
var plainKey = regexp.MustCompile(`^[\w./:|+-]+$`)

func join(path, key string) string {
	if !plainKey.MatchString(key) {
		key = strconv.Quote(key)
	}
	return strings.TrimPrefix(path+"."+key, ".")
}

// scalar reads a single value, as the type of v requires.
func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value) {
	what, ok := setScalar(n, v)
	if !ok {
		d.problem(path, n, "%s", cmp.Or(what, "cannot be configured: the program expects "+v.Type().String()))
	}
}

func setScalar(n *yaml.Node, v reflect.Value) (must string, ok bool) {
	tag := ""
	if n.Kind == yaml.ScalarNode {
		tag = n.ShortTag()
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		length, err := time.ParseDuration(n.Value)
		v.SetInt(int64(length))
		return "must be a length of time with its unit, such as 30s or 5m", tag != "" && err == nil
	case v.Kind() == reflect.String:
		v.SetString(n.Value)
		return "must be text: put it in quotes", tag == "!!str"
	case v.Kind() == reflect.Bool:
		v.SetBool(n.Value == "true")
		return "must be true or false", tag == "!!bool" && (n.Value == "true" || n.Value == "false")
	case v.CanInt():
		i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
		v.SetInt(i)
		return "must be a whole number that fits", tag == "!!int" && err == nil && strconv.FormatInt(i, 10) == n.Value
	default:
		return "", false
	}
}
