package iotapi

import (
	"context"
	"slices"

	"github.com/cordon-iot/cordon/internal/awswire"
	"github.com/cordon-iot/cordon/internal/fault"
	"github.com/cordon-iot/cordon/internal/iotapi/wire"
)

// endpointTypes are those of the AWS IoT API. The first is meant when none is
// asked for.
var endpointTypes = []string{
	"iot:Data", "iot:Data-ATS", "iot:Data-Beta", "iot:CredentialProvider", "iot:Jobs", "iot:DeviceAdvisor",
}

func (a *API) endpointOperations() []awswire.Served {
	return []awswire.Served{
		awswire.Op(wire.DescribeEndpoint, a.describeEndpoint).
			Noting("every type is refused with `InvalidRequestException`, for there is no gateway yet"),
	}
}

// describeEndpoint refuses every type: what they are the addresses of is not
// served, and an address at which nobody answers would be worse than none.
func (a *API) describeEndpoint(_ context.Context, in *wire.DescribeEndpointRequest) (
	*wire.DescribeEndpointResponse, error,
) {
	kind := endpointTypes[0]
	if in.EndpointType != nil {
		kind = *in.EndpointType
	}
	if !slices.Contains(endpointTypes, kind) {
		return nil, fault.New(fault.Invalid, "there is no endpoint of type %.256q", kind)
	}
	return nil, fault.New(fault.Unsupported,
		"the endpoint of type %s is not served: devices cannot connect to this version, which has no MQTT gateway", kind)
}
