package chat

import (
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// The library cannot call a method of an expression in brackets, (x|last).strip(), only
// of what a function returns. So such brackets get a function in front of them, which
// returns what it is given.

const valueName = "deltaloom_value"

// withValues returns a template in which brackets that something is asked of are calls.
func withValues(source string) string {
	var calls []int // where the function goes
	rest := func(i int, end string) int {
		if n := strings.Index(source[i:], end); n >= 0 {
			return i + n + len(end)
		}
		return len(source)
	}
	for i := 0; i < len(source); {
		switch {
		case strings.HasPrefix(source[i:], "{#"):
			i = rest(i, "#}")
		case strings.HasPrefix(source[i:], "{{"):
			i = scanTag(source, i+2, "}}", &calls)
		case strings.HasPrefix(source[i:], "{%"):
			if strings.HasPrefix(strings.TrimLeft(source[i+2:], "-+ \t\n"), "raw") {
				i = rest(i, "endraw")
				continue
			}
			i = scanTag(source, i+2, "%}", &calls)
		default:
			i++
		}
	}
	slices.Sort(calls)
	var b strings.Builder
	from := 0
	for _, at := range calls {
		b.WriteString(source[from:at] + valueName)
		from = at
	}
	return b.String() + source[from:]
}

// scanTag goes through a tag from i on, notes its brackets that something is asked of,
// and returns where it ends.
func scanTag(source string, i int, end string, calls *[]int) int {
	var open []int // of each bracket where it is, or -1 if it is a call already
	before := "("  // the last word or sign
	for i < len(source) && !strings.HasPrefix(source[i:], end) {
		c := source[i]
		switch {
		case c == '\'' || c == '"':
			for i++; i < len(source) && source[i] != c; i++ {
				if source[i] == '\\' {
					i++
				}
			}
			before = ")"
		case isWord(c):
			start := i
			for i < len(source) && isWord(source[i]) {
				i++
			}
			before = source[start:i]
			continue
		case c == '(':
			if called(before) {
				open = append(open, -1)
			} else {
				open = append(open, i)
			}
			before = "("
		case c == ')':
			if n := len(open) - 1; n >= 0 {
				next := strings.TrimLeft(source[i+1:], " \t\n")
				if open[n] >= 0 && (strings.HasPrefix(next, ".") || strings.HasPrefix(next, "[")) {
					*calls = append(*calls, open[n])
				}
				open = open[:n]
			}
			before = ")"
		case c > ' ':
			before = string(c)
		}
		i++
	}
	return min(i+len(end), len(source))
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// called tells whether a bracket that follows is a call's.
func called(before string) bool {
	switch before {
	case "and", "or", "not", "in", "is", "if", "elif", "else", "for", "set", "do", "call", "filter", "with":
		return false
	}
	return before == ")" || before == "]" || isWord(before[0])
}

// valueOf is that function; of several values it makes a list.
func valueOf(args *exec.VarArgs) *exec.Value {
	if len(args.Args) == 1 {
		return args.Args[0]
	}
	var values list
	for _, a := range args.Args {
		values = append(values, a.Interface())
	}
	return exec.AsValue(values)
}
