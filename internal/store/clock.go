package store

import (
	"context"
	"time"
)

// ServerTime gives the time of the database server's clock; ok is false for
// SQLite, which has no clock but this process's.
func (s *Store) ServerTime(ctx context.Context) (at time.Time, ok bool, err error) {
	defer s.explain(&err, "ServerTime")
	if s.dialect.name != postgres.name {
		return time.Time{}, false, nil
	}
	scan := func(r row) (micros int64, err error) { return micros, r.Scan(&micros) }
	micros, ok, err := first(ctx, s.read, scan, q("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"))
	return time.UnixMicro(micros).UTC(), ok && err == nil, err
}
