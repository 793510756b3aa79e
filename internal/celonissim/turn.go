package celonissim

// SetJobStatus gives a push job a status that nobody asked for, as when it is
// canceled or executed by hand in Celonis, and says whether there is such a
// job. A status that is none of the documented ones is taken as it is.
func (s *Server) SetJobStatus(job, status string, log ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.teams {
		for _, p := range t.pools {
			if j := p.job(job); j != nil {
				j.status = status
				for _, line := range log {
					j.say(s.now(), line)
				}
				return true
			}
		}
	}
	return false
}

// ForgetChunks takes the last n chunks of a push job away, as when the
// platform loses what it has taken, and says how many the job then has.
func (s *Server) ForgetChunks(job string, n int) (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.teams {
		for _, p := range t.pools {
			if j := p.job(job); j != nil {
				j.chunks = j.chunks[:max(0, len(j.chunks)-n)]
				return len(j.chunks)
			}
		}
	}
	return 0
}
