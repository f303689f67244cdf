package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// quantiles renders p10, p50, p90 and p99 in microseconds.
func quantiles(times []time.Duration) string {
	sorted := slices.Sorted(slices.Values(times))
	var b strings.Builder
	for i, p := range []int{10, 50, 90, 99} {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%8d", sorted[(len(sorted)-1)*p/100].Microseconds())
	}
	return b.String()
}

// longer returns the chance that one of b is longer than one of a, with ties counted half.
func longer(a, b []time.Duration) float64 {
	score := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case y > x:
				score++
			case y == x:
				score += 0.5
			}
		}
	}
	return score / float64(len(a)*len(b))
}

// chance returns how far from 0.50 longer is by chance, 19 times out of 20, if both are n times of the same distribution: twice the standard error
// of the Mann-Whitney statistic.
func chance(n int) float64 { return 2 * math.Sqrt(float64(2*n+1)/float64(12*n*n)) }
