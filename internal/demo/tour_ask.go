//go:build !release

package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxAnswer limits what the tour reads of an answer, in bytes.
const maxAnswer = 32 << 20

// question is a request of the tour, and how it is shown: without what identifies a patient.
type question struct {
	method, path string
	contentType  string
	body         string
	shown        string
}

// search requests resources of a person by BSN, in a form body, since URLs are logged.
func (t Tour) search(typ string, person Person) question { return searchAt(t.Source, typ, person) }

// searchOlder searches the STU3 source.
func (t Tour) searchOlder(typ string, person Person) question { return searchAt(t.Older, typ, person) }

func searchAt(source, typ string, person Person) question {
	path := "/fhir/" + source + "/" + typ + "/_search"
	form := url.Values{"patient.identifier": {SystemBSN + "|" + person.BSN}}
	return question{
		http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode(),
		"POST " + path + "  patient.identifier=" + SystemBSN + "|***",
	}
}

// own requests resources and names nobody: a patient's token says whose.
func (t Tour) own(typ string) question {
	path := "/fhir/" + t.Source + "/" + typ
	return question{method: http.MethodGet, path: path, shown: "GET " + path}
}

// events requests the access events of the patient whose token it is.
func (t Tour) events() question {
	const path = "/gateway/AuditEvent"
	return question{method: http.MethodGet, path: path, shown: "GET " + path}
}

// input is a parameter of an operation.
type input map[string]any

// declare is a break-glass declaration.
func (t Tour) declare(person Person) question {
	return operation("/gateway/$break-glass",
		"patient=***, reason-code=unconscious, reason=Brought in unconscious after an accident, consent-impossible=true, no-alternative=true",
		input{"name": "patient", "valueIdentifier": person.Identifier()},
		input{"name": "reason-code", "valueCode": "unconscious"},
		input{"name": "reason", "valueString": "Brought in unconscious after an accident"},
		input{"name": "consent-impossible", "valueBoolean": true},
		input{"name": "no-alternative", "valueBoolean": true},
	)
}

// endEmergency ends a declaration before its time.
func (t Tour) endEmergency(person Person) question {
	return operation("/gateway/$break-glass-end", "patient=***", input{"name": "patient", "valueIdentifier": person.Identifier()})
}

func operation(path, shown string, parameters ...input) question {
	body, err := json.Marshal(map[string]any{"resourceType": "Parameters", "parameter": parameters})
	if err != nil { // strings and a bool can always be marshalled
		body = nil
	}
	return question{http.MethodPost, path, "application/fhir+json", string(body), "POST " + path + "  " + shown}
}

// answer is the gateway's answer.
type answer struct {
	status    int
	requestID string
	body      []byte
}

// send makes a request as this caller, with a request id by which its event can be found.
func (t Tour) send(ctx context.Context, by Caller, q question) (answer, error) {
	token, err := t.Token(by.Claims)
	if err != nil {
		return answer{}, fmt.Errorf("token of %s: %w", by.ClientID, err)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, t.Base+q.path, bytes.NewReader([]byte(q.body)))
	if err != nil {
		return answer{}, fmt.Errorf("request: %w", err)
	}
	if q.body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	id := uuid()
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/fhir+json")
	r.Header.Set("X-Request-Id", id)
	if q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	resp, err := t.Client.Do(r)
	if err != nil {
		return answer{}, fmt.Errorf("request: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("answer: %w", err)
	}
	return answer{resp.StatusCode, id, body}, nil
}

// uuid returns a random UUID (RFC 9562 §5.4).
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
