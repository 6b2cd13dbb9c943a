// go-mysql's canal library -> JSON lines on stdout. Arguments: HOST:PORT FLAVOR BINLOG_FILE BINLOG_POSITION
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strconv"

	"github.com/go-mysql-org/go-mysql/canal"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

type printer struct {
	canal.DummyEventHandler
	out *bufio.Writer
}

func (p *printer) OnRow(event *canal.RowsEvent) error {
	for _, row := range event.Rows {
		data := make(map[string]any, len(row))
		for i, column := range event.Table.Columns {
			if bytes, ok := row[i].([]byte); ok {
				data[column.Name] = string(bytes)
			} else {
				data[column.Name] = row[i]
			}
		}
		line, err := json.Marshal(map[string]any{
			"type": event.Action, "table": event.Table.Name, "ts": event.Header.Timestamp, "data": data,
		})
		if err != nil {
			return err
		}
		p.out.Write(line)
		p.out.WriteByte('\n')
	}
	return nil
}

func (p *printer) OnXID(*replication.EventHeader, mysql.Position) error { return p.out.Flush() }

func main() {
	config := canal.NewDefaultConfig()
	config.Addr, config.Flavor, config.ServerID = os.Args[1], os.Args[2], 88001
	config.User, config.Password = "bench", "bench"
	config.Dump.ExecutionPath = ""
	config.IncludeTableRegex = []string{`^bench\.t$`}
	reader, err := canal.NewCanal(config)
	if err != nil {
		panic(err)
	}
	reader.SetEventHandler(&printer{out: bufio.NewWriterSize(os.Stdout, 1<<16)})
	position, err := strconv.ParseUint(os.Args[4], 10, 32)
	if err != nil {
		panic(err)
	}
	if err := reader.RunFrom(mysql.Position{Name: os.Args[3], Pos: uint32(position)}); err != nil {
		panic(err)
	}
}
