//go:build !release

package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Tour is the scripted tour of the demo, run against a gateway. All fields but Client are required.
type Tour struct {
	Base   string                       // public URL of the gateway, without a slash at the end
	Source string                       // name of the source, as in {base}/fhir/{source}/Patient
	Older  string                       // name of the STU3 source
	Client *http.Client                 // default: one that waits ten seconds
	Token  func(Claims) (string, error) // (*Issuer).Token
	Put    Put                          // as for Seed
	// Withdraw withdraws, as the patient, every active permit of the person that names exactly this party.
	Withdraw func(ctx context.Context, person fhir.Identifier, party consent.Side) error
	// Review records, as the privacy officer, that the emergency for the person was justified.
	Review func(ctx context.Context, person fhir.Identifier) error
	Out    io.Writer
}

// scene is one step of the tour: an action, or a request with its expected answer.
type scene struct {
	tell string // what happens
	why  string // why the answer is so

	do func(ctx context.Context) error // instead of a request

	by    Caller
	about Person // whose events must contain the request; nobody: no events that the tour can see
	ask   question
	want  expectation
}

// played is a request that was made, with the id by which its event is found.
type played struct {
	scene
	requestID string
	permitted bool
}

// Run runs the tour on a gateway that was seeded by Seed. It describes each step on Out, and returns an error that names the step if an answer
// is not as expected. Afterwards the consents are as Seed left them.
func (t Tour) Run(ctx context.Context) error {
	if t.Base == "" || t.Source == "" || t.Older == "" || t.Token == nil || t.Put == nil || t.Withdraw == nil || t.Review == nil || t.Out == nil {
		return errors.New("tour: a field is missing")
	}
	if t.Client == nil {
		t.Client = &http.Client{Timeout: 10 * time.Second}
	}
	var past []played
	scenes := t.story()
	for n, s := range scenes {
		fmt.Fprintf(t.Out, "\n%d. %s\n", n+1, s.tell)
		if s.do != nil {
			if err := s.do(ctx); err != nil {
				return fmt.Errorf("tour: step %d: %w", n+1, err)
			}
			fmt.Fprintf(t.Out, "   done: %s\n", s.why)
			continue
		}
		p, err := t.play(ctx, s)
		if err != nil {
			return fmt.Errorf("tour: step %d: %w", n+1, err)
		}
		past = append(past, p)
	}
	fmt.Fprintf(t.Out, "\n%d. Karena looks who asked for her record.\n", len(scenes)+1)
	if err := t.review(ctx, past); err != nil {
		return fmt.Errorf("tour: step %d: %w", len(scenes)+1, err)
	}
	fmt.Fprintf(t.Out, "\nEverything went as told: %d steps.\n", len(scenes)+1)
	return nil
}

// play makes the request of a scene and compares the answer.
func (t Tour) play(ctx context.Context, s scene) (played, error) {
	a, err := t.send(ctx, s.by, s.ask)
	if err != nil {
		return played{}, err
	}
	fmt.Fprintf(t.Out, "   %s\n      as %s (client id %s)\n", s.ask.shown, s.by.Title, s.by.ClientID)
	v, err := s.want(a)
	if err != nil {
		fmt.Fprintf(t.Out, "   %d, which is NOT as told\n", a.status)
		return played{}, err
	}
	fmt.Fprintf(t.Out, "   %d: %s\n   why: %s\n", a.status, v.short, s.why)
	return played{s, a.requestID, v.permitted}, nil
}

// story returns all scenes but the last, in order.
func (t Tour) story() []scene {
	var all []scene
	all = append(all, t.consented()...)
	all = append(all, t.blocked()...)
	all = append(all, t.withdrawn()...)
	all = append(all, t.emergency()...)
	return append(all, scene{
		tell: "Karena asks for her own conditions.",
		why:  "it is her record; her token binds the search to it",
		by:   Patient("patient", karena), about: karena, ask: t.own("Condition"), want: gives("Condition", karena),
	}, scene{
		tell: "Her general practitioner asks who looked at records.",
		why:  "access events are for the patient whose record it is, and for nobody else",
		by:   GP(), ask: t.events(), want: refused(),
	})
}

func (t Tour) consented() []scene {
	return []scene{{
		tell: "Karena's general practitioner asks for her conditions.",
		why:  "she gave her GP everything",
		by:   GP(), about: karena, ask: t.search("Condition", karena), want: gives("Condition", karena),
	}, {
		tell: "Her pharmacist asks for her medication.",
		why:  "she gave pharmacies her medication",
		by:   Pharmacist(), about: karena, ask: t.search("MedicationRequest", karena), want: gives("MedicationRequest", karena),
	}, {
		tell: "Her pharmacist asks for her conditions.",
		why:  "she gave pharmacies her medication, and nothing else",
		by:   Pharmacist(), about: karena, ask: t.search("Condition", karena), want: givesNothing(),
	}, {
		tell: "Her general practitioner asks an older system, which speaks FHIR STU3, for her conditions.",
		why:  "a consent holds for every source, whatever version it speaks",
		by:   GP(), about: karena, ask: t.searchOlder("Condition", karena), want: gives("Condition", karena),
	}, {
		tell: "Her pharmacist asks the older system for her conditions.",
		why:  "she gave pharmacies her medication, there as here",
		by:   Pharmacist(), about: karena, ask: t.searchOlder("Condition", karena), want: givesNothing(),
	}, {
		tell: "The general practitioner asks for the conditions of Johanna, who was never asked for consent.",
		why:  "without consent nobody sees anything",
		by:   GP(), about: johanna, ask: t.search("Condition", johanna), want: refused(),
	}, {
		tell: "The pharmacist asks for Johanna's medication.",
		why:  "without consent nobody sees anything",
		by:   Pharmacist(), about: johanna, ask: t.search("MedicationRequest", johanna), want: refused(),
	}}
}

func (t Tour) blocked() []scene {
	return []scene{{
		tell: "A company doctor asks for Karena's conditions. A consent of hers names that very organization.",
		why:  "the law shuts company doctors out; no consent lifts that (Wabvpz 15f)",
		by:   CompanyDoctor(), about: karena, ask: t.search("Condition", karena), want: refused(),
	}, {
		tell: "A health insurer asks for Karena's conditions. A consent of hers names that very organization.",
		why:  "the law shuts health insurers out; no consent lifts that (Wabvpz 15f)",
		by:   Insurer(), about: karena, ask: t.search("Condition", karena), want: refused(),
	}}
}

func (t Tour) withdrawn() []scene {
	return []scene{{
		tell: "Karena withdraws her consent for general practitioners.",
		why:  "acknowledged",
		do:   func(ctx context.Context) error { return t.Withdraw(ctx, karena.Identifier(), partyGP) },
	}, {
		tell: "Her general practitioner asks again.",
		why:  "withdrawn means withdrawn, from that instant on",
		by:   GP(), about: karena, ask: t.search("Condition", karena), want: refused(),
	}, {
		tell: "Karena gives her general practitioner consent again.",
		why:  "acknowledged",
		do:   func(context.Context) error { return t.Put(permit(partyGP, "GGC002"), karena.Identifier()) },
	}, {
		tell: "Her general practitioner asks once more.",
		why:  "a consent works at once as well",
		by:   GP(), about: karena, ask: t.search("Condition", karena), want: gives("Condition", karena),
	}}
}

func (t Tour) emergency() []scene {
	doctor := EmergencyDoctor()
	return []scene{{
		tell: "Karena is brought in unconscious. The emergency doctor of a hospital asks for her allergies.",
		why:  "she was not asked about hospitals, and nobody has declared an emergency",
		by:   doctor, about: karena, ask: t.search("AllergyIntolerance", karena), want: refused(),
	}, {
		tell: "The doctor declares an emergency.",
		why:  "a named professional of an emergency category says why consent cannot be asked; it is recorded and will be reviewed",
		by:   doctor, about: karena, ask: t.declare(karena), want: declared(),
	}, {
		tell: "The doctor asks for the allergies again.",
		why:  "her consent is unknown, so the emergency opens",
		by:   doctor, about: karena, ask: t.search("AllergyIntolerance", karena), want: gives("AllergyIntolerance", karena),
	}, {
		tell: "Milan is brought in too. The doctor declares an emergency for him.",
		why:  "a declaration opens nothing by itself, and does not tell what the patient decided",
		by:   doctor, about: milan, ask: t.declare(milan), want: declared(),
	}, {
		tell: "The doctor asks for Milan's allergies.",
		why:  "he refused hospitals without an exception: no emergency lifts that",
		by:   doctor, about: milan, ask: t.search("AllergyIntolerance", milan), want: refused(),
	}, {
		tell: "Karena comes round. The doctor ends the emergency before its time.",
		why:  "who declared it can end it; what was opened is shut from that instant on",
		by:   doctor, about: karena, ask: t.endEmergency(karena), want: ended(),
	}, {
		tell: "The doctor asks for her allergies once more.",
		why:  "the emergency is over, and she can be asked now",
		by:   doctor, about: karena, ask: t.search("AllergyIntolerance", karena), want: refused(),
	}, {
		tell: "The privacy officer reviews the emergency: it was justified.",
		why:  "every declaration waits for a verdict, and the patient sees it",
		do:   func(ctx context.Context) error { return t.Review(ctx, karena.Identifier()) },
	}}
}
