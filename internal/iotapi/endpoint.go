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
			Noting("`iot:Data` and `iot:Data-ATS` are the MQTT gateway; other types, and all types while the gateway " +
				"is off, are refused with `InvalidRequestException`"),
	}
}

// describeEndpoint names the host at which devices of the caller's account and
// region connect, without a port as AWS IoT does. Types that are not served are
// refused: an address at which nobody answers would be worse than none.
func (a *API) describeEndpoint(ctx context.Context, in *wire.DescribeEndpointRequest) (
	*wire.DescribeEndpointResponse, error,
) {
	kind := endpointTypes[0]
	if in.EndpointType != nil {
		kind = *in.EndpointType
	}
	s := scope(ctx)
	var name string
	switch {
	case !slices.Contains(endpointTypes, kind):
		return nil, fault.New(fault.Invalid, "there is no endpoint of type %.256q", kind)
	case kind == "iot:Data":
		name = s.EndpointName()
	case kind == "iot:Data-ATS":
		name = s.EndpointNameATS()
	default:
		return nil, fault.New(fault.Unsupported,
			"an endpoint of type %s is not served: devices connect by MQTT to that of type iot:Data-ATS", kind)
	}
	if a.EndpointDomain == "" {
		return nil, fault.New(fault.Unsupported,
			"the endpoint of type %s is not served: the MQTT gateway is off (see --mqtt-listen)", kind)
	}
	if name == "" {
		return nil, fault.New(fault.Unsupported, "devices of the region %q cannot connect: its name has no place in that "+
			"of a host, which takes letters, digits and hyphens inside it and no \"-ats\" at the end", s.Region)
	}
	return &wire.DescribeEndpointResponse{EndpointAddress: new(name + "." + a.EndpointDomain)}, nil
}
