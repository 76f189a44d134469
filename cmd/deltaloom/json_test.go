package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// call runs the command in this process.
func call(t *testing.T, wantCode int, args ...string) (stdout []byte) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.Background(), args, &out, &errs); code != wantCode {
		t.Fatalf("%v: exit code %d, want %d\n%s", args, code, wantCode, errs.String())
	}
	return out.Bytes()
}

// decode wants all fields of v, and no others.
func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	again, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(compact.Bytes(), again) {
		t.Errorf("have %s\nwant %s", compact.Bytes(), again)
	}
}

// fuseReport is the JSON of fuse as it is documented.
type fuseReport struct {
	Model  string `json:"model"`
	Tokens int    `json:"tokens"`
	Seqs   int    `json:"seqs"`
	Before struct {
		Nodes   int            `json:"nodes"`
		Compute int            `json:"compute_nodes"`
		Ops     map[string]int `json:"ops"`
	} `json:"before"`
	After struct {
		Nodes     int            `json:"nodes"`
		Compute   int            `json:"compute_nodes"`
		Ops       map[string]int `json:"ops"`
		DeltaNets int            `json:"delta_nets"`
	} `json:"after"`
	Rules []struct {
		Name    string `json:"name"`
		Tried   int    `json:"tried"`
		Fired   int    `json:"fired"`
		Refused []struct {
			Reason string `json:"reason"`
			Node   string `json:"node"`
			Count  int    `json:"count"`
		} `json:"refused"`
	} `json:"rules"`
	Check *struct {
		NMSE   float64 `json:"nmse"`
		MaxAbs float64 `json:"max_abs"`
	} `json:"check"`
	Seconds float64 `json:"seconds"`
}

func TestFuseJSON(t *testing.T) {
	var r fuseReport
	decode(t, call(t, 0, "fuse", "-o", "json"), &r)
	switch {
	case r.Model != "qwen3.5-tiny" || r.Tokens != 1 || r.Seqs != 1:
		t.Errorf("%s, %d tokens, %d sequences", r.Model, r.Tokens, r.Seqs)
	case r.After.DeltaNets != 3 || r.After.Ops["delta_block"] != 3:
		t.Errorf("%d delta nets, ops %v", r.After.DeltaNets, r.After.Ops)
	case r.Check == nil || !(r.Check.NMSE <= 1e-12) || !(r.Check.MaxAbs > 0):
		t.Errorf("check %+v", r.Check)
	case len(r.Rules) == 0 || r.Seconds <= 0:
		t.Error("no rules or no time")
	}
	total := 0
	for _, n := range r.Before.Ops {
		total += n
	}
	if total != r.Before.Compute {
		t.Errorf("%d compute nodes, by op %d", r.Before.Compute, total)
	}
}

// After fusion a step has as many nodes whatever its length; a shape table needs
// no weights, and no time.
func TestFuseCountsAreEqual(t *testing.T) {
	var one, many fuseReport
	decode(t, call(t, 0, "fuse", "--model", "qwen3.5-0.8b", "--tokens", "1", "-o", "json"), &one)
	decode(t, call(t, 0, "fuse", "--model", "qwen3.5-0.8b", "--tokens", "512", "-o", "json"), &many)
	if one.After.DeltaNets != 18 || many.After.DeltaNets != 18 {
		t.Errorf("delta nets: %d for 1 token, %d for 512, want 18", one.After.DeltaNets, many.After.DeltaNets)
	}
	if one.After.Compute != many.After.Compute || one.Before.Compute == many.Before.Compute {
		t.Errorf("compute nodes: %d to %d for 1 token, %d to %d for 512", one.Before.Compute, one.After.Compute, many.Before.Compute, many.After.Compute)
	}
	if one.Check != nil {
		t.Error("a check without weights")
	}
	t.Logf("1 token: %d to %d in %.3f s; 512 tokens: %d to %d in %.3f s", one.Before.Compute, one.After.Compute, one.Seconds,
		many.Before.Compute, many.After.Compute, many.Seconds)
}

func TestVerifyJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tiny.gguf")
	call(t, 0, "synth", "-q", "--model", "qwen3.5-tiny", "--type", "f32", "-o", file)
	var r struct {
		NMSE       float64 `json:"nmse"`
		MaxAbs     float64 `json:"max_abs"`
		ArgmaxSame int     `json:"argmax_same"`
		Tokens     int     `json:"tokens"`
		Backend    string  `json:"backend"`
		Fuse       string  `json:"fuse"`
		Mode       string  `json:"mode"`
		DeltaNets  int     `json:"delta_nets"`
	}
	decode(t, call(t, 0, "verify", file, "--tokens", "5", "--mode", "decode", "-o", "json"), &r)
	if !(r.NMSE <= 1e-11) || r.ArgmaxSame != 5 || r.Tokens != 5 || r.Backend != "cpu" || r.Fuse != "on" || r.Mode != "decode" || r.DeltaNets != 3 {
		t.Errorf("%+v", r)
	}
}

func TestBenchJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tiny.gguf")
	call(t, 0, "synth", "-q", "--model", "qwen3.5-tiny", "--type", "q8_0", "-o", file)
	type row struct {
		Model    string    `json:"model"`
		Test     string    `json:"test"`
		Backend  string    `json:"backend"`
		Threads  int       `json:"threads"`
		Fuse     string    `json:"fuse"`
		Nodes    int       `json:"nodes"`
		Launches int       `json:"launches"`
		Average  float64   `json:"avg_ts"`
		Stddev   float64   `json:"stddev_ts"`
		Samples  []float64 `json:"samples_ts"`
	}
	args := []string{"bench", file, "-t", "1", "-p", "3", "-n", "4", "-r", "2", "-d", "0,5", "--fuse", "off,on", "-o", "json"}
	var plain []row
	decode(t, call(t, 0, args...), &plain)
	if len(plain) != 8 {
		t.Fatalf("%d rows, want 8", len(plain))
	}
	if r := plain[7]; r.Test != "tg4 @ d5" || r.Fuse != "on" || r.Threads != 1 || r.Nodes != 22 || len(r.Samples) != 2 {
		t.Errorf("the last row is %+v", r)
	}
	var rows []struct {
		row
		Peak     int64   `json:"peak_rss_bytes"`
		File     int64   `json:"file_bytes"`
		Repacked int64   `json:"repacked_bytes"`
		States   int64   `json:"states_bytes"`
		Working  int64   `json:"working_bytes"`
		PerToken float64 `json:"launches_per_token"`
		Allocs   float64 `json:"allocs_per_token"`
	}
	decode(t, call(t, 0, append(args, "--stats")...), &rows)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		want := float64(r.Launches) // of each token of an answer, of a whole prompt
		if i%4 < 2 {
			want /= 3
		}
		if r.PerToken != want || r.File != info.Size() || r.States == 0 || r.Working == 0 {
			t.Errorf("row %d: %+v", i, r)
		}
		if runtime.GOOS == "linux" && r.Peak < r.File {
			t.Errorf("a peak of %d bytes for a file of %d", r.Peak, r.File)
		}
	}
	if r := rows[7]; r.Repacked != 0 || r.Allocs != 0 {
		t.Errorf("%d bytes repacked, %v allocations a token", r.Repacked, r.Allocs)
	}
}

// Infinity is no number of JSON, and must not pass for a small one.
func TestMeasure(t *testing.T) {
	for _, x := range []float64{math.Inf(1), math.NaN()} {
		data, err := json.Marshal(measure(x))
		var back float64
		if err != nil || json.Unmarshal(data, &back) != nil || back < 1e300 {
			t.Errorf("%v became %s (%v)", x, data, err)
		}
	}
}
