package budget

// Once makes the ticket of a single request, such as a caller's question to an
// agent; id tells it from others. It takes no more of the team's second than it uses.
func (r *Requests) Once(domain, id string) *Ticket {
	t := r.Begin(domain, id)
	t.atMost = 1
	return t
}
