package deltaloom

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/deltaloom/deltaloom/graph"
	"github.com/deltaloom/deltaloom/models"
	"github.com/deltaloom/deltaloom/runtime/sched"
)

// A saved snapshot is, with little-endian numbers: snapshotMagic, u32 version, the model's
// identity, u32 type of the cache, u32 number of tokens, the tokens as i32, the rows of
// all states by rising name (none where there are no tokens), and the SHA-256 of all
// that. Which states there are, and their shapes, the model says.
const (
	snapshotMagic   = "deltaloom snapshot\n"
	snapshotVersion = 1
)

// WriteTo writes the snapshot so that ReadSnapshot can read it.
func (n *Snapshot) WriteTo(w io.Writer) (int64, error) {
	h, c := sha256.New(), &counter{w: w}
	out := io.MultiWriter(c, h)
	head := binary.LittleEndian.AppendUint32([]byte(snapshotMagic), snapshotVersion)
	head = append(head, n.model[:]...)
	head = binary.LittleEndian.AppendUint32(head, uint32(n.cache))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(n.tokens)))
	for _, id := range n.tokens {
		head = binary.LittleEndian.AppendUint32(head, uint32(id))
	}
	if _, err := out.Write(head); err != nil {
		return c.n, err
	}
	for _, name := range sortedNames(n.rows) {
		if _, err := out.Write(sched.HostOf(n.rows[name]).Bytes()); err != nil {
			return c.n, err
		}
	}
	_, err := c.Write(h.Sum(nil))
	return c.n, err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

func sortedNames[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ReadSnapshot reads what WriteTo has written, all of r. What is damaged, of another
// version or of another model gives an error. It takes no more memory than r has bytes,
// but for a small part.
func (m *Model) ReadSnapshot(r io.Reader) (*Snapshot, error) {
	n, err := m.readSnapshot(r)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errors.New("it ends too early")
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return n, nil
}

func (m *Model) readSnapshot(r io.Reader) (*Snapshot, error) {
	model, err := m.identity()
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	in := io.TeeReader(r, h)
	const numbers = 4 + sha256.Size + 4 + 4
	head, err := take(in, int64(len(snapshotMagic)+numbers))
	switch {
	case err != nil && !bytes.HasPrefix(head, []byte(snapshotMagic)):
		return nil, errors.New("not a saved snapshot")
	case err != nil:
		return nil, err
	case string(head[:len(snapshotMagic)]) != snapshotMagic:
		return nil, errors.New("not a saved snapshot")
	}
	head = head[len(snapshotMagic):]
	if v := binary.LittleEndian.Uint32(head); v != snapshotVersion {
		return nil, fmt.Errorf("version %d, want %d", v, snapshotVersion)
	}
	n := &Snapshot{model: [sha256.Size]byte(head[4:]), rows: map[string]graph.Tensor{}}
	if n.model != model {
		return nil, errors.New("of another model")
	}
	cache, length := binary.LittleEndian.Uint32(head[4+sha256.Size:]), binary.LittleEndian.Uint32(head[8+sha256.Size:])
	if n.cache = graph.DType(cache); uint32(n.cache) != cache || n.cache != graph.F32 && n.cache != graph.F16 {
		return nil, fmt.Errorf("a cache of type %d", cache)
	}
	if int64(length) > int64(m.config.Context) {
		return nil, fmt.Errorf("%d tokens, more than the model's context of %d", length, m.config.Context)
	}
	ids, err := take(in, 4*int64(length))
	if err != nil {
		return nil, err
	}
	for i := range int(length) {
		id := int32(binary.LittleEndian.Uint32(ids[4*i:]))
		if id < 0 || int(id) >= m.config.Vocab {
			return nil, fmt.Errorf("token %d is %d, want 0 to %d", i, id, m.config.Vocab-1)
		}
		n.tokens = append(n.tokens, id)
	}
	if err := n.readRows(in, m); err != nil {
		return nil, err
	}
	sum := h.Sum(nil)
	want, err := take(r, sha256.Size)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(sum, want) {
		return nil, errors.New("its checksum does not fit: it is damaged")
	}
	if rest, err := io.CopyN(io.Discard, r, 1); rest > 0 || err != io.EOF {
		return nil, errors.New("something follows its end")
	}
	return n, nil
}

// readRows reads the rows of the model's states.
func (n *Snapshot) readRows(in io.Reader, m *Model) error {
	if len(n.tokens) == 0 {
		return nil
	}
	g, err := models.Build(m.config, models.Step{Context: len(n.tokens), Cache: n.cache})
	if err != nil {
		return err
	}
	shapes := map[string]graph.Shape{}
	for _, s := range g.States() {
		shape := s.State.Shape()
		shapes[s.State.Node().Name()] = shape.With(shape.Dims()[1:]...)
	}
	for _, name := range sortedNames(shapes) {
		b, err := take(in, shapes[name].Bytes())
		if err != nil {
			return err
		}
		t := graph.NewTensor(shapes[name])
		copy(sched.HostOf(t).Bytes(), b)
		n.rows[name] = t
	}
	return nil
}

// take reads so many bytes, in memory that grows as they come.
func take(r io.Reader, n int64) ([]byte, error) {
	var b bytes.Buffer
	_, err := io.CopyN(&b, r, n)
	return b.Bytes(), err
}
