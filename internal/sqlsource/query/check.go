package query

import (
	"slices"
	"strings"
)

// checker looks at the tokens of one statement.
type checker struct {
	*lexer
	dialect Dialect
	tokens  []token
}

const quoteIt = "a query only reads; where the word is a name, put it in the quotes of the dialect"

func (c *checker) check() *Error {
	if len(c.tokens) == 0 {
		return c.fail(0, "there is no statement", "write one SELECT")
	}
	if err := c.single(); err != nil {
		return err
	}
	first := c.tokens[0]
	if first.kind != word || !slices.Contains([]string{"SELECT", "WITH", "TABLE", "VALUES"}, strings.ToUpper(first.text)) {
		return c.fail(first.start, "the statement does not begin with SELECT, WITH, TABLE or VALUES", "a query only reads")
	}
	for i := range c.tokens {
		if bad := c.writes(i); bad != "" {
			return c.fail(c.tokens[i].start, bad, quoteIt)
		}
	}
	return nil
}

// single lets nothing follow a semicolon, and takes it away.
func (c *checker) single() *Error {
	for i, t := range c.tokens {
		if t.kind != punct || t.text != ";" {
			continue
		}
		for _, after := range c.tokens[i+1:] {
			if after.text != ";" {
				return c.fail(after.start, "a second statement", "a query is one statement")
			}
		}
		c.tokens = c.tokens[:i]
		break
	}
	if len(c.tokens) == 0 {
		return c.fail(0, "there is no statement", "write one SELECT")
	}
	return nil
}

// writing are words that no reading statement has outside of quotes.
func writing() []string {
	return []string{
		"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "UPSERT", "INTO", "CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "REVOKE",
		"CALL", "EXEC", "EXECUTE",
	}
}

// writingOf are those of one dialect. SQL Server takes a second statement
// without a semicolon, so that every word which begins one counts.
func writingOf(d Dialect) []string {
	switch d {
	case MySQL:
		return []string{"LOCK", "PROCEDURE", "HANDLER", "OUTFILE", "DUMPFILE"}
	case SQLServer:
		return []string{
			"DENY", "BACKUP", "RESTORE", "SHUTDOWN", "KILL", "DBCC", "BULK", "OPENROWSET", "OPENQUERY", "OPENDATASOURCE", "USE", "SET",
			"DECLARE", "BEGIN", "COMMIT", "ROLLBACK", "SAVE", "PRINT", "RAISERROR", "IF", "WHILE", "WAITFOR", "RECONFIGURE", "CHECKPOINT",
			"WRITETEXT", "UPDATETEXT", "GOTO", "RETURN", "REVERT", "UPDLOCK", "XLOCK", "TABLOCKX",
		}
	}
	return nil
}

// functions are writing words that are functions, too, when a parenthesis follows.
func functions() []string { return []string{"INSERT", "REPLACE", "TRUNCATE"} }

// writes says what is wrong with a token, "" for nothing.
func (c *checker) writes(i int) string {
	t := c.tokens[i]
	if t.kind != word || c.isMember(i) {
		return ""
	}
	up := strings.ToUpper(t.text)
	switch {
	case slices.Contains(functions(), up) && c.is(i+1, "("):
		return ""
	case slices.Contains(writing(), up) || slices.Contains(writingOf(c.dialect), up):
		return "the word " + up + ", which writes or is no part of one query"
	case up == "FOR" && (c.is(i+1, "SHARE") || c.is(i+1, "KEY") && c.is(i+2, "SHARE") || c.is(i+1, "NO") && c.is(i+2, "KEY")):
		return "FOR " + strings.ToUpper(c.tokens[i+1].text) + ", which locks rows"
	case up == "NEXT" && c.is(i+1, "VALUE"):
		return "NEXT VALUE, which moves a sequence"
	}
	return ""
}

// isMember reports whether a word stands after a name and a point.
func (c *checker) isMember(i int) bool {
	return i >= 2 && c.is(i-1, ".") && (c.tokens[i-2].kind == word || c.tokens[i-2].kind == quoted)
}

func (c *checker) is(i int, text string) bool {
	return i < len(c.tokens) && (c.tokens[i].kind == word || c.tokens[i].kind == punct) && strings.EqualFold(c.tokens[i].text, text)
}
