package audit

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// entities are the objects of the event: the patient, the request, what was made ready, the consents that decided, the transaction, the
// emergency declaration, and what the decision was based on.
func (e Event) entities(o FHIROptions) []entity {
	list := slices.Concat(e.subject(), e.objects(o), e.consents(o))
	if request := text(e.Request); request != nil {
		list = append(list, plain(r4.AuditEventEntity{
			Type: new(coding(systemBALPEntity, "XrequestId", "")),
			What: &r4.Reference{Identifier: &r4.Identifier{Value: request}},
		}))
	}
	if e.Declaration != "" || e.Emergency != "" {
		declaration := r4.AuditEventEntity{
			Type:        new(coding(systemEntity, "break-glass", "Emergency declaration")),
			Description: text(e.Emergency),
		}
		if id := text(e.Declaration); id != nil {
			declaration.What = &r4.Reference{Identifier: &r4.Identifier{System: new(systemDeclaration), Value: id}}
		}
		list = append(list, entity{AuditEventEntity: declaration, Detail: e.accounts()})
	}
	return append(list, entity{
		AuditEventEntity: r4.AuditEventEntity{Type: new(coding(systemEntity, "decision", "Decision"))},
		Detail:           e.details(),
	})
}

// accounts are the coded reason of a declaration, and the grounds for its verdict or end.
func (e Event) accounts() []detail {
	var list []detail
	for _, d := range []struct{ name, value string }{{"reason-code", e.Code}, {"grounds", e.Grounds}} {
		if value := text(d.value); value != nil {
			list = append(list, detail{d.name, *value})
		}
	}
	return list
}

func plain(e r4.AuditEventEntity) entity { return entity{AuditEventEntity: e} }

// objects are what was asked and what was made ready for release. In a search, BALP's slice "query" takes the type System Object, once;
// what was made ready then has its resource type as entity type.
func (e Event) objects(o FHIROptions) []entity {
	var list []entity
	search := e.isQuery()
	systemObject := new(coding(systemEntityType, "2", "System Object"))
	resource := new(coding(systemObjectRole, "4", "Domain Resource"))
	switch {
	case e.Kind == KindConsent && e.Consent != "":
		list = append(list, plain(r4.AuditEventEntity{Type: systemObject, Role: resource, What: consentReference(e.Consent, o)}))
	case search:
		query := text(cmp.Or(e.Query, e.Type, string(e.Kind)))
		list = append(list, plain(r4.AuditEventEntity{
			Type:        systemObject,
			Role:        new(coding(systemObjectRole, "24", "Query")),
			Query:       new(base64.StdEncoding.EncodeToString([]byte(*query))),
			Description: query,
		}))
	case len(e.Disclosed) == 0 && e.Type != "":
		list = append(list, plain(r4.AuditEventEntity{
			Type: new(coding(systemResourceType, e.Type, "")), Role: resource, Description: text(e.Query),
		}))
	}
	for i, ref := range e.Disclosed {
		object := r4.AuditEventEntity{Type: systemObject, Role: resource, What: e.reference(ref, o)}
		if search || i > 0 || len(list) > 0 {
			typ, _, _ := strings.Cut(ref, "/")
			object.Type = new(coding(systemResourceType, typ, ""))
		}
		list = append(list, plain(object))
	}
	return list
}

// isQuery reports whether the event is about a query rather than one resource.
func (e Event) isQuery() bool {
	switch e.Interaction {
	case fhir.CodeSearch, fhir.CodeEverything, fhir.CodeLastN:
		return e.Kind == KindLog || e.Kind == KindAccess
	}
	return e.Kind == KindLog
}

// reference is a resource that was made ready, at the gateway's URL for it.
func (e Event) reference(ref string, o FHIROptions) *r4.Reference {
	if ref == hiddenPatient {
		return e.patient()
	}
	return &r4.Reference{Reference: text(e.base(o) + "/" + ref)}
}

// details are the fields of NEN 7513 for which AuditEvent has no element, and what the decision was based on.
func (e Event) details() []detail {
	_, result := e.outcome()
	list := []detail{{"nen7513-resultaat", result}}
	add := func(name string, value *string) {
		if value != nil {
			list = append(list, detail{name, *value})
		}
	}
	add("nen7513-controles", e.checks())
	add("nen7513-behandelrelatieprotocol", text(e.Actor.Relationship))
	add("relation-evidence", text(e.Actor.Evidence))
	add("secrecy-basis", text(e.Actor.Secrecy))
	add("reason", text(e.Reason))
	if e.Declaration == "" && e.Emergency == "" { // a declaration has its own
		add("grounds", text(e.Grounds))
	}
	add("legal-ground", text(e.LegalGround))
	add("copy-sha256", text(e.Digest))
	add("source", text(e.Source))
	add("channel", text(e.Actor.Channel))
	add("assurance", text(e.Actor.Assurance))
	for _, c := range e.Categories {
		add("data-category", text(c))
	}
	for _, o := range e.Obligations {
		add("obligation", text(o))
	}
	if e.DisclosedTotal > 0 {
		add("disclosed-total", new(strconv.Itoa(e.DisclosedTotal)))
	}
	if e.Generation > 0 {
		add("generation", new(strconv.FormatUint(e.Generation, 10)))
	}
	if e.Count > 0 {
		add("count", new(strconv.Itoa(e.Count)))
	}
	return list
}

// checks are the four controls of NEN 7513, each T (passed) or F: fit to ask, treatment relation, consent, emergency button. Nil if nothing
// was decided.
func (e Event) checks() *string {
	c := reasons[e.Reason].checks
	if c&decided == 0 {
		return nil
	}
	var b strings.Builder
	for _, passed := range []bool{c&authorised != 0, e.related(), c&consented != 0, e.breakGlass()} {
		if passed {
			b.WriteByte('T')
			continue
		}
		b.WriteByte('F')
	}
	return new(b.String())
}

// related reports whether one of the treatment relations that count was asserted (decision.md, rule 8).
func (e Event) related() bool {
	switch e.Actor.Relationship {
	case policy.RelationTreating, policy.RelationDirectlyInvolved, policy.RelationSubstitute:
		return true
	}
	return false
}
