package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/celonis-connector/connector/internal/eventlog"
	"github.com/parquet-go/parquet-go"
)

// measurePeer reads the file with the standard library and writes Parquet with
// parquet-go's generic writer, to nowhere.
func measurePeer(input, format string, res *benchResult) error {
	f, err := os.Open(input)
	if err != nil {
		return err
	}
	defer f.Close()
	group := parquet.Group{}
	for _, name := range eventlog.Columns() {
		group[name] = parquet.Optional(parquet.String())
	}
	schema := parquet.NewSchema("events", group)
	w := parquet.NewGenericWriter[map[string]string](io.Discard, schema, parquet.Compression(&parquet.Snappy))
	began := time.Now()
	if format == "csv" {
		err = peerCSV(f, w)
	} else {
		err = peerNDJSON(f, w)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	res.PeerSeconds = time.Since(began).Seconds()
	res.PeerRate = int64(float64(res.Rows) / res.PeerSeconds)
	return nil
}

func peerCSV(in io.Reader, w *parquet.GenericWriter[map[string]string]) error {
	r := csv.NewReader(bufio.NewReaderSize(in, 1<<20))
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return err
	}
	header = append([]string(nil), header...)
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		row := make(map[string]string, len(header))
		for i, name := range header {
			row[name] = record[i]
		}
		if _, err := w.Write([]map[string]string{row}); err != nil {
			return err
		}
	}
}

func peerNDJSON(in io.Reader, w *parquet.GenericWriter[map[string]string]) error {
	decoder := json.NewDecoder(bufio.NewReaderSize(in, 1<<20))
	for {
		var event map[string]any
		err := decoder.Decode(&event)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		row := make(map[string]string, len(event))
		for name, value := range event {
			row[name] = fmt.Sprint(value)
		}
		if _, err := w.Write([]map[string]string{row}); err != nil {
			return err
		}
	}
}
