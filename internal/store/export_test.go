package store

import "github.com/celonis-connector/connector/flows"

// SweepText is the text of DueRuns on SQLite, for the test of its plan.
const SweepText = dueRuns + markDueRuns

// HistoryText is the query behind RunHistory, for the test of its plan.
func HistoryText(ask flows.RunQuery) (text string, args []any, err error) {
	list, err := historyQuery(ask)
	return list.text, list.args, err
}

// StreakTexts are the queries behind a streak, for the test of their plans.
func StreakTexts(state flows.State) []string {
	span := flows.StatisticsSpan{}
	return []string{lastEnd(state, span).text, countSince(state, span, span.From).text}
}
