package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	model "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
)

// versionsOf returns every version of one Consent, newest first. The standing changes for other reasons too: only a change of this Consent
// makes a version. A speaker who may not see it now sees no version either.
func (g *Gate) versionsOf(
	ctx context.Context, x *exchange, now consent.Standing, id consent.RecordID, who *speaker,
) ([]consentfhir.Consent, *refusal) {
	if _, err := there(&now, who, id, ""); err != nil {
		return nil, refuse(causeNotFound, "absent")
	}
	ctx, cancel := g.within(ctx, x, g.parts.Limits.Store)
	defer cancel()
	standings, err := g.parts.Consents.Store.History(ctx, who.key)
	if err != nil {
		return nil, &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	}
	var versions []consentfhir.Consent
	for _, st := range standings {
		for _, c := range consentfhir.Of(st) {
			if c.ID == id && who.sees(c) && (len(versions) == 0 || versions[len(versions)-1].Version != c.Version) {
				versions = append(versions, c)
			}
		}
	}
	slices.Reverse(versions)
	return versions, nil
}

// consentHistory serves the versions of one Consent by page, newest first (R4 §3.1.0.11), with _count, _since and sealed links.
func (g *Gate) consentHistory(ctx context.Context, x *exchange, r *http.Request, q consentRequest, who *speaker) (answer, *refusal) {
	search, err := fhir.ParseOwnSearch("Consent/_history", fhir.Request{Method: r.Method, Path: q.path, RawQuery: q.query})
	if err != nil {
		return answer{}, misunderstood(err)
	}
	at := consentsCursor{ID: q.id, Search: search}
	if search.Cursor != "" {
		c, ref := g.openConsentsCursor(x, search.Cursor, q.id, who)
		if ref != nil {
			return answer{}, ref
		}
		at.Before, at.Search = c.Before, c.Search
	}
	return g.show(ctx, x, who, who.reason(), func(st consent.Standing) (shown, *refusal) {
		versions, ref := g.versionsOf(ctx, x, st, q.id, who)
		if ref != nil {
			return shown{}, ref
		}
		return g.historyPage(x, who, at, versions)
	})
}

// historyPage renders the page of the versions that begins at a cursor.
func (g *Gate) historyPage(x *exchange, who *speaker, at consentsCursor, versions []consentfhir.Consent) (shown, *refusal) {
	id := at.ID
	base := g.parts.PublicURL + consentPath + "/" + string(id)
	bundle := model.Bundle{Type: model.BundleTypeHistory, Link: []model.BundleLink{{
		Relation: "self", Url: g.parts.PublicURL + "/gateway/" + strings.Replace(at.Search.Redacted(), "Consent", "Consent/"+string(id), 1),
	}}}
	most := min(cmp.Or(at.Search.Count, shownConsents), mostConsents)
	last := ""
	for i, c := range versions {
		if at.Before != "" && c.Version >= at.Before || !matchesConsent(at.Search, c) {
			continue
		}
		if len(bundle.Entry) == most {
			next, ref := g.consentsLink(x, who, consentsCursor{Before: last, ID: id, Search: at.Search})
			if ref != nil {
				return shown{}, ref
			}
			bundle.Link = append(bundle.Link, model.BundleLink{Relation: "next", Url: base + "/_history" + next})
			break
		}
		body, ref := g.consentBody(c, who)
		if ref != nil {
			return shown{}, ref
		}
		request, status := &model.BundleEntryRequest{Method: model.HTTPVerbPUT, Url: "Consent/" + string(id)}, "200"
		if i == len(versions)-1 {
			request, status = &model.BundleEntryRequest{Method: model.HTTPVerbPOST, Url: "Consent"}, "201"
		}
		bundle.Entry = append(bundle.Entry, model.BundleEntry{
			FullUrl: &base, Resource: body, Request: request,
			Response: &model.BundleEntryResponse{Status: status, Etag: new(etag(c)), LastModified: new(c.Updated.UTC().Format(time.RFC3339Nano))},
		})
		last = c.Version
	}
	body, err := json.Marshal(bundle)
	if err != nil {
		return shown{}, &refusal{cause: causeInternal, reason: "consent-not-rendered", err: err}
	}
	return shown{answer{status: http.StatusOK, body: body}, []consent.RecordID{id}}, nil
}
