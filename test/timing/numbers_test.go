package main

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestLongerIsTheChanceThatOneTakesLonger(t *testing.T) {
	times := func(ms ...time.Duration) []time.Duration { return ms }
	for _, tt := range []struct {
		name string
		a, b []time.Duration
		want float64
	}{
		{"the same tells nothing", times(1, 2, 3), times(1, 2, 3), 0.5},
		{"always longer tells everything", times(1, 2), times(3, 4), 1},
		{"always shorter too", times(3, 4), times(1, 2), 0},
		{"a tie counts half", times(1, 2), times(2), 0.75},
	} {
		if got := longer(tt.a, tt.b); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestQuantilesAreInOrder(t *testing.T) {
	var times []time.Duration
	for i := range 101 {
		times = append(times, time.Duration(100-i)*time.Microsecond)
	}
	if got := strings.Fields(quantiles(times)); strings.Join(got, " ") != "10 50 90 99" {
		t.Errorf("got %v, want 10 50 90 99", got)
	}
}

// Of pairs of samples of one distribution, about 1 in 20 is further off.
func TestChanceTakesItNoFurther(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	draw := func() (times []time.Duration) {
		for range 100 {
			times = append(times, time.Duration(random.IntN(1_000_000)))
		}
		return times
	}
	off := 0
	for range 400 {
		if got := longer(draw(), draw()); got < 0.5-chance(100) || got > 0.5+chance(100) {
			off++
		}
	}
	if off < 8 || off > 40 {
		t.Errorf("%d of 400 are further off, want about 20", off)
	}
}
