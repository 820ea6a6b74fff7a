package deliver

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/notify"
)

const (
	// fanOutMessages and fanOutDeliveries bound one transaction: the second may be
	// exceeded by the subscriptions of one topic.
	fanOutMessages   = 100
	fanOutDeliveries = 1000
	// subscriptionPage is how many subscriptions are read at once.
	subscriptionPage = 1000
)

// fanOutLoop gives pending messages their deliveries until ctx ends.
func (w *Workers) fanOutLoop(ctx context.Context) {
	for {
		if err := w.fanOutAll(ctx); err != nil && ctx.Err() == nil {
			w.Log.Warn("giving messages their deliveries did not work", "err", err)
		}
		if !w.idle(ctx, nil) {
			return
		}
	}
}

// fanOutAll settles what is pending, oldest first. A message that cannot be
// settled now does not hold up those behind it.
func (w *Workers) fanOutAll(ctx context.Context) error {
	for after := int64(0); ; {
		page, err := w.Queue.PendingMessages(ctx, after, fanOutMessages)
		if err != nil || len(page) == 0 {
			return err
		}
		w.Hook(BeforeFanOut)
		if err := w.fanOut(ctx, page); err != nil {
			return err
		}
		w.Hook(AfterFanOut)
		w.wake()
		after = page[len(page)-1].Seq
	}
}

// fanOut settles a page of messages.
func (w *Workers) fanOut(ctx context.Context, page []notify.Message) error {
	audience := audiences{queue: w.Queue, log: w.Log, of: map[string]*audience{}}
	var list []notify.FanOut
	deliveries := 0
	flush := func() error {
		if len(list) == 0 {
			return nil
		}
		_, err := w.Queue.FanOut(ctx, list)
		list, deliveries = nil, 0
		return err
	}
	for _, m := range page {
		f, err := w.address(ctx, &audience, m)
		if err != nil {
			w.Log.Warn("a message has to wait", "message", m.MessageID(), "topic", m.TopicARN, "err", err)
			continue
		}
		if f.Refused != "" {
			w.Log.Warn("a message was refused", "message", m.MessageID(), "topic", m.TopicARN, "reason", f.Refused)
			w.Observer.Refused(1)
		}
		list = append(list, f)
		if deliveries += len(f.Subscriptions); deliveries >= fanOutDeliveries {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// address says who gets a message, or why nobody does.
func (w *Workers) address(ctx context.Context, all *audiences, m notify.Message) (notify.FanOut, error) {
	f := notify.FanOut{Message: m, Rate: w.Rate}
	var err error
	if m.RoleARN != "" && w.Judge != nil {
		if f.Refused, err = w.Judge.MayPublish(ctx, &m); err != nil || f.Refused != "" {
			return f, err
		}
	}
	if w.Other != nil {
		f.Subscriptions = []int64{notify.Forwarded}
		return f, nil
	}
	a, err := all.find(ctx, m.TopicARN)
	if err != nil || a.missing != "" {
		f.Refused = a.missing
		return f, err
	}
	for _, l := range a.listeners {
		if l.filter == nil || l.filter.Passes(&m, l.protocol) {
			f.Subscriptions = append(f.Subscriptions, l.subscription)
		}
	}
	return f, nil
}

// audience is who hears of a topic.
type audience struct {
	missing   string // why there is none
	listeners []listener
}

// listener is a confirmed subscription.
type listener struct {
	subscription int64
	protocol     notify.Protocol
	filter       *notify.Filter // nil: everything
}

// audiences are those that a page of messages needs, each read once.
type audiences struct {
	queue notify.Queue
	log   *slog.Logger
	of    map[string]*audience
}

func (a *audiences) find(ctx context.Context, arn string) (*audience, error) {
	if known := a.of[arn]; known != nil {
		return known, nil
	}
	found, err := a.read(ctx, arn)
	if err != nil {
		return &audience{}, err
	}
	a.of[arn] = found
	return found, nil
}

func (a *audiences) read(ctx context.Context, text string) (*audience, error) {
	arn, err := notify.ParseTopicARN(text)
	if err != nil {
		return &audience{missing: "its topic is none"}, nil
	}
	topic, err := a.queue.TopicByARN(ctx, arn)
	if fault.Is(err, fault.NotFound) {
		return &audience{missing: "there is no such topic"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find topic: %w", err)
	}
	found := &audience{}
	for after := int64(0); ; {
		page, err := a.queue.ConfirmedSubscriptions(ctx, topic.Seq, after, subscriptionPage)
		if err != nil {
			return nil, fmt.Errorf("list subscriptions: %w", err)
		}
		for i := range page {
			u := &page[i]
			l := listener{subscription: u.Seq, protocol: u.Protocol}
			if text := u.Settings.FilterPolicy; text != "" {
				if l.filter, err = notify.ParseFilter(text, u.Settings.FilterScope); err != nil {
					// It was read when it was stored. The others need not wait for it.
					a.log.Error("a subscription gets nothing: its filter cannot be read", "subscription", u.ARN.ID, "err", err)
					continue
				}
			}
			found.listeners = append(found.listeners, l)
		}
		if len(page) < subscriptionPage {
			return found, nil
		}
		after = page[len(page)-1].Seq
	}
}
