package e2e_test

// leaksOfInteractions are the rows of chapters 1.1 to 1.10: what is requested, and how.
var leaksOfInteractions = [][]leak{
	leaksOfReads, leaksOfSearches, leaksOfJoins, leaksOfOracles, leaksOfOperations, leaksOfBatches, leaksOfWrites, leaksOfBinaries, leaksOfJobs, leaksOfPages, leaksOfHeaders,
}
