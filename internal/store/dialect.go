package store

// dialect is all in which the two databases differ, beside opening them.
type dialect struct {
	name string
	// lockRow holds the selected rows until the transaction ends; lockParent does too, but lets rows that refer to them
	// be inserted; skipLocked leaves out rows that others hold. SQLite needs none: its transactions take turns.
	lockRow, lockParent, skipLocked string
	// bulkRows is how many rows one statement inserts best. SQLite looks $n up in a list by name, so that many
	// arguments cost their square, and has no round trips to save.
	bulkRows int
	// auditGuards keep the audit log append-only.
	auditGuards []string
	// kindOf reads the driver's code of an error.
	kindOf func(error) kind
}

// kind is what an error of a driver means to the store.
type kind uint8

const (
	// unknownKind is a fault of the program.
	unknownKind kind = iota
	// duplicate: a unique constraint other than a primary key is violated. Every table has at most one.
	duplicate
	// orphan: a foreign key is violated, from either side.
	orphan
	// contended: the transaction lost against another; the same again may succeed.
	contended
	// unreachable: the database is gone, busy, full or broken.
	unreachable
	// unstorable: a text holds what the database cannot keep.
	unstorable
)
