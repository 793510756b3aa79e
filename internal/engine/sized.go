package engine

// Sized is a Sink whose chunks are so much larger than the values in memory
// that it takes smaller ones than others.
type Sized interface {
	// ChunkBytes is the most that Options.ChunkBytes may be.
	ChunkBytes() int
}

// optionsFor gives the engine's options as they suit the job's sink.
func (e *Engine) optionsFor(job *Job) Options {
	opt, sink := e.opt, job.Sink
	if d, ok := sink.(drySink); ok {
		sink = d.Sink
	}
	if s, ok := sink.(Sized); ok {
		opt.ChunkBytes = min(opt.ChunkBytes, s.ChunkBytes())
	}
	return opt
}
