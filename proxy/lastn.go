package proxy

import (
	"context"

	"zorgsluis/fhir"
)

// serveLastN serves Observation/$lastn (R4 §10.1.20.1) from rows that are already filtered: a withheld row cannot displace another
// (leaks.md OP-3). The source sorts newest first; of each code the first are taken. That takes all permitted rows, so a patient with more
// pages than the limit needs a narrower request.
func (g *Gate) serveLastN(ctx context.Context, x *exchange, j *judge, p plan) (answer, *refusal) {
	p.count = everyMatch
	found, ref := g.gather(ctx, x, j, p, position{})
	if ref != nil {
		return answer{}, ref
	}
	defer found.release()
	_, most := x.interaction.LastN()
	return g.page(ctx, x, j, found, func(j *judge) (choice, *refusal) {
		picks, more := found.matches(j, p.count)
		if more != nil {
			return choice{}, refuse(causeTooLarge, "lastn-too-large")
		}
		return choice{picks: newest(picks, most)}, nil
	})
}

// newest takes the first observations of each code. One without a coding is grouped by its text, one without either with its like.
func newest(picks []pick, most int) []pick {
	taken := map[fhir.Coding]int{}
	var kept []pick
	for _, p := range picks {
		code := p.page.contents.ObservationCode(p.i)
		if taken[code] < most {
			taken[code]++
			kept = append(kept, p)
		}
	}
	return kept
}
