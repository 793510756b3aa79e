package store

// SweepText is the text of DueRuns on SQLite, for the test of its plan.
const SweepText = dueRuns + markDueRuns
