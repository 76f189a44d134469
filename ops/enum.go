package ops

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The kinds that attributes hold are integers with names. Most tables have an
// empty entry 0, so that the text of a graph, which leaves out zero fields,
// always says which kind an op is.

func enumName(names []string, v int) string {
	if v >= 0 && v < len(names) && names[v] != "" {
		return names[v]
	}
	return strconv.Itoa(v)
}

func parseEnum(names []string, text string, v *int) error {
	i := slices.Index(names, text)
	if i < 0 || text == "" {
		return fmt.Errorf("%q is none of %s", text, strings.Join(slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "" }), ", "))
	}
	*v = i
	return nil
}

func wantEnum(kind string, names []string, v int) error {
	if v < 0 || v >= len(names) || names[v] == "" {
		return fmt.Errorf("%s %d has no name", kind, v)
	}
	return nil
}
