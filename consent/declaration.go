package consent

import "time"

// Declaration returns the declaration under which a professional may ask in an emergency at an instant: made for exactly this issuer,
// client, practitioner and organization, and still in force. A review that finds it unjustified ends it at once. If there are several, it
// is the one that lasts longest.
func (s Standing) Declaration(issuer, client, practitioner, organization string, at time.Time) (active Declaration, ok bool) {
	if issuer == "" || client == "" || practitioner == "" || organization == "" {
		return Declaration{}, false // a missing claim never equals a missing claim
	}
	for _, d := range s.Declarations {
		if d.madeBy(issuer, client, practitioner, organization) && d.activeAt(at) && d.Expires.After(active.Expires) {
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

// EndDeclarations ends, at an instant, every declaration then in force that was made for exactly these four, and reports whether there was
// one. Each must still be reviewed.
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

// EndedDeclaration returns a declaration of these four that ended at exactly this instant.
func (s Standing) EndedDeclaration(issuer, client, practitioner, organization string, at time.Time) (Declaration, bool) {
	for _, d := range s.Declarations {
		if d.madeBy(issuer, client, practitioner, organization) && d.Expires.Equal(at) {
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

func (d Declaration) madeBy(issuer, client, practitioner, organization string) bool {
	return d.Issuer == issuer && d.Client == client && d.Practitioner == practitioner && d.Organization == organization
}

// activeAt includes the instant of the declaration and excludes that of its end.
func (d Declaration) activeAt(at time.Time) bool {
	unjustified := d.Review != nil && !d.Review.Justified
	return !at.Before(d.DeclaredAt) && at.Before(d.Expires) && !unjustified
}
