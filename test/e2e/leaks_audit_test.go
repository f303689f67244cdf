package e2e_test

// leaksOfOperators are the rows of chapters 1.18 and 1.19: what is kept, and the doors of operators.
var leaksOfOperators = [][]leak{leaksAudit, leaksDiscovery}

// leaksAudit are the rows of leaks.md, 1.18: what is kept.
var leaksAudit = []leak{}
