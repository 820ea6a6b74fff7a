package wire

import "github.com/cordon-iot/cordon/internal/awswire"

// Service returns the data plane API with the operations that are served.
func Service(operations []awswire.Served) awswire.Service {
	return awswire.Service{SigningName: SigningName, Operations: operations, Known: Facts}
}
