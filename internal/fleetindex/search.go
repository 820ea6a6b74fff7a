package fleetindex

// Search asks for a page of what matches a query, by name.
type Search struct {
	Query *Query
	After string // the name the page is behind, "" for the first page
	Limit int
}
