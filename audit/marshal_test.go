package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
)

// encoded is an event as encoding/json writes it.
func encoded(t *testing.T, e audit.Event) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// TestMarshalWritesWhatEncodingJSONWould fills every member with texts of all kinds, alone and with all others, to find a member that was
// added to the event but not to Marshal.
func TestMarshalWritesWhatEncodingJSONWould(t *testing.T) {
	texts := []string{"plain", `"quoted\path"`, "a <b> & 'c'", "é ü 日本 😀", "line\nbreak\ttab\x00\x1f\b\f", "separators \u2028\u2029", strings.Repeat("x", 40)}
	for _, text := range texts {
		for _, items := range []int{1, 3} {
			var all audit.Event
			members := fill(reflect.ValueOf(&all).Elem(), text, items)
			if got, want := string(all.Marshal()), encoded(t, all); got != want {
				t.Errorf("%q in all members:\ngot  %s\nwant %s", text, got, want)
			}
			for i := range members {
				var one audit.Event
				fillOne(reflect.ValueOf(&one).Elem(), text, items, i)
				if got, want := string(one.Marshal()), encoded(t, one); got != want {
					t.Errorf("%q in member %d:\ngot  %s\nwant %s", text, i, got, want)
				}
			}
		}
	}
}

// fill sets every member of an event and its actor, and returns how many there are.
func fill(v reflect.Value, text string, items int) int {
	n := 0
	for fillOne(v, text, items, n) {
		n++
	}
	return n
}

// fillOne sets member i, counted through the actor; false if there is none.
func fillOne(v reflect.Value, text string, items, i int) bool {
	var members []reflect.Value
	for _, field := range v.Fields() {
		if field.Type() == reflect.TypeFor[audit.Actor]() {
			for _, f := range field.Fields() {
				members = append(members, f)
			}
			continue
		}
		members = append(members, field)
	}
	if i >= len(members) {
		return false
	}
	switch m := members[i]; m.Kind() {
	case reflect.String:
		m.SetString(text)
	case reflect.Slice:
		for n := range items {
			m.Set(reflect.Append(m, reflect.ValueOf(fmt.Sprint(text, n)).Convert(m.Type().Elem())))
		}
	case reflect.Struct:
		m.Set(reflect.ValueOf(time.Date(2026, 11, 22, 1, 2, 3, 120_000_000, time.UTC)))
	case reflect.Int:
		m.SetInt(int64(100 + i))
	case reflect.Uint64:
		m.SetUint(1 << 63)
	}
	return true
}

func BenchmarkMarshal(b *testing.B) {
	for _, disclosed := range []int{1, 50} {
		b.Run(fmt.Sprintf("%d disclosed", disclosed), func(b *testing.B) {
			e := access()
			e.Disclosed = make([]string, disclosed)
			for i := range e.Disclosed {
				e.Disclosed[i] = fmt.Sprintf("Observation/synthetic-180-%d", i)
			}
			b.ReportAllocs()
			for b.Loop() {
				e.Marshal()
			}
		})
	}
}
