package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/fleetfile"
)

// importRun is one import on its way.
type importRun struct {
	command *importCommand
	process *Process
	source  string
	in      *fleetfile.Reader
	done    map[int]*importOutcome // what the server has stored before
	began   time.Time
	shown   time.Time
	summary importSummary
}

// importOutcome is what the server answers for a batch.
type importOutcome struct {
	Batch     int   `json:"batch"`
	Accepted  int64 `json:"accepted"`
	Unchanged int64 `json:"unchanged"`
	Refusals  []struct {
		Position int    `json:"position"`
		Reason   string `json:"reason"`
	} `json:"refusals"`
}

// importPart is one batch: its records, and its devices, which are those that
// are not refused here.
type importPart struct {
	n       int
	records []fleetfile.Record
	devices []fleetfile.Device
	outcome chan *importOutcome
}

// stored asks for the batches that an earlier run has stored.
func (r *importRun) stored(ctx context.Context) (map[int]*importOutcome, error) {
	type page struct {
		Source    string           `json:"source"`
		Batches   []*importOutcome `json:"batches"`
		NextToken string           `json:"nextToken"`
	}
	done, source := map[int]*importOutcome{}, r.source
	call := request{
		doing: "look for the import", method: http.MethodGet, path: "/imports/" + url.PathEscape(r.command.ID),
	}
	err := pages(ctx, &r.command.Call, r.process, call, func(page *page) string {
		source = page.Source
		for _, b := range page.Batches {
			done[b.Batch] = b
		}
		return page.NextToken
	})
	if e := new(apiError); errors.As(err, &e) && e.Exception == "ResourceNotFoundException" {
		return map[int]*importOutcome{}, nil
	}
	if err == nil && source != r.source {
		err = fmt.Errorf("import %s began with another file, or this one has changed: take another --id", r.command.ID)
	}
	return done, err
}

// ahead is how many batches are under way at once: one is read while one is
// stored.
const ahead = 3

// all sends every batch and collects what becomes of its records, in order.
func (r *importRun) all(ctx context.Context) (err error) {
	file, err := os.OpenFile(r.command.Refusals, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	refusals := bufio.NewWriter(file)
	defer func() {
		err = errors.Join(err, refusals.Flush(), file.Close())
		if err == nil && r.summary.Refused == 0 {
			err = os.Remove(r.command.Refusals)
		}
	}()
	g, ctx := errgroup.WithContext(ctx)
	parts := make(chan *importPart, ahead-1)
	g.Go(func() error {
		defer close(parts)
		return r.read(ctx, g, parts)
	})
	g.Go(func() error {
		for part := range parts {
			select {
			case o := <-part.outcome:
				if err := r.collect(refusals, part, o); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return g.Wait()
}

// read makes batches of the file and begins to send them.
func (r *importRun) read(ctx context.Context, g *errgroup.Group, parts chan<- *importPart) error {
	for n := 1; ; n++ {
		part, end, err := r.batch(n)
		if err != nil {
			return err
		}
		if len(part.records) > 0 {
			select {
			case parts <- part: // waits while enough are under way
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error { return r.send(ctx, part) })
		}
		if end {
			return nil
		}
	}
}

// batch reads the next batch. Which records are in it depends on the file
// alone.
func (r *importRun) batch(n int) (part *importPart, end bool, err error) {
	part = &importPart{n: n, outcome: make(chan *importOutcome, 1)}
	for size := 0; len(part.records) < batchRecords && size < batchBytes; {
		rec, err := r.in.Next()
		if errors.Is(err, io.EOF) {
			return part, true, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("read %s: %w", r.command.Path, err)
		}
		part.records = append(part.records, rec)
		size += len(rec.Device.CertificatePEM) + len(rec.Device.CACertificatePEM)
		if rec.Refused == "" {
			part.devices = append(part.devices, r.complete(rec.Device))
		}
	}
	return part, false, nil
}

// complete gives a device what the command says for those that do not say it
// themselves.
func (r *importRun) complete(d fleetfile.Device) fleetfile.Device {
	if d.CertificatePEM != "" {
		if d.Status == "" {
			d.Status = r.command.Status
		}
		if len(d.PolicyNames) == 0 {
			d.PolicyNames = r.command.Policy
		}
	}
	if d.ThingName != "" && len(d.ThingGroupNames) == 0 {
		d.ThingGroupNames = r.command.Group
	}
	return d
}

// importAttempts bounds how often a batch is sent again: a batch is stored
// once, however often it is sent.
const importAttempts = 6

func (r *importRun) send(ctx context.Context, part *importPart) error {
	if o := r.done[part.n]; o != nil || len(part.devices) == 0 {
		if o == nil {
			o = &importOutcome{}
		}
		part.outcome <- o
		return nil
	}
	in := map[string]any{"source": r.source, "batch": part.n, "devices": part.devices}
	path := "/imports/" + url.PathEscape(r.command.ID)
	for attempt := 1; ; attempt++ {
		o := &importOutcome{}
		err := r.command.Call.do(ctx, r.process, request{
			doing: "import devices", method: http.MethodPost, path: path, in: in, out: o,
		})
		if err == nil {
			part.outcome <- o
			return nil
		}
		if !passing(err) || attempt == importAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(attempt) * 500 * time.Millisecond):
		}
	}
}

// passing reports whether a call may succeed when it is made again.
func passing(err error) bool {
	e := new(apiError)
	if errors.As(err, &e) {
		return e.Status >= http.StatusInternalServerError || e.Exception == "ThrottlingException"
	}
	return !errors.As(err, new(*usageError)) && !errors.Is(err, context.Canceled)
}

// collect counts a batch and writes down what was refused of it.
func (r *importRun) collect(refusals io.Writer, part *importPart, o *importOutcome) error {
	reasons := map[int]string{}
	for _, refusal := range o.Refusals {
		reasons[refusal.Position] = refusal.Reason
	}
	position := 0
	for _, rec := range part.records {
		reason := rec.Refused
		if reason == "" {
			reason = reasons[position]
			position++
		}
		if reason != "" {
			r.summary.Refused++
			if err := encodeLine(refusals, refusedLine{rec.Where, reason}); err != nil {
				return err
			}
		}
	}
	r.summary.Records += int64(len(part.records))
	r.summary.Accepted += o.Accepted
	r.summary.Unchanged += o.Unchanged
	r.progress()
	return nil
}

// progress says once a second how far the import is.
func (r *importRun) progress() {
	if time.Since(r.shown) < time.Second {
		return
	}
	r.shown = time.Now()
	took := time.Since(r.began)
	text := fmt.Sprintf("%d records, %d refused, %.0f/s", r.summary.Records, r.summary.Refused,
		float64(r.summary.Records)/took.Seconds())
	if read, size := r.in.Progress(); size > 0 && read > 0 {
		left := time.Duration(float64(took) * float64(size-read) / float64(read)).Round(time.Second)
		text += fmt.Sprintf(", %d %%, about %s left", 100*read/size, left)
	}
	r.process.print(r.process.Stderr, text+"\n")
}
