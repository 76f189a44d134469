package tokenizer

import "unicode/utf8"

// Decoder turns tokens into text as they come. A character may be spread over
// several tokens: it is held back until it is complete, or cannot become so.
type Decoder struct {
	t    *Tokenizer
	held []byte
}

// NewDecoder returns a decoder at the beginning of a text.
func NewDecoder(t *Tokenizer) *Decoder { return &Decoder{t: t} }

// Next returns the text that is complete with token id, which may be "". All that
// Next and Flush return, joined, is what Decode makes of the same tokens: bytes
// that are no UTF-8 stay as they are. An id out of range gives an error and
// changes nothing.
func (d *Decoder) Next(id int32) (string, error) {
	all, err := d.t.Decode(d.held, id)
	if err != nil {
		return "", err
	}
	n := whole(all)
	text := string(all[:n])
	d.held = append(all[:0], all[n:]...)
	return text, nil
}

// Flush returns what is held back, the beginning of a character, and starts a new
// text.
func (d *Decoder) Flush() string {
	text := string(d.held)
	d.held = d.held[:0]
	return text
}

// whole returns the bytes of b in front of a character that is not complete.
func whole(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}
