package policy

import (
	"slices"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Mandate reports whether the patient named somebody, by the key of that person's pseudonym, to see what is requested, and in which
// records. If an issuer's word that somebody is authorised in writing is not enough, it runs before Decide: whoever was not named, or not
// for this data, has no authority there (rule 4). Consents decide as they do for providers: the more specific takes precedence, a refusal
// before a permit, and a total objection ends what came before. The patient's choices and the log must be named explicitly; a mandate for
// everything covers only care.
func (p *Policy) Mandate(in Input, person consent.PersonKey) (records []consent.RecordID, given bool) {
	if person == "" {
		return nil, false
	}
	category, onFile := protected(in.Request.Category), in.Records
	if category == fhir.CategoryConsent || category == fhir.CategoryLogging {
		onFile = slices.DeleteFunc(slices.Clone(onFile), func(r consent.Record) bool {
			return r.Decision == consent.DecisionPermit && len(r.Data) == 0
		})
	}
	state, records := consent.Evaluate(consent.Query{
		At:            in.At,
		Born:          in.Patient.BirthDate,
		Incapacitated: in.Patient.Flags.Incapacitated,
		Deceased:      in.Patient.Deceased,
		Holder:        consent.Side{Category: string(in.Request.Holder.Category), Organization: in.Request.Holder.Organization},
		Party:         consent.Side{Person: person},
		Category:      category,
		Groups:        p.groups[in.Request.Category],
		Channel:       string(in.Request.Channel),
		Purpose:       consent.PurposeMandate,
		Changes:       p.changes,
	}, onFile)
	if state != consent.Granted {
		return nil, false
	}
	return records, true
}
