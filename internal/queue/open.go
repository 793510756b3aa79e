package queue

import (
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	dialTimeout = 3 * time.Second
	ioTimeout   = 3 * time.Second
)

// Open connects to the Redis of an address; the closer ends what Open made.
//
//	(empty)                                     a Redis inside this process, see Embedded
//	redis://user:password@host:port/db          one server; rediss:// with TLS
//	redis-sentinel://host:port,host:port/db?master_name=NAME
//	redis-cluster://host:port,host:port         both also as rediss-…
//
// The user and password of a sentinel address are those of the sentinels; the
// server's own stand in the parameters username and password. Further
// parameters are those of go-redis. No call is made: Ping tells whether Redis
// answers. It returns fault QueueURL, without the address, for it can hold a
// password.
func Open(address string) (redis.UniversalClient, io.Closer, error) {
	if strings.TrimSpace(address) == "" {
		return Embedded()
	}
	scheme, rest, _ := strings.Cut(address, "://")
	open, ok := map[string]func(string) (redis.UniversalClient, error){
		"redis": openServer, "rediss": openServer,
		"redis-sentinel": openSentinel, "rediss-sentinel": openSentinel,
		"redis-cluster": openCluster, "rediss-cluster": openCluster,
	}[scheme]
	if !ok {
		return nil, nil, badURL("its scheme is unknown")
	}
	base, _, _ := strings.Cut(scheme, "-")
	plain, err := singleHost(base, rest)
	if err != nil {
		return nil, nil, err
	}
	client, err := open(plain)
	if err != nil {
		return nil, nil, err
	}
	return client, client, nil
}

// singleHost moves all hosts but the first into parameters "addr": a URL has
// room for one, and this is the form that go-redis reads.
func singleHost(scheme, rest string) (string, error) {
	cut := strings.IndexAny(rest, "/?#")
	if cut < 0 {
		cut = len(rest)
	}
	authority, tail := rest[:cut], rest[cut:]
	user := ""
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, authority = authority[:at+1], authority[at+1:]
	}
	hosts := strings.Split(authority, ",")
	u, err := url.Parse(scheme + "://" + user + hosts[0] + tail)
	if err != nil {
		return "", badURL("it cannot be read")
	}
	query := u.Query()
	for _, host := range hosts[1:] {
		query.Add("addr", host)
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

func openServer(address string) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(address)
	if err != nil {
		return nil, badURL("a part of it is not valid for one server")
	}
	o.ContextTimeoutEnabled = true
	limits{&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.MaxRetries, &o.DialerRetries}.set()
	return redis.NewClient(o), nil
}

func openSentinel(address string) (redis.UniversalClient, error) {
	o, err := redis.ParseFailoverURL(address)
	if err != nil {
		return nil, badURL("a part of it is not valid for sentinels")
	}
	if o.MasterName == "" {
		return nil, badURL("the parameter master_name is missing")
	}
	o.ContextTimeoutEnabled = true
	limits{&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.MaxRetries, &o.DialerRetries}.set()
	return redis.NewFailoverClient(o), nil
}

func openCluster(address string) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(address)
	if err != nil {
		return nil, badURL("a part of it is not valid for a cluster")
	}
	o.ContextTimeoutEnabled = true
	limits{&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.MaxRetries, &o.DialerRetries}.set()
	return redis.NewClusterClient(o), nil
}

// limits are the options that bound how long a call may take. The bounds are
// tight because the queue tries again by itself, and a caller of Push should
// hear soon that Redis is away.
type limits struct {
	dial, read, write *time.Duration
	retries, dials    *int
}

// set fills in what the address did not say.
func (l limits) set() {
	for d, value := range map[*time.Duration]time.Duration{l.dial: dialTimeout, l.read: ioTimeout, l.write: ioTimeout} {
		if *d == 0 {
			*d = value
		}
	}
	for n, value := range map[*int]int{l.retries: 1, l.dials: 1} {
		if *n == 0 {
			*n = value
		}
	}
}

func badURL(why string) error {
	return fault.New(fault.QueueURL, "the Redis address is not valid: %s", why).
		WithHint("for example redis://host:6379/0, rediss://…, redis-sentinel://host:26379,host:26379/0?master_name=NAME or redis-cluster://host:6379,host:6379")
}
