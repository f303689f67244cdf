package e2e_test

// leaksDiscovery are the rows of leaks.md, 1.19: discovery, errors and the doors of operators.
var leaksDiscovery = []leak{}
