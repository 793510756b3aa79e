package app

import (
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/httpapi"
)

// requestLimits are what callers may use of this process.
func requestLimits(c config.Config) httpapi.Limits {
	return httpapi.Limits{
		PerClient: httpapi.Rate(c.RateLimit), Records: httpapi.Rate(c.RateLimitRecords), Files: httpapi.Rate(c.RateLimitFiles),
		PerAddress: httpapi.Rate(c.RateLimitAddress), WrongSecrets: httpapi.Rate(c.RateLimitWrong),
		ClientUploads: c.ClientUploads, AllUploads: c.AllUploads, Pace: httpapi.DefaultPace(),
	}
}
