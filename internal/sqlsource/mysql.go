package sqlsource

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

func (d *Databases) openMySQL(ctx context.Context, t Target, o sessionOptions) (*standardSession, error) {
	connector, err := mysql.NewConnector(d.mysqlConfig(t))
	if err != nil {
		return nil, err
	}
	s, err := connect(ctx, sql.OpenDB(connector), t.Dialect)
	if err != nil {
		return nil, err
	}
	s.encoder = mysqlEncoder
	if err := s.beginMySQL(ctx, connector, o); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (d *Databases) mysqlConfig(t Target) *mysql.Config {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName, c.User, c.Passwd = "tcp", t.Host, t.Database, t.Username, t.Password.Reveal()
	c.Timeout, c.TLS, c.DialFunc, c.Logger = connectTimeout, d.tlsConfig(t), d.dialTarget(t), &mysql.NopLogger{}
	// A password in the clear goes only where TLS has shown who listens.
	c.AllowCleartextPasswords = t.TLS == TLSVerify
	c.ConnectionAttributes = "program_name:" + appName
	return c
}

func (s *standardSession) beginMySQL(ctx context.Context, connector driver.Connector, o sessionOptions) error {
	version, err := ask[string](ctx, s, "SELECT VERSION()")
	if err != nil {
		return err
	}
	limit := fmt.Sprintf("SET SESSION max_execution_time=%d", o.timeout.Milliseconds())
	if strings.Contains(version, "MariaDB") {
		limit = fmt.Sprintf("SET SESSION max_statement_time=%.3f", o.timeout.Seconds())
	}
	err = s.exec(ctx, limit, "SET SESSION time_zone='+00:00'",
		"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
	if err != nil {
		return err
	}
	id, err := ask[int64](ctx, s, "SELECT CONNECTION_ID()")
	if err != nil {
		return err
	}
	// The driver only closes its connection, which the server finds out when it next sends a row.
	s.kill = func() { killMySQL(connector, id) }
	return nil
}

// killMySQL ends the statement that a connection is at. It does its best.
func killMySQL(connector driver.Connector, id int64) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelGrace)
	defer cancel()
	db := sql.OpenDB(connector)
	defer db.Close()
	_, _ = db.ExecContext(ctx, "KILL QUERY "+strconv.FormatInt(id, 10))
}

// mysqlEncoder: numbers keep their digits, times are in UTC, what is binary is base64.
func mysqlEncoder(databaseType string) encode {
	databaseType = strings.TrimPrefix(databaseType, "UNSIGNED ")
	switch databaseType {
	case "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "YEAR", "DECIMAL", "FLOAT", "DOUBLE":
		return bytesOr(appendNumber[[]byte])
	case "DATE", "DATETIME", "TIMESTAMP":
		return bytesOr(mysqlStamp)
	case "BIT":
		return bytesOr(mysqlBits)
	case "BINARY", "VARBINARY", "BLOB", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB", "GEOMETRY":
		return bytesOr(appendBase64)
	case "JSON":
		return bytesOr(func(dst, s []byte) []byte { return append(dst, s...) })
	}
	return bytesOr(appendString[[]byte])
}

// mysqlStamp: a date of zeros stands for none.
func mysqlStamp(dst, s []byte) []byte {
	if bytes.HasPrefix(s, []byte("0000-00-00")) {
		return appendNull(dst)
	}
	return appendStamp(dst, s)
}

// mysqlBits: up to 64 bits, the highest first, are a number.
func mysqlBits(dst, s []byte) []byte {
	var n uint64
	for _, b := range s {
		n = n<<8 | uint64(b)
	}
	return strconv.AppendUint(dst, n, 10)
}
