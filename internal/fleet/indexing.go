package fleet

import "github.com/cordon-iot/cordon/internal/fault"

// IndexingMode says what of the things or thing groups can be searched.
type IndexingMode string

// The modes. Things have off and registry, their connections off and status,
// thing groups off and on.
const (
	IndexOff      IndexingMode = "OFF"
	IndexRegistry IndexingMode = "REGISTRY"
	IndexStatus   IndexingMode = "STATUS"
	IndexOn       IndexingMode = "ON"
)

// Indexing is an account's settings for fleet indexing. What is searched are
// the tables of the registry themselves: an index that is turned on is complete
// at once.
type Indexing struct {
	Things       IndexingMode
	Connectivity IndexingMode
	Groups       IndexingMode
}

// NoIndexing is what holds until an owner turns something on.
var NoIndexing = Indexing{Things: IndexOff, Connectivity: IndexOff, Groups: IndexOff}

// Check decides whether the settings fit together: connections are a part of
// the index of things. The fault is Invalid. Source: the page on managing thing
// indexing of the AWS IoT Developer Guide.
func (i *Indexing) Check() error {
	if i.Things == IndexOff && i.Connectivity != IndexOff {
		return fault.New(fault.Invalid, "thingConnectivityIndexingMode %s needs a thingIndexingMode that is not OFF",
			i.Connectivity)
	}
	return nil
}

// MayQuery decides whether things can be looked for by a query, which may use
// connectivity. Without an index of things that is a NotFound fault; without
// connectivity in it an InvalidQuery one.
func (i *Indexing) MayQuery(connectivity bool) error {
	if i.Things == IndexOff {
		return fault.New(fault.NotFound,
			"the index AWS_Things does not exist: it is turned on by UpdateIndexingConfiguration")
	}
	if connectivity && i.Connectivity == IndexOff {
		return fault.New(fault.InvalidQuery,
			"queryString asks for connectivity, which is not indexed: thingConnectivityIndexingMode is OFF")
	}
	return nil
}
