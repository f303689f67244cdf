package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// reviewsEvery is the maximum time between two checks of the open reviews.
const reviewsEvery = time.Minute

// errNotOverdue says that there is no overdue review to report, or that it was reported already.
var errNotOverdue = errors.New("the review is not overdue, or it was told")

// watchReviews checks the open reviews until ctx ends. Every instance does; together they report each overdue review once.
func (g *running) watchReviews(ctx context.Context) {
	tick := time.NewTicker(min(reviewsEvery, g.settings.File.BreakGlass.ReviewWithin/4))
	defer tick.Stop()
	for {
		if err := g.lookAtReviews(ctx); err != nil && ctx.Err() == nil {
			g.log.Error("reviews of emergency declarations", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lookAtReviews counts the open reviews, and reports those that became overdue.
func (g *running) lookAtReviews(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	items, err := g.store.OpenReviews(ctx)
	if err != nil {
		return err
	}
	var errs []error
	overdue := 0
	for _, item := range items {
		if time.Since(item.DeclaredAt) < g.settings.File.BreakGlass.ReviewWithin {
			continue
		}
		overdue++
		errs = append(errs, g.tellOverdue(ctx, item))
	}
	g.metrics.reviews(len(items), overdue)
	return errors.Join(errs...)
}

// tellOverdue records the event that a review became overdue: once for each declaration, since the declaration on file says so from the
// same atomic step. The store's clock decides.
func (g *running) tellOverdue(ctx context.Context, item redisstore.ReviewItem) error {
	standing, _, err := g.store.Standing(ctx, item.Person)
	if err != nil {
		return err
	}
	d := standing.DeclarationWithID(item.Declaration)
	if d == nil || d.Overdue {
		return nil
	}
	request := "review-overdue-" + string(d.ID)
	event := audit.ByGateway(audit.KindReview, audit.ReasonReviewOverdue, request, g.settings.PolicyHash)
	event.Declaration, event.Code, event.Emergency, event.Obligations = d.ID, d.Code, d.Reason, []policy.Obligation{policy.ObligationAlert}
	_, err = g.store.Change(ctx, audit.Change{
		Request: request, Person: standing.Person, Event: event,
		Apply: func(st *consent.Standing) error {
			d := st.DeclarationWithID(item.Declaration)
			if d == nil || d.Review != nil || d.Overdue || !d.ReviewLate(g.settings.File.BreakGlass.ReviewWithin, st.Newest) {
				return errNotOverdue
			}
			d.Overdue = true
			return nil
		},
	})
	switch {
	case errors.Is(err, errNotOverdue):
		return nil
	case err != nil:
		return fmt.Errorf("tell that a review is overdue: %w", err)
	}
	g.log.Warn("review overdue", "declaration", string(d.ID), "alert", true)
	return nil
}

// breakGlassMetrics are the metrics of emergencies.
type breakGlassMetrics struct {
	exchanges     *prometheus.CounterVec
	open, overdue prometheus.Gauge
}

func newBreakGlassMetrics(r prometheus.Registerer) breakGlassMetrics {
	b := breakGlassMetrics{
		exchanges: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zorgsluis_break_glass_total", Help: "Emergency declarations by what became of them, and uses. limited: one too many of a professional, which is an alarm.",
		}, []string{"what"}),
		open:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "zorgsluis_reviews_open", Help: "Emergency declarations that wait for a review."}),
		overdue: prometheus.NewGauge(prometheus.GaugeOpts{Name: "zorgsluis_reviews_overdue", Help: "Those whose review is late (break_glass.review_within): anything but 0 is an alarm."}),
	}
	for _, what := range []string{"declared", "ended", "limited", "refused", "used"} {
		b.exchanges.WithLabelValues(what) // shown from the start: an alarm on a rise needs the zero before it
	}
	r.MustRegister(b.exchanges, b.open, b.overdue)
	return b
}

// reviews sets how many reviews are open, and how many of them overdue.
func (m *metrics) reviews(open, overdue int) {
	m.breakGlass.open.Set(float64(open))
	m.breakGlass.overdue.Set(float64(overdue))
}

// observe counts an exchange about an emergency.
func (b breakGlassMetrics) observe(s proxy.Summary) {
	declares := s.Interaction == "break-glass" || s.Interaction == "break-glass-end"
	switch {
	case s.Reason == audit.ReasonDeclared:
		b.exchanges.WithLabelValues("declared").Inc()
	case s.Reason == audit.ReasonDeclarationEnded:
		b.exchanges.WithLabelValues("ended").Inc()
	case s.Reason == audit.ReasonDeclarationLimit:
		b.exchanges.WithLabelValues("limited").Inc()
	case declares:
		b.exchanges.WithLabelValues("refused").Inc()
	case s.Reason == policy.ReasonEmergencyUnknown, s.Reason == policy.ReasonEmergencyException:
		b.exchanges.WithLabelValues("used").Inc()
	}
}
