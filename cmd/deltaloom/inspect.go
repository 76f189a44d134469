package main

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deltaloom/deltaloom/gguf"
	"github.com/deltaloom/deltaloom/models"
)

func inspectCommand(c *common) *cobra.Command {
	var out format
	var kv, tensors, layers bool
	cmd := &cobra.Command{
		Use:   "inspect FILE [--kv] [--tensors] [--layers]",
		Short: "Show what is in a GGUF file",
		Long: `Shows what a GGUF file holds: an overview, and on request all metadata, all
tensors, or the layers. It reads files of any architecture.

json and csv give the list that was asked for, the overview without one; json
of several lists is an object.`,
		Example: "  deltaloom inspect model.gguf --tensors -o csv",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			f, err := gguf.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			return out.print(cmd.OutOrStdout(), inspectPage(f, args[0], kv, tensors, layers, c.verbose))
		},
	}
	out.flag(cmd)
	cmd.Flags().BoolVar(&kv, "kv", false, "the metadata")
	cmd.Flags().BoolVar(&tensors, "tensors", false, "the tensors")
	cmd.Flags().BoolVar(&layers, "layers", false, "the layers")
	return cmd
}

func inspectPage(f *gguf.File, path string, kv, tensors, layers, long bool) *page {
	p := &page{}
	lists := map[string]any{}
	add := func(name string, g *grid, json any) {
		p.show(g)
		p.csv, p.json, lists[name] = g, json, json
	}
	if !kv && !tensors && !layers {
		o := overviewOf(f, path)
		p.say("%s", o.text())
		add("overview", o.types(), o)
		p.csv = o.csv()
	}
	if kv {
		add("kv", kvGrid(f, long), kvJSON(f))
	}
	if tensors {
		g, list := tensorList(f)
		add("tensors", g, list)
	}
	if layers {
		g, list := layerList(f)
		if add("layers", g, list); len(list) == 0 {
			p.say("No tensor belongs to a layer.")
		}
	}
	if len(lists) > 1 {
		p.json = lists
	}
	return p
}

// overview is a file in a few lines.
type overview struct {
	File         string            `json:"file"`
	Name         string            `json:"name"`
	Architecture string            `json:"architecture"`
	Supported    bool              `json:"supported"`
	Reason       string            `json:"reason,omitempty"` // why it is not
	Version      int               `json:"version"`
	KVs          int               `json:"kvs"`
	Tensors      int               `json:"tensors"`
	Parameters   int64             `json:"parameters"`
	Bytes        int64             `json:"bytes"` // of tensor data
	Layers       int               `json:"layers,omitempty"`
	Recurrent    int               `json:"recurrent_layers,omitempty"`
	Types        map[string]ofType `json:"types"`
}

type ofType struct {
	Tensors    int   `json:"tensors"`
	Parameters int64 `json:"parameters"`
	Bytes      int64 `json:"bytes"`
}

func overviewOf(f *gguf.File, path string) *overview {
	o := &overview{File: path, Version: f.Version(), KVs: len(f.KVs()), Types: map[string]ofType{}}
	o.Name, _ = gguf.GetOr(f, "general.name", "")
	o.Architecture, _ = gguf.GetOr(f, "general.architecture", "")
	for _, t := range f.Tensors() {
		n := elements(t)
		o.Tensors++
		o.Parameters += n
		o.Bytes += t.Size
		x := o.Types[t.Type.String()]
		o.Types[t.Type.String()] = ofType{x.Tensors + 1, x.Parameters + n, x.Bytes + t.Size}
	}
	c, err := models.FromGGUF(f)
	if err != nil {
		o.Reason = err.Error()
		return o
	}
	o.Supported, o.Layers, o.Recurrent = true, c.Layers, c.RecurrentLayers()
	return o
}

func elements(t *gguf.Tensor) int64 {
	n := int64(1)
	for _, d := range t.Dims() {
		n *= int64(d)
	}
	return n
}

func (o *overview) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, architecture %s, GGUF version %d\n", filepath.Base(o.File), cmp.Or(printable(o.Name), "no name"), cmp.Or(printable(o.Architecture), "not stated"), o.Version)
	fmt.Fprintf(&b, "%s parameters in %s of %s, %s of metadata\n", grouped(o.Parameters), plural(o.Tensors, "tensor"), size(o.Bytes), plural(o.KVs, "key"))
	if o.Supported {
		fmt.Fprintf(&b, "%s: %d delta nets, %d of full attention\n", plural(o.Layers, "layer"), o.Recurrent, o.Layers-o.Recurrent)
	} else {
		fmt.Fprintf(&b, "cannot be run: %s\n", o.Reason)
	}
	return b.String()
}

func (o *overview) types() *grid {
	g := &grid{head: []string{"type", "tensors", "parameters", "size"}}
	names := slices.Collect(maps.Keys(o.Types))
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(-cmp.Compare(o.Types[a].Bytes, o.Types[b].Bytes), cmp.Compare(a, b))
	})
	for _, n := range names {
		t := o.Types[n]
		g.add(n, t.Tensors, count(t.Parameters), byteSize(t.Bytes))
	}
	return g
}

func (o *overview) csv() *grid {
	return &grid{head: []string{"file", "name", "architecture", "supported", "version", "kvs", "tensors", "parameters", "bytes", "layers", "recurrent_layers"},
		rows: [][]any{{o.File, o.Name, o.Architecture, o.Supported, o.Version, o.KVs, o.Tensors, o.Parameters, o.Bytes, o.Layers, o.Recurrent}}}
}

// maxShown is how many elements of an array are printed unless all are asked for.
const maxShown = 8

func kvGrid(f *gguf.File, long bool) *grid {
	g := &grid{head: []string{"key", "type", "value"}}
	for _, kv := range f.KVs() {
		t := kv.Type.String()
		if kv.Type == gguf.Array {
			t = fmt.Sprintf("%v[%d]", kv.Elem, kv.Len)
		}
		g.add(kv.Key, t, show(kv.Value(), long))
	}
	return g
}

// show writes a value in one line; text is quoted, so that no byte of a file
// moves the cursor.
func show(value any, long bool) string {
	v := reflect.ValueOf(value)
	if v.Kind() == reflect.Slice {
		var parts []string
		for i := range v.Len() {
			if i == maxShown && !long {
				parts = append(parts, "…")
				break
			}
			parts = append(parts, show(v.Index(i).Interface(), long))
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	if s, ok := value.(string); ok {
		if r := []rune(s); len(r) > 60 && !long {
			return strconv.Quote(string(r[:60])) + "…"
		}
		return strconv.Quote(s)
	}
	return fmt.Sprint(value)
}

func kvJSON(f *gguf.File) any {
	type entry struct {
		Key   string `json:"key"`
		Type  string `json:"type"`
		Value any    `json:"value"`
	}
	list := []entry{}
	for _, kv := range f.KVs() {
		t, value := kv.Type.String(), kv.Value()
		if kv.Type == gguf.Array {
			t = "array of " + kv.Elem.String()
		}
		if b, ok := value.([]uint8); ok { // numbers, not base64
			wide := make([]int, len(b))
			for i, x := range b {
				wide[i] = int(x)
			}
			value = wide
		}
		list = append(list, entry{kv.Key, t, finite(value)})
	}
	return list
}

// finite replaces floats that JSON does not have by their text.
func finite(value any) any {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		if x := v.Float(); x-x != 0 {
			return fmt.Sprint(x)
		}
	case reflect.Slice:
		if k := v.Type().Elem().Kind(); k != reflect.Float32 && k != reflect.Float64 {
			return value
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = finite(v.Index(i).Interface())
		}
		return list
	}
	return value
}

type tensorJSON struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Dims   []int  `json:"dims"` // outermost first
	Bytes  int64  `json:"bytes"`
	Offset int64  `json:"offset"`
}

func tensorList(f *gguf.File) (*grid, []tensorJSON) {
	g := &grid{head: []string{"tensor", "type", "shape", "size", "offset"}}
	list := []tensorJSON{}
	for _, t := range f.Tensors() {
		dims := append([]int{}, t.Dims()...)
		g.add(printable(t.Name), t.Type, fmt.Sprint(dims), byteSize(t.Size), t.Offset)
		list = append(list, tensorJSON{t.Name, t.Type.String(), dims, t.Size, t.Offset})
	}
	return g, list
}

// printable quotes names that hold more than letters.
func printable(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

var layerName = regexp.MustCompile(`^blk\.(\d{1,9})\.`)

type layerJSON struct {
	Layer      int      `json:"layer"`
	Kind       string   `json:"kind"`
	Tensors    int      `json:"tensors"`
	Parameters int64    `json:"parameters"`
	Bytes      int64    `json:"bytes"`
	Types      []string `json:"types"`
}

// layerList sums the tensors up by layer. The kind is known where the
// architecture is.
func layerList(f *gguf.File) (*grid, []*layerJSON) {
	config, _ := models.FromGGUF(f)
	byNumber := map[int]*layerJSON{}
	for _, t := range f.Tensors() {
		m := layerName.FindStringSubmatch(t.Name)
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(m[1])
		l := byNumber[n]
		if l == nil {
			l = &layerJSON{Layer: n, Kind: "unknown"}
			if config != nil {
				switch {
				case n >= config.Layers:
					l.Kind = "not run"
				case config.Recurrent[n]:
					l.Kind = "delta net"
				default:
					l.Kind = "attention"
				}
			}
			byNumber[n] = l
		}
		l.Tensors++
		l.Parameters += elements(t)
		l.Bytes += t.Size
		if name := t.Type.String(); !slices.Contains(l.Types, name) {
			l.Types = append(l.Types, name)
			slices.Sort(l.Types)
		}
	}
	g := &grid{head: []string{"layer", "kind", "tensors", "parameters", "size", "types"}}
	list := []*layerJSON{}
	for _, n := range slices.Sorted(maps.Keys(byNumber)) {
		l := byNumber[n]
		g.add(l.Layer, l.Kind, l.Tensors, count(l.Parameters), byteSize(l.Bytes), strings.Join(l.Types, " "))
		list = append(list, l)
	}
	return g, list
}
