package consent_test

import (
	"testing"
	"time"

	"zorgsluis/consent"
)

func TestDeclaration(t *testing.T) {
	base := consent.Declaration{
		ID: "a", Issuer: "https://issuer", Client: "app", Practitioner: "uzi:3", Organization: "ura:2",
		DeclaredAt: instant("2026-06-01T11:30:00Z"), Expires: instant("2026-06-01T12:30:00Z"),
	}
	with := func(change func(*consent.Declaration)) consent.Declaration {
		d := base
		change(&d)
		return d
	}
	review := func(justified bool) *consent.Review { return &consent.Review{Justified: justified, At: now} }
	tests := []struct {
		name         string
		declarations []consent.Declaration
		at           string
		want         consent.DeclarationID // "" for none
	}{
		{"none was made", nil, "2026-06-01T12:00:00Z", ""},
		{"it holds", []consent.Declaration{base}, "2026-06-01T12:00:00Z", "a"},
		{"it holds from the instant that it was made", []consent.Declaration{base}, "2026-06-01T11:30:00Z", "a"},
		{"it does not hold before", []consent.Declaration{base}, "2026-06-01T11:29:59Z", ""},
		{"it holds until it expires", []consent.Declaration{base}, "2026-06-01T12:29:59Z", "a"},
		{"it has expired at its end", []consent.Declaration{base}, "2026-06-01T12:30:00Z", ""},
		{"another issuer", []consent.Declaration{with(func(d *consent.Declaration) { d.Issuer = "https://other" })}, "2026-06-01T12:00:00Z", ""},
		{"another client", []consent.Declaration{with(func(d *consent.Declaration) { d.Client = "other" })}, "2026-06-01T12:00:00Z", ""},
		{"another practitioner", []consent.Declaration{with(func(d *consent.Declaration) { d.Practitioner = "uzi:9" })}, "2026-06-01T12:00:00Z", ""},
		{"another organization", []consent.Declaration{with(func(d *consent.Declaration) { d.Organization = "ura:9" })}, "2026-06-01T12:00:00Z", ""},
		{"a review found it justified", []consent.Declaration{with(func(d *consent.Declaration) { d.Review = review(true) })}, "2026-06-01T12:00:00Z", "a"},
		{"a review found it unjustified", []consent.Declaration{with(func(d *consent.Declaration) { d.Review = review(false) })}, "2026-06-01T12:00:00Z", ""},
		{"of two the one that lasts longest", []consent.Declaration{
			base, with(func(d *consent.Declaration) { d.ID, d.Expires = "b", instant("2026-06-01T12:45:00Z") }),
			with(func(d *consent.Declaration) { d.ID, d.Expires = "c", instant("2026-06-01T12:40:00Z") }),
		}, "2026-06-01T12:00:00Z", "b"},
		{"one that has expired hides no other", []consent.Declaration{
			with(func(d *consent.Declaration) { d.ID, d.Expires = "b", instant("2026-06-01T11:45:00Z") }), base,
		}, "2026-06-01T12:00:00Z", "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := consent.Standing{Declarations: tt.declarations}
			got, ok := s.Declaration(consent.Declarant{Issuer: "https://issuer", Client: "app", Practitioner: "uzi:3", Organization: "ura:2"}, instant(tt.at))
			if got.ID != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %t, want %q", got.ID, ok, tt.want)
			}
		})
	}
}

func TestDeclarationNeedsAllFourNames(t *testing.T) {
	d := consent.Declaration{ID: "a", DeclaredAt: instant("2026-06-01T11:30:00Z"), Expires: instant("2026-06-01T12:30:00Z")}
	for missing := range 4 {
		names := [4]string{"issuer", "client", "practitioner", "organization"}
		names[missing] = ""
		d.Issuer, d.Client, d.Practitioner, d.Organization = names[0], names[1], names[2], names[3]
		s := consent.Standing{Declarations: []consent.Declaration{d}}
		if _, ok := s.Declaration(consent.Declarant{Issuer: names[0], Client: names[1], Practitioner: names[2], Organization: names[3]}, now); ok {
			t.Errorf("name %d is missing on both sides: got a declaration", missing)
		}
	}
}

func TestDeclarationsThatEndEarly(t *testing.T) {
	at := instant("2026-06-01T12:00:00Z")
	made := consent.Declaration{
		ID: "a", Issuer: "i", Client: "c", Practitioner: "p", Organization: "o",
		DeclaredAt: instant("2026-06-01T11:30:00Z"), Expires: instant("2026-06-01T12:30:00Z"),
	}
	longer, over, others := made, made, made
	longer.ID, longer.Expires = "b", instant("2026-06-01T12:45:00Z")
	over.ID, over.Expires = "c", instant("2026-06-01T11:45:00Z")
	others.ID, others.Practitioner = "d", "q"
	all := func() *consent.Standing {
		return &consent.Standing{Declarations: []consent.Declaration{made, longer, over, others}}
	}

	s := all()
	if !s.EndDeclarations(consent.Declarant{Issuer: "i", Client: "c", Practitioner: "p", Organization: "o"}, at) {
		t.Error("nothing was in force")
	}
	if _, active := s.Declaration(consent.Declarant{Issuer: "i", Client: "c", Practitioner: "p", Organization: "o"}, at); active {
		t.Error("one is still in force")
	}
	if got := s.Declarations; !got[0].Expires.Equal(at) || !got[1].Expires.Equal(at) || !got[2].Expires.Equal(over.Expires) || !got[3].Expires.Equal(others.Expires) {
		t.Errorf("got %+v, want the two that were in force ended, and no other", got)
	}
	if d, found := s.EndedDeclaration(consent.Declarant{Issuer: "i", Client: "c", Practitioner: "p", Organization: "o"}, at); !found || d.ID != "a" {
		t.Errorf("got %q, %t as ended now, want a", d.ID, found)
	}
	if _, found := s.EndedDeclaration(consent.Declarant{Issuer: "i", Client: "c", Practitioner: "q", Organization: "o"}, at); found {
		t.Error("another's declaration ended")
	}
	if s.EndDeclarations(consent.Declarant{Issuer: "i", Client: "c", Practitioner: "p", Organization: "o"}, at) {
		t.Error("what is over ended again")
	}
	for _, missing := range [][4]string{{"", "c", "p", "o"}, {"i", "", "p", "o"}, {"i", "c", "", "o"}, {"i", "c", "p", ""}, {"i", "x", "p", "o"}, {"i", "c", "p", "x"}} {
		if all().EndDeclarations(consent.Declarant{Issuer: missing[0], Client: missing[1], Practitioner: missing[2], Organization: missing[3]}, at) {
			t.Errorf("%q ended what is not theirs", missing)
		}
	}
	s = all()
	if !s.EndDeclaration("a", at) || s.EndDeclaration("a", at) || s.EndDeclaration("c", at) || s.EndDeclaration("none", at) {
		t.Error("by its id a declaration ends once, while it is in force")
	}
}

func TestReviewsAreDue(t *testing.T) {
	const day = 24 * time.Hour
	made := instant("2026-06-01T12:00:00Z")
	tests := []struct {
		name   string
		review *consent.Review
		at     time.Time
		want   bool
	}{
		{"just before", nil, made.Add(day - 1), false},
		{"at the instant", nil, made.Add(day), true},
		{"reviewed in time, long ago", &consent.Review{At: made.Add(time.Hour)}, made.Add(9 * day), false},
		{"reviewed late", &consent.Review{At: made.Add(2 * day)}, made.Add(9 * day), true},
	}
	for _, tt := range tests {
		if got := (consent.Declaration{DeclaredAt: made, Review: tt.review}).ReviewLate(day, tt.at); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestDeclarationWithID(t *testing.T) {
	s := consent.Standing{Declarations: []consent.Declaration{{ID: "a"}, {ID: "b"}}}
	if d := s.DeclarationWithID("b"); d != &s.Declarations[1] {
		t.Errorf("got %v, want the one in the standing, to be changed in place", d)
	}
	if d := s.DeclarationWithID("c"); d != nil {
		t.Errorf("got %v of an id that is not there, want nil", d)
	}
}
