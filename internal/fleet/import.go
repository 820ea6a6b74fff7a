package fleet

import "github.com/cordon-iot/cordon/internal/fault"

// MaxImportBatch is how many devices are imported in one transaction.
const MaxImportBatch = 1000

// ImportDevice is one device that is imported: what of it is not there is made,
// what is there is left as it is, and what contradicts it refuses the device as
// a whole.
type ImportDevice struct {
	Thing       *Thing       // nil for none
	Certificate *Certificate // nil for none
	Groups      []string     // that the thing joins
	Policies    []string     // that are attached to the certificate
	Refused     string       // why it is not imported, "" to import it
}

// Check decides whether a device makes sense by itself. The fault is Invalid.
func (d *ImportDevice) Check() error {
	switch {
	case d.Thing == nil && d.Certificate == nil:
		return fault.New(fault.Invalid, "there is neither a thingName nor a certificatePem")
	case d.Thing == nil && len(d.Groups) > 0:
		return fault.New(fault.Invalid, "thingGroupNames need a thingName")
	case d.Certificate == nil && len(d.Policies) > 0:
		return fault.New(fault.Invalid, "policyNames need a certificatePem")
	}
	return nil
}

// ImportBatch is a part of an import. Import and N name it, Digest says what is
// in it.
type ImportBatch struct {
	Import, Source string
	N              int64
	Digest         string
	Devices        []ImportDevice
}

// ImportOutcome is what became of a batch. Devices that were there already with
// all that was asked for are Unchanged.
type ImportOutcome struct {
	N         int64
	Accepted  int
	Unchanged int
	Refusals  []ImportRefusal
}

// ImportRefusal is a device that was not imported, by its position in the
// batch, from 0.
type ImportRefusal struct {
	Position int    `json:"p"`
	Reason   string `json:"r"`
}
