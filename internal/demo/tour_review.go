//go:build !release

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// tourEvent has what the tour checks in an AuditEvent.
type tourEvent struct {
	ResourceType string `json:"resourceType"`
	Recorded     string `json:"recorded"`
	Outcome      string `json:"outcome"`
	OutcomeDesc  string `json:"outcomeDesc"`
	Agent        []struct {
		Name      string `json:"name"`
		Requestor bool   `json:"requestor"`
		Who       struct {
			Type       string `json:"type"`
			Identifier struct {
				Value string `json:"value"`
			} `json:"identifier"`
		} `json:"who"`
	} `json:"agent"`
	Entity []struct {
		Type struct {
			Code string `json:"code"`
		} `json:"type"`
		What struct {
			Identifier struct {
				Value string `json:"value"`
			} `json:"identifier"`
		} `json:"what"`
		Description string `json:"description"`
	} `json:"entity"`
}

// requestID returns the id of the event's request (IHE BALP, entity of type XrequestId).
func (e tourEvent) requestID() string {
	for _, entity := range e.Entity {
		if entity.Type.Code == "XrequestId" {
			return entity.What.Identifier.Value
		}
	}
	return ""
}

// who names the caller as the event does; a patient is not named in events.
func (e tourEvent) who() string {
	for _, agent := range e.Agent {
		switch {
		case !agent.Requestor:
			continue
		case agent.Name != "":
			return agent.Name
		case agent.Who.Type == "Patient":
			return "the patient"
		case agent.Who.Identifier.Value != "":
			return "client " + agent.Who.Identifier.Value
		}
	}
	return "the gateway's operator"
}

// what returns the query or resource that the event is about.
func (e tourEvent) what() string {
	for _, entity := range e.Entity {
		if entity.Description != "" {
			return entity.Description
		}
	}
	return ""
}

// review shows Karena the access events of her record: one for each request about her, none about others.
func (t Tour) review(ctx context.Context, past []played) error {
	patient := Patient("patient", karena)
	q := t.events()
	a, err := t.send(ctx, patient, q)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "   %s\n      as %s (client id %s)\n", q.shown, patient.Title, patient.ClientID)
	b, err := readBundle(a)
	if err != nil {
		return err
	}
	events := map[string][]tourEvent{}
	fmt.Fprintf(t.Out, "   %d: %d events, the newest first\n", a.status, len(b.Entry))
	for _, entry := range b.Entry {
		var e tourEvent
		if err := json.Unmarshal(entry.Resource, &e); err != nil {
			return fmt.Errorf("an event is not JSON: %w", err)
		}
		if e.ResourceType != "AuditEvent" {
			return errors.New("an entry is not an AuditEvent")
		}
		events[e.requestID()] = append(events[e.requestID()], e)
		fmt.Fprintf(t.Out, "      %s  %s: %s (outcome %s) %s\n", e.Recorded, e.who(), e.OutcomeDesc, e.Outcome, e.what())
	}
	if err := complete(past, events); err != nil {
		return err
	}
	verdicts := 0
	for _, found := range events {
		for _, e := range found {
			if strings.HasPrefix(e.OutcomeDesc, "review-justified: ") {
				verdicts++
			}
		}
	}
	if verdicts != 1 {
		return fmt.Errorf("the verdict of the review is among the events %d times, want once", verdicts)
	}
	if len(events[a.requestID]) != 1 {
		return errors.New("that she looked is not among the events once")
	}
	fmt.Fprintf(t.Out, "   why: every request about her is there once, permitted or refused; nothing about others is\n")
	return nil
}

// complete checks that each request about Karena has one event with its outcome, and that others have none here.
func complete(past []played, events map[string][]tourEvent) error {
	for _, p := range past {
		found := events[p.requestID]
		if p.about != karena {
			if len(found) > 0 {
				return fmt.Errorf("%q is about somebody else, and is among her events", p.tell)
			}
			continue
		}
		if len(found) != 1 {
			return fmt.Errorf("%q has %d events, want 1", p.tell, len(found))
		}
		if said := found[0].Outcome == "0"; said != p.permitted {
			return fmt.Errorf("%q: permitted is %t, and its event says %t", p.tell, p.permitted, said)
		}
	}
	return nil
}
