package words

import (
	"strings"
	"testing"
)

func each(text string) string {
	var all []string
	Each(text, func(w []byte) { all = append(all, string(w)) })
	return strings.Join(all, " ")
}

func TestEach(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"One, two; THREE.":                    "one two three",
		"naïve Čapek cafe\u0301":              "naive capek cafe",
		"\u0301alone":                         "alone",
		"ΟΔΟΣ οδος Οδός":                      "οδοσ οδοσ οδόσ",
		"Straße ſ":                            "straße s",
		"東京へ行く A1":                            "東 京 へ 行 く a1",
		"한국어 текст й":                         "한국어 текст й",
		"हिन्दी":                              "हिन्दी",
		"a\u200bb\ufeffc\x00d":                "a b c d",
		"\xffbad\xc3 end":                     "bad end",
		"x" + strings.Repeat("y", 500) + " z": "x" + strings.Repeat("y", longest-1) + " z",
		strings.Repeat("é", 100):              strings.Repeat("e", longest),
		"snake_case e-mail 3.14":              "snake case e mail 3 14",
	} {
		if got := each(text); got != want {
			t.Errorf("words of %q are %q, not %q", text, got, want)
		}
	}
}
