package consent

import "time"

// Declaration finds the declaration under which a professional may ask in an emergency at an instant: made for exactly this issuer,
// client, practitioner and organization, and not over. One that a review found unjustified is over at once. Of several, it is the
// one that lasts longest.
func (s Standing) Declaration(issuer, client, practitioner, organization string, at time.Time) (active Declaration, ok bool) {
	if issuer == "" || client == "" || practitioner == "" || organization == "" {
		return Declaration{}, false // a missing claim is never equal to a missing claim
	}
	for _, d := range s.Declarations {
		if d.madeBy(issuer, client, practitioner, organization) && d.activeAt(at) && d.Expires.After(active.Expires) {
			active, ok = d, true
		}
	}
	return active, ok
}

// DeclarationWithID gives the declaration with an id, to be read or changed in place; nil where there is none.
func (s *Standing) DeclarationWithID(id DeclarationID) *Declaration {
	for i := range s.Declarations {
		if s.Declarations[i].ID == id {
			return &s.Declarations[i]
		}
	}
	return nil
}

// EndDeclarations ends at an instant every declaration that is in force then and was made for exactly these four, and reports whether
// there was one. Each is still to be reviewed: to end is not to account for.
func (s *Standing) EndDeclarations(issuer, client, practitioner, organization string, at time.Time) bool {
	ended := false
	for {
		d, found := s.Declaration(issuer, client, practitioner, organization, at)
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

// EndedDeclaration finds a declaration of these four that ended at this very instant.
func (s Standing) EndedDeclaration(issuer, client, practitioner, organization string, at time.Time) (Declaration, bool) {
	for _, d := range s.Declarations {
		if d.madeBy(issuer, client, practitioner, organization) && d.Expires.Equal(at) {
			return d, true
		}
	}
	return Declaration{}, false
}

// ReviewBy is the instant by which a declaration must have its verdict, where reviews may take so long.
func (d Declaration) ReviewBy(within time.Duration) time.Time { return d.DeclaredAt.Add(within) }

// ReviewLate reports whether the verdict came late, or is late at an instant.
func (d Declaration) ReviewLate(within time.Duration, at time.Time) bool {
	if d.Review != nil {
		at = d.Review.At
	}
	return !at.Before(d.ReviewBy(within))
}

func (d Declaration) madeBy(issuer, client, practitioner, organization string) bool {
	return d.Issuer == issuer && d.Client == client && d.Practitioner == practitioner && d.Organization == organization
}

// activeAt includes the instant of the declaration and excludes that of its end.
func (d Declaration) activeAt(at time.Time) bool {
	unjustified := d.Review != nil && !d.Review.Justified
	return !at.Before(d.DeclaredAt) && at.Before(d.Expires) && !unjustified
}
