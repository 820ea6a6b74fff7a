package server

import "sync"

// heapFloor is memory that is never touched, so that none of it is taken from
// the machine. The garbage collector, which runs when the heap has doubled,
// counts it: a Cordon whose heap is some megabytes, as it is with any fleet, is
// not collected dozens of times a second while it answers calls. That costs up
// to so many bytes of real memory more, however large the heap is; GOGC and
// GOMEMLIMIT mean what they always do.
const heapFloor = 64 << 20

// holdFloor makes the floor, once in a process.
var holdFloor = sync.OnceValue(func() []byte { return make([]byte, heapFloor) })
