package e2e_test

// leaksOfContent are the rows of chapters 1.11 to 1.19: what comes back, who asks, and what is kept.
var leaksOfContent = [][]leak{}
