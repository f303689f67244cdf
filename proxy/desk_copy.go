package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// maxCopyPages limits how many pages of a source one copy takes.
const maxCopyPages = 10_000

// collect fetches all of the record that may be handed over, with the shared resources that it refers to and its attachments.
func (g *Gate) collect(ctx context.Context, x *exchange, j *judge) (*gathered, *refusal) {
	all := &gathered{}
	ref := g.collectPages(ctx, x, j, all)
	picks, _ := all.matches(j, everyMatch)
	if ref == nil {
		along := &gathered{} // separate, as companions have a size limit of their own
		ref = g.accompany(ctx, x, j, along, picks)
		all.companions = along.companions
	}
	if ref == nil {
		ref = g.attach(ctx, x, picks)
	}
	if ref != nil {
		all.release()
		if ref.cause == causeOverloaded { // the desk is alone: waiting would not help
			ref = refuse(causeTooLarge, "copy-too-large")
		}
		return nil, ref
	}
	return all, nil
}

// collectPages fetches page by page, and keeps the pages with permitted matches.
func (g *Gate) collectPages(ctx context.Context, x *exchange, j *judge, all *gathered) *refusal {
	p, asked := g.plan(x, x.interaction), 0
	for at := new(position); at != nil; {
		if at.Next == "" && !j.first(x.source.Classifier.TypeCategories(p.searches[at.Search].Type)).Permit {
			at = p.nextSearch(*at) // nothing of this type could be kept
			continue
		}
		if asked++; asked > maxCopyPages {
			return refuse(causeTooLarge, "copy-too-large")
		}
		page, ref := g.sourcePage(ctx, x, j, p, *at)
		if ref != nil {
			return ref
		}
		at = page.after
		if picks, _ := (&gathered{pages: []*sourcePage{page}}).matches(j, everyMatch); len(picks) == 0 {
			page.release()
			continue
		}
		all.pages = append(all.pages, page)
	}
	return nil
}

// attach fetches the attachments of the picks. What is absent or unreadable is left out.
func (g *Gate) attach(ctx context.Context, x *exchange, picks []pick) *refusal {
	x.order.attachments = map[fhir.ID]fhir.Binary{}
	for _, p := range picks {
		for _, id := range p.page.contents.Attachments(p.i) {
			if _, there := x.order.attachments[id]; there {
				continue
			}
			b, ref := g.binary(ctx, x, id)
			switch {
			case ref == nil && g.memory.take(x.caller, int64(len(b.Data))):
				x.order.attachments[id] = b
			case ref == nil:
				return refuse(causeOverloaded, "memory")
			case ref.cause != causeNotFound && ref.reason != "source-content" && ref.reason != "source-media-type":
				return ref
			}
		}
	}
	return nil
}

// draftCopy notes what a copy discloses, and renders it.
func (g *Gate) draftCopy(x *exchange, j *judge, found *gathered) (draft, *refusal) {
	if ref := g.permitsNamed(x, j); ref != nil { // the standing may have changed since the first look
		return draft{}, ref
	}
	picks, _ := found.matches(j, everyMatch)
	if len(picks) == 0 {
		return draft{}, refuse(causeNotFound, "absent")
	}
	picks = append(picks, found.companionsOf(j, picks)...)
	e := g.edits(x, j)
	e.StripIdentifiers = true // as for everybody outside of care
	set, attached, given := fhir.NewSearchset(nil, e), map[fhir.ID]bool{}, map[fhir.ID]bool{}
	for _, p := range picks {
		x.disclose(j, p.name(), p.resource().Categories)
		set.AddAs(p.page.contents, p.i, p.mode, func(id fhir.ID) string {
			b, there := x.order.attachments[id]
			if !there || j.withholds(b, p.resource()) != "" {
				return ""
			}
			given[id] = true
			return g.base(x.source) + "/Binary/" + string(id)
		})
		for _, id := range p.page.contents.Attachments(p.i) {
			attached[id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(given)) {
		b := x.order.attachments[id]
		x.disclose(j, "Binary/"+string(id), b.Categories)
		set.AddBinary(x.source.Version, id, b)
	}
	x.sorted()
	body := set.Bytes()
	sum := sha256.Sum256(body)
	x.order.copy = Copy{
		Digest: hex.EncodeToString(sum[:]), Resources: len(picks) + len(given), Categories: x.categories, LeftOut: len(attached) - len(given),
	}
	return draft{body: body, outcome: audit.OutcomePermit, reason: policy.ReasonAfterDeath}, nil
}
