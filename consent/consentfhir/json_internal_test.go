package consentfhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzParse: the result is what encoding/json reads, token by token, with every member once; anything else is refused.
func FuzzParse(f *testing.F) {
	examples, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(examples) == 0 {
		f.Fatalf("no examples: %v", err)
	}
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		"", " ", "1", "-1.5e+3", `"a"`, "null", "[]", "{}", ` { } `, "{}{}", "{}x", `{"a":}`, `{"a":1,}`, `{"a":[1,]}`, `{"a" : [ 1 , true,false ,null, -0.5E1 ] }`,
		`{"a":"\\\\","b\u00e9\"":"\ud83d\ude00 \ud800 \\\""}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, "{\"a\":\"\xff\"}", `{"a":01}`,
		strings.Repeat(`{"a":`, maxDepth) + "1" + strings.Repeat("}", maxDepth), strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1),
		strings.Repeat(`{"a":[`, 40) + strings.Repeat("]}", 40),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parse(text)
		want, wantErr := byTokens(text)
		if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v, want %+v, %v", text, got, err, want, wantErr)
		}
	})
}

// byTokens is parse with the tokens of encoding/json.
func byTokens(text []byte) (node, error) {
	if !json.Valid(text) || len(text) > maxResource || strings.ToValidUTF8(string(text), "") != string(text) {
		return node{}, io.ErrUnexpectedEOF
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	n, err := token(d, 0)
	if err == nil && n.kind != object {
		err = errors.New("not an object")
	}
	return n, err
}

func token(d *json.Decoder, depth int) (n node, err error) {
	t, err := d.Token()
	if err != nil || depth > maxDepth {
		return n, errors.Join(err, errors.New("no token, or too deep"))
	}
	switch v := t.(type) {
	case string:
		return node{kind: text, text: v}, nil
	case bool:
		return node{kind: boolean, yes: v}, nil
	case json.Number:
		return node{kind: number}, nil
	case nil:
		return node{}, nil
	}
	n.kind = map[json.Delim]kind{'{': object, '[': array}[t.(json.Delim)]
	for seen := map[string]bool{}; d.More(); {
		if n.kind == object {
			name, err := d.Token()
			if err != nil || seen[name.(string)] || len(seen) == maxMembers {
				return n, errors.Join(err, errors.New("no name, a name that is there twice, or too many"))
			}
			seen[name.(string)] = true
			n.names = append(n.names, name.(string))
		}
		v, err := token(d, depth+1)
		if err != nil {
			return n, err
		}
		n.values = append(n.values, v)
	}
	_, err = d.Token()
	return n, err
}
