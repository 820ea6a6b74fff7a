package iotapi

import (
	"context"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// caStore is what the operations on CA certificates need.
type caStore interface {
	// CACertificatesOfSubject returns the CA certificates of a subject, in the
	// form names are compared by: at most fleet.MaxCAsPerSubject.
	CACertificatesOfSubject(ctx context.Context, scope fleet.Scope, subject string) ([]fleet.CACertificate, error)
}
