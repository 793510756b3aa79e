package httpsource

// What the tests of parsers see.
var (
	NextLink = nextLink
	ResumeAt = resumeAt
)
