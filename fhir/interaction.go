package fhir

import "strings"

// ParseInteraction parses a request completely or refuses it; an error is always a *RequestError, and the Interaction is then
// zero. It accepts only what the table of the version lists (R4 §3.1.0): read, search by GET and by POST to _search, search of the
// Patient compartment, Patient/[id]/$everything and its pages, and Observation/$lastn by GET, sealed links to attachments, and
// vread and history of an instance where the request allows them. A search that names no patient is accepted too; whether it is
// allowed is decided elsewhere.
func ParseInteraction(v Version, r Request) (Interaction, error) {
	t := tableOf(v)
	if t == nil {
		return Interaction{}, &RequestError{Kind: NoOperation, Reason: "this version of FHIR is not served"}
	}
	i, err := t.parse(r)
	if err != nil {
		return Interaction{}, err // not returned with i: a typed nil would be an error
	}
	return i, nil
}

func (t *table) parse(r Request) (Interaction, *RequestError) {
	target, err := t.parsePath(r)
	if err != nil {
		return Interaction{}, err
	}
	query := r.RawQuery
	if target.form {
		if query, err = formBody(r); err != nil {
			return Interaction{}, err
		}
	} else if len(r.Body) > 0 {
		return Interaction{}, &RequestError{Reason: "a GET has no body"} // HT-7
	}
	given, err := readQuery(query)
	if err != nil {
		return Interaction{}, err
	}
	i := Interaction{
		Code: target.code, Type: target.typ, ID: target.id, Version: target.version,
		Patient: PatientName{ID: target.patient}, Cursor: target.sealed,
	}
	switch {
	case target.page:
		i.Cursor, err = given[0].Value, checkCursor(given[0], len(given))
	case i.Code == CodeSearch:
		err = t.parseSearch(&i, target.rule, given)
	case i.Code == CodeLastN:
		err = t.parseLastN(&i, target.rule, given)
	default:
		err = t.parsePlain(&i, given)
	}
	if err != nil {
		return Interaction{}, err
	}
	// Escapes can make the rendered query three times as long as the given one; it is bounded as well.
	if len(query) > maxQuery/4 && len(i.Target().RawQuery) > maxQuery {
		return Interaction{}, &RequestError{Kind: TooLong, Reason: "the query is too long"}
	}
	return i, nil
}

// formBody returns the query in the body of a search by POST (R4 §3.1.1.2). Parameters are accepted from the body only: two places
// could be read in two ways (SE-17).
func formBody(r Request) (string, *RequestError) {
	if r.RawQuery != "" {
		return "", &RequestError{Reason: "a search by POST has its parameters in the body only"}
	}
	media, parameter, given := strings.Cut(r.ContentType, ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") ||
		given && !strings.EqualFold(strings.TrimSpace(parameter), "charset=utf-8") {
		return "", &RequestError{Kind: MediaType, Reason: "a search by POST has the content type application/x-www-form-urlencoded"}
	}
	if len(r.Body) > maxQuery {
		return "", &RequestError{Kind: TooLong, Reason: "the body is too long"}
	}
	return string(r.Body), nil
}

// Target returns the canonical request of the interaction, relative to the FHIR base: a GET that parses to the same interaction.
func (i Interaction) Target() Request {
	r := Request{Method: "GET", Path: i.path(string(i.Patient.ID))}
	switch {
	case i.Code == CodeAttachment:
	case i.Cursor != "":
		r.RawQuery = cursorParam + "=" + i.Cursor
	default:
		name, value := i.patientParam()
		r.RawQuery = string(appendQuery(nil, name, escapeQuery(value), i.Params))
	}
	switch i.Code {
	case CodeVRead:
		r.Allow = AllowVRead
	case CodeHistory:
		r.Allow = AllowHistory
	}
	return r
}

// Redacted renders the interaction relative to the FHIR base, with *** for what identifies a patient and for what is sealed: for
// events and self links.
func (i Interaction) Redacted() string {
	if i.Type == typePatient {
		i.ID = mask
	}
	switch {
	case i.Code == CodeAttachment:
		i.Cursor = mask
		return i.path("")
	case i.Cursor != "":
		return i.Page(mask)
	}
	name, _ := i.patientParam()
	params := make([]Param, len(i.Params))
	for n, p := range i.Params {
		params[n] = maskNumbers(p)
	}
	return withQuery(i.path(mask), appendQuery(nil, name, mask, params))
}

// Page returns the link to a page of the interaction, relative to the FHIR base: it carries the sealed text and names no patient.
func (i Interaction) Page(sealed string) string {
	i.Cursor = sealed
	return i.path("") + "?" + cursorParam + "=" + sealed
}

// maskNumbers masks alternatives of a parameter that are bare numbers of at least eight digits, as long as one that identifies a
// person: one may be where it does not belong, and an event must not keep it. A code with its system stays; an identifier does not,
// since its system may be one of persons.
func maskNumbers(p Param) Param {
	if !strings.ContainsFunc(p.Value, func(r rune) bool { return '0' <= r && r <= '9' }) {
		return p
	}
	alternatives := strings.Split(p.Value, ",")
	for n, one := range alternatives {
		bare := strings.TrimPrefix(one, "|")
		if p.Name == "identifier" || strings.HasSuffix(p.Name, "-identifier") {
			bare = one[strings.LastIndexByte(one, '|')+1:]
		}
		if len(bare) >= 8 && strings.Trim(bare, "0123456789") == "" {
			alternatives[n] = mask
		}
	}
	return Param{p.Name, strings.Join(alternatives, ",")}
}

// mask replaces what names a patient or is sealed.
const mask = "***"

// path returns the path of the interaction, with the patient's id as given.
func (i Interaction) path(patient string) string {
	switch i.Code {
	case CodeRead:
		return i.Type + "/" + string(i.ID)
	case CodeVRead:
		return i.Type + "/" + string(i.ID) + "/_history/" + i.Version
	case CodeHistory:
		return i.Type + "/" + string(i.ID) + "/_history"
	case CodeEverything:
		if i.Cursor != "" {
			return i.Type + "/$everything"
		}
		return i.Type + "/" + patient + "/$everything"
	case CodeLastN:
		return i.Type + "/$lastn"
	case CodeAttachment:
		return i.Type + "/" + i.Cursor
	}
	return i.Type
}

// Outbound returns the relative path and query of the GET to the source; a search is bound to the patient by the type's own
// membership parameter (R4 §3.1.1). It never contains a person identifier. It is empty, and nothing may be asked, if the search
// would not be bound: no patient given, another patient named, a cursor, or a type that is not searched. It is also empty for what
// is not sent as such: $everything and $lastn are sent as their searches, an attachment as what its link seals.
func (i Interaction) Outbound(v Version, patient ID) string {
	rule, ok := ruleFor(v, i.Type)
	switch {
	case !ok:
		return ""
	case i.Code == CodeRead, i.Code == CodeHistory, i.Code == CodeVRead && validID(i.Version):
		if !validID(string(i.ID)) {
			return ""
		}
		return withQuery(i.path(""), appendQuery(nil, "", "", i.Params))
	case i.Code != CodeSearch, rule.class != ClassPatient, i.Cursor != "":
		return ""
	case !validID(string(patient)), i.Patient.ID != "" && i.Patient.ID != patient:
		return ""
	}
	value := string(patient)
	if i.Type != typePatient {
		value = typePatient + "/" + value // subject can also be a Group or a Device with the same id
	}
	return withQuery(i.Type, appendQuery(nil, rule.patientParam, value, i.Params))
}

// PatientSearch is the search by POST (R4 §3.1.1.2) that finds the Patient with an identifier. The identifier is in the form body,
// since URLs are logged.
func PatientSearch(identifier Identifier) (path, form string) {
	return "Patient/_search", string(appendQuery(nil, "identifier", escapeQuery(tokenOf(identifier)), nil))
}

// The types that the grammar knows by name. A Patient belongs to the patient with its own id.
const (
	typePatient     = "Patient"
	typeObservation = "Observation"
	typeBinary      = "Binary"
)

// cursorParam is the gateway's own search parameter: a sealed page link.
const cursorParam = "_cursor"

// patientParam returns the parameter that names the patient in the canonical query; both are empty if nobody is named. It is for
// the caller's side only, and the same in every version that has the type.
func (i Interaction) patientParam() (name, value string) {
	bind := canonicalParam(i.Type)
	switch {
	case bind == "", !i.Patient.Named(), i.Code == CodeEverything: // its path names the patient
		return "", ""
	case i.Patient.ID != "":
		return bind, string(i.Patient.ID)
	case i.Type == typePatient:
		return "identifier", tokenOf(i.Patient.Identifier)
	}
	return bind + identifierChain, tokenOf(i.Patient.Identifier)
}

// canonicalParam returns the parameter that names the patient of a type in every version that has it: R4's if STU3 has it too or
// lacks the type, else STU3's.
func canonicalParam(typ string) string {
	newer, older := r4.types[typ], stu3.types[typ]
	switch {
	case newer == nil || newer.class != ClassPatient:
		newer, older = older, nil
	case older == nil || older.class != ClassPatient:
		older = nil
	}
	switch {
	case newer == nil:
		return ""
	case older != nil && older.params[newer.patientParam].kind != newer.params[newer.patientParam].kind:
		return older.patientParam
	}
	return newer.patientParam
}

// withQuery joins a path and an optional query.
func withQuery(path string, query []byte) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + string(query)
}
