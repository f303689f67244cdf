package redisstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// TestEveryFieldIsSealed sets every field of a standing to a different value and expects all of them back: a field added to a
// record must be added to the codec too, or its restriction would be lost.
func TestEveryFieldIsSealed(t *testing.T) {
	var before, after state
	n := 0
	populate(t, reflect.ValueOf(&before).Elem(), &n)
	before.Generation, before.Newest = 0, time.Time{} // stored separately
	if err := after.unmarshal(string(before.marshal())); err != nil {
		t.Fatal(err)
	}
	if n < 50 || !reflect.DeepEqual(before, after) {
		t.Errorf("of %d values\n got %+v\nwant %+v\nis a field missing in codec.go?", n, after, before)
	}
}

// populate sets every settable field in v, each to a different value.
func populate(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	if v.Type() == reflect.TypeFor[time.Time]() {
		*n++
		v.Set(reflect.ValueOf(time.Date(2026, 1, 1, 0, 0, 0, *n, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			populate(t, v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			populate(t, v.Index(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		populate(t, v.Elem(), n)
	case reflect.String:
		*n++
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Int64:
		*n++
		v.SetInt(int64(*n))
	case reflect.Uint64:
		*n++
		v.SetUint(uint64(*n))
	case reflect.Bool:
		*n++
		v.SetBool(true)
	default:
		t.Fatalf("%v: a kind of field that codec.go does not have", v.Type())
	}
}

func TestSealedFormOf(t *testing.T) {
	amsterdam := time.FixedZone("", 3600)
	for _, tt := range []struct {
		name string
		want state
	}{
		{"nothing", state{}},
		{"lists that are there and empty", state{Standing: consent.Standing{Records: []consent.Record{{Data: []string{}, Purposes: nil}}}}},
		{"a time with an offset and nanoseconds", state{Standing: consent.Standing{Records: []consent.Record{
			{ValidFrom: consent.Time{Time: time.Date(2026, 3, 1, 12, 0, 0, 1, amsterdam)}},
		}}}},
		{"bytes that are no text", state{Standing: consent.Standing{Person: fhir.Identifier{System: "\x00\xff", Value: strings.Repeat("x", 300)}}}},
		{"a person whom the patient named, beside what names nobody", state{Standing: consent.Standing{Records: []consent.Record{
			{ID: "a", Party: consent.Side{Category: "gp"}}, {ID: "b", Party: consent.Side{Person: "key"}, PartyName: "Anja"},
		}}}},
		{"a declaration without a review", state{Standing: consent.Standing{Declarations: []consent.Declaration{{ID: "d"}}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got state
			if err := got.unmarshal(string(tt.want.marshal())); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%#v", tt.want); fmt.Sprintf("%#v", got) != want {
				t.Errorf("got %#v, want %s", got, want)
			}
			for i, r := range got.Records {
				if want := tt.want.Records[i].ValidFrom; !r.ValidFrom.Equal(want.Time) {
					t.Errorf("got %v, want %v", r.ValidFrom, want)
				}
			}
		})
	}
}

// TestAStandingOfBeforeThereWerePersons: the first version can still be read, and a standing that names no person is still sealed
// in it, byte for byte, so that an older instance can read it; that instance refuses one that names a person, instead of leaving
// the person out.
func TestAStandingOfBeforeThereWerePersons(t *testing.T) {
	const first = "0101730176020430312d6106616374697665067065726d697400000000026770000002064747433030320001000f010000000ee2c8e38000000000ffff0002077061" +
		"7469656e7400000000046f72616c01690131026e6c023030000002093939393939303031390000"
	form, err := hex.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	var v state
	if err := v.unmarshal(string(form)); err != nil {
		t.Fatal(err)
	}
	r := v.Records[0]
	if r.Party != (consent.Side{Category: "gp"}) || r.Information.SHA256 != "00" || v.Flags.RepresentativesBlocked[0] != "999990019" {
		t.Errorf("got %+v", v)
	}
	if again := v.marshal(); hex.EncodeToString(again) != first {
		t.Errorf("sealed again it is\n%x, want\n%s", again, first)
	}
	v.Records[0].Party = consent.Side{Person: "key"}
	if later := v.marshal(); later[0] != withPersons {
		t.Errorf("a standing that names a person is of version %d", later[0])
	}
}

// TestDamagedForms cuts, extends and alters a form: the result is refused or, if it happens to be valid, read without harm.
func TestDamagedForms(t *testing.T) {
	var whole state
	n := 0
	populate(t, reflect.ValueOf(&whole).Elem(), &n)
	form := whole.marshal()
	refused := func(name string, b []byte) {
		t.Helper()
		if err := new(state).unmarshal(string(b)); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: got %v, want ErrSealed", name, err)
		}
	}
	for i := range form {
		refused(fmt.Sprintf("cut at %d", i), form[:i])
		altered := slices.Clone(form)
		altered[i] ^= 0x80
		new(state).unmarshal(string(altered))
	}
	refused("something after the end", append(slices.Clone(form), 0))
	refused("another version", append([]byte{withPersons + 1}, form[1:]...))
	refused("JSON", []byte(`{"v":1,"person":{"system":"s","value":"v"},"flags":{}}`))
	refused("a number without an end", append([]byte{stateVersion}, slices.Repeat([]byte{0xff}, 20)...))
	refused("a list longer than all there is", []byte{stateVersion, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f})
}

// BenchmarkOpen measures opening a standing of three records.
func BenchmarkOpen(b *testing.B) {
	secret := slices.Repeat([]byte("p"), minSecret)
	sealer, err := newSealer(slices.Repeat([]byte("s"), sealingBytes))
	if err != nil {
		b.Fatal(err)
	}
	s := &Store{secret: newSecret(secret), sealer: sealer, generations: newGenerations(10)}
	st := consent.Standing{Person: fhir.Identifier{System: "http://fhir.nl/fhir/NamingSystem/bsn", Value: "999990019"}}
	for i := range 3 {
		st.Records = append(st.Records, consent.Record{
			ID: consent.RecordID(fmt.Sprintf("00-%032d", i)), Status: consent.StatusActive, Decision: consent.DecisionPermit,
			Holder: consent.Side{Organization: "urn:oid:2.16.528.1.1007.3.3|12345678"}, Party: consent.Side{Category: "hospital"},
			Data: []string{"all"}, Channel: "regional", Purposes: []string{"TREAT"}, GivenBy: []string{"patient"},
			ValidFrom: consent.Time{Time: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}, RecordedBy: "patient", Method: "portal",
			Information: consent.Information{ID: "mitz", Version: "3", Language: "nl", SHA256: strings.Repeat("0a", 32)},
		})
	}
	person := s.Key(st.Person)
	plain, _, err := encode(&st, nil, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	v := stored{generation: 1, at: 1_700_000_000_000_000, value: sealer.seal(kindStanding, person, 1, plain)}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := s.take(person, 0, version{}, v); err != nil || len(got.Records) != 3 {
			b.Fatal(err)
		}
	}
}
