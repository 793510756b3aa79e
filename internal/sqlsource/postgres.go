package sqlsource

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/celonis-connector/connector/internal/fault"
)

// pgSession reads PostgreSQL in its own protocol: values come as text, which
// keeps every digit and costs least to turn into JSON.
type pgSession struct {
	conn   *pgconn.PgConn
	target Target
}

const (
	// cancelGrace is how long the server may take to end a statement before its connection is cut.
	cancelGrace = 2 * time.Second
	closeGrace  = 2 * time.Second
)

func (d *Databases) openPostgres(ctx context.Context, t Target, o sessionOptions) (*pgSession, error) {
	c, err := d.postgresConfig(t)
	if err != nil {
		return nil, err
	}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &pgSession{conn: conn, target: t}
	begin := "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
	if o.snapshot != "" {
		begin += "SET TRANSACTION SNAPSHOT '" + o.snapshot + "'; "
	}
	begin += fmt.Sprintf("SET LOCAL TimeZone='UTC'; SET LOCAL DateStyle='ISO'; SET LOCAL bytea_output='hex'; SET LOCAL extra_float_digits=1; "+
		"SET LOCAL standard_conforming_strings=on; SET LOCAL statement_timeout=%d", o.timeout.Milliseconds())
	if err := s.exec(ctx, begin); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// postgresConfig says how to connect. The driver's own reading of the
// environment and of files is overwritten.
func (d *Databases) postgresConfig(t Target) (*pgconn.Config, error) {
	host, port, err := net.SplitHostPort(t.Host)
	if err != nil {
		return nil, fault.New(fault.FlowInvalid, "the host %q has no port", t.Host)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fault.New(fault.FlowInvalid, "the host %q has no valid port", t.Host)
	}
	c, err := pgconn.ParseConfig("postgres://localhost/?sslmode=disable&passfile=&servicefile=&target_session_attrs=any")
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "PostgreSQL's settings in the environment cannot be read")
	}
	c.Host, c.Port, c.Database, c.User, c.Password = host, uint16(number), t.Database, t.Username, t.Password.Reveal()
	c.TLSConfig, c.Fallbacks, c.ConnectTimeout = d.tlsConfig(t), nil, connectTimeout
	c.RuntimeParams = map[string]string{"application_name": appName, "client_encoding": "UTF8"}
	c.KerberosSrvName, c.KerberosSpn, c.ValidateConnect, c.AfterConnect = "", "", nil, nil
	dial := d.dialTarget(t)
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dial(ctx, network, address)
	}
	// The dialer resolves the name, and checks what it resolves to.
	c.LookupFunc = func(context.Context, string) ([]string, error) { return []string{host}, nil }
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelGrace}
	}
	return c, nil
}

// exec runs statements of our own.
func (s *pgSession) exec(ctx context.Context, sql string) error {
	_, err := s.conn.Exec(ctx, sql).ReadAll()
	return err
}

// share lets other sessions see exactly what this one sees, for as long as it is open.
func (s *pgSession) share(ctx context.Context) (snapshot string, err error) {
	results, err := s.conn.Exec(ctx, "SELECT pg_export_snapshot()").ReadAll()
	if err != nil {
		return "", err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return "", errors.New("no snapshot was exported")
	}
	return string(results[0].Rows[0][0]), nil
}

// stream implements session.
func (s *pgSession) stream(ctx context.Context, st statement, out *rows) error {
	values, err := s.values(ctx, st)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := s.conn.ExecParams(ctx, st.sql, values, nil, nil, nil)
	taken := s.rows(result, out)
	if taken != nil {
		// What is still under way is not waited for.
		cancel()
	}
	_, err = result.Close()
	return errors.Join(taken, ifNone(taken, err))
}

// ifNone gives err where there is no first one.
func ifNone(first, err error) error {
	if first != nil {
		return nil
	}
	return err
}

// rows hands over the rows of a result; the error is that of the one who takes them.
func (s *pgSession) rows(result *pgconn.ResultReader, out *rows) error {
	fields := result.FieldDescriptions()
	if fields == nil {
		return nil
	}
	names, encode := make([]string, len(fields)), make([]pgEncode, len(fields))
	for i, f := range fields {
		names[i], encode[i] = f.Name, pgEncoder(f.DataTypeOID)
	}
	if err := out.begin(names); err != nil {
		return err
	}
	for result.NextRow() {
		out.buf = out.buf[:0]
		for i, value := range result.Values() {
			out.buf = append(out.buf, out.prefixes[i]...)
			start := len(out.buf)
			if value == nil {
				out.buf = appendNull(out.buf)
			} else {
				out.buf = encode[i](out.buf, value)
			}
			if i == out.watched {
				out.see(out.buf[start:])
			}
		}
		if err := out.end(); err != nil {
			return err
		}
	}
	return nil
}

// values gives a statement's values as text, which the server reads in the type that it finds for each place.
func (s *pgSession) values(ctx context.Context, st statement) ([][]byte, error) {
	values := make([][]byte, len(st.args))
	var types []uint32
	for i, a := range st.args {
		values[i] = []byte(inUTC(a))
		if !a.lowest && !a.highest {
			continue
		}
		if types == nil {
			described, err := s.conn.Prepare(ctx, "", st.sql, nil)
			if err != nil {
				return nil, err
			}
			types = described.ParamOIDs
		}
		edge, ok := pgEdge(types[i], a.highest)
		if !ok {
			return nil, fault.New(fault.SourceWatermark, "the run has no %s, and the type of {{%s}} has no value that stands for none", a.name, a.name).
				WithHint("give export.delta.start, or a window to the run")
		}
		values[i] = []byte(edge)
	}
	return values, nil
}

// inUTC gives a value's text; a time in another zone is told in UTC, since the
// type timestamp would pass over the zone.
func inUTC(a arg) string {
	if a.kind != timeValue {
		return a.text
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04Z07:00"} {
		if at, err := time.Parse(layout, a.text); err == nil {
			return at.UTC().Format(time.RFC3339Nano)
		}
	}
	return a.text
}

// pgEdge gives a type's lowest or highest value.
func pgEdge(oid uint32, highest bool) (string, bool) {
	edges := map[uint32][2]string{
		pgtype.Int2OID: {"-32768", "32767"}, pgtype.Int4OID: {"-2147483648", "2147483647"},
		pgtype.Int8OID: {"-9223372036854775808", "9223372036854775807"}, pgtype.NumericOID: {"-1e1000", "1e1000"},
		pgtype.Float4OID: {"-Infinity", "Infinity"}, pgtype.Float8OID: {"-Infinity", "Infinity"},
		pgtype.DateOID: {"-infinity", "infinity"}, pgtype.TimestampOID: {"-infinity", "infinity"}, pgtype.TimestamptzOID: {"-infinity", "infinity"},
		pgtype.UUIDOID: {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
	}
	if e, ok := edges[oid]; ok {
		return e[b2i(highest)], true
	}
	return "", !highest && (oid == pgtype.TextOID || oid == pgtype.VarcharOID || oid == pgtype.BPCharOID)
}

// close implements session.
func (s *pgSession) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	_ = s.conn.Close(ctx)
}
