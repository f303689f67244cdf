package consent

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"zorgsluis/fhir"
)

// Catalogue is the configuration that determines what a record may name.
type Catalogue struct {
	ProviderCategories []string
	DataCategories     []fhir.DataCategory // Restricted and Unclassified need not be listed
	Groups             []string            // of data categories
	Channels           []string
	// Information are the texts shown to patients. If there are none, a record may name any.
	Information []Information
}

// maxNames bounds each list of a record.
const maxNames = 100

// CheckWrite returns what is wrong with a record to be written now (decision.md, What a write must refuse): nil, or all problems at once,
// each a *FieldError. Beyond the list on that page it refuses words unknown to the decision, because a misspelt objection would object to
// nothing. It is for new records: one on file may be withdrawn whatever the configuration has become.
func (c Catalogue) CheckWrite(r Record, now time.Time) error {
	w := &write{catalogue: c, record: r}
	w.words()
	w.moments(now)
	w.names()
	w.person()
	w.texts()
	w.information()
	if r.Decision == DecisionPermit {
		w.permit()
	}
	return errors.Join(w.problems...)
}

// CheckFlags returns what is wrong with a person's flags: nil, or all problems, each a *FieldError.
func (c Catalogue) CheckFlags(f Flags) error {
	w := &write{catalogue: c}
	for _, category := range f.WithheldFromPatient {
		w.refuse(!c.knowsData(category), "withheld_from_patient", "names a data category that is not configured")
	}
	for _, id := range f.RepresentativesBlocked {
		w.refuse(!plain(id), "representatives_blocked", "has an identifier of the wrong form")
	}
	return errors.Join(w.problems...)
}

func (c Catalogue) knowsData(category fhir.DataCategory) bool {
	return category == fhir.Restricted || category == fhir.Unclassified || slices.Contains(c.DataCategories, category)
}

// write is one record to be written, and what is wrong with it.
type write struct {
	catalogue Catalogue
	record    Record
	problems  []error
}

func (w *write) refuse(wrong bool, field, reason string) {
	if wrong {
		w.problems = append(w.problems, &FieldError{field, reason})
	}
}

// words checks the fields that have a fixed vocabulary.
func (w *write) words() {
	r := w.record
	w.refuse(!slices.Contains([]string{StatusActive, StatusWithdrawn, StatusEnteredInError}, r.Status),
		"status", "is not active, withdrawn or entered-in-error")
	w.refuse(r.Decision != DecisionPermit && r.Decision != DecisionDeny, "decision", "is not permit or deny")
	w.refuse(r.EmergencyException && r.Decision != DecisionDeny, "emergency_exception", "is for a deny only")
	if r.Party.Person == "" {
		w.list("purposes", r.Purposes, []string{"TREAT", "ETREAT", "HRESCH"})
	}
	w.sayers("given_by", r.GivenBy)
	if r.Status == StatusWithdrawn || len(r.WithdrawnBy) > 0 {
		w.sayers("withdrawn_by", r.WithdrawnBy)
	}
	w.refuse(r.Status == StatusActive && len(r.WithdrawnBy) > 0, "withdrawn_by", "is for a withdrawn record only")
}

// sayers checks who said it: at least one of the two.
func (w *write) sayers(field string, by []string) {
	w.refuse(len(by) == 0, field, "is missing")
	w.list(field, by, []string{ByPatient, ByRepresentative})
}

// list checks that every name of a list is known.
func (w *write) list(field string, names, known []string) {
	w.refuse(len(names) > maxNames, field, "has too many names")
	unknown := func(name string) bool { return !slices.Contains(known, name) }
	w.refuse(slices.ContainsFunc(names, unknown), field, "names something unknown")
}

// moments checks the instants against each other and against now.
func (w *write) moments(now time.Time) {
	r := w.record
	w.year("recorded_at", r.RecordedAt)
	w.year("withdrawn_at", r.WithdrawnAt)
	w.year("valid_from", r.ValidFrom)
	w.year("valid_to", r.ValidTo)
	w.refuse(r.RecordedAt.IsZero(), "recorded_at", "is missing")
	w.refuse(r.RecordedAt.After(now), "recorded_at", "is in the future")
	w.refuse(!r.ValidTo.IsZero() && !r.ValidTo.After(r.ValidFrom.Time), "valid_to", "is not after valid_from")
	w.refuse(r.Status == StatusWithdrawn && r.WithdrawnAt.IsZero(), "withdrawn_at", "is missing")
	w.refuse(r.Status == StatusActive && !r.WithdrawnAt.IsZero(), "withdrawn_at", "is for a withdrawn record only")
	w.refuse(r.WithdrawnAt.After(now), "withdrawn_at", "is in the future")
	w.refuse(!r.WithdrawnAt.IsZero() && r.WithdrawnAt.Before(r.RecordedAt.Time), "withdrawn_at", "is before recorded_at")
}

// year checks that an instant can be rendered: a record that no form can show could never be seen again.
func (w *write) year(field string, at Time) {
	year := at.UTC().Year()
	w.refuse(!at.IsZero() && (year < 1 || year > 9999), field, "is outside of the years 1 to 9999")
}

// names checks the names in the record.
func (w *write) names() {
	r, c := w.record, w.catalogue
	w.side("holder", r.Holder)
	w.side("party", r.Party)
	w.refuse(r.Holder.Practitioner != "", "holder.practitioner", "cannot hold data: name an organization or a category")
	w.refuse(r.Holder.Person != "", "holder.person", "cannot hold data: name an organization or a category")
	w.refuse(r.Channel != "" && !slices.Contains(c.Channels, r.Channel), "channel", "is not configured")
	unknown := func(name string) bool {
		return !slices.Contains(c.Groups, name) && !c.knowsData(fhir.DataCategory(name))
	}
	w.refuse(len(r.Data) > maxNames, "data", "has too many names")
	w.refuse(slices.ContainsFunc(r.Data, unknown), "data", "names a data category or group that is not configured")
}

func (w *write) side(field string, s Side) {
	named := count(s.Category != "", s.Organization != "", s.Practitioner != "", s.Person != "")
	w.refuse(named > 1, field, "names more than one of category, organization and practitioner")
	w.refuse(s.Category != "" && !slices.Contains(w.catalogue.ProviderCategories, s.Category), field+".category", "is not configured")
	w.refuse(s.Organization != "" && !plain(s.Organization), field+".organization", "has the wrong form")
	w.refuse(s.Practitioner != "" && !plain(s.Practitioner), field+".practitioner", "has the wrong form")
}

// texts checks what is kept as it stands: a blank text has no form in FHIR, and a record that cannot be shown would hide all others of its patient.
func (w *write) texts() {
	r := w.record
	for _, text := range []struct{ field, value string }{
		{"recorded_by", r.RecordedBy}, {"method", r.Method}, {"information.id", r.Information.ID}, {"information.version", r.Information.Version},
		{"information.language", r.Information.Language}, {"information.sha256", r.Information.SHA256},
	} {
		w.refuse(text.value != "" && strings.TrimSpace(text.value) == "", text.field, "is blank")
	}
}

// person checks a record about somebody chosen by the patient: identified by the key of a pseudonym and a name, never by a number, and
// named by the patient alone, who decides whom to trust.
func (w *write) person() {
	r := w.record
	if r.Party.Person == "" {
		w.refuse(r.PartyName != "", "party_name", "is for a person only")
		return
	}
	w.refuse(!r.Party.Person.valid(), "party.person", "is not the key of a person")
	w.refuse(!plain(r.PartyName), "party_name", "is missing, or has the wrong form")
	w.refuse(holdsBSN(r.PartyName), "party_name", "holds what could be a citizen service number")
	w.refuse(!slices.Equal(r.Purposes, []string{PurposeMandate}), "purposes", "is not "+PurposeMandate+", the one purpose of a person")
	w.refuse(r.EmergencyException, "emergency_exception", "is not for a person")
	w.refuse(!slices.Equal(r.GivenBy, []string{ByPatient}), "given_by", "is not the patient alone, who chooses whom to trust")
}

// information checks that the text shown is configured, byte for byte: consent to a text that nobody has any more proves nothing.
func (w *write) information() {
	shown, configured := w.record.Information, w.catalogue.Information
	if shown == (Information{}) || len(configured) == 0 {
		return
	}
	at := slices.IndexFunc(configured, func(i Information) bool {
		return i.ID == shown.ID && i.Version == shown.Version && i.Language == shown.Language
	})
	w.refuse(at < 0, "information", "names a text that is not configured")
	w.refuse(at >= 0 && !strings.EqualFold(configured[max(at, 0)].SHA256, shown.SHA256), "information.sha256", "is not that of the configured text")
}

// permit checks what proves that a consent is specific and informed (AVG 7(1); Wabvpz 15a, 15c).
func (w *write) permit() {
	r := w.record
	w.refuse(r.Party == Side{}, "party", "must be named: consent to every party at once is not specific")
	w.refuse(!plain(r.Method), "method", "is missing, or has the wrong form")
	w.refuse(!plain(r.Information.ID), "information.id", "is missing, or has the wrong form")
	w.refuse(!plain(r.Information.Version), "information.version", "is missing, or has the wrong form")
	w.refuse(!plain(r.Information.Language), "information.language", "is missing, or has the wrong form")
	digest, err := hex.DecodeString(r.Information.SHA256)
	w.refuse(err != nil || len(digest) != 32, "information.sha256", "is not a SHA-256 in hex")
}
