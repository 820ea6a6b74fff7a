package server

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/iotlog"
)

// openIoTLog opens the log of what devices do, if one is asked for and devices
// can connect.
func (s *Server) openIoTLog(context.Context, Options) (err error) {
	if s.cfg.IoTLog == "" || !s.cfg.GatewayOn() {
		return nil
	}
	s.iotLog, err = iotlog.Open(iotlog.Options{
		Path: s.cfg.IoTLog, MaxBytes: s.cfg.IoTLogMaxBytes, Settings: s.store, Now: s.now, Log: s.log,
		Lost: s.metrics.IoTLog(),
	})
	if err != nil {
		return fmt.Errorf("iot-log: %w", err)
	}
	s.devices.observers = append(s.devices.observers, s.iotLog)
	return nil
}

// writeIoTLog writes it until ctx ends, which must be after the last device is
// gone.
func (s *Server) writeIoTLog(ctx context.Context) error {
	if s.iotLog == nil {
		return nil
	}
	return s.iotLog.Run(ctx)
}
