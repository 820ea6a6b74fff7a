package notify

import "github.com/cordon-iot/cordon/internal/fleet"

// KindMessage is the kind of the change [Publish] in storage.
const KindMessage fleet.ChangeKind = "topic-message"

// Publish is the change that a topic is told something. It is made once for
// the id of the message, however often it is applied. What was told cannot be
// taken back: the change that undoes it holds only while the message waits.
type Publish struct {
	Message  Message
	Withdraw bool
}

// Row is the change as it is stored: without the text of the message, which
// follows from what it is about.
func (c Publish) Row() fleet.ChangeRow {
	row := fleet.ChangeRow{Kind: KindMessage, Resource: c.Message.TopicARN, To: c.Message.ID}
	if c.Withdraw {
		row.From, row.To = row.To, row.From
	}
	return row
}

// Reverse is the change that undoes this one.
func (c Publish) Reverse() fleet.Change {
	c.Withdraw = !c.Withdraw
	return c
}
