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
		same := d.Issuer == issuer && d.Client == client && d.Practitioner == practitioner && d.Organization == organization
		if same && d.activeAt(at) && d.Expires.After(active.Expires) {
			active, ok = d, true
		}
	}
	return active, ok
}

// activeAt includes the instant of the declaration and excludes that of its end.
func (d Declaration) activeAt(at time.Time) bool {
	unjustified := d.Review != nil && !d.Review.Justified
	return !at.Before(d.DeclaredAt) && at.Before(d.Expires) && !unjustified
}
