package flows

// Window bounds what a run reads of a source that has an order: what is after
// From, up to and with To. Both are in the source's own words (a time, a
// number, a text); "" is open.
type Window struct {
	From string `json:"from,omitempty" validate:"max=8192"`
	To   string `json:"to,omitempty" validate:"max=8192"`
}

// RunOptions are what a run does otherwise than its flow says.
type RunOptions struct {
	// Window is what the run reads; nil reads everything.
	Window *Window `json:"window,omitempty"`
	// Backfill says that the window was asked for: the flow's watermark stays where it is.
	Backfill bool `json:"backfill,omitempty"`
	// DryRun reads, filters and maps everything, and sends nothing.
	DryRun bool `json:"dryRun,omitempty"`
	// Delta is what the run keeps of its flow's delta; nil for one that reads everything or a window that was asked for.
	Delta *DeltaRun `json:"delta,omitempty"`
}
