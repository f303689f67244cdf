package main

import (
	"context"
	"errors"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// erasureData is what a receiver is told, by whoever knows how to reach it.
type erasureData struct {
	// Person is missing if nothing is on file for the patient, whom the store then does not know.
	Person       *fhir.Identifier `json:"person,omitempty"`
	Reason       string           `json:"reason"`
	Organization string           `json:"organization"` // that received the data, and is to be told
	Source       string           `json:"source"`
	Holder       string           `json:"holder,omitempty"` // organization that erased them there
	References   []string         `json:"references"`
	NotListed    int              `json:"not_listed,omitempty"` // how many more there can be, received in large answers
	NL           string           `json:"nl"`
	EN           string           `json:"en"`
}

// The message to a receiver, in words.
const (
	erasureNL = "Deze gegevens zijn bij de bron gewist. Wis elke kopie die u ervan hebt en elke koppeling ernaar, en zeg dit ook aan wie ze van u kreeg (AVG art. 17 lid 2 en art. 19)."
	erasureEN = "These data were erased at their source. Erase every copy that you have of them and every link to them, and tell this to whoever received them from you (GDPR art. 17(2) and 19)."
)

var errNoReceiver = errors.New("the event names no organization that is to be told")

// erasureMessage returns the renderer of the message that a receiver must erase data.
func (g *running) erasureMessage() func(context.Context, audit.Event) ([]byte, error) {
	holders := g.settings.FHIROptions().Holders
	return g.about("zorgsluis.notice.erasure.v1", func(e audit.Event, standing consent.Standing) (any, error) {
		if e.Recipient == "" {
			return nil, errNoReceiver
		}
		data := erasureData{
			Reason: string(e.Reason), Organization: e.Recipient, Source: e.Source, Holder: holders[e.Source], References: e.Disclosed,
			NotListed: max(0, e.DisclosedTotal-len(e.Disclosed)), NL: erasureNL, EN: erasureEN,
		}
		if standing.Person != (fhir.Identifier{}) {
			data.Person = &standing.Person
		}
		return data, nil
	})
}
