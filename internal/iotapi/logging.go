package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// loggingStore is what the operations on logging options need.
type loggingStore interface {
	// LoggingOptions returns the settings, which are empty if never made.
	LoggingOptions(ctx context.Context, scope fleet.Scope) (*fleet.LoggingOptions, error)
	// UpdateLoggingOptions stores what change makes of the settings.
	UpdateLoggingOptions(ctx context.Context, scope fleet.Scope, change func(*fleet.LoggingOptions) error) error
}

func (a *API) loggingOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.SetLoggingOptions, a.setLoggingOptions),
		awswire.Op(wire.GetLoggingOptions, a.getLoggingOptions),
		awswire.Op(wire.SetV2LoggingOptions, a.setV2LoggingOptions),
		awswire.Op(wire.GetV2LoggingOptions, a.getV2LoggingOptions),
	}
}

func (a *API) setLoggingOptions(ctx context.Context, in *wire.SetLoggingOptionsRequest) (
	*wire.SetLoggingOptionsResponse, error,
) {
	options := in.LoggingOptionsPayload
	return nil, a.Store.UpdateLoggingOptions(ctx, scope(ctx), func(l *fleet.LoggingOptions) error {
		l.V1Role, l.V1Level = opt.Value(options.RoleARN), opt.Value(options.LogLevel)
		return nil
	})
}

func (a *API) getLoggingOptions(ctx context.Context, _ *wire.GetLoggingOptionsRequest) (
	*wire.GetLoggingOptionsResponse, error,
) {
	l, err := a.Store.LoggingOptions(ctx, scope(ctx))
	if err != nil {
		return nil, err
	}
	return &wire.GetLoggingOptionsResponse{RoleARN: opt.Text(l.V1Role), LogLevel: opt.Text(l.V1Level)}, nil
}

func (a *API) setV2LoggingOptions(ctx context.Context, in *wire.SetV2LoggingOptionsRequest) (
	*wire.SetV2LoggingOptionsResponse, error,
) {
	u := fleet.LoggingUpdate{Role: in.RoleARN, Level: in.DefaultLogLevel, DisableAll: opt.Value(in.DisableAllLogs)}
	if in.EventConfigurations != nil {
		u.Events = make([]fleet.LogEvent, len(in.EventConfigurations))
		for i, e := range in.EventConfigurations {
			u.Events[i] = fleet.LogEvent{
				Type: opt.Value(e.EventType), Level: opt.Value(e.LogLevel), Destination: opt.Value(e.LogDestination),
			}
		}
	}
	return nil, a.Store.UpdateLoggingOptions(ctx, scope(ctx), func(l *fleet.LoggingOptions) error { return l.Update(u) })
}

// getV2LoggingOptions returns the event configurations that were made with or
// without verbose: there are no others.
func (a *API) getV2LoggingOptions(ctx context.Context, _ *wire.GetV2LoggingOptionsRequest) (
	*wire.GetV2LoggingOptionsResponse, error,
) {
	l, err := a.Store.LoggingOptions(ctx, scope(ctx))
	if err != nil {
		return nil, err
	}
	if err := l.Need(); err != nil {
		return nil, err
	}
	events, err := l.EventList()
	if err != nil {
		return nil, err
	}
	out := &wire.GetV2LoggingOptionsResponse{
		RoleARN: opt.Text(l.Role), DefaultLogLevel: opt.Text(l.Level), DisableAllLogs: &l.DisableAll,
	}
	for _, e := range events {
		out.EventConfigurations = append(out.EventConfigurations, wire.LogEventConfiguration{
			EventType: &e.Type, LogLevel: opt.Text(e.Level), LogDestination: opt.Text(e.Destination),
		})
	}
	return out, nil
}
