package extract

import "testing"

func TestMIME(t *testing.T) {
	const png = "\x89PNG\r\n\x1a\n"
	for _, tt := range []struct{ header, body, want string }{
		{"text/html", png, "text/html"},
		{"Text/HTML; charset=utf-8", "", "text/html"},
		{" text/html ;charset=utf-8", "", "text/html"},
		{"text/html, text/plain", "", "text/html"},
		{"junk, application/json", "", "application/json"},
		{"application/xhtml+xml", "x", "application/xhtml+xml"},
		{"", "<!DOCTYPE html><p>", "text/html"},
		{"", " \n<html>", "text/html"},
		{"", "<?xml version='1.0'?><x/>", "text/xml"},
		{"", png, "image/png"},
		{"", "%PDF-1.7", "application/pdf"},
		{"", `{"a": [1, 2]}`, "application/json"},
		{"", "just words", "text/plain"},
		{"", "", "text/plain"},
		{"html", "<html>", "text/html"},
		{"text/", "<html>", "text/html"},
		{"text/ht ml", "<html>", "text/html"},
		{"*/*", "<html>", "text/html"},
		{"application/octet-stream", "<html>", "text/html"},
		{"application/octet-stream", "\x00\x01\x02\x03", "application/octet-stream"},
		{"application/octet-stream", "PK\x03\x04", "application/zip"},
		{"text/plain", "<html>", "text/plain"},
		{"text/plain", "", "text/plain"},
		{"text/plain; charset=utf-8", png, "image/png"},
		{"text/plain", "\x1f\x8b\x08", "application/gzip"},
		{"text/plain", "\x00\x01\x02\x03", "application/octet-stream"},
		{"text/plain", "\xff\xfea\x00", "text/plain"},
		{"text/plain", "caf\xe9", "text/plain"},
		{"image/png", "<html>", "image/png"},
	} {
		got := MIME([]byte(tt.body), tt.header)
		if tt.want == "application/gzip" && got == "application/x-gzip" {
			got = tt.want // the name the MIME Sniffing Standard has
		}
		if got != tt.want {
			t.Errorf("%q with %q is %s, want %s", tt.header, tt.body, got, tt.want)
		}
	}
}

func TestCharset(t *testing.T) {
	for _, tt := range []struct {
		body, header string
		html         bool
		want         string
	}{
		{"\xef\xbb\xbfx", "text/html; charset=koi8-r", true, "utf-8"},
		{"\xfe\xff\x00x", "", true, "utf-16be"},
		{"x", "text/html; charset=UTF-16", true, "utf-16le"},
		{"x", "text/html; charset=x-user-defined", true, "x-user-defined"},
		{"<meta charset=x-user-defined>", "", true, "windows-1252"},
		{"<meta charset=koi8-r>", "text/html; charset=bogus", true, "koi8-r"},
		{"<meta charset=koi8-r>", "text/plain", false, "windows-1252"},
		{"<?xml version='1.0' encoding='koi8-r'?><html>", "text/html", true, "koi8-r"},
		{"<?xml version='1.0' encoding='koi8-r'?><html><meta charset=big5>", "text/html", true, "big5"},
		{"<?xml version='1.0' encoding='koi8-r'?><html><meta charset=big5>", "application/xhtml+xml", true, "koi8-r"},
		{"<html><meta charset=big5>", "application/xhtml+xml", true, "utf-8"},
		{"<?xml version='1.0' encoding=\"utf-16\"?>", "text/xml", false, "utf-8"},
		{"<\x00?\x00x\x00m\x00l\x00", "text/xml", false, "utf-16le"},
		{"{}", "application/json", false, "utf-8"},
		{"caf\xc3\xa9", "", true, "windows-1252"},
		{"caf\xc3\xa9 caf\xc3\xa9 caf\xc3\xa9", "", true, "utf-8"},
		{"caf\xc3\xa9 caf\xc3\xa9 caf\xc3\xa9 caf\xc3", "", true, "utf-8"},
		{"caf\xe9", "", true, "windows-1252"},
		{"caf\xc3\xa9 caf\xe9 ", "", true, "windows-1252"},
		{"", "", true, "windows-1252"},
	} {
		if got := Charset([]byte(tt.body), tt.header, tt.html); got != tt.want {
			t.Errorf("%q with %q: %s, want %s", tt.body, tt.header, got, tt.want)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct{ body, charset, want string }{
		{"caf\xe9 \x80", "windows-1252", "café €"},
		{"caf\xe9 \x80", "ISO-8859-1", "café €"},
		{"\xef\xbb\xbfx", "utf-8", "x"},
		{"\xfe\xff\x00h\x00i", "utf-16be", "hi"},
		{"\xff\xfeh\x00i\x00!", "utf-16le", "hi\ufffd"},
		{"h\x00i\x00", "utf-16le", "hi"},
		{"\x93\xfa\x96\x7b", "shift_jis", "日本"},
		{"a\x00b", "utf-8", "ab"},
		{"a\x00b", "windows-1252", "ab"},
		{"a\xffb", "no such set", "a\ufffdb"},
		{"\xff\x01", "x-user-defined", "\uf7ff\x01"},
		{"anything", "replacement", "\ufffd"},
		{"", "utf-8", ""},
	} {
		if got := string(Decode([]byte(tt.body), tt.charset)); got != tt.want {
			t.Errorf("%q in %s: %q, want %q", tt.body, tt.charset, got, tt.want)
		}
	}
}
