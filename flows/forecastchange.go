package flows

// MaxForecastChanges bounds the single changes that a dry run tells.
const MaxForecastChanges = 50

// ForecastChange is one thing that a run would change in its destination. It
// names what would change and holds no value but the key.
type ForecastChange struct {
	// Action is what would be done, as in Checkpoint.Actions.
	Action string `json:"action"`
	// Key is what the source knows it by.
	Key string `json:"key"`
	// Fields are the attributes that would be written.
	Fields []string `json:"fields,omitempty"`
	// Joining and Leaving count the members that a group would gain and lose.
	Joining int `json:"joining,omitempty"`
	Leaving int `json:"leaving,omitempty"`
}
