package lab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"strconv"
)

// answer is what a page says with status 200, apart from its bytes.
type answer struct {
	mime    string
	charset string // "" when it has none
	title   string
}

// answer describes page k, whose kind is a document.
func (m *model) answer(s *site, k int, kd kind) answer {
	switch kd {
	case plainText:
		return answer{mime: "text/plain", charset: "utf-8"}
	case pdf:
		return answer{mime: "application/pdf"}
	case picture:
		return answer{mime: "image/png"}
	}
	lk := m.look(s, k, kd)
	return answer{mime: "text/html", charset: lk.charset.name(), title: string(m.title(nil, s, k, lk))}
}

// appendBody appends the first version of the body of page k, whose kind is a document, before any content coding.
func (m *model) appendBody(dst []byte, s *site, k int, kd kind) []byte {
	return m.appendVersion(dst, s, k, kd, 0)
}

// appendVersion appends a version of that body; the versions differ in one paragraph.
func (m *model) appendVersion(dst []byte, s *site, k int, kd kind, version int) []byte {
	switch kd {
	case plainText:
		return m.appendText(dst, s, k, version)
	case pdf:
		return m.appendPDF(dst, s, k)
	case picture:
		return m.appendPNG(dst, s, k)
	}
	return m.appendHTML(dst, s, k, kd, version)
}

func (m *model) appendText(dst []byte, s *site, k, version int) []byte {
	lk, r := m.look(s, k, plainText), stream(m.seed, s.index, k, forBody)
	end := len(dst) + lk.size
	dst = append(m.title(dst, s, k, lk), "\n\n"...)
	for len(dst) < end {
		dst = append(m.prose[lk.lang].sentences(dst, &r, 4), "\n\n"...)
	}
	if version > 0 {
		dst = fmt.Appendf(dst, "Version %d.\n\n", version)
	}
	return dst
}

// appendPDF appends what begins and ends as a PDF does; what is between is a comment and noise.
func (m *model) appendPDF(dst []byte, s *site, k int) []byte {
	r := stream(m.seed, s.index, k, forBody)
	dst = append(dst, "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n% "...)
	dst = append(m.appendURL(dst, s, k), "\n1 0 obj\n<< /Type /Catalog >>\nendobj\n2 0 obj\n<< /Length "...)
	words := 200 + r.n(4000)
	dst = append(strconv.AppendInt(dst, int64(words*8), 10), " >>\nstream\n"...)
	for range words {
		dst = binary.LittleEndian.AppendUint64(dst, r.next())
	}
	return append(dst, "\nendstream\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"...)
}

// dot is the image that all images of the lab are made of.
func dot() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		return nil // an encoder that writes to memory has nothing to fail at
	}
	return b.Bytes()
}

// appendPNG appends the dot with the page's address as its comment, so that no two images are the same.
func (m *model) appendPNG(dst []byte, s *site, k int) []byte {
	const afterHeader = 8 + 25 // signature, IHDR
	chunk := m.appendURL([]byte("tEXtComment\x00"), s, k)
	dst = append(dst, m.png[:afterHeader]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(chunk)-4))
	dst = append(dst, chunk...)
	dst = binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(chunk))
	return append(dst, m.png[afterHeader:]...)
}
