package queue

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/celonis-connector/connector/internal/fault"
)

// Embedded starts a Redis inside this process, without a port, for one process
// that needs no other. It is miniredis, a server made for tests; that is enough
// because Redis is a hint only (I5). Closing the closer ends client and server.
func Embedded() (redis.UniversalClient, io.Closer, error) {
	server := miniredis.NewMiniRedis()
	// The first dial starts the server without a listener.
	first, err := server.Dial()
	if err != nil {
		return nil, nil, fault.Wrap(err, fault.QueueUnavailable, "the embedded Redis does not start")
	}
	_ = first.Close()
	client := redis.NewClient(&redis.Options{
		Addr:            "embedded",
		Dialer:          func(context.Context, string, string) (net.Conn, error) { return server.Dial() },
		DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
		ContextTimeoutEnabled: true,
	})
	e := &embedded{server: server, client: client, stop: make(chan struct{})}
	e.ticking.Go(e.tick)
	return client, e, nil
}

type embedded struct {
	server  *miniredis.Miniredis
	client  *redis.Client
	stop    chan struct{}
	once    sync.Once
	ticking sync.WaitGroup
}

// tick moves the server's time to live on: miniredis does not by itself.
func (e *embedded) tick() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			e.server.FastForward(time.Second)
		case <-e.stop:
			return
		}
	}
}

// Close ends the client and then the server.
func (e *embedded) Close() error {
	var err error
	e.once.Do(func() {
		close(e.stop)
		e.ticking.Wait()
		if err = e.client.Close(); errors.Is(err, redis.ErrClosed) {
			err = nil
		}
		e.server.Close()
	})
	return err
}
