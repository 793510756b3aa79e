package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// meter shows how far a run is: a bar on a terminal, plain lines elsewhere,
// nothing when quiet.
type meter struct {
	out     io.Writer
	bar     *progressbar.ProgressBar
	quiet   bool
	started time.Time
	told    time.Time
	reason  string
}

// plainEvery is the pause between two plain lines.
const plainEvery = 2 * time.Second

func newMeter(out io.Writer, quiet bool) *meter {
	m := &meter{out: out, quiet: quiet, started: time.Now()}
	if f, ok := out.(*os.File); ok && !quiet && term.IsTerminal(int(f.Fd())) {
		m.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(out), progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(24),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true),
		)
	}
	return m
}

// show draws the state of p.
func (m *meter) show(p *engine.Progress) {
	if m.quiet {
		return
	}
	if m.bar == nil {
		if time.Since(m.told) >= plainEvery {
			m.told = time.Now()
			fmt.Fprintln(m.out, "  "+m.line(p))
		}
		return
	}
	if size := p.InputSize.Load(); size > 0 {
		m.bar.ChangeMax64(size)
	}
	m.bar.Describe(m.stage(p))
	_ = m.bar.Set64(p.InputBytes.Load())
}

func (m *meter) stage(p *engine.Progress) string {
	if p.Committing.Load() {
		return fmt.Sprintf("%s rows pushed, Celonis is loading", thousands(p.Accepted.Load()))
	}
	return fmt.Sprintf("%s rows read, %s pushed, %s/s", thousands(p.Read.Load()), thousands(p.Accepted.Load()), thousands(m.rate(p.Read.Load())))
}

func (m *meter) rate(n int64) int64 {
	return int64(float64(n) / max(time.Since(m.started).Seconds(), 0.001))
}

// line is the plain form, with everything that the bar shows.
func (m *meter) line(p *engine.Progress) string {
	text := m.stage(p) + ", " + megabytes(p.InputBytes.Load())
	size, done := p.InputSize.Load(), p.InputBytes.Load()
	if size > 0 && done > 0 && !p.Committing.Load() {
		left := time.Duration(float64(time.Since(m.started)) * float64(size-done) / float64(done))
		text += fmt.Sprintf(" of %s, about %s left", megabytes(size), left.Round(time.Second))
	}
	return text
}

// waiting says once for each reason why a run waits.
func (m *meter) waiting(r *flows.Run) {
	if m.quiet || r.State != flows.Waiting || r.Error == nil || r.Error.Message == m.reason {
		return
	}
	m.reason = r.Error.Message
	fmt.Fprintf(m.out, "  waiting: %s (%s); next try at %s\n", r.Error.Message, r.Error.Code, r.ResumeAt.Local().Format("15:04:05"))
}

// done takes the bar away.
func (m *meter) done() {
	if m.bar != nil {
		_ = m.bar.Finish()
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
