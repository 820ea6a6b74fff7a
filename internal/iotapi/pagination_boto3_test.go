package iotapi_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cordon-iot/cordon/internal/cordontest"
)

// pythonCall is a call as boto3 makes it.
type pythonCall struct {
	Operation string         `json:"operation"`
	Params    map[string]any `json:"params"`
}

// newPythonCall turns an input of the SDK for Go into a call of boto3. Page
// sizes stay when they are not the usual one.
func newPythonCall(in any) pythonCall {
	c := pythonCall{operation(in), map[string]any{}}
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		if !v.Type().Field(i).IsExported() || f.IsZero() {
			continue
		}
		if size, ok := f.Interface().(*int32); ok && *size == pagedItems {
			continue
		}
		c.Params[strings.ToLower(name[:1])+name[1:]] = f.Interface()
	}
	return c
}

// TestEveryListIsPagedByBoto3 reads all lists, and suppressions in the direction
// too that the SDK for Go cannot ask for, while rows are added and removed.
func TestEveryListIsPagedByBoto3(t *testing.T) {
	t.Parallel()
	python := cordontest.Python(t)
	w := newPagedWorld(t, "sqlite")
	var calls []pythonCall
	var standing [][]string
	lists := w.lists()
	for _, l := range lists {
		rows, c := l.standing(t, w.c), newPythonCall(l.in)
		calls, standing = append(calls, c), append(standing, rows)
		if l.name == "ListAuditSuppressions" {
			other := newPythonCall(l.in)
			other.Params["ascendingOrder"] = false
			calls, standing = append(calls, other), append(standing, rows)
		}
	}
	n, removals := 0, make([]func(), len(lists))
	items := w.boto3(python, calls, func() {
		at := n % len(lists)
		if removals[at] != nil {
			removals[at]()
			removals[at] = nil
		} else if churn := lists[at].churn; churn != nil {
			removals[at] = churn(n)
		}
		n++
	})
	unknown := 0
	for i, c := range calls {
		if items[i] == nil {
			unknown++
			continue
		}
		complete(t, c.Operation, items[i], standing[i])
	}
	t.Logf("%d lists read by boto3, which does not know %d more, while rows changed %d times", len(calls)-unknown,
		unknown, n)
}

// boto3 makes calls with boto3 and returns the items of each, while churn is
// called again and again.
func (w *pagedWorld) boto3(python string, calls []pythonCall, churn func()) (items [][]string) {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), python, "testdata/paginate.py")
	cmd.Env = clientEnvironment(w.URL())
	cmd.Stdin = bytes.NewReader(must[[]byte](w)(json.Marshal(calls)))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, w.Output()
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err == nil {
				err = json.Unmarshal(out.Bytes(), &items)
			}
			if err != nil {
				w.Fatalf("boto3: %v", err)
			}
			return items
		case <-tick.C:
			churn()
		}
	}
}
