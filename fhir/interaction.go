package fhir

import (
	"slices"
	"strings"
)

// ParseInteraction understands a request completely, or refuses it: the error is always a *RequestError, and the Interaction is
// then zero. It accepts only what the table of the version lists (R4 §3.1.0): read, search by GET and by POST to _search. A search
// that names no patient is understood too; whether it may be asked is for the caller to say.
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
	i := Interaction{Code: target.code, Type: target.typ, ID: target.id}
	if i.Code == CodeRead {
		return i, t.checkRead(given)
	}
	if err := t.parseSearch(&i, target.rule, given); err != nil {
		return Interaction{}, err
	}
	// What is rendered may be up to three times as long as what was given (escapes), and must be bounded all the same.
	if len(query) > maxQuery/4 && len(i.Target().RawQuery) > maxQuery {
		return Interaction{}, &RequestError{Kind: TooLong, Reason: "the query is too long"}
	}
	return i, nil
}

// checkRead refuses every parameter of a read except those that choose the format.
func (t *table) checkRead(given []Param) *RequestError {
	for n, p := range given {
		kind := t.general[p.Name].kind
		if kind != kindFormat && kind != kindPretty {
			return notSupported(p.Name, "a read takes no such parameter")
		}
		if slices.ContainsFunc(given[:n], func(q Param) bool { return q.Name == p.Name }) {
			return &RequestError{Element: p.Name, Reason: "parameter given twice"}
		}
		if err := checkPresentation(kind, p); err != nil {
			return err
		}
	}
	return nil
}

// formBody is the query in the body of a search by POST (R4 §3.1.1.2). Parameters are taken from the body only: one that is read
// from two places can be read in two ways (SE-17).
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

// Target is the canonical request of the interaction, relative to the FHIR base: a GET whose interaction is equal to i.
func (i Interaction) Target() Request {
	r := Request{Method: "GET", Path: i.Type}
	switch {
	case i.Code == CodeRead:
		r.Path += "/" + string(i.ID)
	case i.Cursor != "":
		r.RawQuery = cursorParam + "=" + i.Cursor
	default:
		name, value := i.patientParam()
		r.RawQuery = string(appendQuery(nil, name, escapeQuery(value), i.Params))
	}
	return r
}

// Redacted is the interaction relative to the FHIR base, with what identifies a patient replaced by ***: for events and self links.
func (i Interaction) Redacted() string {
	switch {
	case i.Code == CodeRead && i.Type == typePatient:
		return i.Type + "/***"
	case i.Code == CodeRead:
		return i.Type + "/" + string(i.ID)
	case i.Cursor != "":
		return i.Type + "?" + cursorParam + "=***"
	}
	name, _ := i.patientParam()
	return withQuery(i.Type, appendQuery(nil, name, "***", i.Params))
}

// Outbound is the relative path and query of the GET that asks the source, with the search bound to the patient by the type's own
// membership parameter (R4 §3.1.1). It never contains an identifier of a person. It is empty, and nothing may be asked, where it
// would not be bound: no patient given, another patient named, a cursor, or a type that is not searched.
func (i Interaction) Outbound(v Version, patient ID) string {
	rule, ok := ruleFor(v, i.Type)
	switch {
	case !ok:
		return ""
	case i.Code == CodeRead && validID(string(i.ID)):
		return i.Type + "/" + string(i.ID)
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

// typePatient is the one type that belongs to the patient with its own id.
const typePatient = "Patient"

// cursorParam is the gateway's own search parameter: a sealed page link.
const cursorParam = "_cursor"

// patientParam is the parameter that names the patient in the canonical query, both empty where nobody is named. It is a rendering
// for the caller's side only, and the names are those of R4.
func (i Interaction) patientParam() (name, value string) {
	rule, ok := ruleFor(R4, i.Type)
	switch {
	case !ok, !i.Patient.Named():
		return "", ""
	case i.Patient.ID != "":
		return rule.patientParam, string(i.Patient.ID)
	case i.Type == typePatient:
		return "identifier", tokenOf(i.Patient.Identifier)
	}
	return rule.patientParam + identifierChain, tokenOf(i.Patient.Identifier)
}

// withQuery joins a path and a query that may be empty.
func withQuery(path string, query []byte) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + string(query)
}
