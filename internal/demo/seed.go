//go:build !release

package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// leaflet is the text that the patients of the demo were shown before they chose.
const leaflet = "U bepaalt wie uw gegevens mag zien. U kunt uw keuze altijd wijzigen of intrekken."

// Put stores one consent record of a person. The record has no ID and no RecordedAt: Put sets both, since timestamps are the store's;
// with them, consent.Catalogue.CheckWrite accepts it.
type Put func(record consent.Record, person fhir.Identifier) error

// Seed stores what the patients of the tour decided.
//
//	Karena  gp            permit  everything (GGC002)
//	Karena  pharmacy      permit  medication (GGC013)
//	Karena  the company doctor's organization   permit  everything: the law refuses all the same
//	Karena  the insurer's organization          permit  everything: the law refuses all the same
//	Milan   gp            permit  everything (GGC002)
//	Milan   hospital      deny    everything, in an emergency too
//	all others: nothing on file
func Seed(ctx context.Context, put Put) error {
	seeds := []struct {
		person Person
		record consent.Record
	}{
		{karena, permit(partyGP, "GGC002")},
		{karena, permit(partyPharmacy, "GGC013")},
		{karena, permit(consent.Side{Organization: OrganizationOccupational}, "GGC002")},
		{karena, permit(consent.Side{Organization: OrganizationInsurer}, "GGC002")},
		{milan, permit(partyGP, "GGC002")},
		{milan, deny(partyHospital)},
	}
	for _, seed := range seeds {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("seed consents: %w", err)
		}
		if err := put(seed.record, seed.person.Identifier()); err != nil {
			return fmt.Errorf("seed consents: %w", err)
		}
	}
	return nil
}

// The parties of the tour.
var (
	partyGP       = consent.Side{Category: "gp"}
	partyPharmacy = consent.Side{Category: "pharmacy"}
	partyHospital = consent.Side{Category: "hospital"}
)

// permit returns a consent that the patient gave after reading the leaflet.
func permit(party consent.Side, data ...string) consent.Record {
	r := statement("permit", party, data)
	sum := sha256.Sum256([]byte(leaflet))
	r.Information = consent.Information{ID: "demo-leaflet", Version: "1", Language: "nl", SHA256: hex.EncodeToString(sum[:])}
	return r
}

// deny returns a refusal of all data, without an exception for emergencies.
func deny(party consent.Side) consent.Record { return statement("deny", party, []string{}) }

func statement(decision string, party consent.Side, data []string) consent.Record {
	return consent.Record{
		Status:     "active",
		Decision:   decision,
		Party:      party,
		Data:       data,
		Purposes:   []string{},
		GivenBy:    []string{"patient"},
		RecordedBy: "demo",
		Method:     "demo",
	}
}
