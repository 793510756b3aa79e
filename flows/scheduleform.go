package flows

import "github.com/celonis-connector/connector/internal/form"

// scheduleHints are those of when a flow runs by itself and what runs after it.
func scheduleHints() []form.Hint {
	return []form.Hint{
		{Path: "/schedule", Label: "Schedule", Help: "When the flow runs by itself. Left out, it runs when it is asked to."},
		{
			Path: "/schedule/cron", Label: "Times", Example: "*/15 * * * *",
			Help: "Minute, hour, day of month, month and day of week, as in crontab. A day matches either of its fields when both are restricted.",
		},
		{
			Path: "/schedule/timeZone", Label: "Time zone", Default: "UTC", Example: "Europe/Berlin",
			Help: "The zone that the times are meant in. Where clocks are turned, a time of day that occurs twice fires once, and one that does not exist at the next minute that does.",
		},
		{
			Path: "/schedule/overlap", Label: "While a run goes on", Default: OverlapSkip, Help: "What happens when the time comes and the run before has not ended.",
			Titles: map[string]string{
				string(OverlapSkip): "Skip this time", string(OverlapQueue): "Run after it", string(OverlapCancel): "Cancel it and run",
			},
		},
		{
			Path: "/schedule/misfire", Label: "Times that were missed", Default: MisfireOnce, Help: "What becomes of times that passed while the service was down.",
			Titles: map[string]string{string(MisfireOnce): "Run once", string(MisfireSkip): "Do not run", string(MisfireAll): "Run for each, at most 100"},
		},
		{
			Path: "/then", Label: "Then", Help: "The flows that run once a run of this one has succeeded.",
			OptionsFrom: &form.Options{Path: "/v1/flows", Value: "id", Label: "name"},
		},
		{Path: "/then/*", Label: "Flow", Help: "The id of a flow.", Example: "0199f3a0-2222-7b54-9a3e-2f6c1d0b8e11"},
	}
}
