package cordontest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/store"
	"github.com/cordon-iot/cordon/internal/store/storetest/litetest"
	"github.com/cordon-iot/cordon/internal/store/storetest/pgtest"
)

// tables and files are databases with the tables of a Cordon and nothing in
// them, made once: making them takes longer than most tests.
var (
	tables = pgtest.Template{Make: func(url string) error { return makeTables(store.Options{URL: url}) }}
	files  = litetest.Template{Make: func(dir string) error { return makeTables(store.Options{Dir: dir}) }}
)

// makeTables does what the first start of a Cordon does before it stores
// anything: it makes the tables of the store, and those of the engine.
func makeTables(o store.Options) (err error) {
	o.Now, o.Log = time.Now, slog.New(slog.DiscardHandler)
	s, err := store.Open(context.Background(), o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	e, err := durable.New(durable.Config{SQLite: s.SQLite(), Postgres: s.Postgres(), Node: "tables", Log: o.Log})
	if err != nil {
		return err
	}
	return e.Close(time.Minute)
}
