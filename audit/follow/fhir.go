package follow

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"zorgsluis/audit"
)

// tagSystem is the system of the tag with the id of an AuditEvent in a create, for which the server chooses an id of its own.
const tagSystem = "urn:zorgsluis:event-id"

// FHIROptions configure an AuditEvent repository.
type FHIROptions struct {
	Base    string // FHIR base URL, without trailing slash
	Create  bool   // POST with If-None-Exist, as ITI-20 literally requires; else PUT under the event's id
	Header  Header
	TLS     *tls.Config
	Timeout time.Duration // for one request
	Form    audit.FHIROptions
	Also    []audit.Form // forms sent in addition to FormEvent, for events that have them

	Identify Identify
}

// fhirServer delivers events as AuditEvents (IHE ITI-20, RESTful ATNA): one as a single request, several as a batch.
type fhirServer struct {
	o FHIROptions
	sender
}

// FHIR makes a destination of an AuditEvent repository.
func FHIR(o FHIROptions) Destination {
	return &fhirServer{o: o, sender: newSender(o.TLS, o.Timeout, o.Header, o.Identify)}
}

// bundle is a batch, or the answer to one.
type bundle struct {
	ResourceType string  `json:"resourceType"`
	Type         string  `json:"type"`
	Entry        []entry `json:"entry"`
}

type entry struct {
	Resource json.RawMessage `json:"resource,omitempty"`
	Request  *entryRequest   `json:"request,omitempty"`
	Response *entryResponse  `json:"response,omitempty"`
}

type entryRequest struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	IfNoneExist string `json:"ifNoneExist,omitempty"`
}

type entryResponse struct {
	Status string `json:"status"`
}

// Deliver implements Destination. A repository leaves an event that it already has unchanged, because its id is in the URL or in the
// condition. An event has arrived when all its AuditEvents have.
func (f *fhirServer) Deliver(ctx context.Context, events []audit.Event) (int, error) {
	if len(events) == 1 {
		return f.one(ctx, events[0])
	}
	batch := bundle{ResourceType: "Bundle", Type: "batch"}
	var owner []int // by entry: the index of its event
	for n, e := range events {
		entries, err := f.entries(e)
		if err != nil {
			return 0, err
		}
		batch.Entry = append(batch.Entry, entries...)
		owner = append(owner, slices.Repeat([]int{n}, len(entries))...)
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return 0, fmt.Errorf("render the batch: %w", err)
	}
	status, answer, err := f.send(ctx, http.MethodPost, f.o.Base, header(), body)
	if err != nil {
		return 0, err
	}
	if err := verdict(status); errors.Is(err, ErrRefused) {
		return f.one(ctx, events[0]) // the batch itself was refused: it is too large, or batches are not supported
	} else if err != nil {
		return 0, err
	}
	if arrived, err := f.count(answer, len(owner)); arrived < len(owner) {
		return owner[arrived], err
	}
	return len(events), nil
}

// one delivers a single event.
func (f *fhirServer) one(ctx context.Context, e audit.Event) (int, error) {
	entries, err := f.entries(e)
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		h := header()
		if entry.Request.IfNoneExist != "" {
			h.Set("If-None-Exist", entry.Request.IfNoneExist)
		}
		status, _, err := f.send(ctx, entry.Request.Method, f.o.Base+"/"+entry.Request.URL, h, entry.Resource)
		if err == nil {
			err = f.verdict(status)
		}
		if err != nil {
			return 0, err
		}
	}
	return 1, nil
}

// header are the headers of every request.
func header() http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/fhir+json")
	h.Set("Accept", "application/fhir+json")
	h.Set("Prefer", "return=minimal") // the server need not return the resource
	return h
}

// entries are the AuditEvents of an event as batch entries.
func (f *fhirServer) entries(e audit.Event) ([]entry, error) {
	var entries []entry
	for _, form := range e.Forms(f.o.Form) {
		if form != audit.FormEvent && !slices.Contains(f.o.Also, form) {
			continue
		}
		resource, err := e.FHIRAs(form, f.o.Form)
		if err != nil {
			return nil, fmt.Errorf("render the event: %w", err)
		}
		id := e.ResourceID(form)
		request := &entryRequest{Method: http.MethodPut, URL: "AuditEvent/" + id}
		if f.o.Create {
			request = &entryRequest{Method: http.MethodPost, URL: "AuditEvent", IfNoneExist: "_tag=" + url.QueryEscape(tagSystem+"|"+id)}
			if resource, err = tagged(resource, id); err != nil {
				return nil, err
			}
		}
		entries = append(entries, entry{Resource: resource, Request: request})
	}
	return entries, nil
}

// tagged adds the id as a tag, so that the server can find what it has.
func tagged(resource []byte, id string) ([]byte, error) {
	var members, meta map[string]json.RawMessage
	err := json.Unmarshal(resource, &members)
	if err == nil && members["meta"] != nil {
		err = json.Unmarshal(members["meta"], &meta)
	}
	if err != nil {
		return nil, fmt.Errorf("tag the event: %w", err)
	}
	if meta == nil {
		meta = map[string]json.RawMessage{}
	}
	tag, _ := json.Marshal([]map[string]string{{"system": tagSystem, "code": id}}) // texts only
	meta["tag"] = tag
	if members["meta"], err = json.Marshal(meta); err != nil {
		return nil, fmt.Errorf("tag the event: %w", err)
	}
	return json.Marshal(members)
}

// verdict is what a status says about one event. 412 to a conditional create means that the server already has it more than once.
func (f *fhirServer) verdict(status int) error {
	if f.o.Create && status == http.StatusPreconditionFailed {
		return nil
	}
	return verdict(status)
}

// count returns how many entries at the beginning of a batch have arrived.
func (f *fhirServer) count(answer []byte, sent int) (int, error) {
	var b bundle
	if err := json.Unmarshal(answer, &b); err != nil || b.ResourceType != "Bundle" || len(b.Entry) != sent {
		return 0, errors.New("the destination does not answer a batch with an entry for each")
	}
	for i, e := range b.Entry {
		var text string
		if e.Response != nil {
			text, _, _ = strings.Cut(e.Response.Status, " ")
		}
		status, err := strconv.Atoi(text)
		if err != nil {
			return i, errors.New("the destination answers an entry without a status")
		}
		if err := f.verdict(status); err != nil {
			return i, err
		}
	}
	return sent, nil
}

// Close implements Destination.
func (f *fhirServer) Close() { f.direct.CloseIdleConnections() }
