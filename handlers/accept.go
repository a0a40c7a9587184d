package handlers

import (
	"mime"
	"path"
	"strings"

	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// refusedTypes are the media types whose bodies are not wanted: they hold no text and are large.
var refusedTypes = []string{
	"video/", "audio/", "font/", "application/zip", "application/gzip", "application/x-gzip", "application/x-tar", "application/x-bzip2", "application/x-xz",
	"application/x-7z-compressed", "application/x-rar-compressed", "application/vnd.rar", "application/x-iso9660-image", "application/x-apple-diskimage",
	"application/x-msdownload", "application/vnd.microsoft.portable-executable", "application/vnd.debian.binary-package", "application/x-rpm",
	"application/java-archive", "application/vnd.android.package-archive", "application/x-executable",
}

// suspects are the endings of URLs behind which such a body is likely: they are asked for their header first.
var suspects = map[string]bool{
	".mp4": true, ".mkv": true, ".mov": true, ".avi": true, ".webm": true, ".mpg": true, ".mpeg": true, ".wmv": true, ".flv": true,
	".mp3": true, ".ogg": true, ".wav": true, ".flac": true, ".m4a": true, ".aac": true,
	".zip": true, ".gz": true, ".tgz": true, ".tar": true, ".bz2": true, ".xz": true, ".7z": true, ".rar": true, ".zst": true,
	".iso": true, ".img": true, ".dmg": true, ".exe": true, ".msi": true, ".deb": true, ".rpm": true, ".jar": true, ".apk": true, ".bin": true,
}

// refuse returns why a body is not wanted, by what its header says; "" when it is. Length is -1 when it is not known.
func (c *Crawler) refuse(contentType string, length int64) tasks.Reason {
	t, _, _ := mime.ParseMediaType(contentType)
	for _, r := range refusedTypes {
		if t == r || strings.HasSuffix(r, "/") && strings.HasPrefix(t, r) {
			return tasks.Type
		}
	}
	if length > c.Policy.MaxBody {
		return tasks.Size
	}
	return ""
}

// suspect tells whether the URL looks like one whose body may be refused.
func suspect(url string) bool {
	p, _, _ := strings.Cut(weburl.Path(url), "?")
	return suspects[strings.ToLower(path.Ext(p))]
}
