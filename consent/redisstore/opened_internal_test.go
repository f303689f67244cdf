package redisstore

import (
	"strings"
	"testing"

	"zorgsluis/consent"
)

func TestOnlyEqualValuesAreRecalled(t *testing.T) {
	noted := stored{generation: 3, at: 7, value: "sealed"}
	o := newOpened()
	o.note("a", noted, consent.Standing{Generation: 3, Records: []consent.Record{{ID: "r"}}})
	for _, tt := range []struct {
		name   string
		person consent.PersonKey
		asked  stored
		want   bool
	}{
		{"the same", "a", noted, true},
		{"another generation", "a", stored{4, 7, "sealed"}, false},
		{"another stamp", "a", stored{3, 8, "sealed"}, false},
		{"another value", "a", stored{3, 7, "sealeD"}, false},
		{"another person", "b", noted, false},
	} {
		if _, got := o.find(tt.person, tt.asked); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestWhatIsRecalledIsTheCallersOwn(t *testing.T) {
	v := stored{1, 1, "sealed"}
	o := newOpened()
	mine := consent.Standing{Records: []consent.Record{{ID: "r"}}, Declarations: []consent.Declaration{{ID: "d"}}}
	o.note("a", v, mine)
	for range 2 {
		mine.Records[0].ID, mine.Declarations[0].ID = "changed", "changed"
		if mine, _ = o.find("a", v); mine.Records[0].ID != "r" || mine.Declarations[0].ID != "d" {
			t.Fatalf("a change of one caller reached the next: %v %v", mine.Records[0].ID, mine.Declarations[0].ID)
		}
	}
}

func TestRecallingIsBounded(t *testing.T) {
	o := newOpened()
	value := strings.Repeat("x", 1<<20)
	often, n := consent.PersonKey("often"), 3*openedBytes>>20
	o.note(often, stored{1, 1, value}, consent.Standing{})
	for i := range n {
		o.note(consent.PersonKey(rune('A'+i)), stored{1, 1, value}, consent.Standing{})
		if _, ok := o.find(often, stored{1, 1, value}); !ok {
			t.Errorf("after %d others, what is asked for all the time was forgotten", i+1)
		}
	}
	if kept := len(o.recent) + len(o.older); kept > 2*openedBytes>>20 {
		t.Errorf("%d MiB are kept, want at most %d", kept, 2*openedBytes>>20)
	}
	if _, ok := o.find("A", stored{1, 1, value}); ok {
		t.Error("what was not asked for is never forgotten")
	}
}
