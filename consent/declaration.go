package consent

import "time"

// Declarant is a professional who declares an emergency: as the issuer of the token names the person, with a client, for an organization. A
// declaration is of use to nobody else.
type Declarant struct{ Issuer, Client, Practitioner, Organization string }

// Declaration returns the declaration under which a professional may ask in an emergency at an instant: made by exactly this declarant, and
// still in force. A review that finds it unjustified ends it at once. If there are several, it is the one that lasts longest.
func (s Standing) Declaration(by Declarant, at time.Time) (active Declaration, ok bool) {
	if by.Issuer == "" || by.Client == "" || by.Practitioner == "" || by.Organization == "" {
		return Declaration{}, false // a missing claim never equals a missing claim
	}
	for _, d := range s.Declarations {
		if d.declarant() == by && d.activeAt(at) && d.Expires.After(active.Expires) {
			active, ok = d, true
		}
	}
	return active, ok
}

// DeclarationWithID returns the declaration with an id, to be read or changed in place; nil if there is none.
func (s *Standing) DeclarationWithID(id DeclarationID) *Declaration {
	for i := range s.Declarations {
		if s.Declarations[i].ID == id {
			return &s.Declarations[i]
		}
	}
	return nil
}

// EndDeclarations ends, at an instant, every declaration of a declarant that is then in force, and reports whether there was one. Each
// must still be reviewed.
func (s *Standing) EndDeclarations(by Declarant, at time.Time) bool {
	ended := false
	for {
		d, found := s.Declaration(by, at)
		if !found {
			return ended
		}
		ended = s.EndDeclaration(d.ID, at)
	}
}

// EndDeclaration ends one declaration at an instant, and reports whether it was in force until then.
func (s *Standing) EndDeclaration(id DeclarationID, at time.Time) bool {
	for i := range s.Declarations {
		if d := &s.Declarations[i]; d.ID == id && d.activeAt(at) {
			d.Expires = at
			return true
		}
	}
	return false
}

// EndedDeclaration returns a declaration of a declarant that ended at exactly this instant.
func (s Standing) EndedDeclaration(by Declarant, at time.Time) (Declaration, bool) {
	for _, d := range s.Declarations {
		if d.declarant() == by && d.Expires.Equal(at) {
			return d, true
		}
	}
	return Declaration{}, false
}

// ReviewBy is the instant by which a declaration must have its verdict, if a review may take this long.
func (d Declaration) ReviewBy(within time.Duration) time.Time { return d.DeclaredAt.Add(within) }

// ReviewLate reports whether the verdict came late, or at an instant is late.
func (d Declaration) ReviewLate(within time.Duration, at time.Time) bool {
	if d.Review != nil {
		at = d.Review.At
	}
	return !at.Before(d.ReviewBy(within))
}

func (d Declaration) declarant() Declarant {
	return Declarant{d.Issuer, d.Client, d.Practitioner, d.Organization}
}

// activeAt includes the instant of the declaration and excludes that of its end.
func (d Declaration) activeAt(at time.Time) bool {
	unjustified := d.Review != nil && !d.Review.Justified
	return !at.Before(d.DeclaredAt) && at.Before(d.Expires) && !unjustified
}
