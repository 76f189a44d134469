package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

// page is what a command prints, for every format: paragraphs and tables for
// text and md, one value for json, one table for csv.
type page struct {
	blocks []any // string or *grid
	json   any
	csv    *grid
}

// grid is a table. Cells are text or numbers; numbers stand to the right.
type grid struct {
	title string // of text and md; may be ""
	head  []string
	rows  [][]any
}

func (g *grid) add(cells ...any) { g.rows = append(g.rows, cells) }

// say adds a paragraph.
func (p *page) say(format string, args ...any) {
	p.blocks = append(p.blocks, fmt.Sprintf(format, args...))
}

// show adds a table, unless it is empty.
func (p *page) show(g *grid) {
	if len(g.rows) > 0 {
		p.blocks = append(p.blocks, g)
	}
}

// format is the value of the flag -o.
type format struct{ name string }

func (f *format) flag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.name, "output", "o", "text", "print as `FORMAT`: text, md, json, csv")
}

// check is called before a command begins its work.
func (f *format) check() error {
	switch f.name {
	case "text", "md", "json", "csv":
		return nil
	}
	return misused("-o %q: want text, md, json or csv", f.name)
}

// print writes the page in the format.
func (f *format) print(w io.Writer, p *page) error {
	switch f.name {
	case "json":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(p.json)
	case "csv":
		return p.csv.writeCSV(w)
	}
	var b strings.Builder
	for i, block := range p.blocks {
		if i > 0 {
			b.WriteByte('\n')
		}
		switch block := block.(type) {
		case string:
			b.WriteString(strings.TrimRight(block, "\n") + "\n")
		case *grid:
			b.WriteString(block.render(f.name == "md", colorful(w)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (g *grid) render(markdown, color bool) string {
	t := table.NewWriter()
	head := table.Row{}
	var columns []table.ColumnConfig
	for i, h := range g.head {
		head = append(head, h)
		c := table.ColumnConfig{Number: i + 1}
		if g.numeric(i) {
			c.Align, c.AlignHeader = text.AlignRight, text.AlignRight
		}
		columns = append(columns, c)
	}
	t.AppendHeader(head)
	t.SetColumnConfigs(columns)
	for _, row := range g.rows {
		cells := make(table.Row, len(row))
		for i, c := range row {
			cells[i] = cell(c)
		}
		t.AppendRow(cells)
	}
	title := g.title
	if markdown {
		if title != "" {
			title = "**" + title + "**\n\n"
		}
		return title + t.RenderMarkdown() + "\n"
	}
	style := table.StyleDefault
	style.Options = table.Options{SeparateHeader: true}
	style.Box = table.BoxStyle{MiddleHorizontal: "-", PaddingRight: "  "}
	style.Format.Header = text.FormatDefault
	if color {
		style.Color.Header = text.Colors{text.Bold}
		if title != "" {
			title = text.Bold.Sprint(title)
		}
	}
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	if title != "" {
		title += "\n"
	}
	return title + t.Render() + "\n"
}

func (g *grid) numeric(column int) bool {
	for _, row := range g.rows {
		switch row[column].(type) {
		case int, int64, float64, count, byteSize, right:
			return true
		}
	}
	return false
}

func (g *grid) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	c.Write(g.head)
	for _, row := range g.rows {
		cells := make([]string, len(row))
		for i, x := range row {
			switch x := x.(type) {
			case count:
				cells[i] = fmt.Sprint(int64(x))
			case byteSize:
				cells[i] = fmt.Sprint(int64(x))
			case float64:
				cells[i] = strconv.FormatFloat(x, 'g', -1, 64)
			default:
				cells[i] = cell(x)
			}
		}
		c.Write(cells)
	}
	c.Flush()
	return c.Error()
}

type (
	count    int64  // 12,345
	byteSize int64  // 1.2 MB
	right    string // text that stands with numbers
)

func cell(x any) string {
	switch x := x.(type) {
	case count:
		return grouped(int64(x))
	case byteSize:
		return size(int64(x))
	case float64:
		return scientific(x)
	}
	return fmt.Sprint(x)
}

func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes bytes in decimal units.
func size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	x, u := float64(n), 0
	for x >= 999.5 && u < len(units)-1 {
		x, u = x/1000, u+1
	}
	if u == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.3g %s", x, units[u])
}

// scientific writes a measure with three digits.
func scientific(x float64) string { return fmt.Sprintf("%.3g", x) }

// plural writes a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(int64(n)) + " " + noun + "s"
}

// measure is a number for JSON, which has no infinity: it stands as the largest
// number there is, so that every limit is exceeded.
type measure float64

func (m measure) MarshalJSON() ([]byte, error) {
	x := float64(m)
	if math.IsInf(x, 0) || math.IsNaN(x) {
		x = math.MaxFloat64
	}
	return json.Marshal(x)
}

// colorful says whether w is a terminal whose user wants colours.
func colorful(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && terminal(w)
}
