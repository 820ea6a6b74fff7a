package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-iot/cordon/internal/notify"
)

const (
	// perLane is how many deliveries to one subscription are under way at a time,
	// and maxClaim how many are claimed at once while they go fast.
	perLane, maxClaim = 4, 32
	// fast is how long as many as were claimed may take for that.
	fast = time.Second
	// laneTime is how long a lane goes on before others have their turn.
	laneTime = 10 * time.Second
	// endTime is how long what is being sent may take once the node ends, and
	// settleTime how long the database may take for what became of it.
	endTime, settleTime = 3 * time.Second, 5 * time.Second
)

// runLane delivers what is due to a subscription, and reports whether nothing of
// it got through.
func (w *Workers) runLane(ctx context.Context, subscription int64) (failed bool) {
	sending, cancel := outlasting(ctx, endTime)
	defer cancel()
	limit := perLane
	for end := time.Now().Add(laneTime); ctx.Err() == nil && time.Now().Before(end); {
		now, begun := w.Now(), time.Now()
		list, err := w.Queue.ClaimDeliveries(ctx, notify.Claim{
			Subscription: subscription, Now: now, Until: now.Add(w.Timing.Lease), Limit: limit,
		})
		if err != nil && ctx.Err() == nil {
			w.Log.Warn("claiming deliveries did not work", "err", err)
		}
		if err != nil || len(list) == 0 {
			return err != nil
		}
		if host := hostOf(list[0].Receiver); !w.lanes.find(subscription, host) {
			var later []notify.Outcome
			for i := range list {
				later = append(later, putBack(&list[i], now.Add(w.Timing.Rest)))
			}
			w.settle(ctx, later)
			return false
		}
		outcomes, through := w.try(sending, subscription, list)
		w.settle(ctx, outcomes)
		if !through {
			return true
		}
		if limit = min(2*limit, maxClaim); time.Since(begun) > fast {
			limit = perLane
		}
	}
	return false
}

// outlasting is a context that ends a while after another one.
func outlasting(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(by, cancel)
		context.AfterFunc(out, func() { timer.Stop() })
	})
	return out, func() { stop(); cancel() }
}

// putBack leaves a claimed delivery, which was not tried, for later.
func putBack(d *notify.Delivery, next time.Time) notify.Outcome {
	return notify.Outcome{Delivery: *d, State: notify.Waiting, At: next, Next: next, Error: d.Error}
}

// try sends deliveries, some side by side, and reports whether any got through.
// Those that could outlast their claim are left for later.
func (w *Workers) try(ctx context.Context, subscription int64, list []notify.Delivery) (
	outcomes []notify.Outcome, through bool,
) {
	var all errgroup.Group
	all.SetLimit(perLane)
	outcomes = make([]notify.Outcome, len(list))
	for end, i := time.Now().Add(w.Timing.Lease-w.Timing.Timeout), 0; i < len(list); i++ {
		d := &list[i]
		if subscription != notify.Forwarded && d.Receiver == nil { // it has just ended
			outcomes[i] = notify.Outcome{Delivery: *d, State: notify.Delivered, At: w.Now()}
			continue
		}
		all.Go(func() error {
			if time.Now().After(end) {
				outcomes[i] = putBack(d, w.Now())
			} else {
				outcomes[i] = w.tryOne(ctx, d)
			}
			return nil
		})
	}
	_ = all.Wait() // none has an error
	return outcomes, slices.ContainsFunc(outcomes, func(o notify.Outcome) bool { return o.State != notify.Waiting })
}

// tryOne sends one delivery and says what becomes of it.
func (w *Workers) tryOne(ctx context.Context, d *notify.Delivery) notify.Outcome {
	w.Hook(BeforeSend)
	sending, cancel := context.WithTimeout(ctx, w.Timing.Timeout)
	defer cancel()
	err := w.send(sending, d)
	o := w.judge(ctx, d, err)
	if !cut(ctx, err) {
		w.Observer.Delivery(protocol(d), o.State)
		w.tell(d, &o)
	}
	w.Hook(AfterSend)
	return o
}

// send brings a delivery to where it belongs. A panic is the error of this one.
func (w *Workers) send(ctx context.Context, d *notify.Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.Log.Error("a delivery panicked", "delivery", d.Seq, "panic", p)
			err = errors.New("the delivery did not work inside of Cordon")
		}
	}()
	if d.Receiver == nil {
		if w.Other == nil {
			return Final(errors.New("messages are no longer forwarded (setting sns-endpoint)"))
		}
		return w.Other.Publish(ctx, d.Message.TopicARN, d.Message)
	}
	s := w.senders[d.Receiver.Protocol]
	if s == nil {
		return Final(fmt.Errorf("the protocol %s is not delivered to", d.Receiver.Protocol))
	}
	return s.send(ctx, d)
}

// judge says what becomes of a delivery after a try.
func (w *Workers) judge(ctx context.Context, d *notify.Delivery, err error) notify.Outcome {
	now := w.Now()
	o := notify.Outcome{Delivery: *d, At: now}
	var final finalError
	switch {
	case err == nil, d.Kind.Asks() && gone(err):
		o.State = notify.Delivered
		return o
	case cut(ctx, err):
		o.State, o.Next, o.Error = notify.Waiting, now, d.Error
		return o
	case errors.Is(err, context.DeadlineExceeded):
		err = errors.New("the endpoint did not answer in time")
	}
	o.State, o.Error = notify.Dead, clean(err.Error(), maxError)
	if errors.As(err, &final) {
		return o
	}
	first := d.First
	if first.IsZero() {
		first = now
	}
	if next, again := w.Timing.Retries.next(d.Attempt, first, now, jitter()); again {
		o.State, o.Next = notify.Waiting, next
	}
	return o
}

// protocol is what a try is counted under.
func protocol(d *notify.Delivery) string {
	if d.Receiver == nil {
		return "sns"
	}
	return string(d.Receiver.Protocol)
}

// tell logs a try that failed.
func (w *Workers) tell(d *notify.Delivery, o *notify.Outcome) {
	if o.State == notify.Delivered {
		return
	}
	what := []any{"delivery", d.Seq, "topic", d.TopicARN(), "attempt", d.Attempt, "err", o.Error}
	if d.Receiver != nil {
		what = append(what, "subscription", d.Receiver.ARN.ID, "endpoint", d.Receiver.Place())
	}
	if o.State == notify.Dead {
		w.Log.Warn("a delivery was given up", what...)
		return
	}
	w.Log.Debug("a delivery did not work", what...)
}

// settle stores what became of deliveries. What cannot be stored is tried again
// when its claim lapses.
func (w *Workers) settle(ctx context.Context, list []notify.Outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err := w.Queue.SettleDeliveries(ctx, list); err != nil {
		w.Log.Warn("storing what became of deliveries did not work", "deliveries", len(list), "err", err)
		return
	}
	w.Hook(AfterSettle)
}
