package configs_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/configs"
)

type settings struct {
	Name    string            `yaml:"name"`
	On      bool              `yaml:"on"`
	Count   int               `yaml:"count"`
	Small   int8              `yaml:"small"`
	Wait    time.Duration     `yaml:"wait"`
	Level   level             `yaml:"level"`
	List    []string          `yaml:"list"`
	Words   map[string]string `yaml:"words"`
	Secrets map[word]struct {
		Key string `yaml:"key"`
	} `yaml:"secrets"`
	Nested struct {
		Items []struct {
			Port int `yaml:"port"`
		} `yaml:"items"`
	} `yaml:"nested"`
	Ratio    float64        `yaml:"ratio"`
	Numbered map[int]string `yaml:"numbered"`
	Ignored  string
	Dashed   string `yaml:"-"`
	Optional *struct {
		Port int `yaml:"port"`
	} `yaml:"optional"`
	Absent *struct{} `yaml:"absent"`
}

type word string

// level is a scalar type of our own; for "echo" its error repeats the value.
type level int

func (l *level) UnmarshalText(text []byte) error {
	switch s := string(text); s {
	case "high":
		*l = 2
		return nil
	case "echo":
		return errors.New("no such level: " + s)
	default:
		return errors.New("must be high")
	}
}

func TestDecode(t *testing.T) {
	got := settings{Count: 7, Name: "default", List: []string{"default"}}
	err := configs.Decode("a.yaml", []byte(`
# everything
name: "01"
on: true
small: -128
wait: 1m30s
level: high
list: [a, "2"]
words: {b: x, "1": "y"}
secrets:
  first: {key: k}
nested:
  items:
    - port: 80
    - {}
optional: { port: 81 }
`), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := settings{Name: "01", On: true, Count: 7, Small: -128, Wait: 90 * time.Second, Level: 2, List: []string{"a", "2"}, Words: map[string]string{"b": "x", "1": "y"}}
	want.Secrets = map[word]struct {
		Key string `yaml:"key"`
	}{"first": {"k"}}
	want.Optional = &struct {
		Port int `yaml:"port"`
	}{81}
	want.Nested.Items = []struct {
		Port int `yaml:"port"`
	}{{80}, {}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"an unknown key", "nested:\n  itens: s3cret\n", []string{"a.yaml:2: nested.itens: unknown key; known here: items"}},
		{"a key that the program keeps to itself", "Ignored: s3cret\n", []string{"a.yaml:1: Ignored: unknown key; known here: " + known}},
		{"a key with odd characters", "\"na me\": s3cret\n", []string{"a.yaml:1: \"na me\": unknown key; known here: " + known}},
		{"a key twice", "name: a\non: true\nname: s3cret\n", []string{"a.yaml:3: name: is there twice, first in line 1"}},
		{"a key of a map twice", "words: {a: x, a: s3cret}\n", []string{"a.yaml:1: words.a: is there twice, first in line 1"}},
		{"a number for text", "name: 01\n", []string{"a.yaml:1: name: must be text: put it in quotes"}},
		{"a list for text", "name: [s3cret]\n", []string{"a.yaml:1: name: must be text: put it in quotes"}},
		{"a date for text", "name: 2026-01-01\n", []string{"a.yaml:1: name: must be text: put it in quotes"}},
		{"a tag of one's own", "name: !secret s3cret\n", []string{"a.yaml:1: name: must be text: put it in quotes"}},
		{"text for a boolean", "on: s3cret\n", []string{"a.yaml:1: on: must be true or false"}},
		{"yes for a boolean", "on: yes\n", []string{"a.yaml:1: on: must be true or false"}},
		{"quotes around a boolean", "on: \"true\"\n", []string{"a.yaml:1: on: must be true or false"}},
		{"text for a number", "count: s3cret\n", []string{"a.yaml:1: count: must be a whole number that fits"}},
		{"quotes around a number", "count: \"1\"\n", []string{"a.yaml:1: count: must be a whole number that fits"}},
		{"a fraction", "count: 1.5\n", []string{"a.yaml:1: count: must be a whole number that fits"}},
		{"a number that could be octal", "count: 010\n", []string{"a.yaml:1: count: must be a whole number that fits"}},
		{"a hexadecimal number", "count: 0x10\n", []string{"a.yaml:1: count: must be a whole number that fits"}},
		{"a number that is too large", "small: 128\n", []string{"a.yaml:1: small: must be a whole number that fits"}},
		{"a length of time without a unit", "wait: 30\n", []string{"a.yaml:1: wait: must be a length of time with its unit, such as 30s or 5m"}},
		{"a list for a length of time", "wait: [30s]\n", []string{"a.yaml:1: wait: must be a length of time with its unit, such as 30s or 5m"}},
		{"a scalar of our own", "level: s3cret\n", []string{"a.yaml:1: level: must be high"}},
		{"a scalar of our own whose error repeats the value", "level: echo\n", []string{"a.yaml:1: level: has a value of the wrong form"}},
		{"a scalar of our own that is empty", "level: \"\"\n", []string{"a.yaml:1: level: must be high"}},
		{"a list for a scalar of our own", "level: [high]\n", []string{"a.yaml:1: level: must be a single value"}},
		{"text for a list", "list: s3cret\n", []string{"a.yaml:1: list: must be a list"}},
		{"text for a map", "words: s3cret\n", []string{"a.yaml:1: words: must hold keys with values"}},
		{"a list for a struct", "nested: [s3cret]\n", []string{"a.yaml:1: nested: must hold keys with values"}},
		{"a key of a map that is a number", "words: {1: s3cret}\n", []string{"a.yaml:1: words: has a key that is not a string: put it in quotes"}},
		{"a key that is a list", "words: {[a]: s3cret}\n", []string{"a.yaml:1: words: has a key that is not a string: put it in quotes"}},
		{"a mistake in an item", "nested:\n  items:\n    - port: 1\n    - port: s3cret\n", []string{"a.yaml:4: nested.items[1].port: must be a whole number that fits"}},
		{"a key without a value", "name:\nlist: ~\nnested: {items: }\nwait: null\nlevel: ~\n", []string{
			"a.yaml:1: name: has no value", "a.yaml:2: list: has no value", "a.yaml:3: nested.items: has no value",
			"a.yaml:4: wait: has no value", "a.yaml:5: level: has no value"}},
		{"an alias", "name: &x s3cret\nwords: {a: *x}\n", []string{"a.yaml:2: words.a: is an alias: write the value itself"}},
		{"a merge key", "words:\n  <<: {a: s3cret}\n", []string{"a.yaml:2: words: has a key that is not a string: put it in quotes"}},
		{"a type that cannot be configured", "ratio: 1\nnumbered: {a: b}\n", []string{
			"a.yaml:1: ratio: cannot be configured: the program expects float64",
			"a.yaml:2: numbered: cannot be configured: the program expects other keys than strings"}},
		{"all mistakes at once, in their order", "name: 1\ncolour: s3cret\ncount: s3cret\n", []string{
			"a.yaml:1: name: must be text: put it in quotes", "a.yaml:2: colour: unknown key; known here: " + known,
			"a.yaml:3: count: must be a whole number that fits"}},
		{"nothing", "", []string{"a.yaml: is empty"}},
		{"comments alone", "# name: x\n", []string{"a.yaml: is empty"}},
		{"null", "~\n", []string{"a.yaml:1: has no value"}},
		{"a scalar", "s3cret\n", []string{"a.yaml:1: must hold keys with values"}},
		{"two documents", "name: a\n---\nname: s3cret\n", []string{"a.yaml:2: has a second document"}},
		{"a second document that is broken", "name: a\n---\nname: [s3cret\n", []string{"a.yaml:4: is not valid YAML: did not find expected ',' or ']'"}},
		{"broken syntax", "name: a\non: s3cret: x\n", []string{"a.yaml:2: is not valid YAML: mapping values are not allowed in this context"}},
		{"an alias of nothing", "name: *s3cret\n", []string{"a.yaml:1: is not valid YAML"}},
		{"a type that does not fit", "name: !!int s3cret\n", []string{"a.yaml:1: name: must be text: put it in quotes"}},
		{"bytes that are not UTF-8", "name: \xff\xfe\n", []string{"a.yaml: is not valid YAML"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := configs.Decode("a.yaml", []byte(tt.in), &settings{})
			if got := problems(t, err); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

// known are the keys of settings.
const known = "absent, count, level, list, name, nested, numbered, on, optional, ratio, secrets, small, wait, words"

// problems returns the lines of an error, which must contain a *configs.Problem.
func problems(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var p *configs.Problem
	if !errors.As(err, &p) {
		t.Errorf("got error of type %T, want a *Problem", err)
	}
	return strings.Split(err.Error(), "\n")
}

func TestDecodeNeedsAPointer(t *testing.T) {
	var none *settings
	for _, into := range []any{settings{}, none, nil} {
		if err := configs.Decode("a.yaml", []byte("name: a"), into); err == nil {
			t.Errorf("decoding into %T: got no error", into)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("name: a\nwait: 1s\nnested: {items: [{port: 1}]}\nwords: {a: b}\nlist: [x]\n"))
	f.Add([]byte("name: &a x\nlist: [*a, !!int y, ~]\n<<: {a: b}\n? [q]\n: z\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = configs.Decode("a.yaml", b, &settings{}) // it must not panic
	})
}
