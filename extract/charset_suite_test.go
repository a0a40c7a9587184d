package extract

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

func TestChromiumCharset(t *testing.T) {
	var cases []struct{ ID, CT, Hex, Chromium string }
	readJSON(t, "chromium_charset.json", &cases)
	s := newScore(t, map[string]string{})
	for _, c := range cases {
		body, err := hex.DecodeString(c.Hex)
		if err != nil {
			t.Fatal(err)
		}
		got := Charset(body, c.CT, true)
		s.check(c.ID, got == strings.ToLower(c.Chromium), "got %s, Chromium %s", got, c.Chromium)
	}
}

// TestHTML5libEncoding reads the suite's .dat files: "#data", a page, "#encoding", its encoding.
func TestHTML5libEncoding(t *testing.T) {
	s := newScore(t, map[string]string{
		"tests1.dat#54": "what a script writes is not run; Chromium says windows-1252",
		"tests1.dat#55": "a script is no place for a declaration, nor in Chromium",
		"tests1.dat#56": "a style sheet is no place for a declaration, nor in Chromium",
	})
	for _, name := range []string{"tests1.dat", "tests2.dat", "test-yahoo-jp.dat"} {
		parts := bytes.Split(readFile(t, "html5lib/"+name), []byte("#data\n"))
		for i, part := range parts[1:] {
			page, encoding, ok := bytes.Cut(part, []byte("\n#encoding\n"))
			if !ok {
				t.Fatalf("%s: part %d has no encoding", name, i)
			}
			want := lookup(string(encoding))
			got := Charset(page, "text/html", true)
			s.check(fmt.Sprintf("%s#%d", name, i), got == want, "got %s, want %s", got, want)
		}
	}
}

// python names the codecs of that language as the Encoding Standard names them.
func python(codec any) string {
	s, _ := codec.(string)
	switch s = strings.ReplaceAll(s, "_", "-"); s {
	case "":
		return ""
	case "utf-16-be", "utf-16-le":
		return strings.ReplaceAll(s, "16-", "16")
	case "big5hkscs":
		return "big5"
	}
	if name := lookup(s); name != "" {
		return name
	}
	return s
}

func TestW3libEncoding(t *testing.T) {
	var calls []call
	readJSON(t, "w3lib_encoding.json", &calls)
	s := newScore(t, map[string]string{
		"test_bom#2":                                  "the Encoding Standard has no UTF-32",
		"test_bom#3":                                  "the same",
		"test_http_encoding_header#15":                "a quote that is not closed ends with the value (MIME Sniffing Standard), as in Chromium",
		"test_http_encoding_header#21":                "what follows a closed quote is passed over (MIME Sniffing Standard)",
		"test_http_encoding_header#22":                "the same",
		"test_html_body_declared_encoding#41":         "\"< meta\" is no tag",
		"test_html_body_declared_encoding#46":         "the first 1,024 octets count whatever is in them (HTML Standard)",
		"test_html_body_declared_encoding#47":         "http-equiv has to be content-type (HTML Standard)",
		"test_html_body_declared_encoding#48":         "the same",
		"test_html_body_declared_encoding_unicode#58": "\"< meta\" is no tag",
		"test_html_body_declared_encoding_unicode#62": "the first 1,024 octets count whatever is in them (HTML Standard)",
		"test_html_body_declared_encoding_unicode#63": "http-equiv has to be content-type (HTML Standard)",
		"test_resolve_encoding#65":                    "Latin-1 with a hyphen is no label of the Encoding Standard",
		"test_resolve_encoding#66":                    "the standard's name is gbk; its decoder is gb18030's",
		"test_content_type_and_conversion#73":         "the same; the text is equal",
		"test_content_type_and_conversion#74":         "the same; the text is equal",
		"test_content_type_and_conversion#71":         "one character is too little to go by; Chromium says windows-1252 too",
		"test_content_type_and_conversion#72":         "the same",
		"test_utf16_32#89":                            "the Encoding Standard has no UTF-32",
		"test_utf16_32#90":                            "the same",
		"test_utf16_32#91":                            "the same",
		"test_utf16_32#92":                            "the same",
		"test_utf16_32#93":                            "utf-16 without a byte order mark is little-endian (Encoding Standard)",
		"test_utf16_32#94":                            "the Encoding Standard has no UTF-32",
		"test_default_encoding#100":                   "ASCII that declares nothing is windows-1252, as in browsers; the text is equal",
		"test_empty_body#102":                         "the same",
	})
	for i, c := range calls {
		if _, ok := c.Kwargs["auto_detect_fun"]; ok || c.Kwargs["default_encoding"] != nil {
			continue // its user chooses
		}
		id := fmt.Sprintf("%s#%d", c.Test, i)
		ct := func() string { return strings.TrimPrefix(string(c.Args[0]), "Content-Type: ") }
		var got, want string
		switch c.Test {
		case "test_bom":
			got, want = bomCharset(c.Args[0]), python(c.Result.([]any)[0])
		case "test_http_encoding_header":
			got, want = lookup(headerCharset(ct())), python(c.Result)
		case "test_html_body_declared_encoding", "test_html_body_declared_encoding_unicode":
			got, want = declaredCharset(c.Args[0], "", true), python(c.Result)
		case "test_resolve_encoding":
			got, want = lookup(string(c.Args[0])), python(c.Result)
		default: // html_to_unicode
			result := c.Result.([]any)
			charset := Charset(c.Args[1], ct(), true)
			got = charset + " " + string(Decode(c.Args[1], charset))
			want = python(result[0]) + " " + result[1].(string)
		}
		s.check(id, got == want, "got %q, want %q", got, want)
	}
}
