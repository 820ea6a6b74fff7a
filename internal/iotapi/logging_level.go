package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/awswire/opt"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// logLevelStore is what the operations on the levels of targets need. Without
// logging options all but DeleteLogLevel are NotConfigured.
type logLevelStore interface {
	// SetLogLevel stores the level of a target that is not the default. It is
	// Limit when there are too many, Invalid for a thing group that is not there.
	SetLogLevel(ctx context.Context, scope fleet.Scope, l fleet.LogLevel) error
	// DeleteLogLevel removes the level of such a target; none is fine.
	DeleteLogLevel(ctx context.Context, scope fleet.Scope, t fleet.LogTarget) error
	// LogLevels lists levels, the default first.
	LogLevels(ctx context.Context, scope fleet.Scope, p fleet.LogLevelPage) ([]fleet.LogLevel, error)
}

func (a *API) logLevelOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.SetV2LoggingLevel, a.setV2LoggingLevel),
		awswire.Op(wire.DeleteV2LoggingLevel, a.deleteV2LoggingLevel),
		awswire.Op(wire.ListV2LoggingLevels, a.listV2LoggingLevels),
	}
}

func (a *API) setV2LoggingLevel(ctx context.Context, in *wire.SetV2LoggingLevelRequest) (
	*wire.SetV2LoggingLevelResponse, error,
) {
	t, err := fleet.ParseLogTarget(*in.LogTarget.TargetType, opt.Value(in.LogTarget.TargetName))
	if err != nil {
		return nil, err
	}
	if t.Type == fleet.LogDefault {
		return nil, a.Store.UpdateLoggingOptions(ctx, scope(ctx), func(l *fleet.LoggingOptions) error {
			return l.SetDefault(*in.LogLevel)
		})
	}
	return nil, a.Store.SetLogLevel(ctx, scope(ctx), fleet.LogLevel{LogTarget: t, Level: *in.LogLevel})
}

func (a *API) deleteV2LoggingLevel(ctx context.Context, in *wire.DeleteV2LoggingLevelRequest) (
	*wire.DeleteV2LoggingLevelResponse, error,
) {
	if fleet.LogTargetType(*in.TargetType) == fleet.LogDefault {
		return nil, fault.New(fault.Invalid, "the level of targetType DEFAULT cannot be deleted, only set")
	}
	t, err := fleet.ParseLogTarget(*in.TargetType, *in.TargetName)
	if err != nil {
		return nil, err
	}
	return nil, a.Store.DeleteLogLevel(ctx, scope(ctx), t)
}

func (a *API) listV2LoggingLevels(ctx context.Context, in *wire.ListV2LoggingLevelsRequest) (
	*wire.ListV2LoggingLevelsResponse, error,
) {
	n := awswire.PageSize(in.MaxResults)
	p := fleet.LogLevelPage{Type: fleet.LogTargetType(opt.Value(in.TargetType)), Limit: n + 1}
	if err := a.Pages.Open(ctx, "ListV2LoggingLevels", in.NextToken, &p.After); err != nil {
		return nil, err
	}
	list, err := a.Store.LogLevels(ctx, scope(ctx), p)
	if err != nil {
		return nil, err
	}
	list, more := awswire.CutPage(list, n)
	out := &wire.ListV2LoggingLevelsResponse{LogTargetConfigurations: make([]wire.LogTargetConfiguration, len(list))}
	for i, l := range list {
		out.LogTargetConfigurations[i] = wire.LogTargetConfiguration{
			LogTarget: &wire.LogTarget{TargetType: opt.Text(l.Type), TargetName: opt.Text(l.Name)}, LogLevel: &l.Level,
		}
	}
	out.NextToken, err = a.Pages.Next(ctx, "ListV2LoggingLevels", more, last(list).LogTarget)
	return out, err
}
