package main

import (
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress is a bar on a terminal, and nothing anywhere else.
type progress struct {
	all *mpb.Progress
	bar *mpb.Bar
}

func newProgress(w io.Writer, quiet bool, what string, total int64) *progress {
	if quiet || !terminal(w) {
		return &progress{}
	}
	all := mpb.New(mpb.WithOutput(w), mpb.WithWidth(48))
	return &progress{all, all.AddBar(total,
		mpb.PrependDecorators(decor.Name(what+" ")),
		mpb.AppendDecorators(decor.Percentage(), decor.Name(" "), decor.AverageETA(decor.ET_STYLE_GO)))}
}

func (p *progress) add(n int) {
	if p.bar != nil {
		p.bar.IncrBy(n)
	}
}

// stop leaves the bar as it is; stopping again does nothing.
func (p *progress) stop() {
	if p.bar == nil {
		return
	}
	if !p.bar.Completed() {
		p.bar.Abort(false)
	}
	p.all.Wait()
	p.bar = nil
}
